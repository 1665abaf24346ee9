# SPDX-License-Identifier: GPL-2.0-only
"""`runner.py lies`: selects lies, tells them, keeps records, and prints who noticed which."""

import os
import sys
import time
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from harness.driver import catalogue, facts, verdict
from harness.driver.classify import Outcome
from harness.driver.lies import ENGINES, Lie, Untold, load, problems
from harness.driver.lying import NOTICED, TRUTH, Trial, Trials
from harness.driver.nearest import UsageError, did_you_mean
from harness.driver.plan import Task
from harness.driver.results import Results
from harness.driver.selection import matches
from harness.driver.session import Session
from harness.driver.targets.host import Host, native_abis

HELP = """\
usage: ./runner.py lies [LIE-or-CLAUSE...] [options]

  ./runner.py lies                            every lie, to the clauses that must notice it, on every ABI of this machine
  ./runner.py lies futex                      the lies and clauses of a suite; globs work: 'futex.wake.*' 'futex/wait/*'
  ./runner.py lies -k tgkill                  lies in whose row each given word stands

  --truth        tells nothing: are the verdicts under the liar those without it?
  --whole-suite  tells each lie to its whole suites, to see who else notices
  --abi ABI      on this ABI only
  -j N           lies at a time
  --results DIR  where the records are kept (results/)

exit codes: 0 every clause that must notice did, 1 not so, 2 wrong usage, 3 it could not be tried
"""
OPTIONS = ("-k", "--truth", "--whole-suite", "--abi", "-j", "--results", "--help", "-h")
TELLINGS_ALONE = 3   # of a lie that went unnoticed, until it is noticed
SLOWEST = 5


class Wanted:
    """The command line, understood. Raises UsageError."""

    def __init__(self, argv: list[str]):
        import getopt
        try:
            pairs, self.words = getopt.gnu_getopt(argv, "k:j:h", ["truth", "whole-suite", "abi=", "results=", "help"])
        except getopt.GetoptError as error:
            raise UsageError(f"{error.msg}{did_you_mean('--' + error.opt, OPTIONS)}") from None
        options = dict(pairs)
        self.help = "-h" in options or "--help" in options
        self.truth, self.whole_suite = "--truth" in options, "--whole-suite" in options
        self.in_row = options.get("-k", "").split()
        self.abi, self.results = options.get("--abi", ""), options.get("--results", "")
        if not options.get("-j", "0").isdigit():
            raise UsageError("-j takes a number")
        self.at_a_time = int(options.get("-j", "0"))
        self.is_everything = not (self.words or self.in_row or self.abi)

    def takes(self, lie: Lie) -> bool:
        """True if the words select a lie: by its id, its suite, or a clause that must notice."""
        row = " ".join((lie.id, lie.breaks, *lie.tell, *lie.clauses, lie.real)).lower()
        return (all(word.lower() in row for word in self.in_row)
                and (not self.words or any(_selects(word, lie) for word in self.words)))


def _selects(word: str, lie: Lie) -> bool:
    return (fnmatchcase(lie.id, word) or lie.id.startswith(word + ".")
            or any(matches(clause, word) or clause == word or fnmatchcase(word, clause) for clause in lie.clauses))


def command(argv: list[str], root: Path) -> int:
    """Runs the subcommand; returns the exit code. Raises UsageError."""
    wanted = Wanted(argv)
    if wanted.help:
        print(HELP, end="")
        return verdict.EXIT_EXPECTED
    liar, executor, abis = _engine(root)
    if wanted.abi and wanted.abi not in abis:
        raise UsageError(f"no clauses are built for {wanted.abi}{did_you_mean(wanted.abi, abis)}")
    abis = [wanted.abi] if wanted.abi else abis
    clauses = {abi: catalogue.load(root, abi).clauses for abi in abis}
    lies, untold = load(root)
    ids = sorted({clause.id for listed in clauses.values() for clause in listed})
    for problem in problems(lies, untold, ids):
        raise UsageError(problem)
    chosen = [lie for lie in lies if wanted.takes(lie)]
    if not chosen and not wanted.truth:
        raise UsageError("no lie matches " + " ".join(wanted.words + wanted.in_row)
                         + "".join(did_you_mean(word, [lie.id for lie in lies] + ids) for word in wanted.words[:1]))
    results = Results(Path(wanted.results or root / "results").absolute() / "lies")
    config = results.keep_config()
    trials = Trials(root, liar, executor, results.folder / "logs",
                    str(results.folder / config["file"]) if config["file"] else "", wanted.at_a_time)
    report = Report(results, untold, clauses)
    try:
        if wanted.truth:
            return report.truth(trials, wanted)
        return report.lies(trials, chosen, wanted)
    finally:
        results.write_run({"started": report.started, "finished": facts.now(), "host": facts.host(), "command": argv})
        results.close()


def _engine(root: Path) -> tuple[Path, Path, list[str]]:
    abis = [abi for abi in native_abis(root) if (root / "build" / abi / "suites").is_dir()]
    for abi in abis:
        liar, executor = root / "build" / abi / "liar", root / "build" / abi / "executor"
        if os.access(liar, os.X_OK) and os.access(executor, os.X_OK):
            return liar, executor, abis
    raise UsageError("the liar is not built: apt-get install -y libseccomp-dev && make liars"
                     if abis else "nothing is built: make programs")


class Report:
    """Records of one run of lies, and what is printed about it."""

    def __init__(self, results: Results, untold: list[Untold], clauses: dict[str, list]):
        self.results, self.untold, self.clauses = results, untold, clauses
        self.started, self.clock = facts.now(), time.monotonic()
        self.seen: dict[str, set[str]] = {abi: set() for abi in clauses}     # clauses that noticed something
        self.runs: dict[str, set[str]] = {abi: set() for abi in clauses}     # clauses that pass when nothing is told
        self.missed: list[str] = []

    def truth(self, trials: Trials, wanted: Wanted) -> int:
        """Compares the verdicts under a silent liar with the executor's own; those that differ beside its filter, without one."""
        differing = 0
        for abi, listed in self.clauses.items():
            listed = [clause for clause in listed if not wanted.words or any(matches(clause.id, word) for word in wanted.words)]
            plain, seconds, count = self._plain(trials, abi, listed), 0.0, len(listed)
            for engine in ENGINES:
                told = self._truth_of(trials, abi, engine, listed)
                seconds += told.seconds
                for clause_id in told.outcomes:
                    self._record(told, clause_id)
                listed = [clause for clause in listed if clause.id in told.outcomes
                          and told.outcomes[clause.id].verdict != plain[clause.id].verdict]
            for clause in listed:
                outcome = told.outcomes[clause.id]
                reason = next((row.reason for row in self.untold if row.excuses(clause.id)), "")
                differing += not reason
                print(f"{clause.id} on {abi}: {outcome.verdict} under the liar ({outcome.why}), {plain[clause.id].verdict} without it"
                      + (f"; no lie is told about it: {reason}" if reason else ""))
            print(f"{abi}: {count} clauses under a liar that tells no lie: {seconds:.0f} s")
        print(f"{differing} verdicts differ")
        return verdict.EXIT_EXPECTED if not differing else verdict.EXIT_UNEXPECTED

    def lies(self, trials: Trials, chosen: list[Lie], wanted: Wanted) -> int:
        """Tells lies, after the truth to the same clauses: who fails at that can notice nothing."""
        plan: list[tuple[Lie, str, list]] = []
        for abi in self.clauses:
            rows = self._told_to(abi, chosen, wanted)
            concerned = {clause.id: clause for _, listed in rows for clause in listed}
            everything = self.clauses[abi] if wanted.is_everything else list(concerned.values())
            truthful = self._tell_the_truth(trials, abi, everything)
            plan += [(lie, abi, [clause for clause in listed if clause.id in truthful[lie.engine]]) for lie, listed in rows]
        # Who must have the machine to itself holds up all others, and so comes after them.
        plan = sorted((row for row in plan if row[2]), key=lambda row: any(clause.exclusive or clause.writes for clause in row[2]))
        progress = _Progress(len(plan))
        done = trials.run(plan, lambda trial: (self._record_all(trial), progress.step(trial)))
        progress.end()
        self._tell_again(trials, done)
        self._print(done, chosen, wanted)
        return verdict.EXIT_UNEXPECTED if self.missed or not done else verdict.EXIT_EXPECTED

    def _tell_the_truth(self, trials: Trials, abi: str, listed: list) -> dict[str, set[str]]:
        """The clauses that pass when nothing is told, by engine. What fails beside a filter is asked again, then without one; what
        fails then too must fail without a liar or have a reason in the lies files, or else the liar is wrong."""
        truthful: dict[str, set[str]] = {}
        outcomes: dict[str, Outcome] = {}
        for engine in (ENGINES[0], *ENGINES):   # twice beside a filter: the liar's stops may come between two steps of a race
            outcomes = self._truth_of(trials, abi, engine, listed).outcomes or outcomes
            passed = {clause.id for clause in listed if clause.id in outcomes and outcomes[clause.id].verdict == "pass"}
            truthful[engine] = passed.union(*truthful.values())
            listed = [clause for clause in listed if clause.id in outcomes and outcomes[clause.id].verdict not in verdict.GOOD]
        self.runs[abi] |= truthful[engine]
        plain = self._plain(trials, abi, [clause for clause in listed if not any(row.excuses(clause.id) for row in self.untold)])
        self.missed += [f"{clause_id} on {abi}: {outcomes[clause_id].verdict} though nothing is told: {outcomes[clause_id].why}"
                        for clause_id, outcome in plain.items() if outcome.verdict == "pass"]
        return truthful

    def _truth_of(self, trials: Trials, abi: str, engine: str, listed: list) -> Trial:
        """What becomes of clauses under a liar of one engine that tells no lie."""
        truth = replace(TRUTH, id=f"truth{engine and '.' + engine}", engine=engine)
        return trials.one(truth, abi, listed, patience=0) if listed else Trial(truth, abi)

    def _plain(self, trials: Trials, abi: str, listed: list) -> dict[str, Outcome]:
        """The outcomes of clauses without a liar, by id."""
        if not listed:
            return {}
        session = Session(Host(trials.root, trials.executor), self.results.folder / "logs", config=trials.config)
        return {outcome.task.clause.id: outcome
                for outcome in session.rounds([Task(clause, f"host-{abi}", abi) for clause in listed])}

    def _told_to(self, abi: str, chosen: list[Lie], wanted: Wanted) -> list[tuple[Lie, list]]:
        rows = []
        for lie in chosen:
            if lie.abi in ("", abi):
                suites = {pattern.partition("/")[0] for pattern in lie.clauses}
                listed = [clause for clause in self.clauses[abi] if lie.must_notice(clause.id)
                          or wanted.whole_suite and clause.id.partition("/")[0] in suites]
                rows.append((lie, listed))
        return rows

    def _tell_again(self, trials: Trials, done: list[Trial]) -> None:
        """What went unnoticed is told again with nothing beside it: the race that a clause brings about may not have come
        among so many liars."""
        trials.at_a_time = 1
        for _ in range(TELLINGS_ALONE):
            again = [(trial.lie, trial.abi, [outcome.task.clause for outcome in trial.unnoticed()])
                     for trial in done if trial.unnoticed()]
            done = list(trials.run(again, self._record_all))
            for trial in done:
                for clause_id in trial.noticed_by():
                    print(f"{trial.lie.id} on {trial.abi}: {clause_id} noticed when told again, alone")
        for trial in done:
            for outcome in trial.unnoticed():
                never = " (it was never told)" if not trial.told else ""
                self.missed.append(f"{trial.lie.id} on {trial.abi}: {outcome.task.clause.id} did not notice: {outcome.verdict}"
                                   f"{' ' + outcome.why if outcome.why else ''}{never}")

    def _record_all(self, trial: Trial) -> None:
        for clause_id in trial.outcomes:
            self._record(trial, clause_id)
        self.seen[trial.abi].update(trial.noticed_by())
        self.missed += [f"{trial.lie.id} on {trial.abi}: {fault}" for fault in trial.faults]

    def _record(self, trial: Trial, clause_id: str) -> None:
        outcome = trial.outcomes[clause_id]
        self.results.add({"lie": trial.lie.id, "breaks": trial.lie.breaks, "real": trial.lie.real, "abi": trial.abi,
                          "clause": clause_id, "must_notice": trial.lie.must_notice(clause_id),
                          "verdict": outcome.verdict, "noticed": outcome.verdict in NOTICED, "why": outcome.why,
                          "seen": outcome.seen, "told": trial.told, "seconds": round(outcome.seconds, 6)})

    def _print(self, done: list[Trial], chosen: list[Lie], wanted: Wanted) -> None:
        if wanted.whole_suite or len(chosen) <= 20:
            for trial in sorted(done, key=lambda trial: (trial.lie.id, trial.abi)):
                print(f"{trial.lie.id} on {trial.abi}: {trial.lie.breaks}; told"
                      f" {'unseen' if trial.told < 0 else trial.told} times, {trial.seconds:.1f} s")
                for clause_id, outcome in trial.outcomes.items():
                    if outcome.verdict in NOTICED or trial.lie.must_notice(clause_id):
                        print(f"    {outcome.verdict:8}{clause_id}  {outcome.why}")
        for line in self.missed:
            print(line)
        bad = {line.partition(" on ")[0] for line in self.missed}
        for abi in self.clauses:
            lies = {trial.lie.id for trial in done if trial.abi == abi}
            print(f"{abi}: lies noticed {len(lies - bad)} of {len(lies)};"
                  f" clauses shown to fail {len(self.seen[abi])} of {len(self.runs[abi])}")
        if wanted.is_everything:
            self._print_never_seen()
        slowest = sorted(done, key=lambda trial: -trial.seconds)[:SLOWEST]
        print(f"{len(done)} tellings of {len(chosen)} lies in {time.monotonic() - self.clock:.0f} s; the slowest: "
              + ", ".join(f"{trial.lie.id} {trial.seconds:.1f} s" for trial in slowest))
        print(f"records: {self.results.folder}/results.jsonl")

    def _print_never_seen(self) -> None:
        """A clause without a lie or a reason is not proved; on one ABI is enough, for the C is the same."""
        runs, seen = set().union(*self.runs.values()), set().union(*self.seen.values())
        excused = {clause_id for clause_id in runs - seen for row in self.untold
                   if row.excuses(clause_id)}
        for clause_id in sorted(runs - seen - excused):
            self.missed.append(f"{clause_id} was never seen to fail")
            print(self.missed[-1])
        print(f"all ABIs: clauses shown to fail {len(seen & runs)} of {len(runs)}; with a reason why not {len(excused)}")


class _Progress:
    """On a terminal a live line, elsewhere a line at each tenth."""

    def __init__(self, total: int):
        self.total, self.done, self.clock = total, 0, time.monotonic()
        self.is_live = sys.stderr.isatty()

    def step(self, trial: Trial) -> None:
        """One more is done."""
        self.done += 1
        left = (time.monotonic() - self.clock) / self.done * (self.total - self.done)
        if self.is_live:
            sys.stderr.write(f"\r\x1b[2K{self.done}/{self.total}  {left:.0f} s left  {trial.lie.id}"[:100])
        elif self.total >= 100 and self.done * 10 // self.total > (self.done - 1) * 10 // self.total:
            sys.stderr.write(f"{self.done}/{self.total} lies told, {left:.0f} s left\n")

    def end(self) -> None:
        """Clears the live line."""
        if self.is_live:
            sys.stderr.write("\r\x1b[2K")
