# SPDX-License-Identifier: GPL-2.0-only
"""pytest's view of clauses: one file per program, one item per clause and target."""

import pytest

from harness.driver import verdict
from harness.driver.tally import Tally

MOST_LINES = 40  # of the kernel's log in one failure
TICK = 0.1       # seconds between two looks at the progress

PLUGIN = pytest.StashKey()  # where the configuration keeps the Plugin


class Unexpected(Exception):
    """A verdict that was not expected; holds the text that explains it."""


class Broken(Unexpected):
    """The harness or the target failed: nothing is known about the clause."""


class ProgramFile(pytest.File):
    """A C file of suites/, as a collection of the clauses that are wanted of it."""

    def collect(self):
        """Clause by clause, each on every target that has it."""
        plugin = self.config.stash[PLUGIN]
        for clause, target in plugin.tasks_of(self.path):
            yield ClauseItem.from_parent(self, name=f"{clause.name}[{target.name}]", clause=clause, target=target)


class ClauseItem(pytest.Item):
    """One clause on one target. It runs nothing itself: it waits for the verdict that the stream brings."""

    def __init__(self, *, clause, target, **kwargs):
        super().__init__(**kwargs)
        self.clause, self.clause_target = clause, target
        self.tally = Tally()
        for name, value in (("clause", clause.id), ("target", target.name), ("text", clause.text)):
            self.user_properties.append((name, value))

    def setup(self):
        """Waits for the verdict. What could not be tested is an error, not a failure."""
        plugin = self.config.stash[PLUGIN]
        tally = plugin.run.wait(self.clause.id, self.clause_target.name, 0)
        while tally is None:
            plugin.flush()
            tally = plugin.run.wait(self.clause.id, self.clause_target.name, TICK)
            plugin.tell_progress()
        if plugin.run.error:
            pytest.exit(str(plugin.run.error), verdict.EXIT_UNTESTED)
        if not tally.total:
            raise Broken(f"{self.clause.id} has no verdict: the run ended before it")
        self.tally = tally
        self.user_properties.append(("verdict", tally.shown["verdict"]))
        if not tally.differs and tally.shown["verdict"] == "broken":
            raise Broken(self.explain(tally.shown))

    def runtest(self):
        """Says the verdict in pytest's words."""
        record = self.tally.shown
        word, why, known = record["verdict"], record["why"], record["known"]
        if self.tally.differs:
            raise Unexpected(f"its verdicts differ: {self.tally.told()}\n\n{self.explain(record)}")
        if word in ("skip", "absent"):
            pytest.skip(f"{word}: {why}")
        if known and record["expected"]:
            pytest.xfail(f"{word}: {known['reason']} ({known['link']})")
        if known and word == "pass":
            raise Unexpected(f"unexpected pass: {known['file']} expects {known['expect']}: {known['reason']}\n\n"
                             + self.explain(record))
        if not record["expected"]:
            raise Unexpected(self.explain(record))

    def explain(self, record: dict) -> str:
        """What a person needs to go on: the promise, what was seen, how to see it again."""
        document, _, statement = record["text"].partition(": ")
        lines = [f"{record['verdict']}: {record['why']}", "",
                 f"clause    {record['clause']}", f"promise   {statement}", f"source    {document}",
                 f"code      {record['file']}:{record['line']}",
                 *([f"needed by {record['needed_by']}"] if record["needed_by"] else []),
                 *(f"seen      {line}" for line in record["seen"]),
                 *(f"kernel    {line}" for line in record["kmsg"][:MOST_LINES]),
                 f"again     {record['command']}", f"bare      {record['bare']}"]
        return "\n".join(lines)

    @property
    def location(self):
        """What pytest makes of reportinfo(), which needs no search here."""
        return self.clause.file, self.clause.line - 1, self.name

    def reportinfo(self):
        """The clause's place in the C file; lines count from 0 here, as pytest wants."""
        return self.config.rootpath / self.clause.file, self.clause.line - 1, self.name

    def _repr_failure_py(self, excinfo, style=None):
        """Asked for errors of setup; pytest's own reads and parses sources, which thousands of broken clauses would wait for."""
        if isinstance(excinfo.value, Unexpected):
            return self.repr_failure(excinfo)
        return super()._repr_failure_py(excinfo, style)

    def repr_failure(self, excinfo, style=None):
        """Our own words without a traceback; anything else is a bug of the driver and keeps its own."""
        if isinstance(excinfo.value, Unexpected):
            return Explanation(str(excinfo.value), f"{self.clause.file}:{self.clause.line}")
        return super().repr_failure(excinfo)


def run_and_report(item: ClauseItem) -> None:
    """Runs an item and sends what pytest's other plugins listen for: its result, and its end, with which JUnit closes it.

    pytest's own protocol sends three reports and asks every plugin before each, for fixtures that no clause has: with
    thousands of clauses that is a second of the CPU, which the clauses wait for."""
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    call = pytest.CallInfo.from_call(item.setup, "setup", (pytest.exit.Exception, KeyboardInterrupt))
    if not call.excinfo:
        call = pytest.CallInfo.from_call(item.runtest, "call", (pytest.exit.Exception, KeyboardInterrupt))
    report = hook.pytest_runtest_makereport(item=item, call=call)
    hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logreport(report=pytest.TestReport(
        item.nodeid, report.location, {}, "passed", None, "teardown", user_properties=item.user_properties))
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


class Explanation:
    """A failure as pytest prints it: whole in its section, its first line in short summaries and JUnit's message."""

    def __init__(self, text: str, place: str):
        self.text = text
        self.reprcrash = Crash(text.partition("\n")[0], place)

    def __str__(self) -> str:
        return self.text

    def toterminal(self, writer) -> None:
        """The verdict in red, the rest plain."""
        first, _, rest = self.text.partition("\n")
        writer.line(first, red=True)
        writer.line(rest)


class Crash:
    """A failure in one line, as --tb=line prints it."""

    def __init__(self, message: str, place: str):
        self.message, self.place = message, place

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"
