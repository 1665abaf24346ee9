# SPDX-License-Identifier: GPL-2.0-only
"""Known divergences, fixtures/known/*.toml: verdicts that are expected though no promise allows them, with reasons.

	[[known]]
	clause = "futex/pi/*"           # glob over ids
	target = "host-*"               # glob over target names; optional
	kind = "qemu"                   # host, qemu, debian, tree ...: glob; optional
	abi = "i386"                    # glob; optional
	kernel = ">=5.10, <6.2"         # releases compared number by number; optional
	cpu = "amx_tile"                # globs, each over the words of the processor (cpu.py); optional
	expect = "fail"
	sometimes = "1 run in 3"        # how often, where chance decides: a pass is then as expected; optional
	reason = "what differs, and why that is so"
	link = "https://..."
"""

import operator
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from harness.driver import verdict
from harness.driver.nearest import UsageError, did_you_mean

KEYS = {"clause", "target", "kind", "abi", "kernel", "cpu", "expect", "sometimes", "reason", "link"}
NEEDED = {"clause", "expect", "reason", "link"}
_RELATIONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq}
_BOUND = re.compile(r"(>=|<=|>|<|=)\s*([0-9]+(?:\.[0-9]+){1,2})")


@dataclass(frozen=True)
class Known:
    """One entry; `where` is its file, `number` its place in it, from 1."""

    clause: str
    expect: str
    reason: str
    link: str
    where: str
    target: str = "*"
    abi: str = "*"
    kernel: str = ""
    kind: str = "*"
    cpu: str = ""
    number: int = 0
    sometimes: str = ""

    def covers(self, target: str, abi: str, release: str, kind: str = "", cpu: tuple[str, ...] = ()) -> bool:
        """True if the entry speaks of this kernel. What is not known of a target matches no word."""
        return (fnmatchcase(target, self.target) and fnmatchcase(kind, self.kind)
                and fnmatchcase(abi, self.abi) and in_range(release, self.kernel)
                and all(any(fnmatchcase(word, glob) for word in cpu) for glob in self.cpu.split()))


def load(root: Path) -> list[Known]:
    """Every entry of every file, in the order of their names. Raises UsageError that names the file and the mend."""
    entries = []
    for path in sorted((root / "fixtures/known").glob("*.toml")):
        entries += _entries(path, str(path.relative_to(root)))
    return entries


def of_target(entries: list[Known], target: str, abi: str, release: str, kind: str = "", cpu: tuple[str, ...] = ()) -> list[Known]:
    """The entries that cover a target."""
    return [known for known in entries if known.covers(target, abi, release, kind, cpu)]


def find(entries: list[Known], clause_id: str) -> Known | None:
    """The first of a target's entries that speaks of a clause."""
    return next((known for known in entries if fnmatchcase(clause_id, known.clause)), None)


def is_expected(word: str, known: Known | None) -> bool:
    """Whether a verdict is as expected. An unexpected pass is not, unless chance decides; what cannot be shown here
    contradicts nothing."""
    if known is None:
        return word in verdict.GOOD
    return word in (known.expect, "absent", "skip") or (bool(known.sometimes) and word in verdict.GOOD)


def in_range(release: str, bounds: str) -> bool:
    """"6.1.0-50-amd64" in ">=5.10, <6.2". What does not begin with numbers is in no range but the empty one."""
    if not bounds:
        return True
    numbers = _numbers(release)
    if not numbers:
        return False
    for relation, bound in _BOUND.findall(bounds):
        wanted = tuple(map(int, bound.split(".")))  # "6.1" is every 6.1.x
        have = numbers[:len(wanted)]
        if not _RELATIONS[relation](have, wanted):
            return False
    return True


def _numbers(release: str) -> tuple[int, ...]:
    match = re.match(r"([0-9]{1,4})\.([0-9]{1,4})(?:\.([0-9]{1,6}))?", release)
    return tuple(int(number or 0) for number in match.groups()) if match else ()


def _entries(path: Path, where: str) -> list[Known]:
    import tomllib
    try:
        table = tomllib.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise UsageError(f"{where}: {error}") from None
    for key in table.keys() - {"known"}:
        raise UsageError(f"{where}: unknown key {key}: entries begin with [[known]]")
    entries = []
    for number, row in enumerate(table.get("known", []), 1):
        place = f"{where}: entry {number}"
        for key, value in row.items():
            if key not in KEYS:
                mend = did_you_mean(key, KEYS) or f"; known are {' '.join(sorted(KEYS))}"
                raise UsageError(f"{place}: unknown key {key}{mend}")
            if not isinstance(value, str) or not value:
                raise UsageError(f"{place}: {key} must be a text")
        if missing := NEEDED - row.keys():
            raise UsageError(f"{place}: {' and '.join(sorted(missing))} must be given")
        if row["expect"] not in verdict.WORDS or row["expect"] in verdict.GOOD or row["expect"] == "broken":
            words = [word for word in verdict.WORDS if word not in verdict.GOOD and word != "broken"]
            raise UsageError(f"{place}: expect must be one of {' '.join(words)}{did_you_mean(row['expect'], words)}")
        rest = _BOUND.sub("", row.get("kernel", "")).replace(",", "").strip()
        if rest:
            raise UsageError(f"{place}: kernel must read like \">=5.10, <6.2\", not {row['kernel']!r}")
        entries.append(Known(where=where, number=number, **row))
    return entries
