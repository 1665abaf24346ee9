# SPDX-License-Identifier: GPL-2.0-only
"""What a terminal shows before and after the clauses."""

import os
from pathlib import Path

from harness.driver import facts, verdict
from harness.driver.catalogue import Catalogue
from harness.driver.run import Run
from harness.driver.selection import Selection

MOST_NOTES = 20  # printed of the faults and notes of a machine


def header(root: Path, selection: Selection, run: Run | None) -> list[str]:
    """The kernel, the ABIs, the configuration and the size of the catalogue. run: None if nothing is to be run."""
    uname = os.uname()
    lines = [f"kernel: {uname.release} {uname.machine}"]
    if run:
        source = run.config["source"]
        lines[0] += f", configuration {source}" if source else ", no configuration: what depends on one is absent"
    for target in selection.targets:
        listed = selection.catalogues[target.abi]
        lines.append(f"{target.name}: {target.lacks or f'{len(listed.clauses)} clauses'}{_aside(listed)}")
    lines += [f"{target.name}: left out: {target.lacks}" for target in selection.left_out]
    if run and (closed := facts.closed_to_others(root)):
        lines.append(f"note: {closed} is closed to other users: clauses without privilege cannot be started")
    return lines + [f"broken: {problem}" for problem in selection.problems()]


def lines(run: Run) -> list[str]:
    """Targets against verdicts, no two of them merged, and what else must be known."""
    names = [target.name for target in run.targets if target.name in run.planned]
    width = max(len(name) for name in [*names, "target"])
    told = ["  ".join([f"{'target':{width}}", *(f"{word:>7}" for word in verdict.WORDS), "not run"])]
    for name in names:
        counts = run.counts[name]
        missing = run.planned[name] * run.wishes.repeat - sum(counts.values())
        told.append("  ".join([f"{name:{width}}", *(f"{counts[word]:>7}" for word in verdict.WORDS), f"{missing:>7}"]))
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


def _aside(listed: Catalogue) -> str:
    told = [f"{len(paths)} {what}" for paths, what in
            ((listed.unbuilt, "programs not built"), (listed.stale, "older than their source")) if paths]
    return f" ({', '.join(told)}: make programs)" if told else ""
