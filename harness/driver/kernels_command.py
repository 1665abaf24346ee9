# SPDX-License-Identifier: GPL-2.0-only
"""`runner.py kernels`: the kernels of Debian that can be targets, without a kernel being fetched."""

import os
from pathlib import Path

from harness.driver import abis, kernels, verdict
from harness.driver.nearest import UsageError, did_you_mean

HELP = """\
usage: ./runner.py kernels [--abi ABI]... [--refresh] [GLOB]

  ./runner.py kernels                     the newest of each series, for this machine's architecture
  ./runner.py kernels '6.*'               every one that matches: upstream, package and Debian's own versions count
  ./runner.py kernels --abi arm64 7.2     of another architecture; --abi all: of every one

The last column says `cached` where the image is at hand. --refresh fetches the indexes anew. A line is a target:
./runner.py run debian:VERSION:ABI:FLAVOUR. An index that does not verify is left out, and said so.
"""


def command(argv: list[str], root: Path) -> int:
    """Lists kernels; 3 if no index could be had."""
    if "-h" in argv or "--help" in argv:
        print(HELP, end="")
        return verdict.EXIT_EXPECTED
    names, patterns, refresh = _words(argv, root)
    rows, left_out = [("version", "flavour", "abi", "suite", "package", "MiB", "")], []
    for name in names:
        abi = abis.load(root, name)
        index = kernels.index(abi.debian, refresh=refresh)
        left_out += index.left_out
        rows += [_row(kernel, name) for kernel in _wanted(index.kernels, patterns)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    if len(rows) > 1:
        for row in rows:
            print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip())
    for line in left_out:
        print(f"left out: {line}")
    if len(rows) == 1:
        wanted = f" matches {patterns[0]}: ./runner.py kernels '*'" if patterns else " is known"
        print(f"no kernel of {' '.join(names)}{wanted}")
        return verdict.EXIT_UNTESTED
    return verdict.EXIT_EXPECTED


def _words(argv: list[str], root: Path) -> tuple[list[str], list[str], bool]:
    """(architectures, at most one glob, whether to fetch the indexes anew). Raises UsageError."""
    names, patterns, refresh, words = [], [], False, list(argv)
    while words:
        word = words.pop(0)
        if word == "--refresh":
            refresh = True
        elif word == "--abi" or word.startswith("--abi="):
            value = word.partition("=")[2] or (words.pop(0) if words else "")
            names += abis.names(root) if value == "all" else [value]
        elif word.startswith("-"):
            raise UsageError(f"no option is called {word}{did_you_mean(word, ('--abi', '--refresh', '--help'))}")
        else:
            patterns.append(word)
    if len(patterns) > 1:
        raise UsageError("kernels takes one glob over versions, as in: ./runner.py kernels '6.*'")
    own = [name for name in abis.names(root) if abis.load(root, name).runs_on[0] == os.uname().machine]
    return names or own or abis.names(root), patterns, refresh


def _wanted(found: list[kernels.Kernel], patterns: list[str]) -> list[kernels.Kernel]:
    if patterns:
        return [kernel for kernel in found if kernels.is_version(kernel, patterns[0])]
    newest = {(kernel.series, kernel.flavour): kernel for kernel in found}
    return list(newest.values())


def _row(kernel: kernels.Kernel, abi: str) -> tuple[str, ...]:
    return (kernel.upstream, kernel.flavour, abi, kernel.suite, kernel.package, str(kernel.size >> 20),
            "cached" if kernel.is_cached else "")
