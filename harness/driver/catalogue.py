# SPDX-License-Identifier: GPL-2.0-only
"""The clauses of one ABI's programs, as the programs themselves print them (`program --clauses=json`)."""

import json
import os
from dataclasses import dataclass, field, fields
from pathlib import Path

CACHE_VERSION = 1
AT_A_TIME = 8
LISTING_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of one program; harness/clause.h says what the fields mean."""

    id: str            # suite/program/name
    program: str       # relative to the repository: build/<abi>/suites/<suite>/<program>
    order: int         # its place in the program, from 0
    name: str
    tap: str           # the harness's own name: fixture.variant.name
    file: str
    line: int
    text: str
    since: str
    config: str
    needs: str
    commit: str
    needed_by: str
    writes: str
    exclusive: int
    as_nobody: int
    probed: int
    timeout: int       # seconds on a machine of ordinary speed

    @property
    def source(self) -> str:
        """The C file, relative to the repository."""
        return "suites/" + self.id.split("/", 2)[0] + "/" + self.id.split("/", 2)[1] + ".c"

    @property
    def written_files(self) -> tuple[str, ...]:
        """The files that it changes, which the executor puts back."""
        return tuple(self.writes.replace(",", " ").split())


PRINTED = [f for f in fields(Clause) if f.name not in ("id", "program", "order")]


@dataclass
class Catalogue:
    """What is built for an ABI, and what stands in the way of the rest."""

    abi: str
    clauses: list[Clause] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # programs that cannot say what they hold
    unbuilt: list[str] = field(default_factory=list)   # sources without a program
    stale: list[str] = field(default_factory=list)     # programs older than their source


def built_abis(root: Path) -> list[str]:
    """The ABIs that something is built for, by name."""
    return sorted(folder.parent.name for folder in (root / "build").glob("*/suites"))


def load(root: Path, abi: str) -> Catalogue:
    """Reads the catalogue of an ABI; runs only programs that changed since, and raises for none of them."""
    found = Catalogue(abi)
    cache_file = root / "build" / abi / "catalogue.json"
    cache = _read_cache(cache_file)
    fresh, old = {}, {}
    for path, source in _programs(root, abi, found):
        stat = os.stat(root / path)
        stamp = [stat.st_mtime_ns, stat.st_size]
        if stat.st_mtime_ns < source.stat().st_mtime_ns:
            found.stale.append(path)
        known = cache.get(path)
        (old if known and known["stamp"] == stamp else fresh)[path] = stamp
    listed = {path: cache[path] for path in old}
    launcher, lacks = launcher_of(root, abi) if fresh else ([], "")
    if lacks:
        found.problems.append(f"build/{abi} cannot list its clauses here: {lacks}")
        fresh = {}
    for path, clauses, problem in _list_all(root, list(fresh), launcher):
        if problem:
            found.problems.append(f"{path} cannot list its clauses: {problem}")
        else:
            listed[path] = {"stamp": fresh[path], "clauses": clauses}
    if fresh or len(listed) != len(cache):
        _write_cache(cache_file, listed)
    for path in sorted(listed):
        prefix = path.split("/suites/", 1)[1]
        found.clauses += [Clause(f"{prefix}/{row[0]}", path, order, *row)
                          for order, row in enumerate(listed[path]["clauses"])]
    return found


def launcher_of(root: Path, abi: str) -> tuple[list[str], str]:
    """The words before a program of an ABI so that this machine can ask it for its clauses: none for its own, an
    emulator of user space for others. And what is missing for that, with the mend, or ""."""
    from harness.driver.targets.host import native_abis
    if abi in native_abis(root) or not (root / "arch" / abi / "target.toml").exists():
        return [], ""
    import shutil

    from harness.driver import abis
    name = abis.load(root, abi).qemu_user
    found = shutil.which(f"{name}-static") or shutil.which(name)
    return ([found], "") if found else ([], f"{name} is missing: apt-get install -y --no-install-recommends qemu-user-static")


def _programs(root: Path, abi: str, found: Catalogue):
    """Yields (program, source) for what is built and has a source; notes what has no program."""
    other_abis = {folder.name for folder in (root / "arch").glob("*")} - {abi}
    for source in sorted((root / "suites").glob("*/*.c")):
        if source.parent.name in other_abis:
            continue
        path = f"build/{abi}/suites/{source.parent.name}/{source.stem}"
        if (root / path).is_file():
            yield path, source
        else:
            found.unbuilt.append(f"suites/{source.parent.name}/{source.name}")


def _list_all(root: Path, paths: list[str], launcher: list[str]):
    """Runs programs side by side; yields (path, rows or None, problem or "")."""
    if not paths:
        return
    import subprocess
    while paths:
        batch, paths = paths[:AT_A_TIME], paths[AT_A_TIME:]
        started = []
        for path in batch:
            try:
                started.append((path, subprocess.Popen([*launcher, root / path, "--clauses=json"], stdin=subprocess.DEVNULL,
                                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)))
            except OSError as error:
                yield path, None, error.strerror
        for path, process in started:
            try:
                out, err = process.communicate(timeout=LISTING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                yield path, None, f"silent for {LISTING_SECONDS} s"
                continue
            if process.returncode:
                said = " ".join(word for word in err.split() if word.isprintable())
                yield path, None, said[:300] or f"exit code {process.returncode}"
            else:
                yield path, *_rows(out)


def _rows(printed: str) -> tuple[list | None, str]:
    """The rows of one program's listing in the order of Clause's fields, or what is wrong with it."""
    rows = []
    for line in printed.splitlines():
        try:
            entry = json.loads(line)
            row = [entry[f.name] for f in PRINTED]
        except (ValueError, KeyError, TypeError) as error:
            return None, f"{type(error).__name__} {error} in {line[:100]!r}"
        if any(type(value).__name__ != (f.type if isinstance(f.type, str) else f.type.__name__)
               for value, f in zip(row, PRINTED)):
            return None, f"a field of the wrong type in {line[:100]!r}"
        rows.append(row)
    return rows, ""


def _read_cache(path: Path) -> dict:
    try:
        cache = json.loads(path.read_text())
        return cache["programs"] if cache["version"] == CACHE_VERSION else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _write_cache(path: Path, programs: dict) -> None:
    """Best effort: a build that cannot be written is listed anew each time."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        scratch.write_text(json.dumps({"version": CACHE_VERSION, "programs": programs}))
        scratch.replace(path)
    except OSError:
        pass
