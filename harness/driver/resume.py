# SPDX-License-Identifier: GPL-2.0-only
"""`run --resume RUN`: goes on with a run that was cut short: the same command, the same folder, what has no record yet."""

from pathlib import Path

from harness.driver import runs
from harness.driver.nearest import UsageError
from harness.driver.targets import Target

DROPPED = ("-x", "--exitfirst")     # they ended the run: with them it would end at the same place again
REFUSED = ("--lf", "--last-failed", "--ff", "--failed-first", "--nf", "--new-first", "--sw", "--stepwise")


def words_of(argv: list[str], base: Path) -> list[str]:
    """The whole command line that goes on with the run which `--resume RUN` names. Raises UsageError."""
    words = list(argv)
    at = next(number for number, word in enumerate(words) if word.partition("=")[0] == "--resume")
    name = words.pop(at).partition("=")[2] or (words.pop(at) if at < len(words) else "")
    others = [word for word, before in zip(words, ["", *words]) if word.partition("=")[0] != "--results" and before != "--results"]
    if not name or others:
        raise UsageError("--resume takes a run and goes on with the command of that run, as in: ./runner.py run --resume latest")
    kept = runs.one(name, base)
    if kept.run.get("merged"):
        raise UsageError(f"{kept.name} is a merged run: its parts can be resumed, each where it ran")
    folder = kept.folder.resolve()
    return [*_without_ends(kept.run.get("command", [])[2:]), "--results", str(folder.parent), "--resume", str(folder)]


def _without_ends(command: list[str]) -> list[str]:
    """The command without what ended it, and without where it kept its results."""
    words, kept = list(command), []
    while words:
        word = words.pop(0)
        name, is_joined, _ = word.partition("=")
        if name in REFUSED:
            raise UsageError(f"a run with {name} cannot be resumed: what it selects has changed with the run")
        if name in ("--maxfail", "--results", "--resume"):
            words = words if is_joined else words[1:]
        elif word not in DROPPED:
            kept.append(word)
    return kept


def check(earlier: dict, targets: list[Target], host: dict) -> None:
    """Raises UsageError if a target's kernel is not the one that the earlier part of the run was on.

    earlier: run.json; host: facts.host()."""
    held = {row["name"]: row for row in earlier.get("targets", [])}
    if gone := held.keys() - {target.name for target in targets}:
        raise UsageError(f"{earlier.get('run', 'that run')} cannot go on: its words select no {min(gone)} any more")
    for target in targets:
        before = held.get(target.name, {})
        if target.machine.own_kernel:
            was, now = (row.get("kernel", {}).get("sha256", "") for row in (before, target.machine.described()))
        else:
            was, now = (f"{row.get('release', '')} {row.get('version', '')}".strip() for row in (earlier.get("host", {}), host))
        if was and now and was != now:
            raise UsageError(f"{earlier.get('run', 'that run')} was on another kernel of {target.name}: {was}, now {now}")


def joined(targets: list[dict], earlier: dict) -> list[dict]:
    """run.json's targets with what the earlier part of the run knew of them."""
    held = {row["name"]: row for row in earlier.get("targets", [])}
    for row in targets:
        before = held.get(row["name"], {})
        for key in ("nonces", "faults", "notes"):
            row[key] = before.get(key, []) + [entry for entry in row[key] if entry not in before.get(key, [])]
        if not row["hello"] and before.get("hello"):
            row["hello"] = before["hello"]
            row["kernel"] = before.get("kernel", {}) | {key: value for key, value in row["kernel"].items() if value}
    return targets
