# SPDX-License-Identifier: GPL-2.0-only
"""`runner.py report`: runs as one HTML file that needs nothing else: no network, no server, no build."""

import base64
import hashlib
import json
import sys
from pathlib import Path

from harness.driver import profile, verdict
from harness.driver.nearest import UsageError, did_you_mean
from harness.driver.report_data import CELLS, NOT_RUN, Report

HELP = """\
usage: ./runner.py report [RUN...] [-o FILE]

  ./runner.py report                              the latest run, as results/latest/index.html
  ./runner.py report results/20261121-135727-1289
  ./runner.py report A B -o both.html             two runs side by side: a target of both has a column for each
  ./runner.py report -o - > page.html

  --results DIR      where runs are kept (results/)

One HTML file: clauses against targets, and for each clause its promise, its source, what stands on it, its verdict on each
kernel, and the log of each failure. docs/report.md explains it.
"""

TEMPLATES = Path(__file__).resolve().parent / "templates"
SCRIPTS = ("report.js", "report_clause.js", "report_keys.js")
MOST_LISTED = 500   # clauses in the list of what is not as expected
NO_JINJA = ("the report needs jinja2, which {} has not: apt-get install -y --no-install-recommends python3-jinja2,"
            " and start with /usr/bin/python3")


def command(argv: list[str], root: Path) -> int:
    """Writes a report; returns the exit code. Raises UsageError."""
    if "-h" in argv or "--help" in argv:
        print(HELP, end="")
        return verdict.EXIT_EXPECTED
    folders, output = _words(argv, root)
    try:
        import jinja2  # noqa: F401
    except ImportError:
        print(f"runner.py: {NO_JINJA.format(sys.executable)}", file=sys.stderr)
        return verdict.EXIT_UNTESTED
    try:
        data = Report(folders, users_of_profiles(root)).data()
    except OSError as error:
        raise UsageError(f"cannot read {error.filename}: {error.strerror}") from None
    page = render(data)
    if output == "-":
        sys.stdout.write(page)
        return verdict.EXIT_EXPECTED
    path = Path(output) if output else folders[-1] / "index.html"
    scratch = path.with_name(path.name + ".part")
    try:
        scratch.write_text(page, encoding="utf-8")
        scratch.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    print(f"{summary(data)}\n{path} ({len(page) / 1e6:.1f} MB)")
    return verdict.EXIT_EXPECTED


def _words(argv: list[str], root: Path) -> tuple[list[Path], str]:
    """(the runs' folders, where to write or ""). Raises UsageError."""
    results, output, runs, words = root / "results", "", [], iter(argv)
    for word in words:
        option, is_joined, value = word.partition("=")
        if option in ("-o", "--output", "--results"):
            value = value if is_joined else next(words, "")
            if not value:
                raise UsageError(f"{option} takes a {'folder' if option == '--results' else 'file'}")
            output, results = (output, Path(value)) if option == "--results" else (value, results)
        elif word.startswith("-"):
            raise UsageError(f"no option is called {word}{did_you_mean(word, ('--output', '--results', '--help'))}")
        else:
            runs.append(word)
    folders = [_folder(word, results) for word in runs or ["latest"]]
    if len(folders) > 1 and not output:
        raise UsageError("a report of several runs belongs to none of them: -o FILE")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError("a run is named twice")
    return folders, output


def _folder(word: str, results: Path) -> Path:
    """A run by its folder or by its name in results/. Raises UsageError."""
    for folder in (Path(word), results / word):
        if (folder / "results.jsonl").is_file() and (folder / "run.json").is_file():
            return folder
    if word == "latest":
        raise UsageError(f"{results} holds no run: ./runner.py run")
    runs = [path.name for path in results.iterdir()] if results.is_dir() else []
    raise UsageError(f"{word} is no run: it has no results.jsonl and run.json{did_you_mean(word, runs)}")


def users_of_profiles(root: Path) -> dict[str, dict]:
    """What runtimes do with the kernel, by the names that needed_by has: {"go:futexsleep": {"title", "what", "breaks"}}."""
    users = {}
    for name in profile.names(root):
        try:
            loaded = profile.load(root, name)
        except UsageError as error:
            print(f"runner.py: {error}", file=sys.stderr)
            continue
        for row in loaded.rows:
            users |= {user: {"title": loaded.title, "what": row.what, "breaks": row.breaks} for user in row.users}
    return users


def render(data: dict) -> str:
    """The page of what Report.data() returned. The browser is told to run no script but the page's own."""
    import jinja2
    from markupsafe import Markup
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    script = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                                     loader=jinja2.FileSystemLoader(TEMPLATES))
    return environment.get_template("report.html.j2").render(
        data=data, counts=counts(data), summary=summary(data), listed=listed(data), most=MOST_LISTED, known=known(data), broken=broken(data),
        signs=signs(), style=Markup(style), script=Markup(script), json=Markup(json_for_html(data)),
        hashes={"style": _hash(style), "script": _hash(script)})


def json_for_html(data: object) -> str:
    """JSON that may stand in a script element: ASCII alone, and nothing that could end the element."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def signs() -> list[dict]:
    """The legend: each verdict with its sign; terminals show the same letters, but for a pass."""
    meaning = {"pass": "the promise is kept", "fail": "an assertion did not hold", "timeout": "did not come to an end in time",
               "crash": "the program died", "panic": "the kernel died, or warned while the clause ran",
               "absent": "the kernel does not have it, and may", "skip": "this machine cannot show it",
               "broken": "the harness or the target failed: nothing is known"}
    return [{"word": word, "sign": "\u2713" if word == "pass" else verdict.LETTERS[word], "means": meaning[word]}
            for word in verdict.WORDS]


def counts(data: dict) -> dict[str, int]:
    """Cells by verdict word, and by "unexpected", "known", "differs", "missing"."""
    found = dict.fromkeys((*verdict.WORDS, "unexpected", "known", "differs"), 0)
    for cell, marks in ((code % 8, code // 8) for row in data["cells"] for code in map(CELLS.find, row) if code >= 0):
        found[verdict.WORDS[cell]] += 1
        for bit, name in ((1, "unexpected"), (2, "known"), (4, "differs")):
            found[name] += bool(marks & bit)
    return found | {"missing": sum(column["missing"] for column in data["columns"])}


def summary(data: dict) -> str:
    """The report in one line."""
    found = counts(data)
    told = [f"{len(data['clauses']):,} clauses on {len(data['columns']):,} targets", f"{found['unexpected']:,} not as expected"]
    told += [f"{found[name]:,} {text}" for name, text in (("broken", "broken"), ("known", "known differences"), ("differs", "that differ from one"
             " repetition to the next"), ("missing", "not run")) if found[name]]
    return ", ".join(told)


def listed(data: dict) -> list[dict]:
    """The clauses that are not as expected somewhere: {"id", "text", "verdicts", "spans", "why"}, most targets first."""
    rows = []
    for number, cells in enumerate(data["cells"]):
        places = [place for place, cell in enumerate(cells) if cell != NOT_RUN and CELLS.index(cell) // 8 & 5]
        if not places:
            continue
        words = verdict.count(verdict.WORDS[CELLS.index(cells[place]) % 8] for place in places)
        detail = data["details"].get(number, {}).get(places[0], {})
        rows.append({"id": data["clauses"][number][0], "text": data["clauses"][number][1],
                     "why": data["texts"][detail["why"]] if "why" in detail else detail.get("told", ""), "targets": len(places),
                     "verdicts": ", ".join(f"{count} {word}" for word, count in words.items() if count),
                     "spans": [told(span) for span in data["spans"].get(number, [])]})
    return sorted(rows, key=lambda row: -row["targets"])


def broken(data: dict) -> list[dict]:
    """Where nothing is known, by reason: {"why", "cells", "clauses", "targets"}, most cells first."""
    by_reason: dict[int, dict] = {}
    for number, cells in enumerate(data["cells"]):
        for place, cell in enumerate(cells):
            if cell != NOT_RUN and verdict.WORDS[CELLS.index(cell) % 8] == "broken":
                why = data["texts"][data["details"][number][place]["why"]]
                reason = by_reason.setdefault(why, {"why": why, "cells": 0, "clauses": {}, "targets": {}})
                reason["cells"] += 1
                reason["clauses"][data["clauses"][number][0]] = None
                reason["targets"][data["columns"][place]["name"]] = None
    return sorted(by_reason.values(), key=lambda reason: -reason["cells"])


def told(span: dict) -> str:
    """"x86_64, i386: fails from 6.1 to 6.9"."""
    abis = ", ".join(span["abis"])
    if span["first"] == span["last"]:
        return f"{abis}: fails on {span['first']}" + (" (the only version)" if span["of"] == 1 else "")
    return f"{abis}: fails from {span['first']} to {span['last']}" + (" with gaps" if span["between"] else "")


def known(data: dict) -> list[dict]:
    """The entries of fixtures/known that were met: as in the data, with "cells", "clauses" and "targets" they cover."""
    met = [entry | {"number": number, "cells": 0, "clauses": {}, "targets": {}} for number, entry in enumerate(data["known"])]
    for row, details in data["details"].items():
        for place, detail in details.items():
            if "known" in detail and CELLS.index(data["cells"][row][place]) // 8 & 2:
                entry = met[detail["known"]]
                entry["cells"] += 1
                entry["clauses"][data["clauses"][row][0]] = None
                entry["targets"][data["columns"][place]["name"]] = None
    return sorted((entry for entry in met if entry["cells"]), key=lambda entry: -entry["cells"])
