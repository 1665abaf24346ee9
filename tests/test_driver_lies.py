# SPDX-License-Identifier: GPL-2.0-only
"""Lies as data: what a row may say, which clauses must notice, and what the command makes of it."""

import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.driver import catalogue, lies
from harness.driver.classify import Outcome
from harness.driver.lies import Lie, Untold
from harness.driver.lies_command import Report, Wanted
from harness.driver.lying import Trial, Trials
from harness.driver.nearest import UsageError
from harness.driver.plan import Task

ROOT = Path(__file__).resolve().parent.parent
ABI = os.uname().machine
LIAR, EXECUTOR = ROOT / f"build/{ABI}/liar", ROOT / f"build/{ABI}/executor"

is_x86 = pytest.mark.skipif(not LIAR.exists(), reason="the liar is built for x86_64 alone so far")

ROW = """
[[lie]]
id = "pipe.pipe2.broken"
breaks = "pipe2 is broken"
tell = "call=pipe2 return=-EIO"
clauses = ["pipe/pipe2/*"]
"""


@pytest.fixture(scope="module")
def clauses():
    return catalogue.load(ROOT, ABI).clauses


def written(tmp_path, text):
    folder = tmp_path / "fixtures/lies"
    folder.mkdir(parents=True)
    (folder / "pipe.toml").write_text(text)
    return tmp_path


def test_every_row_names_clauses_that_exist(clauses):
    ids = [clause.id for abi in ("x86_64", "i386") for clause in catalogue.load(ROOT, abi).clauses]
    assert lies.problems(*lies.load(ROOT), ids) == []


def test_every_clause_can_be_shown_to_fail(clauses):
    rows, untold = lies.load(ROOT)
    assert [clause.id for clause in clauses
            if not any(row.must_notice(clause.id) for row in rows)
            and not any(row.excuses(clause.id) for row in untold)] == []


@pytest.mark.parametrize("text, said", [
    ("[[lie]\n", "pipe.toml"),
    ("[[lies]]\n", "unknown key lies"),
    (ROW.replace("breaks", "brakes"), "unknown key brakes; did you mean breaks?"),
    (ROW.replace('breaks = "pipe2 is broken"', ""), "breaks must be given"),
    (ROW.replace('"call=pipe2 return=-EIO"', "7"), "tell must be a text or a list"),
    (ROW + 'engine = "every-cal"\n', "did you mean every-call?"),
    (ROW + ROW, "the id pipe.pipe2.broken is used before"),
    ("[[untold]]\nclauses = ['a/b/c']\n", "reason must be given"),
])
def test_a_broken_file_is_named(tmp_path, text, said):
    with pytest.raises(UsageError, match="fixtures/lies/pipe.toml") as error:
        lies.load(written(tmp_path, text))
    assert said in str(error.value)


def test_a_glob_without_a_clause_is_a_problem(tmp_path):
    rows, untold = lies.load(written(tmp_path, ROW))
    assert lies.problems(rows, untold, ["pipe/pipe2/x"]) == []
    assert "no clause is called pipe/pipe2/*" in lies.problems(rows, untold, ["futex/wait/x"])[0]
    assert "no clause is called a/b" in lies.problems([], [Untold(("a/b",), "why", "f")], ["a/b/c"])[0]


@pytest.mark.parametrize("tell, text", [
    (("call=pipe2 return=0",), "id=x depth=1- call=pipe2 return=0\n"),
    (("call=pipe2 depth=2 return=0",), "id=x call=pipe2 depth=2 return=0\n"),
    (("call=pipe2 answer=0",), "id=x call=pipe2 answer=0\n"),
    (("call=a return=0", "id=y call=b return=0"), "id=x depth=1- call=a return=0\ndepth=1- id=y call=b return=0\n"),
    (("call=a return=0", "call=b return=0"), "id=x depth=1- call=a return=0\nid=x.2 depth=1- call=b return=0\n"),
])
def test_the_liar_reads_an_id_and_spares_the_harness(tell, text):
    assert Lie("x", "b", tell, (), "f").text() == text


@pytest.mark.parametrize("words, takes", [
    ([], True), (["pipe"], True), (["pipe.pipe2.*"], True), (["pipe/pipe2/flags"], True), (["pipe/pipe2"], True),
    (["futex"], False), (["-k", "pipe2 broken"], True), (["-k", "pipe2 mended"], False)])
def test_words_select_lies(words, takes):
    lie = Lie("pipe.pipe2.broken", "pipe2 is broken", ("call=pipe2 return=0",), ("pipe/pipe2/flags", "pipe/pipe2/other"), "f")
    assert Wanted(words).takes(lie) is takes


def trial(tmp_path, clauses, tell):
    listed = [clause for clause in clauses if clause.id.startswith("pipe/pipe2/")]
    trials = Trials(ROOT, LIAR, EXECUTOR, tmp_path, "")
    return trials.one(Lie("pipe.x", "breaks", tell, ("pipe/*",), "f"), ABI, listed)


@is_x86
def test_a_lie_is_noticed_and_counted(tmp_path, clauses):
    told = trial(tmp_path, clauses, ("call=pipe2 if=result==0 after=u32[arg0]=u32[arg0+4]",))
    assert "pipe/pipe2/the_lowest_free_descriptors_are_given_read_end_first" in told.noticed_by()
    assert told.told > 0 and told.faults == []


@is_x86
def test_a_lie_about_something_else_is_not_noticed(tmp_path, clauses):
    told = trial(tmp_path, clauses, ("call=getpriority return=0",))
    assert told.noticed_by() == [] and told.told == 0


@is_x86
def test_a_lie_that_cannot_be_read_is_no_proof(tmp_path, clauses):
    told = trial(tmp_path, clauses, ("call=pipe2 retrun=0",))
    assert told.noticed_by() == [] and {outcome.verdict for outcome in told.outcomes.values()} == {"broken"}
    assert "retrun" in told.faults[0]


@is_x86
def test_the_command_tells_who_noticed(tmp_path):
    done = run("pipe.pipe2.ends-swapped", "--results", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lies noticed 1 of 1" in done.stdout and "read_end_first" in done.stdout
    assert (tmp_path / "lies").is_dir()


@pytest.mark.parametrize("tellings", [1, 2, 4, 5])
def test_what_went_unnoticed_is_told_again_alone_until_it_is_noticed(clauses, capsys, tellings):
    clause, records, told = clauses[0], [], []
    lie = Lie("pipe.x", "breaks", ("call=pipe2 return=0",), (clause.id,), "f")

    class Scripted:
        """Clauses that notice at the given telling."""
        at_a_time = 0

        def run(self, plan, finished):
            for lie, abi, listed in plan:
                told.append(self.at_a_time)
                word = "fail" if len(told) >= tellings else "pass"
                trial = Trial(lie, abi, {clause.id: Outcome(Task(clause, "t", abi), word) for clause in listed})
                finished(trial)
                yield trial

    report = Report(SimpleNamespace(add=records.append), [], {ABI: [clause]})
    trials = Scripted()
    done = list(trials.run([(lie, ABI, [clause])], report._record_all))
    report._tell_again(trials, done)
    assert told == [0, 1, 1, 1][:tellings] and len(records) == len(told)
    assert bool(report.missed) == (tellings == 5)
    assert ("told again" in capsys.readouterr().out) == (tellings in (2, 4))


def test_no_lie_turns_an_id_into_that_of_a_stranger():
    """A program signals the ids it is told: one that is off by one may be anybody's (PID_MAX_LIMIT is 1 << 22)."""
    ids = re.compile(r"call=\S*\b(?:v?fork|clone3?|getp?pid|gettid|getpgid|getsid|getpgrp)\b.*\bresult\+=(\w+)")
    offsets = [(lie.id, int(found[1], 0)) for lie in lies.load(ROOT)[0] for tell in lie.tell if (found := ids.search(tell))]
    assert len(offsets) >= 10 and not [row for row in offsets if row[1] < 1 << 22]


@is_x86
def test_clauses_that_would_find_the_liars_filter_are_told_lies_without_one(tmp_path):
    done = run("seccomp.load.anyone-may", "--results", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fail    seccomp/install/an_ordinary_user_needs_no_new_privs" in done.stdout


@is_x86
def test_what_the_liar_itself_breaks_is_no_complaint_where_a_reason_stands(tmp_path):
    done = run("signal/suspend/*", "--results", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_refuses_what_it_does_not_know(tmp_path):
    done = run("pipe.pipe2.ends-swaped", "--results", tmp_path)
    assert done.returncode == 2 and "did you mean pipe.pipe2.ends-swapped" in done.stderr
    assert run("--trooth").returncode == 2
    assert run("--abi", "x86_46").returncode == 2
    assert "usage" in run("--help").stdout


def run(*words):
    return subprocess.run(["./runner.py", "lies", *map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=120)
