# SPDX-License-Identifier: GPL-2.0-only
"""What fixtures/known came to in a run: how many verdicts each row expects, and which rows are stale."""

from fnmatch import fnmatchcase

from harness.driver import verdict
from harness.driver.known import Known
from harness.driver.tally import Tally


def place(file: str, number: int) -> str:
    """"fixtures/known/s390x.toml: entry 2"."""
    return f"{file}: entry {number}" if number else file


def counted(tallies: dict[str, dict[str, Tally]]) -> list[str]:
    """A line for each row and target: how many verdicts it expects that no promise allows. tallies: by target, then clause."""
    found: dict[tuple[str, str, str], dict[str, int]] = {}
    for target, of_target in tallies.items():
        for tally in of_target.values():
            held = tally.shown.get("known") if tally.total else None
            if held and tally.shown["expected"] and tally.shown["verdict"] not in verdict.GOOD and not tally.differs:
                counts = found.setdefault((target, place(held["file"], held.get("entry", 0)), held["reason"]), {})
                counts[tally.shown["verdict"]] = counts.get(tally.shown["verdict"], 0) + 1
    return [f"{', '.join(f'{count} {word}' for word, count in counts.items())} on {target} as {where} expects: {reason}"
            for (target, where, reason), counts in found.items()]


def stale(entries: list[Known], tallies: dict[str, dict[str, Tally]], catalogues: dict[str, list[str]]) -> list[str]:
    """A line for each row that is to be looked at: its clause does not exist, or all that it covers here passed.

    catalogues: every clause's id by ABI; rows of other ABIs are not judged by them."""
    held: dict[tuple[str, int], list[Tally]] = {}
    for tally in (tally for of_target in tallies.values() for tally in of_target.values()):
        if row := tally.shown.get("known"):
            held.setdefault((row["file"], row.get("entry", 0)), []).append(tally)
    lines = []
    for entry in entries:
        where = place(entry.where, entry.number)
        abis = [abi for abi in catalogues if fnmatchcase(abi, entry.abi)]
        if abis and not any(fnmatchcase(clause, entry.clause) for abi in abis for clause in catalogues[abi]):
            lines.append(f"{where}: no clause is called {entry.clause}")
            continue
        covered = held.get((entry.where, entry.number), [])
        told = [tally for tally in covered if not set(_words(tally)) <= {"absent", "skip", "broken"}]
        if told and not entry.sometimes and all(_words(tally) == ["pass"] for tally in told):
            lines.append(f"{where} expects {entry.expect}, and all {len(told)} that it covers here passed: {entry.clause}")
    return lines


def _words(tally: Tally) -> list[str]:
    return [word for word in verdict.WORDS if tally.counts[word]]
