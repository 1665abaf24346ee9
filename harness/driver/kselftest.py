# SPDX-License-Identifier: GPL-2.0-only
"""Fetches the kernel's kselftest_harness.h and kselftest.h out of Debian's linux-source-6.12.

6.12's on purpose: 7.x opens a pidfd for each child and fails everywhere under gVisor; 6.1's cannot filter.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.driver.apt import AptError, AptRoot, cache_folder

PACKAGE = "linux-source-6.12"
SUITES = ("trixie", "bookworm-backports", "bookworm-security")
HEADERS = ("kselftest.h", "kselftest_harness.h")


def fetch(into: Path) -> None:
    """Puts the two headers into a folder; downloads about 150 MB the first time on a machine. Raises AptError."""
    cached = cache_folder() / PACKAGE
    if not all((cached / header).exists() for header in HEADERS):
        _download(cached)
    into.mkdir(parents=True, exist_ok=True)
    for header in HEADERS:
        shutil.copyfile(cached / header, into / header)


def _download(cached: Path) -> None:
    print(f"fetching the kselftest harness out of Debian's {PACKAGE} (once, about 150 MB)", file=sys.stderr)
    said = []
    with tempfile.TemporaryDirectory(dir=cache_folder()) as scratch:
        for suite in SUITES:
            try:
                root = AptRoot(suite)
                root.update()
                package = root.download(PACKAGE, Path(scratch))
                break
            except AptError as error:
                said.append(f"{suite}: {error}")
        else:
            raise AptError("\n".join(said) + "\nor name a kernel tree that has them: make KSELFTEST=<dir>")
        _unpack(package, Path(scratch))
        cached.mkdir(exist_ok=True)
        for header in HEADERS:
            (Path(scratch) / header).replace(cached / header)


def _unpack(package: Path, folder: Path) -> None:
    source = f"./usr/src/{PACKAGE}.tar.xz"
    members = [f"{PACKAGE}/tools/testing/selftests/{header}" for header in HEADERS]
    with open(folder / "source.tar.xz", "wb") as out:
        data = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
        done = subprocess.run(["tar", "-xO", source], stdin=data.stdout, stdout=out)
        if done.returncode or data.wait():
            raise AptError(f"{package.name} holds no {source}")
    done = subprocess.run(["tar", "-xJf", folder / "source.tar.xz", "-C", folder, "--strip-components=4", *members])
    if done.returncode:
        raise AptError(f"{source} holds no {' and '.join(members)}")


if __name__ == "__main__":
    try:
        fetch(Path(sys.argv[1]))
    except (AptError, OSError) as failure:
        sys.exit(f"kselftest: {failure}")
