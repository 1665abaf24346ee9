# SPDX-License-Identifier: GPL-2.0-only
"""`runner.py bisect-step`, for `git bisect run`: one kernel asked, the answer as an exit code; and `runner.py build-kernel`."""

import os
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

from harness.driver import verdict, vmoptions
from harness.driver.bisect_options import build_parser, clauses_of, step_parser
from harness.driver.bisect_probe import check
from harness.driver.bisect_search import BAD, GOOD
from harness.driver.nearest import UsageError
from harness.driver.targets.qemu import abis_of, lacking
from harness.driver.targets.qemu import resolve as resolve_file
from harness.driver.targets.tree import build_folder, build_kernel, source_of, unready
from harness.driver.targets.tree import resolve as resolve_tree

# The only ones that there are: `git bisect run` takes 1 to 124, 126 and 127 for bad, and stops at 128 and above.
EXIT_GOOD, EXIT_BAD, EXIT_UNKNOWN, EXIT_USAGE = 0, 1, 125, 255

STEP_HELP = """\
usage: ./runner.py bisect-step CLAUSE... (--tree DIR | --kernel FILE) [--repeat N] [--abi ABI] [options of virtual machines]

  git bisect run ~/osprim/runner.py bisect-step futex/wait/NAME --tree .
  git bisect run sh -c 'make -j8 bzImage || exit 125; exec ~/osprim/runner.py bisect-step futex --kernel arch/x86/boot/bzImage'

--tree builds out of the tree with fixtures/kconfig, and reuses its objects; --kernel boots what is built. --repeat N asks
N times, and stops at the first failure. exit codes, and never another: 0 good (all pass), 1 bad (fail, timeout, crash or
panic), 125 cannot tell (does not build, does not boot, absent, skip, broken), 255 wrong usage, or nothing can be tested
from here: git stops.
"""

BUILD_HELP = """\
usage: ./runner.py build-kernel DIR [-o FILE] [--abi ABI] [--config FILE]

  ./runner.py build-kernel ~/linux                    out of the tree, with fixtures/kconfig; prints where the image is
  ./runner.py build-kernel ~/linux -o bzImage         and copies it; its configuration goes beside it, as config

A second build reuses the objects of the first. --config takes a whole configuration. exit codes: 0, 2 wrong usage, 3 it
cannot be built.
"""


def step(argv: list[str], root: Path) -> int:
    """One step; returns one of the four codes, whatever happens."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)
        if "-h" in argv or "--help" in argv:
            print(STEP_HELP, end="")
            return EXIT_USAGE if len(argv) > 1 else EXIT_GOOD
        return _step(argv, root)
    except UsageError as error:
        print(f"runner.py: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("runner.py: interrupted", file=sys.stderr)
    except Exception:  # a bug of ours is no verdict on the kernel: Python's own code for it, 1, would be one
        traceback.print_exc()
    return EXIT_USAGE


def _step(argv: list[str], root: Path) -> int:
    option = step_parser().parse_args(argv)
    if bool(option.tree) == bool(option.kernel):
        raise UsageError("one of --tree DIR and --kernel FILE is needed")
    option.abi = option.abi or os.uname().machine
    programs, abi = abis_of(root, option.abi)
    clauses = clauses_of(root, programs.name, option.clauses)
    options = vmoptions.options_of(option)
    if lacks := lacking(root, abi, programs):
        raise UsageError(lacks)
    if option.tree:
        if lacks := unready(source_of(option.tree), abi):
            raise UsageError(lacks)
        word, resolve = f"tree:{option.tree}:{option.abi}", resolve_tree
    else:
        word, resolve = f"qemu:{option.abi}:{option.kernel}", resolve_file
    found = check(root, Path(option.results or root / "results").absolute(), lambda: resolve(root, word, options, {})[0],
                  clauses, word, "step", option.repeat or 1, True, ["./runner.py", "bisect-step", *argv],
                  vmoptions.repeated(option))
    code = {GOOD: EXIT_GOOD, BAD: EXIT_BAD}.get(found.answer(), EXIT_UNKNOWN)
    name = {EXIT_GOOD: "good", EXIT_BAD: "bad", EXIT_UNKNOWN: "cannot tell"}[code]
    print(f"{name}: {found.told().removeprefix('cannot tell: ')} ({found.seconds:.1f} s)")
    for clause, lines in found.log.items() if code == EXIT_BAD else ():
        print("\n".join(f"  {clause}: {line}" for line in lines))
    sys.stdout.flush()
    return code


def build(argv: list[str], root: Path) -> int:
    """Builds a kernel."""
    if "-h" in argv or "--help" in argv:
        print(BUILD_HELP, end="")
        return verdict.EXIT_EXPECTED
    option = build_parser().parse_args(argv)
    if not option.tree:
        raise UsageError("which source tree? As in: ./runner.py build-kernel ~/linux")
    _, abi = abis_of(root, option.abi or os.uname().machine)
    source = source_of(option.tree)
    config = Path(option.kernel_config) if option.kernel_config else None
    if config and not config.is_file():
        raise UsageError(f"no file {config}: --config takes a kernel's configuration as plain text")
    begin, folder = time.monotonic(), build_folder(source, abi)
    if why := unready(source, abi) or build_kernel(root, source, folder, abi, config):
        print(f"runner.py: {why}", file=sys.stderr)
        return verdict.EXIT_UNTESTED
    image = folder / abi.image
    if option.output:
        image = Path(option.output)
        try:
            shutil.copyfile(folder / abi.image, image)
            shutil.copyfile(folder / ".config", image.with_name("config"))
        except OSError as error:
            raise UsageError(f"cannot write {error.filename}: {error.strerror}") from None
    print(f"{image}  ({image.stat().st_size >> 10} KiB, {time.monotonic() - begin:.0f} s)")
    return verdict.EXIT_EXPECTED
