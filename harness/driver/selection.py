# SPDX-License-Identifier: GPL-2.0-only
"""What the words of a command line select: targets, suites, programs, clauses, node ids of pytest."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from harness.driver import catalogue
from harness.driver.nearest import UsageError, did_you_mean
from harness.driver.targets import ADDRESSES, KINDS, Target, choose, is_address


@dataclass
class Selection:
    """Targets, their catalogues, and which clauses of them are wanted."""

    targets: list[Target]
    catalogues: dict[str, catalogue.Catalogue]              # by ABI
    patterns: list[str] = field(default_factory=list)       # of clause ids; none: all
    node_ids: list[str] = field(default_factory=list)       # pytest's own arguments, below the repository's root
    left_out: list[Target] = field(default_factory=list)    # of a kind that was asked for, but not ready

    def clauses(self, abi: str) -> list[catalogue.Clause]:
        """The wanted clauses of an ABI, in the order of the catalogue."""
        return [clause for clause in self.catalogues[abi].clauses
                if not self.patterns or any(matches(clause.id, pattern) for pattern in self.patterns)]

    def ids(self) -> dict[str, list[str]]:
        """The id of every clause, wanted or not, by ABI."""
        return {abi: [clause.id for clause in listed.clauses] for abi, listed in self.catalogues.items()}

    def cannot_test(self) -> bool:
        """True if there is nothing to select from, whatever the user asked for."""
        return bool(self.problems()) or not any(listed.clauses for listed in self.catalogues.values())

    def problems(self) -> list[str]:
        """What keeps clauses out of this run that should be in it."""
        found = [f"{target.name} cannot be tested: {target.lacks}" for target in self.targets if target.lacks]
        for listed in self.catalogues.values():
            found += listed.problems
        return found


def matches(clause_id: str, pattern: str) -> bool:
    """True if a pattern is the id, a glob over it, or its suite or program."""
    return fnmatchcase(clause_id, pattern) or clause_id.startswith(pattern.rstrip("/") + "/")


def select(root: Path, words: list[str], targets: dict[str, Target], options=None) -> Selection:
    """Sorts words into targets, clauses and node ids. Raises UsageError for one that is none of them.

    options: of virtual machines, see qemu.Options."""
    of_targets = [word for word in words if word in targets or word in KINDS or is_address(word)]
    others = [word for word in words if word not in of_targets]
    node_ids = [word for word in others if "::" in word or word.startswith("suites") or word.endswith(".c")]
    patterns = [word for word in others if word not in node_ids]
    chosen = choose(of_targets, targets, root, options)
    abis = dict.fromkeys(target.abi for target in chosen)
    selection = Selection(chosen, {abi: catalogue.load(root, abi) for abi in abis}, patterns,
                          [_node_id(root, word) for word in node_ids],
                          [target for target in targets.values() if target.lacks and target not in chosen
                           and target.kind in (of_targets or KINDS)])
    ids = [clause.id for listed in selection.catalogues.values() for clause in listed.clauses]
    for pattern in patterns:
        if ids and not any(matches(clause_id, pattern) for clause_id in ids):
            kind, colon, _ = pattern.partition(":")
            mend = did_you_mean(kind + colon, _words(ids, targets))
            raise UsageError(f"{pattern} is no target, suite, program or clause{mend}")
    return selection


def _words(ids: list[str], targets: dict[str, Target]) -> list[str]:
    """Everything that a word may be, targets first."""
    parts = {"/".join(clause_id.split("/")[:depth]): None for depth in (1, 2, 3) for clause_id in ids}
    return [*targets, *KINDS, *(f"{kind}:" for kind in ADDRESSES), *parts]


def _node_id(root: Path, word: str) -> str:
    """A node id with an absolute path; one that names no file here is taken from the repository's root."""
    path, separator, rest = word.partition("::")
    absolute = Path(path).absolute()
    if not absolute.exists():
        absolute = root / path
    if not absolute.exists():
        sources = [str(source.relative_to(root)) for source in (root / "suites").glob("*/*.c")]
        raise UsageError(f"no file {path}{did_you_mean(path, sources)}")
    return f"{absolute}{separator}{rest}"
