# SPDX-License-Identifier: GPL-2.0-only
"""`runner.py lies`: runs clauses on a kernel that lies to them, and tells which of them noticed."""

import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from harness.driver.catalogue import Clause
from harness.driver.classify import Outcome
from harness.driver.lies import NOTICED, Lie
from harness.driver.plan import Task
from harness.driver.session import Session
from harness.driver.targets.host import Host

PATIENCE_SECONDS = 3  # a clause that waits for what never comes is stopped so soon
TRUTH = Lie("truth", "nothing", (), (), "")

_TOLD = re.compile(r"lie (\S+) matched=([0-9]+) told=([0-9]+) failed=([0-9]+)|lie (\S+) told=unseen")


class LyingHost(Host):
    """This machine's executor under the liar, which lies to the programs and spares the executor."""

    def __init__(self, root: Path, liar: Path, executor: Path, lie: Lie, logs: Path, abi: str):
        """logs: an own folder; the lies are written there for the liar, and kept."""
        super().__init__(root, executor)
        self.name = lie.id
        lies_file, self.log = logs / f"{lie.id}.{abi}.lies", logs / f"{lie.id}.{abi}.told"
        lies_file.write_text(lie.text() if lie.tell else "")
        engine = [f"--{lie.engine}"] if lie.engine else []
        self.command = [liar, *engine, "--lies", lies_file, "--log", self.log, "--launcher", "executor", "--", executor]

    def told(self) -> int:
        """How often the lie was told; -1 if nobody can see it."""
        try:
            found = _TOLD.findall(self.log.read_text())
        except OSError:
            return 0
        return -1 if any(unseen for *_, unseen in found) else sum(int(told) for _, _, told, _, _ in found)


@dataclass
class Trial:
    """One lie on one ABI, and what became of each clause that it was told to."""

    lie: Lie
    abi: str
    outcomes: dict[str, Outcome] = field(default_factory=dict)  # by clause id
    told: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    def noticed_by(self) -> list[str]:
        """The ids of the clauses that noticed."""
        return [clause_id for clause_id, outcome in self.outcomes.items() if outcome.verdict in NOTICED]

    def unnoticed(self) -> list[Outcome]:
        """The outcomes of clauses that must have noticed, and did not."""
        return [outcome for clause_id, outcome in self.outcomes.items()
                if self.lie.must_notice(clause_id) and outcome.verdict not in NOTICED]


@dataclass
class Trials:
    """Runs trials side by side. stop() may come from another thread; what was begun is broken off."""

    root: Path
    liar: Path
    executor: Path
    logs: Path
    config: str
    at_a_time: int = 0                     # 0: eight a CPU, for most of the time somebody waits
    is_stopped: bool = False
    _sessions: list = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, plan: list[tuple[Lie, str, list[Clause]]], finished) -> list[Trial]:
        """Tells each lie to its clauses on its ABI; calls finished(trial) in the caller's thread as each one ends."""
        from concurrent.futures import as_completed
        trials = []
        workers = self.at_a_time or 8 * len(os.sched_getaffinity(0))
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(self.one, *row) for row in plan]
            try:
                for future in as_completed(futures):
                    trials.append(future.result())
                    finished(trials[-1])
            except BaseException:
                self.stop()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return trials

    def one(self, lie: Lie, abi: str, clauses: list[Clause], patience: int = PATIENCE_SECONDS) -> Trial:
        """Tells one lie to clauses. Raises OSError if logs cannot be written."""
        trial, started = Trial(lie, abi), time.monotonic()
        folder = self.logs / f"{lie.id}.{abi}"
        folder.mkdir(parents=True, exist_ok=True)
        machine = LyingHost(self.root, self.liar, self.executor, lie, folder, abi)
        session = Session(machine, folder, config=self.config, patience=patience)
        with self._lock:
            self._sessions.append(session)
        if not self.is_stopped:
            for outcome in session.rounds([Task(clause, f"lie-{abi}", abi) for clause in clauses]):
                trial.outcomes[outcome.task.clause.id] = outcome
        with self._lock:
            self._sessions.remove(session)
        trial.told, trial.faults, trial.seconds = machine.told(), session.faults, time.monotonic() - started
        return trial

    def stop(self) -> None:
        """Ends every session soon."""
        self.is_stopped = True
        with self._lock:
            for session in self._sessions:
                session.stop()
