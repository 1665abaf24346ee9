# SPDX-License-Identifier: GPL-2.0-only
"""Runs made up for the report's tests: folders as `runner.py run` leaves them, small or as large as one likes."""

import json
import random
from pathlib import Path

ABIS = ("arm", "arm64", "i386", "mips64el", "ppc64le", "riscv64", "s390x", "x86_64")
VERSIONS = ("5.10.262", "5.15.190", "6.1.176", "6.6.110", "6.9.12", "6.12.57", "6.17.13", "6.18.5", "6.19.14", "7.0.9", "7.1.7",
            "7.2.13", "7.3.4")
SUITES = ("arch", "auxv", "cgroup", "clock", "clone", "epoll", "exec", "futex", "ids", "io", "membarrier", "mm", "pipe", "random",
          "rseq", "sched", "seccomp", "sigaltstack", "signal", "sigreturn", "thp", "threads", "timer", "vdso", "wait")


def target(name: str, abi: str = "x86_64", version: str = "6.12.57", **more) -> dict:
    """A target as run.json has it."""
    release = f"{'.'.join(version.split('.')[:2])}.0-1-{abi}"
    return {"name": name, "abi": abi, "machine": name.replace(":", "-"), "planned": 0, "verdicts": {},
            "hello": {"release": release}, "kernel": {"release": release, "version": f"{version}-1", "suite": "sid",
                                                      "package": f"linux-image-{release}", "package_sha256": "ab" * 32},
            "config": {"file": "", "source": "/boot/config", "sha256": ""}, "nonces": [], "faults": [], "notes": []} | more


def record(clause: str, of: dict, verdict: str = "pass", **more) -> dict:
    """A record as results.jsonl has it, of a target."""
    suite, program, name = clause.split("/")
    return {"clause": clause, "target": of["name"], "abi": of["abi"], "verdict": verdict,
            "expected": verdict in ("pass", "absent", "skip"), "known": None, "why": "", "seen": [], "kmsg": [],
            "seconds": 0.00123, "started": "2026-11-21T14:06:38.500Z", "repeat": 1, "file": f"suites/{suite}/{program}.c",
            "line": 81, "text": f"{suite}(2) {program}: {name.replace('_', ' ')}", "needed_by": "go:futexsleep glibc:lll_lock",
            "log": {"file": "", "from": 0, "to": 0}, "command": f"./runner.py run {clause} {of['name']}",
            "bare": f"build/{of['abi']}/suites/{suite}/{program} -t {name}"} | more


def write(folder: Path, targets: list[dict], records, **facts) -> Path:
    """Writes a run's folder; facts go into run.json."""
    (folder / "logs").mkdir(parents=True)
    run = {"schema": 1, "run": folder.name, "started": "2026-11-21T14:03:37.827Z", "finished": "2026-11-21T14:19:50.632Z",
           "interrupted": False, "command": ["./runner.py", "run"], "shard": "", "user": {"uid": 0, "name": "root"}, "repeat": 1,
           "host": {"name": "lab", "machine": "x86_64", "release": "6.12.1", "version": "#1", "cpus": 2, "page": 4096},
           "git": {"commit": "52a8fc064366", "dirty": False}, "targets": targets} | facts
    (folder / "run.json").write_text(json.dumps(run))
    with open(folder / "results.jsonl", "w") as lines:
        for entry in records:
            lines.write(json.dumps(entry) + "\n")
    return folder


def write_large(folder: Path, clauses: int = 2500, targets: int = 100, seed: int = 1) -> Path:
    """A run in which some clauses fail from a version on, some on one ABI, some are absent, known or flaky; with logs."""
    dice = random.Random(seed)
    columns = [target(f"debian:{version}:{abi}:{flavour}", abi, version, planned=clauses)
               for flavour in ("cloud", "generic") for abi in ABIS for version in VERSIONS][:targets]
    ids = [f"{SUITES[number % len(SUITES)]}/topic_{number % 7}/a_promise_of_the_kernel_that_is_told_in_a_sentence_{number}"
           for number in range(clauses)]
    fates = [dice.choice(("good",) * 17 + ("from", "until", "absent", "skip", "known", "panic", "spots")) for _ in ids]
    run = write(folder, columns, ())
    with open(folder / "results.jsonl", "w") as lines, open(folder / "logs/all.log", "w") as log:
        for column in columns:
            for number, (clause, fate) in enumerate(zip(ids, fates)):
                entry = record(clause, column, _verdict(fate, number, column, dice))
                if entry["verdict"] in ("absent", "skip"):
                    entry["why"] = f"no feature {number % 40} in this kernel"
                elif entry["verdict"] != "pass":
                    _tell_failure(entry, fate, log)
                lines.write(json.dumps(entry) + "\n")
    return run


def _verdict(fate: str, number: int, column: dict, dice: random.Random) -> str:
    age = VERSIONS.index(column["kernel"]["version"].partition("-")[0])
    bound = number % len(VERSIONS)
    if fate in ("from", "until") and number % 5 == 0:
        return "fail" if (age >= bound) == (fate == "from") else "pass"
    return {"absent": "absent" if age < bound else "pass", "skip": "skip" if column["abi"] == ABIS[number % 8] else "pass",
            "known": "fail" if column["abi"] == "s390x" and age < 5 else "pass",
            "panic": "panic" if number % 9 == 0 and age == bound else "pass",
            "spots": dice.choice(("pass",) * 60 + ("timeout", "crash", "broken"))}.get(fate, "pass")


def _tell_failure(entry: dict, fate: str, log) -> None:
    line = f"suites/x.c:91: Expected 0 (0) == errno ({len(entry['clause'])})"
    begin = log.tell()
    log.write(f"@nonce 7 begin\n# {entry['clause']} on {entry['target']}\n# {line}\n" + "# more of it\n" * 40 + "not ok 1\n")
    entry |= {"why": line, "seen": [line] * 3, "log": {"file": "logs/all.log", "from": begin, "to": log.tell()}}
    if entry["verdict"] == "panic":
        entry["kmsg"] = ["WARNING: CPU: 0 PID: 7 at kernel/futex/core.c:1", "Call Trace:"]
    if fate == "known":
        entry |= {"expected": True, "known": {"expect": "fail", "reason": "big endian halves are swapped before 6.12",
                                              "link": "https://example.org/bug", "file": "fixtures/known/s390x.toml"}}
