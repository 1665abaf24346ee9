# SPDX-License-Identifier: GPL-2.0-only
"""The command line: list, explain, targets, doctor, and what wrong usage is answered."""

import json

import pytest
from conftest import ABI, TARGET


WRONG = [
    (["rnu"], "no command is called rnu; did you mean run?"), (["list", "--jsno"], "did you mean --json?"),
    (["list", "steady/rom"], "did you mean steady/room"),
    (["explain", "the_last_one_hold"], "steady/room/the_last_one_holds"), (["explain"], "explain takes one clause"),
    (["targets", "x"], "takes nothing"),
    (["doctor", "x"], "takes nothing"), (["run", f"{TARGET}4"], f"did you mean {TARGET}"),
    (["run", "steady/rom"], "did you mean steady/room"),
    (["run", "--junitxlm=x"], "did you mean --junitxml"), (["run", "--repeta", "2"], "did you mean --repeat"),
    (["run", "--repeat", "0"], "--repeat takes 1 or more"),
    (["run", "--patience", "-1"], "--patience 1 to 86400"),
    (["run", "--repeat", "x"], "invalid int value"), (["run", "-j", "65"], "-j 1 to 64"),
    (["run", "suites/steady/rom.c"], "did you mean suites/steady/room.c"),
    (["run", "-k", "nothing_is_called_so"], "deselected"), ([], "usage: ./runner.py COMMAND")]

@pytest.fixture(scope="module")
def wrong(built):
    """What wrong command lines print, all of them run side by side."""
    built.forget()
    return built.run_all(*(words for words, _ in WRONG))


@pytest.mark.parametrize("number", range(len(WRONG)), ids=[" ".join(words) or "nothing" for words, _ in WRONG])
def test_wrong_usage_exits_2_and_says_what_was_meant(wrong, number):
    code, printed = wrong[number]
    assert code == 2 and WRONG[number][1] in printed and "Traceback" not in printed


def test_wrong_usage_leaves_no_run(wrong, built):
    assert not list((built.path / "results").glob("[0-9]*"))


def test_help(built):
    assert "doctor" in built.run("--help")
    assert "--repeat N" in built.run("run", "--help")
    assert "--maxfail" in built.run("run", "--pytest-help")


def test_list_as_text_tsv_and_json(built):
    lines = built.run("list", "steady").splitlines()
    assert len(lines) == 10 and lines[0].startswith("steady/room/") and lines[1].startswith("    futex(2) NOTES: ")
    rows = [line.split("\t") for line in built.run("list", "--tsv").splitlines()]
    assert rows[0][:4] == ["id", "abis", "file",
                           "line"] and len(rows) == 16 and {len(row) for row in rows} == {len(rows[0])}
    entries = [json.loads(line) for line in built.run("list", "steady/room/*", "words", "--json").splitlines()]
    assert len(entries) == 14 and entries[0]["abis"] == [ABI]


def test_explain_tells_the_promise_and_the_last_verdicts(built):
    built.forget()
    told = built.run("explain", "words/all/a_clause_that_holds_passes")
    for said in ("promise  what holds is a pass", "source   futex(2) NOTES", "needed by go:futexsleep"):
        assert said in told
    assert "code     suites/words/all.c:" in told and "no run is kept yet" in told
    built.run("run", "words", "-k", "absent", code=0)
    assert f"{TARGET}: absent (" in built.run("explain", "a_clause_of_a_later_kernel_is_absent")
    assert "not part of the latest run" in built.run("explain", "a_clause_that_holds_passes")


def test_targets_and_doctor(built):
    assert f"{TARGET}  ready" in built.run("targets")
    told = built.run("doctor", code=None)
    assert f"target    {TARGET}: ready" in told and "kernel  " in told


def test_doctor_names_what_is_missing_and_the_command_that_mends_it(fake, monkeypatch):
    assert "executor is missing: make programs" in fake.run("doctor", code=3)
    monkeypatch.setenv("PATH", "/nowhere")
    told = fake.run("doctor", code=3)
    assert "mend      apt-get install -y --no-install-recommends make gcc" in told


def test_list_says_when_nothing_is_built(fake):
    import shutil
    shutil.rmtree(fake.path / "build")
    assert "nothing is built: make programs" in fake.run("list", code=2)


def test_a_broken_pipe_is_no_error(built):
    import subprocess
    done = subprocess.run(f"{built.path}/runner.py list | head -1", shell=True, capture_output=True, text=True)
    assert done.stderr == "" and done.stdout.count("\n") == 1
