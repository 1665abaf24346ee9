# SPDX-License-Identifier: GPL-2.0-only
"""What every bisection does, whatever its versions are: both ends are verified, failure rates measured, steps kept and told."""

from collections.abc import Callable
from pathlib import Path
from shlex import quote

from harness.driver import chance, vmoptions
from harness.driver.bisect_probe import State, Step, check
from harness.driver.bisect_search import BAD, GOOD, UNKNOWN
from harness.driver.catalogue import Clause
from harness.driver.targets import Target

MEASURES = (1, 9, 30)   # repetitions on the bad side, a boot each; more are asked only while they are needed
COSTLY = ("timeout", "panic")
COSTLY_REPEATS = 2      # more of what takes a time limit or a boot each


class NoAnswer(Exception):
    """Nothing can be found; the text says why."""

    def __init__(self, text: str, is_untested: bool):
        """is_untested: a kernel could not be asked, rather than it said something else than the user."""
        super().__init__(text)
        self.is_untested = is_untested


class Bisection:
    """One bisection: asks kernels through the state that remembers what they said."""

    def __init__(self, root: Path, state: State, clauses: list[Clause], option):
        """option: the parsed command line."""
        self.root, self.state, self.option = root, state, option
        self.clauses = {clause.id: clause for clause in clauses}
        self.lines: list[str] = []      # of the closing report
        self.repeats = option.repeat or 1
        self.steps_done = 0

    def say(self, line: str = "") -> None:
        """Prints a line, and keeps it for report.txt."""
        self.lines.append(line)
        print(line, flush=True)

    def ask(self, at: str, purpose: str, clauses: list[str], make_target: Callable[[], Target], repeat: int = 1,
            until_fail: bool = False) -> Step:
        """What a version says of clauses: as it said before the bisection was stopped, or by asking it now."""
        step = self.state.kept(at, purpose, clauses)
        was_kept = bool(step)
        if not step:
            step = check(self.root, self.state.folder, make_target, [self.clauses[clause] for clause in clauses], at, purpose,
                         repeat, until_fail, self.state.data["command"], vmoptions.repeated(self.option))
            self.state.add(step)
        self.say(f"{purpose:<10}  {at:<24}  {step.seconds:6.1f} s  {step.told()}{'  (kept)' if was_kept else ''}")
        return step

    def verify_bad(self, at: str, make_target: Callable[[], Target]) -> list[str]:
        """The clauses that the bad end breaks; measures how often, and chooses how often to repeat. Raises NoAnswer."""
        first = self.ask(at, "bad end", list(self.clauses), make_target, self.option.repeat or MEASURES[0], True)
        if first.lacks:
            raise NoAnswer(f"the bad end, {at}, cannot be asked: {first.lacks}", True)
        answers = first.answers()
        bad = [clause for clause, answer in answers.items() if answer == BAD]
        wanted = bad or [clause for clause, answer in answers.items() if answer == GOOD]
        if not wanted:
            raise NoAnswer(f"the bad end, {at}, says nothing of the promise: {first.told()}", True)
        if not self.option.repeat:
            bad = self._measure(at, wanted, first, make_target)
        if not bad:
            raise NoAnswer(f"the bad end, {at}, is not bad: {self.told_rates or first.told()}"
                           + ("" if self.option.repeat else "; --repeat N asks more often"), False)
        return bad

    told_rates = ""

    def _measure(self, at: str, wanted: list[str], first: Step, make_target: Callable[[], Target]) -> list[str]:
        """Asks the bad end again, until it is known how often it fails. Returns the clauses that fail."""
        steps = [first]
        costly = any(word in COSTLY for counts in first.counts.values() for word in counts)
        for number, repeat in enumerate((COSTLY_REPEATS,) if costly else MEASURES[1:], 2):
            steps.append(self.ask(at, f"measure {number}", wanted, make_target, repeat))
            failed = {clause: _failures(steps, clause) for clause in wanted}
            if all(hits == of for hits, of in failed.values()):
                break
        bad = [clause for clause, (hits, _) in failed.items() if hits]
        if not bad:
            self.told_rates = f"no failure in {max(of for _, of in failed.values())} times"
            return []
        rate = min(chance.at_least(*failed[clause]) for clause in bad)
        self.repeats = chance.repeats_for(rate, self.option.risk)
        hits, of = min((failed[clause] for clause in bad), key=lambda pair: chance.at_least(*pair))
        self.say(f"measured: the bad end fails {hits} of {of} times, so at least {rate:.0%} of all with 95 % confidence; each"
                 f" version is asked {self.repeats} times, and a wrong \"good\" has a probability below {self.option.risk:.2g}")
        if self.repeats >= chance.MOST_REPEATS:
            raise NoAnswer(f"it fails too seldom: {self.repeats} repetitions of each version would not be enough", True)
        return bad

    def verify_good(self, at: str, clauses: list[str], make_target: Callable[[], Target]) -> list[str]:
        """Of clauses, those that the good end keeps. Raises NoAnswer."""
        step = self.ask(at, "good end", clauses, make_target, self.repeats, True)
        if step.lacks:
            raise NoAnswer(f"the good end, {at}, cannot be asked: {step.lacks}", True)
        answers = step.answers()
        kept = [clause for clause in clauses if answers.get(clause) == GOOD]
        if not kept:
            is_unknown = all(answers.get(clause, UNKNOWN) == UNKNOWN for clause in clauses)
            raise NoAnswer(f"the good end, {at}, {'says nothing of the promise' if is_unknown else 'is not good'}: {step.told()}",
                           is_unknown)
        left = [clause for clause in self.clauses if clause not in kept]
        if left:
            self.say(f"left out, for they do not differ between the ends: {' '.join(left[:8])}"
                     + (f" and {len(left) - 8} more" if len(left) > 8 else ""))
        return kept

    def step(self, at: str, clauses: list[str], make_target: Callable[[], Target]) -> Step:
        """What a version between the ends says."""
        self.steps_done += 1
        return self.ask(at, "step", clauses, make_target, self.repeats, True)

    def clean(self) -> None:
        """Takes away what a bisection that has ended needs no more."""

    def last(self, at: str) -> Step:
        """The last step at a version that said something of the promise."""
        return [step for step in self.state.steps if step.at == at][-1]

    def conclude(self, answer: list[dict], lines: list[str]) -> None:
        """Prints the answer, and keeps it with all that was said."""
        for line in ["", *lines]:
            self.say(line)
        total = sum(step.seconds for step in self.state.steps)
        self.say(f"{len(self.state.steps)} boots or builds in {total:.0f} s: {self.state.folder}")
        self.state.data["answer"] = answer
        self.state.save()
        (self.state.folder / "report.txt").write_text("\n".join(self.lines) + "\n", encoding="utf-8")


def again(words: list[str]) -> str:
    """Words as a shell takes them."""
    return " ".join(map(quote, words))


def _failures(steps: list[Step], clause: str) -> tuple[int, int]:
    """(failures, repetitions) of a clause that said something."""
    bad = ("fail", "timeout", "crash", "panic")
    counts = [step.counts.get(clause, {}) for step in steps]
    hits = sum(count for row in counts for word, count in row.items() if word in bad)
    return hits, hits + sum(row.get("pass", 0) for row in counts)
