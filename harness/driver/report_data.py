# SPDX-License-Identifier: GPL-2.0-only
"""What a report shows: one or more runs as one compact table of clauses x columns, with details of all that did not pass.

A cell is one character of CELLS: the verdict's place in verdict.WORDS, plus 8 times the marks UNEXPECTED, KNOWN and
DIFFERS; NOT_RUN where there is no record. Every text of a guest has gone through visible().
"""

import json
import re
from pathlib import Path

from harness.driver import verdict
from harness.driver.nearest import UsageError
from harness.driver.profile import BROKEN
from harness.driver.report_logs import Logs, visible
from harness.driver.results import SCHEMA

CELLS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
NOT_RUN = "."
# Marks: not as expected (broken is not: nothing is known); as fixtures/known expects; repetitions ended differently.
UNEXPECTED, KNOWN, DIFFERS = 1, 2, 4

_NUMBER = {word: number for number, word in enumerate(verdict.WORDS)}
_PASS = _NUMBER["pass"]
# A record that says no more than that a clause passed, read without parsing the rest: most of a run is like this.
_PLAIN = re.compile(r'\{"clause": "([^"\\]+)", "target": "([^"\\]+)", "abi": "[^"\\]*", "verdict": "pass", '
                    r'"expected": true, "known": null, "why": "", "seen": \[\], "kmsg": \[\], [^\n]*"repeat": 1, [^\n]*\}\n')


class Column:
    """One target of one run."""

    def __init__(self, target: dict, run: int, run_name: str):
        """target: as run.json has it; run: which run of the report; run_name: "" unless other runs have this target too."""
        kernel, hello = _dict(target.get("kernel")), _dict(target.get("hello"))
        self.key = str(target["name"])
        self.run = run
        self.name = visible(target["name"], 200)
        self.abi = visible(target.get("abi") or "unknown", 20)
        self.release = visible(kernel.get("release") or hello.get("release") or "", 100)
        packaged = kernel.get("version") if kernel.get("package") else ""
        self.version = visible(packaged or self.release, 100)
        self.label = " ".join(word for word in (self._short_version(), self._rest(), run_name) if word)
        self.cells: dict[int, str] = {}         # by clause
        self.again = ""                         # what follows the clause in the command that repeats it
        self.target = target

    def order(self) -> tuple:
        """Columns are sorted by this: architecture, version, name, run."""
        return self.abi, version_key(self.version), self.name, self.run

    @property
    def series(self) -> str:
        """"6.12" of "6.12.57-1"; "other" of what is no version."""
        match = re.match(r"\d+\.\d+", self.version)
        return match[0] if match else "other"

    def _short_version(self) -> str:
        match = re.match(r"\d+(?:\.\d+)*(?:-rc\d+|~rc\d+)?", self.version)
        return match[0] if match else ""

    def _rest(self) -> str:
        """The target's name without what the groups above it say: its ABI, and of Debian's kernels the version."""
        words = [word for word in self.name.split(":") if not re.fullmatch(rf"{re.escape(self.abi)}(@\w+)?", word)]
        if words and words[0] == "debian":
            words = words[2:]
        return " ".join(words).removesuffix("-" + self.abi).rsplit("/", 1)[-1]

    def described(self) -> dict:
        """The column for the page: texts that are safe to show, and what run.json says of it."""
        kernel = _dict(self.target.get("kernel"))
        planned = self.target.get("planned")
        return {"name": self.name, "abi": self.abi, "release": self.release, "version": self.version, "series": self.series,
                "label": self.label, "run": self.run, "again": self.again,
                "missing": max(0, planned - len(self.cells)) if isinstance(planned, int) else 0,
                "package": visible(kernel.get("package"), 200), "suite": visible(kernel.get("suite"), 100),
                "sha256": visible(kernel.get("package_sha256") or kernel.get("sha256"), 64),
                "machine": visible(self.target.get("machine"), 200),
                "config": visible(_dict(self.target.get("config")).get("source"), 300),
                "qemu": visible(" ".join(map(str, self.target.get("qemu") or []))),
                "faults": [visible(text) for text in _list(self.target.get("faults"))[:50]],
                "notes": [visible(text) for text in _list(self.target.get("notes"))[:50]]}


class Report:
    """Runs read, in the order given. Columns are never merged: a target of several runs has one for each of them."""

    def __init__(self, folders: list[Path], users: dict[str, dict] | None = None):
        """folders: of runs; users: what is known of a clause's needed_by, by user. Raises UsageError, OSError."""
        self.runs: list[dict] = []
        self.columns: list[Column] = []
        self.clauses: dict[str, list] = {}          # id: [number, text, file, line, needed_by]
        self.details: dict[int, dict[int, dict]] = {}   # by clause, then by column's place while reading
        self.texts: dict[str, int] = {}
        self.knowns: dict[tuple, int] = {}
        self._counts: dict[tuple[int, int], list[int]] = {}  # of cells with repetitions
        self._users = users or {}
        described = [read_run(folder) for folder in folders]
        names = [str(target.get("name")) for run in described for target in run["targets"]]
        spent = 0
        for number, (folder, run) in enumerate(zip(folders, described)):
            mine = {}
            for target in run["targets"]:
                name = visible(run["run"], 100) if names.count(str(target["name"])) > 1 else ""
                mine[str(target["name"])] = len(self.columns)
                self.columns.append(Column(target, number, name))
            logs = Logs(folder, spent)
            try:
                self._read(folder, number, mine, logs)
            finally:
                logs.close()
            spent = logs.spent
            self.runs.append(_run_facts(run))

    def data(self) -> dict:
        """Everything for the page, ready for JSON."""
        order = sorted(range(len(self.columns)), key=lambda place: self.columns[place].order())
        place_of = {old: new for new, old in enumerate(order)}
        columns = [self.columns[place] for place in order]
        ids = sorted(self.clauses)
        clauses, cells, details, spans = [], [], {}, {}
        for row, clause_id in enumerate(ids):
            number, *rest = self.clauses[clause_id]
            clauses.append([visible(clause_id, 300), *rest])
            cells.append("".join(column.cells.get(number, NOT_RUN) for column in columns))
            if number in self.details:
                details[row] = {place_of[old]: detail for old, detail in self.details[number].items()}
            if found := failing_spans(columns, cells[-1]):
                spans[row] = found
        used = {user for clause in clauses for user in clause[4].split()}
        return {"words": list(verdict.WORDS), "letters": verdict.LETTERS, "alphabet": CELLS, "runs": self.runs,
                "columns": [column.described() for column in columns], "clauses": clauses, "cells": cells,
                "details": details, "spans": spans, "texts": list(self.texts),
                "known": [dict(zip(("expect", "reason", "link", "file"), entry)) for entry in self.knowns],
                "users": {user: self._users[user] for user in sorted(used) if user in self._users}}

    def _read(self, folder: Path, run: int, mine: dict[str, int], logs: Logs) -> None:
        numbers = {clause_id: clause[0] for clause_id, clause in self.clauses.items()}
        seen_here: set[int] = set()         # clauses whose text this run has given
        with open(folder / "results.jsonl", encoding="utf-8", errors="replace", newline="\n") as lines:
            for line in lines:
                if plain := _PLAIN.fullmatch(line):
                    number, place = numbers.get(plain[1], -1), mine.get(plain[2], -1)
                    if number in seen_here and place >= 0 and self.columns[place].again:
                        if number not in self.columns[place].cells:
                            self.columns[place].cells[number] = CELLS[_PASS]
                            continue
                try:
                    record = json.loads(line)
                    self._take(record, run, mine, logs)
                    numbers[record["clause"]] = number = self.clauses[record["clause"]][0]
                    seen_here.add(number)
                except (ValueError, KeyError, TypeError, RecursionError):
                    continue  # cut short, or no record

    def _take(self, record: dict, run: int, mine: dict[str, int], logs: Logs) -> None:
        clause_id, target, word = str(record["clause"]), str(record["target"]), _NUMBER[record["verdict"]]
        if target not in mine:  # run.json was never finished
            mine[target] = len(self.columns)
            self.columns.append(Column({"name": target, "abi": record.get("abi")}, run, ""))
        place = mine[target]
        column = self.columns[place]
        number = self.clauses.get(clause_id, [len(self.clauses)])[0]
        line = record.get("line")
        self.clauses[clause_id] = [number, visible(record.get("text")), visible(record.get("file"), 300),
                                   line if isinstance(line, int) else 0, visible(record.get("needed_by"), 2000)]
        command = visible(record.get("command"))
        prefix = f"./runner.py run {clause_id} "
        column.again = column.again or (command.removeprefix(prefix) if command.startswith(prefix) else " ")
        self._settle(column, place, number, word, record, logs)

    def _settle(self, column: Column, place: int, number: int, word: int, record: dict, logs: Logs) -> None:
        """Puts a record into its cell. The first that was not expected speaks for all; without one, the first."""
        known = _dict(record.get("known"))
        expected = record.get("expected") is True
        is_known = expected and known.get("expect") == record["verdict"] and record["verdict"] not in verdict.GOOD
        broken = record["verdict"] == "broken"
        marks = UNEXPECTED * (not expected and not broken) | KNOWN * is_known
        held = column.cells.get(number)
        if held is None:
            column.cells[number] = CELLS[word + 8 * marks]
        else:
            code = CELLS.index(held)
            counts = self._counts.setdefault((number, place), [int(code % 8 == other) for other in range(8)])
            counts[word] += 1
            differs = DIFFERS * (sum(map(bool, counts)) > 1)
            held_is_quiet = not code // 8 & UNEXPECTED and verdict.WORDS[code % 8] != "broken"
            speaks = (broken or marks & UNEXPECTED) and held_is_quiet
            code = word + 8 * marks if speaks else code & ~(8 * DIFFERS)
            column.cells[number] = CELLS[code | 8 * differs]
            detail = self.details.get(number, {}).get(place)
            told = ", ".join(f"{count} {name}" for count, name in zip(counts, verdict.WORDS) if count)
            if not speaks:
                if detail or differs:
                    self.details.setdefault(number, {}).setdefault(place, {})["told"] = told
                return
            self.details.setdefault(number, {})[place] = {"told": told}
        if word != _PASS or marks:
            self.details.setdefault(number, {}).setdefault(place, {}).update(self._detail(column, record, word, known, logs))

    def _detail(self, column: Column, record: dict, word: int, known: dict, logs: Logs) -> dict:
        """What is worth telling of one verdict that is no plain pass."""
        detail = {"why": self._text(visible(record.get("why")))}
        if known:
            entry = tuple(visible(known.get(key)) for key in ("expect", "reason", "link", "file"))
            detail["known"] = self.knowns.setdefault(entry, len(self.knowns))
        if verdict.WORDS[word] in ("absent", "skip") and record.get("expected") is True:
            return detail
        for key, most in (("seen", 20), ("kmsg", 80)):
            if lines := _list(record.get(key))[:most]:
                detail[key] = self._text("\n".join(visible(line) for line in lines))
        if piece := logs.piece(record.get("log"), str(record["clause"]).rsplit("/", 1)[-1]):
            log = record["log"]
            detail["log"] = self._text(piece)
            detail["logfile"] = self._text(f"{visible(log['file'], 300)}, bytes {log['from']} to {log['to']}")
        detail["bare"] = self._text(visible(record.get("bare")))
        detail["started"] = visible(record.get("started"), 40)
        if isinstance(record.get("seconds"), (int, float)):
            detail["seconds"] = record["seconds"]
        command = visible(record.get("command"))
        if command != f"./runner.py run {record['clause']} {column.again}":
            detail["command"] = self._text(command)
        return detail

    def _text(self, text: str) -> int:
        """A text's number: each is kept once."""
        return self.texts.setdefault(text, len(self.texts))


def read_run(folder: Path) -> dict:
    """run.json with a list of targets that have names. Raises UsageError."""
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{folder} is no run: run.json: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{folder}/run.json: {error}") from None
    if not isinstance(run, dict):
        raise UsageError(f"{folder}/run.json holds no object")
    if isinstance(run.get("schema"), int) and run["schema"] > SCHEMA:
        raise UsageError(f"{folder} was written by a later osprim (schema {run['schema']}, this one knows {SCHEMA})")
    run["run"] = str(run.get("run") or folder.resolve().name)
    run["targets"] = [target for target in _list(run.get("targets")) if isinstance(target, dict) and "name" in target]
    return run


def version_key(version: str) -> tuple:
    """Sorts "6.9" before "6.10", "7.3-rc1" before "7.3", what is no version first."""
    match = re.match(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?:[-~]rc(\d{1,4}))?", version)
    if not match:
        return ((), 0, (), version)
    *numbers, candidate = (int(number or 0) for number in match.groups())
    rest = tuple(int(number) for number in re.findall(r"\d{1,9}", version[match.end():]))
    return (tuple(numbers), candidate if match[4] else 9999, rest, version)


def failing_spans(columns: list[Column], cells: str) -> list[dict]:
    """Where a clause fails: first and last version that does, how many do, what passes around them; ABIs alike are one.

    Columns must be in their order; absent, skipped and broken ones say nothing."""
    spans: dict[tuple, dict] = {}
    for abi in dict.fromkeys(column.abi for column in columns):
        told: dict[str, bool] = {}  # version: does it fail in any column of it
        for column, cell in zip(columns, cells):
            if column.abi == abi and cell != NOT_RUN:
                word = verdict.WORDS[CELLS.index(cell) % 8]
                if word in BROKEN or word == "pass":
                    version = column.version or column.name
                    told[version] = told.get(version, False) or word in BROKEN
        failing = [version for version, fails in told.items() if fails]
        if not failing:
            continue
        versions = list(told)
        first, last = versions.index(failing[0]), versions.index(failing[-1])
        span = {"first": failing[0], "last": failing[-1], "failing": len(failing), "of": len(versions),
                "between": last - first + 1 - len(failing), "before": versions[first - 1] if first else "",
                "after": versions[last + 1] if last + 1 < len(versions) else ""}
        spans.setdefault(tuple(span.values()), span | {"abis": []})["abis"].append(abi)
    return list(spans.values())


def _run_facts(run: dict) -> dict:
    """What the page's header says of one run."""
    host, user, git = _dict(run.get("host")), _dict(run.get("user")), _dict(run.get("git"))
    return {"name": visible(run["run"], 100), "started": visible(run.get("started"), 40),
            "finished": visible(run.get("finished"), 40), "interrupted": run.get("interrupted") is True,
            "command": visible(" ".join(map(str, _list(run.get("command"))))), "shard": visible(run.get("shard"), 20),
            "merged": [visible(name, 100) for name in _list(run.get("merged"))[:200]],
            "user": visible(user.get("name") or user.get("uid"), 100), "repeat": visible(run.get("repeat", 1), 20),
            "host": visible(" ".join(str(host.get(key, "")) for key in ("name", "release", "machine")).strip(), 300),
            "cpus": visible(host.get("cpus"), 20), "commit": visible(git.get("commit"), 64), "dirty": git.get("dirty") is True}


def _dict(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list:
    return value if isinstance(value, list) else []
