# SPDX-License-Identifier: GPL-2.0-only
"""Lies, fixtures/lies/*.toml: promises broken on purpose, each with the clauses that must notice.

	[[lie]]
	id = "futex.wake.counts-one-more"       # begins with the suite
	breaks = "FUTEX_WAKE says that it woke one more than it did"
	tell = "call=futex,futex_time64 when=int1&127==1 after=result+=1"   # harness/liar/lies.c; a list: told together
	clauses = ["futex/wake/*"]              # globs over ids: all of them must notice
	real = "incident 24"                    # where such a bug was real; optional
	abi = "x86_64"                          # if it can be told on one ABI only; optional
	engine = "every-call"                   # without a seccomp filter, for lies about seccomp; optional

	[[untold]]                              # clauses no lie can be told about
	clauses = ["clock/resolution/*"]
	reason = "why that is so"
"""

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from harness.driver.nearest import UsageError, did_you_mean

KEYS = {"lie": {"id", "breaks", "tell", "clauses", "real", "abi", "engine"}, "untold": {"clauses", "reason"}}
NEEDED = {"lie": {"id", "breaks", "tell", "clauses"}, "untold": {"clauses", "reason"}}
ENGINES = ("", "every-call")
NOTICED = ("fail", "timeout", "crash")  # the clause's own verdicts: a broken harness proves nothing


@dataclass(frozen=True)
class Lie:
    """One promise that is broken on purpose; `where` is its file."""

    id: str
    breaks: str
    tell: tuple[str, ...]
    clauses: tuple[str, ...]
    where: str
    real: str = ""
    abi: str = ""
    engine: str = ""

    def must_notice(self, clause_id: str) -> bool:
        """True if a clause is among those that must."""
        return _fits(clause_id, self.clauses)

    def text(self) -> str:
        """The file that the liar reads. Depth 1 and below are the clauses' processes: the kselftest harness is spared."""
        lines = []
        for number, words in enumerate(self.tell):
            keys = {word.partition("=")[0] for word in words.split()}
            own = "" if "id" in keys else f"id={self.id}" + (f".{number + 1}" if number else "")
            depth = "" if keys & {"depth", "answer"} else "depth=1-"  # the filter's own answers know no depth
            lines.append(" ".join(filter(None, (own, depth, words))))
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Untold:
    """Clauses about which no lie can be told, and why."""

    clauses: tuple[str, ...]
    reason: str
    where: str

    def excuses(self, clause_id: str) -> bool:
        """True if this is why a clause has no lie."""
        return _fits(clause_id, self.clauses)


def load(root: Path) -> tuple[list[Lie], list[Untold]]:
    """Every row of every file, in the order of their names. Raises UsageError that names the file and the mend."""
    lies, untold = [], []
    for path in sorted((root / "fixtures/lies").glob("*.toml")):
        where = str(path.relative_to(root))
        try:
            table = tomllib.loads(path.read_text())
        except (ValueError, OSError) as error:
            raise UsageError(f"{where}: {error}") from None
        for key in table.keys() - KEYS.keys():
            raise UsageError(f"{where}: unknown key {key}: rows begin with [[lie]] or [[untold]]")
        lies += [Lie(where=where, **_checked(row, "lie", f"{where}: lie {row.get('id', number)}"))
                 for number, row in enumerate(table.get("lie", []), 1)]
        untold += [Untold(where=where, **_checked(row, "untold", f"{where}: untold {number}"))
                   for number, row in enumerate(table.get("untold", []), 1)]
    first: dict[str, str] = {}
    for lie in lies:
        if lie.id in first:
            raise UsageError(f"{lie.where}: the id {lie.id} is used before, in {first[lie.id]}")
        first[lie.id] = lie.where
    return lies, untold


def problems(lies: list[Lie], untold: list[Untold], clause_ids: list[str]) -> list[str]:
    """What is wrong with rows as far as the catalogue tells: patterns that select no clause."""
    found = []
    for row in [*lies, *untold]:
        for pattern in row.clauses:
            if not any(fnmatchcase(clause_id, pattern) for clause_id in clause_ids):
                name = row.id if isinstance(row, Lie) else "untold"
                found.append(f"{row.where}: {name}: no clause is called {pattern}{did_you_mean(pattern, clause_ids)}")
    return found


def _fits(clause_id: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(clause_id, pattern) for pattern in patterns)


def _checked(row: dict, kind: str, place: str) -> dict:
    for key, value in row.items():
        if key not in KEYS[kind]:
            raise UsageError(f"{place}: unknown key {key}{did_you_mean(key, KEYS[kind])}")
        texts = value if isinstance(value, list) else [value]
        if not texts or not all(isinstance(text, str) and text for text in texts):
            raise UsageError(f"{place}: {key} must be a text{' or a list of texts' if key in ('tell', 'clauses') else ''}")
        if isinstance(value, list) and key not in ("tell", "clauses"):
            raise UsageError(f"{place}: {key} must be one text")
    if missing := NEEDED[kind] - row.keys():
        raise UsageError(f"{place}: {' and '.join(sorted(missing))} must be given")
    if row.get("engine", "") not in ENGINES:
        raise UsageError(f"{place}: engine must be every-call{did_you_mean(row['engine'], ENGINES)}")
    several = {key: tuple([row[key]] if isinstance(row[key], str) else row[key])
               for key in ("tell", "clauses") if key in row}
    return row | several
