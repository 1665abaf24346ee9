# SPDX-License-Identifier: GPL-2.0-only
"""docs/coverage.md: its lists are whole, every clause that it names exists, and guarded incidents are borne by clauses."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from harness.driver import catalogue, profile
from harness.driver.targets.host import native_abis

ROOT = Path(__file__).resolve().parent.parent
ITEMS, PROMISES, INCIDENTS = 71, 269, 110
PEERS = {"LTP", "OPTS", "ksft", "gVisor", "starnix", "CRIU", "stress-ng", "glibc", "musl/nolibc"}

CLAUSE = re.compile(r"`([a-z0-9_]+/[a-z0-9_]+/[a-z0-9_.*]+)`")
ITEM = re.compile(r"- (\d+) `([^`]+)`: (.+)")
INCIDENT = re.compile(r"- (\d+) (.+)")


@pytest.fixture(scope="module")
def clauses():
    """Those of every ABI that runs here, each once."""
    return {clause.id: clause for abi in reversed(native_abis(ROOT)) for clause in catalogue.load(ROOT, abi).clauses}


def section(number: int) -> str:
    """The text of a section of the file, its heading left out."""
    return re.split(r"^## \d+\. .*$", (ROOT / "docs/coverage.md").read_text(), flags=re.MULTILINE)[number]


def entries(text: str) -> list[str]:
    """The entries of a section's lists, each as one line."""
    joined = re.sub(r"\n {2,}", " ", text)
    return [line for line in joined.splitlines() if line.startswith("- ")]


def matching(pattern: str, clauses: dict) -> list:
    return [clause for clause_id, clause in clauses.items() if fnmatchcase(clause_id, pattern)]


def test_every_clause_that_is_named_exists(clauses):
    text = (ROOT / "docs/coverage.md").read_text()
    assert [name for name in CLAUSE.findall(text) if not matching(name, clauses)] == []


def test_every_item_of_the_runtime_is_there_with_no_more_clauses_than_it_has(clauses):
    rows = {row.item: row for row in profile.load(ROOT, "go").rows if row.item}
    found = [match for entry in entries(section(1)) if (match := ITEM.fullmatch(entry))]
    assert [int(match[1]) for match in found] == list(range(1, ITEMS + 1))
    for number, name, said in (match.groups() for match in found):
        row = rows[int(number)]
        assert row.name == name
        if row.none:
            assert said == f"none: {row.none}"
        else:
            assert 0 < int(said) <= sum(row.holds(clause) for clause in clauses.values()), name


def test_what_no_peer_checks_names_its_clauses():
    told = [entry for entry in entries(section(1)) if not ITEM.fullmatch(entry)]
    assert len(told) >= 7
    assert all(CLAUSE.search(entry) for entry in told)


def test_every_promise_has_its_peers_and_its_clauses_or_a_reason():
    promises = entries(section(2))
    assert len(promises) == PROMISES
    counts = [int(number) for number in re.findall(r"^### .* \((\d+)\)$", section(2), flags=re.MULTILINE)]
    assert sum(counts) == PROMISES
    for entry in promises:
        peers = re.findall(r"\[([^][]+)\](?: |$)", entry)
        assert any(names == "nobody" or {name.strip("()") for name in names.split(", ")} <= PEERS for names in peers), entry
        assert CLAUSE.search(entry) or "no clause: " in entry, entry


def test_every_incident_is_guarded_by_clauses_that_bear_it_or_says_why_not(clauses):
    found = [INCIDENT.fullmatch(entry) for entry in entries(section(3))]
    assert [int(match[1]) for match in found] == list(range(1, INCIDENTS + 1))
    for number, said in (match.groups() for match in found):
        guards = CLAUSE.findall(said)
        bearing = {clause.id for clause in clauses.values() if f"incident {number}" in profile.ids_of(clause)}
        named = {clause.id for pattern in guards for clause in matching(pattern, clauses)}
        assert named == bearing, f"incident {number}"
        assert guards or "not guarded: " in said, f"incident {number}"
