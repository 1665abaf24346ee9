# SPDX-License-Identifier: GPL-2.0-only
"""Debian's kernels as targets: "debian:<version glob>:<abi>[:<flavour>]", each a machine of qemu.py."""

import sys
from pathlib import Path

from harness.driver import kernels
from harness.driver.abis import Abi
from harness.driver.apt import AptError
from harness.driver.nearest import UsageError, did_you_mean
from harness.driver.targets import Machine, Target
from harness.driver.targets.qemu import Options, abis_of, lacking, machine_for

TRIES = 5  # kernels of a series before it is given up


def resolve(root: Path, word: str, options: Options, machines: dict[str, Machine]) -> list[Target]:
    """One target for each kernel that a word selects: see kernels.matching. Raises UsageError."""
    parts = word.split(":")
    if len(parts) not in (3, 4) or not all(parts):
        raise UsageError(f"{word} is no target: it must read debian:<version glob>:<abi>[:<flavour>], as in"
                         " debian:6.1:x86_64 or 'debian:7.*:arm64:rt'")
    programs, abi = abis_of(root, parts[2])
    flavour = parts[3] if len(parts) == 4 else ""
    index = index_once(abi.debian, options.refresh)
    found = kernels.matching(index.kernels, parts[1], flavour, abi.flavours)
    if not found:
        raise UsageError(_nothing(word, parts[1], flavour, abi.debian, index))
    return [_target(root, programs, abi, series, options, machines, parts[2]) for series in found]


_indexes: dict[str, kernels.Index] = {}
_failed: set[tuple[str, str]] = set()  # suites and architectures that named a package which could not be had


def index_once(arch: str, refresh: bool) -> kernels.Index:
    """The index of an architecture; what had to be left out of it is said on standard error, once a run."""
    if arch not in _indexes:
        _indexes[arch] = kernels.index(arch, refresh=refresh)
        for line in _indexes[arch].left_out:
            print(f"debian: left out: {line}", file=sys.stderr)
    return _indexes[arch]


def _target(root: Path, programs: Abi, abi: Abi, series: list[kernels.Kernel], options: Options,
            machines: dict[str, Machine], abi_word: str) -> Target:
    """The newest kernel of a series that can be had. Indexes may name packages that the archive has no more."""
    lacks = lacking(root, abi, programs)
    kernel, image, config, why = (series[0], series[0].folder / "vmlinuz", None, "") if lacks else _first_at_hand(series)
    lacks = lacks or why
    facts = {"package": kernel.package, "version": kernel.version, "suite": kernel.suite, "arch": kernel.arch,
             "package_sha256": kernel.sha256, "config_package": kernel.config_package,
             "config_package_sha256": kernel.config_sha256}
    machine = machine_for(machines, f"debian-{kernel.upstream}-{kernel.flavour}", root, abi, image, options, facts,
                          config)
    return Target(f"debian:{kernel.upstream}:{abi_word}:{kernel.flavour}", "debian", programs.name, machine, lacks)


def _first_at_hand(series: list[kernels.Kernel]) -> tuple[kernels.Kernel, Path, Path | None, str]:
    """(kernel, image, configuration, why none could be had or ""). A suite that had one package no more is asked last."""
    waiting, why = list(series), ""
    for _ in range(min(TRIES, len(series))):
        kernel = next((kernel for kernel in waiting if kernel.is_cached or (kernel.suite, kernel.arch) not in _failed),
                      waiting[0])
        waiting.remove(kernel)
        try:
            if not kernel.is_cached:
                print(f"fetching {kernel.package} {kernel.version} ({kernel.size >> 20} MiB)", file=sys.stderr)
            return kernel, *kernels.fetch(kernel), ""
        except (AptError, OSError) as error:
            _failed.add((kernel.suite, kernel.arch))
            why = f"its kernel cannot be fetched: {error}"
            print(f"debian: left out: {kernel.package} {kernel.version} of {kernel.suite}: {error}", file=sys.stderr)
    return series[0], series[0].folder / "vmlinuz", None, why


def _nothing(word: str, version: str, flavour: str, arch: str, index: kernels.Index) -> str:
    flavours = sorted({kernel.flavour for kernel in index.kernels})
    versions = list(dict.fromkeys(kernel.upstream for kernel in index.kernels))
    if not index.kernels:
        return f"{word} is no target: no index of Debian for {arch} is at hand: {'; '.join(index.left_out) or 'none'}"
    if flavour and not kernels.matching(index.kernels, "all", flavour):
        return f"{word}: no flavour is called {flavour}{did_you_mean(flavour, flavours)}; there are {' '.join(flavours)}"
    series = list(dict.fromkeys(".".join(map(str, kernel.series)) for kernel in index.kernels))
    return (f"{word}: no kernel of {arch} matches {version}{did_you_mean(version, versions + series)}; there are"
            f" {' '.join(series)} (./runner.py kernels)")
