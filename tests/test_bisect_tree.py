# SPDX-License-Identifier: GPL-2.0-only
"""Bisecting git trees whose Makefile copies a script's words in the place of a kernel: test_bisect.py says what a guest does."""

import os
import re
import shutil
import signal
import subprocess
import time

import pytest
from conftest import ROOT
from test_bisect import CLAUSE, Debian

MAKEFILE = """
allnoconfig:
\t@echo CONFIG_SMP=y > $(O)/.config
bzImage:
\t@test ! -e broken || { echo "said: error: expected ';'"; exit 1; }
\t@mkdir -p $(O)/arch/x86/boot && cat said > $(O)/arch/x86/boot/bzImage && echo "$(LOCALVERSION)" >> $(O)/built
"""


class GitTree(Debian):
    """A git tree with a commit for each of the kernels it is given; `bisect` and its kin run on it."""

    def __init__(self, tree, folder):
        super().__init__(tree, folder)
        self.linux = folder / "linux"
        (self.linux / "scripts/kconfig").mkdir(parents=True)
        for name in ("Kbuild", "scripts/kconfig/Makefile"):
            (self.linux / name).write_text("# a kernel tree of the tests\n")
        (self.linux / "Makefile").write_text(MAKEFILE)
        shutil.copytree(ROOT / "fixtures/kconfig", tree.path / "fixtures/kconfig")
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Tester")
        self.git("config", "user.email", "tester@example.org")
        self.commits: list[str] = []

    def git(self, *words: str) -> str:
        """Runs git in the tree; returns what it printed."""
        return subprocess.run(["git", "-C", self.linux, *words], check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, *said: str) -> None:
        """Makes a commit for each; "broken" is one that does not build."""
        for words in said:
            number = len(self.commits) + 1
            (self.linux / "said").write_text(f"name=c{number} {words if words != 'broken' else ''}\n")
            (self.linux / "broken").unlink(missing_ok=True)
            if words == "broken":
                (self.linux / "broken").touch()
            self.git("add", "-A")
            self.git("commit", "-q", "-m", f"mm: change number {number}")
            self.git("tag", f"v{number}")
            self.commits.append(self.git("rev-parse", "HEAD"))

    def look(self) -> tuple:
        """What a bisection must leave as it is."""
        return (self.git("rev-parse", "HEAD"), self.git("symbolic-ref", "HEAD"), self.git("status", "--porcelain"),
                self.git("for-each-ref"), self.git("worktree", "list"))


@pytest.fixture
def linux(fake, tmp_path):
    folder = tmp_path / "linux-tests"
    folder.mkdir()
    return GitTree(fake, folder)


def test_the_first_bad_commit_is_found_and_the_tree_is_left_alone(linux):
    linux.commit("", "", "", "broken", "", "last=fail", "last=fail", "boot=no last=fail", "last=fail")
    (linux.linux / "said").write_text("mine, not committed\n")
    (linux.linux / ".git/hooks").mkdir(exist_ok=True)
    (linux.linux / ".git/hooks/post-checkout").write_text("#!/bin/sh\ntouch ../hooked\n")
    (linux.linux / ".git/hooks/post-checkout").chmod(0o755)
    before = linux.look()
    printed = linux.run(CLAUSE, "--tree", str(linux.linux), "--good", "v1", "--bad", "main")
    assert linux.look() == before and not list(linux.cache.glob("osprim/bisect/*")) and not (linux.linux.parent / "hooked").exists()
    (answer,) = linux.state()["answer"]
    assert answer["commits"] == [linux.commits[5]] and answer["good"] == linux.commits[4]
    assert f"commit {linux.commits[5]}" in printed and "mm: change number 6" in printed
    assert "Expected 0 (0) == 1 (1)" in printed.split("the first bad commit")[1]
    again = re.findall(r"again: \./runner\.py run (\S+) (\S+)", printed)
    assert len(again) == 2 and all(os.path.exists(target.split(":")[2]) for _, target in again), "both kernels are kept"
    assert "git bisect start" in linux.state()["log"]


def test_the_commit_that_mended_a_promise_is_found(linux):
    linux.commit("last=fail", "last=fail", "last=fail", "", "")
    printed = linux.run(CLAUSE, "--tree", str(linux.linux), "--bad", "v1", "--good", "v5", "--repeat", "1")
    assert f"commit {linux.commits[3]}" in printed and "the first fixed commit" in printed


def test_commits_that_cannot_tell_beside_the_answer_are_named(linux):
    linux.commit("", "", "broken", "last=absent", "last=fail", "last=fail")
    printed = linux.run(CLAUSE, "--tree", str(linux.linux), "--good", "v1", "--bad", "v6", "--repeat", "1")
    assert "is one of these" in printed
    assert {commit for row in linux.state()["answer"] for commit in row["commits"]} == set(linux.commits[2:5])
    assert "cannot tell: its kernel cannot be built" in printed and "error: expected ';'" in printed


def test_a_race_is_found_among_commits(linux):
    linux.commit("", "", "", "last=every9", "last=every9", "last=every9")
    printed = linux.run(CLAUSE, "--tree", str(linux.linux), "--good", "v1", "--bad", "v6")
    assert linux.state()["answer"][0]["commits"] == [linux.commits[3]] and "fails 4 of 40 times" in printed


def test_a_bisection_of_commits_that_was_stopped_goes_on(linux):
    linux.commit("", "", "boot=slowly", "", "last=fail", "last=fail", "last=fail")
    before = linux.look()
    process = linux.run(CLAUSE, "--tree", str(linux.linux), "--good", "v1", "--bad", "v7", "--repeat", "1", start=True)
    while "c3" not in linux.boots() and "c4" not in linux.boots():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    folder = re.search("to go on: ./runner.py bisect --resume (\\S+)", out)[1]
    assert process.returncode == 130
    for path in (linux.tree.path / "results").glob("bisect-*/kernels/*/bzImage"):
        path.write_text(path.read_text().replace("boot=slowly", ""))
    boots = len(linux.boots())
    printed = linux.run("--resume", folder)
    assert linux.state()["answer"][0]["commits"] == [linux.commits[4]] and "(kept)" in printed
    assert "c7" not in linux.boots()[boots:] and linux.look() == before


@pytest.mark.parametrize("words,code,said", [
    (["--good", "v1", "--bad", "v9"], 2, "--bad v9 is no commit of"), (["--good", "v1", "--bad", "v1"], 2, "are one commit"),
    (["--good", "v1", "--bad", "v2"], 1, "the bad end, "), (["--good", "v3", "--bad", "v4"], 3, "cannot be asked: its kernel cannot be built")])
def test_ends_that_are_none(linux, words, code, said):
    linux.commit("", "", "broken", "last=fail")
    before = linux.look()
    assert said in linux.run(CLAUSE, "--tree", str(linux.linux), *words, "--repeat", "2", code=code)
    assert linux.look() == before


def test_git_bisect_run_drives_single_steps(linux):
    linux.commit("", "", "broken", "", "last=fail", "last=absent", "last=fail", "last=fail")
    linux.git("bisect", "start", "v8", "v1")
    done = subprocess.run(["git", "bisect", "run", linux.tree.path / "runner.py", "bisect-step", CLAUSE, "--tree", "."],
                          cwd=linux.linux, env=linux.env, capture_output=True, text=True)
    assert done.returncode == 0 and f"{linux.commits[4]} is the first bad commit" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("words,code,said", [
    (["SOURCE"], 0, "KiB"), (["SOURCE", "-o", "OUT"], 0, "bzImage.mine"), ([], 2, "which source tree?"), (["."], 2, "is no kernel source tree"),
    (["SOURCE", "--config", "nowhere"], 2, "no file nowhere"), (["SOURCE", "-o", "/nowhere/x"], 2, "cannot write /nowhere")])
def test_build_kernel(linux, words, code, said):
    linux.commit("")
    places = {"SOURCE": str(linux.linux), "OUT": str(linux.linux.parent / "bzImage.mine")}
    assert said in linux.run(*[places.get(word, word) for word in words], command="build-kernel", code=code)
    if "OUT" in words:
        assert (linux.linux.parent / "bzImage.mine").read_text() == "name=c1 \n"
        assert (linux.linux.parent / "config").read_text() == "CONFIG_SMP=y\n"


def test_a_tree_that_does_not_build_is_3(linux):
    linux.commit("broken")
    assert "error: expected ';'" in linux.run(str(linux.linux), command="build-kernel", code=3)
