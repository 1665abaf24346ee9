# SPDX-License-Identifier: GPL-2.0-only
"""One run: a session per machine in a thread of its own, records as they come, and whoever waits for a verdict."""

import os
import threading
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from harness.driver import cpu, facts, known, resume, verdict
from harness.driver.classify import Outcome
from harness.driver.ktap import ktap
from harness.driver.plan import NOBODY, Task
from harness.driver.results import Results, ResultsError
from harness.driver.session import Session
from harness.driver.tally import Tally
from harness.driver.targets import Target, file_name


@dataclass
class Wishes:
    """What the user asked for beyond clauses and targets."""

    repeat: int = 1
    until_fail: bool = False  # a clause that failed is not repeated
    per_boot: int = 1       # repetitions in one start of a machine
    parallel: int = 0       # jobs at a time; 0: as each machine says
    user: int = 0           # uid of clauses that ask for none
    patience: int = 0       # the longest limit of a clause in seconds; 0: its own
    vms: int = 0            # virtual machines at a time; 0: as many as CPUs
    again: str = ""         # options that a command which repeats a clause needs, each after a space
    shard: str = ""         # "2/5": which part of a run this is
    command: list[str] = field(default_factory=list)
    earlier: dict = field(default_factory=dict)                 # run.json of the run that this one goes on with
    records: list[dict] = field(default_factory=list)           # its records


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
        self._slots = threading.Semaphore(wishes.vms or len(os.sched_getaffinity(0)))
        self._machines = {target.name: target.machine for target in targets}
        self._known: dict[tuple[str, str], list[known.Known]] = {}  # the entries of a target, by its name and release
        self._git = facts.Git(root)
        self._clock = time.time() - time.monotonic()
        self._facts = {"started": facts.now(), "finished": "", "interrupted": False, "command": wishes.command, "shard": wishes.shard,
                       "user": facts.user(), "repeat": 1 if wishes.until_fail else wishes.repeat, "host": facts.host()}
        if wishes.until_fail:
            self._facts["until_fail"] = wishes.repeat
        if wishes.earlier:
            self._facts |= {"started": wishes.earlier["started"], "command": wishes.earlier["command"],
                            "resumed": [*wishes.earlier.get("resumed", []), facts.now()]}

    def start(self, tasks: list[Task]) -> None:
        """Starts every machine that has tasks; they run in the given order."""
        machines = self._machines
        shares: dict[str, list[Task]] = {}
        had = Counter((record["clause"], record["target"]) for record in self.wishes.records)
        for task in tasks:
            if had[task.clause.id, task.target] < self.wishes.repeat:
                shares.setdefault(machines[task.target].name, []).append(task)
            self.planned[task.target] = self.planned.get(task.target, 0) + 1
            self.tallies[task.clause.id, task.target] = Tally()
            self.counts.setdefault(task.target, verdict.count(()))
        self._had = had
        for record in self.wishes.records:
            if tally := self.tallies.get((record["clause"], record["target"])):
                tally.add(record)
                self.counts[record["target"]][record["verdict"]] += 1
        self._kinds = {target.name: target.kind for target in self.targets}
        needs_cpu = any(entry.cpu for entry in self.entries)
        of_machines = {machine.name: machine.described() for machine in machines.values() if machine.own_kernel}  # hashes images
        described = {target.name: of_machines.get(target.machine.name, {}) for target in self.targets}
        self._cpus = {target.name: cpu.words_of(described[target.name], target.machine.own_kernel) if needs_cpu else ()
                      for target in self.targets}
        # A package's version says more than `uname -r`: 6.1.176-1 calls itself 6.1.0-50-amd64.
        self._versions = {name: words.get("kernel", {}).get("version", "") for name, words in described.items()}
        self._again = {target.name: self.wishes.again if target.machine.own_kernel else "" for target in self.targets}
        self.results.write_run(self._described())
        self.results.point_latest_here()
        config = self._config_for_all()
        for machine in {machine.name: machine for machine in machines.values() if machine.name in shares}.values():
            session = Session(machine, self.results.folder / "logs", self.wishes.parallel, self.wishes.user,
                              config if machine.config is None else machine.config, self.wishes.patience)
            self.sessions[machine.name] = session
            thread = threading.Thread(target=self._drive, args=(session, shares[machine.name]), daemon=True)
            self._threads.append(thread)
            thread.start()

    def wait(self, clause_id: str, target: str, seconds: float) -> Tally | None:
        """What became of a task once that is decided: all repetitions are in, two of them differ, or no more will come.
        None if that has not come to be within `seconds`."""
        tally = self.tallies[clause_id, target]

        def decided():
            return (tally.total >= self.wishes.repeat or tally.differs or self._is_enough(tally) or self.error
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
            self.results.write(f"{file_name(name)}.ktap", ktap([tally for (_, target), tally in self.tallies.items()
                                                     if target == name and tally.total]))
        self.results.write_run(self._described() | {"git": self._git.answer()})

    def leave_empty(self) -> None:
        """Writes what there is to say of a part without clauses. Raises ResultsError."""
        self._facts["finished"] = facts.now()
        self.results.close()
        self.results.write_run(self._described() | {"git": self._git.answer()})
        self.results.point_latest_here()

    def by_target(self) -> dict[str, dict[str, Tally]]:
        """The tallies by target, then by clause."""
        found: dict[str, dict[str, Tally]] = {}
        for (clause_id, target), tally in self.tallies.items():
            found.setdefault(target, {})[clause_id] = tally
        return found

    def unexpected(self) -> int:
        """How many clauses have verdicts that are not as expected."""
        return sum(tally.differs or not tally.shown["expected"] for tally in self.tallies.values() if tally.total)

    def flaky(self) -> list[tuple[str, str, Tally]]:
        """The clauses whose repetitions differ: (clause id, target, tally)."""
        return [(*key, tally) for key, tally in self.tallies.items() if tally.differs]

    def describe(self, target: str) -> dict:
        """What run.json says of a target's kernel."""
        return next(row["kernel"] for row in self._described()["targets"] if row["name"] == target)

    def missing(self, target: str) -> int:
        """How many verdicts of a target were wanted and are not there."""
        if self.wishes.until_fail:
            return sum(not tally.total for (_, name), tally in self.tallies.items() if name == target)
        return self.planned[target] * self.wishes.repeat - sum(self.counts[target].values())

    def running(self, target: str) -> list[str]:
        """The ids of the clauses that run on a target now."""
        return [task.clause.id for session in self.sessions.values() for task in session.running()
                if task.target == target]

    def booting(self, target: str) -> float:
        """For how many seconds a target's machine has been booting; 0 if it is not."""
        since = getattr(self._machines[target], "booting_since", 0.0)
        return time.monotonic() - since if since else 0.0

    # Below here: in a session's thread.

    def _drive(self, session: Session, tasks: list[Task]) -> None:
        try:
            with self._slots if session.machine.own_kernel else nullcontext():
                self._repeat(session, tasks)
        except (OSError, ResultsError) as error:
            self.error = error if isinstance(error, ResultsError) else ResultsError(
                f"cannot test {session.machine.name}: {error.filename or 'its log'}: {error.strerror}")
        finally:
            with self._changed:
                self._changed.notify_all()

    def _repeat(self, session: Session, tasks: list[Task]) -> None:
        session.began = time.monotonic()
        for first in range(1, self.wishes.repeat + 1, self.wishes.per_boot):
            due = self._due(tasks, first)
            numbers = {id(task): number for task, number in due}
            for outcome in session.rounds([task for task, _ in due]):
                self._settle(session, outcome, numbers[id(outcome.task)])
                if all(self._is_enough(self.tallies[task.clause.id, task.target]) for task in tasks):
                    session.stop()
            if session.is_stopped or (session.nonces and not session.hello):
                break
        session.ended = time.monotonic()

    def _due(self, tasks: list[Task], first: int) -> list[tuple[Task, int]]:
        """What one start of a machine has to do: (a task of its own, which repetition it is), repetitions from `first` on."""
        last = min(first + self.wishes.per_boot - 1, self.wishes.repeat)
        return [(Task(*task), number) for number in range(first, last + 1) for task in tasks
                if self._had[task.clause.id, task.target] < number
                and not self._is_enough(self.tallies[task.clause.id, task.target])]

    def _is_enough(self, tally: Tally) -> bool:
        """True if a clause has failed and is to run only until then."""
        return self.wishes.until_fail and bool(tally.total) and not tally.shown["expected"]

    def _settle(self, session: Session, outcome: Outcome, repetition: int) -> None:
        clause, target, abi = outcome.task
        release = self._versions[target] or session.hello.get("release", "")
        if (target, release) not in self._known:
            self._known[target, release] = known.of_target(self.entries, target, abi, release, self._kinds[target], self._cpus[target])
        entry = known.find(self._known[target, release], clause.id)
        record = {
            "clause": clause.id, "target": target, "abi": abi, "verdict": outcome.verdict,
            "expected": known.is_expected(outcome.verdict, entry),
            "known": entry and {"expect": entry.expect, "reason": entry.reason, "link": entry.link,
                                "file": entry.where, "entry": entry.number},
            "why": outcome.why, "seen": outcome.seen, "kmsg": outcome.kmsg, "seconds": round(outcome.seconds, 6),
            "started": facts.stamp(self._clock + outcome.started) if outcome.started else "", "repeat": repetition,
            "file": clause.file, "line": clause.line, "text": clause.text, "needed_by": clause.needed_by,
            "log": {"file": session.log_file, "from": outcome.log[0], "to": outcome.log[1]},
            "command": f"./runner.py run {clause.id} {quote(target)}{self._again[target]}", "bare": self._bare(outcome.task),
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
        clause, target, words = task.clause, task.target, []
        own_kernel = self._machines[target].own_kernel
        if clause.config and own_kernel:
            words.append(f"OSPRIM_CONFIG={self._machines[target].config}")
        elif clause.config and self.config["file"]:
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
            own = target.machine.described()
            targets.append({
                "name": target.name, "abi": target.abi, "machine": target.machine.name,
                "planned": self.planned.get(target.name, 0), "verdicts": dict(self.counts.get(target.name, {})),
                "hello": session.hello if session else {},
                "kernel": {"release": session.hello.get("release", "") if session else "",
                           "version": self._facts["host"]["version"] if target.kind == "host" else ""}
                | own.pop("kernel", {}),
                "config": self.config, "slow": target.machine.slow,
                "parallel": self.wishes.parallel or target.machine.parallel, "user": self.wishes.user,
                "nonces": session.nonces if session else [], "faults": session.faults if session else [],
                "notes": session.notes if session else [], **own})
        return self._facts | {"targets": resume.joined(targets, self.wishes.earlier) if self.wishes.earlier else targets}

