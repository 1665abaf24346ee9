# SPDX-License-Identifier: GPL-2.0-only
"""`runner.py diff`: every kind of change, finding runs and targets by name, three forms, exit codes; on real runs too."""

import json
import re

import pytest
from conftest import TARGET
from records import ALL, HOSTILE, record, run

from harness.driver import runs
from harness.driver.compare import KINDS, State, compare, kind_of, side_of
from harness.driver.diff_command import command
from harness.driver.nearest import UsageError
from harness.driver.verdict import WORDS

PASS, FAIL, ABSENT, SKIP, BROKEN = (State(word, expected=word in ("pass", "absent", "skip"))
                                    for word in ("pass", "fail", "absent", "skip", "broken"))
KNOWN = State("fail", expected=True)
FLAKY = State("fail", expected=False, told="2 pass, 1 fail")
UNEXPECTED_PASS = State("pass", expected=False)


@pytest.mark.parametrize("before,after,kind", [
    (PASS, PASS, ""), (FAIL, FAIL, ""), (KNOWN, FAIL, ""), (FAIL, KNOWN, ""), (PASS, UNEXPECTED_PASS, ""),
    (PASS, FAIL, "broke"), (PASS, State("panic", expected=False), "broke"), (ABSENT, FAIL, "broke"), (SKIP, FAIL, "broke"),
    (PASS, FLAKY, "broke"), (FAIL, PASS, "mended"), (KNOWN, UNEXPECTED_PASS, "mended"), (FLAKY, PASS, "mended"),
    (None, PASS, "appeared"), (None, FAIL, "appeared"), (ABSENT, PASS, "appeared"), (SKIP, PASS, "appeared"),
    (PASS, ABSENT, "absent"), (FAIL, ABSENT, "absent"), (SKIP, ABSENT, "absent"), (PASS, SKIP, "skip"), (ABSENT, SKIP, "skip"),
    (PASS, KNOWN, "known"), (FAIL, State("panic", expected=False), "changed"), (FAIL, FLAKY, "changed"),
    (PASS, BROKEN, "unknown"), (BROKEN, PASS, "unknown"), (BROKEN, FAIL, "unknown"), (PASS, None, "gone"), (FAIL, None, "gone")])
def test_each_change_is_of_one_kind(before, after, kind):
    assert kind_of(before, after) == kind


def test_a_known_failure_that_fails_otherwise_is_told_whether_it_broke():
    assert kind_of(KNOWN, State("panic", expected=False)) == "broke" and kind_of(FAIL, State("panic", expected=True)) == "changed"


def test_every_pair_of_verdicts_is_the_same_or_of_a_kind():
    states = [State(word, expected=expected, told=told) for word in WORDS for expected in (True, False) for told in ("", "1 pass, 1 fail")]
    for before in states:
        for after in states:
            assert kind_of(before, after) in {"", *KINDS}
            if before.is_good and not after.is_good and not after.expected:
                assert kind_of(before, after) in ("broke", "unknown")


@pytest.fixture
def base(tmp_path):
    """A repository's folder with two runs: `two` broke one clause of `one` and mended another."""
    results = tmp_path / "results"
    run(results, "one", [record("s/p/a"), record("s/p/b", "fail"), record("s/p/c"), record("s/p/a", target="host-i386", abi="i386")])
    run(results, "two", [record("s/p/a", "fail", why=HOSTILE), record("s/p/b"), record("s/p/d")])
    (results / "latest").symlink_to("two")
    return tmp_path


def told(base, capsys, *words: str) -> tuple[int, str]:
    """(exit code, what diff printed)."""
    return command(list(words), base), capsys.readouterr().out


def test_two_runs(base, capsys):
    code, text = told(base, capsys, "one", "two")
    assert code == 1 and "one:host-x86_64 (6.18.44) -> two:host-x86_64" in text
    assert "s/p/a: pass -> fail" in text and "s/p/b: fail -> pass" in text and "s/p/c: pass -> no verdict" in text
    assert "s/p/d: not asked -> pass" in text and "again: ./runner.py run s/p/a host-x86_64" in text
    assert "note: one alone has host-i386" in text


def test_nothing_broke(base, capsys):
    assert told(base, capsys, "two", "two")[0] == 0 and told(base, capsys, "one", "one:host-x86_64")[0] == 0


@pytest.mark.parametrize("words", [("one:host-x86_64", "two:host-x86_64"), ("one:host-x86_64", "host-x86_64"), ("one:host-x86_64", "two"),
                                   ("one", "two:host-x86_64"), ("one:host-i386", "two:host-x86_64")])
def test_targets_are_named_in_many_ways(base, capsys, words):
    code, text = told(base, capsys, *words)
    assert code == 1 and "s/p/a: pass -> fail" in text


@pytest.mark.parametrize("words,said", [
    (("on", "two"), "did you mean one?"), (("one", "two:host-x86"), "two has no target host-x86; did you mean host-x86_64?"),
    (("one", "host-x86-64"), "did you mean host-x86_64?"), (("one",), "diff takes two runs"), (("--jsn", "one", "two"), "did you mean --json?"),
    (("one:host-i386", "zzz"), "there are"), (("--reference", "one", "two"), "takes one run"), (("--reference", "one"), "make reference")])
def test_wrong_words_name_the_mend(base, words, said):
    with pytest.raises(UsageError) as caught:
        command(list(words), base)
    assert said in str(caught.value)


def test_a_run_that_lacks_verdicts_is_no_success(base, capsys):
    folder = run(base / "results", "cut", [record("s/p/b")])
    about = json.loads((folder / "run.json").read_text())
    about["targets"][0]["planned"] = 9
    (folder / "run.json").write_text(json.dumps(about))
    code, text = told(base, capsys, "two", "cut")
    assert code == 3 and "cut:host-x86_64 lacks 8 verdicts that were planned" in text


def test_what_is_broken_broke_nothing_and_is_no_success(base, capsys):
    run(base / "results", "spoilt", [record("s/p/b", "broken"), record("s/p/d")])
    code, text = told(base, capsys, "two", "spoilt")
    assert code == 3 and "unknown   1" in text and "broke  " not in text


def test_targets_of_other_names_belong_together_by_their_abi(base, capsys):
    run(base / "results", "old", [record("s/p/a", target="debian:6.1.176:x86_64:cloud-amd64")])
    assert "s/p/a: pass -> fail" in told(base, capsys, "old", "two:host-x86_64")[1]
    assert "old:debian:6.1.176:x86_64:cloud-amd64 (6.18.44) -> two:host-x86_64" in told(base, capsys, "old", "two")[1]
    assert told(base, capsys, "old:debian:6.1.176:x86_64:cloud-amd64", "two:host-x86_64")[0] == 1


def test_json_has_everything(base, capsys):
    code, text = told(base, capsys, "one", "two", "--json")
    pair, = json.loads(text)["pairs"]
    assert code == 1 and pair["counts"] == {kind: len(pair[kind]) for kind in KINDS} and pair["same"] == 0
    assert pair["broke"][0]["clause"] == "s/p/a" and pair["broke"][0]["after"]["why"] == HOSTILE
    assert pair["gone"][0]["after"] is None and json.loads(text)["alone"] == ["one alone has host-i386"]


def test_markdown_stays_text_and_tables_stay_tables(base, capsys):
    code, text = told(base, capsys, "one", "two", "--markdown")
    assert code == 1 and text.startswith("## osprim: 1 broke")
    assert "<img" not in text and "</script>" not in text and "@all" not in text and "\u202e" not in text
    row, = [line for line in text.splitlines() if line.startswith("| `s/p/a`")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 5


def test_many_changes_are_cut_but_for_what_broke(tmp_path, capsys):
    names = [f"s/p/c{number:03}" for number in range(50)]
    run(tmp_path / "results", "one", [record(name) for name in names])
    run(tmp_path / "results", "two", [record(name, "absent") for name in names])
    run(tmp_path / "results", "bad", [record(name, "fail") for name in names])
    assert "... and 30 more: --all" in told(tmp_path, capsys, "one", "two")[1]
    assert "more: --all" not in told(tmp_path, capsys, "one", "two", "--all")[1]
    assert told(tmp_path, capsys, "one", "bad")[1].count("pass -> fail") == 50


def test_repetitions_that_differ_broke(tmp_path, capsys):
    run(tmp_path / "results", "one", [record("s/p/a")])
    run(tmp_path / "results", "two", [record("s/p/a"), record("s/p/a", "fail")])
    assert "s/p/a: pass -> differs (1 pass, 1 fail)" in told(tmp_path, capsys, "one", "two")[1]


def test_a_real_run_and_itself(tree, capsys):
    tree.run("run", "words", "steady", code=None)
    assert "same      14" in tree.run("diff", "latest", "latest")
    assert tree.run("diff", "latst", "latest", code=2).startswith("runner.py: latst is neither a run nor a target of the latest one; did you mean latest?")
    first = tree.latest().resolve().name
    tree.run("run", "words", "-k", "holds_passes")
    assert f"13  ({KINDS['gone']})" in tree.run("diff", first, f"latest:{TARGET}")


def test_the_golden_records_hold_every_verdict(tmp_path):
    kept = runs.read(run(tmp_path, "all", ALL))
    assert {tally.shown["verdict"] for tally in kept.targets["host-x86_64"].values()} == set(WORDS)
    side = side_of(kept, "host-x86_64")
    assert compare(side, side).changes == [] and compare(side, side).same == len(ALL)
