# SPDX-License-Identifier: GPL-2.0-only
"""KTAP version 1 of a target's verdicts, in the dialect that kunit.py, tappy and prove read alike."""

from harness.driver.tally import Tally


def ktap(tallies: list[Tally]) -> str:
    """One document: a result a clause, numbered from 1; what a person needs stands before the result it belongs to."""
    lines = ["KTAP version 1", f"1..{len(tallies)}"]
    for number, tally in enumerate(tallies, 1):
        lines += [f"# {line}" for line in _diagnostics(tally)]
        lines.append(_result(number, tally))
    return "\n".join(lines) + "\n"


def _diagnostics(tally: Tally) -> list[str]:
    record = tally.shown
    if record["expected"] and not tally.differs:
        return []
    lines = [f"{record['verdict']}: {record['why']}", f"clause: {record['text']}",
             f"at: {record['file']}:{record['line']}"]
    if tally.differs:
        lines.insert(0, f"its verdicts differ: {tally.told()}")
    elif record["known"] and record["verdict"] == "pass":
        lines[0] = f"unexpected pass: {record['known']['file']} expects {record['known']['expect']}"
    return lines + [f"seen: {line}" for line in record["seen"]] + [f"kernel: {line}" for line in record["kmsg"]]


def _result(number: int, tally: Tally) -> str:
    record = tally.shown
    word, why, name = record["verdict"], record["why"].replace("#", ""), record["clause"]
    if tally.differs or (word == "pass" and not record["expected"]) or (word == "fail" and not record["expected"]):
        return f"not ok {number} {name}"
    if word == "pass":
        return f"ok {number} {name}"
    if word in ("absent", "skip"):
        return f"ok {number} {name} # SKIP {'absent: ' if word == 'absent' else ''}{why}"
    if record["expected"]:
        return f"ok {number} {name} # XFAIL {word}: {record['known']['reason'].replace('#', '')}"
    if word == "timeout":
        return f"not ok {number} {name} # TIMEOUT {round(record['seconds'])}"
    return f"not ok {number} {name} # ERROR {word}: {why}"
