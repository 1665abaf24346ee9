# SPDX-License-Identifier: GPL-2.0-only
"""From events to verdicts: the table of docs/stream.md. Pure; every planned clause gets exactly one outcome."""

import re
from dataclasses import dataclass
from math import inf

from harness.driver import kernellog
from harness.driver.classify import MOST_KMSG, Outcome, Running, how_in_words
from harness.driver.plan import Job, Task
from harness.driver.stream import Event

MOST_FAULTS = 50
SUSPECTS_PER_JOB = 3 # clauses of a job by which its lines may lag when the kernel dies
JOB_LINES = 512      # what a job may write before the executor drops lines
JOB_BYTES = 128 << 10

_RUN = re.compile(r"#  RUN +(\S+) \.\.\.")
_RESULT = re.compile(r"(ok|not ok) ([0-9]{1,6}) (\S+)(?: # ?(.*))?")


@dataclass
class _JobState:
    job: Job
    state: str = "planned"      # then "open", then "closed"
    due: int = 0                # index of the task whose RUN line comes next
    current: Running | None = None
    lost: bool = False          # lines were lost: the next clause need not be the one that is due
    lines: int = 0
    bytes: int = 0
    comm: str = ""


class Judge:
    """Takes the events of one stream in order and returns outcomes as they become final."""

    def __init__(self, jobs: list[Job], own_kernel: bool = False):
        """own_kernel: the stream's end without `bye` means that the kernel under test died (a guest)."""
        self.jobs = {job.number: _JobState(job, comm=kernellog.comm_of(job.program)) for job in jobs}
        self.own_kernel = own_kernel
        self.hello: dict[str, str] = {}
        self.bye = False
        self.faults: list[str] = []     # what is wrong and concerns no single clause
        self.notes: list[str] = []      # what an executor had to mend
        self.suspects: list[Task] = []  # may have killed the kernel, the likeliest first: to be run alone
        self.victims: list[Task] = []   # those of them that ran when it died, as far as the stream tells
        self._log = kernellog.Reader()
        self._report: tuple[kernellog.Report, int] | None = None    # with how often it was opened
        self._suspects: list[tuple[str, Running]] = []  # who ran when the newest report was opened, by the kernel's name
        self._out: list[Outcome] = []
        self._now = 0.0
        self._from = self._to = 0

    def feed(self, event: Event, now: float = 0.0, log: tuple[int, int] = (0, 0)) -> list[Outcome]:
        """One event, when it came (any clock, in seconds) and which bytes of the raw log it is."""
        self._now, (self._from, self._to) = now, log
        handler = getattr(self, "_on_" + event.kind, None)
        if event.kind == "noise":
            self._on_noise(event)
        elif self.bye:
            self._fault(f"after bye: {event.kind} {event.text}")
        elif not self.hello and event.kind not in ("hello", "gap"):
            self._fault(f"before hello: {event.kind} {event.text}")
        elif handler:
            handler(event)
        out, self._out = self._out, []
        return out

    def finish(self, why: str = "") -> list[Outcome]:
        """The stream has ended; returns an outcome for every task that has none. why: what the target says about it."""
        if self.own_kernel and self.hello and not self.bye:
            self._kernel_died(why)
        for state in [state for state in self.jobs.values() if state.current]:
            run = state.current
            if run.report is None and run.verdict:
                self._undecided(run.task, why or "the stream ended before its result was certain")
                state.current = None
            elif run.report is None:
                run.taint = run.taint or why or "the target went away while it ran"
            self._close(state)
        for state in self.jobs.values():
            self._leave_rest(state, why or self._why_no_more())
        out, self._out = self._out, []
        return out

    @property
    def death(self) -> list[str]:
        """The newest report in the kernel's log: of what it died, if it did."""
        return list(self._log.last.lines) if self._log.last else []

    def running(self) -> list[Task]:
        """The tasks that run now; may be asked from another thread."""
        current = [state.current for state in self.jobs.values()]
        return [run.task for run in current if run and not run.verdict]

    # The stream's kinds.

    def _on_hello(self, event: Event) -> None:
        if self.hello:
            self._fault("a second hello")
        elif event.values["executor"] != "1":
            self._fault(f"executor={event.values['executor']} speaks a later protocol than this driver's 1")
        else:
            self.hello = event.values

    def _on_begin(self, event: Event) -> None:
        state = self.jobs.get(event.job)
        if state and state.state == "planned":
            state.state, state.lost = "open", False
        else:
            self._fault(f"begin of job {event.job}, which {'was begun before' if state else 'was not planned'}")

    def _on_line(self, event: Event) -> None:
        state = self.jobs.get(event.job)
        if state and state.state == "planned" and state.lost:
            state.state = "open"
        if not state or state.state != "open":
            self._fault(f"a line of job {event.job}, which does not run")
            return
        state.lines += 1
        state.bytes += len(event.text)
        run = _RUN.fullmatch(event.text)
        if run:
            self._begin_clause(state, run[1])
        elif event.text.startswith(("ok ", "not ok ")):
            self._take_result(state, event.text)
        elif state.current and not state.current.verdict:
            state.current.hear(event.text)

    def _on_end(self, event: Event) -> None:
        state = self.jobs.get(event.job)
        if state and state.state == "planned" and (state.lost or event.values["how"].startswith(("error=", "stopped"))):
            state.state = "open"
        if not state or state.state != "open":
            self._fault(f"end of job {event.job}, which does not run")
            return
        how, run = event.values["how"], state.current
        if run and not run.verdict:
            if how == "stopped":
                self._undecided(run.task, "the run was stopped")
                state.current = None
            elif how.startswith("limit="):
                run.verdict, run.why = "timeout", f"no result within the job's limit of {how[6:]} s"
            else:
                run.verdict, run.why = "crash", f"the program ended ({how_in_words(how)}) while the clause ran"
            run.seconds, run.log_to = self._now - run.started, self._to
        elif how.startswith("signal="):
            self._fault(f"{state.job.program} was ended by {how_in_words(how)} between clauses")
        self._close(state)
        state.state = "closed"
        self._leave_rest(state, f"could not be started: {how[6:]}" if how.startswith("error=")
                         else f"the program ended early ({how_in_words(how)})")
        if event.values["left"] != "0":
            self.notes.append(f"{state.job.program} left {event.values['left']} processes behind; they were killed")

    def _on_kmsg(self, event: Event) -> None:
        self._kernel_said(event.text)

    def _on_noise(self, event: Event) -> None:
        if self.own_kernel:
            self._kernel_said(event.text)

    def _on_restored(self, event: Event) -> None:
        state = self.jobs.get(event.job)
        if state and len(self.notes) < MOST_FAULTS:
            self.notes.append(f"{state.job.tasks[0].clause.id} left {event.text} changed; it was put back")

    def _on_error(self, event: Event) -> None:
        self._fault(event.text)

    def _on_strange(self, event: Event) -> None:
        self._fault(f"a line of the stream that this driver cannot read: {event.text}")

    def _on_gap(self, event: Event) -> None:
        self._fault("lines of the stream were lost")
        for state in self.jobs.values():
            if state.state != "closed":
                state.lost = True
                if state.current:
                    state.current.taint = "lines of the stream were lost while it ran"

    def _on_bye(self, event: Event) -> None:
        for state in self.jobs.values():
            if state.current and not state.current.verdict:
                state.current.taint = state.current.taint or "the executor said bye while it ran"
            self._close(state)
        self.bye = True

    def _kernel_died(self, why: str) -> None:
        """Blames the only clause of a plan. Of several, makes suspects: the stream lags behind the programs, so that the
        clause that killed the kernel may be one whose beginning was never heard of."""
        states = list(self.jobs.values())
        if len(states) == 1 and len(states[0].job.tasks) == 1:
            state = states[0]
            if not state.current and state.due == 0:
                state.current, state.due = Running(state.job.tasks[0], self._now, self._from), 1
            if state.current:
                state.current.report, state.current.taint = self.death, why
            return
        begun = [state for state in states if state.state == "open"] or [s for s in states if s.state == "planned"][:2]
        named = self._log.last.named if self._log.last else set()
        likely = [state for state in begun if state.comm in named] or begun
        likely.sort(key=lambda state: state.current.started if state.current else inf)  # what hangs has begun long ago
        self.victims = [state.current.task for state in likely if state.current]
        for depth in range(SUSPECTS_PER_JOB):
            for state in likely:
                at = state.due - bool(state.current) + depth
                self.suspects += state.job.tasks[at:at + 1]
        for state in begun:
            if state.current:
                self._undecided(state.current.task, (self.death or [why or "the kernel died while it ran"])[0])
                state.current = None

    # One job's clauses.

    def _begin_clause(self, state: _JobState, name: str) -> None:
        self._close(state)
        at = self._index(state, name)
        if at is None:
            self._fault(f"{state.job.program} ran {name[:100]}, which is not what was planned")
            return
        self._skip_lost(state, at)
        state.lost = False
        state.current = Running(state.job.tasks[at], self._now, self._from)
        state.due = at + 1

    def _take_result(self, state: _JobState, text: str) -> None:
        result = _RESULT.fullmatch(text)
        run = state.current
        if result and state.lost and not (run and run.task.clause.tap == result[3]):
            at = self._index(state, result[3])
            if at is not None and int(result[2]) == at + 1:
                self._close(state)
                self._skip_lost(state, at + 1)
                return
        if not result or not run or run.verdict or result[3] != run.task.clause.tap or int(result[2]) != state.due:
            self._violation(state, f"out of sequence: {text[:200]}")
            return
        state.lost = False
        run.seconds, run.log_to = self._now - run.started, self._to
        flooded = state.lines >= JOB_LINES or state.bytes >= JOB_BYTES - 2000
        run.conclude(result[1] == "ok", result[4], flooded)

    def _index(self, state: _JobState, name: str) -> int | None:
        """The place in its job of a clause that may begin now: the due one, or a later one if lines were lost."""
        tasks = state.job.tasks
        for at in range(state.due, len(tasks) if state.lost else min(state.due + 1, len(tasks))):
            if tasks[at].clause.tap == name:
                return at
        return None

    def _skip_lost(self, state: _JobState, until: int) -> None:
        for task in state.job.tasks[state.due:until]:
            self._out.append(Outcome(task, "broken", "the lines of the stream that told its result were lost"))
        state.due = max(state.due, until)

    def _violation(self, state: _JobState, what: str) -> None:
        if state.current:
            state.current.taint = what
        else:
            self._fault(f"{state.job.program}: {what}")

    def _close(self, state: _JobState) -> None:
        """Seals the clause that ran last: nothing can change its verdict from here on."""
        run, state.current = state.current, None
        if run:
            self._out.append(run.outcome())

    def _leave_rest(self, state: _JobState, why: str) -> None:
        for task in state.job.tasks[state.due:]:
            self._undecided(task, why)
        state.due = len(state.job.tasks)

    def _undecided(self, task: Task, why: str) -> None:
        self._out.append(Outcome(task, "", why))

    # The kernel's log.

    def _kernel_said(self, line: str) -> None:
        report = self._log.feed(line)
        if report is not None and (report, report.openings) != self._report:
            self._report = report, report.openings
            self._suspects = [(state.comm, state.current) for state in self.jobs.values() if state.current]
        if report is not None:
            for comm, run in self._suspects:
                if comm in report.named_since:
                    run.report = report.lines
            return
        for state in self.jobs.values():
            run = state.current
            if run and len(run.kmsg) < MOST_KMSG and kernellog.mentions(line, state.comm):
                run.kmsg.append(line)

    def _why_no_more(self) -> str:
        if not self.hello:
            return "the target said no hello"
        return "it had not begun" if self.bye else "the target went away before it began"

    def _fault(self, what: str) -> None:
        if len(self.faults) < MOST_FAULTS and what not in self.faults:
            self.faults.append(what)
