# SPDX-License-Identifier: GPL-2.0-only
"""Bisecting with a script in the place of QEMU: each kernel is a file that says what its clauses answer."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
from conftest import ABI, ROOT
from streams import clause
from test_vm_boot import Guests

from harness.driver import abis, chance, kernels
from harness.driver.bisect_search import BAD, GOOD, UNKNOWN, Search, answer_of, run
from harness.driver.plan import Task, jobs_of

CLAUSE, OTHER = "steady/room/the_last_one_holds", "steady/room/nobody_holds_it_as_well"

# What a kernel's file says: "last=fail nobody=every3 boot=no"; without a word, a clause passes.
GUEST = """
said = dict(word.split("=") for word in open(words[words.index("-kernel") + 1]).read().split())
open(os.environ["ASKED"], "a").write(said["name"] + "\\n")
if said.get("boot") == "slowly":
    time.sleep(60)
if said.get("boot") == "no":
    send(b"Kernel panic - not syncing: scripted\\n")
    sys.exit(0)
s = Stream(nonce).say(HELLO)
for n, tests in jobs:
    s.say(f"begin {n} ms=1")
    for number, tap in enumerate(tests, 1):
        word = next((value for key, value in said.items() if key in tap), "pass")
        if word.startswith("every"):
            word = "pass" if n % int(word[5:]) else "fail"
        if word == "pass":
            s.run(n, tap, first=number)
        elif word == "fail":
            s.fail(n, number, tap, f"# steady/room.c:10:{tap.split('.')[-1]}:Expected 0 (0) == 1 (1)")
        else:
            s.say(f"line {n} #  RUN           {tap} ...", f"line {n} ok {number} {tap} # SKIP {word}: scripted")
    s.end(n)
    if said.get("then") == "hang" and b"not ok" in s.data:
        send(s.data)
        time.sleep(60)
send(s.say(f"bye jobs={len(jobs)} ms=9").data)
"""


# The arithmetic.

@pytest.mark.parametrize("failed,of,low", [(0, 40, 0), (40, 40, 0.927), (1, 1, 0.05), (10, 40, 0.142), (1, 40, 0.0013)])
def test_a_rate_is_at_least_what_the_binomial_tail_says(failed, of, low):
    assert chance.at_least(failed, of) == pytest.approx(low, abs=0.001)


@pytest.mark.parametrize("rate,risk,repeats", [(1, 0.01, 1), (0.5, 0.01, 7), (0.1, 0.01, 44), (0.1, 0.001, 66), (0, 0.01, 20000)])
def test_repeats_make_a_wrong_good_as_seldom_as_is_asked(rate, risk, repeats):
    assert chance.repeats_for(rate, risk) == repeats
    assert repeats == chance.MOST_REPEATS or (1 - rate) ** repeats <= risk


@pytest.mark.parametrize("counts,answer", [
    ({"pass": 3}, GOOD), ({"pass": 99, "fail": 1}, BAD), ({"timeout": 1}, BAD), ({"crash": 1}, BAD), ({"panic": 1}, BAD),
    ({"absent": 1}, UNKNOWN), ({"skip": 1}, UNKNOWN), ({"broken": 1}, UNKNOWN), ({"pass": 1, "broken": 1}, UNKNOWN), ({}, UNKNOWN)])
def test_what_repetitions_say_together(counts, answer):
    assert answer_of(counts) == answer


def searched(answers: str, clauses: str = "c") -> tuple[list, list[int]]:
    """(changes, the places tried) of a search over a row of answers: g, b or anything else."""
    tried = []
    search = Search(list(clauses), answers.index("g"), answers.rindex("b") if answers[0] == "g" else answers.index("b"))

    def probe(place, asked):
        tried.append(place)
        return {name: {"g": GOOD, "b": BAD}.get(answers[place], UNKNOWN) for name in asked}
    if answers[0] == "b":
        search = Search(list(clauses), len(answers) - 1, 0)
    run(search, probe)
    return search.changes(), tried


@pytest.mark.parametrize("length", [2, 3, 7, 64])
def test_every_change_is_found_in_log2_steps(length):
    for at in range(1, length):
        for row in ("g" * at + "b" * (length - at), "b" * at + "g" * (length - at)):
            (change,), tried = searched(row)
            assert {change.good, change.bad} == {at - 1, at} and row[change.good] == "g" and not change.between
            assert len(tried) <= (length - 2).bit_length() and len(tried) == len(set(tried))


@pytest.mark.parametrize("row,good,bad,between", [
    ("gg??bb", 1, 4, [2, 3]), ("g???b", 0, 4, [1, 2, 3]), ("g?g?b?b", 2, 4, [3]), ("ggg?gb", 4, 5, []), ("b??g", 3, 0, [1, 2])])
def test_what_cannot_tell_is_stepped_round(row, good, bad, between):
    (change,), _ = searched(row)
    assert (change.good, change.bad, change.between) == (good, bad, between)


def test_clauses_that_changed_at_different_places_share_their_steps():
    search, tried = Search(["a", "b"], 0, 15), []

    def probe(place, asked):
        tried.append(place)
        return {name: GOOD if place < {"a": 3, "b": 12}[name] else BAD for name in asked}
    run(search, probe)
    assert [(change.good, change.bad) for change in search.changes()] == [(2, 3), (11, 12)] and len(tried) <= 7


def test_repetitions_of_a_clause_are_jobs_of_their_own():
    one, two = clause("global.one"), clause("global.two", order=1)
    jobs = jobs_of([Task(each, "t", "x86_64") for _ in range(3) for each in (one, two)])
    assert [[task.clause.name for task in job.tasks] for job in jobs] == [["one", "two"]] * 3


# Over published kernels.

class Debian:
    """An archive of scripted kernels, all of them in the cache; `bisect` and its kin run on it."""

    def __init__(self, tree, folder):
        (folder / "guests").mkdir()
        self.tree, self.guests, self.cache, self.asked = tree, Guests(tree, folder / "guests"), folder / "cache", folder / "asked"
        self.guests.emulator(GUEST)
        (folder / "guests/bin/apt-get").write_text("#!/bin/sh\necho 'E: no network in tests' >&2; exit 100\n")
        (folder / "guests/bin/apt-get").chmod(0o755)
        self.abi = abis.load(ROOT, ABI)
        self.env = os.environ | {"PATH": f"{folder}/guests/bin:/usr/bin:/bin", "XDG_CACHE_HOME": str(self.cache),
                                 "ASKED": str(self.asked), "HOME": str(folder)}

    def kernels(self, **said: str) -> None:
        """Makes the archive: versions ("v6_1_5") and what each says; "gone" is one that cannot be had."""
        folder, rows = self.cache / "osprim/kernels", []
        for name, words in said.items():
            version = name[1:].replace("_", ".")
            flavour = self.abi.flavours[0]
            row = kernels.Kernel(f"{version}-{flavour}", flavour, f"{version}-1", "sid", self.abi.debian,
                                 f"linux-image-{version}-{flavour}", f"sha-{version}", 1 << 25)
            rows.append(row.__dict__)
            if words != "gone":
                (folder / row.sha256).mkdir(parents=True)
                (folder / row.sha256 / "vmlinuz").write_text(f"name={version} {words}")
                (folder / row.sha256 / "about.json").write_text(json.dumps(row.__dict__))
        folder.mkdir(parents=True, exist_ok=True)
        for suite in kernels.SUITES:
            held = {"version": kernels.INDEX_VERSION, "at": time.time(), "why": "", "kernels": rows if suite == "sid" else []}
            (folder / f"index-{suite}-{self.abi.debian}.json").write_text(json.dumps(held))

    def run(self, *words: str, code: int = 0, command: str = "bisect", start: bool = False):
        """Runs a command; returns what it printed."""
        process = self.tree.start(command, *words, env=self.env, start_new_session=True,
                                  preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        if start:
            return process
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, f"exit code {process.returncode}, not {code}\n{out}\n{err}"
        return out + err

    def boots(self) -> list[str]:
        """The kernels that were booted, by name, in their order."""
        return self.asked.read_text().split() if self.asked.exists() else []

    def state(self) -> dict:
        """state.json of the one bisection."""
        (path,) = (self.tree.path / "results").glob("bisect-*/state.json")
        return json.loads(path.read_text())


@pytest.fixture
def debian(fake, tmp_path):
    folder = tmp_path / "debian"
    folder.mkdir()
    return Debian(fake, folder)


def test_a_change_between_published_kernels_is_found(debian):
    debian.kernels(v5_10_1="", v6_1_1="", v6_1_2="last=fail", v6_2="last=fail", v6_3="last=fail", v6_4="last=fail", v7_0="last=fail")
    printed = debian.run(CLAUSE, "--good", "debian:5.10", "--bad", "debian:7.0")
    (answer,) = debian.state()["answer"]
    assert (answer["good"], answer["bad"], answer["cannot_tell"]) == ("6.1.1", "6.1.2", [])
    assert f"linux-image-6.1.2-{debian.abi.flavours[0]} 6.1.2-1 (sid, {debian.abi.debian}): fail: " in printed
    assert "--tree LINUX --good v6.1.1 --bad v6.1.2" in printed and "stable tree's linux-6.1.y" in printed
    assert "fails 10 of 10 times" in printed and "is asked 4 times" in printed
    steps = [step for step in debian.state()["steps"] if step["purpose"] == "step"]
    assert len(steps) <= 3 and all((debian.tree.path / "results").glob(f"bisect-*/{step['run']}/run.json") for step in steps)
    report = next((debian.tree.path / "results").glob("bisect-*/report.txt")).read_text()
    assert report.strip() in printed and all(step["at"] in report for step in steps)


def test_a_promise_that_was_mended_and_one_that_never_changed(debian):
    debian.kernels(v6_1="last=fail", v6_2="last=fail", v6_3="", v6_4="")
    printed = debian.run("steady", "--bad", f"debian:6.1:{ABI}", "--good", "debian:6.4", "--repeat", "1")
    (answer,) = debian.state()["answer"]
    assert (answer["clauses"], answer["good"], answer["bad"]) == ([CLAUSE], "6.3", "6.2")
    assert "left out, for they do not differ between the ends:" in printed and "--good v6.3 --bad v6.2" in printed
    assert len(debian.boots()) == 4


def test_versions_that_cannot_tell_are_stepped_round(debian):
    debian.kernels(v6_1="", v6_2="", v6_3="gone", v6_4="boot=no", v6_5="last=absent", v6_6="last=fail", v6_7="last=fail")
    printed = debian.run(CLAUSE, "--good", "debian:6.1", "--bad", "debian:6.7", "--repeat", "1")
    (answer,) = debian.state()["answer"]
    assert (answer["good"], answer["bad"], answer["cannot_tell"]) == ("6.2", "6.6", ["6.3", "6.4", "6.5"])
    for said in ("could not tell: 6.3: cannot tell: its kernel cannot be fetched", "no network in tests",
                 "could not tell: 6.4: cannot tell: the target said no hello: the kernel died at boot", "could not tell: 6.5: absent"):
        assert said in printed, printed


def test_a_flaky_promise_is_asked_often_enough(debian):
    debian.kernels(v6_1="", v6_2="", v6_3="last=every5", v6_4="last=every5", v6_5="last=every5")
    printed = debian.run(CLAUSE, "--good", "debian:6.1", "--bad", "debian:6.5", "--risk", "0.1%")
    (answer,) = debian.state()["answer"]
    assert (answer["good"], answer["bad"]) == ("6.2", "6.3")
    assert "fails 7 of 40 times" in printed and "below 0.001" in printed
    repeats = int(re.search("is asked ([0-9]+) times", printed)[1])
    assert repeats == chance.repeats_for(chance.at_least(7, 40), 0.001)
    good = next(step for step in debian.state()["steps"] if step["purpose"] == "good end")
    assert good["counts"][CLAUSE] == {"pass": repeats}
    bad = next(step for step in debian.state()["steps"] if step["at"] == "6.3")
    assert bad["counts"][CLAUSE]["fail"] and bad["repeat"] == repeats


@pytest.mark.parametrize("good,bad,code,said", [
    ("", "", 1, "the bad end, 6.4, is not bad: no failure in 40 times"),
    ("last=fail", "last=fail", 1, "the good end, 6.1, is not good: "),
    ("last=absent", "last=fail", 3, "the good end, 6.1, says nothing of the promise: 4 absent"),
    ("", "last=skip", 3, "the bad end, 6.4, says nothing of the promise: skip"),
    ("boot=no", "last=fail", 3, "the good end, 6.1, cannot be asked: the target said no hello"),
    ("", "gone", 3, "the bad end, 6.4, cannot be asked: its kernel cannot be fetched")])
def test_ends_that_are_not_as_they_were_said_to_be(debian, good, bad, code, said):
    debian.kernels(v6_1=good, v6_2="", v6_4=bad)
    assert f"no answer: {said}" in debian.run(CLAUSE, "--good", "debian:6.1", "--bad", "debian:6.4", code=code)


def test_a_bisection_that_was_stopped_goes_on(debian):
    debian.kernels(v6_1="", v6_2="", v6_3="", v6_4="boot=slowly", v6_5="last=fail", v6_6="last=fail", v6_7="last=fail")
    process = debian.run(CLAUSE, "--good", "debian:6.1", "--bad", "debian:6.7", start=True)
    deadline = time.monotonic() + 60
    while "6.4" not in debian.boots():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    folder = re.search("to go on: ./runner.py bisect --resume (\\S+)", out)[1]
    assert process.returncode == 130 and len(debian.state()["steps"]) == 3
    left = subprocess.run(["pgrep", "-f", f"{debian.guests.folder}/bin/"], capture_output=True, text=True)
    assert left.stdout == "", "no machine is left behind"
    for path in (debian.cache / "osprim/kernels").glob("sha-6.4/vmlinuz"):
        path.write_text("name=6.4")
    before = len(debian.boots())
    printed = debian.run("--resume", folder)
    assert debian.state()["answer"][0]["good"] == "6.4" and printed.count("(kept)") == 3
    assert set(debian.boots()[before:]) == {"6.4", "6.5"}, "what was asked is not asked again"
    assert "takes a bisection's folder, and nothing else" in debian.run("--resume", folder, "--repeat", "2", code=2)


# One step, for git bisect run.

@pytest.mark.parametrize("words,code,said", [
    ("", 0, "good: pass"), ("last=fail", 1, "bad: fail: steady/room.c:10: Expected 0 (0) == 1 (1)"),
    ("last=absent", 125, "cannot tell: absent"), ("last=skip", 125, "cannot tell: skip"), ("boot=no", 125, "cannot tell: the target said no"),
    ("last=every7", 0, "good: pass")])
def test_one_step_answers_with_its_exit_code(debian, words, code, said):
    kernel = debian.guests.kernel
    kernel.write_text(f"name=mine {words}")
    assert said in debian.run(CLAUSE, "--kernel", str(kernel), command="bisect-step", code=code)


def test_one_step_repeats_until_it_fails(debian):
    debian.guests.kernel.write_text("name=mine last=every7 then=hang")
    printed = debian.run(CLAUSE, "--kernel", str(debian.guests.kernel), "--repeat", "20", command="bisect-step", code=1)
    assert "bad: 6 pass, 1 fail" in printed


@pytest.mark.parametrize("words,said", [
    ([], "one of --tree DIR and --kernel FILE is needed"), (["--kernel", "nowhere"], "which clause?"),
    ([CLAUSE, "--kernel", "nowhere"], "no kernel file nowhere"), (["steady/roon", "--kernel", "x"], "did you mean steady/room"),
    ([CLAUSE, "--tree", "."], "is no kernel source tree"), ([CLAUSE, "--tree", ".", "--kernel", "x"], "one of --tree DIR and"),
    ([CLAUSE, "--kernel", "x", "--repaet", "3"], "did you mean --repeat"), ([CLAUSE, "--kernel", "x", "--repeat", "0"], "it takes 1 to"),
    ([CLAUSE, "--kernel", "x", "--abi", "x86"], "no architecture is called x86"), ([CLAUSE, "--kernel", "x", "--accel", "x"], "--accel takes")])
def test_wrong_usage_of_a_step_is_255_and_no_verdict(debian, words, said):
    assert said in debian.run(*words, command="bisect-step", code=255)


def test_a_step_that_cannot_test_anything_is_no_verdict(debian):
    debian.env["PATH"] = str(debian.guests.folder / "nothing")
    assert "is missing: apt-get install" in debian.run(CLAUSE, "--kernel", str(debian.guests.kernel), command="bisect-step", code=255)


def test_an_error_of_ours_is_no_verdict(debian):
    (debian.tree.path / "results").write_text("a file in the way")
    assert "ResultsError" in debian.run(CLAUSE, "--kernel", str(debian.guests.kernel), command="bisect-step", code=255)


def test_a_step_that_is_interrupted_is_no_verdict(debian):
    debian.guests.kernel.write_text("name=mine boot=slowly")
    process = debian.run(CLAUSE, "--kernel", str(debian.guests.kernel), command="bisect-step", start=True)
    while not debian.boots():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 255


@pytest.mark.parametrize("words,said", [
    ([CLAUSE], "--bad END is needed"), ([CLAUSE, "--bad", "6.1"], "it must read debian:VERSION"), (["--bad", "debian:6.1"], "which clause?"),
    ([CLAUSE, "--good", "debian:6.1", "--bad", "debian:6.9"], "no kernel matches 6.9"),
    ([CLAUSE, "--good", "debian:6.1", "--bad", "debian:6.1"], "both ends are 6.1"),
    ([CLAUSE, "--good", "debian:6.1:x86_64", "--bad", "debian:6.2:arm64"], "the ends differ in what is no version"),
    ([CLAUSE, "--bad", "debian:6.2"], "--good debian:VERSION names one"), ([CLAUSE, "--bad", "v6.2", "--tree", "."], "--good REV is needed"),
    ([CLAUSE, "--good", "a", "--bad", "b", "--tree", "."], "is no kernel source tree"), (["--resume", "nowhere"], "is no bisection's folder"),
    ([CLAUSE, "--good", "debian:6.1", "--bad", "debian:6.2", "--risk", "3"], "it takes a probability"),
    ([CLAUSE, "--good", "debian:6.1", "--bad", "debian:6.2", "--flavour", "rt"], "its flavours are")])
def test_wrong_usage_of_bisect_names_the_mend(debian, words, said):
    debian.kernels(v6_1="", v6_2="last=fail")
    assert said in debian.run(*words, code=2)
    assert not debian.boots()


# run --until-fail, on this machine.

def test_until_fail_ends_at_the_first_failure_of_each_clause(tree):
    printed = tree.run("run", "words", "-k", "holds_passes or not_hold", "--until-fail", "--repeat", "5", code=1)
    counts = {record["clause"].rsplit("/")[-1]: record["repeat"] for record in tree.records()}
    assert counts == {"a_clause_that_holds_passes": 5, "a_clause_that_does_not_hold_fails": 1}
    assert len(tree.records()) == 6 and json.loads(tree.latest("run.json").read_text())["until_fail"] == 5
    assert re.search(r" 0$", next(line for line in printed.splitlines() if line.startswith("host-") and " 5 " in line))
