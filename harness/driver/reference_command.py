# SPDX-License-Identifier: GPL-2.0-only
"""`runner.py reference`: keeps the verdicts of a run on published kernels in results/reference; without a run, lists them."""

from pathlib import Path

from harness.driver import catalogue, reference, verdict
from harness.driver.nearest import UsageError
from harness.driver.runs import run_and_target

HELP = """\
usage: ./runner.py reference [RUN | RUN:TARGET | TARGET]...

  ./runner.py reference               the references that there are
  ./runner.py reference latest        keeps the verdicts of every published kernel of a run

A file is kept of each target whose kernel came out of a package (debian:...), with its hashes, if no verdict is broken, differs between repetitions
or is missing. What a file of the same image had of other clauses stays.
"""


def command(argv: list[str], root: Path) -> int:
    """Lists or writes references; 3 if a target of a run could not be one."""
    if "-h" in argv or "--help" in argv:
        print(HELP, end="")
        return verdict.EXIT_EXPECTED
    for word in argv:
        if word.startswith("-"):
            raise UsageError(f"reference has no option {word}")
    return _write(argv, root) if argv else _list(root)


def _list(root: Path) -> int:
    references = reference.read_all(root)
    if not references:
        raise UsageError("results/reference holds nothing: make reference")
    print(table(references))
    return verdict.EXIT_EXPECTED


def table(references: list[reference.Reference]) -> str:
    """A line a kernel and ABI: counts of each verdict, and when it was tested."""
    head = ["abi", "kernel", "flavour", *verdict.WORDS, "tested"]
    rows = [head]
    for one in references:
        counts = verdict.count(one.verdicts.values())
        rows.append([one.abi, one.upstream, one.flavour, *(str(counts[word]) for word in verdict.WORDS), one.facts["tested"]])
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    return "\n".join("  ".join(f"{cell:>{width}}" if 3 <= at < len(head) - 1 else f"{cell:{width}}"
                               for at, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows)


def _write(words: list[str], root: Path) -> int:
    found, refused = [], []
    for word in words:
        kept, target = run_and_target(word, root / "results")
        for name in [target] if target else kept.targets:
            one, why = reference.of_run(kept, name)
            if one:
                found.append(one)
            else:
                refused.append(f"{name}: {why}")
    known = {clause.id for abi in catalogue.built_abis(root) for clause in catalogue.load(root, abi).clauses}
    for path, one in zip(reference.keep(found, root, known) if found else [], found):
        print(f"{path.relative_to(root)}: {_counts(one)}")
    for line in refused:
        print(f"not kept: {line}")
    return verdict.EXIT_UNTESTED if refused else verdict.EXIT_EXPECTED


def _counts(one: reference.Reference) -> str:
    return ", ".join(f"{count} {word}" for word, count in verdict.count(one.verdicts.values()).items() if count)
