# SPDX-License-Identifier: GPL-2.0-only
"""Debian's kernels: which there are, and their images and configurations in a cache by the hash of their package.

Each suite and architecture has an index of its own; one that cannot be had or does not verify is left out by itself.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path

from harness.driver.apt import AptError, AptRoot, cache_folder

SUITES = ("bullseye", "bullseye-security", "bookworm", "bookworm-security", "bookworm-backports", "trixie",
          "trixie-security", "trixie-backports", "forky", "sid", "experimental")
AT_A_TIME = 6           # indexes that are fetched side by side
INDEX_VERSION = 2
ASK_AGAIN_SECONDS = 86400  # after which an index that could not be had is tried once more

# "6.1.0-50-cloud-amd64", "6.12.9+bpo-rt-arm64", "7.2.12+deb13-5kc-malta", "7.3-rc7-amd64": the version, the flavour.
_RELEASE = re.compile(r"(\d+\.\d+(?:\.\d+)?(?:[-~]rc\d+)?(?:\+[a-z][a-z0-9.+~]*)?"
                      r"(?:-(?:\d+|\d\.[a-z]+[0-9.]+|trunk))?)-([a-z0-9].*)")
_PACKAGE = re.compile(r"linux-(image|binary|binary-unsigned|base)-(\d\S*)")
_MEMBER = re.compile(r"\./(?:boot/(vmlinu[xz]|config)-[^/]+|usr/lib/modules/[^/]+/(vmlinu[xz]|config))")


@dataclass(frozen=True)
class Kernel:
    """One kernel of the archive: the package that holds its image, and the one with its configuration if it is another."""

    release: str            # "6.1.0-50-cloud-amd64", as uname -r says it
    flavour: str            # "cloud-amd64"
    version: str            # the package's: "6.1.176-1"
    suite: str
    arch: str               # Debian's
    package: str
    sha256: str             # of the package
    size: int               # of the package, in bytes
    config_package: str = ""
    config_sha256: str = ""

    @property
    def upstream(self) -> str:
        """"6.1.176"."""
        return self.version.partition("-")[0]

    @property
    def series(self) -> tuple[int, ...]:
        """(6, 1)."""
        return tuple(map(int, re.findall(r"\d+", self.upstream)[:2]))

    @property
    def age(self) -> tuple:
        """Sorts kernels of one architecture, the oldest first; a release candidate stands before its release."""
        upstream, _, revision = self.version.partition("-")
        number, _, candidate = upstream.partition("~rc")
        parts = ([*map(int, re.findall(r"\d+", number)), 0, 0])[:3]
        return (*parts, int(candidate) if candidate.isdigit() else 1000, [int(n) for n in re.findall(r"\d+", revision)])

    @property
    def folder(self) -> Path:
        """Where its files are kept once fetched."""
        return cache_folder() / "kernels" / self.sha256

    @property
    def is_cached(self) -> bool:
        """True if its files are at hand."""
        return (self.folder / "about.json").exists()


@dataclass
class Index:
    """What the archive has for one architecture, and what had to be left out of it."""

    kernels: list[Kernel]
    left_out: list[str]     # "sid/arm64: why", a line each


def index(arch: str, suites: tuple[str, ...] = SUITES, refresh: bool = False) -> Index:
    """The kernels of an architecture, the oldest first; fetches what is not at hand, and never raises AptError."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        rows = list(pool.map(lambda suite: _index_of(suite, arch, refresh), suites))
    found: dict[tuple[str, str], Kernel] = {}
    for kernel in [kernel for kernels, _ in rows for kernel in kernels] + cached(arch):
        found.setdefault((kernel.package, kernel.version), kernel)
    said = [f"{suite}/{arch}: {why}" for suite, (_, why) in zip(suites, rows) if why]
    return Index(sorted(found.values(), key=lambda kernel: (kernel.age, kernel.flavour)), said)


def cached(arch: str) -> list[Kernel]:
    """The kernels at hand, whatever the archive has now."""
    return [_kernel(json.loads(path.read_text())) for path in (cache_folder() / "kernels").glob("*/about.json")
            if f'"arch": "{arch}"' in path.read_text()]


def matching(kernels: list[Kernel], version: str, flavour: str = "",
             flavours: tuple[str, ...] = ()) -> list[list[Kernel]]:
    """The kernels of each series that a glob over versions selects, the newest first; the oldest series first.

    version: over upstream versions, package versions or Debian's own ("6.1.0-50"); "6.1" is all of 6.1.*; `oldest` and
    `newest` are of the series, `all` is each of them. flavour: "cloud", "rt", "64k", "generic", or whole. flavours:
    those to choose from where none is named, by preference."""
    series: dict[tuple, list[Kernel]] = {}
    for kernel in sorted(kernels, key=lambda kernel: kernel.age):
        if ((version in ("oldest", "newest", "all") or is_version(kernel, version))
                and (_is_flavour(kernel.flavour, flavour) if flavour else kernel.flavour in flavours)):
            series.setdefault(kernel.series, []).insert(0, kernel)
    if not flavour:  # of one series, one flavour
        for found in series.values():
            best = min(flavours.index(kernel.flavour) for kernel in found)
            found[:] = [kernel for kernel in found if kernel.flavour == flavours[best]]
    found = list(series.values())
    return {"oldest": found[:1], "newest": found[-1:]}.get(version, found)


def fetch(kernel: Kernel) -> tuple[Path, Path | None]:
    """(image, configuration) of a kernel, out of the cache or the archive. Raises AptError, OSError.

    Debian keeps linux-binary-* of releases whose linux-base-* it has dropped: those have no configuration."""
    if not kernel.is_cached:
        (cache_folder() / "kernels").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_folder() / "kernels", prefix=".part-") as scratch:
            _fetch_into(kernel, Path(scratch))
            made = Path(scratch) / "made"
            try:
                made.rename(kernel.folder)
            except OSError:
                if not kernel.is_cached:  # another run was quicker
                    raise
    config = kernel.folder / "config"
    return kernel.folder / "vmlinuz", config if config.exists() else None


def _fetch_into(kernel: Kernel, scratch: Path) -> None:
    root, made = AptRoot(kernel.suite, kernel.arch), scratch / "made"
    made.mkdir()
    for package, digest in ((kernel.package, kernel.sha256), (kernel.config_package, kernel.config_sha256)):
        if package:
            try:
                deb = root.download(f"{package}={kernel.version}", scratch)
            except AptError as error:
                raise AptError(f"{_shortened(str(error))}; the archive may have a newer one: --refresh") from None
            if sha256(deb.read_bytes()).hexdigest() != digest:
                raise AptError(f"{deb.name} has another hash than the index says")
            _unpack(deb, made)
            deb.unlink()
    if not (made / "vmlinuz").exists():
        raise AptError(f"{kernel.package} {kernel.version} holds no kernel")
    (made / "about.json").write_text(json.dumps(asdict(kernel), indent=2) + "\n")


def _unpack(deb: Path, into: Path) -> None:
    process = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process, tarfile.open(fileobj=process.stdout, mode="r|") as archive:
        for member in archive:
            found = _MEMBER.fullmatch(member.name)
            if found and member.isfile():
                name = "config" if "config" in found.groups() else "vmlinuz"
                with open(into / name, "wb") as out:
                    shutil.copyfileobj(archive.extractfile(member), out)
        process.stdout.read()
    if process.returncode:
        raise AptError(f"{deb.name} cannot be unpacked")


# Indexes.

def _index_of(suite: str, arch: str, refresh: bool) -> tuple[list[Kernel], str]:
    """(kernels, why they are left out or "") of one suite."""
    kept = cache_folder() / "kernels" / f"index-{suite}-{arch}.json"
    try:
        held = json.loads(kept.read_text())
        usable = held["version"] == INDEX_VERSION and (not held["why"] or time.time() < held["at"] + ASK_AGAIN_SECONDS)
    except (OSError, ValueError, KeyError, TypeError):
        usable = False
    if not usable or refresh:
        held = _fetch_index(suite, arch)
        kept.parent.mkdir(parents=True, exist_ok=True)
        scratch = kept.with_name(f".{kept.name}.{os.getpid()}")
        scratch.write_text(json.dumps(held))
        scratch.replace(kept)
    return [_kernel(row) for row in held["kernels"]], held["why"]


def _fetch_index(suite: str, arch: str) -> dict:
    print(f"reading Debian's index of {suite}/{arch}", file=sys.stderr)
    root = AptRoot(suite, arch)
    held = {"version": INDEX_VERSION, "at": time.time(), "why": "", "kernels": []}
    try:
        root.update()
        held["kernels"] = [asdict(kernel) for kernel in read(root.packages(), suite, arch)]
    except AptError as error:
        held["why"] = _shortened(str(error))
    return held


def _shortened(said: str) -> str:
    """apt's complaint without what every line of it repeats."""
    complaint = re.sub(r"\s+", " ", said.partition("E: ")[2] or said)
    return re.sub(r" \[IP: .*| Hashes of expected file.*", "", complaint)[:300].replace("Failed to fetch ", "cannot fetch ")


def read(packages: str, suite: str, arch: str) -> list[Kernel]:
    """The kernels in a Packages file. An image that is signed (for Secure Boot) stands for the same one unsigned."""
    rows: dict[tuple[str, str], dict] = {}
    for start in re.finditer(r"^Package: (linux-\S+)$", packages, re.M):
        name = _PACKAGE.fullmatch(start[1])
        if name and not name[2].endswith(("-dbg", "-template")):
            end = packages.find("\n\n", start.start())
            row = dict(re.findall(r"^(\S+): (.*)$", packages[start.start():end if end >= 0 else None], re.M))
            kind = name[1]
            release = name[2].removesuffix("-unsigned")
            if kind == "image" and release != name[2]:
                kind = "image-unsigned"
            held = rows.get((kind, release))
            if not held or _numbers(row["Version"]) > _numbers(held["Version"]):
                rows[kind, release] = row
    return [kernel for release in sorted({release for _, release in rows})
            if (kernel := _kernel_of(rows, release, suite, arch))]


def _kernel_of(rows: dict, release: str, suite: str, arch: str) -> Kernel | None:
    parts = _RELEASE.fullmatch(release)
    base = rows.get(("base", release))
    for kind in ("binary", "binary-unsigned", "image", "image-unsigned"):
        row = rows.get((kind, release))
        if not parts or not row or "SHA256" not in row or int(row["Size"]) < 1 << 20:
            continue  # since the split of packages, linux-image-* holds nothing; so do templates
        has_base = kind.startswith("binary") and base and base["Version"] == row["Version"]
        return _made(release, parts[2], row, suite, arch, base if has_base else None)
    return None


def _made(release: str, flavour: str, row: dict, suite: str, arch: str, base: dict | None) -> Kernel:
    return Kernel(release, flavour, row["Version"], suite, arch, row["Package"], row["SHA256"], int(row["Size"]),
                  base["Package"] if base else "", base["SHA256"] if base else "")


def _kernel(row: dict) -> Kernel:
    return Kernel(**{field.name: row[field.name] for field in fields(Kernel)})


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def is_version(kernel: Kernel, pattern: str) -> bool:
    """True if a glob or a plain series selects a kernel by one of its versions."""
    own = kernel.release.removesuffix("-" + kernel.flavour)
    if not set(pattern) & set("*?["):
        return pattern in (kernel.upstream, kernel.version, own) or kernel.upstream.startswith((pattern + ".", pattern + "~"))
    return any(fnmatchcase(version, pattern) for version in (kernel.upstream, kernel.version, own))


def _is_flavour(flavour: str, word: str) -> bool:
    parts = flavour.split("-")
    return (word == flavour or word in parts
            or (word == "generic" and not {"cloud", "rt", "16k", "64k"} & set(parts)))
