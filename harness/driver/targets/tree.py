# SPDX-License-Identifier: GPL-2.0-only
"""A kernel source tree as a target: "tree:<dir>[:<abi>]". Built out of it, from fixtures/kconfig/<abi>.config and defaults."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness.driver.abis import Abi
from harness.driver.apt import cache_folder
from harness.driver.nearest import UsageError
from harness.driver.targets import Machine, Target
from harness.driver.targets.qemu import Options, abis_of, lacking, machine_for

LAST_LINES = 5  # of a failed build, in the reason


def resolve(root: Path, word: str, options: Options, machines: dict[str, Machine]) -> list[Target]:
    """Builds the tree and names the result. Raises UsageError for a folder that is none; a failed build is a lack."""
    _, _, rest = word.partition(":")
    folder, colon, abi_word = rest.rpartition(":")
    if not colon:
        folder, abi_word = rest, os.uname().machine
    programs, abi = abis_of(root, abi_word)
    source = source_of(folder)
    build = build_folder(source, abi)
    lacks = lacking(root, abi, programs) or unready(source, abi) or build_kernel(root, source, build, abi, options.config)
    machine = machine_for(machines, f"tree-{abi.name}-{source.name}", root, abi, build / abi.image, options,
                          {"file": str(build / abi.image), "tree": str(source)}, build / ".config")
    return [Target(word, "tree", programs.name, machine, lacks)]


def source_of(word: str) -> Path:
    """The source tree that a user names. Raises UsageError."""
    source = Path(word).expanduser().absolute()
    if not (source / "Kbuild").is_file() or not (source / "scripts/kconfig").is_dir():
        raise UsageError(f"{source} is no kernel source tree: it has no Kbuild or no scripts/kconfig")
    return source


def build_folder(source: Path, abi: Abi) -> Path:
    """Where a tree is built for an architecture."""
    return cache_folder() / "trees" / f"{hashlib.sha256(str(source).encode()).hexdigest()[:12]}-{abi.name}"


def unready(source: Path, abi: Abi) -> str:
    """What keeps any commit of a tree from being built here, with the mend; "" if nothing does."""
    if (source / ".config").exists() or (source / "include/config").exists():
        return f"{source} was built in place, which the kernel's own build refuses beside others: make -C {source} mrproper"
    return missing_tools(source, abi)


def missing_tools(source: Path, abi: Abi) -> str:
    """What a build lacks on this machine, with the mend, or ""."""
    tools = {"make": "make", f"{_cross(abi)}gcc": f"gcc-{abi.triplet.replace('_', '-')}" if _cross(abi) else "gcc"}
    if (source / "scripts/kconfig/lexer.l").exists():
        tools |= {name: name for name in ("flex", "bison", "bc")}
    missing = [package for name, package in tools.items() if not shutil.which(name)]
    return f"a kernel cannot be built here: apt-get install -y --no-install-recommends {' '.join(missing)}" if missing else ""


def build_kernel(root: Path, source: Path, build: Path, abi: Abi, config: Path | None, words: tuple[str, ...] = ()) -> str:
    """Brings a kernel up to date; returns "" or why that failed. A build that was interrupted goes on.

    config: a whole one; without it, fixtures/kconfig. words: of make, as LOCALVERSION=-x."""
    wanted = [config] if config else [root / "fixtures/kconfig" / f"{name}.config" for name in ("common", abi.name)]
    if missing := [str(path) for path in wanted if not path.is_file()]:
        return f"{missing[0]} is missing: give a whole configuration, --config FILE"
    build.mkdir(parents=True, exist_ok=True)
    kept, text = build / "osprim.config", "".join(path.read_text() for path in wanted)
    if config and (not (build / ".config").exists() or not kept.exists() or kept.read_text() != text):
        (build / ".config").write_text(text)
        kept.write_text(text)
    # Each time: the tree may have moved to a version that asks for more. Without a whole configuration, everything that
    # the fragments do not name is off. What comes out as it was leaves all objects as they are.
    base = ["olddefconfig"] if config else ["allnoconfig", f"KCONFIG_ALLCONFIG={_copy(build, text)}"]
    if why := _make(source, build, abi, base):
        return why
    print(f"building {source} for {abi.name} in {build}", file=sys.stderr)
    return _make(source, build, abi, [f"-j{len(os.sched_getaffinity(0))}", *words, Path(abi.image).name])


def _cross(abi: Abi) -> str:
    """The prefix of the compiler for an architecture; "" for this machine's own."""
    return "" if os.uname().machine in abi.runs_on else f"{abi.triplet}-"


def _copy(build: Path, text: str) -> Path:
    (build / "osprim.fragment").write_text(text)
    return build / "osprim.fragment"


def _make(source: Path, build: Path, abi: Abi, words: list[str]) -> str:
    cross = f"CROSS_COMPILE={_cross(abi)}"
    command = ["make", "-s", "-C", source, f"O={build}", f"ARCH={abi.kernel}", *([cross] if _cross(abi) else []), *words]
    with open(build / "osprim-build.log", "wb") as log:
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT).returncode
    if not code:
        return ""
    said = (build / "osprim-build.log").read_text(errors="replace").strip().splitlines()[-LAST_LINES:]
    return f"its kernel cannot be built ({build}/osprim-build.log): {' / '.join(line.strip() for line in said)}"
