# SPDX-License-Identifier: GPL-2.0-only
"""The command line: subcommands, their help, exit codes. Imports what a subcommand needs and no more."""

import os
import sys
from pathlib import Path

from harness.driver import verdict
from harness.driver.nearest import UsageError, did_you_mean

HELP = """\
usage: ./runner.py COMMAND [...]

  run [TARGET-or-CLAUSE...]   check kernels; every option of pytest works     (run --help)
  matrix [SET]                check many kernels side by side: a set of targets  (matrix --help)
  merge RUN... -o DIR         the runs of many machines as one
  report [RUN...] [-o FILE]   one HTML page of clauses and targets               (report --help)
  list [GLOB...]              the catalogue of clauses: --tsv, --json for programs
  explain CLAUSE              one clause: its promise, its source, its last verdicts; or a row: go:futexsleep
  profile RUNTIME [RUN]       does this kernel carry it? each row of go, glibc, jvm ... with its clauses' verdicts
  lies [LIE-or-CLAUSE...]     is each clause able to fail? tells lies to them  (lies --help)
  kernels [GLOB]              Debian's kernels, each of which is a target      (kernels --help)
  diff A B                    what broke, was mended, appeared, went away: runs, targets, --reference  (diff --help)
  since CLAUSE                which published kernels keep this promise; reference RUN keeps a run's verdicts for it
  bisect CLAUSE...            where it broke: over Debian's kernels, over a git tree    (bisect --help)
  bisect-step CLAUSE...       one step of `git bisect run`: 0 good, 1 bad, 125 cannot tell, 255 wrong usage
  build-kernel DIR            a source tree with fixtures/kconfig, in minutes
  markdown|kcidb|lava [RUN]   a run as a summary for GitHub and GitLab, as KCIDB v5.3, as LAVA's signals
  targets                     what can be tested from here
  doctor                      what this machine can run, and the one command that mends the rest

exit codes: 0 all as expected, 1 a verdict not expected, 2 wrong usage, 3 a target could not be tested, 130 interrupted
"""

RUN_HELP = """\
usage: ./runner.py run [TARGET-or-CLAUSE...] [options]

  ./runner.py run                                     this machine, everything that is built
  ./runner.py run host-i386 futex                     one suite on one target
  ./runner.py run futex/wait/NAME host-i386           one clause; globs work: 'futex/*/wake_*'
  ./runner.py run -k 'requeue and not pi' -x          as in pytest
  ./runner.py run suites/futex/wait.c::NAME[host-i386]
  ./runner.py run debian:6.1:x86_64 'debian:7.*:arm64:cloud'   Debian's kernels in QEMU (./runner.py kernels)
  ./runner.py run qemu:x86_64:arch/x86/boot/bzImage            a kernel of one's own; tree:DIR builds it first
  ./runner.py run qemu:i386@x86_64:bzImage                     32-bit programs on it

  --repeat N         run each clause N times; a clause whose verdicts differ is a failure
  --until-fail       run each clause until it fails, at most --repeat times (1000 without)
  --user NAME|UID    run the clauses as this user (as root only)
  -j N               programs at a time
  --patience SECONDS no clause gets longer, whatever its limit, nor a guest that hangs: for kernels known to be broken, or to bisect
  --shard I/N        the I-th of N parts, for N machines; ./runner.py merge joins them
  --results DIR      where the run is kept (results/)
  --resume RUN       go on with a run that was cut short: its command, what has no record yet (alone)
  virtual machines: --append WORDS, --cpu MODEL, --qemu-arg ARG, --config FILE, --memory SIZE, --smp N, --vms N,
  --accel HOW, --boot-limit SECONDS, --refresh (docs/matrix.md)

pytest's most used: -k WORDS, -x, --maxfail N, --lf, --ff, --co, -q, -v, --durations N, --junitxml FILE, --deselect ID;
all of them: ./runner.py run --pytest-help. Each verdict has its letter: . pass, F fail, T timeout, C crash, P panic,
a absent, s skip, E broken. results/README.md explains what is kept.
"""

LIST_FIELDS = ("id", "abis", "file", "line", "text", "since", "config", "needs", "commit", "needed_by", "writes",
               "exclusive", "as_nobody", "probed", "timeout")

# Readers of what runs keep: each module has `command(argv, root)` and its own --help.
READERS = {"report": "report", "diff": "diff_command", "markdown": "markdown", "kcidb": "kcidb", "lava": "lava", "since": "since",
           "reference": "reference_command"}


def main(argv: list[str], root: str) -> int:
    """Runs a command line; returns the exit code."""
    commands = {"run": run, "list": list_clauses, "explain": explain, "profile": profile, "lies": tell_lies, "kernels": kernels, "matrix": matrix, "merge": merge,
                "bisect": bisect, "bisect-step": bisect_step, "build-kernel": build_kernel,
                "targets": targets, "doctor": doctor} | {name: reader(module) for name, module in READERS.items()}
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(HELP, end="", file=sys.stdout if argv else sys.stderr)
        return verdict.EXIT_EXPECTED if argv else verdict.EXIT_USAGE
    try:
        if argv[0] not in commands:
            raise UsageError(f"no command is called {argv[0]}{did_you_mean(argv[0], commands)}")
        code = commands[argv[0]](argv[1:], Path(root))
        sys.stdout.flush()
        return code
    except UsageError as error:
        print(f"runner.py: {error}", file=sys.stderr)
        return verdict.EXIT_USAGE
    except KeyboardInterrupt:
        return verdict.EXIT_INTERRUPTED
    except BrokenPipeError:  # `./runner.py list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return verdict.EXIT_EXPECTED


def run(argv: list[str], root: Path) -> int:
    """Checks clauses on targets, through pytest."""
    if "-h" in argv or "--help" in argv:
        print(RUN_HELP, end="")
        return verdict.EXIT_EXPECTED
    argv = ["--help" if word == "--pytest-help" else word for word in argv]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # the same run whatever else is installed
    try:
        import pytest
    except ImportError:
        print(f"runner.py: {sys.executable} has no pytest: apt-get install -y python3-pytest,"
              " and start with /usr/bin/python3", file=sys.stderr)
        return verdict.EXIT_UNTESTED
    import signal
    from harness.driver.plugin import Plugin
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    results = Path(_value_of("--results", argv) or root / "results").absolute()
    if any(word.partition("=")[0] == "--resume" for word in argv):
        from harness.driver.resume import words_of
        argv = words_of(argv, results)
    plugin = Plugin(root, results, ["./runner.py", "run", *argv])
    own = ["-c", str(root / "harness/driver/pytest.ini"), "--rootdir", str(root),
           "-o", f"cache_dir={results}/.pytest_cache"]
    return plugin.exit_code(pytest.main(own + argv, plugins=[plugin]))


def list_clauses(argv: list[str], root: Path) -> int:
    """Prints the catalogue of every ABI that is built and runs here."""
    form, patterns = "", []
    for word in argv:
        if word.startswith("-") and word not in ("--json", "--tsv"):
            raise UsageError(f"no option is called {word}{did_you_mean(word, ('--json', '--tsv'))}")
        form, patterns = (word, patterns) if word.startswith("-") else (form, [*patterns, word])
    found = wanted(root, patterns)
    if form == "--tsv":
        print("\t".join(LIST_FIELDS))
    for clause, abis in found:
        row = {name: getattr(clause, name) for name in LIST_FIELDS if name != "abis"} | {"abis": abis}
        if form == "--json":
            import json
            print(json.dumps({name: row[name] for name in LIST_FIELDS}))
        elif form == "--tsv":
            print("\t".join(" ".join(row[name]) if name == "abis" else str(row[name]) for name in LIST_FIELDS))
        else:
            print(f"{clause.id}\n    {clause.text}")
    return verdict.EXIT_EXPECTED


def wanted(root: Path, patterns: list[str]) -> list[tuple]:
    """(clause, its ABIs) for each clause that a pattern selects; all of them without patterns. Raises UsageError."""
    from harness.driver import catalogue
    from harness.driver.selection import matches
    by_id: dict[str, tuple] = {}
    for abi in catalogue.built_abis(root):
        listed = catalogue.load(root, abi)
        for clause in listed.clauses:
            by_id.setdefault(clause.id, (clause, []))[1].append(abi)
        for problem in listed.problems:
            print(f"runner.py: {problem}", file=sys.stderr)
    if not by_id:
        raise UsageError("nothing is built: make programs")
    for pattern in patterns:
        if not any(matches(clause_id, pattern) for clause_id in by_id):
            words = {"/".join(clause_id.split("/")[:depth]): None for depth in (1, 2, 3) for clause_id in by_id}
            raise UsageError(f"no clause matches {pattern}{did_you_mean(pattern, words)}")
    return [entry for clause_id, entry in sorted(by_id.items())
            if not patterns or any(matches(clause_id, pattern) for pattern in patterns)]


def explain(argv: list[str], root: Path) -> int:
    """Prints what is known of one clause."""
    from harness.driver.explain import explanation
    results = _value_of("--results", argv)
    words = [word for word in argv if not word.startswith("-") and word != results]
    unknown = [word for word in argv if word.startswith("-") and not word.startswith("--results")]
    if unknown or len(words) != 1:
        raise UsageError("explain takes one clause, as in: ./runner.py explain futex/wait/wake_ends_a_wait")
    latest = Path(results or root / "results") / "latest"
    if ":" in words[0]:
        from harness.driver.profile import explanation as row_explanation
        print(row_explanation(root, words[0], [clause for clause, _ in wanted(root, [])], latest), end="")
    else:
        print(explanation(wanted(root, []), words[0], latest), end="")
    return verdict.EXIT_EXPECTED


def profile(argv: list[str], root: Path) -> int:
    """Prints which rows of a runtime's profile hold in a run."""
    from harness.driver.profile import command
    return command(argv, root, [clause for clause, _ in wanted(root, [])])


def tell_lies(argv: list[str], root: Path) -> int:
    """Runs clauses on a kernel that lies."""
    from harness.driver.lies_command import command
    return command(argv, root)


def matrix(argv: list[str], root: Path) -> int:
    """Checks clauses on a set of targets."""
    from harness.driver.matrix import HELP as MATRIX_HELP
    from harness.driver.matrix import words_of
    if "-h" in argv or "--help" in argv:
        print(MATRIX_HELP, end="")
        return verdict.EXIT_EXPECTED
    words, rest = words_of(argv, root)
    if "--list" in rest:
        print("\n".join(words))
        return verdict.EXIT_EXPECTED
    return run([*words, *rest], root)


def merge(argv: list[str], root: Path) -> int:
    """Joins runs."""
    from harness.driver.merge import command
    return command(argv)


def reader(module: str):
    """A command that one of the readers is."""
    def read(argv: list[str], root: Path) -> int:
        from importlib import import_module
        return import_module(f"harness.driver.{module}").command(argv, root)
    return read


def kernels(argv: list[str], root: Path) -> int:
    """Prints the kernels that Debian has."""
    from harness.driver.kernels_command import command
    return command(argv, root)


def bisect(argv: list[str], root: Path) -> int:
    """Finds where a promise broke."""
    from harness.driver.bisect_command import command
    return command(argv, root)


def bisect_step(argv: list[str], root: Path) -> int:
    """Asks one kernel, for `git bisect run`. Whatever happens, it is no verdict on the kernel unless a clause gave one."""
    try:
        from harness.driver.bisect_step import EXIT_USAGE, step
    except BaseException as error:
        print(f"runner.py: {error!r}", file=sys.stderr)
        return 255
    code = step(argv, root)
    if code == EXIT_USAGE:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a pipe that broke would be another code
    return code


def build_kernel(argv: list[str], root: Path) -> int:
    """Builds a kernel that has what clauses need."""
    from harness.driver.bisect_step import build
    return build(argv, root)


def targets(argv: list[str], root: Path) -> int:
    """Prints every target and what it lacks."""
    from harness.driver.targets import find_all
    if argv:
        raise UsageError("targets takes nothing")
    for target in find_all(root).values():
        print(f"{target.name}  {target.lacks or 'ready'}")
    return verdict.EXIT_EXPECTED


def doctor(argv: list[str], root: Path) -> int:
    """Examines this machine; 0 if the suite can run here."""
    from harness.driver.doctor import examine
    if argv:
        raise UsageError("doctor takes nothing")
    return examine(root)


def _value_of(option: str, argv: list[str]) -> str:
    """The last value of a long option that must be known before pytest parses the line."""
    value = ""
    for word, following in zip(argv, [*argv[1:], ""]):
        if word == option:
            value = following
        elif word.startswith(option + "="):
            value = word.partition("=")[2]
    return value
