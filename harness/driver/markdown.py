# SPDX-License-Identifier: GPL-2.0-only
"""Markdown as GitHub and GitLab render it: escaping for hostile text, and `runner.py markdown RUN`, a job's summary."""

import re
from pathlib import Path

from harness.driver import verdict
from harness.driver.nearest import UsageError, did_you_mean
from harness.driver.runs import Kept, one
from harness.driver.tally import Tally

HELP = """\
usage: ./runner.py markdown [RUN] [-o FILE] [--all]

  ./runner.py markdown                                    the latest run
  ./runner.py markdown RUN >> "$GITHUB_STEP_SUMMARY"      a job's summary
  ./runner.py markdown -o summary.md && glab mr note -F summary.md

--all: every failure, however many there are (30).
"""

SIGNS = {"pass": "✅", "fail": "❌", "timeout": "⏱️", "crash": "💥", "panic": "🔥", "absent": "➖", "skip": "⏭️", "broken": "⚠️"}
MOST = 30           # failures that are shown whole
MOST_LETTERS = 600  # of a reason


def escape(text: str) -> str:
    """Text that stays text in a table's cell, whatever a guest wrote: one line, no markup, no mention, no link."""
    text = re.sub(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]+", " ", str(text))[:MOST_LETTERS]
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_{}\[\]()#+!|~$-])", r"\\\1", text)
    return text.replace("@", "@\u200b").replace("://", ":\u200b//")


def code(text: str) -> str:
    """Text as code; a fence longer than any in it."""
    text = re.sub(r"[\x00-\x1f\x7f]+", " ", str(text))
    fence = "`" * (max(map(len, re.findall(r"`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|")


def fenced(lines: list[str]) -> list[str]:
    """Lines as a block of code that none of them can end."""
    text = "\n".join(lines)
    fence = "`" * max(3, max(map(len, re.findall(r"`+", text)), default=0) + 1)
    return [fence + "text", *lines, fence]


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A table of cells that are Markdown already."""
    return ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *("| " + " | ".join(row) + " |" for row in rows)]


def summary(kept: Kept, most: int = MOST) -> str:
    """The whole summary of a run."""
    bad = {target: [tally for tally in tallies.values() if tally.differs or not tally.shown["expected"]]
           for target, tallies in kept.targets.items()}
    count = sum(map(len, bad.values()))
    total = sum(map(len, kept.targets.values()))
    missing = sum(map(kept.missing, kept.targets))
    lines = [f"## osprim: {_headline(count, total)}", "",
             f"Run {code(kept.name)} of {escape(kept.run.get('started', ''))}"
             + (f", {missing} verdicts missing" if missing else "")
             + (" (interrupted)" if kept.run.get("interrupted") else ""), ""]
    rows = [_row(kept, target, tallies) for target, tallies in kept.targets.items()]
    lines += table(["target", "kernel", *(f"{SIGNS[word]} {word}" for word in verdict.WORDS), "of these known", "not run"], rows)
    lines += _known(kept)
    for target, tallies in bad.items():
        if tallies:
            lines += ["", f"### {len(tallies)} not as expected on {code(target)}"]
            for tally in tallies[:most]:
                lines += _failure(tally)
            lines += [f"\nand {len(tallies) - most} more: `./runner.py markdown --all`"] if len(tallies) > most else []
    return "\n".join(lines) + "\n"


def _headline(count: int, total: int) -> str:
    if not total:
        return "no verdicts"
    return f"{count} of {total} verdicts not as expected" if count else f"all {total} verdicts as expected"


def _row(kept: Kept, target: str, tallies: dict[str, Tally]) -> list[str]:
    counts = verdict.count(())
    for tally in tallies.values():
        for word in verdict.WORDS:
            counts[word] += tally.counts[word]
    known = sum(is_known(tally) for tally in tallies.values())
    return [code(target), escape(kept.release(target)), *(str(counts[word] or "") for word in verdict.WORDS), str(known or ""),
            str(kept.missing(target) or "")]


def is_known(tally: Tally) -> bool:
    """True if a row of fixtures/known expects this verdict, which no promise allows."""
    record = tally.shown
    return bool(record["known"]) and record["expected"] and record["verdict"] not in verdict.GOOD and not tally.differs


def _known(kept: Kept) -> list[str]:
    rows: dict[tuple[str, str, str], int] = {}
    for target, tallies in kept.targets.items():
        for tally in filter(is_known, tallies.values()):
            held = tally.shown["known"]
            key = (target, held["file"], held["reason"])
            rows[key] = rows.get(key, 0) + 1
    return [""] * bool(rows) + [f"- {count} known on {code(target)}, {code(file)}: {escape(reason)}"
                                for (target, file, reason), count in rows.items()]


def _failure(tally: Tally) -> list[str]:
    record = tally.shown
    word = f"differs ({tally.told()})" if tally.differs else record["verdict"]
    if record["known"] and record["verdict"] == "pass":
        word = "unexpected pass"
    document, _, statement = record["text"].partition(": ")
    return ["", f"<details><summary>{SIGNS[record['verdict']]} {html(word)}: <code>{html(record['clause'])}</code></summary>", "",
            f"{escape(statement)} ({escape(document)})", "",
            *fenced([line for line in (record["why"], *record["seen"][:10], *record["kmsg"][:20]) if line] or [word]), "",
            f"{code(record['file'] + ':' + str(record['line']))}, again: {code(record['command'])}", "", "</details>"]


def html(text: str) -> str:
    """Text within the tags that Markdown passes on."""
    from html import escape as escaped
    return escaped(re.sub(r"[\x00-\x1f\x7f]+", " ", str(text)))


def command(argv: list[str], root: Path) -> int:
    """Prints or writes the summary of a run."""
    if "-h" in argv or "--help" in argv:
        print(HELP, end="")
        return verdict.EXIT_EXPECTED
    words, into, rest = output_of(argv)
    unknown = [word for word in rest if word != "--all"]
    if unknown:
        raise UsageError(f"no option is called {unknown[0]}{did_you_mean(unknown[0], ('--all', '-o', '--output', '--help'))}")
    if len(words) > 1:
        raise UsageError("markdown takes one run")
    kept = one(words[0] if words else "latest", root / "results")
    put(summary(kept, 1 << 30 if "--all" in rest else MOST), into)
    return verdict.EXIT_EXPECTED


def output_of(argv: list[str]) -> tuple[list[str], str, list[str]]:
    """(words, the file of -o or "", other options) of a command line. Raises UsageError."""
    words, into, options, left = [], "", [], list(argv)
    while left:
        word = left.pop(0)
        name, is_joined, value = word.partition("=")
        if name in ("-o", "--output"):
            if not is_joined and not left:
                raise UsageError("-o takes a file")
            into = value if is_joined else left.pop(0)
        elif word.startswith("-") and word != "-":
            options.append(word)
        else:
            words.append(word)
    return words, into, options


def put(text: str, into: str) -> None:
    """Prints a report, or writes it to a file. Raises UsageError if that cannot be written."""
    if not into or into == "-":
        print(text, end="")
        return
    try:
        Path(into).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {into}: {error.strerror}") from None
