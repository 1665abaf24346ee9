# SPDX-License-Identifier: GPL-2.0-only
"""results/reference: what is written is read again, what may be kept, the nearest one, `since` and `diff --reference`."""

import json

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from records import ALL, HOSTILE, record, run

from harness.driver import diff_command, reference, reference_command, runs, since
from harness.driver.nearest import UsageError
from harness.driver.reference import Reference, nearest_to
from harness.driver.verdict import WORDS

FACTS = dict.fromkeys(reference.FACTS, "") | {"target": "debian:6.1.176:x86_64:cloud-amd64", "abi": "x86_64", "version": "6.1.176-1",
                                              "release": "6.1.0-50-cloud-amd64", "package": "linux-image-6.1.0-50-cloud-amd64",
                                              "sha256": "a" * 64, "package_sha256": "b" * 64}
PACKAGE = {"package": "linux-image-6.1.0-50-cloud-amd64", "version": "6.1.176-1", "package_sha256": "b" * 64, "sha256": "a" * 64,
           "release": "6.1.0-50-cloud-amd64", "suite": "bookworm"}
TARGET = FACTS["target"]
CLAUSES = [f"s/p/c{number}" for number in range(250)]


def made(version: str, abi: str = "x86_64", flavour: str = "cloud-amd64", **verdicts: str) -> Reference:
    """A reference of a version with one clause."""
    return Reference(FACTS | {"version": f"{version}-1", "abi": abi, "target": f"debian:{version}:{abi}:{flavour}", "sha256": version},
                     {"s/p/a": "pass"} | {f"s/p/{name}": word for name, word in verdicts.items()},
                     {f"s/p/{name}": f"why {version}" for name, word in verdicts.items() if word != "pass"})


@given(st.dictionaries(st.sampled_from(CLAUSES), st.sampled_from([word for word in WORDS if word != "broken"])), st.text())
def test_what_is_written_is_read_again(verdicts, why):
    one = Reference(FACTS, verdicts, {clause: reference._clean(why) for clause, word in verdicts.items() if word != "pass"})
    again = reference._parsed(reference.text_of(one, CLAUSES), CLAUSES)
    assert (again.facts, again.verdicts, again.whys) == (one.facts, one.verdicts, one.whys)
    assert reference._parsed(reference.text_of(one, CLAUSES), [*CLAUSES, "s/p/new"]).verdicts == verdicts, "clauses only ever grow"


@pytest.mark.parametrize("text", ["", "osprim-reference 2\n\n.\n", "osprim-reference 1\nnonsense x\n\n.\n", "osprim-reference 1\n\n" + "." * 300,
                                  "osprim-reference 1\n\n?\n", "osprim-reference 1\n\n.\n\nfail s/p/c0: x\n", "osprim-reference 1\n\n.\n\nwhat\n"])
def test_a_damaged_file_is_refused_by_name(tmp_path, text):
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(UsageError, match="x.txt"):
        reference.read(tmp_path / "x.txt", CLAUSES)


def kept(base, records, **changes):
    changes = {"kernels": {TARGET: PACKAGE}} | changes
    return runs.read(run(base / "results", f"run{len(list((base / 'results').glob('*')))}", records, **changes))


def test_verdicts_of_a_published_kernel_are_kept_and_added_to(tmp_path):
    rows = [row | {"target": TARGET} for row in ALL if row["verdict"] != "broken"]
    one, why = reference.of_run(kept(tmp_path, rows), TARGET)
    assert one and not why
    path, = reference.keep([one], tmp_path, set())
    assert path.name == "6.1.176-cloud-amd64-x86_64.txt" and path.stat().st_size < 3000
    text = path.read_text()
    assert "package_sha256 " + "b" * 64 in text and "fail s/p/k_hostile: </script>" in text and "\u202e" in HOSTILE and "\u202e" not in text
    other, _ = reference.of_run(kept(tmp_path, [record("s/p/a_passes", "fail", TARGET), record("s/q/new", target=TARGET)]), TARGET)
    reference.keep([other], tmp_path, set())
    again, = reference.read_all(tmp_path)
    assert again.verdicts == one.verdicts | {"s/p/a_passes": "fail", "s/q/new": "pass"} and again.whys["s/p/a_passes"] == "why it is fail"
    assert reference.read_clauses(path.parent)[-1] == "s/q/new", "new ids come last"
    newer = Reference(other.facts | {"sha256": "c" * 64}, {"s/q/new": "pass"}, {})
    reference.keep([newer], tmp_path, set())
    assert reference.read_all(tmp_path)[0].verdicts == {"s/q/new": "pass"}, "another image has none of its verdicts"


@pytest.mark.parametrize("rows,changes,why", [
    ([record("s/p/a")], {"kernels": {}}, "not a published package"), ([record("s/p/a", "broken", TARGET)], {}, "s/p/a is broken"),
    ([record("s/p/a", target=TARGET), record("s/p/a", "fail", TARGET)], {}, "repetitions differ"),
    ([record("s/p/a", target=TARGET)], {"repeat": 2}, "1 verdicts are missing")])
def test_what_is_no_reference(tmp_path, rows, changes, why):
    one, said = reference.of_run(kept(tmp_path, rows, **changes), rows[0]["target"])
    assert one is None and why in said


def test_a_clause_that_is_no_more_leaves_the_file_of_its_kernel(tmp_path):
    for row in ("old", "new"):
        one, _ = reference.of_run(kept(tmp_path, [record(f"s/p/{row}", "absent", TARGET)]), TARGET)
        reference.keep([one], tmp_path, {"s/p/new"})
    assert reference.read_all(tmp_path)[0].verdicts == {"s/p/new": "absent"}


@pytest.mark.parametrize("release,abi,found", [
    ("6.1.190-vendor", "x86_64", "6.1.176"), ("6.1.0", "x86_64", "6.1.176"), ("6.12.50", "x86_64", "6.12.9"), ("6.12.100", "x86_64", "6.12.117"),
    ("6.6.30", "x86_64", "6.1.176"), ("5.4.1", "x86_64", "5.10.262"), ("9.9", "x86_64", "7.3~rc7"), ("6.1.1", "i386", "6.1.176"),
    ("6.1.1", "s390x", None), ("strange", "x86_64", None), ("", "x86_64", None)])
def test_the_nearest_reference(release, abi, found):
    have = [made(version) for version in ("5.10.262", "6.1.176", "6.12.9", "6.12.117", "7.3~rc7")] + [made("6.1.176", "i386", "686-pae")]
    near = nearest_to(have, release, abi)
    assert (near.upstream if near else None) == found


def test_candidates_stand_before_their_release():
    assert sorted(["7.3", "7.3~rc7", "7.3-rc6", "7.2.12", "7.3.1"], key=reference.numbers) == ["7.2.12", "7.3-rc6", "7.3~rc7", "7.3", "7.3.1"]


@pytest.fixture
def references(tmp_path):
    """A repository with three references of x86_64 and one of i386, and a run of a vendor's kernel."""
    reference.keep([made("5.10.262", b="absent"), made("6.16.12", b="fail"), made("7.3", b="pass"), made("7.3", "i386", b="pass")], tmp_path, set())
    run(tmp_path / "results", "vendor", [record("s/p/a", "fail"), record("s/p/b"), record("s/p/new")], kernels={"host-x86_64": {"release": "6.17.3-vendor"}})
    return tmp_path


def test_since_tells_versions_and_architectures(references, capsys):
    assert since.command(["s/p/b"], references) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "s/p/b" and [line.split() for line in lines[1:]] == [
        ["i386", "kept", "7.3"], ["x86_64", "kept", "7.3"], ["x86_64", "fail", "6.16.12"], ["6.16.12:", "why", "6.16.12"],
        ["x86_64", "absent", "5.10.262"], ["5.10.262:", "why", "5.10.262"]]
    assert since.command(["a"], references) == 0 and "kept      5.10.262 6.16.12 7.3" in capsys.readouterr().out
    assert since.command(["s/p/b", "--json"], references) == 1
    assert json.loads(capsys.readouterr().out)["s/p/b"]["x86_64"]["fail"][0]["version"] == "6.16.12"
    assert since.command(["s"], references) == 1 and capsys.readouterr().out.count("s/p/") == 2


@pytest.mark.parametrize("words,said", [(["s/p/zz"], "no reference has a clause called s/p/zz; the nearest:"), ([], "since takes a clause"),
                                        (["--jso", "x"], "did you mean --json?")])
def test_since_names_the_mend(references, words, said):
    with pytest.raises(UsageError) as caught:
        since.command(words, references)
    assert said in str(caught.value)


def test_a_vendors_kernel_beside_the_nearest_reference(references, capsys):
    assert diff_command.command(["--reference", "vendor"], references) == 1
    text = capsys.readouterr().out
    assert "reference 6.16.12 x86_64 cloud-amd64" in text and "s/p/a: pass -> fail" in text and "s/p/b: fail -> pass" in text
    assert "s/p/new" not in text and "note: 1 clauses of host-x86_64 are not in the reference" in text


def test_a_target_without_a_reference_is_told(references, capsys):
    run(references / "results", "far", [record("s/p/a", target="qemu:s390x:x", abi="s390x")])
    assert diff_command.command(["--reference", "far"], references) == 0
    assert "no reference has the ABI of qemu:s390x:x (s390x)" in capsys.readouterr().out


def test_the_command_writes_and_lists(tmp_path, capsys):
    rows = [record("s/p/a", target=TARGET), record("s/p/a")]
    kept(tmp_path, rows)
    assert reference_command.command(["run0"], tmp_path) == 3
    text = capsys.readouterr().out
    assert "results/reference/6.1.176-cloud-amd64-x86_64.txt: 1 pass" in text and "not kept: host-x86_64: its kernel is not" in text
    assert reference_command.command([], tmp_path) == 0 and "x86_64  6.1.176  cloud-amd64     1" in capsys.readouterr().out


def test_the_references_of_this_repository_are_sound():
    for one in reference.read_all(ROOT):
        assert one.facts["package_sha256"] and one.facts["sha256"] and one.age and "broken" not in one.verdicts.values()
    clauses = reference.read_clauses(reference.folder_of(ROOT))
    assert len(set(clauses)) == len(clauses)
