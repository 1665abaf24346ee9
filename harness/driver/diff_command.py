# SPDX-License-Identifier: GPL-2.0-only
"""`runner.py diff`: what differs between two runs, two targets or a run and a reference, as text, JSON or Markdown."""

import json
from pathlib import Path

from harness.driver import markdown, verdict
from harness.driver.compare import KINDS, Change, Pair, Side, State, compare, pairs_of, side_of
from harness.driver.nearest import UsageError, did_you_mean
from harness.driver.runs import run_and_target

HELP = """\
usage: ./runner.py diff A B [--json | --markdown] [--all] [-o FILE]
       ./runner.py diff --reference RUN

  ./runner.py diff 20261121-101432-7 latest           two runs: targets of one name belong together
  ./runner.py diff latest:host-x86_64 latest:host-i386    two targets: RUN:TARGET
  ./runner.py diff debian:6.1:x86_64 debian:7.2:x86_64    two targets of the latest run
  ./runner.py diff --reference latest                 each target and the nearest published kernel (results/reference)

--all: every clause of every kind, however many there are. exit codes: 0 nothing broke, 1 something broke, 2 wrong usage,
3 a verdict could not be had (broken, or missing from B)
"""

OPTIONS = ("--json", "--markdown", "--all", "--reference", "--results", "-o", "--output", "--help")
MOST = 20   # of one kind that are told, but for what broke


def command(argv: list[str], root: Path) -> int:
    """Compares; the exit code says whether anything broke."""
    if "-h" in argv or "--help" in argv:
        print(HELP, end="")
        return verdict.EXIT_EXPECTED
    argv, base = results_of(argv, root)
    words, into, options = markdown.output_of(argv)
    for word in options:
        if word not in OPTIONS:
            raise UsageError(f"no option is called {word}{did_you_mean(word, OPTIONS)}")
    if "--reference" in options:
        from harness.driver.reference import against_reference
        if len(words) > 1:
            raise UsageError("diff --reference takes one run, as in: ./runner.py diff --reference latest")
        pairs, alone = against_reference(*run_and_target(words[0] if words else "latest", base), root)
    elif len(words) == 2:
        pairs, alone = of_words(words[0], words[1], base)
    else:
        raise UsageError("diff takes two runs or two targets, as in: ./runner.py diff 20261121-101432-7 latest")
    form = as_json if "--json" in options else as_markdown if "--markdown" in options else as_text
    markdown.put(form(pairs, alone, "--all" in options), into)
    if any(pair.of("broke") for pair in pairs):
        return verdict.EXIT_UNEXPECTED
    return verdict.EXIT_UNTESTED if any(is_untested(pair) for pair in pairs) else verdict.EXIT_EXPECTED


def results_of(argv: list[str], root: Path) -> tuple[list[str], Path]:
    """(the command line without --results, where runs are kept)."""
    rest, base, left = [], root / "results", list(argv)
    while left:
        word = left.pop(0)
        if word == "--results" and left:
            base = Path(left.pop(0))
        elif word.startswith("--results="):
            base = Path(word.partition("=")[2])
        else:
            rest.append(word)
    return rest, base


def of_words(one: str, other: str, base: Path) -> tuple[list[Pair], list[str]]:
    """(pairs, what has no partner in words). Raises UsageError."""
    (before, target), (after, other_target) = run_and_target(one, base), run_and_target(other, base)
    if bool(target) != bool(other_target):  # a target of a run against the same target of another, or its only one
        whole, name = (before, other_target) if not target else (after, target)
        if name not in whole.targets and len(whole.targets) != 1:
            raise UsageError(f"{whole.name} has no target {name}: name one, as in {whole.name}:{next(iter(whole.targets), 'TARGET')}")
        name = name if name in whole.targets else next(iter(whole.targets))
        target, other_target = target or name, other_target or name
    if target:
        return [compare(side_of(before, target), side_of(after, other_target))], []
    pairs, left, right = pairs_of(before, after)
    if not pairs:
        raise UsageError(f"no target of {before.name} ({', '.join(left) or 'none'}) is one of {after.name}"
                         f" ({', '.join(right) or 'none'}): name two, as in RUN:TARGET")
    alone = [f"{kept.name} alone has {name}" for kept, names in ((before, left), (after, right)) for name in names]
    return [compare(side_of(before, name), side_of(after, other_name)) for name, other_name in pairs], alone


def is_untested(pair: Pair) -> bool:
    """True if the second side lacks verdicts that it should have."""
    return bool(pair.after.missing) or any(change.after and change.after.word == "broken" for change in pair.of("unknown"))


def as_text(pairs: list[Pair], alone: list[str], is_all: bool) -> str:
    """For a terminal."""
    lines = []
    for pair in pairs:
        lines += [f"{_titled(pair.before)} -> {_titled(pair.after)}", f"  same      {pair.same}"]
        for kind in KINDS:
            changes = pair.of(kind)
            if changes:
                lines.append(f"  {kind:<9} {len(changes)}  ({KINDS[kind]})")
            most = len(changes) if is_all or kind == "broke" else MOST
            for change in changes[:most]:
                lines += _told(change)
            if len(changes) > most:
                lines.append(f"    ... and {len(changes) - most} more: --all")
        lines += [f"  note: {note}" for note in notes(pair)]
    return "\n".join(lines + [f"note: {note}" for note in alone]) + "\n"


def notes(pair: Pair) -> list[str]:
    """What a reader must know besides."""
    return [f"{side.name} lacks {side.missing} verdicts that were planned" for side in (pair.before, pair.after) if side.missing]


def _titled(side: Side) -> str:
    return f"{side.name} ({side.release or 'release unknown'})"


def _told(change: Change) -> list[str]:
    before = change.before.shown() if change.before else "not asked"
    after = change.after.shown() if change.after else "no verdict"
    lines = [f"    {change.clause}: {before} -> {after}"]
    why = _why(change)
    if why:
        lines.append(f"      {why}")
    if change.kind == "broke" and change.after.record.get("command"):
        lines.append(f"      again: {change.after.record['command']}")
    return lines


def _why(change: Change) -> str:
    """The reason that explains a change: of what is not a pass, the later side first."""
    return next((state.why for state in (change.after, change.before) if state and state.why), "")


def as_json(pairs: list[Pair], alone: list[str], is_all: bool) -> str:
    """Everything, for programs."""
    rows = []
    for pair in pairs:
        rows.append({"before": _side(pair.before), "after": _side(pair.after), "same": pair.same,
                     "counts": {kind: len(pair.of(kind)) for kind in KINDS},
                     **{kind: [_row(change) for change in pair.of(kind)] for kind in KINDS}})
    return json.dumps({"schema": 1, "pairs": rows, "alone": alone}, indent=2) + "\n"


def _side(side: Side) -> dict:
    return {"name": side.name, "abi": side.abi, "release": side.release, "missing": side.missing}


def _row(change: Change) -> dict:
    record = (change.after or change.before).record
    return {"clause": change.clause, "before": _state(change.before), "after": _state(change.after),
            **{key: record[key] for key in ("text", "file", "line", "command") if key in record}}


def _state(state: State | None) -> dict | None:
    return state and {"verdict": state.word, "why": state.why, "expected": state.expected, "differs": state.told}


def as_markdown(pairs: list[Pair], alone: list[str], is_all: bool) -> str:
    """For a merge request."""
    broke = sum(len(pair.of("broke")) for pair in pairs)
    lines = [f"## osprim: {f'{broke} broke' if broke else 'nothing broke'}", ""]
    head = ["before", "after", "same", *KINDS]
    lines += markdown.table(head, [[markdown.code(pair.before.name), markdown.code(pair.after.name), str(pair.same),
                                    *(str(len(pair.of(kind)) or "") for kind in KINDS)] for pair in pairs])
    for pair in pairs:
        for kind in KINDS:
            changes = pair.of(kind)
            most = len(changes) if is_all or kind == "broke" else MOST
            if changes:
                lines += ["", f"<details{' open' if kind == 'broke' else ''}><summary>{len(changes)} {kind} on"
                          f" {markdown.html(pair.after.name)}: {KINDS[kind]}</summary>", "",
                          *markdown.table(["clause", "before", "after", "why"], list(map(_cells, changes[:most]))), ""]
                lines += [f"and {len(changes) - most} more", ""] if len(changes) > most else []
                lines.append("</details>")
        lines += [f"\n{markdown.escape(note)}" for note in notes(pair)]
    return "\n".join(lines + [f"\n{markdown.escape(note)}" for note in alone]) + "\n"


def _cells(change: Change) -> list[str]:
    def shown(state: State | None) -> str:
        return f"{markdown.SIGNS[state.word]} {markdown.escape(state.shown())}" if state else ""
    return [markdown.code(change.clause), shown(change.before), shown(change.after), markdown.escape(_why(change))]
