# SPDX-License-Identifier: GPL-2.0-only
"""One step of a bisection: clauses on one target, kept as a run, without pytest. And the state that steps are kept in."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness.driver.bisect_search import GOOD, answer_of, of_all
from harness.driver.catalogue import Clause
from harness.driver.plan import Task
from harness.driver.results import Results, ResultsError
from harness.driver.run import Run, Wishes
from harness.driver.targets import Target

STATE_VERSION = 1
PER_BOOT = 100          # repetitions in one boot
TICK = 0.2
UNFETCHED = "its kernel cannot be fetched"  # a reason that another day may have less of


@dataclass
class Step:
    """What one target said of clauses."""

    at: str                                                             # the version or the commit
    purpose: str                                                        # "bad end", "measure 2", "step" ...
    counts: dict[str, dict[str, int]] = field(default_factory=dict)     # by clause, then by verdict; those above 0
    whys: dict[str, str] = field(default_factory=dict)                  # by clause, of the first that is no pass
    log: dict[str, list[str]] = field(default_factory=dict)             # by clause: what it and the kernel said
    lacks: str = ""                                                     # why there is no kernel to ask
    kernel: dict = field(default_factory=dict)                          # of run.json
    repeat: int = 1                                                     # times that each clause was to run
    seconds: float = 0.0
    run: str = ""                                                       # the run's name, below the bisection's folder

    def answers(self) -> dict[str, str]:
        """What it says of each clause."""
        return {clause: answer_of(counts) for clause, counts in self.counts.items()}

    def answer(self) -> str:
        """What it says of all of them together."""
        return of_all(list(self.answers().values()))

    def told(self) -> str:
        """"fail", "4 pass", "36 pass, 4 fail", or why it cannot tell."""
        if self.lacks:
            return f"cannot tell: {self.lacks}"
        words: dict[str, int] = {}
        for counts in self.counts.values():
            for word, count in counts.items():
                words[word] = words.get(word, 0) + count
        told = ", ".join(f"{count} {word}" if sum(words.values()) > 1 else word for word, count in words.items())
        why = next(iter(self.whys.values()), "")
        return told + (f": {why}" if why and self.answer() != GOOD else "")


class State:
    """A bisection's folder, results/bisect-<stamp>/: state.json and the runs of its steps."""

    def __init__(self, folder: Path, data: dict):
        self.folder, self.data = folder, data
        self.steps = [Step(**row) for row in data.get("steps", [])]

    @classmethod
    def new(cls, base: Path, data: dict) -> "State":
        """Makes a folder of its own below base. Raises ResultsError."""
        stamp = time.strftime("bisect-%Y%m%d-%H%M%S", time.gmtime())
        try:
            for name in (stamp, *(f"{stamp}-{again}" for again in range(2, 100))):
                folder = base / name
                base.mkdir(parents=True, exist_ok=True)
                try:
                    folder.mkdir()
                except FileExistsError:
                    continue
                state = cls(folder, {"version": STATE_VERSION} | data)
                state.save()
                return state
        except OSError as error:
            raise ResultsError(f"cannot write {base}: {error.strerror}") from None
        raise ResultsError(f"{base} holds a hundred bisections of this second")

    @classmethod
    def read(cls, folder: Path) -> "State":
        """A bisection that was stopped. Raises ValueError, OSError, TypeError, KeyError if the folder holds none."""
        data = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        if data["version"] != STATE_VERSION:
            raise ValueError(f"its state has version {data['version']}, not {STATE_VERSION}")
        return cls(folder, data)

    def lock(self) -> None:
        """Keeps others from going on with it beside us, until this process ends. Raises ResultsError."""
        import fcntl
        self._lock = open(self.folder / "lock", "w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ResultsError(f"{self.folder} is being bisected by another runner.py") from None

    def save(self) -> None:
        """Writes state.json, whole. Raises ResultsError."""
        self.data["steps"] = [asdict(step) for step in self.steps]
        scratch = self.folder / ".state.json.part"
        try:
            scratch.write_text(json.dumps(self.data, indent=2) + "\n", encoding="utf-8")
            scratch.replace(self.folder / "state.json")
        except OSError as error:
            raise ResultsError(f"cannot write {self.folder}/state.json: {error.strerror}") from None

    def kept(self, at: str, purpose: str, clauses: list[str]) -> Step | None:
        """The step that was taken before the bisection was stopped, if it asked for these clauses."""
        return next((step for step in self.steps if step.at == at and step.purpose == purpose
                     and not step.lacks.startswith(UNFETCHED) and (step.lacks or set(clauses) <= step.counts.keys())), None)

    def add(self, step: Step) -> None:
        """Keeps a step. Raises ResultsError."""
        self.steps.append(step)
        self.save()


def check(root: Path, base: Path, make_target: Callable[[], Target], clauses: list[Clause], at: str, purpose: str,
          repeat: int = 1, until_fail: bool = False, command: list[str] | None = None, again: str = "") -> Step:
    """Runs clauses on a target and keeps that as a run below base. A target that lacks something is a step that says so.

    make_target: builds, fetches and names it; called once. Raises ResultsError; KeyboardInterrupt when all has ended."""
    begin = time.monotonic()
    target = make_target()
    step = Step(at, purpose, repeat=repeat, lacks=target.lacks)
    if not target.lacks:
        results = Results(base)
        alone = repeat > 1  # repetitions of a clause beside each other would be another test
        wishes = Wishes(repeat, until_fail, PER_BOOT if target.machine.own_kernel else 1, parallel=int(alone), again=again,
                        command=command or [])
        run = Run(root, results, [target], [], wishes)
        _run(run, [Task(clause, target.name, target.abi) for clause in clauses])
        step.run = results.name
        _fill(step, run, target.name)
    step.seconds = round(time.monotonic() - begin, 1)
    return step


def _run(run: Run, tasks: list[Task]) -> None:
    is_interrupted = False
    try:
        run.start(tasks)
        for task in tasks:
            while run.wait(task.clause.id, task.target, TICK) is None:
                pass
    except KeyboardInterrupt:
        is_interrupted = True
        run.stop()
        raise
    finally:
        run.finish(is_interrupted)
    if run.error:
        raise run.error


def _fill(step: Step, run: Run, target: str) -> None:
    for (clause, _), tally in run.tallies.items():
        step.counts[clause] = {word: count for word, count in tally.counts.items() if count}
        if tally.shown and tally.shown["verdict"] != "pass":
            step.whys[clause] = tally.shown["why"]
            step.log[clause] = [*tally.shown["seen"], *tally.shown["kmsg"]][:40]
    step.kernel = run.describe(target)
    faults = [fault for session in run.sessions.values() for fault in session.faults]
    if step.answer() != GOOD and all(set(counts) <= {"broken"} for counts in step.counts.values()):
        step.lacks = faults[0] if faults else next(iter(step.whys.values()), "it gave no verdict")
