# SPDX-License-Identifier: GPL-2.0-only
"""The plugin, driven as a user drives it: verdicts in pytest's words, selection, -x, --lf, --co, JUnit, durations."""

import re
import xml.etree.ElementTree as xml

import pytest
from conftest import STEADY_CLAUSES as STEADY
from conftest import TARGET

WORDS = {
    "a_clause_that_holds_passes": "pass", "a_clause_that_does_not_hold_fails": "fail",
    "a_clause_that_hangs_times_out": "timeout",
    "a_clause_that_dies_crashes": "crash", "a_clause_of_a_later_kernel_is_absent": "absent",
    "a_clause_of_another_machine_is_skipped": "skip", "a_clause_that_prints_results_is_broken": "broken",
    "a_clause_that_kills_the_harness_crashes": "crash", "a_clause_after_a_dead_harness_is_run_again": "pass",
}


@pytest.fixture(scope="module")
def whole(built):
    """One run of everything, verbosely, with durations and JUnit: (what it printed, the tree)."""
    built.forget()
    return built.run("run", "words", "steady", "-v", "--durations=2", f"--junitxml={built.path}/results/mine.xml",
                     code=3), built


def ids(printed: str) -> list[str]:
    return re.findall(r"^suites/\S+", printed, re.M)


def test_every_verdict_of_a_program(whole):
    told = whole[1].verdicts()
    assert {name: told[name] for name in WORDS} == WORDS and len(told) == len(WORDS) + STEADY


@pytest.mark.parametrize("name,word", [
    ("a_clause_that_holds_passes", "PASSED"), ("a_clause_that_does_not_hold_fails", "FAILED"),
    ("a_clause_that_hangs_times_out", "TIMEOUT"),
    ("a_clause_that_dies_crashes", "CRASH"), ("a_clause_of_a_later_kernel_is_absent", "ABSENT"),
    ("a_clause_of_another_machine_is_skipped", "SKIPPED"), ("a_clause_that_prints_results_is_broken", "BROKEN")])
def test_each_verdict_has_its_word_in_a_verbose_run(whole, name, word):
    assert re.search(rf"^suites/words/all.c::{name}\[{TARGET}\] {word}\b", whole[0], re.M)


def test_the_summary_merges_no_two_verdicts(whole):
    rows = [line.split() for line in whole[0].splitlines()]
    assert ["target", "pass", "fail", "timeout", "crash", "panic", "absent", "skip", "broken", "not", "run"] in rows
    assert [TARGET, str(2 + STEADY), "1", "1", "2", "0", "1", "1", "1", "0"] in rows


def test_a_failure_says_what_a_person_needs(whole):
    section = re.search(rf"^_+ a_clause_that_does_not_hold_fails\[{TARGET}\] _+\n(.*?)^__", whole[0], re.M | re.S)[1]
    source = (whole[1].path / "suites/words/all.c").read_text().splitlines()
    line = next(number for number, text in enumerate(source, 1) if "CLAUSE(a_clause_that_does_not_hold_fails" in text)
    for said in ("promise   what does not hold is a failure", "source    futex(2) ERRORS EAGAIN", "= 0, want -EAGAIN",
                 f"again     ./runner.py run words/all/a_clause_that_does_not_hold_fails {TARGET}",
                 "suites/words/all -t a_clause_that_does_not_hold_fails", f"code      suites/words/all.c:{line}",
                 f"seen      suites/words/all.c:{line + 2}: 0 = 0, want -EAGAIN"):
        assert said in section, section


def test_durations_are_the_clauses_own(whole):
    slowest = re.search(r"slowest 2 durations =+\n(\S+)s call +(\S+)", whole[0])
    assert "a_clause_that_hangs_times_out" in slowest[2] and 0.9 < float(slowest[1]) < 5


def test_junit_has_file_line_and_the_explanation(whole):
    for path in (whole[1].path / "results/mine.xml",):
        cases = {case.get("name"): case for case in xml.parse(path).iter("testcase")}
        assert len(cases) == len(WORDS) + STEADY
        failed = cases[f"a_clause_that_does_not_hold_fails[{TARGET}]"]
        text = (whole[1].path / failed.get("file")).read_text().splitlines()[int(failed.get("line")) - 1]
        assert "CLAUSE(a_clause_that_does_not_hold_fails" in text and failed.get("classname") == "suites.words.all.c"
        assert failed.find("failure").get("message").startswith("fail: ") and "promise" in failed.find("failure").text
        assert cases[f"a_clause_that_prints_results_is_broken[{TARGET}]"].find("error") is not None
        skipped = cases[f"a_clause_of_a_later_kernel_is_absent[{TARGET}]"].find("skipped")
        assert skipped.get("message").startswith("absent: ")
        properties = {entry.get("name"): entry.get("value") for entry in failed.iter("property")}
        assert properties["clause"] == "words/all/a_clause_that_does_not_hold_fails" and properties["verdict"] == "fail"


def test_exclusive_clauses_come_last(whole):
    assert "an_exclusive_clause_is_alone" in re.findall(r"^suites/\S+::(\S+)", whole[0], re.M)[-1]


def test_variants_are_clauses_of_their_own(whole):
    assert {"every_room_has_a_number.small", "every_room_has_a_number.large"} <= whole[1].verdicts().keys()


def test_the_repeat_command_of_a_variant_selects_just_it(whole):
    bare = {record["clause"].rsplit("/", 1)[-1]: record["bare"] for record in whole[1].records()}
    assert bare["every_room_has_a_number.large"].endswith("-r room.large.every_room_has_a_number")
    import subprocess
    out = subprocess.run(bare["every_room_has_a_number.large"], shell=True, cwd=whole[1].path, capture_output=True,
                         text=True).stdout
    assert "1..1" in out and "ok 1 room.large.every_room_has_a_number" in out


def test_the_command_of_a_record_repeats_just_that_clause(tree):
    tree.run("run", "steady")
    command = next(record["command"] for record in tree.records() if "the_last_one" in record["clause"])
    tree.run(*command.split()[1:])
    assert list(tree.verdicts()) == ["the_last_one_holds"]


def test_k_and_targets_select(tree):
    tree.run("run", TARGET, "-k", "room and not exclusive and not small")
    assert set(tree.verdicts()) == {"every_room_has_a_number.large", "nobody_holds_it_as_well", "the_last_one_holds"}


def test_words_select_suites_and_programs(tree):
    lines = [["steady"], ["steady/room"], ["steady/*"], ["suites/steady/room.c"], ["host", "steady"],
             [TARGET, "-k", "steady"]]
    for code, printed in tree.run_all(*(["run", "--co", "-q", *words] for words in lines)):
        assert code == 0 and len(ids(printed)) == STEADY


def test_a_node_id_selects_one_item(tree):
    tree.run("run", f"suites/steady/room.c::the_last_one_holds[{TARGET}]")
    assert list(tree.verdicts()) == ["the_last_one_holds"]


def test_co_lists_and_starts_nothing(tree):
    printed = tree.run("run", "--co", "-q", "steady")
    assert len(ids(printed)) == STEADY and not list((tree.path / "results").glob("[0-9]*"))


def test_deselect(tree):
    printed = tree.run("run", "steady", "--deselect", f"suites/steady/room.c::the_last_one_holds[{TARGET}]")
    assert "the_last_one_holds" not in tree.verdicts() and "1 deselected" in printed


def test_x_stops_the_run(tree):
    printed = tree.run("run", "-x", "words", "-k", "holds or not_hold or hangs", code=1)
    assert "stopping after 1 failures" in printed and "a_clause_that_does_not_hold_fails" in tree.verdicts()
    assert "a_clause_that_hangs_times_out" not in tree.verdicts(), "-x does not wait for the rest"


def test_no_clause_gets_longer_than_the_users_patience(tree):
    tree.run("run", "waits", "--patience", "1", code=1)
    assert set(tree.verdicts().values()) == {"timeout"}


def test_maxfail(tree):
    printed = tree.run("run", "--maxfail=2", "--tb=line", "words", "-k", "not_hold or dies or absent or after", code=1)
    assert "stopping after 2 failures" in printed
    assert re.search(r"^suites/words/all.c:\d+: crash: ended by signal 11, SIGSEGV$", printed, re.M)


def test_lf_and_ff_remember_clauses(tree):
    tree.run("run", "words", "-k", "not_hold or holds or absent", code=1)
    assert ids(tree.run("run", "--lf", "--co",
                        "-q")) == [f"suites/words/all.c::a_clause_that_does_not_hold_fails[{TARGET}]"]
    assert "not_hold" in ids(tree.run("run", "--ff", "--co", "-q", "words"))[0]


def test_skips_name_their_verdict_and_place(tree):
    printed = tree.run("run", "words", "-k", "absent or skipped", "-rs")
    assert re.search(r"SKIPPED \[1\] suites/words/all.c:\d+: absent: .*Linux 99.0", printed)
    assert re.search(r"SKIPPED \[1\] suites/words/all.c:\d+: skip: needs cpus=100000", printed)


def test_a_quiet_run_prints_letters(tree):
    printed = tree.run("run", "words", "-k", "holds or absent or skipped or not_hold or dies", code=1)
    assert re.search(r"^suites/words/all.c \.FCas", printed, re.M), printed


def test_nothing_litters_the_repository(tree):
    tree.run("run", "steady")
    found = {str(path.relative_to(tree.path)) for path in tree.path.rglob("*") if path.name in ("__pycache__",
                                                                                                ".pytest_cache")}
    assert found == {"results/.pytest_cache"}


def test_p_no_works(tree):
    tree.run("run", "steady", "-p", "no:cacheprovider", "-p", "no:junitxml")
    assert not (tree.path / "results/.pytest_cache").exists()


def test_other_plugins_of_this_machine_take_no_part(tree, tmp_path, monkeypatch):
    (tmp_path / "other-1.dist-info").mkdir()
    (tmp_path / "other-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n")
    (tmp_path / "other-1.dist-info/entry_points.txt").write_text("[pytest11]\nother = other\n")
    (tmp_path / "other.py").write_text("raise RuntimeError('loaded')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    tree.run("run", "--co", "-q", "steady")
