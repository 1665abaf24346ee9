# SPDX-License-Identifier: GPL-2.0-only
"""Bisecting a real kernel's commits, built and booted: `make check-long LINUX=DIR`, DIR a source tree of Linux 6.12 (minutes)."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ABI, PYTHON, ROOT

SOURCE = os.environ.get("OSPRIM_LINUX", "")
pytestmark = pytest.mark.skipif(not SOURCE, reason="takes minutes and a kernel's source: make check-long LINUX=DIR")

CLAUSE = "futex/wake/wake_wakes_at_most_as_many_as_asked"
FILE = "kernel/futex/waitwake.c"
INCLUDE = '#include "futex.h"\n'
COUNT = "\t\t\t\tcontinue;\n\n\t\t\tthis->wake(&wake_q, this);\n\t\t\tif (++ret >= nr_wake)\n"     # futex_wake alone has it
LATE = COUNT.replace("++ret", "ret++")
DONE = "\tspin_unlock(&hb->lock);\n\twake_up_q(&wake_q);\n\treturn ret;\n"

# Of a tree, what no kernel of fixtures/kconfig compiles: only its Kconfig and Makefiles are read.
UNUSED = ("Documentation", "samples", "sound", "rust", "tools/testing", "tools/perf", *(f"drivers/{name}" for name in (
    "gpu", "net/ethernet", "net/wireless", "media", "scsi", "usb", "pinctrl", "staging", "accel", "infiniband", "iio", "md", "mtd",
    "hwmon", "platform")))


def copied(source: Path, into: Path) -> None:
    """Copies what a build needs of a tree."""
    def left_out(folder: str, names: list[str]) -> list[str]:
        inside = Path(os.path.relpath(folder, source))
        if inside == Path("."):
            return [".git"]
        is_foreign = inside.parts[0] == "arch" and len(inside.parts) > 1 and inside.parts[1] not in ("x86", "um")
        if not is_foreign and not any(inside.is_relative_to(unused) for unused in UNUSED):
            return []
        return [name for name in names if not (name.startswith(("Kconfig", "Makefile", "Kbuild")) or (Path(folder) / name).is_dir())]
    shutil.copytree(source, into, ignore=left_out, symlinks=True)


class Linux:
    """A git tree of a real kernel; each commit changes kernel/futex/waitwake.c."""

    def __init__(self, folder: Path):
        self.folder = folder
        copied(Path(SOURCE), folder)
        for words in (["init", "-q", "-b", "main"], ["config", "user.name", "Tester"], ["config", "user.email", "t@example.org"],
                      ["config", "gc.auto", "0"], ["add", "-A", "-f"]):
            self.git(*words)
        self.commits = [self._commit("Linux as it was released")]

    def git(self, *words: str) -> str:
        """Runs git in the tree; returns what it printed."""
        return subprocess.run(["git", "-C", self.folder, *words], check=True, capture_output=True, text=True).stdout.strip()

    def change(self, subject: str, *pieces: tuple[str, str]) -> None:
        """Makes a commit that replaces pieces of the file, or adds a remark to its end."""
        path = self.folder / FILE
        text = path.read_text()
        for before, after in pieces:
            assert text.count(before) == 1
            text = text.replace(before, after)
        path.write_text(text if pieces else f"{text}\n/* {subject} */\n")
        self.commits.append(self._commit(subject))

    def _commit(self, subject: str) -> str:
        self.git("commit", "-q", "-a", "-m", subject)
        return self.git("rev-parse", "HEAD")


@pytest.fixture(scope="module")
def linux(tmp_path_factory):
    """Two series in one tree: a break that always shows at commit 4, mended by 6; one that shows now and then at 9."""
    tree = Linux(tmp_path_factory.mktemp("linux") / "linux")
    for number in (1, 2, 3):
        tree.change(f"futex: remark {number}")
    tree.change("futex: Count the woken as they come", (COUNT, LATE))
    tree.change("futex: remark 5")
    tree.change("futex: Wake no more than asked", (LATE, COUNT))
    tree.change("futex: does not compile", (COUNT, COUNT + "\t\t\t\tbroken;\n"))
    tree.change("futex: compiles again", (COUNT + "\t\t\t\tbroken;\n", COUNT))
    tree.change("futex: Answer without the lock", (INCLUDE, f"#include <linux/random.h>\n\n{INCLUDE}"),
                (DONE, DONE.replace("return ret;", "return ret + !(get_random_u32() & 127);")))
    tree.change("futex: remark 10")
    return tree


def bisect(linux, good: int, bad: int, tmp_path) -> str:
    """Bisects between two commits by their numbers; returns what was said."""
    done = subprocess.run([PYTHON, ROOT / "runner.py", "bisect", CLAUSE, "--tree", linux.folder, "--good", linux.commits[good],
                           "--bad", linux.commits[bad], "--abi", ABI, "--results", tmp_path / "results"], capture_output=True, text=True)
    print(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commit_that_broke_a_promise(linux, tmp_path):
    printed = bisect(linux, 0, 5, tmp_path)
    assert f"commit {linux.commits[4]}" in printed and "Count the woken as they come" in printed


def test_the_commit_that_broke_it_now_and_then_beside_one_that_does_not_build(linux, tmp_path):
    printed = bisect(linux, 6, 10, tmp_path)
    assert f"commit {linux.commits[9]}" in printed and "Answer without the lock" in printed
