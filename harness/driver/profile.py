# SPDX-License-Identifier: GPL-2.0-only
"""Profiles, fixtures/profiles/<runtime>.toml: what a runtime does, and the promises of the kernel that it stands on.

	title = "Go runtime"
	complete = true                 # every user that a clause names is a row, or is said to be part of one; optional
	[[row]]
	name = "futexsleep"             # users write go:futexsleep
	also = ["notesleep"]            # other users that the row speaks for: go:notesleep; optional
	item = 11                       # of the runtime's own list; optional
	what = "parks a thread until it is woken or its time is up"
	breaks = "what a user of the runtime sees when a promise is broken"
	ids = ["FUT-2", "FUT-3"]        # promises: clauses bear them at the end of their text, in brackets
	clauses = ["futex/wait/*"]      # globs over clause ids, for what neither an id nor needed_by tells; optional
	none = "why the row rests on no promise of the kernel"     # instead of breaks, ids and clauses

A clause belongs to a row if its `.needed_by` names it, its text bears one of the row's ids, or a glob fits.
"""

import re
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from harness.driver import verdict
from harness.driver.catalogue import Clause
from harness.driver.nearest import UsageError, did_you_mean

KEYS = {"name", "also", "item", "what", "breaks", "ids", "clauses", "none"}
LISTS = ("also", "ids", "clauses")
BROKEN = ("fail", "timeout", "crash", "panic")

_BRACKETS = re.compile(r"\[([A-Za-z0-9, -]+)\]")


@dataclass(frozen=True)
class Row:
    """One thing that a runtime does."""

    profile: str
    name: str
    what: str
    also: tuple[str, ...] = ()
    item: int = 0
    breaks: str = ""
    ids: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    none: str = ""

    @property
    def id(self) -> str:
        """As users and `.needed_by` write it: "go:futexsleep"."""
        return f"{self.profile}:{self.name}"

    @property
    def users(self) -> set[str]:
        """Every user that the row speaks for, as `.needed_by` writes them."""
        return {f"{self.profile}:{name}" for name in (self.name, *self.also)}

    def holds(self, clause: Clause) -> bool:
        """True if a clause belongs to this row."""
        return (not self.users.isdisjoint(clause.needed_by.split()) or not ids_of(clause).isdisjoint(self.ids)
                or any(fnmatchcase(clause.id, pattern) for pattern in self.clauses))


@dataclass(frozen=True)
class Profile:
    """One runtime's rows, in the order of its file."""

    name: str
    title: str
    rows: tuple[Row, ...]
    is_complete: bool = False


def ids_of(clause: Clause) -> set[str]:
    """The ids of promises that a clause's text bears in brackets at its end: {"FUT-2", "incident 24"}."""
    return {word.strip() for group in _BRACKETS.findall(clause.text) for word in group.split(",")}


def names(root: Path) -> list[str]:
    """The profiles that there are."""
    return sorted(path.stem for path in (root / "fixtures/profiles").glob("*.toml"))


def load(root: Path, name: str) -> Profile:
    """Reads one profile. Raises UsageError that names the file and the mend."""
    where = f"fixtures/profiles/{name}.toml"
    if name not in names(root):
        raise UsageError(f"no profile is called {name}{did_you_mean(name, names(root))};"
                         f" there are {' '.join(names(root))}")
    try:
        table = tomllib.loads((root / where).read_text())
    except (ValueError, OSError) as error:
        raise UsageError(f"{where}: {error}") from None
    for key in table.keys() - {"title", "complete", "row"}:
        raise UsageError(f"{where}: unknown key {key}: a profile has a title, and rows that begin with [[row]]")
    rows = tuple(_row(name, entry, f"{where}: row {entry.get('name', number)}")
                 for number, entry in enumerate(table.get("row", []), 1))
    for number, row in enumerate(rows):
        if row.name in (earlier.name for earlier in rows[:number]):
            raise UsageError(f"{where}: a second row is called {row.name}")
    return Profile(name, table.get("title", name), rows, table.get("complete", False))


def problems(profile: Profile, clauses: list[Clause]) -> list[str]:
    """What keeps rows from being carried: rows or ids without a clause, globs that fit none, users that have no row."""
    found, borne = [], set().union(*(ids_of(clause) for clause in clauses)) if clauses else set()
    rows = set().union(*(row.users for row in profile.rows))
    for row in profile.rows:
        if not row.none and not any(row.holds(clause) for clause in clauses):
            found.append(f"{row.id}: no clause carries it")
        found += [f"{row.id}: no clause bears the id {word}" for word in row.ids if word not in borne]
        for pattern in row.clauses:
            if not any(fnmatchcase(clause.id, pattern) for clause in clauses):
                ids = [clause.id for clause in clauses]
                found.append(f"{row.id}: no clause is called {pattern}{did_you_mean(pattern, ids)}")
    return found + [f"{clause.id}: needed by {user}, which is no row of the profile"
                    f"{did_you_mean(user, rows)}" for clause in clauses for user in clause.needed_by.split()
                    if profile.is_complete and user.startswith(profile.name + ":") and user not in rows]


def state_of(verdicts: list[str]) -> str:
    """What the verdicts of a row's clauses say of it: "holds", "BROKEN" or "not shown"."""
    if any(word in BROKEN for word in verdicts):
        return "BROKEN"
    return "holds" if "pass" in verdicts else "not shown"


def command(argv: list[str], root: Path, clauses: list[Clause]) -> int:
    """Prints a profile against a run; returns the exit code. Raises UsageError."""
    from harness.driver.results import read_records
    results, words, as_json = root / "results", [], False
    argv = iter(argv)
    for word in argv:
        if word == "--results":
            results = Path(next(argv, "") or results)
        elif word == "--json":
            as_json = True
        elif word.startswith("-"):
            raise UsageError(f"no option is called {word}{did_you_mean(word, ('--results', '--json'))}")
        else:
            words.append(word)
    if not words or len(words) > 2:
        raise UsageError(f"profile takes one of {' '.join(names(root))}, and perhaps a run's folder")
    profile = load(root, words[0])
    folder = _run(results, words[1] if len(words) > 1 else "latest")
    try:
        records = read_records(folder)
    except OSError as error:
        raise UsageError(f"{folder} holds no run ({error.strerror}): ./runner.py run") from None
    told = judge(profile, clauses, records)
    if as_json:
        import json
        print(json.dumps([{"row": row.id, "state": state, "verdicts": counts, "broken": broken}
                          for row, state, counts, broken in told], indent=1))
    else:
        _print(profile, folder, told)
    states = [state for _, state, _, _ in told]
    return verdict.EXIT_UNEXPECTED if "BROKEN" in states else verdict.EXIT_EXPECTED


def judge(profile: Profile, clauses: list[Clause], records: list[dict]) -> list[tuple[Row, str, dict, list[str]]]:
    """For each row its state, its verdicts' counts, and the clauses (with their targets) that broke it."""
    told = []
    for row in profile.rows:
        own = {clause.id for clause in clauses if row.holds(clause)}
        mine = [record for record in records if record.get("clause") in own]
        counts = {word: n for word in verdict.WORDS
                  if (n := sum(record["verdict"] == word for record in mine))}
        broken = [f"{record['clause']} [{record['target']}]" for record in mine if record["verdict"] in BROKEN]
        told.append((row, "no promise" if row.none else state_of([record["verdict"] for record in mine]), counts, broken))
    return told


def _print(profile: Profile, folder: Path, told: list[tuple[Row, str, dict, list[str]]]) -> None:
    print(f"{profile.title} on the kernel of {folder.resolve().name}")
    for row, state, counts, broken in told:
        number = f"{row.item:>2}. " if row.item else "    "
        said = row.none or "  ".join(f"{n} {word}" for word, n in counts.items())
        print(f"{number}{row.name:<36} {state:<11} {said}")
        if broken:
            print(f"      would break: {row.breaks}")
            print("".join(f"      {line}\n" for line in broken[:10]), end="")
    counts = {state: sum(other == state for _, other, _, _ in told) for state in ("holds", "BROKEN", "not shown", "no promise")}
    print(f"{len(told)} rows: " + ", ".join(f"{n} {state}" for state, n in counts.items() if n))


def explanation(root: Path, word: str, clauses: list[Clause], latest: Path) -> str:
    """The text about a row, "go:futexsleep". Raises UsageError."""
    from harness.driver.results import read_records
    profile = load(root, word.partition(":")[0])
    row = next((row for row in profile.rows if word in row.users), None)
    if not row:
        raise UsageError(f"{word} is no row of its profile{did_you_mean(word, [row.id for row in profile.rows])}")
    lines = [f"{row.id}{f', item {row.item} of the {profile.title}' if row.item else ''}", f"  does     {row.what}"]
    if row.none:
        return "\n".join(lines + [f"  rests on no promise of the kernel: {row.none}"]) + "\n"
    lines += [f"  breaks   {row.breaks}"] * bool(row.breaks) + [f"  stands on {' '.join(row.ids)}"] * bool(row.ids)
    try:
        records = read_records(latest)
    except OSError:
        records = []
    for clause in clauses:
        if row.holds(clause):
            said = [f"{record['target']} {record['verdict']}" for record in records if record["clause"] == clause.id]
            lines.append(f"  {clause.id}: {', '.join(said) or 'not part of the latest run'}")
    return "\n".join(lines) + "\n"


def _run(results: Path, word: str) -> Path:
    return Path(word) if (Path(word) / "results.jsonl").exists() else results / word


def _row(profile: str, entry: dict, place: str) -> Row:
    for key, value in entry.items():
        if key not in KEYS:
            raise UsageError(f"{place}: unknown key {key}{did_you_mean(key, KEYS)}")
        wanted = int if key == "item" else list if key in LISTS else str
        if not isinstance(value, wanted) or not value:
            raise UsageError(f"{place}: {key} must be {'a number' if wanted is int else 'a list of texts' if wanted is list else 'a text'}")
    for key in ("name", "what"):
        if key not in entry:
            raise UsageError(f"{place}: {key} must be given")
    if bool(entry.get("none")) == bool(entry.get("breaks")):
        raise UsageError(f"{place}: either breaks (and what carries it) or none must be given")
    lists = {key: tuple(entry[key]) for key in LISTS if key in entry}
    return Row(profile=profile, **(entry | lists))
