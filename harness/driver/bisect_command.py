# SPDX-License-Identifier: GPL-2.0-only
"""`runner.py bisect`: where did a promise break? Over published kernels, or over the commits of a git tree."""

import os
import signal
from pathlib import Path

from harness.driver import verdict
from harness.driver.bisect_flow import Bisection, NoAnswer, again
from harness.driver.bisect_options import bisect_parser, clauses_of
from harness.driver.bisect_probe import State
from harness.driver.nearest import UsageError
from harness.driver.results import ResultsError
from harness.driver.targets.qemu import abis_of

HELP = """\
usage: ./runner.py bisect CLAUSE... --good END --bad END [options]

  ./runner.py bisect CLAUSE --good debian:6.1 --bad debian:6.12     over Debian's kernels (./runner.py kernels)
  ./runner.py bisect CLAUSE --bad debian:7.2 --abi arm64            good: the newest of results/reference that keeps it
  ./runner.py bisect CLAUSE --tree ~/linux --good v6.11 --bad v6.12 over the commits of a git tree, in a worktree of its own
  ./runner.py bisect --resume DIR                                   goes on with one that was stopped

CLAUSE as for `run`: several are found in the same steps, each where it changed. The older end may be the bad one: then
what is found is where the promise was mended.

  --abi ABI          programs and kernel: arm64, i386@x86_64 (this machine's)
  --flavour WORD     of Debian's kernels: cloud, rt, 64k, generic (the quickest to boot)
  --repeat N         ask each kernel N times; without it, the bad end is asked first up to 40 times, and N chosen so that
  --risk P           a kernel taken for good is not, with a probability below P (1%)
  --keep             leave the worktree and its objects where they are
  --results DIR      where the bisection is kept (results/)
  virtual machines: as for run, docs/matrix.md

What cannot tell is stepped round: no package, no boot, does not build, absent, skip, broken. Ctrl-C stops it; what has
been asked is kept. exit codes: 0 found, 1 an end is not as it was said to be, 2 wrong usage, 3 an end cannot be asked,
130 interrupted. `git bisect run` takes ./runner.py bisect-step (its --help).
"""


def command(argv: list[str], root: Path) -> int:
    """Bisects; see HELP for the exit codes."""
    if "-h" in argv or "--help" in argv:
        print(HELP, end="")
        return verdict.EXIT_EXPECTED
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    option = bisect_parser().parse_args(argv)
    if option.resume:
        if len(argv) > (1 if "=" in argv[0] else 2):
            raise UsageError("--resume takes a bisection's folder, and nothing else: its command line is kept in it")
        state = _state_of(option.resume, root)
        argv = state.data["command"][2:]
        option = bisect_parser().parse_args(argv)
    else:
        state = None
    return _guarded(root, option, argv, state)


def _guarded(root: Path, option, argv: list[str], state: State | None) -> int:
    """Runs a bisection; turns what ends it early into a line and an exit code."""
    holder: list[State] = [state] if state else []
    try:
        _run(root, option, argv, holder)
        return verdict.EXIT_EXPECTED
    except NoAnswer as error:
        print(f"no answer: {error}")
        return verdict.EXIT_UNTESTED if error.is_untested else verdict.EXIT_UNEXPECTED
    except ResultsError as error:
        print(f"error: {error}")
        return verdict.EXIT_UNTESTED
    except KeyboardInterrupt:
        if holder:
            print(f"\nstopped; to go on: ./runner.py bisect --resume {again([str(_shown(holder[0].folder))])}")
        return verdict.EXIT_INTERRUPTED


def _run(root: Path, option, argv: list[str], holder: list[State]) -> None:
    if not option.bad:
        raise UsageError("--bad END is needed: debian:VERSION, or with --tree DIR a commit")
    if option.tree and not option.good:
        raise UsageError("--good REV is needed beside --tree")
    if not option.tree:
        from harness.driver.bisect_debian import DebianBisection, good_of_reference, words_of_end
        bad = words_of_end(option.bad, option)
        good = words_of_end(option.good, option) if option.good else ""
    option.abi = option.abi or os.uname().machine
    programs, _ = abis_of(root, option.abi)
    clauses = clauses_of(root, programs.name, option.clauses)
    if option.tree:
        from harness.driver.bisect_tree import TreeBisection
        kind, data = TreeBisection, TreeBisection.described(option)
    else:
        good = good or good_of_reference(root, programs.name, [clause.id for clause in clauses], bad)
        kind, data = DebianBisection, {"good": good, "bad": bad}
    if not holder:
        base = Path(option.results or root / "results").absolute()
        holder.append(State.new(base, {"command": ["./runner.py", "bisect", *argv], "clauses": [clause.id for clause in clauses]}
                                | data))
    holder[0].lock()
    bisection: Bisection = kind(root, holder[0], clauses, option)
    bisection.say(f"bisecting {', '.join(clause.id for clause in clauses[:3])}{' ...' if len(clauses) > 3 else ''}"
                  f" from {option.good or data['good']} (good) to {option.bad} (bad): {_shown(holder[0].folder)}")
    try:
        bisection.find(data["good"], data["bad"])
    except NoAnswer:
        bisection.clean()
        raise


def _state_of(word: str, root: Path) -> State:
    """The bisection that a word names: a path, or a name below results/. Raises UsageError."""
    folder = next((folder for folder in (Path(word), root / "results" / word) if (folder / "state.json").is_file()), None)
    if not folder:
        known = sorted((path.parent.name for path in (root / "results").glob("bisect-*/state.json")), reverse=True)
        raise UsageError(f"{word} is no bisection's folder" + (f"; there are {' '.join(known[:5])}" if known else ""))
    try:
        return State.read(folder.absolute())
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{folder}/state.json cannot be read: {error}") from None


def _shown(path: Path) -> Path:
    """A path as one types it here."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
