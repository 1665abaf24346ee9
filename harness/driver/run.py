# SPDX-License-Identifier: GPL-2.0-only
"""One run: a session per machine in a thread of its own, records as they come, and whoever waits for a verdict."""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from harness.driver import facts, known, verdict
from harness.driver.classify import Outcome
from harness.driver.ktap import ktap
from harness.driver.plan import NOBODY, Task
from harness.driver.results import Results, ResultsError
from harness.driver.session import Session
from harness.driver.tally import Tally
from harness.driver.targets import Target


@dataclass
class Wishes:
    """What the user asked for beyond clauses and targets."""

    repeat: int = 1
    parallel: int = 0       # jobs at a time; 0: as each machine says
    user: int = 0           # uid of clauses that ask for none
    command: list[str] = field(default_factory=list)


class Run:
    """Starts sessions, keeps records, hands them to waiters. Made once per run; start() at most once."""

    def __init__(self, root: Path, results: Results, targets: list[Target], entries: list[known.Known], wishes: Wishes):
        self.root, self.results, self.targets, self.entries, self.wishes = root, results, targets, entries, wishes
        self.tallies: dict[tuple[str, str], Tally] = {}         # by (clause id, target), in the order of the run
        self.counts: dict[str, dict[str, int]] = {}             # of the eight words, by target; repetitions each count
        self.planned: dict[str, int] = {}                       # tasks per target
        self.sessions: dict[str, Session] = {}                  # by machine
        self.error: Exception | None = None                     # what ended a session's thread
        self.config = results.keep_config()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._git = facts.Git(root)
        self._clock = time.time() - time.monotonic()
        self._facts = {"started": facts.now(), "finished": "", "interrupted": False, "command": wishes.command,
                       "user": facts.user(), "repeat": wishes.repeat, "host": facts.host()}

    def start(self, tasks: list[Task]) -> None:
        """Starts every machine that has tasks; they run in the given order."""
        machines = {target.name: target.machine for target in self.targets}
        shares: dict[str, list[Task]] = {}
        for task in tasks:
            shares.setdefault(machines[task.target].name, []).append(task)
            self.planned[task.target] = self.planned.get(task.target, 0) + 1
            self.tallies[task.clause.id, task.target] = Tally()
            self.counts.setdefault(task.target, verdict.count(()))
        self.results.write_run(self._described())
        self.results.point_latest_here()
        config = self._config_for_all()
        for machine in {machine.name: machine for machine in machines.values() if machine.name in shares}.values():
            session = Session(machine, self.results.folder / "logs", self.wishes.parallel, self.wishes.user, config)
            self.sessions[machine.name] = session
            thread = threading.Thread(target=self._drive, args=(session, shares[machine.name]), daemon=True)
            self._threads.append(thread)
            thread.start()

    def wait(self, clause_id: str, target: str, seconds: float) -> Tally | None:
        """What became of a task once that is decided: all repetitions are in, two of them differ, or no more will come.
        None if that has not come to be within `seconds`."""
        tally = self.tallies[clause_id, target]

        def decided():
            return (tally.total >= self.wishes.repeat or tally.differs or self.error
                    or not any(thread.is_alive() for thread in self._threads))
        with self._changed:
            return tally if self._changed.wait_for(decided, seconds) else None

    def stop(self) -> None:
        """Ends every session; what has a verdict keeps it."""
        for session in self.sessions.values():
            session.stop()

    def finish(self, interrupted: bool) -> None:
        """Waits for the sessions and writes the reports. Raises ResultsError."""
        for thread in self._threads:
            thread.join()
        self._facts |= {"finished": facts.now(), "interrupted": interrupted}
        self.results.close()
        for name in self.planned:
            self.results.write(f"{name}.ktap", ktap([tally for (_, target), tally in self.tallies.items()
                                                     if target == name and tally.total]))
        self.results.write_run(self._described() | {"git": self._git.answer()})

    def flaky(self) -> list[tuple[str, str, Tally]]:
        """The clauses whose repetitions differ: (clause id, target, tally)."""
        return [(*key, tally) for key, tally in self.tallies.items() if tally.differs]

    def running(self, target: str) -> list[str]:
        """The ids of the clauses that run on a target now."""
        return [task.clause.id for session in self.sessions.values() for task in session.running
                if task.target == target]

    # Below here: in a session's thread.

    def _drive(self, session: Session, tasks: list[Task]) -> None:
        try:
            for repetition in range(1, self.wishes.repeat + 1):
                for outcome in session.rounds(tasks):
                    self._settle(session, outcome, repetition)
                if session.is_stopped or not session.hello:
                    break
        except (OSError, ResultsError) as error:
            self.error = error if isinstance(error, ResultsError) else ResultsError(
                f"cannot test {session.machine.name}: {error.filename or 'its log'}: {error.strerror}")
        finally:
            with self._changed:
                self._changed.notify_all()

    def _settle(self, session: Session, outcome: Outcome, repetition: int) -> None:
        clause, target, abi = outcome.task
        release = session.hello.get("release", "")
        entry = known.find(self.entries, clause.id, target, abi, release)
        record = {
            "clause": clause.id, "target": target, "abi": abi, "verdict": outcome.verdict,
            "expected": known.is_expected(outcome.verdict, entry),
            "known": entry and {"expect": entry.expect, "reason": entry.reason, "link": entry.link,
                                "file": entry.where},
            "why": outcome.why, "seen": outcome.seen, "kmsg": outcome.kmsg, "seconds": round(outcome.seconds, 6),
            "started": facts.stamp(self._clock + outcome.started) if outcome.started else "", "repeat": repetition,
            "file": clause.file, "line": clause.line, "text": clause.text, "needed_by": clause.needed_by,
            "log": {"file": session.log_file, "from": outcome.log[0], "to": outcome.log[1]},
            "command": f"./runner.py run {clause.id} {target}", "bare": self._bare(outcome.task),
        }
        self.results.add(record)
        with self._changed:
            self.tallies[clause.id, target].add(record)
            self.counts[target][outcome.verdict] += 1
            self._changed.notify_all()

    def _config_for_all(self) -> str:
        """The path of the kernel's configuration for programs of any user: a copy, where the run's folder is closed."""
        if not self.config["file"]:
            return ""
        path = (self.results.folder / self.config["file"]).resolve()
        if facts.closed_to_others(path.parent):
            import shutil
            import tempfile
            self._open_place = tempfile.TemporaryDirectory(prefix="osprim-config-")  # goes with this object
            Path(self._open_place.name).chmod(0o755)
            path = Path(shutil.copy(path, self._open_place.name))
        return str(path)

    def _bare(self, task: Task) -> str:
        """The program alone with one clause, as a shell line in the repository's root."""
        clause, words = task.clause, []
        if clause.config and self.config["file"]:
            words.append(f"OSPRIM_CONFIG={quote(str(self.results.folder / self.config['file']))}")
        uid = self.wishes.user or (NOBODY if clause.as_nobody else 0)
        if uid and self._facts["user"]["uid"] == 0:
            words.append(f"setpriv --reuid {uid} --regid {uid} --clear-groups")
        words += [clause.program, f"-t {clause.name}" if clause.tap == f"global.{clause.name}" else f"-r {clause.tap}"]
        return " ".join(words)

    def _described(self) -> dict:
        targets = []
        for target in self.targets:
            session = self.sessions.get(target.machine.name)
            targets.append({
                "name": target.name, "abi": target.abi, "machine": target.machine.name,
                "planned": self.planned.get(target.name, 0), "verdicts": dict(self.counts.get(target.name, {})),
                "hello": session.hello if session else {},
                "kernel": {"release": session.hello.get("release", "") if session else "",
                           "version": self._facts["host"]["version"] if target.kind == "host" else ""},
                "config": self.config, "slow": target.machine.slow,
                "parallel": self.wishes.parallel or target.machine.parallel, "user": self.wishes.user,
                "nonces": session.nonces if session else [], "faults": session.faults if session else [],
                "notes": session.notes if session else []})
        return self._facts | {"targets": targets}

