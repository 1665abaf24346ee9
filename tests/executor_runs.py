# SPDX-License-Identifier: GPL-2.0-only
"""Running the executor in tests: plans, an independent reader of its stream, and a search for what it left behind."""

import atexit
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import zlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
NONCE = f"a{os.getpid() % 16**7:07x}"   # marks what is this process's own, also in the names of private directories
DEADLINE_S = 60     # for events that take milliseconds: only a test that fails waits for it
FOLDER = tempfile.mkdtemp(prefix="osprim-test-", dir="/tmp")    # of private directories, and of the lock between runs
PROGRAMS = ("attacks", "changes", "inspects", "lingers", "prints")
COMPLETE, BAD_PLAN, INCOMPLETE = 0, 2, 3    # exit codes
LINE = re.compile(rb"@([0-9a-f]{8}) (\d+) ([0-9a-f]{8}) ([a-z]+)(?: (.*))?", re.DOTALL)


ENVIRONMENT = {**os.environ, "TMPDIR": FOLDER}
os.chmod(FOLDER, 0o1777)
atexit.register(os.rmdir, FOLDER)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@functools.cache
def built(abi):
    """The executor of an ABI, built; OSPRIM_EXECUTOR names another one to test."""
    if "OSPRIM_EXECUTOR" in os.environ:
        return os.environ["OSPRIM_EXECUTOR"]
    subprocess.run(["make", "-s", f"build/{abi}/executor"], cwd=ROOT, check=True)
    return str(ROOT / "build" / abi / "executor")


@pytest.fixture(scope="session")
def executor():
    """Path of the executor."""
    return built("x86_64")


@functools.cache
def built_programs():
    """A directory that any user can reach, with the programs in it; made once, removed with this process."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="osprim-programs-", dir="/tmp"))
    atexit.register(shutil.rmtree, path)
    path.chmod(0o755)
    builds = [subprocess.Popen(["gcc", "-std=gnu11", "-O1", "-Wall", "-Werror", "-static", "-o", path / name,
                                ROOT / "tests" / "programs" / f"{name}.c"]) for name in PROGRAMS]
    assert [build.wait() for build in builds] == [0] * len(builds)
    return path


@pytest.fixture(scope="session")
def cwd():
    """The directory of the programs, which the executor runs in."""
    return built_programs()


@pytest.fixture
def files(tmp_path):
    """Two files for a job to change."""
    paths = [tmp_path / "one", tmp_path / "two"]
    for path in paths:
        path.write_text(f"old {path.name}\n")
    return paths


def job(number, program, *tests, limit=DEADLINE_S, exclusive=0, user=0, writes=()):
    """One job line of a plan; `program` is a path from the executor's working directory."""
    return (f"job {number} limit={limit} exclusive={exclusive} user={user} program={program} "
            f"writes={','.join(map(str, writes))} tests={','.join(map(str, tests))}")


def plan(*jobs, parallel=1, config=None, patience=0):
    """A whole plan as text."""
    head = ["osprim-plan 1", f"nonce {NONCE}", f"parallel {parallel}", "slow 1"]
    head += [f"patience {patience}"] if patience else []
    return "\n".join([*head, *([f"config {config}"] if config else []), *jobs, "end", ""])


class Stream:
    """The events of a stream, each line verified: nonce, sequence without a gap, CRC-32."""

    def __init__(self, data):
        first, *lines = data.split(b"\n")
        assert first == b"", "an empty line comes first"
        assert lines.pop() == b"", "the last line is whole"
        self.events = [self._event(number, line) for number, line in enumerate(lines)]

    @staticmethod
    def _event(number, line):
        nonce, seq, crc, kind, rest = LINE.fullmatch(line).groups()
        assert (nonce.decode(), int(seq)) == (NONCE, number)
        checked = seq + b" " + kind + b" " + rest
        assert int(crc, 16) == zlib.crc32(checked), line
        return kind.decode(), rest.decode("ascii")

    def of(self, kind):
        """The rests of all events of a kind."""
        return [rest for k, rest in self.events if k == kind]

    def ends(self):
        """Job number to how it ended."""
        return {int(rest.split()[0]): rest.split()[1] for rest in self.of("end")}

    def end(self, number):
        """The end of a job as a dictionary: how, ms, user, sys, left, dropped."""
        words = next(rest.split() for rest in self.of("end") if rest.split()[0] == str(number))
        return {"how": words[1], **{k: int(v) for k, v in (word.split("=") for word in words[2:])}}

    def lines(self, number):
        """What a job printed."""
        return [rest.split(" ", 1)[1] for rest in self.of("line") if rest.split(" ", 1)[0] == str(number)]

    def order(self):
        """Begins and ends, as in ["begin 1", "end 1"]."""
        return [f"{kind} {rest.split()[0]}" for kind, rest in self.events if kind in ("begin", "end")]

    def is_complete(self):
        """Whether hello is first and bye last."""
        return self.events[0][0] == "hello" and self.events[-1][0] == "bye"


class Executor:
    """A started executor; a context manager that leaves none of its processes behind."""

    def __init__(self, path, text, cwd, stdout=subprocess.PIPE, **options):
        self.marker = f"osprim-test-{os.getpid()}-{time.monotonic_ns()}"
        environment = {**ENVIRONMENT, "OSPRIM_TEST": self.marker}
        text = text.replace("config MARKER", f"config /{self.marker}")
        self.process = subprocess.Popen([path], cwd=cwd, env=environment, stdin=subprocess.PIPE, stdout=stdout,
                                        stderr=subprocess.PIPE, **options)
        self.process.stdin.write(text.encode())
        self.process.stdin.close()
        self.process.stdin = None
        self.seen = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        for pid in self.left_behind():
            os.kill(pid, 9)
        self.process.communicate()
        for name in directories():
            subprocess.run(["umount", "-q", f"{FOLDER}/{name}/m"])
            shutil.rmtree(f"{FOLDER}/{name}")

    def left_behind(self):
        """Processes that carry the marker in their environment: the executor, nannies, programs and their children."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                if pid != self.process.pid and has_in_environment(pid, self.marker)]

    def read_until(self, pattern):
        """Reads the stream up to a line that holds a pattern; returns its match."""
        while not (match := re.search(pattern.encode(), self.seen)):
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, f"the stream ended before {pattern!r}: {self.seen!r}"
            self.seen += data
        return match

    def finish(self):
        """Reads the rest; returns the stream and the exit code."""
        out, self.errors = self.process.communicate(timeout=DEADLINE_S)
        return Stream(self.seen + out), self.process.returncode


def has_in_environment(pid, marker):
    """Whether a living process has a string in its environment; a zombie has none."""
    try:
        return marker.encode() in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def wait_until(condition):
    """Waits for a condition to hold; an assertion error if it does not within the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


def run(path, text, cwd, **options):
    """Runs a plan to its end, with no process left; returns the complete stream, which knows of directories left."""
    with Executor(path, text, cwd, **options) as executor:
        stream, code = executor.finish()
        assert (code, executor.errors) == (0, b"")
        assert executor.left_behind() == []
        stream.directories = directories()
    assert stream.is_complete()
    return stream


def directories():
    """The private directories of jobs that exist."""
    return [name for name in os.listdir(FOLDER) if name.startswith(f"osprim-{NONCE}-")]
