#!/usr/bin/env python3
"""Measures a whole refresh of the rehearsal tenant, and prints one table.

For each number N of flows and references it starts the tenant in a process of its own, runs the
program, and reads from the state file and the world file what steps 3 and 4 took: time, requests,
journal bytes, highest number of requests in flight. Times depend on the machine; requests, bytes and
syncs do not, and `--check FILE` compares those with figures that were recorded earlier.

It needs Python 3.9 and a release build: `cargo build --release`.
"""
import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MEASURED = ("reconfigure-connections", "activate-flows")


def start_tenant(program, folder, n, latency, speed):
    arguments = [program, "rehearsal", "--world", "world.jsonl", "--seed", "thin", "--speed", str(speed),
                 "--flows", str(n), "--references", str(n), "--latency", str(latency)]
    tenant = subprocess.Popen(arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    line = tenant.stdout.readline().strip()
    if not line.startswith("endpoints:"):
        tenant.kill()
        sys.exit(f"the tenant did not start: {line}")
    return tenant, line


def write_runbook(folder, endpoints, concurrency):
    text = (ROOT / "tests/runbooks/thin/rehearsal.yaml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("endpoints:")]
    text = "\n".join(lines) + f"\n{endpoints}\n"
    if concurrency:
        for step in MEASURED:
            text = re.sub(rf"(- {step}:)( \{{\}})?$", rf"\1 {{ concurrency: {concurrency} }}", text, flags=re.M)
            text = re.sub(rf"(- {step}:)\n(\s+)(?=\w)", rf"\1\n\2concurrency: {concurrency}\n\2", text)
    (folder / "rehearsal.yaml").write_text(text)


def run_program(program, folder):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    process = subprocess.Popen(
        [program, "run", "rehearsal.yaml", "--confirm-target", "Contoso UAT", "--output", "json"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    stamps, lines = {}, []
    for line in process.stdout:
        event = json.loads(line)
        lines.append(event)
        kind, step = event.get("event") or event.get("type"), event.get("step")
        if step in MEASURED:
            stamps.setdefault(step, [time.monotonic(), 0.0])[1] = time.monotonic()
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    if process.returncode != 0:
        sys.exit(f"the run ended with {process.returncode}:\n{error}")
    del before
    return {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss / 1024,
        "steps": sum(end - start for start, end in stamps.values()),
    }


def count(folder):
    requests, writes = 0, 0
    for line in (folder / "world.jsonl").read_text().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("method"):
            requests += 1
            writes += entry["method"] in ("PATCH", "POST", "DELETE")
    state = (folder / "rehearsal.iomcopy.jsonl").read_bytes()
    return {"requests": requests, "writes": writes, "journal": len(state), "records": state.count(b"\n")}


def measure(program, n, latency, concurrency, speed):
    folder = Path(tempfile.mkdtemp(prefix="iomcopy-bench-"))
    try:
        tenant, endpoints = start_tenant(program, folder, n, latency, speed)
        try:
            write_runbook(folder, endpoints, concurrency)
            figures = run_program(program, folder)
        finally:
            tenant.kill()
            tenant.wait()
        figures.update(count(folder))
        return figures
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "target/release/iomcopy"))
    parser.add_argument("--n", type=int, nargs="+", default=[0, 50, 1000])
    parser.add_argument("--latency", type=int, nargs="+", default=[0, 100], help="milliseconds")
    parser.add_argument("--concurrency", type=int, default=0, help="of steps 3 and 4; 0: the program's default")
    parser.add_argument("--speed", type=int, default=3000)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    program = str(Path(arguments.program).resolve())
    rows = []
    for latency in arguments.latency:
        base = None
        for n in arguments.n:
            figures = measure(program, n, latency, arguments.concurrency, arguments.speed)
            base = base or figures
            # A reference has one change, a flow has two: its owner, and that it is turned on.
            changes = 3 * n
            rows.append({"n": n, "latency": latency, **figures,
                         "per-change": (figures["requests"] - base["requests"]) / changes if changes else None})
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    head = f"{'N':>7} {'ms':>4} {'wall s':>8} {'steps 3+4 s':>11} {'CPU s':>7} {'MB':>6} {'requests':>8} {'a change':>8} {'records':>8} {'journal KB':>10}"
    print(head)
    for row in rows:
        each = f"{row['per-change']:.2f}" if row["per-change"] is not None else "-"
        print(f"{row['n']:>7} {row['latency']:>4} {row['wall']:>8.2f} {row['steps']:>11.2f} {row['cpu']:>7.2f} {row['memory']:>6.0f} "
              f"{row['requests']:>8} {each:>8} {row['records']:>8} {row['journal'] / 1024:>10.0f}")


if __name__ == "__main__":
    main()
