# SPDX-License-Identifier: GPL-2.0-only
"""What other tools read: KTAP through prove and tappy, JUnit, KCIDB, LAVA's signals, Markdown; hostile text and real runs."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from conftest import TARGET
from kcidb_schema import SCHEMA
from records import ALL, HOSTILE, record, run

from harness.driver import kcidb, lava, markdown, runs
from harness.driver.ktap import ktap
from harness.driver.nearest import UsageError
from harness.driver.tally import by_target
from harness.driver.verdict import WORDS

# The verdicts of records.ALL, in their order, as every reader of KTAP must tell them.
OK = [True, False, False, False, False, True, True, False, True, False, False]
SKIPPED = [False] * 5 + [True] * 2 + [False] * 4


@pytest.fixture
def kept(tmp_path):
    """A run of one record of each kind."""
    return runs.read(run(tmp_path / "results", "all", ALL))


def document(records=ALL) -> str:
    """The KTAP of records."""
    return ktap(list(by_target(records)["host-x86_64"].values()))


@pytest.fixture(scope="module")
def real(built):
    """A real run of every verdict; its folder."""
    built.forget()
    built.run("run", "words", "steady", code=None)
    return built.latest().resolve()


# KTAP.

def prove(text: str, tmp_path) -> dict:
    """What prove (TAP::Parser) made of a document."""
    script = tmp_path / "one.t"
    (tmp_path / "document").write_text(text)
    script.write_text(f"#!/bin/sh\ncat '{tmp_path}/document'\n")
    program = ("use TAP::Parser; my $p = TAP::Parser->new({source => $ARGV[0]}); my $n = 0;"
               "while (my $r = $p->next) { next unless $r->is_test;"
               " print join(\"\\t\", $r->is_ok ? 1 : 0, $r->has_skip ? 1 : 0, $r->number, $r->description), \"\\n\" }"
               "print \"end\\t\", $p->has_problems && !$p->failed ? 1 : 0, \"\\t\", $p->tests_planned // '', \"\\t\","
               " join(' ', $p->parse_errors), \"\\n\"")
    script.chmod(0o755)
    done = subprocess.run(["perl", "-e", program, script], capture_output=True, text=True, check=True)
    *rows, end = [line.split("\t") for line in done.stdout.splitlines()]
    return {"ok": [row[0] == "1" for row in rows], "skip": [row[1] == "1" for row in rows], "names": [row[3] for row in rows],
            "planned": end[2], "errors": end[3].strip()}


@pytest.mark.skipif(not shutil.which("perl"), reason="no perl")
@pytest.mark.parametrize("which", ["golden", "real"])
def test_prove_reads_our_ktap(which, real, tmp_path):
    text = document() if which == "golden" else (real / f"{TARGET}.ktap").read_text()
    told = prove(text, tmp_path)
    assert not told["errors"] and int(told["planned"]) == len(told["ok"]) > 10
    assert all(re.match(r"(- )?\w+/\w+/[\w.]+( # |$)", name) for name in told["names"])
    if which == "golden":
        assert (told["ok"], told["skip"]) == (OK, SKIPPED)
    else:
        assert (sum(told["ok"]), sum(told["skip"])) == (9, 2)


@pytest.mark.parametrize("which", ["golden", "real"])
def test_tappy_reads_our_ktap(which, real):
    parser = pytest.importorskip("tap.parser", reason="no python3-tap")
    text = document() if which == "golden" else (real / f"{TARGET}.ktap").read_text()
    lines = list(parser.Parser().parse_text(text))
    tests = [line for line in lines if line.category == "test"]
    assert [line.number for line in tests] == list(range(1, len(tests) + 1)) and not any(line.todo for line in tests)
    assert next(line for line in lines if line.category == "plan").expected_tests == len(tests)
    assert {line.category for line in lines} <= {"test", "plan", "diagnostic", "unknown"}
    assert [line.category for line in lines].count("unknown") == 1, "the version line alone"
    if which == "golden":
        assert ([line.ok for line in tests], [line.skip for line in tests]) == (OK, SKIPPED)
    else:
        assert (sum(line.ok for line in tests), sum(line.skip for line in tests)) == (9, 2)


def test_ktap_as_kunit_reads_it():
    """kunit.py wants SKIP in capital letters, the name before the sign, numbers in their order and no sign in a name."""
    lines = document().splitlines()
    assert lines[:2] == ["KTAP version 1", f"1..{len(ALL)}"]
    results = [line for line in lines if not line.startswith("#")][2:]
    form = re.compile(r"(not )?ok (\d+) (\w+/\w+/\w+)( # (SKIP|XFAIL|TIMEOUT|ERROR)( [^#]*)?)?")
    found = [form.fullmatch(line) for line in results]
    assert all(found) and [int(match[2]) for match in found] == list(range(1, len(ALL) + 1))
    assert [match[5] for match in found] == [None, None, "TIMEOUT", "ERROR", "ERROR", "SKIP", "SKIP", "ERROR", "XFAIL", None, None]


# JUnit.

def test_junit_as_gitlab_jenkins_and_github_read_it(real):
    suite = ElementTree.parse(real / "junit.xml").getroot().find("testsuite")
    cases = suite.findall("testcase")
    assert len(cases) == 14 and len({(case.get("classname"), case.get("name")) for case in cases}) == 14, "GitLab drops duplicates"
    for case in cases:
        assert case.get("file").startswith("suites/") and case.get("file").endswith(".c") and int(case.get("line")) > 0
        assert case.get("name").endswith(f"[{TARGET}]") and float(case.get("time")) >= 0
        assert len(case.findall("failure") + case.findall("error") + case.findall("skipped")) <= 1, "Jenkins keeps one"
        named = {each.get("name"): each.get("value") for each in case.iter("property")}
        assert named["target"] == TARGET and named["verdict"] in WORDS
    failed = {case.get("name").partition("[")[0]: case.find("failure").text for case in cases if case.find("failure") is not None}
    assert "clause    words/all/a_clause_that_does_not_hold_fails" in failed["a_clause_that_does_not_hold_fails"], "GitLab shows the text alone"
    broken = [case.get("name") for case in cases if case.find("error") is not None]
    assert [name.partition("[")[0] for name in broken] == ["a_clause_that_prints_results_is_broken"]
    assert int(suite.get("tests")) == 14 and int(suite.get("failures")) == len(failed) and int(suite.get("errors")) == 1


# KCIDB.

def check(report: dict) -> None:
    """Validates a report, and that what it refers to is there."""
    jsonschema = pytest.importorskip("jsonschema", reason="no python3-jsonschema")
    jsonschema.validate(report, SCHEMA)
    ids = {kind: [row["id"] for row in report.get(kind, [])] for kind in ("checkouts", "builds", "tests", "issues", "incidents")}
    assert all(len(set(found)) == len(found) for found in ids.values())
    assert all(row["checkout_id"] in ids["checkouts"] for row in report.get("builds", []))
    assert all(row["build_id"] in ids["builds"] for row in report["tests"])
    assert all(row["issue_id"] in ids["issues"] and row["test_id"] in ids["tests"] for row in report.get("incidents", []))


def test_kcidb_is_valid_and_maps_every_verdict(kept):
    report = kcidb.report_of(kept, "osprim")
    check(json.loads(json.dumps(report)))
    assert [row["status"] for row in report["tests"]] == ["PASS", "FAIL", "FAIL", "FAIL", "FAIL", "SKIP", "SKIP", "MISS", "FAIL", "PASS", "FAIL"]
    assert report["tests"][0]["path"] == "osprim.s.p.a_passes" and report["tests"][4]["misc"]["osprim_verdict"] == "panic"
    assert len(report["incidents"]) == len(report["issues"]) == 1 and report["incidents"][0]["test_id"] == report["tests"][8]["id"]
    assert "null" not in json.dumps(report)


def test_kcidb_of_real_runs_is_valid(real):
    report = kcidb.report_of(runs.read(real), "mylab", log_url="https://example.org/logs/")
    check(report)
    assert len(report["tests"]) == 14 and report["tests"][0]["log_url"] == "https://example.org/logs/logs/host.log"
    assert report["builds"][0]["id"].startswith("mylab:")


def test_kcidb_of_a_kernel_that_others_built(kept):
    report = kcidb.report_of(kept, "osprim", build="maestro:123")
    assert {row["build_id"] for row in report["tests"]} == {"maestro:123"} and "builds" not in report and "checkouts" not in report
    report = kcidb.report_of(kept, "osprim", checkout="maestro:9")
    assert report["builds"][0]["checkout_id"] == "maestro:9" and report["builds"][0]["id"].startswith("osprim:") and "checkouts" not in report


@pytest.mark.parametrize("words,said", [(["--origin", "My Lab"], "small letters"), (["--build", "x"], "origin:name"), (["--orign", "x", "all"], "did you mean --origin?"),
                                        (["--origin"], "takes a value"), (["al"], "did you mean all?")])
def test_kcidb_names_the_mend(kept, tmp_path, words, said):
    with pytest.raises(UsageError) as caught:
        kcidb.command([*words, *(["all"] if words[0] in ("--origin", "--build") and len(words) > 1 else [])], tmp_path)
    assert said in str(caught.value)


# LAVA.

SIGNAL = re.compile(r"<LAVA_SIGNAL_(\S+) ([^>]+)>")  # as LAVA's dispatcher looks for them, anywhere in a line


def test_lava_signals_hold_every_verdict_and_nothing_forges_one(kept):
    lines = list(lava.lines_of(kept))
    found = [SIGNAL.search(line) for line in lines]
    assert [match[0] for match in found if match] == [line for line in lines if line.startswith("<")]
    cases = [dict(word.split("=", 1) for word in match[2].split()) for match in found if match and match[1] == "TESTCASE"]
    assert [case["RESULT"] for case in cases] == ["pass", "fail", "fail", "fail", "fail", "skip", "skip", "unknown", "fail", "pass", "fail"]
    assert cases[0]["TEST_CASE_ID"] == "s.p.a_passes" and cases[0]["UNITS"] == "seconds" and len(cases) == len(ALL)
    sets = [match[2] for match in found if match and match[1] == "TESTSET"]
    assert sets == ["START host-x86_64", "STOP host-x86_64"]
    assert any("known: issue #7" in line for line in lines) and any("unexpected pass, known" in line for line in lines)


def test_lava_of_a_real_run(real):
    assert sum("RESULT=pass" in line for line in lava.lines_of(runs.read(real))) == 7


# Markdown.

def test_markdown_has_every_target_and_failure(kept):
    text = markdown.summary(kept)
    assert text.startswith("## osprim: 7 of 11 verdicts not as expected")
    head, line, row = [line for line in text.splitlines() if line.startswith("|")][:3]
    assert head.count("|") == line.count("|") == row.count("|") == 13
    assert [cell.strip() for cell in row.split("|")][3:-1] == ["2", "3", "1", "1", "1", "1", "1", "1", "1", ""]
    assert "unexpected pass" in text and "1 known on `host-x86_64`" in text and text.count("<details>") == text.count("</details>") == 7


def test_markdown_stays_text(kept):
    text = markdown.summary(kept)
    outside = re.sub(r"(?ms)^(`{3,})text\n.*?^\1$", "", text)
    assert HOSTILE in text and HOSTILE not in outside and "<img" not in outside and "@all" not in outside


@pytest.mark.parametrize("text", ["```", "a\n```\nb", "`````", "~~~", ""])
def test_nothing_ends_a_block_of_code(text):
    first, *_, last = markdown.fenced(text.split("\n"))
    assert first.removesuffix("text") == last and not any(line.startswith(last) for line in text.split("\n"))


def test_a_run_without_failures_and_one_without_verdicts(tmp_path):
    assert "all 1 verdicts as expected" in markdown.summary(runs.read(run(tmp_path, "good", [record("s/p/a")])))
    assert "no verdicts" in markdown.summary(runs.read(run(tmp_path, "empty", [])))


def test_writers_through_the_command_line(real, built, tmp_path):
    run_name = real.name
    assert json.loads(built.run("kcidb", run_name))["version"] == {"major": 5, "minor": 3}
    assert built.run("lava").startswith("<LAVA_SIGNAL_TESTSET START")
    built.run("markdown", "latest", "-o", str(tmp_path / "summary.md"))
    assert (tmp_path / "summary.md").read_text().startswith("## osprim")
    assert "did you mean --all or --help?" in built.run("markdown", "--al", code=2) and "no run is called" in built.run("lava", "zzz", code=2)
    assert "usage: ./runner.py kcidb" in built.run("kcidb", "--help")
