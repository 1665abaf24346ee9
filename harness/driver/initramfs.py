# SPDX-License-Identifier: GPL-2.0-only
"""What a guest boots into: the executor as /init, the programs of a plan at their places, /config and /plan."""

import gzip
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import BinaryIO

from harness.driver import cpio
from harness.driver.abis import Abi

CONFIG = "/config"  # where a guest finds its kernel's configuration


def write(out: BinaryIO, root: Path, executor: Path, plan: str, config: Path | None, tools: dict[str, Abi]) -> None:
    """Writes the archive for one boot. tools: the architectures of the plan's programs, by name. Raises OSError."""
    archive = cpio.Writer(out)
    archive.device("dev/console", cpio.CONSOLE)
    archive.copy("init", executor)
    for program in sorted(set(re.findall(r" program=(\S+)", plan))):
        archive.copy(program, stripped(root, program, tools.get(program.split("/")[1])))
    if config:
        archive.copy(CONFIG[1:], config, 0o644)
    archive.file("plan", plan.encode(), 0o644)
    archive.close()


def fit(archive: BinaryIO, most: int) -> None:
    """Compresses an archive of more than so many bytes (0: any) in place, for the kernel to unpack. Raises OSError."""
    if not most or archive.seek(0, os.SEEK_END) <= most:
        return
    with tempfile.TemporaryFile() as packed:
        archive.seek(0)
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as out:
            shutil.copyfileobj(archive, out, 1 << 20)
        packed.seek(0)
        archive.seek(0)
        archive.truncate()
        shutil.copyfileobj(packed, archive, 1 << 20)


def stripped(root: Path, program: str, abi: Abi | None) -> Path:
    """A program without its symbols, which are a quarter of it; kept in build/<abi>/stripped until it is built anew.

    Where no strip is at hand, the program itself."""
    source = root / program
    built, _, rest = program.partition("/suites/")
    kept = root / built / "stripped" / rest
    stat = source.stat()
    try:
        if kept.stat().st_mtime_ns == stat.st_mtime_ns:
            return kept
    except FileNotFoundError:
        pass
    tool = _strip(abi)
    if not tool:
        return source
    kept.parent.mkdir(parents=True, exist_ok=True)
    scratch = kept.with_name(f"{kept.name}.{os.getpid()}.{os.urandom(3).hex()}")
    try:
        if subprocess.run([tool, "-o", scratch, source], capture_output=True).returncode:
            return source
        os.utime(scratch, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
        scratch.replace(kept)
    finally:
        scratch.unlink(missing_ok=True)
    return kept


def _strip(abi: Abi | None) -> str:
    """The tool for an architecture: this machine's own for what its compiler builds natively."""
    if abi is None:
        return ""
    native = os.uname().machine in abi.runs_on
    return shutil.which(f"{abi.triplet}-strip") or (shutil.which("strip") if native else "") or ""
