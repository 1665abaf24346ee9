# SPDX-License-Identifier: GPL-2.0-only
"""Drives one machine: a round for all of its tasks, then rounds for what had not begun when a job or a kernel died."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from harness.driver.classify import Outcome
from harness.driver.judge import Judge
from harness.driver.kernellog import is_of_an_exception, may_be_stale_code
from harness.driver.plan import Task, jobs_of, text_of
from harness.driver.stream import Decoder
from harness.driver.targets import Machine

MOST_LOG = 64 << 20       # bytes of one round's log; a machine that says more is flooding
QUICK_SECONDS = 60        # a boot that failed in less than this is tried again
TRIES, EXCEPTION_TRIES = 2, 4   # boots in a row that may fail; where an emulated kernel died of an exception
SILENCE_SECONDS = 30      # beyond the longest job's limit
LEAST_SILENCE_SECONDS = 4 # of a kernel that is known to be broken


class Flood(Exception):
    """A machine says more than is kept."""


@dataclass(eq=False)
class Session:
    """One machine's part of a run. Iterate over rounds(); stop() may come from another thread."""

    machine: Machine
    logs: Path
    parallel: int = 0       # jobs at a time; 0: as the machine says
    user: int = 0           # uid of clauses that ask for none
    config: str = ""        # the kernel's configuration, plain text
    patience: int = 0       # the longest limit of a clause in seconds; 0: its own
    hello: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    nonces: list[str] = field(default_factory=list)
    is_stopped: bool = False
    began: float = 0.0      # monotonic, of the first start; 0: it waits for its turn
    ended: float = 0.0
    _judge: Judge | None = None     # of the last round
    _now: Judge | None = None       # of the one that goes on

    @property
    def log_file(self) -> str:
        """The raw log's name, relative to the run's folder."""
        return f"{self.logs.name}/{self.machine.name}.log"

    def running(self) -> list[Task]:
        """The tasks that run now; may be asked from another thread."""
        judge = self._now
        return judge.running() if judge else []

    def stop(self) -> None:
        """Ends the run soon; what has a verdict keeps it."""
        self.is_stopped = True
        self.machine.stop()

    def rounds(self, tasks: list[Task]) -> Iterator[Outcome]:
        """Yields exactly one outcome with a verdict for each task, fewer if stopped. Raises OSError if logs cannot be
        written."""
        boots_failed = 0
        while tasks and not self.is_stopped:
            left: list[Outcome] = []
            begin = time.monotonic()
            for outcome in self._round(tasks):
                if outcome.verdict:
                    yield outcome
                else:
                    left.append(outcome)
            came_up = bool(self._judge.hello)
            if judge := self._judge_of_a_death():
                found = list(self._find_culprit(judge))
                yield from found
                settled = {id(outcome.task) for outcome in found}
                left = [outcome for outcome in left if id(outcome.task) not in settled]
            boots_failed = boots_failed + 1 if self.machine.own_kernel and not came_up else 0
            if boots_failed and self._may_boot_again(boots_failed, begin):
                continue
            if len(left) == len(tasks) and not self.is_stopped:
                for outcome in left:
                    outcome.verdict = "broken"
                    yield outcome
                return
            again = {id(outcome.task) for outcome in left}
            tasks = [task for task in tasks if id(task) in again]

    def _judge_of_a_death(self) -> Judge | None:
        """The last round's judge, if the kernel died in it and more than one clause may have done that."""
        return self._judge if self._judge.suspects and not self.is_stopped else None

    def _find_culprit(self, judge: Judge) -> Iterator[Outcome]:
        """Runs what may have killed the kernel, each alone, until one kills it again, or hangs: two that take a CPU each
        leave none. If none does, it took those together that ran, or it was the emulator."""
        outcomes: list[Outcome] = []
        for task in judge.suspects:
            outcomes += self._alone(task)
            if self.is_stopped or (outcomes and outcomes[-1].verdict in ("panic", "timeout")):
                break
        else:
            if self.machine.is_emulated and may_be_stale_code(judge.death):
                self.notes.append(f"the emulator ran code of the kernel that had been rewritten: {judge.death[0]}")
            elif len(outcomes) == len(judge.suspects):  # or else the culprit may be one that found no kernel to run on
                _blame_together(judge, outcomes)
        yield from outcomes

    def _alone(self, task: Task) -> list[Outcome]:
        """The outcome of one task in a boot of its own, or in the first of several that comes up."""
        for failed in count(1):
            begin = time.monotonic()
            found = [outcome for outcome in self._round([task]) if outcome.verdict]
            if self._judge.hello or self.is_stopped or not self._may_boot_again(failed, begin):
                return found

    def _may_boot_again(self, failed: int, begin: float) -> bool:
        """True if the last of so many failed boots in a row, begun then, is worth another: a loaded machine may be too
        slow for one, and an emulator may run code as it was before it was rewritten, which a kernel does most as it boots."""
        may_be_emulator = self.machine.is_emulated and is_of_an_exception(self._judge.death)
        return failed < (EXCEPTION_TRIES if may_be_emulator else TRIES) and time.monotonic() < begin + QUICK_SECONDS

    def _round(self, tasks: list[Task]) -> Iterator[Outcome]:
        jobs = jobs_of(tasks, self.machine.slow, self.user, self.patience)
        nonce = os.urandom(4).hex()
        self.nonces.append(nonce)
        plan = text_of(jobs, nonce, self.parallel or self.machine.parallel, self.machine.slow, self.config,
                       self.patience)
        silence = max(job.limit for job in jobs) + SILENCE_SECONDS
        if self.patience and self.machine.own_kernel:   # an executor gives a sign of life each second then
            silence = max(self.patience, LEAST_SILENCE_SECONDS)
        self._now = judge = Judge(jobs, self.machine.own_kernel)
        decoder = Decoder(nonce)
        why = ""
        with open(self.logs / f"{self.machine.name}.log", "ab") as log:
            try:
                with closing(self.machine.start(plan, self.logs, silence)) as lines:
                    yield from filter(self._counts, self._read(lines, judge, decoder, log))
            except Flood as error:
                why = str(error)
        words = why or self.machine.last_words()
        if not judge.hello and not self.is_stopped:
            if is_of_an_exception(judge.death):
                words += f"; it began with: {judge.death[0]}"
            words = f"the target said no hello{': ' + words if words else ''}"
        elif judge.bye or self.is_stopped:
            words = ""
        if words and words not in self.faults:
            self.faults.append(words)
        yield from filter(self._counts, judge.finish(words))
        self._judge, self._now = judge, None
        self.hello = self.hello or judge.hello
        self.faults += [fault for fault in judge.faults if fault not in self.faults]
        self.notes += [note for note in judge.notes if note not in self.notes]

    def _counts(self, outcome: Outcome) -> bool:
        """What a stopped run broke off tells nothing about the machine."""
        return not self.is_stopped or outcome.verdict not in ("", "broken")

    def _read(self, lines: Iterator[bytes], judge: Judge, decoder: Decoder, log) -> Iterator[Outcome]:
        """Keeps every byte, judges every line."""
        begin = at = log.tell()
        for line in lines:
            log.write(line)
            start, at = at, at + len(line)
            if at - begin > MOST_LOG:
                self.machine.stop()
                raise Flood(f"it wrote more than {MOST_LOG >> 20} MiB")
            for event in decoder.feed(line):
                yield from judge.feed(event, time.monotonic(), (start, at))
            if judge.hello and not self.hello:
                self.hello = judge.hello
        log.flush()


def _blame_together(judge: Judge, outcomes: list[Outcome]) -> None:
    """Makes a panic of every outcome whose task ran when the kernel died."""
    tasks = judge.victims or judge.suspects
    together, names = {id(task) for task in tasks}, ", ".join(task.clause.id for task in tasks)
    for outcome in outcomes:
        if id(outcome.task) in together:
            outcome.verdict, outcome.kmsg = "panic", judge.death
            outcome.why = f"the kernel died while these ran, and no one of them kills it alone: {names}"
