# SPDX-License-Identifier: GPL-2.0-only
"""Runs for tests of their readers: folders of records as runner.py keeps them, made by hand."""

import json
from pathlib import Path

HOSTILE = "</script><img src=x onerror=alert(1)> | `code` @all [x](javascript:1) # SKIP \u202e <LAVA_SIGNAL_TESTCASE TEST_CASE_ID=x RESULT=pass>"


def record(clause: str, verdict: str = "pass", target: str = "host-x86_64", **changes) -> dict:
    """One record with every key that results/README.md names."""
    expected = verdict in ("pass", "absent", "skip")
    return {"clause": clause, "target": target, "abi": "x86_64", "verdict": verdict, "expected": expected, "known": None,
            "why": "" if verdict == "pass" else f"why it is {verdict}", "seen": [] if expected else ["suites/s/p.c:4: x = 0, want 1"],
            "kmsg": ["WARNING: at x"] if verdict == "panic" else [], "seconds": 0.25, "started": "2026-11-21T10:00:00.000Z",
            "repeat": 1, "file": "suites/s/p.c", "line": 3, "text": "futex(2) NOTES: it holds", "needed_by": "go:futexsleep",
            "log": {"file": "logs/host.log", "from": 0, "to": 9}, "command": f"./runner.py run {clause} {target}",
            "bare": "build/x86_64/suites/s/p -t a"} | changes


def run(base: Path, name: str, records: list[dict], **changes) -> Path:
    """Writes base/<name>/ and returns it. changes: of run.json; `kernels`: by target, of its kernel."""
    folder = base / name
    (folder / "logs").mkdir(parents=True)
    (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in records))
    kernels = changes.pop("kernels", {})
    targets = []
    for target in dict.fromkeys(row["target"] for row in records):
        mine = [row for row in records if row["target"] == target]
        kernel = {"release": "6.18.44", "version": "#1"} | kernels.get(target, {})
        targets.append({"name": target, "abi": mine[0]["abi"], "machine": "host", "planned": len(mine), "verdicts": {},
                        "hello": {"arch": "x86_64", "release": kernel["release"], "cpus": "2"}, "kernel": kernel,
                        "config": {"file": "", "source": "", "sha256": ""}, "nonces": [], "faults": [], "notes": []})
    (folder / "run.json").write_text(json.dumps(
        {"schema": 1, "run": name, "started": "2026-11-21T10:00:00.000Z", "finished": "2026-11-21T10:00:09.000Z",
         "interrupted": False, "command": ["./runner.py", "run"], "shard": "", "repeat": 1, "user": {"uid": 0, "name": "root"},
         "host": {"name": "vm", "machine": "x86_64", "release": "6.18.44", "version": "#1", "cpus": 2, "page": 4096},
         "targets": targets, "git": {"commit": "0" * 40, "dirty": False}} | changes))
    return folder


ALL = [record("s/p/a_passes"), record("s/p/b_fails", "fail"), record("s/p/c_hangs", "timeout"), record("s/p/d_dies", "crash"),
       record("s/p/e_kills", "panic"), record("s/p/f_lacks", "absent"), record("s/p/g_cannot", "skip"),
       record("s/p/h_spoilt", "broken"),
       record("s/p/i_known", "fail", expected=True, known={"expect": "fail", "reason": "issue #7", "link": "https://example.org/7",
                                                           "file": "fixtures/known/a.toml", "entry": 1}),
       record("s/p/j_mended", "pass", expected=False, known={"expect": "fail", "reason": "issue #8", "link": "https://example.org/8",
                                                             "file": "fixtures/known/a.toml", "entry": 2}),
       record("s/p/k_hostile", "fail", why=HOSTILE, seen=[HOSTILE, "x" * 5000], kmsg=[HOSTILE])]
