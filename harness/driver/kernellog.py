# SPDX-License-Identifier: GPL-2.0-only
"""Reports in the kernel's log (WARNING, BUG, Oops, stall) and the tasks that they name."""

import re

LONGEST_REPORT = 80  # lines kept of one report

# What opens a report. Messages about user space ("traps: x[12] general protection fault") are none.
_OPENS = re.compile(
    r"\bWARNING: |\bBUG: |\bkernel BUG at |\bOops\b|\[#[0-9]+\]|\bKernel panic - not syncing|\bInternal error: "
    r"|\bUnable to handle kernel |\bUBSAN: |\bINFO: task \S+ blocked |\bINFO: possible recursive locking"
    r"|\bINFO: inconsistent lock state|\bdetected (?:expedited )?stalls? |\bself-detected stall "
    r"|\bsoft lockup |\bhard LOCKUP ")
# What a kernel dies of after an Oops is that Oops, though its report has been closed.
_GOES_ON = re.compile(r"\bKernel panic - not syncing: Fatal exception")
_CLOSES = re.compile(r"---\[ end (?:trace|Kernel panic)")

# "Comm: NAME" (dump_stack), "NAME/PID" (WARNING since 6.19, lockdep), "NAME:PID" (hung task, soft lockup, stall).
_COMM = re.compile(r"\bComm: (\S{1,20})")
_NAME_AND_PID = re.compile(r"(?<![\w./-])([\w.+-]{1,15})[/:][1-9][0-9]{0,6}(?![\w./])")

# A breakpoint that nobody knows of: one of those by which the kernel rewrites code that runs (text_poke_bp of x86).
_STRAY_BREAKPOINT = re.compile(r"\bint3: 0000 \[#")


def may_be_stale_code(report: list[str]) -> bool:
    """True if the kernel may have died of an emulated CPU that went on with code as it was before it was rewritten: QEMU
    before 8.1 does where one CPU translates a page while another writes to it."""
    return any(_STRAY_BREAKPOINT.search(line) for line in report)


def is_of_an_exception(report: list[str]) -> bool:
    """True if the kernel died of an exception in its own code, not by a panic that it chose."""
    return any(_GOES_ON.search(line) for line in report)


def comm_of(program: str) -> str:
    """The name under which the kernel knows a program's tasks."""
    return program.rsplit("/", 1)[-1][:15]


def names_in(line: str) -> set[str]:
    """The tasks that a line of a report may name."""
    return set(_COMM.findall(line)) | set(_NAME_AND_PID.findall(line))


def mentions(line: str, comm: str) -> bool:
    """True if a line outside a report speaks of a task, as in "wait[123]: segfault at 0"."""
    return re.search(rf"(?<![\w./-]){re.escape(comm)}[\[/:][0-9]", line) is not None or comm in _COMM.findall(line)


class Report:
    """One report, which grows as its lines come."""

    def __init__(self):
        self.lines: list[str] = []
        self.named: set[str] = set()  # the tasks it names so far
        self.openings = 0             # lines that open a report, of which another may begin in the midst of this one
        self.named_since: set[str] = set()  # the tasks it names since the last of those


class Reader:
    """Follows the kernel's log line by line and groups it into reports."""

    def __init__(self):
        self.last: Report | None = None   # the newest report, ended or not
        self._is_open = False

    def feed(self, line: str) -> Report | None:
        """Takes a line; returns the report that it belongs to, or None."""
        opens = _OPENS.search(line)
        goes_on = self.last and _GOES_ON.search(line)
        if goes_on:
            self._is_open = True
        elif opens and not self._is_open:
            self.last, self._is_open = Report(), True
        if not self._is_open:
            return None
        report = self.last
        if opens and not goes_on:
            report.openings, report.named_since = report.openings + 1, set()
        report.lines.append(line)
        report.named_since |= names_in(line)
        report.named |= report.named_since
        self._is_open = len(report.lines) < LONGEST_REPORT and not _CLOSES.search(line)
        return report
