# SPDX-License-Identifier: GPL-2.0-only
"""`run --resume`, Ctrl-C and what is told meanwhile: nothing is run twice, nothing is lost, the same folder."""

import json
import signal
import time

import pytest
from conftest import STEADY_CLAUSES as STEADY
from conftest import TARGET

from harness.driver import progress, resume
from harness.driver.nearest import UsageError
from harness.driver.results import Results, ResultsError
from harness.driver.verdict import WORDS


def cut(tree, records: int, half: bool = False) -> dict:
    """Leaves only the first records of the latest run, the last one torn if half; its run.json."""
    path = tree.latest("results.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:records]) + (lines[records][:40] if half else ""))
    return json.loads(tree.latest("run.json").read_text())


@pytest.mark.parametrize("records,half", [(0, False), (2, False), (2, True), (STEADY, False)])
def test_a_run_goes_on_with_what_has_no_record(tree, records, half):
    tree.run("run", "steady")
    before = cut(tree, records, half)
    kept = tree.latest("results.jsonl").read_text().splitlines()[:records]
    folder = tree.latest().resolve()
    printed = tree.run("run", "--resume", "latest")
    assert f"{STEADY} passed" in printed and tree.latest().resolve() == folder and len(tree.records()) == STEADY
    assert tree.latest("results.jsonl").read_text().splitlines()[:records] == kept, "what was there is there"
    assert len({record["clause"] for record in tree.records()}) == STEADY
    after = json.loads(tree.latest("run.json").read_text())
    assert after["started"] == before["started"] and after["command"] == before["command"] and len(after["resumed"]) == 1
    assert after["targets"][0]["verdicts"]["pass"] == STEADY and after["targets"][0]["hello"] == before["targets"][0]["hello"]
    assert after["targets"][0]["nonces"][:1] == before["targets"][0]["nonces"]
    assert f"1..{STEADY}" in tree.latest(f"{TARGET}.ktap").read_text()
    assert tree.latest("junit.xml").read_text().count("<testcase") == STEADY


def test_repetitions_are_made_up_for(tree):
    tree.run("run", "steady", "--repeat", "3")
    cut(tree, 2 * STEADY - 1)
    tree.run("run", "--resume", "latest")
    rows = [(record["clause"], record["repeat"]) for record in tree.records()]
    assert len(rows) == len(set(rows)) == 3 * STEADY


def test_failures_of_the_first_part_count(tree):
    tree.run("run", "words", "-x", code=None)
    cut(tree, len(tree.records()))
    printed = tree.run("run", "--resume", "latest", code=None)
    assert len(tree.records()) == 9 and "a_clause_that_does_not_hold_fails" in printed, "-x ended the first part, not the second"


def test_ctrl_c_and_on(tree):
    process = tree.start("run", "steady", "waits", start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    deadline = time.monotonic() + 50
    while not any(path.read_text().count("\n") >= STEADY - 1 for path in (tree.path / "results").glob("2*/results.jsonl")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    assert "is still being written by another runner.py" in tree.run("run", "--resume", "latest", code=3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=50)
    assert process.returncode == 130 and json.loads(tree.latest("run.json").read_text())["interrupted"]
    done = len(tree.records())
    assert "## osprim: all" in tree.run("markdown") and "verdicts missing (interrupted)" in tree.run("markdown"), "every reader reads it"
    process = tree.start("run", "--resume", "latest", start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    while "resumed" not in json.loads(tree.latest("run.json").read_text()):  # the clause that takes a minute holds up the rest
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=50)
    assert process.returncode == 130 and len(tree.records()) == len({record["clause"] for record in tree.records()}) >= done


def test_wrong_words(tree):
    tree.run("run", "steady")
    for words, said in ((["--resume", "latst"], "no run is called latst; did you mean latest?"), (["--resume"], "--resume takes a run"),
                        (["--resume", "latest", "-k", "x"], "goes on with the command of that run"), (["steady", "--resume=latest"], "--resume takes a run")):
        assert said in tree.run("run", *words, code=2)


def test_another_kernel_is_refused(tree):
    tree.run("run", "steady")
    about = json.loads(tree.latest("run.json").read_text())
    about["host"]["version"] = "#2 another build"
    tree.latest("run.json").write_text(json.dumps(about))
    assert f"was on another kernel of {TARGET}" in tree.run("run", "--resume", "latest", code=2)


def test_a_target_that_its_words_select_no_more_is_refused():
    with pytest.raises(UsageError, match="select no debian:6.1.1:x86_64:cloud any more"):
        resume.check({"run": "r", "targets": [{"name": "debian:6.1.1:x86_64:cloud"}]}, [], {})


@pytest.mark.parametrize("command,kept", [
    (["futex", "-x", "--maxfail", "3", "-k", "a"], ["futex", "-k", "a"]), (["--maxfail=3", "--results", "d", "--results=d", "x"], ["x"])])
def test_what_ended_a_run_does_not_end_it_again(command, kept):
    assert resume._without_ends(command) == kept


def test_a_run_of_last_failures_cannot_be_resumed():
    with pytest.raises(UsageError, match="--lf cannot be resumed"):
        resume._without_ends(["--lf"])


def test_only_one_writes_a_run(tmp_path):
    results = Results(tmp_path)
    with pytest.raises(ResultsError, match="is still being written"):
        Results.reopen(results.folder)
    results.close()
    Results.reopen(results.folder).close()


# What is told meanwhile.

class FakeRun:
    """As much of a run as progress asks for."""

    def __init__(self):
        self.counts, self.planned = {"t": dict.fromkeys(WORDS, 0)}, {"t": 100}
        self.wishes = type("Wishes", (), {"repeat": 2})

    def unexpected(self) -> int:
        return self.counts["t"]["fail"]


def test_a_line_at_each_tenth_that_takes_its_time(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(progress.os, "isatty", lambda fd: False)
    shown, run = progress.Progress(), FakeRun()
    shown.begin(0)
    told = []
    for _ in range(100):
        clock[0] += 1.5
        run.counts["t"]["pass"] += 2
        told += filter(None, [shown.tenth(run)])
    assert len(told) == 9 and told[0] == "10 %: 20 of 200 verdicts, 2:15 left" and told[-1].startswith("90 %: 180 of 200")
    run.counts["t"].update({"pass": 99, "fail": 1})
    other = progress.Progress()
    clock[0] += 11
    assert other.tenth(run) == "50 %: 100 of 200 verdicts, 1 not as expected, 0:11 left" and other.tenth(run) == ""


def test_what_is_over_soon_tells_no_progress(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    shown, run = progress.Progress(), FakeRun()
    for _ in range(100):
        clock[0] += 0.05
        run.counts["t"]["pass"] += 2
        assert shown.tenth(run) == ""


@pytest.mark.parametrize("took,done,planned,told", [(60, 50, 100, ", 1:00 left"), (3, 50, 100, ""), (60, 1, 100, ""), (60, 100, 100, ""), (90, 10, 20, ", 1:30 left")])
def test_the_time_that_is_left(took, done, planned, told):
    assert progress.left(took, done, planned) == told
