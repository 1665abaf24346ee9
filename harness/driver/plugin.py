# SPDX-License-Identifier: GPL-2.0-only
"""The pytest plugin: options, collection, the run behind the items, the header and the summary."""

import gc
from contextlib import nullcontext
from pathlib import Path

import pytest

from harness.driver import facts, known, resume, runs, shard, summary, verdict, vmoptions
from harness.driver.items import PLUGIN, Broken, ClauseItem, ProgramFile, run_and_report
from harness.driver.nearest import UsageError, did_you_mean
from harness.driver.plan import Task
from harness.driver.progress import Progress
from harness.driver.results import Results, ResultsError, read_records
from harness.driver.run import Run, Wishes
from harness.driver.selection import Selection, select
from harness.driver.targets import Target, find_all, is_address

UNTIL_FAIL_REPEATS = 1000  # what --until-fail ends with where nothing fails
GC_THRESHOLD = 100_000     # objects between two collections; what a run keeps, it keeps to its end


class Plugin:
    """One per call of pytest. runner.py passes the object itself; nothing of it is found by name."""

    def __init__(self, root: Path, results: Path, command: list[str]):
        """root: the repository; results: where runs are kept; command: the command line, for the record."""
        self.root, self.base, self.command = root, results, command
        self.progress = Progress()
        self.selection: Selection | None = None
        self.results: Results | None = None
        self.run: Run | None = None
        self.options: list[str] = []
        self.shard = shard.Shard()
        self._by_source: dict[Path, list] = {}
        self._told_broken: set[tuple[str, str]] = set()
        self._is_over = False
        self.interrupted = False
        self.flush = lambda: None  # brings what was told before a reader; items call it when they have to wait

    # The command line.

    def pytest_addoption(self, parser):
        """Our own options beside pytest's."""
        group = parser.getgroup("osprim", "clauses and targets")
        group.addoption("--repeat", type=int, default=None, metavar="N",
                        help="run each clause N times; verdicts that differ are failures")
        group.addoption("--until-fail", action="store_true",
                        help=f"repeat a clause until it fails, at most --repeat times ({UNTIL_FAIL_REPEATS} without)")
        group.addoption("--user", metavar="NAME|UID", help="run the clauses as this user (as root only)")
        group._addoption("-j", dest="jobs", type=int, default=0, metavar="N", help="programs at a time")
        group.addoption("--patience", type=int, default=0, metavar="SECONDS", help="no clause gets longer, whatever its limit")
        group.addoption("--resume", metavar="RUN", help="go on with a run that was cut short")
        group.addoption("--shard", metavar="I/N", help="only the I-th of N parts")
        group.addoption("--results", metavar="DIR", help="where the run is kept (results/)")
        vmoptions.add(parser)
        groups = [parser._anonymous, *parser._groups]
        self.options = [name for group in groups for option in group.options for name in option.names()]

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_cmdline_parse(self):
        """Puts the nearest option into pytest's complaint about an unknown one."""
        outcome = yield
        if outcome.excinfo and issubclass(outcome.excinfo[0], pytest.UsageError):
            _, found, words = str(outcome.excinfo[1]).partition("unrecognized arguments: ")
            if found:
                word = words.split()[0].partition("=")[0]
                raise pytest.UsageError(f"no option is called {word}{did_you_mean(word, self.options)}") from None

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config):
        """Sorts the words of the command line, makes the run's folder."""
        config.stash[PLUGIN] = self
        self._config = config
        option = config.option
        if option.help or option.version:
            return
        try:
            if option.repeat is None:
                option.repeat = UNTIL_FAIL_REPEATS if option.until_fail else 1
            if option.repeat < 1 or not 0 <= option.jobs <= 64 or not 0 <= option.patience <= 86400:
                raise UsageError("--repeat takes 1 or more, -j 1 to 64, --patience 1 to 86400")
            user = _uid(option.user)
            self.shard = shard.parse(option.shard) if option.shard else shard.Shard()
            entries = known.load(self.root)
            words = option.file_or_dir
            machines = vmoptions.options_of(option) if any(map(is_address, words)) else None
            self.selection = select(self.root, words, find_all(self.root), machines)
            config.args = self.selection.node_ids or [str(self.root / "suites")]
            self._by_source = self._sort_by_source()
            if option.collectonly:
                return
            earlier, records = self._earlier(option.resume)
            self.results = Results.reopen(Path(option.resume)) if earlier else Results(self.base)
            if hasattr(option, "xmlpath"):  # -p no:junitxml
                option.xmlpath = option.xmlpath or str(self.results.folder / "junit.xml")
            self.run = Run(self.root, self.results, self.selection.targets, entries,
                           Wishes(option.repeat, option.until_fail, parallel=option.jobs, user=user, patience=option.patience,
                                  vms=option.vms, again=vmoptions.repeated(option), shard=option.shard or "", command=self.command,
                                  earlier=earlier, records=records))
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        except ResultsError as error:
            pytest.exit(str(error), verdict.EXIT_UNTESTED)

    def _earlier(self, folder: str | None) -> tuple[dict, list[dict]]:
        """(run.json, records) of the run that is to be resumed; both empty without one. Raises UsageError."""
        if not folder:
            return {}, []
        kept = runs.read(Path(folder))
        resume.check(kept.run, self.selection.targets, facts.host())
        return kept.run, read_records(Path(folder))

    # Collection.

    def _sort_by_source(self) -> dict[Path, list[tuple]]:
        """(clause, target) by C file, clauses in the order of their catalogue, targets side by side."""
        found: dict[Path, dict[str, list[tuple]]] = {}
        for target in self.selection.targets:
            if not target.lacks:
                for clause in self.selection.clauses(target.abi):
                    if not self.shard.has(target.name, clause.id):
                        continue
                    found.setdefault(self.root / clause.source, {}).setdefault(clause.id, []).append((clause, target))
        return {path: [pair for pairs in by_id.values() for pair in pairs] for path, by_id in found.items()}

    def _is_a_matrix(self) -> bool:
        return len({target.machine.name for target in self.selection.targets}) > 1

    def tasks_of(self, path: Path) -> list[tuple]:
        """The wanted clauses of a C file with their targets."""
        return self._by_source.get(path, [])

    def pytest_collect_file(self, file_path, parent):
        """C files of suites/ hold clauses."""
        if self.tasks_of(file_path):
            return ProgramFile.from_parent(parent, path=file_path)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items):
        """Clauses that need the machine for themselves come last, as they run last."""
        items.sort(key=lambda item: isinstance(item, ClauseItem) and bool(item.clause.exclusive or item.clause.writes))
        if self._is_a_matrix():  # a target after the other, as they run, so that verdicts are told as they come
            order = {target.name: number for number, target in enumerate(self.selection.targets)}
            items.sort(key=lambda item: order[item.clause_target.name] if isinstance(item, ClauseItem) else -1)

    # The run.

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtestloop(self, session):
        """Starts the machines before the first item, ends them after the last or once the user has seen enough."""
        items = [item for item in session.items if isinstance(item, ClauseItem)]
        if not self.run or not items or session.testsfailed:
            yield
            return
        reporter = session.config.pluginmanager.getplugin("terminalreporter")
        if reporter and self.progress.begin(session.config.option.verbose):
            reporter.showfspath = reporter._show_progress_info = False
        elif reporter and self._is_a_matrix():
            reporter.showfspath = False
        try:
            self.run.start([Task(item.clause, item.clause_target.name, item.clause_target.abi) for item in items])
        except ResultsError as error:
            pytest.exit(str(error), verdict.EXIT_UNTESTED)
        if reporter:  # flushes after each letter otherwise
            self.flush, reporter.flush = reporter.flush, lambda: None
        gc.freeze()  # thousands of items that stay need not be looked through again and again
        gc.set_threshold(GC_THRESHOLD)
        outcome = yield
        if reporter:
            reporter.flush = self.flush
        self.flush()
        self.progress.clear()
        if outcome.excinfo:  # -x, Ctrl-C: there is no more to wait for
            self.run.stop()
        try:
            self.run.finish(bool(outcome.excinfo) and outcome.excinfo[0] is KeyboardInterrupt)
        except ResultsError as error:
            self.run.error = self.run.error or error

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item):
        """Clauses need less of pytest than functions do."""
        if isinstance(item, ClauseItem):
            run_and_report(item)
            return True

    def tell_progress(self):
        """Draws where there is a terminal; elsewhere a line now and then, on a line of its own."""
        self.progress.draw(self.run)
        if line := self.progress.tenth(self.run):
            reporter, capture = map(self._config.pluginmanager.getplugin, ("terminalreporter", "capturemanager"))
            if reporter:
                with capture.global_and_fixture_disabled() if capture else nullcontext():
                    reporter.write_line(line)
                    reporter.currentfspath = None  # the next result names its file again

    def pytest_keyboard_interrupt(self, excinfo):
        """Ctrl-C or a signal; pytest.exit() comes here too."""
        self.interrupted = excinfo.type is KeyboardInterrupt

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_sessionfinish(self):
        """A disk that is full when junit.xml is written is an error of ours, not a crash of pytest."""
        outcome = yield
        if self.run and outcome.excinfo and issubclass(outcome.excinfo[0], OSError):
            self.run.error = self.run.error or ResultsError(f"cannot write junit.xml: {outcome.excinfo[1].strerror}")
            outcome.force_result([])

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        """Gives reports the clause's own seconds and its place in the C file."""
        outcome = yield
        report = outcome.get_result()
        if not isinstance(item, ClauseItem):
            return
        report.duration = item.tally.seconds if call.when == "call" or (call.when == "setup" and report.failed) else 0.0
        report.location = (item.clause.file, item.clause.line, item.name)
        if item.tally.total:
            report.osprim = item.tally.shown["verdict"]
            self._mark_repeated(report, item)
        if call.excinfo and isinstance(call.excinfo.value, Broken):  # pytest asks an item for its words in `call` alone
            report.longrepr = item.repr_failure(call.excinfo)
        if report.skipped and isinstance(report.longrepr, tuple):
            report.longrepr = (item.clause.file, item.clause.line, report.longrepr[2])

    def _mark_repeated(self, report, item) -> None:
        """A target that cannot be tested breaks each of its clauses, and says so once."""
        if report.osprim == "broken" and report.when == "setup":
            key = (item.clause_target.name, item.tally.shown["why"])
            report.is_repeated = key in self._told_broken
            self._told_broken.add(key)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report):
        """A letter and a word of its own for each verdict; nothing at all where live lines tell it."""
        word = getattr(report, "osprim", None)
        if word is None or hasattr(report, "wasxfail"):
            return ("xfailed", "", "") if self.progress.is_live and hasattr(report, "wasxfail") else None
        if report.when == "teardown" or (report.when == "setup" and report.passed):
            return None if report.failed else ("", "", "")
        category = "error" if report.when == "setup" and report.failed else report.outcome
        if getattr(report, "is_repeated", False):
            category = "broken"
        if self.progress.is_live:
            return category, "", ""
        shown = "fail" if word in verdict.GOOD and report.failed else word
        if self._is_over and shown == "absent":
            shown = "skip"  # pytest's short summary puts one word before all that is skipped; each line has its own
        return category, verdict.LETTERS[shown], verdict.SHOUTED[shown]

    # What is printed.

    def pytest_report_header(self, config):
        """The kernel, the ABIs, the configuration and the size of the catalogue."""
        if not self.selection:
            return None
        return summary.header(self.root, self.selection, self.run)

    def pytest_terminal_summary(self, terminalreporter, exitstatus):
        """Targets against verdicts, and what else must be known."""
        self._is_over = True
        if not self.run or not self.run.planned:
            return
        terminalreporter.section("verdicts")
        for line in summary.lines(self.run, self.selection.problems(), self.selection.ids()):
            terminalreporter.write_line(line)
        if self.run.error:
            terminalreporter.write_line(f"error: {self.run.error}", red=True)
        terminalreporter.write_line(f"results: {self.results.folder}")

    def pytest_unconfigure(self):
        """A run that started nothing leaves nothing."""
        self.progress.clear()
        if self.results and self.run and not self.run.planned and not self.run.wishes.earlier:
            if self.shard.of > 1 and not self.selection.cannot_test():
                self.run.leave_empty()
            else:
                self.results.discard()

    def exit_code(self, code: int) -> int:
        """Our exit code from pytest's."""
        if code == pytest.ExitCode.INTERRUPTED and self.interrupted:
            return verdict.EXIT_INTERRUPTED
        if code in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
            if code == pytest.ExitCode.NO_TESTS_COLLECTED and self.shard.of > 1 and not self.selection.cannot_test():
                return verdict.EXIT_EXPECTED  # a part may be empty
            untested = code == pytest.ExitCode.NO_TESTS_COLLECTED and self.selection.cannot_test()
            return verdict.EXIT_UNTESTED if untested else verdict.EXIT_USAGE
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or (self.run and self.run.error):
            return verdict.EXIT_UNTESTED
        if self.run and (self.selection.problems() or any(counts["broken"] for counts in self.run.counts.values())):
            return verdict.EXIT_UNTESTED
        return int(code)


def _uid(user: str | None) -> int:
    """The uid that --user names; 0 for none. Raises UsageError."""
    import os
    import pwd
    if user is None:
        return 0
    try:
        uid = int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid
    except KeyError:
        names = [entry.pw_name for entry in pwd.getpwall()]
        raise UsageError(f"no user is called {user}{did_you_mean(user, names)}") from None
    if os.geteuid() != 0 and uid != os.geteuid():
        raise UsageError("--user needs root")
    if uid >= 1 << 32:
        raise UsageError(f"{uid} is no uid")
    return uid
