#!/usr/bin/env python3
"""Measures refreshes of the rehearsal tenant, and prints a table.

For each number N it starts a tenant in a process of its own, over TLS, with N more flows and N more
references, and runs the program: a whole refresh, and the run again that finds nothing left to do.
Requests and the highest number at once are counted in the tenant's file, bytes in the state file.

  steps 3+4   the phases that bind references and turn on flows, in seconds; with latency in a process of
              their own, at another speed of the tenant's clock (CHANGES_SPEED)
  CPU us      of the program for each flow and reference, with TLS and the state file; without latency
  requests    of the whole refresh; "each" is the increase for each flow and reference
  again       the second run: it reads the state file and surveys everything

A goal is in brackets beside the figure that has one: for steps 3+4 1.05 x 2 x ceil(N / C) x latency + 0.5 s,
with C changes at once; for the peak 24 MB + 300 bytes for each flow and reference, and at most 64 MB.

Then the same list, bind and turn-on work is done by Microsoft's PowerPlatform-Dataverse-Client, one
request after another, in the same tenant; and step 6 runs in the rehearsal's whole tenant.

Last, a state file is lengthened to `--records` records, as turning on more flows leaves them, and read:
"scan" is a loop of this script that checks each line's checksum, "parsed" one that also parses its JSON.
`state check` verifies what a resumed run verifies before it begins; its ratio to "parsed" should be below 3.

Times depend on the machine: compare ratios of one run. Requests, bytes and syncs do not;
`--check FILE` compares them with the figures that `--json FILE` has written before.

It needs Linux, Python 3.9 and a release build (`cargo build --release`); the comparison installs
`tests/clients/requirements.txt` into target/bench-client, or uses `--client-python`; syncs need strace.
"""

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import venv
import zlib
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

# The speed for steps 3 and 4 where requests take time. A token lives for nine seconds, so that no renewal
# counts in short measurements; and the jobs that follow a reference, 30 seconds of the tenant's time, end
# within one request at 100 ms.
CHANGES_SPEED = 400

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
            peak = Peak(process.pid)
            peak.start()
            events = [parse(line) for line in process.stdout]
            _, status, usage = os.wait4(process.pid, 0)
            peak.join()
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"the run ended with {process.returncode}:\n{(self.folder / 'stderr').read_text()}")
        return {
            "wall": time.monotonic() - began,
            "cpu": usage.ru_utime + usage.ru_stime,
            "memory": peak.kilobytes / 1024,
            "events": events,
        }


class Peak(threading.Thread):
    """Reads the highest memory of a process until it ends. `wait4` would count this script's own memory
    too: a process begins as a copy of its parent."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.status, self.kilobytes = Path(f"/proc/{process}/status"), 0

    def run(self):
        while True:
            try:
                found = re.search(r"^VmHWM:\s+(\d+) kB", self.status.read_text(), re.M)
            except OSError:
                return
            # A process that has ended has no memory any more.
            if not found:
                return
            self.kilobytes = int(found[1])
            time.sleep(0.005)


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


def of_step_6(requests):
    """From the first provider that is deactivated to the last one that is activated."""
    paths = [f"{entry['method']} {entry['path']}" for entry in requests]
    first = next(at for at, path in enumerate(paths) if path.startswith("PATCH") and "/msdyn_iomproviders(" in path)
    last = max(at for at, path in enumerate(paths) if "ActivateProvider" in path)
    return requests[first:last + 1]


def size_of(n, orchestrations=0):
    return ["--seed", "thin", "--flows", str(n), "--references", str(n), "--orchestrations", str(orchestrations)]


def refresh(options, stage, latency, limits):
    """A whole refresh: its figures, its requests, and those of steps 3 and 4 if they ran by themselves.

    With latency they do, in a process of their own, at CHANGES_SPEED. The figures of the processes are added,
    but not the CPU time for each change: each process reads the state file of those before it.
    """
    if not latency:
        stage.start(options.speed, 0, limits)
        figures = stage.run()
        return {**figures, "cpu-whole": figures["cpu"]}, stage.world(), []
    parts, before = [], 0
    for speed, until in ((options.speed, "exit-administration-mode"), (CHANGES_SPEED, "activate-flows"),
                         (options.speed, None)):
        stage.stop()
        before = len(stage.world()) if parts else 0
        stage.start(speed, latency, limits)
        parts.append(stage.run(*(["--until", until] if until else [])))
        if speed == CHANGES_SPEED:
            slow = stage.world()[before:]
    figures = {
        "wall": sum(part["wall"] for part in parts),
        "cpu": sum(part["cpu"] for part in parts),
        "memory": max(part["memory"] for part in parts),
        "events": parts[1]["events"],
    }
    return figures, stage.world(), slow


def measure(options, n, latency):
    """A whole refresh with N more flows and references, and the run again."""
    limits = ["--limits"] if options.limits else []
    runbook = ROOT / "tests/runbooks/thin/rehearsal.yaml"
    with Stage(options, runbook, size_of(n, options.orchestrations)) as stage:
        figures, requests, slow = refresh(options, stage, latency, limits)
        state = (stage.folder / "rehearsal.iomcopy.jsonl").read_bytes()
        again = stage.run()
        # The first and the last phases are the same for every N.
        figures.update({
            "n": n,
            "latency": latency,
            "steps": seconds_of(figures.pop("events"), lambda event: event["phase"] in PHASES),
            "requests": sum(entry["listener"] != "authority" for entry in requests),
            "at-once": at_once(slow, CHANGES_SPEED, latency),
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
        earlier = len(stage.world())
        stage.start(CHANGES_SPEED, latency)
        figures = stage.run("--until", "activate-flows")
        own = seconds_of(figures["events"], lambda event: event["phase"] in PHASES)
        highest = at_once(stage.world()[earlier:], CHANGES_SPEED, latency)
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
            "changes": other["changes"], "client-requests": requests, "ratio": other["seconds"] / own,
            "ratio-goal": 6}


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
            "in-a-row": in_a_row(of_step_6(requests), PROVIDERS_SPEED, latency),
            "seconds-goal": 15 if latency else None,
        }


def chained(lines):
    """Lines of a state file with new numbers and checksums; the format is in src/journal/line.rs."""
    previous = b"00000000"
    for number, line in enumerate(lines, 1):
        rest = line[line.index(b'"run":'): line.rindex(b',"crc":')]
        body = b'{"n":%d,"prev":"%s",%s' % (number, previous, rest)
        previous = b"%08x" % zlib.crc32(body)
        yield b'%s,"crc":"%s"}\n' % (body, previous)


def lengthen(state, records):
    """Lengthens a state file to this many records: more flows that were turned on."""
    lines = state.read_bytes().splitlines()
    intent = next(at for at, line in enumerate(lines) if b'"type":"intent"' in line and b'"phase":"turn-on"' in line)
    key = json.loads(lines[intent])["data"]["key"].encode()
    pair = [lines[intent], next(line for line in lines[intent:] if b'"type":"done"' in line and key in line)]
    more = []
    while len(lines) + len(more) < records:
        flow = b"flow/%s" % str(uuid.uuid4()).encode()
        more += [line.replace(key, flow) for line in pair]
    lines[intent:intent] = more
    state.write_bytes(b"".join(chained(lines)))
    # The lock file names the last record of the shorter file.
    state.with_name(state.name + ".lock").unlink(missing_ok=True)


def scan(state, read=lambda line: None):
    """Checks the checksum of each line; returns the number of lines."""
    count = 0
    with open(state, "rb") as file:
        for count, line in enumerate(file, 1):
            assert b"%08x" % zlib.crc32(line[:-19]) == line[-11:-3]
            read(line)
    return count


def shortest(work):
    """The least CPU time of three calls, in seconds, with that of the programs which they run."""
    times = []
    for _ in range(3):
        began = sum(os.times()[:4])
        work()
        times.append(sum(os.times()[:4]) - began)
    return min(times)


def measure_resume(options):
    """A state file of many records, read by the program and by a bare scan."""
    with Stage(options, ROOT / "tests/runbooks/thin/rehearsal.yaml", size_of(0)) as stage:
        stage.start(options.speed, 0)
        # The copies of the seals before this step have the same lines afterwards.
        stage.run("--until", "activate-flows")
        stage.stop()
        state = stage.folder / "rehearsal.iomcopy.jsonl"
        lengthen(state, options.records)

        def program(*command):
            return shortest(lambda: subprocess.run([options.program, *command], cwd=stage.folder, check=True,
                                                   env=stage.environment, stdout=subprocess.DEVNULL))

        figures = {
            "records": scan(state),
            "state-mb": state.stat().st_size / 1e6,
            "scan": shortest(lambda: scan(state)),
            "parsed": shortest(lambda: scan(state, json.loads)),
            "check": program("state", "check", state.name),
            "status": program("status", "rehearsal.yaml"),
        }
    return {**figures, "ratio": figures["check"] / figures["parsed"], "ratio-goal": 3}


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
    """Prints rows as a Markdown table. A column is its heading, its member, its format and, if the member has
    a goal, the sign before it: the goal is the member with "-goal" after its name."""
    def cell(row, member, form, sign=None):
        value, goal = row.get(member), row.get(f"{member}-goal")
        text = "–" if value is None else format(value, form)
        has_goal = sign and value is not None and goal is not None
        return f"{text} ({sign} {format(goal, form)})" if has_goal else text

    cells = [[cell(row, *column[1:]) for column in columns] for row in rows]
    widths = [max(map(len, [column[0], *texts])) for column, *texts in zip(columns, *cells)]
    print(f"\n{title}\n")
    print("| " + " | ".join(column[0].rjust(width) for column, width in zip(columns, widths)) + " |")
    print("|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|")
    for row in cells:
        print("| " + " | ".join(text.rjust(width) for text, width in zip(row, widths)) + " |")


REFRESHES = [
    ("N", "n", "d"), ("latency ms", "latency", "d"), ("wall s", "wall", ".2f"), ("steps 3+4 s", "steps", ".2f", "≤"),
    ("CPU s", "cpu", ".2f"), ("CPU us", "cpu-each", ".0f", "≤"), ("peak MB", "memory", ".0f", "≤"),
    ("requests", "requests", "d"), ("each", "each", ".3f", "≤"), ("at once", "at-once", "d"),
    ("records", "records", "d"), ("state KB", "journal-kb", ".0f"), ("syncs", "syncs", "d"),
    ("again s", "again", ".2f"), ("again MB", "again-memory", ".0f"),
]
COMPARISON = [
    ("N", "n", "d"), ("latency ms", "latency", "d"), ("changes", "changes", "d"), ("iomcopy s", "own", ".2f"),
    ("at once", "at-once", "d"), ("Python client s", "client", ".2f"), ("its requests", "client-requests", "d"),
    ("times faster", "ratio", ".1f", "≥"),
]
RESUMES = [
    ("records", "records", "d"), ("state MB", "state-mb", ".0f"), ("scan s", "scan", ".2f"),
    ("parsed s", "parsed", ".2f"), ("state check s", "check", ".2f"), ("status s", "status", ".2f"), ("check / parsed", "ratio", ".1f", "≤"),
]
PROVIDERS = [
    ("latency ms", "latency", "d"), ("step 6 s", "seconds", ".2f", "≤"), ("its changes", "changes", "d"),
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
            if more:
                row["each"] = (row["requests"] - base["requests"]) / more
                if "cpu-whole" in row:
                    row["cpu-each"] = (row["cpu-whole"] - base["cpu-whole"]) / more * 1e6
            row["journal-kb"] = row["journal"] / 1024
            row.update(goals(options, n, latency))
            rows.append(row)
            print(f"measured: N = {n}, {latency} ms", file=sys.stderr)
    return rows


def goals(options, n, latency):
    """What a refresh with N more flows and N more references should cost at most."""
    rounds = 2 * math.ceil(n / options.concurrency) if options.concurrency else 0
    return {
        "steps-goal": 1.05 * rounds * latency / 1000 + 0.5 if rounds and latency else None,
        "cpu-each-goal": 250,
        "memory-goal": min(64, 24 + 2 * n * 300 / 1e6),
        "each-goal": 1.1,
    }


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
    parser.add_argument("--records", type=int, default=100_000, help="of the state file that is read; 0: none")
    parser.add_argument("--no-client", action="store_true", help="leave out the comparison")
    parser.add_argument("--client-python", metavar="PATH", help="a Python with tests/clients/requirements.txt")
    parser.add_argument("--syncs", action="store_true", help="count syncs with strace, in one more run")
    parser.add_argument("--json", metavar="FILE", help="write the figures")
    parser.add_argument("--check", metavar="FILE", help="fail where a count is higher than in these figures")
    options = parser.parse_args()
    if options.quick:
        options.n, options.latency, options.records = [0, 50], [0], 0
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
    if options.records:
        figures["resume"] = measure_resume(options)
        show("A state file with many records", RESUMES, [figures["resume"]])
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
