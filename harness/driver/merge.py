# SPDX-License-Identifier: GPL-2.0-only
"""`runner.py merge`: the runs of many machines as one, with every record, log and fault of each."""

import json
import shutil
from pathlib import Path

from harness.driver import verdict
from harness.driver.ktap import ktap
from harness.driver.nearest import UsageError, did_you_mean
from harness.driver.results import SCHEMA, read_records
from harness.driver.tally import Tally, by_target
from harness.driver.targets import file_name

HELP = """\
usage: ./runner.py merge RUN... -o DIR

  ./runner.py merge shard-1/results/latest shard-2/results/latest -o results/all

DIR must not exist. It has run.json, results.jsonl, KTAP and the logs of all runs, each below logs/<run>.
"""


def command(argv: list[str]) -> int:
    """Merges runs; the exit code is what one run with all their verdicts would have had."""
    if "-h" in argv or "--help" in argv:
        print(HELP, end="")
        return verdict.EXIT_EXPECTED
    runs, into = _words(argv)
    described, records = [], []
    into.mkdir(parents=True)
    for folder in runs:
        run = json.loads((folder / "run.json").read_text())
        described.append(run)
        for record in read_records(folder):
            if record["log"]["file"]:
                record["log"]["file"] = f"logs/{run['run']}/{record['log']['file'].removeprefix('logs/')}"
            records.append(record)
        if (folder / "logs").is_dir():
            shutil.copytree(folder / "logs", into / "logs" / run["run"], dirs_exist_ok=True)
    tallies = by_target(records)
    (into / "results.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (into / "run.json").write_text(json.dumps(_described(into.name, described), indent=2) + "\n")
    for target, of_target in tallies.items():
        (into / f"{file_name(target)}.ktap").write_text(ktap(list(of_target.values())))
    return _conclude(described, tallies, into)


def _words(argv: list[str]) -> tuple[list[Path], Path]:
    """(runs, where to). Raises UsageError."""
    runs, into, words = [], None, list(argv)
    while words:
        word = words.pop(0)
        if word in ("-o", "--output") and words:
            into = Path(words.pop(0))
        elif word.startswith("-"):
            raise UsageError(f"no option is called {word}{did_you_mean(word, ('-o', '--output', '--help'))}")
        elif not (Path(word) / "results.jsonl").is_file() or not (Path(word) / "run.json").is_file():
            raise UsageError(f"{word} is no run: it has no results.jsonl and run.json")
        else:
            runs.append(Path(word))
    if not runs or into is None:
        raise UsageError("merge takes runs and where to put them, as in: ./runner.py merge A B -o results/all")
    if into.exists():
        raise UsageError(f"{into} exists: merge makes a folder of its own")
    return runs, into


def _described(name: str, runs: list[dict]) -> dict:
    targets: dict[str, dict] = {}
    for run in runs:
        for target in run["targets"]:
            held = targets.setdefault(target["name"], target | {"planned": 0, "verdicts": {}, "nonces": [], "faults": [],
                                                                "notes": []})
            held["planned"] += target["planned"]
            for key in ("nonces", "faults", "notes"):
                held[key] = held[key] + [entry for entry in target[key] if entry not in held[key]]
            for word, count in target["verdicts"].items():
                held["verdicts"][word] = held["verdicts"].get(word, 0) + count
            if target["hello"]:
                held["hello"], held["kernel"] = target["hello"], target["kernel"]
    return {"schema": SCHEMA, "run": name, "started": min(run["started"] for run in runs),
            "finished": max(run["finished"] for run in runs), "interrupted": any(run["interrupted"] for run in runs),
            "merged": [run["run"] for run in runs], "command": runs[0]["command"], "user": runs[0]["user"],
            "repeat": runs[0]["repeat"], "host": runs[0]["host"], "targets": list(targets.values())}


def _missing_parts(runs: list[dict]) -> list[str]:
    """The parts ("3/5") that runs of --shard speak of and that are not among them."""
    parts = {run.get("shard", "") for run in runs} - {""}
    wanted = {f"{number}/{of}" for of in {part.partition("/")[2] for part in parts} for number in range(1, int(of) + 1)}
    return sorted(wanted - parts)


def _conclude(runs: list[dict], tallies: dict[str, dict[str, Tally]], into: Path) -> int:
    unexpected = [(target, clause, tally) for target, of_target in tallies.items()
                  for clause, tally in of_target.items() if tally.differs or not tally.shown["expected"]]
    for target, of_target in tallies.items():
        counts = {word: sum(tally.counts[word] for tally in of_target.values()) for word in verdict.WORDS}
        print(f"{target}: " + ", ".join(f"{count} {word}" for word, count in counts.items() if count))
    lost = _missing_parts(runs)
    for part in lost:
        print(f"part {part} is missing")
    for target, clause, tally in unexpected:
        print(f"{tally.told()}: {clause} {target}")
    print(f"{len(runs)} runs merged: {into}")
    broken = any(tally.counts["broken"] for of_target in tallies.values() for tally in of_target.values())
    missing = sum(max(0, target["planned"] * run["repeat"] - sum(target["verdicts"].values()))
                  for run in runs for target in run["targets"])
    if broken or missing or lost or not tallies:
        return verdict.EXIT_UNTESTED
    return verdict.EXIT_UNEXPECTED if unexpected else verdict.EXIT_EXPECTED
