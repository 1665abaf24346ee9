# SPDX-License-Identifier: GPL-2.0-only
"""Profiles: every row is carried by clauses or says why it needs none; what the commands print of them."""

import json
import subprocess
from pathlib import Path

import pytest

from harness.driver import catalogue, profile
from harness.driver.catalogue import Clause
from harness.driver.nearest import UsageError
from harness.driver.targets.host import native_abis

ROOT = Path(__file__).resolve().parent.parent
GO_ITEMS = 71
EMPTY_FUNCTIONS = {"mdestroy", "setSignalstackSP", "fixsigcode"}


@pytest.fixture(scope="module")
def clauses():
    """Those of every ABI that runs here: some rows are of one alone."""
    return [clause for abi in native_abis(ROOT) for clause in catalogue.load(ROOT, abi).clauses]


@pytest.mark.parametrize("name", profile.names(ROOT))
def test_every_row_and_id_is_carried(name, clauses):
    assert profile.problems(profile.load(ROOT, name), clauses) == []


def test_the_go_profile_has_all_items():
    rows = profile.load(ROOT, "go").rows
    assert [row.item for row in rows if row.item] == list(range(1, GO_ITEMS + 1))
    assert {row.name for row in rows if row.none} == EMPTY_FUNCTIONS


def a_clause(clause_id, text="futex(2): a promise", needed_by=""):
    values = {"id": clause_id, "name": clause_id.rsplit("/", 1)[-1], "text": text, "needed_by": needed_by}
    kinds = {"str": "", "int": 0}
    return Clause(**{name: values.get(name, kinds[getattr(kind, "__name__", kind)])
                     for name, kind in Clause.__annotations__.items()})


ROWS = """complete = true
[[row]]
name = "sleeps"
what = "sleeps"
breaks = "hangs"
ids = ["FUT-1"]
clauses = ["futex/glob/*"]
[[row]]
name = "nothing"
what = "nothing"
none = "it is empty"
"""


def written(tmp_path, text):
    folder = tmp_path / "fixtures/profiles"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "toy.toml").write_text(text)
    return tmp_path


def test_a_clause_belongs_by_user_by_id_and_by_glob(tmp_path):
    row = profile.load(written(tmp_path, ROWS), "toy").rows[0]
    assert row.holds(a_clause("a/b/c", needed_by="glibc:x toy:sleeps"))
    assert row.holds(a_clause("a/b/c", text="futex(2): a promise [FUT-9, FUT-1]"))
    assert row.holds(a_clause("futex/glob/c"))
    assert not row.holds(a_clause("a/b/c", text="futex(2): a promise [FUT-11]", needed_by="toy:sleeps2"))


def test_what_is_not_carried_is_a_problem(tmp_path):
    toy = profile.load(written(tmp_path, ROWS), "toy")
    found = profile.problems(toy, [a_clause("a/b/c", needed_by="toy:sleps")])
    assert found == ["toy:sleeps: no clause carries it", "toy:sleeps: no clause bears the id FUT-1",
                     "toy:sleeps: no clause is called futex/glob/*",
                     "a/b/c: needed by toy:sleps, which is no row of the profile; did you mean toy:sleeps?"]


@pytest.mark.parametrize("text, said", [
    ("[[row]\n", "toy.toml"),
    ("[[rows]]\nname = 'x'\n", "unknown key rows"),
    (ROWS.replace("breaks", "brakes"), "unknown key brakes; did you mean breaks?"),
    (ROWS.replace('none = "it is empty"', ""), "either breaks"),
    (ROWS.replace('["FUT-1"]', '"FUT-1"'), "must be a list"),
    (ROWS.replace('what = "sleeps"', ""), "what must be given"),
    (ROWS.replace('"nothing"', '"sleeps"'), "a second row is called sleeps"),
])
def test_a_broken_file_is_named(tmp_path, text, said):
    with pytest.raises(UsageError, match="fixtures/profiles/toy.toml") as error:
        profile.load(written(tmp_path, text), "toy")
    assert said in str(error.value)


def test_an_unknown_profile_has_a_nearest_name():
    with pytest.raises(UsageError, match="did you mean glibc"):
        profile.load(ROOT, "glib")


@pytest.mark.parametrize("verdicts, state", [
    ([], "not shown"), (["absent", "skip"], "not shown"), (["broken"], "not shown"), (["pass", "skip"], "holds"),
    (["pass", "fail"], "BROKEN"), (["crash"], "BROKEN"), (["panic", "pass"], "BROKEN"), (["timeout"], "BROKEN")])
def test_the_state_of_a_row(verdicts, state):
    assert profile.state_of(verdicts) == state


def test_the_commands_print_rows(tmp_path):
    run = tmp_path / "results/r1"
    run.mkdir(parents=True)
    record = {"clause": "futex/wait/wait_sleeps_until_a_wake", "target": "host-x86_64", "verdict": "fail"}
    (run / "results.jsonl").write_text(json.dumps(record) + "\n")
    (tmp_path / "results/latest").symlink_to("r1")
    done = told("profile", "go", "--results", tmp_path / "results")
    assert done.returncode == 1
    assert "futexsleep                           BROKEN      1 fail" in done.stdout
    assert "would break: a lost wake-up" in done.stdout and "wait_sleeps_until_a_wake [host-x86_64]" in done.stdout
    done = told("explain", "go:futexsleep", "--results", tmp_path / "results")
    assert done.returncode == 0 and "item 11" in done.stdout
    assert "futex/wait/wait_sleeps_until_a_wake: host-x86_64 fail" in done.stdout
    assert "did you mean go:futexsleep" in told("explain", "go:futexsleap").stderr
    assert told("profile", "go", "--results", tmp_path / "none").returncode == 2


def told(*words):
    return subprocess.run(["./runner.py", *map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=60)
