#!/usr/bin/env python3
"""Measures refreshes of the rehearsal tenant, and prints a table.

For each number N it starts a tenant in a process of its own, over TLS, with N more flows and N more
references, and runs the program: a whole refresh, and the run again that finds nothing left to do.
Requests and the highest number at once are counted in the tenant's file, bytes in the state file.

  steps 3+4   the phases that bind references and turn on flows, in seconds
  requests    of the whole refresh; "each" is the increase for each flow and reference
  again       the second run: it reads the state file and surveys everything

Then the same list, bind and turn-on work is done by Microsoft's PowerPlatform-Dataverse-Client, one
request after another, in the same tenant; and step 6 runs in the rehearsal's whole tenant.

Times depend on the machine: compare ratios of one run. Requests, bytes and syncs do not;
`--check FILE` compares them with the figures that `--json FILE` has written before.

It needs Python 3.9 and a release build (`cargo build --release`); the comparison installs
`tests/clients/requirements.txt` into target/bench-client, or uses `--client-python`; syncs need strace.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "tests/bench"

# The rehearsal tenant's application, and the connection of Dataverse in the target.
APPLICATION = {
    "TENANT": "7e4a0000-0000-4000-8000-000000000001",
    "CLIENT": "c11e0000-0000-4000-8000-000000000001",
    "SECRET": "rehearsal-tenant-only-not-a-secret",
}
CONNECTION = "3f6d0c5a9b7e4d21a8c4e0f1b2a39d55"

# The phases that do the work that the Python client does too.
PHASES = ("connection-references", "turn-on")

STEPS = ("reconfigure-connections", "activate-flows")

# The counts that no machine changes. A change of the program may lower them; a rise is a regression.
COUNTED = ("requests", "each", "records", "journal", "syncs")

# The speed of the tenant's clock for step 6: an activation is as short as a request at 100 ms latency.
PROVIDERS_SPEED = 2000

# Requests whose number depends on time: polls of what the tenant does meanwhile, and tokens.
MARGIN = 1.05


class Stage:
    """A folder with a tenant, a runbook and a state file."""

    def __init__(self, options, runbook, arguments):
        self.concurrency = options.concurrency
        self.folder = Path(tempfile.mkdtemp(prefix="iomcopy-bench-"))
        self.program, self.runbook, self.arguments = options.program, runbook, arguments
        self.tenant = None
        self.environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(self.folder),
            "XDG_STATE_HOME": str(self.folder / ".state"),
            "SSL_CERT_FILE": str(self.folder / "world.pem"),
            "NO_PROXY": "127.0.0.1",
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, speed, latency, more=()):
        """Starts the tenant, which continues from its file; writes the runbook with its addresses."""
        command = [self.program, "rehearsal", "--world", "world.jsonl", "--tls", "--speed", str(speed),
                   "--latency", str(latency), *self.arguments, *more]
        self.tenant = subprocess.Popen(command, cwd=self.folder, env=self.environment, text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        endpoints = self.tenant.stdout.readline().strip()
        if not endpoints.startswith("endpoints:"):
            sys.exit(f"the tenant did not start: {' '.join(command)}")
        lines = self.runbook.read_text().splitlines()
        lines = [line for line in lines if not line.startswith("endpoints:")]
        text = "\n".join([*lines, endpoints, ""])
        for step in STEPS if self.concurrency else ():
            # A step is `- NAME: {}`, or `- NAME:` with its keys below.
            text = text.replace(f"- {step}: {{}}", f"- {step}: {{ concurrency: {self.concurrency} }}")
            text = text.replace(f"- {step}:\n", f"- {step}:\n      concurrency: {self.concurrency}\n")
        (self.folder / "rehearsal.yaml").write_text(text)

    def stop(self):
        if self.tenant:
            self.tenant.kill()
            self.tenant.wait()
            self.tenant = None

    def world(self):
        """The requests that the tenant has received."""
        with open(self.folder / "world.jsonl") as file:
            lines = (line[: line.find('"put"')].rstrip(", ") + "}" if '"put"' in line else line for line in file)
            return [entry for entry in map(parse, lines) if entry.get("method")]

    def origin(self, listener):
        with open(self.folder / "world.jsonl") as file:
            seed = json.loads(file.readline())
        return f"https://127.0.0.1:{seed['put']['ports'][listener]}"

    def run(self, *more, prefix=()):
        """Runs the runbook; returns its figures."""
        command = [*prefix, self.program, "run", "rehearsal.yaml", "--confirm-target", "Contoso UAT",
                   "--output", "json", *more]
        began = time.monotonic()
        with open(self.folder / "stderr", "w") as errors:
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, text=True,
                                       stdout=subprocess.PIPE, stderr=errors)
            events = [parse(line) for line in process.stdout]
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"the run ended with {process.returncode}:\n{(self.folder / 'stderr').read_text()}")
        return {
            "wall": time.monotonic() - began,
            "cpu": usage.ru_utime + usage.ru_stime,
            "memory": usage.ru_maxrss / 1024,
            "events": events,
        }


def parse(line):
    try:
        return json.loads(line)
    except ValueError:
        return {}


def seconds_of(events, belongs):
    """How long the phases lasted that these belong to; a phase ends where the next one begins."""
    total, since = 0.0, None
    for event in events:
        if event.get("type") not in ("phase-began", "step-ended", "run-ended"):
            continue
        whole, _, fraction = event["time"].rstrip("Z").partition(".")
        at = datetime.fromisoformat(whole).timestamp() + float(f"0.{fraction or 0}")
        if since is not None:
            total += at - since
        since = at if event["type"] == "phase-began" and belongs(event) else None
    return total


def at_once(requests, speed, latency):
    """The highest number of requests that had no response yet; unknown without latency."""
    if not latency:
        return None
    highest, arrived = 0, []
    for entry in requests:
        now = entry["elapsed"] / speed
        arrived = [at for at in arrived if at > now - latency] + [now]
        highest = max(highest, len(arrived))
    return highest


def in_a_row(requests, speed, latency):
    """How many requests were sent one after the response to another; unknown without latency."""
    if not latency:
        return None
    count, since = 0, None
    for now in sorted(entry["elapsed"] / speed for entry in requests):
        if since is None or now - since >= 0.9 * latency:
            count, since = count + 1, now
    return count


def size_of(n, orchestrations=0):
    return ["--seed", "thin", "--flows", str(n), "--references", str(n), "--orchestrations", str(orchestrations)]


def measure(options, n, latency):
    """A whole refresh with N more flows and references, and the run again."""
    limits = ["--limits"] if options.limits else []
    runbook = ROOT / "tests/runbooks/thin/rehearsal.yaml"
    with Stage(options, runbook, size_of(n, options.orchestrations)) as stage:
        stage.start(options.speed, latency, limits)
        figures = stage.run()
        requests = stage.world()
        state = (stage.folder / "rehearsal.iomcopy.jsonl").read_bytes()
        again = stage.run()
        # The first and the last phases are the same for every N.
        figures.update({
            "n": n,
            "latency": latency,
            "steps": seconds_of(figures.pop("events"), lambda event: event["phase"] in PHASES),
            "requests": sum(entry["listener"] != "authority" for entry in requests),
            "at-once": at_once(requests, options.speed, latency),
            "journal": len(state),
            "records": state.count(b"\n"),
            "again": again["wall"],
            "again-memory": again["memory"],
            "syncs": None,
        })
    if options.syncs and shutil.which("strace"):
        figures["syncs"] = count_syncs(options, n)
    return figures


def count_syncs(options, n):
    runbook = ROOT / "tests/runbooks/thin/rehearsal.yaml"
    with Stage(options, runbook, size_of(n, options.orchestrations)) as stage:
        stage.start(options.speed, 0)
        stage.run(prefix=["strace", "-f", "-c", "-o", "syncs", "-e", "trace=fsync,fdatasync"])
        table = (stage.folder / "syncs").read_text()
        return sum(int(calls) for calls in re.findall(r"^\s*\S+\s+\S+\s+\S+\s+(\d+).*\bf(?:data)?sync$", table, re.M))


def compare(options, python, n, latency):
    """The same work by the program and by the Python client, from the same state of the tenant."""
    runbook = ROOT / "tests/runbooks/thin/rehearsal.yaml"
    with Stage(options, runbook, size_of(n)) as stage:
        world = stage.folder / "world.jsonl"
        stage.start(options.speed, 0)
        stage.run("--until", "exit-administration-mode")
        stage.stop()
        before = world.read_bytes()
        stage.start(options.speed, latency)
        figures = stage.run("--until", "activate-flows")
        own = seconds_of(figures["events"], lambda event: event["phase"] in PHASES)
        highest = at_once(stage.world()[before.count(b"\n"):], options.speed, latency)
        stage.stop()
        world.write_bytes(before)
        # A token lives an hour of the tenant's time, and the client trusts the wall clock.
        stage.start(1, latency)
        command = [python, BENCH / "dataverse_client.py", stage.origin("authority"),
                   stage.origin("dataverse-target"), CONNECTION]
        environment = {**stage.environment, **APPLICATION, "REQUESTS_CA_BUNDLE": str(stage.folder / "world.pem")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"the Python client failed:\n{done.stderr}")
        other = json.loads(done.stdout)
        requests = len(stage.world()) - before.count(b"\n")
    return {"n": n, "latency": latency, "own": own, "at-once": highest, "client": other["seconds"],
            "changes": other["changes"], "client-requests": requests, "ratio": other["seconds"] / own}


def measure_providers(options, latency):
    """Step 6 of the rehearsal's whole tenant."""
    with Stage(options, ROOT / "runbooks/rehearsal.yaml", ["--seed", "whole"]) as stage:
        # An activation lasts three minutes of the tenant's time, a token one hour: neither must count.
        stage.start(PROVIDERS_SPEED, latency)
        figures = stage.run()
        events = figures["events"]
        step = "reinstall-providers"
        changes = sum(event.get("type") == "change-done" and event.get("step") == step for event in events)
        requests = stage.world()
        return {
            "latency": latency,
            "seconds": seconds_of(events, lambda event: event["step"] == step),
            "changes": changes,
            "wall": figures["wall"],
            "requests": sum(entry["listener"] != "authority" for entry in requests),
            "tokens": sum(entry["listener"] == "authority" for entry in requests),
            "in-a-row": in_a_row(requests, PROVIDERS_SPEED, latency),
        }


def client_python(options):
    """A Python with the client, or none where it cannot be installed."""
    if options.client_python:
        return options.client_python
    folder = ROOT / "target/bench-client"
    python = folder / "bin/python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    requirements = ROOT / "tests/clients/requirements.txt"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]
    if subprocess.run(install).returncode != 0:
        print("skipped: PowerPlatform-Dataverse-Client cannot be installed here", file=sys.stderr)
        return None
    return str(python)


def show(title, columns, rows):
    """Prints rows as a Markdown table. A column is its heading, its member and its format."""
    def cell(row, member, form):
        value = row.get(member)
        return "–" if value is None else format(value, form)

    cells = [[cell(row, member, form) for _, member, form in columns] for row in rows]
    widths = [max(map(len, [heading, *column])) for (heading, _, _), *column in zip(columns, *cells)]
    print(f"\n{title}\n")
    print("| " + " | ".join(heading.rjust(width) for (heading, _, _), width in zip(columns, widths)) + " |")
    print("|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|")
    for row in cells:
        print("| " + " | ".join(text.rjust(width) for text, width in zip(row, widths)) + " |")


REFRESHES = [
    ("N", "n", "d"), ("latency ms", "latency", "d"), ("wall s", "wall", ".2f"), ("steps 3+4 s", "steps", ".2f"),
    ("CPU s", "cpu", ".2f"), ("peak MB", "memory", ".0f"), ("requests", "requests", "d"), ("each", "each", ".3f"),
    ("at once", "at-once", "d"), ("records", "records", "d"), ("state KB", "journal-kb", ".0f"),
    ("syncs", "syncs", "d"), ("again s", "again", ".2f"), ("again MB", "again-memory", ".0f"),
]
COMPARISON = [
    ("N", "n", "d"), ("latency ms", "latency", "d"), ("changes", "changes", "d"), ("iomcopy s", "own", ".2f"),
    ("at once", "at-once", "d"), ("Python client s", "client", ".2f"), ("its requests", "client-requests", "d"),
    ("times faster", "ratio", ".1f"),
]
PROVIDERS = [
    ("latency ms", "latency", "d"), ("step 6 s", "seconds", ".2f"), ("its changes", "changes", "d"),
    ("run s", "wall", ".2f"), ("requests", "requests", "d"), ("tokens", "tokens", "d"), ("in a row", "in-a-row", "d"),
]


def refreshes(options):
    rows = []
    for latency in options.latency:
        base = None
        for n in options.n:
            row = measure(options, n, latency)
            base = base or row
            more = 2 * (n - base["n"])
            row["each"] = (row["requests"] - base["requests"]) / more if more else None
            row["journal-kb"] = row["journal"] / 1024
            rows.append(row)
            print(f"measured: N = {n}, {latency} ms", file=sys.stderr)
    return rows


def check(figures, file):
    """Fails where a count is higher than the recorded one."""
    recorded = {(row["n"], row["latency"]): row for row in json.loads(Path(file).read_text())["refreshes"]}
    higher = []
    for row in figures["refreshes"]:
        known = recorded.get((row["n"], row["latency"]), {})
        for name in COUNTED:
            now, then = row.get(name), known.get(name)
            if now is not None and then is not None and now > then * MARGIN:
                higher.append(f"N = {row['n']}, {row['latency']} ms: {name} {now}, was {then}")
    if higher:
        sys.exit("higher than recorded:\n" + "\n".join(higher))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "target/release/iomcopy"))
    parser.add_argument("--n", type=int, nargs="+", default=[0, 100, 1000], metavar="N")
    parser.add_argument("--latency", type=int, nargs="+", default=[0, 20, 100], metavar="MS")
    parser.add_argument("--orchestrations", type=int, default=0, metavar="N", help="more than the seed has")
    parser.add_argument("--limits", action="store_true", help="apply the limits of Dataverse for each user")
    parser.add_argument("--concurrency", type=int, default=8, metavar="C",
                        help="changes at once in steps 3 and 4; 0: the program's default")
    parser.add_argument("--speed", type=int, default=1000, help="of the tenant's clock")
    parser.add_argument("--quick", action="store_true", help="N = 0 and 50 without latency, and the comparison")
    parser.add_argument("--no-client", action="store_true", help="leave out the comparison")
    parser.add_argument("--client-python", metavar="PATH", help="a Python with tests/clients/requirements.txt")
    parser.add_argument("--syncs", action="store_true", help="count syncs with strace, in one more run")
    parser.add_argument("--json", metavar="FILE", help="write the figures")
    parser.add_argument("--check", metavar="FILE", help="fail where a count is higher than in these figures")
    options = parser.parse_args()
    if options.quick:
        options.n, options.latency = [0, 50], [0]
    options.program = str(Path(options.program).resolve())
    if not Path(options.program).exists():
        parser.error(f"{options.program} does not exist; build it with `cargo build --release`")
    return options


def main():
    options = arguments()
    figures = {"refreshes": refreshes(options), "comparison": [], "providers": []}
    show("A refresh with N more flows and N more references", REFRESHES, figures["refreshes"])
    if not options.quick:
        figures["providers"] = [measure_providers(options, latency) for latency in options.latency]
        show("Step 6, and the whole run, in the rehearsal's whole tenant", PROVIDERS, figures["providers"])
    python = None if options.no_client else client_python(options)
    if python:
        latencies = [latency for latency in options.latency if latency] or [100]
        figures["comparison"] = [compare(options, python, 50, latency) for latency in latencies]
        show("The same work by PowerPlatform-Dataverse-Client 1.1.0", COMPARISON, figures["comparison"])
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1))
    if options.check:
        check(figures, options.check)


if __name__ == "__main__":
    main()
