# SPDX-License-Identifier: GPL-2.0-only
"""Runs that are kept, as their readers want them: found by name, by path or as RUN:TARGET, tallied by target."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from harness.driver.nearest import UsageError, nearest
from harness.driver.results import read_records
from harness.driver.tally import Tally, by_target


@dataclass
class Kept:
    """One run as it lies on the disk."""

    folder: Path
    run: dict                                                               # run.json
    targets: dict[str, dict[str, Tally]] = field(default_factory=dict)      # by target, then by clause

    @property
    def name(self) -> str:
        """The run's own name, whatever it was found as."""
        return str(self.run.get("run") or self.folder.resolve().name)

    def about(self, target: str) -> dict:
        """What run.json holds of a target; {} if nothing."""
        return next((row for row in self.run.get("targets", []) if row.get("name") == target), {})

    def release(self, target: str) -> str:
        """The release of the kernel that a target ran, "" if it said none."""
        return str(self.about(target).get("kernel", {}).get("release", ""))

    def missing(self, target: str) -> int:
        """How many verdicts the run planned for a target and does not have."""
        have = sum(tally.total for tally in self.targets.get(target, {}).values())
        return max(0, self.about(target).get("planned", 0) * self.run.get("repeat", 1) - have)


def read(folder: Path) -> Kept:
    """A run's folder. Raises UsageError if it is none."""
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        records = read_records(folder)
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} is no run: {getattr(error, 'strerror', None) or error}") from None
    return Kept(folder, run, by_target(records))


def find(word: str, base: Path) -> Path | None:
    """The folder of a run that a word names: a path, a name below base, or "latest"; None if there is none."""
    for folder in (Path(word), base / word):
        if word and (folder / "run.json").is_file() and (folder / "results.jsonl").is_file():
            return folder
    return None


def one(word: str, base: Path) -> Kept:
    """The run that a word names. Raises UsageError with the nearest names."""
    folder = find(word, base)
    if folder is None:
        raise UsageError(f"no run is called {word}{_mend(word, _names(base))}")
    return read(folder)


def run_and_target(word: str, base: Path) -> tuple[Kept, str]:
    """(run, target) of RUN, RUN:TARGET or TARGET of the latest run; "" for all targets. Raises UsageError.

    Names of targets hold colons themselves: the longest beginning that names a run is taken for one."""
    folder = find(word, base)
    if folder:
        return read(folder), ""
    for at in (at for at in range(len(word) - 1, 0, -1) if word[at] == ":"):
        folder = find(word[:at], base)
        if folder:
            return _target_of(read(folder), word[at + 1:])
    latest = find("latest", base)
    if latest:
        kept = read(latest)
        if word in kept.targets:
            return kept, word
        raise UsageError(f"{word} is neither a run nor a target of the latest one{_mend(word, [*_names(base), *kept.targets])}")
    raise UsageError(f"no run is called {word}, and none is kept in {base}: ./runner.py run")


def _target_of(kept: Kept, target: str) -> tuple[Kept, str]:
    if target not in kept.targets:
        raise UsageError(f"{kept.name} has no target {target}{_mend(target, kept.targets)}")
    return kept, target


def _names(base: Path) -> list[str]:
    """The runs below a folder, the newest first."""
    try:
        entries = sorted(os.listdir(base), reverse=True)
    except OSError:
        return []
    return [name for name in entries if (base / name / "results.jsonl").is_file()]


def _mend(word: str, names) -> str:
    """The names most like a word; without any, the first few that there are."""
    names = list(names)
    near = nearest(word, names)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return f"; there are {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}" if names else ""
