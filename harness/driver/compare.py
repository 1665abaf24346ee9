# SPDX-License-Identifier: GPL-2.0-only
"""Two sides clause by clause: what broke, was mended, appeared, went away, is otherwise. diff_command.py prints it."""

from dataclasses import dataclass, field

from harness.driver import verdict
from harness.driver.runs import Kept
from harness.driver.tally import Tally

# In the order in which they are told. Every clause whose verdict is not the same on both sides is in exactly one.
KINDS = {
    "broke": "kept its promise (or was absent, or skipped) and no longer does",
    "mended": "did not pass and passes now",
    "appeared": "was absent, skipped or not asked and now has a verdict",
    "absent": "went absent: the kernel has it no more",
    "skip": "went skip: the machine cannot show it any more",
    "known": "differs as fixtures/known expects",
    "changed": "was not as promised and is so in another way",
    "unknown": "is broken: the harness or the target failed, nothing is known",
    "gone": "has no verdict any more",
}


@dataclass(frozen=True)
class State:
    """What one side says of one clause."""

    word: str               # one of the eight
    why: str = ""
    expected: bool = True
    told: str = ""          # "3 pass, 1 fail" where repetitions differ, "" otherwise
    record: dict = field(default_factory=dict, compare=False)

    @property
    def is_good(self) -> bool:
        """True if it keeps its promise, or need not."""
        return self.word in verdict.GOOD and not self.told

    def shown(self) -> str:
        """"fail", or "differs (3 pass, 1 fail)"."""
        return f"differs ({self.told})" if self.told else self.word


@dataclass
class Side:
    """One target of one run, or a reference."""

    name: str
    abi: str
    release: str
    states: dict[str, State]
    missing: int = 0        # verdicts that were planned and did not come


@dataclass(frozen=True)
class Change:
    """One clause that is not the same on both sides; None: that side did not ask it."""

    clause: str
    kind: str
    before: State | None
    after: State | None


@dataclass
class Pair:
    """Two sides and what differs between them."""

    before: Side
    after: Side
    changes: list[Change]
    same: int

    def of(self, kind: str) -> list[Change]:
        """The changes of a kind."""
        return [change for change in self.changes if change.kind == kind]


def side_of(kept: Kept, target: str) -> Side:
    """A target of a run."""
    states = {clause: _state(tally) for clause, tally in kept.targets[target].items()}
    return Side(f"{kept.name}:{target}", str(kept.about(target).get("abi", "")), kept.release(target), states,
                kept.missing(target))


def compare(before: Side, after: Side) -> Pair:
    """Sorts every clause of two sides, in the order of their ids."""
    changes, same = [], 0
    for clause in sorted(before.states.keys() | after.states.keys()):
        one, other = before.states.get(clause), after.states.get(clause)
        kind = kind_of(one, other)
        if kind:
            changes.append(Change(clause, kind, one, other))
        else:
            same += 1
    return Pair(before, after, changes, same)


def kind_of(one: State | None, other: State | None) -> str:
    """One of KINDS, "" for what is the same. What failed both times but for another reason is the same."""
    if other is None:
        return "gone"
    if one is None:
        return "appeared"
    if (one.word, bool(one.told)) == (other.word, bool(other.told)):
        return ""
    if "broken" in (one.word, other.word):
        return "unknown"
    if other.is_good:
        return _kind_of_good(one, other)
    if other.expected and not other.told:
        return "known" if one.is_good else "changed"
    if one.is_good or one.expected and not one.told:
        return "broke"
    return "changed"


def _kind_of_good(one: State, other: State) -> str:
    if other.word != "pass":
        return other.word
    return "appeared" if one.word in ("absent", "skip") and not one.told else "mended"


def pairs_of(before: Kept, after: Kept) -> tuple[list[tuple[str, str]], list[str], list[str]]:
    """(pairs of targets, those of the first run alone, those of the second alone).

    Targets of one name belong together; of the others, those of one ABI if each side has only one."""
    both = [name for name in before.targets if name in after.targets]
    pairs = [(name, name) for name in both]
    left, right = ([name for name in kept.targets if name not in both] for kept in (before, after))
    for name in list(left):
        abi = before.about(name).get("abi")
        same_left = [other for other in left if before.about(other).get("abi") == abi]
        same_right = [other for other in right if after.about(other).get("abi") == abi]
        if len(same_left) == len(same_right) == 1:
            pairs.append((name, same_right[0]))
            left.remove(name)
            right.remove(same_right[0])
    return pairs, left, right


def _state(tally: Tally) -> State:
    record = tally.shown
    return State(record["verdict"], record["why"], bool(record["expected"]), tally.told() if tally.differs else "",
                 record)
