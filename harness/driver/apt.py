# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages through a private apt root: verified by apt's signatures, the host's apt left as it is."""

import fcntl
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class AptError(Exception):
    """A package or an index could not be had; the text names the cause and the mend."""


def cache_folder() -> Path:
    """Where downloads live between runs; $XDG_CACHE_HOME/osprim, made if need be."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "osprim"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@cache
def host_mirrors() -> list[str]:
    """The Debian archives in the host's own apt sources, in their order; empty where there are none."""
    uris = re.findall(r"^'(\S+?)/dists/\S+/InRelease'", _run(["apt-get", "update", "--print-uris"]), re.M)
    return list(dict.fromkeys(uri for uri in uris if "/debian" in uri))


def mirrors_of(suite: str) -> list[str]:
    """The host's archives that may have a suite: the security archives have the security suites, and no others."""
    wants_security = suite.endswith("-security")
    return [uri for uri in host_mirrors() if ("security" in uri) == wants_security]


class AptRoot:
    """One suite and architecture, so that an index that fails verification takes no other with it."""

    def __init__(self, suite: str, arch: str = "amd64"):
        """suite: "trixie"; arch: Debian's name. Nothing is fetched yet."""
        self.suite, self.arch = suite, arch
        self.root = cache_folder() / "apt" / f"{suite}-{arch}"

    def update(self) -> None:
        """Fetches the index from the first of the host's mirrors that has it; raises AptError with apt's own words."""
        mirrors = mirrors_of(self.suite)
        if not mirrors:
            raise AptError("no Debian archive in this host's apt sources: add one to /etc/apt/sources.list")
        for folder in ("etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/lib/dpkg", "var/cache/apt/archives/partial"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / "var/lib/dpkg/status").touch()
        with open(self.root / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # of another run beside this one
            self._update_from(mirrors)

    def _update_from(self, mirrors: list[str]) -> None:
        said = []
        for mirror in mirrors:
            (self.root / "etc/apt/sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror} {self.suite} main\n")
            try:
                _run(self._apt("-o", "APT::Update::Error-Mode=any", "update"))
                return
            except AptError as error:
                said.append(str(error))
                self.forget()
        raise AptError(f"the index of {self.suite}/{self.arch} cannot be fetched or verified:\n" + "\n".join(said))

    def forget(self) -> None:
        """Removes the index: apt keeps an older one where a newer one does not verify, and that is not to be used."""
        for path in (self.root / "var/lib/apt/lists").glob("*_dists_*"):
            path.unlink(missing_ok=True)

    def packages(self) -> str:
        """The index as text, as the last update() left it; "" where the suite has nothing for the architecture."""
        found = sorted((self.root / "var/lib/apt/lists").glob("*_Packages*"))
        if not found:
            return ""
        if found[0].name.endswith("_Packages"):
            return found[0].read_text(encoding="utf-8", errors="replace")
        return _run(["/usr/lib/apt/apt-helper", "cat-file", str(found[0])])

    def download(self, package: str, folder: Path) -> Path:
        """Fetches one package into folder (made if need be); apt checks its hash. Returns the .deb's path."""
        folder.mkdir(parents=True, exist_ok=True)
        before = set(folder.glob("*.deb"))
        _run(self._apt("download", package), cwd=folder)
        new = set(folder.glob("*.deb")) - before
        if not new:
            raise AptError(f"apt-get download {package} said nothing and left no file in {folder}")
        return new.pop()

    def _apt(self, *words: str) -> list[str]:
        return ["apt-get", "-qq",
                "-o", f"Dir={self.root}", "-o", f"Dir::State::status={self.root}/var/lib/dpkg/status",
                "-o", f"APT::Architecture={self.arch}", "-o", f"APT::Architectures={self.arch}",
                "-o", "Acquire::Languages=none", "-o", "Acquire::Retries=0", "-o", "APT::Sandbox::User=root", *words]


def _run(argv: list[str], cwd: Path | None = None) -> str:
    if not shutil.which(argv[0]):
        raise AptError(f"{argv[0]} is not installed: Debian's packages can only be fetched on Debian")
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise AptError(f"{argv[0]} {argv[-1]}: {done.stderr.strip() or done.returncode}")
    return done.stdout
