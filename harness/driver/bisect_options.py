# SPDX-License-Identifier: GPL-2.0-only
"""The command lines of `bisect`, `bisect-step` and `build-kernel`, and the clauses that they name."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from harness.driver import catalogue, vmoptions
from harness.driver.catalogue import Clause
from harness.driver.nearest import UsageError, did_you_mean
from harness.driver.selection import matches


class Parser(argparse.ArgumentParser):
    """argparse that raises UsageError, knows the options of virtual machines, and names the nearest option."""

    def __init__(self, command: str):
        super().__init__(prog=f"./runner.py {command}", add_help=False, allow_abbrev=False)

    def getgroup(self, name: str, description: str = "") -> "_Group":
        """As pytest's parser has it, for vmoptions.add()."""
        return _Group(self.add_argument_group(name, description))

    def error(self, message: str):
        """Raises UsageError."""
        unknown = message.partition("unrecognized arguments: ")[2].split()
        if unknown:
            known = [option for action in self._actions for option in action.option_strings]
            word = unknown[0].partition("=")[0]
            raise UsageError(f"no option is called {word}{did_you_mean(word, known)}")
        raise UsageError(message)


@dataclass
class _Group:
    """An argument group with pytest's name for its method."""

    group: argparse._ArgumentGroup

    def addoption(self, *words, **options) -> None:
        """Adds an option."""
        self.group.add_argument(*words, **options)


def bisect_parser() -> Parser:
    """Of `bisect`."""
    parser = Parser("bisect")
    parser.add_argument("clauses", nargs="*")
    for name in ("--good", "--bad", "--tree", "--flavour", "--resume", "--results"):
        parser.add_argument(name, default="")
    _add_shared(parser)
    parser.add_argument("--risk", type=_risk, default=0.01)
    parser.add_argument("--keep", action="store_true")
    return parser


def step_parser() -> Parser:
    """Of `bisect-step`."""
    parser = Parser("bisect-step")
    parser.add_argument("clauses", nargs="*")
    for name in ("--tree", "--kernel", "--results"):
        parser.add_argument(name, default="")
    _add_shared(parser)
    return parser


def build_parser() -> Parser:
    """Of `build-kernel`."""
    parser = Parser("build-kernel")
    parser.add_argument("tree", nargs="?", default="")
    parser.add_argument("-o", dest="output", default="")
    parser.add_argument("--abi", default="")
    parser.add_argument("--config", dest="kernel_config", default="")
    return parser


def clauses_of(root: Path, abi: str, patterns: list[str]) -> list[Clause]:
    """The clauses of an ABI that words name, in the order of the catalogue. Raises UsageError."""
    if not patterns:
        raise UsageError("which clause? As in: futex/wait/wake_ends_a_wait; a glob, a program or a suite names several")
    listed = catalogue.load(root, abi)
    if not listed.clauses:
        raise UsageError(f"nothing is built for {abi}: make ABIS={abi} programs{''.join(f'; {text}' for text in listed.problems[:1])}")
    for pattern in patterns:
        if not any(matches(clause.id, pattern) for clause in listed.clauses):
            words = {"/".join(clause.id.split("/")[:depth]): None for depth in (1, 2, 3) for clause in listed.clauses}
            raise UsageError(f"no clause of {abi} matches {pattern}{did_you_mean(pattern, words)}")
    return [clause for clause in listed.clauses if any(matches(clause.id, pattern) for pattern in patterns)]


def _add_shared(parser: Parser) -> None:
    parser.add_argument("--abi", default="")
    parser.add_argument("--repeat", type=_count, default=0)
    vmoptions.add(parser)


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 100000:
        raise argparse.ArgumentTypeError("it takes 1 to 100000")
    return int(text)


def _risk(text: str) -> float:
    """"1%", "0.01"."""
    try:
        risk = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        risk = 0.0
    if not 1e-9 <= risk <= 0.5:
        raise argparse.ArgumentTypeError("it takes a probability up to 0.5, as 0.01 or 1%")
    return risk
