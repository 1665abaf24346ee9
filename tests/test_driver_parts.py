# SPDX-License-Identifier: GPL-2.0-only
"""The driver's small parts one by one: catalogue, plan, known divergences, results, KTAP, selection, reading lines."""

import json
import os
import re
import threading

import pytest
from streams import ROOT, clause

from harness.driver import catalogue, kernellog, known
from harness.driver.ktap import ktap
from harness.driver.nearest import UsageError, did_you_mean
from harness.driver.plan import NOBODY, Task, jobs_of, text_of
from harness.driver.progress import line_of
from harness.driver.results import Results, ResultsError, read_records
from harness.driver.selection import matches
from harness.driver.tally import Tally
from harness.driver.targets import LONGEST_CHUNK, choose, read_lines
from harness.driver.verdict import LETTERS, SHOUTED, WORDS


def task(tap: str, program: str = "s/p", order: int = 0, **fields) -> Task:
    return Task(clause(tap, program, order, **fields), "host-x86_64", "x86_64")


# Plan.

def test_clauses_of_one_program_share_a_job_in_the_catalogues_order():
    jobs = jobs_of([task("global.b_x", order=1), task("global.a_x", order=0)])
    assert [[t.clause.tap for t in job.tasks] for job in jobs] == [["global.a_x", "global.b_x"]]


@pytest.mark.parametrize("field,value", [("exclusive", 1), ("as_nobody", 1), ("writes", "/sys/a")])
def test_what_runs_otherwise_has_a_job_of_its_own(field, value):
    jobs = jobs_of([task("global.a_x"), task("global.b_x", order=1, **{field: value}), task("global.c_x", order=2)])
    assert [[t.clause.tap for t in job.tasks] for job in jobs] == [["global.a_x", "global.c_x"], ["global.b_x"]]


def test_a_clause_that_changes_files_is_alone_in_its_job_and_on_the_machine():
    jobs = jobs_of([task("global.a_x", writes="/sys/a,/sys/b"), task("global.b_x", order=1, writes="/sys/a,/sys/b")])
    assert [(job.exclusive, job.writes, len(job.tasks)) for job in jobs] == [(True, ("/sys/a", "/sys/b"), 1)] * 2


def test_programs_and_abis_never_share_a_job():
    assert len(jobs_of([task("global.a_x", "s/p"), task("global.a_x", "s/q")])) == 2


def test_limit_is_the_longest_clauses_and_grows_with_slowness():
    assert jobs_of([task("global.a_x", timeout=3), task("global.b_x", order=1, timeout=7)], slow=4)[0].limit == 38


def test_no_job_waits_longer_than_the_users_patience():
    tasks = [task("global.a_x", timeout=3), task("global.b_x", order=1, timeout=7)]
    assert [jobs_of(tasks, slow=4, patience=patience)[0].limit for patience in (5, 60)] == [15, 38]


def test_users():
    jobs = jobs_of([task("global.a_x"), task("global.b_x", order=1, as_nobody=1)])
    assert [job.user for job in jobs] == [0, NOBODY]
    assert {job.user for job in jobs_of([task("global.a_x"), task("global.b_x", order=1, as_nobody=1)],
                                        user=1000)} == {1000}


def test_the_plan_reads_as_the_contract_says():
    jobs = jobs_of([task("global.a_x"), task("global.b_x", order=1, writes="/sys/a")])
    assert text_of(jobs, "1f2e3d4c", 4, 1, "/tmp/a config").splitlines() == [
        "osprim-plan 1", "nonce 1f2e3d4c", "parallel 4", "slow 1", "config /tmp/a config",
        "job 1 limit=20 exclusive=0 user=0 program=build/x86_64/suites/s/p writes= tests=global.a_x",
        "job 2 limit=20 exclusive=1 user=0 program=build/x86_64/suites/s/p writes=/sys/a tests=global.b_x", "end"]
    assert "config" not in text_of(jobs, "1f2e3d4c", 4)


# Catalogue.

def program(root, text: str, name: str = "s/p") -> None:
    source, path = root / f"suites/{name}.c", root / f"build/x86_64/suites/{name}"
    for file in (source, path):
        file.parent.mkdir(parents=True, exist_ok=True)
    source.write_text("")
    path.write_text(f"#!/bin/sh\necho ran >>{root}/ran\n{text}\n")
    path.chmod(0o755)


def printed(**changes) -> str:
    row = {"name": "a_b_c", "tap": "global.a_b_c", "file": "suites/s/p.c", "line": 3, "text": "futex(2): it holds",
           "since": "", "config": "",
           "needs": "", "commit": "", "needed_by": "", "writes": "", "exclusive": 0, "as_nobody": 0, "probed": 0,
           "timeout": 10} | changes
    return f"echo '{json.dumps(row)}'"


def test_a_catalogue_is_read_once_per_build(tmp_path):
    program(tmp_path, printed() + "\n" + printed(name="d_e_f"))
    for _ in range(2):
        listed = catalogue.load(tmp_path, "x86_64")
        assert [(c.id, c.order, c.line) for c in listed.clauses] == [("s/p/a_b_c", 0, 3), ("s/p/d_e_f", 1, 3)]
    assert (tmp_path / "ran").read_text() == "ran\n"
    program(tmp_path, printed(name="g_h_i"))
    assert [c.name for c in catalogue.load(tmp_path, "x86_64").clauses] == ["g_h_i"]


@pytest.mark.parametrize("text,problem", [
    ("echo oops >&2; exit 1", "oops"), ("exit 3", "exit code 3"), ("echo '{'", "JSONDecodeError"),
    ("echo '[]'", "TypeError"),
    ("echo '{\"name\": 1}'", "KeyError"), (printed(line="3"), "wrong type"), (printed(name=None), "wrong type")])
def test_a_program_that_cannot_list_is_a_problem_and_no_more(tmp_path, text, problem):
    program(tmp_path, text, "s/bad")
    program(tmp_path, printed())
    listed = catalogue.load(tmp_path, "x86_64")
    assert len(listed.clauses) == 1 and len(listed.problems) == 1
    assert problem in listed.problems[0] and "s/bad" in listed.problems[0]


def test_what_is_not_built_or_not_up_to_date_is_named(tmp_path):
    program(tmp_path, printed())
    (tmp_path / "suites/s/new.c").write_text("")
    os.utime(tmp_path / "suites/s/p.c", (2e9, 2e9))
    (tmp_path / "build/x86_64/suites/s/gone").write_text("")
    listed = catalogue.load(tmp_path, "x86_64")
    assert listed.unbuilt == ["suites/s/new.c"] and listed.stale == ["build/x86_64/suites/s/p"]
    assert len(listed.clauses) == 1


def test_a_suite_named_after_another_architecture_is_none_of_ours(tmp_path):
    (tmp_path / "arch/s390x").mkdir(parents=True)
    program(tmp_path, printed(), "s390x/p")
    assert catalogue.load(tmp_path, "x86_64").clauses == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', '{"version": 99, "programs": {}}'])
def test_a_spoilt_cache_is_read_over(tmp_path, text):
    program(tmp_path, printed())
    (tmp_path / "build/x86_64/catalogue.json").write_text(text)
    assert len(catalogue.load(tmp_path, "x86_64").clauses) == 1


# Known divergences.

ENTRY = '[[known]]\nclause = "futex/*"\nexpect = "fail"\nreason = "r"\nlink = "https://example.org"\n'


def entries(root, text: str):
    (root / "fixtures/known").mkdir(parents=True, exist_ok=True)
    (root / "fixtures/known/a.toml").write_text(text)
    return known.load(root)


def test_an_entry_covers_its_clauses_targets_abis_and_kernels(tmp_path):
    one = entries(tmp_path, ENTRY + 'target = "host-*"\nabi = "i386"\nkernel = ">=5.10, <6.2"\n')
    assert known.of_target(one, "host-i386", "i386", "6.1.0-50-amd64") == one
    for case in (("qemu-i386", "i386", "6.1.0"), ("host-i386", "arm", "6.1.0"), ("host-i386", "i386", "6.2.0-rc1"), ("host-i386", "i386", "")):
        assert not known.of_target(one, *case), case
    assert known.find(one, "futex/wait/x") is one[0]
    assert known.find(one, "mincore/a/x") is None


@pytest.mark.parametrize("release,bounds,inside", [
    ("6.1.0-50-amd64", "=6.1", True), ("6.1.8", "=6.1", True), ("6.1.8", "<=6.1", True), ("6.1.8", "<6.1.9", True),
    ("6.1.8", ">6.1.8", False),
    ("6.10.0", ">6.9", True), ("5.10.1", ">=5.10, <6.2", True), ("6.2", ">=5.10, <6.2", False),
    ("strange", ">=5.10", False), ("strange", "", True)])
def test_ranges_compare_numbers(release, bounds, inside):
    assert known.in_range(release, bounds) is inside


@pytest.mark.parametrize("text,said", [
    (ENTRY + 'kernle = "6.1"\n', "unknown key kernle; did you mean kernel?"),
    (ENTRY.replace("reason", "# reason"), "reason must be given"),
    (ENTRY.replace('"fail"', '"flai"'), "did you mean fail?"),
    (ENTRY.replace('"fail"', '"pass"'), "expect must be one of"),
    (ENTRY.replace('"fail"', '"broken"'), "expect must be one of"),
    (ENTRY + 'kernel = "6.1-6.2"\n', "kernel must read like"),
    (ENTRY.replace('"futex/*"', "3"), "clause must be a text"), ("[[knwon]]\n", "unknown key knwon"), ("[[", "a.toml")])
def test_an_entry_that_is_wrong_is_refused_with_its_place(tmp_path, text, said):
    with pytest.raises(UsageError) as caught:
        entries(tmp_path, text)
    assert said in str(caught.value) and "fixtures/known/a.toml" in str(caught.value)


def test_what_is_expected():
    entry = known.Known("*", "fail", "r", "l", "f")
    assert [word for word in WORDS if known.is_expected(word, None)] == ["pass", "absent", "skip"]
    assert [word for word in WORDS if known.is_expected(word, entry)] == ["fail", "absent", "skip"]


def test_the_entries_of_this_repository_are_sound():
    known.load(ROOT)


# Results and KTAP.

def tally(word: str, why: str = "", **changes) -> Tally:
    told = Tally()
    told.add({"clause": "s/p/a", "verdict": word, "why": why, "expected": known.is_expected(word, None), "known": None,
              "seconds": 1.5, "text": "futex(2): a",
              "file": "suites/s/p.c", "line": 3, "seen": ["suites/s/p.c:4: x"], "kmsg": []} | changes)
    return told


@pytest.mark.parametrize("told,line", [
    (tally("pass"), "ok 1 s/p/a"), (tally("fail", "x"), "not ok 1 s/p/a"),
    (tally("timeout", "x"), "not ok 1 s/p/a # TIMEOUT 2"),
    (tally("crash", "signal #11"), "not ok 1 s/p/a # ERROR crash: signal 11"),
    (tally("panic", "BUG"), "not ok 1 s/p/a # ERROR panic: BUG"),
    (tally("broken", "gone"), "not ok 1 s/p/a # ERROR broken: gone"),
    (tally("skip", "needs root"), "ok 1 s/p/a # SKIP needs root"),
    (tally("absent", "since 6.7"), "ok 1 s/p/a # SKIP absent: since 6.7"),
    (tally("fail", "x", expected=True, known={"reason": "issue #7"}), "ok 1 s/p/a # XFAIL fail: issue 7"),
    (tally("pass", expected=False, known={"file": "f", "expect": "fail"}), "not ok 1 s/p/a")])
def test_ktap_results(told, line):
    lines = ktap([told]).splitlines()
    assert lines[:2] == ["KTAP version 1",
                         "1..1"] and lines[-1] == line and all(text.startswith("# ") for text in lines[2:-1])


def test_ktap_numbers_are_consecutive_and_differing_verdicts_are_not_ok():
    both = tally("pass")
    both.add(tally("fail", "x").shown)
    assert re.findall(r"^(?:not )?ok .*", ktap([tally("pass"), both]), re.M) == ["ok 1 s/p/a", "not ok 2 s/p/a"]
    assert "# its verdicts differ: 1 pass, 1 fail" in ktap([both])


def test_a_tally_shows_what_was_not_expected():
    told = tally("pass")
    for word in ("fail", "crash", "pass"):
        told.add(tally(word).shown)
    assert (told.shown["verdict"], told.total, told.differs, told.told()) == ("fail", 4, True,
                                                                              "2 pass, 1 fail, 1 crash")


def test_runs_started_at_once_never_share_a_folder(tmp_path):
    made, threads = [], []
    for _ in range(8):
        threads.append(threading.Thread(target=lambda: made.append(Results(tmp_path))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len({results.folder for results in made}) == 8


def test_latest_points_at_a_run_and_moves_in_one_step(tmp_path):
    for _ in range(2):
        results = Results(tmp_path)
        results.point_latest_here()
        assert (tmp_path / "latest").resolve() == results.folder


def test_a_record_is_on_disk_at_once(tmp_path):
    results = Results(tmp_path)
    results.add({"clause": "a"})
    assert read_records(results.folder) == [{"clause": "a"}]


def test_a_record_that_was_cut_short_is_left_out(tmp_path):
    results = Results(tmp_path)
    results.add({"clause": "a"})
    with open(results.folder / "results.jsonl", "a") as file:
        file.write('{"clause": "b')
    assert read_records(results.folder) == [{"clause": "a"}]


def test_results_that_cannot_be_written_are_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="cannot write .*file"):
        Results(tmp_path / "file")


# The rest.

def test_patterns_select_ids_suites_programs_and_globs():
    assert all(matches("futex/wait/a_b", pattern) for pattern in ("futex/wait/a_b", "futex", "futex/", "futex/wait",
                                                                  "*/a_*", "futex/*"))
    assert not any(matches("futex/wait/a_b", pattern) for pattern in ("fut", "futex/wai", "wait", "a_b"))


def test_no_target_is_called_so():
    with pytest.raises(UsageError, match="no target is called hots; did you mean host?"):
        choose(["hots"], {})


def test_did_you_mean():
    assert did_you_mean("pas", WORDS) == "; did you mean pass?" and did_you_mean("zzz", WORDS) == ""


def test_words_letters_and_shouts_are_never_merged():
    assert len(set(LETTERS[word] for word in WORDS)) == len(set(SHOUTED[word] for word in WORDS)) == 8


@pytest.mark.parametrize("chunks,lines", [
    ([b"a\nb\n"], [b"a\n", b"b\n"]), ([b"a", b"b\nc"], [b"ab\n", b"c"]), ([], []), ([b"\n\n"], [b"\n", b"\n"]),
    ([b"x" * 40000], [b"x" * 40000]), ([b"x" * 40000, b"y\n"], None)])
def test_lines_are_read_as_they_come_in_bounded_chunks(chunks, lines):
    reading, writing = os.pipe()
    for chunk in chunks:
        os.write(writing, chunk)
    os.close(writing)
    seen = list(read_lines(reading, 5))
    os.close(reading)
    assert b"".join(seen) == b"".join(chunks) and (lines is None or b"".join(lines) == b"".join(seen))
    assert all(len(line) <= 2 * LONGEST_CHUNK + (1 << 16) for line in seen)
    if lines and len(chunks[0]) < 100:
        assert seen == lines


def test_silence_ends_the_reading():
    reading, writing = os.pipe()
    os.write(writing, b"a\n")
    lines = read_lines(reading, 0.05)
    assert next(lines) == b"a\n"
    with pytest.raises(TimeoutError):
        next(lines)
    os.close(reading), os.close(writing)


@pytest.mark.parametrize("line,named", [
    ("CPU: 1 UID: 0 PID: 42 Comm: wait Not tainted 7.2.0", {"wait"}),
    ("WARNING: kernel/futex/core.c:100 at f+0x1/0x2, CPU#1: wait/42", {"wait"}),
    ("watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [wait:42]", {"wait"}),
    ("INFO: task wait:42 blocked for more than 120 seconds.", {"wait"}),
    ("WARNING: CPU: 1 PID: 42 at kernel/futex/wait:42.c", set())])
def test_the_tasks_that_a_report_names(line, named):
    assert kernellog.names_in(line) == named


@pytest.mark.parametrize("line,opens", [
    ("WARNING: CPU: 0 PID: 1 at x", True), ("BUG: unable to handle page fault for address: 0", True),
    ("Oops: 0000 [#1] PREEMPT SMP", True),
    ("Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#1]", True),
    ("rcu: INFO: rcu_sched self-detected stall on CPU", True),
    ("INFO: task a:1 blocked for more than 120 seconds.", True), ("Kernel panic - not syncing: x", True),
    ("UBSAN: array-index-out-of-bounds in x", True),
    ("traps: a[1] general protection fault ip:1 sp:2 error:0 in a[3]", False),
    ("a[1]: segfault at 0 ip 1 sp 2 error 4", False), ("usb 1-1: new device", False)])
def test_what_opens_a_report(line, opens):
    assert (kernellog.Reader().feed(line) is not None) is opens


def test_a_live_line_tells_counts_and_what_runs():
    class Run:
        counts = {"t": dict.fromkeys(WORDS, 0) | {"pass": 3, "skip": 1}}
        planned = {"t": 9}

        class wishes:
            repeat = 2

        def running(self, target):
            return ["s/p/a"]
    assert line_of(Run(), "t") == "t  4/18  3 pass  1 skip   s/p/a"
