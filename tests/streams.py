# SPDX-License-Identifier: GPL-2.0-only
"""Streams for tests of the driver: made line by line, read from fixtures/ktap, judged in one call."""

import json
from pathlib import Path
from zlib import crc32

from harness.driver.catalogue import Clause
from harness.driver.judge import Judge
from harness.driver.plan import Job, Task
from harness.driver.stream import Decoder

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "fixtures/ktap"
NONCE = "1f2e3d4c"
HELLO = "hello executor=1 arch=x86_64 release=6.12.1 cpus=2 page=4096 uid=0"


def frame(number: int, body: str, nonce: str = NONCE) -> bytes:
    """One line of the stream."""
    return f"@{nonce} {number} {crc32(f'{number} {body}'.encode()):08x} {body}\n".encode()


class Stream:
    """Numbers lines as the executor does."""

    def __init__(self, nonce: str = NONCE):
        self.nonce, self.number, self.data = nonce, 0, b"\n"

    def say(self, *bodies: str) -> "Stream":
        """Adds lines."""
        for body in bodies:
            self.data += frame(self.number, body, self.nonce)
            self.number += 1
        return self

    def noise(self, data: bytes) -> "Stream":
        """Adds bytes that are no line of the stream."""
        self.data += data
        return self

    def lose(self) -> "Stream":
        """Skips a number: the line was lost."""
        self.number += 1
        return self

    def run(self, job: int, *taps: str, first: int = 1) -> "Stream":
        """Clauses of a job that pass."""
        for number, tap in enumerate(taps, first):
            self.say(f"line {job} #  RUN           {tap} ...", f"line {job} #            OK  {tap}",
                     f"line {job} ok {number} {tap}")
        return self

    def fail(self, job: int, number: int, tap: str, *words: str) -> "Stream":
        """A clause that does not pass, with what is printed before its result."""
        self.say(f"line {job} #  RUN           {tap} ...", *(f"line {job} {word}" for word in words),
                 f"line {job} #          FAIL  {tap}", f"line {job} not ok {number} {tap}")
        return self

    def end(self, job: int, how: str = "exit=0", dropped: int = 0) -> "Stream":
        """The end of a job."""
        return self.say(f"end {job} {how} ms=9 user=1 sys=1 left=0 dropped={dropped}")


def clause(tap: str, program: str = "s/p", order: int = 0, **fields) -> Clause:
    """A clause as a catalogue would hold it."""
    name = tap.rsplit(".", 1)[-1]
    values = dict(since="", config="", needs="", commit="", needed_by="", writes="", exclusive=0, as_nobody=0, probed=0,
                  timeout=10) | fields
    return Clause(id=f"{program}/{name}", program=f"build/x86_64/suites/{program}", order=order, name=name, tap=tap,
                  file=f"suites/{program}.c", line=10 + order, text=f"futex(2): {name} holds", **values)


def job(number: int, taps: list[str], program: str = "s/p") -> Job:
    """A planned job."""
    tasks = [Task(clause(tap, program, order), "host-x86_64", "x86_64") for order, tap in enumerate(taps)]
    return Job(number, f"build/x86_64/suites/{program}", tasks, False, 0, (), 20)


def judged(data: bytes, jobs: list[Job], own_kernel: bool = False, nonce: str = NONCE):
    """(outcomes in their order, the judge) of a whole stream."""
    judge, decoder = Judge(jobs, own_kernel), Decoder(nonce)
    outcomes, at = [], 0
    for line in data.splitlines(keepends=True):
        for event in decoder.feed(line):
            outcomes += judge.feed(event, at / 1000, (at, at + len(line)))
        at += len(line)
    return outcomes + judge.finish(), judge


def verdicts(data: bytes, jobs: list[Job], own_kernel: bool = False) -> dict[tuple[int, str], str]:
    """The verdict of each planned clause by (job, harness's name), "" for one to be planned again; one for each."""
    by_task = {id(task): (planned.number, task.clause.tap) for planned in jobs for task in planned.tasks}
    outcomes, _ = judged(data, jobs, own_kernel)
    told = {by_task[id(outcome.task)]: outcome.verdict for outcome in outcomes}
    assert len(outcomes) == len(told) == len(by_task), "each planned clause has exactly one outcome"
    return told


def golden(name: str) -> tuple[bytes, dict, list[Job]]:
    """A golden log, what stands beside it, and the jobs that it was planned with."""
    told = json.loads((GOLDEN / f"{name}.json").read_text())
    jobs = [job(int(number), planned["tests"], planned["program"]) for number, planned in told["jobs"].items()]
    return (GOLDEN / f"{name}.log").read_bytes(), told, jobs


def golden_names() -> list[str]:
    """Every golden log, by name."""
    return sorted(path.stem for path in GOLDEN.glob("*.log"))
