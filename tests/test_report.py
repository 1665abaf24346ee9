# SPDX-License-Identifier: GPL-2.0-only
"""The report: its data, what guests may write into it, its command line, and the page in a real browser."""

import json
import re
import subprocess
import sys
import time

import pytest
import report_runs
from conftest import PYTHON, ROOT
from report_runs import record, target

from harness.driver import report, report_data, verdict
from harness.driver.nearest import UsageError
from harness.driver.report_data import Report, version_key
from harness.driver.report_logs import MOST_LOG, visible

KNOWN = {"expect": "fail", "reason": "halves are swapped", "link": "https://example.org/1", "file": "fixtures/known/s390x.toml"}
HOSTILE = ["</script><script>document.title = 'owned'</script>", "<img src=x onerror=\"document.title='owned'\">", "\"'&`${1}{{ 7*7 }}",
           "\u2028\u2029\x1b[31m\0\x07\u202egnp.exe", "<!--<script>", "x" * 20000, "]]>\\u003c/script>", "\ud800 lone"]


def cells(data: dict, clause: str) -> list[tuple[str, int]]:
    """The (word, marks) of a clause's cells, in the order of the columns; None where it was not run."""
    row = next(number for number, entry in enumerate(data["clauses"]) if entry[0] == clause)
    codes = [report_data.CELLS.find(cell) for cell in data["cells"][row]]
    return [None if code < 0 else (verdict.WORDS[code % 8], code // 8) for code in codes]


def shown(data: dict, clause: str, place: int) -> dict:
    """The details of a cell, its texts written out."""
    row = next(number for number, entry in enumerate(data["clauses"]) if entry[0] == clause)
    return {key: data["texts"][value] if key in ("why", "seen", "kmsg", "log", "logfile", "bare", "command") else value
            for key, value in data["details"][row][place].items()}


@pytest.fixture
def small(tmp_path):
    """A run with each verdict, a known difference and its unexpected pass, a flaky clause, a log and hostile texts."""
    arm, old, new = target("debian:5.10.262:arm64:cloud", "arm64", "5.10.262"), target("debian:6.9.12:x86_64", version="6.9.12"), \
        target("debian:6.12.57:x86_64", version="6.12.57", planned=14, faults=[HOSTILE[0]], notes=["a note"])
    log = b"before\n" + b"@n 7 line 2 # the log of it\r\n" + HOSTILE[0].encode() + b"\nafter\n"
    failing = {"why": "x.c:1: Expected 0", "seen": ["x.c:1: Expected 0"], "log": {"file": "logs/a.log", "from": 7, "to": len(log) - 7}}
    records = [record("futex/wait/it_wakes_up", arm), record("futex/wait/it_wakes_up", old, "fail", **failing),
               record("futex/wait/it_wakes_up", new), record("futex/pi/it_is_known", arm, "fail", expected=True, known=KNOWN, **failing),
               record("futex/pi/it_is_known", old, "pass", expected=False, known=KNOWN),
               record("futex/pi/it_is_known", new, "absent", known=KNOWN, why="no such call")]
    records += [record("signal/all/every_word_there_is", new, word, why=f"why of {word}") for word in ("pass",)]
    records += [record(f"signal/all/a_verdict_of_{word}", new, word, why=f"why of {word}") for word in verdict.WORDS]
    records += [record("signal/flaky/it_comes_and_goes", new, repeat=1), record("signal/flaky/it_comes_and_goes", new, "fail", repeat=2, **failing)]
    records += [record("hostile/text/of_a_guest", new, "fail", why=HOSTILE[0], seen=HOSTILE, kmsg=HOSTILE, text="x(2): " + HOSTILE[1],
                       needed_by="go:<b>x</b>", known=KNOWN | {"link": "javascript:alert(1)"}, **{"bare": HOSTILE[2], "log": failing["log"]})]
    folder = report_runs.write(tmp_path / "run", [new, old, arm], records, command=["./runner.py", "run", HOSTILE[0]])
    (folder / "logs/a.log").write_bytes(log)
    with open(folder / "results.jsonl", "a") as lines:
        lines.write('{"clause": "futex/wait/it_is_cut_sho')
    return folder


def test_columns_are_grouped_by_architecture_and_version(small):
    data = Report([small]).data()
    assert [(c["abi"], c["series"], c["label"]) for c in data["columns"]] == [
        ("arm64", "5.10", "5.10.262 cloud"), ("x86_64", "6.9", "6.9.12"), ("x86_64", "6.12", "6.12.57")]


def test_versions_are_compared_by_number():
    order = ["", "5.10.262-1", "6.1.0-9", "6.1.0-50", "6.9", "6.10", "7.3-rc1", "7.3.0-rc2", "7.3.0", "7.3.4-1"]
    assert sorted(reversed(order), key=version_key) == order


def test_a_cell_has_its_verdict_and_its_marks(small):
    data = Report([small]).data()
    assert cells(data, "futex/wait/it_wakes_up") == [("pass", 0), ("fail", report_data.UNEXPECTED), ("pass", 0)]
    assert cells(data, "futex/pi/it_is_known") == [("fail", report_data.KNOWN), ("pass", report_data.UNEXPECTED), ("absent", 0)]
    for word in verdict.WORDS:
        unexpected = word not in ("pass", "absent", "skip", "broken")
        assert cells(data, f"signal/all/a_verdict_of_{word}") == [None, None, (word, int(unexpected))]


def test_of_repetitions_the_first_failure_speaks(small):
    data = Report([small]).data()
    assert cells(data, "signal/flaky/it_comes_and_goes")[2] == ("fail", report_data.UNEXPECTED | report_data.DIFFERS)
    assert shown(data, "signal/flaky/it_comes_and_goes", 2)["told"] == "1 pass, 1 fail"


def test_broken_is_no_failure(small):
    data = Report([small]).data()
    found = report.counts(data)
    assert found["broken"] == 1 and found["unexpected"] == 8 and found["known"] == 1 and found["differs"] == 1
    assert "signal/all/a_verdict_of_broken" not in [row["id"] for row in report.listed(data)]
    assert [list(reason["clauses"]) for reason in report.broken(data)] == [["signal/all/a_verdict_of_broken"]]


def test_known_differences_are_counted_apart(small):
    data = Report([small]).data()
    (entry,) = report.known(data)
    assert entry["cells"] == 1 and entry["reason"] == KNOWN["reason"] and list(entry["clauses"]) == ["futex/pi/it_is_known"]


def test_a_failure_has_its_piece_of_the_log(small):
    detail = shown(Report([small]).data(), "futex/wait/it_wakes_up", 1)
    assert detail["log"] == "@n 7 line 2 # the log of it\n" + HOSTILE[0] and detail["logfile"].startswith("logs/a.log, bytes 7")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "logs/link", "logs", "logs/none", "logs/\0", "", 7, None, "index.html/x", "logs/" + "x" * 5000])
def test_a_log_outside_the_run_is_not_read(tmp_path, name):
    (tmp_path / "secret").write_text("a secret" * 100)
    machine = target("host-x86_64")
    folder = report_runs.write(tmp_path / "run", [machine], [record("a/b/c_d_e", machine, "fail", log={"file": name, "from": 0, "to": 50})])
    (folder / "logs/link").symlink_to(tmp_path / "secret")
    assert "secretsecret" not in json.dumps(Report([folder]).data()).replace(" a ", "") and "a secreta" not in json.dumps(Report([folder]).data())


@pytest.mark.parametrize("size", [MOST_LOG + 1, 900_000, 3_000_000])
def test_a_long_log_keeps_its_ends(tmp_path, size):
    machine = target("host-x86_64")
    folder = report_runs.write(tmp_path / "run", [machine], [record("a/b/c_d_e", machine, "fail", log={"file": "logs/l", "from": 0, "to": size})])
    (folder / "logs/l").write_text("first" + "x" * (size - 9) + "last")
    log = shown(Report([folder]).data(), "a/b/c_d_e", 0)["log"]
    assert log.startswith("first") and log.endswith("last") and f"{size - MOST_LOG} bytes left out" in log and len(log) < MOST_LOG + 100


def test_lines_of_other_programs_are_left_out_of_a_log(tmp_path):
    machine = target("host-x86_64")
    lines = ["@n0 1 ab line 97 # other", "@a0 2 ab line 5 # RUN global.c_d_e ...", "@a0 3 cd line 97 # of another", "noise of the console", "@a0 4 cd line 5 # its own",
             "@a0 5 cd line 55 # of a third"]
    text = "\n".join(lines) + "\n"
    log = {"file": "logs/l", "from": text.index("@a0 2"), "to": len(text)}
    folder = report_runs.write(tmp_path / "run", [machine], [record("a/b/c_d_e", machine, "fail", log=log)])
    (folder / "logs/l").write_text(text)
    assert shown(Report([folder]).data(), "a/b/c_d_e", 0)["log"].splitlines() == [lines[1], lines[3], lines[4], "(2 lines of programs beside it are left out)"]


def test_first_and_last_version_that_fails(tmp_path):
    columns = [target(f"debian:{version}:{abi}", abi, version) for abi in ("arm64", "x86_64") for version in ("5.10.1", "6.1.1", "6.9.1", "6.12.1", "7.2.1")]
    words = dict(zip([column["name"] for column in columns], ["pass", "fail", "pass", "crash", "pass"] * 2))
    folder = report_runs.write(tmp_path / "run", columns, [record("a/b/c_d_e", column, words[column["name"]]) for column in columns])
    assert Report([folder]).data()["spans"] == {0: [{"first": "6.1.1-1", "last": "6.12.1-1", "failing": 2, "of": 5, "between": 1,
                                                     "before": "5.10.1-1", "after": "7.2.1-1", "abis": ["arm64", "x86_64"]}]}


def test_a_target_of_two_runs_has_two_columns(small, tmp_path):
    other = target("debian:6.9.12:x86_64", version="6.9.12")
    again = report_runs.write(tmp_path / "again", [other], [record("futex/wait/it_wakes_up", other), record("futex/wait/it_is_new", other)])
    data = Report([small, again]).data()
    assert [c["label"] for c in data["columns"]] == ["5.10.262 cloud", "6.9.12 run", "6.9.12 again", "6.12.57"]
    assert [cell and cell[0] for cell in cells(data, "futex/wait/it_wakes_up")] == ["pass", "fail", "pass", "pass"]
    assert cells(data, "futex/wait/it_is_new") == [None, None, ("pass", 0), None]


def test_reading_quickly_is_reading(small, tmp_path, monkeypatch):
    large = report_runs.write_large(tmp_path / "large", 60, 20)
    quick = [Report([folder]).data() for folder in (large, small)]
    monkeypatch.setattr(report_data, "_PLAIN", re.compile("never"))
    assert [Report([folder]).data() for folder in (large, small)] == quick


@pytest.mark.parametrize("text", HOSTILE)
def test_what_cannot_be_seen_is_spelt_out(text):
    assert not re.search("[\0-\b\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff]", visible(text))
    assert len(visible(text)) < 5000


def test_nothing_ends_the_data_but_its_end(small):
    page = report.render(Report([small]).data())
    text = page.split('<script type="application/json" id="data">')[1].split("</script>")[0]
    assert not set("<>&") & set(text) and text.isascii()
    assert json.loads(text)["clauses"] and page.count("<script") == 2 and "<img" not in page
    assert 'href="javascript:' not in page


def test_the_page_needs_no_network(small):
    page = report.render(Report([small]).data())
    assert "default-src 'none'" in page and not re.search(r'(src|href)="(?!#|https://example\.org/1")', page.split("<script")[0])


@pytest.mark.parametrize("run", ["{", "[]", '{"schema": 99}', '{"targets": 7}', '{"targets": [7, {"name": 5}, {"name": "x", "hello": []}]}'])
def test_a_strange_run_json_is_no_crash(tmp_path, run):
    folder = report_runs.write(tmp_path / "run", [], [record("a/b/c_d_e", target("host-x86_64")), {"clause": 1}, [], 5])
    (folder / "run.json").write_text(run)
    try:
        data = Report([folder]).data()
        assert len(data["clauses"]) == 1 and report.render(data)
    except UsageError as error:
        assert str(folder) in str(error)


def runner(*words: str, python: str = PYTHON):
    return subprocess.run([python, ROOT / "runner.py", "report", *words], capture_output=True, text=True)


def test_the_page_goes_into_the_run(small, tmp_path):
    done = runner(str(small))
    assert done.returncode == 0 and "13 clauses on 3 targets" in done.stdout, done.stderr
    assert (small / "index.html").read_text().startswith("<!doctype html>")
    (tmp_path / "latest").symlink_to(small)
    assert runner("--results", str(tmp_path), "-o", str(tmp_path / "page.html")).returncode == 0
    assert (tmp_path / "page.html").read_text() == (small / "index.html").read_text() == runner(str(small), "-o", "-").stdout


def test_wrong_words_name_the_mend(small, tmp_path):
    for words, said in ((["--outptu"], "did you mean --output"), (["nowhere"], "nowhere is no run"), ([str(small), str(small), "-o", "x"], "twice"),
                        ([str(small), "latest", "--results", str(tmp_path)], "holds no run"), ([str(small), "-o"], "-o takes a file"),
                        ([str(small), "-o", str(tmp_path / "no/x")], "cannot write")):
        done = runner(*words)
        assert done.returncode == 2 and said in done.stderr, (words, done.stderr)


def test_without_jinja_the_command_that_mends_is_named(small):
    code = ("import sys; sys.modules['jinja2'] = None; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
            "from harness.driver.report import command; sys.exit(command([sys.argv[2]], Path(sys.argv[1])))")
    done = subprocess.run([sys.executable, "-c", code, str(ROOT), str(small)], capture_output=True, text=True)
    assert done.returncode == 3 and "apt-get install -y --no-install-recommends python3-jinja2" in done.stderr


def test_a_large_run_is_reported(tmp_path):
    folder = report_runs.write_large(tmp_path / "large", 500, 50)  # a tenth of what is promised in 5 s; the bound is for hangs alone
    began = time.process_time()
    page = report.render(Report([folder]).data())
    assert time.process_time() - began < 30 and len(page) < 3e6
