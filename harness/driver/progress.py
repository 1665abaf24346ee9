# SPDX-License-Identifier: GPL-2.0-only
"""On a terminal: one live line per target with its counts, what runs and the time left. Elsewhere: a line at each tenth."""

import os
import time

from harness.driver import verdict

INTERVAL = 0.1  # seconds between two drawings
LONG = 10.0     # seconds that a tenth must take to be told: what is over soon tells no progress


class Progress:
    """Draws on a copy of standard output, for pytest redirects the other while items run."""

    def __init__(self):
        self._fd = os.dup(1) if os.isatty(1) and os.environ.get("TERM", "dumb") != "dumb" else -1
        self._lines = 0
        self._due = 0.0
        self._began = self._told_at = time.monotonic()
        self._tenths = 0
        self.is_live = False

    def begin(self, verbosity: int) -> bool:
        """Takes the terminal if there is one and nobody asked for a line per clause; says whether it did."""
        self._began = self._told_at = time.monotonic()
        self.is_live = self._fd >= 0 and verbosity == 0
        return self.is_live

    def draw(self, run) -> None:
        """Brings the lines up to date, at most ten times a second."""
        if not self.is_live or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + INTERVAL
        width = _width(self._fd)
        lines = [line[:width - 1] for line in lines_of(run)]
        self._write(self._home() + "".join(f"\x1b[2K{line}\n" for line in lines))
        self._lines = len(lines)

    def tenth(self, run) -> str:
        """"60 %: 1200 of 2000 verdicts, 3 not as expected, 2:10 left", once a tenth is over that took its time; else ""."""
        if self._fd >= 0:
            return ""
        done, planned = sum(sum(counts.values()) for counts in run.counts.values()), sum(run.planned.values()) * run.wishes.repeat
        tenths, now = 10 * done // max(1, planned), time.monotonic()
        if tenths <= self._tenths or now < self._told_at + LONG or done >= planned:
            return ""
        self._tenths, self._told_at = tenths, now
        bad = run.unexpected()
        return (f"{10 * tenths} %: {done} of {planned} verdicts{f', {bad} not as expected' if bad else ''}"
                f"{left(now - self._began, done, planned)}")

    def clear(self) -> None:
        """Removes the lines; what pytest prints next stands in their place."""
        if self.is_live:
            self._write(self._home() + "\x1b[J")
            self._lines = 0
            self.is_live = False

    def _home(self) -> str:
        return f"\x1b[{self._lines}A\r" if self._lines else "\r"

    def _write(self, text: str) -> None:
        try:
            os.write(self._fd, text.encode("ascii", "replace"))
        except OSError:
            self.is_live = False  # the terminal is gone


def lines_of(run) -> list[str]:
    """A line for each target that runs, and one for those that do not yet or no more."""
    planned = [target for target in run.targets if target.name in run.planned]
    states = {target.name: run.sessions[target.machine.name] for target in planned if target.machine.name in run.sessions}
    active = [name for name, session in states.items() if session.began and not session.ended]
    done = sum(bool(session.ended) for session in states.values())
    waiting = len(planned) - done - len(active)
    aside = [f"{done} targets done, {waiting} waiting"] if waiting or (done and len(planned) > 1) else []
    return [line_of(run, name, run.booting(name), states[name].began) for name in active] + aside


def line_of(run, target: str, booting: float = 0.0, began: float = 0.0) -> str:
    """"host-i386  212/640  209 pass  2 absent  1 skip   futex/wait/wake_ends_a_wait"."""
    counts = run.counts[target]
    told = "  ".join(f"{counts[word]} {word}" for word in verdict.WORDS if counts[word])
    done, planned = sum(counts.values()), run.planned[target] * run.wishes.repeat
    now = f"booting {booting:.0f} s" if booting else " ".join(run.running(target))
    took = time.monotonic() - began if began else 0.0
    return f"{target}  {done}/{planned}{left(took, done, planned)}  {told}   {now}"


def left(took: float, done: int, planned: int) -> str:
    """", 2:10 left" from what has been done so far; "" while that tells nothing."""
    if took < LONG / 2 or 20 * done < planned or done >= planned:
        return ""
    seconds = round(took * (planned - done) / done)
    return f", {seconds // 60}:{seconds % 60:02d} left"


def _width(fd: int) -> int:
    try:
        return os.get_terminal_size(fd).columns or 80
    except OSError:
        return 80
