# SPDX-License-Identifier: GPL-2.0-only
"""What a terminal shows before and after the clauses."""

import os
from pathlib import Path

from harness.driver import facts, known_report, verdict
from harness.driver.catalogue import Catalogue
from harness.driver.run import Run
from harness.driver.selection import Selection

MOST_NOTES = 20  # printed of the faults and notes of a machine


def header(root: Path, selection: Selection, run: Run | None) -> list[str]:
    """The kernel, the ABIs, the configuration and the size of the catalogue. run: None if nothing is to be run."""
    uname = os.uname()
    is_here = any(not target.machine.own_kernel for target in selection.targets)
    lines = [f"{'kernel' if is_here else 'driver on'}: {uname.release} {uname.machine}"]
    if run and is_here:
        source = run.config["source"]
        lines[0] += f", configuration {source}" if source else ", no configuration: what depends on one is absent"
    for target in selection.targets:
        listed = selection.catalogues[target.abi]
        bare = ", no configuration: what depends on one is absent" if target.machine.config == "" else ""
        lines.append(f"{target.name}: {target.lacks or f'{len(listed.clauses)} clauses{bare}'}{_aside(listed)}")
    lines += [f"{target.name}: left out: {target.lacks}" for target in selection.left_out]
    if run and (closed := facts.closed_to_others(root)):
        lines.append(f"note: {closed} is closed to other users: clauses without privilege cannot be started")
    return lines + [f"broken: {problem}" for problem in selection.problems()]


def lines(run: Run, problems: list[str], catalogues: dict[str, list[str]] | None = None) -> list[str]:
    """Targets against verdicts, no two of them merged, and what else must be known.

    catalogues: every clause's id by ABI, to tell which rows of fixtures/known name none."""
    names = [target.name for target in run.targets if target.name in run.planned]
    width = max(len(name) for name in [*names, "target"])
    told = ["  ".join([f"{'target':{width}}", *(f"{word:>7}" for word in verdict.WORDS), "not run"])]
    for name in names:
        counts = run.counts[name]
        missing = run.missing(name)
        told.append("  ".join([f"{name:{width}}", *(f"{counts[word]:>7}" for word in verdict.WORDS), f"{missing:>7}"]))
    told += [f"broken: {problem}" for problem in problems]
    told += [f"known: {line}" for line in known_report.counted(run.by_target())]
    told += [f"stale: {line}" for line in known_report.stale(run.entries, run.by_target(), catalogues or {})]
    told += grid(run, names) if len(names) > 2 else []
    flaky = run.flaky()
    told += [f"differs: {clause_id} {target}: {tally.told()}" for clause_id, target, tally in flaky[:MOST_NOTES]]
    if len(flaky) > MOST_NOTES:
        told.append(f"differs: {len(flaky) - MOST_NOTES} more")
    for session in run.sessions.values():
        notes = [f"fault: {fault}" for fault in session.faults] + [f"note: {note}" for note in session.notes]
        told += notes[:MOST_NOTES]
        if len(notes) > MOST_NOTES:
            told.append(f"note: {len(notes) - MOST_NOTES} more in run.json")
    return told


def grid(run: Run, names: list[str]) -> list[str]:
    """Suites against targets: how many pass, or what did not go as expected, by its letter ("2F1P")."""
    cells: dict[str, dict[str, dict[str, int]]] = {}
    for (clause_id, target), tally in run.tallies.items():
        cell = cells.setdefault(clause_id.partition("/")[0], {}).setdefault(target, {})
        if tally.total:
            bad = tally.differs or not tally.shown["expected"]
            word = verdict.LETTERS[tally.shown["verdict"]] if bad else "pass" if tally.counts["pass"] else "other"
            cell[word] = cell.get(word, 0) + 1
    width = max(len(suite) for suite in cells)
    told = ["", "  ".join([f"{'':{width}}", *(f"{number:>5}" for number in range(1, len(names) + 1))])]
    for suite, row in cells.items():
        told.append("  ".join([f"{suite:{width}}", *(f"{_cell(row.get(name)):>5}" for name in names)]))
    return told + [f"{number:>5} = {name}" for number, name in enumerate(names, 1)]


def _cell(counts: dict[str, int] | None) -> str:
    bad = {word: count for word, count in (counts or {}).items() if word not in ("pass", "other")}
    return "".join(f"{count}{word}" for word, count in bad.items()) or str((counts or {}).get("pass", "-"))


def _aside(listed: Catalogue) -> str:
    told = [f"{len(paths)} {what}" for paths, what in
            ((listed.unbuilt, "programs not built"), (listed.stale, "older than their source")) if paths]
    return f" ({', '.join(told)}: make programs)" if told else ""
