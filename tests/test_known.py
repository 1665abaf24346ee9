# SPDX-License-Identifier: GPL-2.0-only
"""Known differences: what a row covers, what is counted apart, which rows are stale; on real runs too."""

import pytest
from conftest import ROOT, TARGET
from records import record

from harness.driver import catalogue, cpu, known, known_report
from harness.driver.known import Known, of_target
from harness.driver.tally import by_target

ROW = Known("s/p/*", "fail", "why it is so", "https://example.org", "fixtures/known/a.toml", number=1)
HELD = {"expect": "fail", "reason": "why it is so", "link": "https://example.org", "file": "fixtures/known/a.toml", "entry": 1}


@pytest.mark.parametrize("fields,covers", [
    ({}, True), ({"kind": "debian"}, True), ({"kind": "deb*"}, True), ({"kind": "host"}, False), ({"cpu": "amx_tile"}, True),
    ({"cpu": "amx_*  max"}, True), ({"cpu": "amx_tile sve"}, False), ({"cpu": "sve"}, False), ({"kind": "debian", "cpu": "max"}, True),
    ({"kernel": ">=6.13, <6.18.21"}, True), ({"kernel": "<6.18.20"}, False), ({"target": "debian:6.18*"}, True), ({"abi": "arm64"}, False)])
def test_what_a_row_covers(fields, covers):
    row = Known("s/p/*", "fail", "r", "l", "f", **fields)
    assert row.covers("debian:6.18.20:x86_64:cloud", "x86_64", "6.18.20-1", "debian", ("max", "amx_tile")) is covers


def test_what_is_not_known_of_a_target_matches_no_word():
    assert not of_target([Known("*", "fail", "r", "l", "f", cpu="*"), Known("*", "fail", "r", "l", "f", kind="host")], "t", "x86_64", "6.1")


def test_words_of_a_processor(monkeypatch):
    assert cpu.words_of({"qemu": ["qemu", "-machine", "virt,mte=on", "-cpu", "max,pauth-impdef=on", "-accel", "tcg"]}, True) == (
        "virt", "mte=on", "max", "pauth-impdef=on", "tcg")
    assert cpu.words_of({}, True) == () and cpu.of_this_host()


def told(*records) -> tuple[list[str], list[str]]:
    """(what is counted, what is stale) of records and the row."""
    tallies = by_target(list(records))
    return known_report.counted(tallies), known_report.stale([ROW], tallies, {"x86_64": ["s/p/a", "s/p/b"]})


def test_what_a_row_expects_is_counted_apart_by_target_and_verdict():
    counted, stale = told(record("s/p/a", "fail", expected=True, known=HELD), record("s/p/b", "fail", expected=True, known=HELD),
                          record("s/p/a", "fail", "t2", expected=True, known=HELD))
    assert counted == ["2 fail on host-x86_64 as fixtures/known/a.toml: entry 1 expects: why it is so",
                       "1 fail on t2 as fixtures/known/a.toml: entry 1 expects: why it is so"] and not stale


def test_a_row_is_stale_where_all_that_it_covers_passed():
    passed = record("s/p/a", expected=False, known=HELD)
    assert told(passed)[1] == ["fixtures/known/a.toml: entry 1 expects fail, and all 1 that it covers here passed: s/p/*"]
    assert told(passed, record("s/p/b", "skip", known=HELD))[1] and not told(record("s/p/b", "skip", known=HELD))[1]
    assert not told(passed, record("s/p/b", "fail", expected=True, known=HELD))[1], "one of them still fails"
    assert not told(record("s/p/a"))[1], "nothing that it covers was run"


def test_a_row_is_stale_where_no_clause_has_its_name():
    gone = Known("s/q/*", "fail", "r", "l", "f", number=3)
    assert known_report.stale([gone], {}, {"x86_64": ["s/p/a"]}) == ["f: entry 3: no clause is called s/q/*"]
    other = Known("s/q/*", "fail", "r", "l", "f", abi="s390x")
    assert not known_report.stale([other], {}, {"x86_64": ["s/p/a"]}), "nothing is known of that architecture's clauses"


def entry(tree, clause: str, **more: str) -> None:
    rows = {"clause": clause, "expect": "fail", "reason": "it is so", "link": "https://example.org"} | more
    (tree.path / "fixtures/known/a.toml").write_text("[[known]]\n" + "".join(f'{key} = "{value}"\n' for key, value in rows.items()))


def test_a_run_tells_known_verdicts_and_stale_rows(tree):
    entry(tree, "words/all/a_clause_that_does_not_hold_fails", kind="host")
    printed = tree.run("run", "words", "-k", "not_hold or holds_passes", code=0)
    assert f"known: 1 fail on {TARGET} as fixtures/known/a.toml: entry 1 expects: it is so" in printed and "stale:" not in printed
    assert next(row for row in tree.records() if row["known"])["known"]["entry"] == 1
    entry(tree, "words/all/a_clause_that_holds_*")
    assert "stale: fixtures/known/a.toml: entry 1 expects fail, and all 1" in tree.run("run", "words", "-k", "holds_passes", code=1)
    entry(tree, "words/all/no_such_clause")
    assert "stale: fixtures/known/a.toml: entry 1: no clause is called words/all/no_such_clause" in tree.run("run", "words", "-k", "holds_passes")


def test_a_row_of_another_kind_covers_nothing_here(tree):
    entry(tree, "words/all/a_clause_that_does_not_hold_fails", kind="qemu")
    tree.run("run", "words", "-k", "not_hold", code=1)


def test_every_row_of_this_repository_names_a_clause():
    built = {abi: [clause.id for clause in catalogue.load(ROOT, abi).clauses] for abi in catalogue.built_abis(ROOT)}
    stale = known_report.stale(known.load(ROOT), {}, built)
    assert not stale
