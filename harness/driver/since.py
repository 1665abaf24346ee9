# SPDX-License-Identifier: GPL-2.0-only
"""`runner.py since CLAUSE`: which published kernels keep a promise, out of results/reference."""

import json
from fnmatch import fnmatchcase
from pathlib import Path

from harness.driver import reference, verdict
from harness.driver.nearest import UsageError, did_you_mean, nearest
from harness.driver.reference import Reference

HELP = """\
usage: ./runner.py since CLAUSE... [--json]

  ./runner.py since futex/futex2_requeue/both_entries_must_be_of_one_kind
  ./runner.py since 'futex/futex2_*'          globs; a suite or a program stands for its clauses

For each ABI: the versions that keep the promise, those without the feature, and those that break it, with the first and
the last. It asks results/reference alone: nothing is run. ./runner.py reference lists what that holds.
"""


def command(argv: list[str], root: Path) -> int:
    """Answers; 1 if a reference breaks a promise that was asked for."""
    if "-h" in argv or "--help" in argv:
        print(HELP, end="")
        return verdict.EXIT_EXPECTED
    words = [word for word in argv if not word.startswith("-")]
    for word in argv:
        if word.startswith("-") and word != "--json":
            raise UsageError(f"no option is called {word}{did_you_mean(word, ('--json', '--help'))}")
    if not words:
        raise UsageError("since takes a clause, as in: ./runner.py since futex/wait/wake_ends_a_wait")
    references = reference.read_all(root)
    if not references:
        raise UsageError("results/reference holds nothing: make reference")
    clauses = _clauses(words, reference.read_clauses(reference.folder_of(root)))
    answers = {clause: answer(references, clause) for clause in clauses}
    if "--json" in argv:
        print(json.dumps(answers, indent=2))
    else:
        print("\n".join(line for clause in clauses for line in told(clause, answers[clause])))
    return verdict.EXIT_UNEXPECTED if any(_is_broken(row) for one in answers.values() for row in one.values()) else verdict.EXIT_EXPECTED


def answer(references: list[Reference], clause: str) -> dict[str, dict[str, list[dict]]]:
    """By ABI, then by verdict: the kernels, the oldest first, each with its reason. "" holds those that were not asked."""
    found: dict[str, dict[str, list[dict]]] = {}
    for one in references:
        word = one.verdicts.get(clause, "")
        row = {"version": one.upstream, "flavour": one.flavour, "release": one.facts["release"], "why": one.whys.get(clause, "")}
        found.setdefault(one.abi, {}).setdefault(word, []).append(row)
    return found


def told(clause: str, by_abi: dict[str, dict[str, list[dict]]]) -> list[str]:
    """The answer for a terminal."""
    lines = [clause]
    width = max(len(abi) for abi in by_abi)
    for abi, by_word in by_abi.items():
        for word in (*verdict.WORDS, ""):
            rows = by_word.get(word, [])
            if rows:
                shown = {"pass": "kept", "": "not asked"}.get(word, word)
                lines.append(f"  {abi:<{width}}  {shown:<9} {' '.join(row['version'] for row in rows)}")
            for why, versions in _reasons(rows).items():
                lines.append(f"  {'':<{width}}            {versions}: {why}")
    return lines


def _reasons(rows: list[dict]) -> dict[str, str]:
    """Each reason once, with the versions that gave it: "5.10.262 .. 6.1.176"."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["why"]:
            found.setdefault(row["why"], []).append(row["version"])
    return {why: versions[0] if len(versions) == 1 else f"{versions[0]} .. {versions[-1]}" for why, versions in found.items()}


def _is_broken(by_word: dict[str, list[dict]]) -> bool:
    return any(word and word not in verdict.GOOD for word in by_word)


def _clauses(words: list[str], known: list[str]) -> list[str]:
    """The clauses that words name, in their order. Raises UsageError with the nearest names."""
    found: dict[str, None] = {}
    for word in words:
        chosen = [clause for clause in known if fnmatchcase(clause, word) or clause.startswith(word.rstrip("/") + "/")]
        chosen = chosen or [clause for clause in known if clause.endswith("/" + word)]
        if not chosen:
            near = nearest(word, known, 5) or nearest(word.rpartition("/")[2], {clause.rpartition("/")[2] for clause in known}, 5)
            raise UsageError(f"no reference has a clause called {word}" + ("; the nearest:\n  " + "\n  ".join(near) if near else ""))
        found |= dict.fromkeys(sorted(chosen))
    return list(found)
