# SPDX-License-Identifier: GPL-2.0-only
"""Shared by osprim's own tests: the repository on the path, scratch repositories with small suites of their own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3"
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(ROOT / "build/hypothesis"))

from harness.driver.targets.host import native_abis  # noqa: E402

ABI = native_abis(ROOT)[0]
TARGET = f"host-{ABI}"


class Tree:
    """A repository with its own suites, build and results; harness, arch and Makefile are this one's."""

    def __init__(self, path: Path):
        self.path = path
        for name in ("harness", "arch", "Makefile"):
            (path / name).symlink_to(ROOT / name)
        shutil.copy(ROOT / "runner.py", path)
        (path / "fixtures/known").mkdir(parents=True)

    def suite(self, name: str, text: str) -> None:
        """Writes suites/<name>.c: what a clause's file holds below its two opening lines."""
        source = self.path / f"suites/{name}.c"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text("// SPDX-License-Identifier: GPL-2.0-only\n// A suite of osprim's own tests.\n"
                          "#include \"clause.h\"\n" + text)

    def build(self) -> None:
        """Builds what is not up to date, as `make programs` does; begins with this repository's objects."""
        for path in (ROOT / "build" / ABI).glob("*") if not (self.path / "build").exists() else ():
            if path.name == "harness":
                shutil.copytree(path, self.path / "build" / ABI / path.name)
            elif path.name in ("arch.o", "arch.d", "executor"):
                (self.path / "build" / ABI).mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, self.path / "build" / ABI)
        subprocess.run(["make", "-s", "-j2", "-C", self.path, f"ABIS={ABI}", f"KSELFTEST={ROOT}/build/kselftest",
                        "programs"],
                       check=True, capture_output=True, text=True)

    def executor(self, body: str) -> None:
        """Puts a Python script in the place of the executor. tests/streams.py is imported, `nonce` and `jobs` (number
        and tests of each) come from the plan, `send(bytes)` writes."""
        path = self.path / f"build/{ABI}/executor"
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"""#!{PYTHON}
import os, re, signal, sys, time
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]
from streams import *
plan = open(sys.argv[1]).read()
nonce = re.search("nonce (.*)", plan)[1]
jobs = [(int(n), tests.split(",")) for n, tests in re.findall("^job ([0-9]+) .* tests=(.*)", plan, re.M)]
def send(data):
    os.write(1, data)
{body}
""")
        path.chmod(0o755)

    def start(self, *words: str, **options) -> subprocess.Popen:
        """Starts runner.py."""
        return subprocess.Popen([PYTHON, self.path / "runner.py", *words], cwd=self.path, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    def run(self, *words: str, code: int | None = 0) -> str:
        """Runs runner.py; returns what it printed, errors last. Checks its exit code unless that is None."""
        process = self.start(*words)
        out, err = process.communicate(timeout=60)
        assert code is None or process.returncode == code, f"exit code {process.returncode}, not {code}\n{out}\n{err}"
        return out + err

    def run_all(self, *lines: list[str]) -> list[tuple[int, str]]:
        """Runs several command lines side by side; (exit code, what it printed) of each."""
        def one(words):
            process = self.start(*words)
            out, err = process.communicate(timeout=60)
            return process.returncode, out + err
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(one, lines))

    def latest(self, name: str = "") -> Path:
        """The latest run's folder, or a file of it."""
        return self.path / "results/latest" / name

    def records(self) -> list[dict]:
        """The records of the latest run."""
        return [json.loads(line) for line in self.latest("results.jsonl").read_text().splitlines()]

    def verdicts(self) -> dict[str, str]:
        """The verdict of each clause of the latest run, by name."""
        return {record["clause"].rsplit("/", 1)[-1]: record["verdict"] for record in self.records()}

    def forget(self) -> None:
        """Removes results and known divergences."""
        shutil.rmtree(self.path / "results", ignore_errors=True)
        for path in (self.path / "fixtures/known").glob("*"):
            path.unlink()


WORDS = """
#include <signal.h>
CLAUSE(a_clause_that_holds_passes, "futex(2) NOTES: what holds is a pass", .needed_by = "go:futexsleep glibc:lll_lock")
{
	EXPECT_OK(0);
}

CLAUSE(a_clause_that_does_not_hold_fails, "futex(2) ERRORS EAGAIN: what does not hold is a failure")
{
	EXPECT_ERR(EAGAIN, 0);
}

CLAUSE(a_clause_that_hangs_times_out, "futex(2) NOTES: what does not end is a timeout", .timeout = 1)
{
	for (;;)
		pause();
}

CLAUSE(a_clause_that_dies_crashes, "futex(2) NOTES: what dies is a crash")
{
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

CLAUSE(a_clause_of_a_later_kernel_is_absent, "futex(2) VERSIONS: what a kernel may lack is absent",
       .since = KERNEL(99, 0))
{
	EXPECT_OK(-1);
}

CLAUSE(a_clause_of_another_machine_is_skipped, "futex(2) NOTES: what a machine cannot show is skipped",
       .needs = "cpus=100000")
{
	EXPECT_OK(-1);
}

CLAUSE(a_clause_that_prints_results_is_broken, "futex(2) NOTES: what breaks the harness is broken")
{
	printf("ok 1 global.nothing\\n");
}

CLAUSE(a_clause_that_kills_the_harness_crashes, "futex(2) NOTES: what kills its harness is a crash")
{
	kill(getppid(), SIGKILL);
	pause();
}

CLAUSE(a_clause_after_a_dead_harness_is_run_again, "futex(2) NOTES: what had not begun is planned again")
{
	EXPECT_OK(0);
}
"""

STEADY = """
FIXTURE(room) { int unused; };
FIXTURE_VARIANT(room) { int number; };
FIXTURE_VARIANT_ADD(room, small) { .number = 1 };
FIXTURE_VARIANT_ADD(room, large) { .number = 2 };
FIXTURE_SETUP(room) { }
FIXTURE_TEARDOWN(room) { }

CLAUSE_F(room, every_room_has_a_number, "futex(2) NOTES: rooms have numbers")
{
	EXPECT_NE(0, variant->number);
}

CLAUSE(an_exclusive_clause_is_alone, "futex(2) NOTES: what needs the machine has it", .exclusive = 1)
{
	EXPECT_OK(0);
}

CLAUSE(nobody_holds_it_as_well, "futex(2) NOTES: without privilege as well", .as_nobody = 1)
{
	EXPECT_TRUE(geteuid() != 0);
}

CLAUSE(the_last_one_holds, "futex(2) NOTES: the last one holds as well")
{
	EXPECT_OK(0);
}
"""
STEADY_CLAUSES = 5

MINUTE = """
CLAUSE(a_clause_that_takes_a_minute, "futex(2) NOTES: what takes a minute can be interrupted", .timeout = 60)
{
	for (;;)
		pause();
}
"""


@pytest.fixture(scope="session")
def built():
    """A repository with three suites: words/all has a clause for each verdict that a program can end with, steady/room
    passes, waits/minute takes a minute."""
    with tempfile.TemporaryDirectory(prefix="osprim-tree-") as path:  # where clauses without privilege can reach it
        os.chmod(path, 0o755)
        tree = Tree(Path(path))
        tree.suite("words/all", WORDS)
        tree.suite("steady/room", STEADY)
        tree.suite("waits/minute", MINUTE)
        tree.build()
        yield tree


@pytest.fixture
def tree(built):
    """The built repository without results."""
    built.forget()
    return built


@pytest.fixture
def fake(built, tmp_path):
    """A repository with the same programs and room for an executor of one's own."""
    tree = Tree(tmp_path)
    shutil.copytree(built.path / "suites", tree.path / "suites")
    shutil.copytree(built.path / f"build/{ABI}/suites", tree.path / f"build/{ABI}/suites")
    return tree


is_root = os.geteuid() == 0
needs_root = pytest.mark.skipif(not is_root, reason="needs root")
