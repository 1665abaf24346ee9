# SPDX-License-Identifier: GPL-2.0-only
"""The search of a bisection over a row of versions: which to try next for each clause, and where each verdict changed."""

from collections.abc import Callable
from dataclasses import dataclass, field

GOOD, BAD, UNKNOWN = "good", "bad", "unknown"

# What a step says of a kernel. The other three, absent, skip and broken, say nothing: it may keep the promise or not.
ANSWERS = {"pass": GOOD, "fail": BAD, "timeout": BAD, "crash": BAD, "panic": BAD}


def answer_of(counts: dict[str, int]) -> str:
    """What repetitions of a clause say together: one failure is enough, and all of them must pass."""
    answers = {ANSWERS.get(word, UNKNOWN) for word, count in counts.items() if count}
    return BAD if BAD in answers else GOOD if answers == {GOOD} else UNKNOWN


def of_all(answers: list[str]) -> str:
    """What clauses say together."""
    return BAD if BAD in answers else GOOD if answers and set(answers) == {GOOD} else UNKNOWN


@dataclass
class Change:
    """Two versions, by their places, between which a clause's verdict changed; `between` could not tell."""

    clause: str
    good: int
    bad: int
    between: list[int] = field(default_factory=list)


class Search:
    """Versions are places in a row, from 0. Clauses share steps: what one learns, all do."""

    def __init__(self, clauses: list[str], good: int, bad: int):
        """good, bad: the ends, already tried; either may come first."""
        self.ends = {clause: (good, bad) for clause in clauses}
        self.answers: dict[int, dict[str, str]] = {}

    def learn(self, place: int, answers: dict[str, str]) -> None:
        """Takes what a version says of clauses; one that is not named says nothing of it."""
        self.answers[place] = answers
        for clause, (good, bad) in self.ends.items():
            answer = answers.get(clause, UNKNOWN)
            if min(good, bad) < place < max(good, bad):
                self.ends[clause] = (place, bad) if answer == GOOD else (good, place) if answer == BAD else (good, bad)

    def open(self) -> list[str]:
        """The clauses whose two versions are not yet neighbours, or apart by what cannot tell alone."""
        return [clause for clause in self.ends if self._untried(clause)]

    def next(self) -> int | None:
        """The version to try: the untried one nearest to the middle of the first open clause; None if there is none."""
        clauses = self.open()
        if not clauses:
            return None
        good, bad = self.ends[clauses[0]]
        return min(self._untried(clauses[0]), key=lambda place: (abs(2 * place - good - bad), place))

    def steps_left(self) -> int:
        """How many steps it may take from here, if every version can tell."""
        return sum(len(self._untried(clause)).bit_length() for clause in self.open()[:1])

    def changes(self) -> list[Change]:
        """Where each clause's verdict changed, as far as is known."""
        return [Change(clause, good, bad, list(range(min(good, bad) + 1, max(good, bad))))
                for clause, (good, bad) in self.ends.items()]

    def _untried(self, clause: str) -> list[int]:
        good, bad = self.ends[clause]
        return [place for place in range(min(good, bad) + 1, max(good, bad)) if place not in self.answers]


def run(search: Search, probe: Callable[[int, list[str]], dict[str, str]]) -> None:
    """Tries versions until nothing is open. probe(place, clauses) answers for the clauses it is given."""
    while (place := search.next()) is not None:
        search.learn(place, probe(place, search.open()))
