# SPDX-License-Identifier: GPL-2.0-only
"""One clause while it runs: what it printed, and which verdict its result line means."""

import re
import signal
from dataclasses import dataclass, field

from harness.driver.plan import Task

MOST_SEEN = 20       # lines of output kept for a clause
MOST_KMSG = 80       # lines of the kernel's log kept for a clause

_ENDS = re.compile(r"# +(?:OK|FAIL)  \S+")
_ASSERTION = re.compile(r"# (\S+:[0-9]+):(\w+):(.*)")
_SIGNALLED = re.compile(r"Test terminated unexpectedly by signal ([0-9]{1,3})")
_HARNESS_FAILED = ("ERROR SPAWNING TEST CHILD", "unable to install SIGALRM", "unable to uninstall SIGALRM",
                   "Failed to wait for PID")


@dataclass
class Outcome:
    """What became of one task. verdict "" means that it had not begun, or cannot be told: plan it again."""

    task: Task
    verdict: str
    why: str = ""
    seen: list[str] = field(default_factory=list)   # the clause's own words, assertions first of all
    kmsg: list[str] = field(default_factory=list)
    seconds: float = 0.0
    started: float = 0.0                            # as the caller's clock says
    log: tuple[int, int] = (0, 0)                   # bytes of the raw log


@dataclass
class Running:
    """A clause whose RUN line was seen. Its verdict stays open until the next line of its job seals it."""

    task: Task
    started: float
    log_from: int
    log_to: int = 0
    seconds: float = 0.0
    verdict: str = ""
    why: str = ""
    taint: str = ""                                 # makes it broken, whatever its result
    report: list[str] | None = None                 # of the kernel: makes it a panic, whatever its result
    kmsg: list[str] = field(default_factory=list)
    asserted: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)   # the harness's remarks on it
    other: list[str] = field(default_factory=list)

    def hear(self, text: str) -> None:
        """Keeps a line that the clause or the harness printed, within bounds."""
        test = self.task.clause.tap.rsplit(".", 1)[-1]
        assertion = _ASSERTION.fullmatch(text)
        if assertion and assertion[2] == test:
            _keep(self.asserted, f"{assertion[1]}: {assertion[3]}")
        elif text.startswith(f"# {test}: ") or text == "# ERROR SPAWNING TEST CHILD":
            _keep(self.said, text[2:].removeprefix(test + ": "))
        elif text and not _ENDS.fullmatch(text):
            _keep(self.other, text)

    def conclude(self, ok: bool, directive: str | None, flooded: bool) -> None:
        """Takes a sound result line. flooded: the executor may have dropped lines of it."""
        if ok and directive is None:
            self.verdict = "pass"
        elif ok:
            word, _, why = directive.partition(" ")
            absent = why.startswith("absent: ")
            self.verdict = ("absent" if absent else "skip") if word == "SKIP" else "broken"
            self.why = why.removeprefix("absent: ") if word == "SKIP" else f"the harness answers {directive[:200]}"
        else:
            self.verdict, self.why = self._failure(flooded)

    def outcome(self) -> Outcome:
        """The final word on it."""
        verdict, why, kmsg = self.verdict, self.why, self.kmsg
        if self.report is not None:
            verdict, kmsg = "panic", list(self.report)
            why = kmsg[0] if kmsg else self.taint or "the kernel died without a word"
        elif self.taint or not verdict:
            verdict, why = "broken", self.taint or "it ended without a result"
        said = [] if self.asserted and verdict == "fail" else self.said
        return Outcome(self.task, verdict, why, (self.asserted + said + self.other)[:MOST_SEEN], kmsg[:MOST_KMSG],
                       max(self.seconds, 0.0), self.started, (self.log_from, max(self.log_to, self.log_from)))

    def _failure(self, flooded: bool) -> tuple[str, str]:
        remarks = " / ".join(self.said)
        if any(cannot in remarks for cannot in _HARNESS_FAILED):
            return "broken", f"the harness could not run it: {remarks[:200]}"
        if "Test terminated by timeout" in self.said:
            limit = self.task.clause.timeout
            return "timeout", f"did not end within its limit ({limit} s on a machine of ordinary speed)"
        signalled = _SIGNALLED.search(remarks)
        if signalled:
            return "crash", f"ended by {how_in_words('signal=' + signalled[1])}"
        if self.asserted:
            return "fail", self.asserted[0]
        if "Test terminated by assertion" in self.said:
            return "crash", "ended by SIGABRT without an assertion"
        if flooded:
            return "fail", "its reason was dropped: it wrote more than a job may"
        return "fail", self.said[0] if self.said else "the harness gives no reason"


def how_in_words(how: str) -> str:
    """"signal=9" as "signal 9, SIGKILL"; the rest with a space."""
    name, _, value = how.partition("=")
    if name == "signal":
        try:
            return f"signal {value}, {signal.Signals(int(value)).name}"
        except ValueError:
            pass
    return f"{name} {value}".strip()


def _keep(lines: list[str], line: str) -> None:
    if len(lines) < MOST_SEEN:
        lines.append(line)
