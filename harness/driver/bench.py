# SPDX-License-Identifier: GPL-2.0-only
"""Where the time of a whole run goes, as shares of one run: the clauses' work and waiting, process start, the driver."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from harness.driver.stream import Decoder

SLOWEST = 10
STARTS = 20


def run_all(root: Path) -> tuple[float, Path]:
    """Runs every clause once as a user would. Returns the seconds it took and the run's folder; exits if it could not."""
    before = time.monotonic()
    done = subprocess.run([root / "runner.py", "run", "host", "-q"], cwd=root, capture_output=True, text=True)
    seconds = time.monotonic() - before
    if done.returncode not in (0, 1):
        sys.exit(f"bench: the run could not be made:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds, (root / "results/latest").resolve()


def seconds_to_start(program: Path) -> float:
    """Wall seconds to start a program that runs no clause: the price of each job."""
    before = time.monotonic()
    for _ in range(STARTS):
        subprocess.run([program, "-t", "no_clause_of_this_name"], stdout=subprocess.DEVNULL)
    return (time.monotonic() - before) / STARTS


def jobs_of(run: Path) -> tuple[list[dict[str, int]], float]:
    """The `end` line of each job in milliseconds (wall, user, sys), and the executor's own wall seconds."""
    nonce = json.loads((run / "run.json").read_text())["targets"][0]["nonces"][0]
    decoder, began, jobs, wall = Decoder(nonce), {}, [], 0.0
    for line in (run / "logs/host.log").read_bytes().splitlines():
        for event in decoder.feed(line):
            if event.kind == "begin":
                began[event.job] = int(event.values["ms"])
            elif event.kind == "end":
                jobs.append({"wall": int(event.values["ms"]) - began[event.job],
                             "cpu": int(event.values["user"]) + int(event.values["sys"])})
            elif event.kind == "bye":
                wall = int(event.values["ms"]) / 1000
    return jobs, wall


def main() -> None:
    """Prints the table."""
    root = Path(__file__).resolve().parents[2]
    seconds, run = run_all(root)
    jobs, executor = jobs_of(run)
    records = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    program = root / records[0]["bare"].split(" -t ")[0].split()[-1]
    start = seconds_to_start(program)
    cpu = sum(job["cpu"] for job in jobs) / 1000
    busy = sum(job["wall"] for job in jobs) / 1000
    starting = start * len(jobs)
    cpus = len(os.sched_getaffinity(0))

    print(f"{len(records)} clauses in {len(jobs)} jobs: {seconds:.2f} s wall, {cpus} CPUs, {1000 * seconds / len(records):.2f} ms a clause\n")
    print(f"  driver (start, collection, results)   {seconds - executor:6.2f} s wall  {(seconds - executor) / seconds:4.0%} of the run")
    print(f"  executor, all jobs                    {executor:6.2f} s wall  {executor / seconds:4.0%} of the run\n")
    print("within the jobs, side by side:")
    print(f"  process start ({1000 * start:.1f} ms a job)         {starting:6.2f} s       {starting / busy:4.0%} of the jobs' time")
    print(f"  the clauses' own work (CPU)           {max(0.0, cpu - starting):6.2f} s       {max(0.0, cpu - starting) / busy:4.0%}")
    print(f"  waiting                               {max(0.0, busy - cpu):6.2f} s       {max(0.0, busy - cpu) / busy:4.0%}\n")
    print(f"the {SLOWEST} clauses that take longest:")
    for record in sorted(records, key=lambda record: -record["seconds"])[:SLOWEST]:
        print(f"  {1000 * record['seconds']:7.1f} ms  {record['clause']} [{record['target']}]")


if __name__ == "__main__":
    main()
