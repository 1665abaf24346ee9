# SPDX-License-Identifier: GPL-2.0-only
"""Targets: what can run a static program and hand back bytes. A target is a transport and nothing more.

A kind is a module of this folder: in KINDS with `find(root)`, the targets of that kind that exist here; in ADDRESSES
with `resolve(root, word, options, machines)`, the targets that a word like "qemu:x86_64:bzImage" names.
"""

import os
import re
import select
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from math import inf
from pathlib import Path
from typing import Protocol

from harness.driver.nearest import UsageError, did_you_mean

KINDS = ("host",)
ADDRESSES = {"qemu": "qemu:<abi>:<kernel file>", "debian": "debian:<version glob>:<abi>[:<flavour>]",
             "tree": "tree:<kernel source dir>[:<abi>]"}

LONGEST_CHUNK = 16 << 10  # bytes without a line feed that are still taken for one line
LOOK_SECONDS = 0.25       # between two looks at whether to go on


class Machine(Protocol):
    """One place where an executor runs. Targets that share a machine share its runs, so that "exclusive" holds."""

    name: str           # of its logs: "host"
    own_kernel: bool    # the stream's end without `bye` means that the kernel under test died
    is_emulated: bool   # its CPUs are QEMU's TCG
    slow: int           # how many times slower than an ordinary machine
    parallel: int       # jobs at a time unless the user says otherwise
    config: str | None  # path of its kernel's configuration as programs on it see it, "" without; None: as on this host

    def start(self, plan: str, logs: Path, silence: float) -> Iterator[bytes]:
        """Runs a plan and yields the lines of its stream as they come; ends with it, or after `silence` seconds
        without a line. Keeps what it has to say besides under logs/. Raises OSError if nothing can be started."""

    def stop(self) -> None:
        """Asks the executor to end; from any thread, at any time, more than once."""

    def last_words(self) -> str:
        """Why the stream ended, as far as the transport can tell: "" if there is nothing to say."""

    def described(self) -> dict:
        """Keys of run.json that this machine knows better: "kernel" (joined with the release), "config" and its own."""


@dataclass(frozen=True)
class Target:
    """A machine and an ABI, under the name that users give."""

    name: str           # "host-x86_64"
    kind: str
    abi: str
    machine: Machine
    lacks: str = ""     # what is missing before it can be tested, with the mend; "" if it is ready


def find_all(root: Path) -> dict[str, Target]:
    """Every target that this machine knows of, ready or not, by name."""
    return {target.name: target for kind in KINDS
            for target in import_module(f"harness.driver.targets.{kind}").find(root)}


def is_address(word: str) -> bool:
    """True if a word begins like a target that is named by where its kernel is."""
    return word.partition(":")[0] in ADDRESSES and (":" in word or word in ADDRESSES)


def file_name(name: str) -> str:
    """A target's name without what file names had better not hold."""
    return re.sub(r"[^\w.+@-]+", "-", name, flags=re.ASCII).strip("-.") or "target"


def choose(words: list[str], targets: dict[str, Target], root: Path | None = None, options=None) -> list[Target]:
    """The targets that words name, a kind standing for all of its own that are ready. Raises UsageError.

    options: of virtual machines, see qemu.Options."""
    chosen: dict[str, Target] = {}
    machines: dict[str, Machine] = {}
    for word in words or ["host"]:
        if is_address(word):
            if ":" not in word:
                raise UsageError(f"{word} alone is no target: it must read {ADDRESSES[word]}")
            module = import_module(f"harness.driver.targets.{word.partition(':')[0]}")
            chosen |= {target.name: target for target in module.resolve(root, word, options, machines)}
            continue
        of_kind = {name: target for name, target in targets.items() if target.kind == word}
        ready = {name: target for name, target in of_kind.items() if not target.lacks}
        if word in targets:
            chosen[word] = targets[word]
        elif of_kind:
            chosen |= ready or of_kind
        else:
            raise UsageError(f"no target is called {word}{did_you_mean(word, [*targets, *KINDS, *ADDRESSES])}")
    return list(chosen.values())


def read_lines(fd: int, silence: float, until: Callable[[], float] = lambda: inf, gather: float = 0.0) -> Iterator[bytes]:
    """Yields the lines that arrive on a file descriptor, ends included, in chunks of bounded size; stops at its end. What
    has arrived is fetched after `gather` seconds, with what came in them, for writers that write a byte at a time.

    Raises TimeoutError after `silence` seconds without a byte, or when the clock (monotonic) passes until()."""
    kept = b""
    heard = time.monotonic()
    while True:
        limit = min(heard + silence, until())
        if time.monotonic() >= limit:
            is_silent = limit == heard + silence
            raise TimeoutError(f"silent for {silence:.0f} s" if is_silent else "told to stop and did not")
        if not select.select([fd], [], [], max(0.0, min(limit - time.monotonic(), LOOK_SECONDS)))[0]:
            continue
        time.sleep(gather)
        data = os.read(fd, 1 << 16)
        if not data:
            break
        heard = time.monotonic()
        *lines, kept = (kept + data).split(b"\n")
        for line in lines:
            yield line + b"\n"
        if len(kept) > LONGEST_CHUNK:
            yield kept
            kept = b""
    if kept:
        yield kept
