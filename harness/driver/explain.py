# SPDX-License-Identifier: GPL-2.0-only
"""`runner.py explain`: one clause, and what became of it in the latest run."""

from pathlib import Path

from harness.driver.nearest import UsageError, nearest
from harness.driver.results import read_records

FIELDS = (("since", "promised since Linux {}"), ("config", "may be absent without {}"),
          ("needs", "the machine must have: {}"), ("commit", "guards the fix {}"),
          ("needed_by", "needed by {}"), ("writes", "changes {}, which is put back"))


def explanation(found: list[tuple], word: str, latest: Path) -> str:
    """The text about the clause with an id, or with the end of one if only one ends so. Raises UsageError."""
    by_id = {clause.id: (clause, abis) for clause, abis in found}
    ending = [clause_id for clause_id in by_id if clause_id.endswith("/" + word)]
    if word not in by_id and len(ending) != 1:
        names = {clause_id.rsplit("/", 1)[-1] for clause_id in by_id}
        near = ending[:5] or nearest(word, by_id, 5) or nearest(word.rsplit("/", 1)[-1], names, 5)
        mend = "; the nearest:\n  " + "\n  ".join(near) if near else ": ./runner.py list"
        raise UsageError(f"no clause is called {word}{mend}")
    clause, abis = by_id.get(word) or by_id[ending[0]]
    document, _, statement = clause.text.partition(": ")
    lines = [clause.id, f"  promise  {statement}", f"  source   {document}", f"  code     {clause.file}:{clause.line}",
             f"  built    {' '.join(abis)}; limit {clause.timeout} s on a machine of ordinary speed"]
    lines += ["  " + text.format(getattr(clause, name)) for name, text in FIELDS if getattr(clause, name)]
    if clause.exclusive or clause.writes:
        lines.append("  runs with the machine for itself")
    if clause.as_nobody:
        lines.append("  runs without privilege")
    return "\n".join(lines + _history(clause.id, latest)) + "\n"


def _history(clause_id: str, latest: Path) -> list[str]:
    try:
        records = [record for record in read_records(latest) if record.get("clause") == clause_id]
    except OSError:
        return ["  no run is kept yet: ./runner.py run"]
    lines = []
    for record in records[-10:]:
        why = f" ({record['why']})" if record["why"] else ""
        lines.append(f"  {record['target']}: {record['verdict']}{why}, {record['started']}")
    return lines or ["  not part of the latest run: ./runner.py run " + clause_id]
