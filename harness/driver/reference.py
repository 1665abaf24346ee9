# SPDX-License-Identifier: GPL-2.0-only
"""The verdicts of published kernels, results/reference/: one small file a kernel and ABI, and `clauses`, which they share.

`clauses` has an id a line and only ever grows. A kernel's file has facts ("key value"), then a letter a clause in the order of
`clauses` ("-": not asked; the letters are verdict.LETTERS), then the reasons of all that is no pass ("verdict clause: why").
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from harness.driver import verdict
from harness.driver.compare import Pair, Side, State, compare, side_of
from harness.driver.nearest import UsageError
from harness.driver.runs import Kept
from harness.driver.targets import file_name

MAGIC = "osprim-reference 1"
FACTS = ("target", "abi", "release", "package", "version", "suite", "package_sha256", "sha256", "config_sha256", "cpu", "tested",
         "commit")
LETTERS = verdict.LETTERS | {"": "-"}
WORDS = {letter: word for word, letter in LETTERS.items()}
A_LINE = 100        # letters
MOST_WHY = 160      # of a reason


@dataclass
class Reference:
    """One kernel and ABI."""

    facts: dict[str, str]
    verdicts: dict[str, str] = field(default_factory=dict)  # by clause; those that were asked
    whys: dict[str, str] = field(default_factory=dict)      # by clause, of what is no pass

    @property
    def abi(self) -> str:
        """What its programs were built for."""
        return self.facts["abi"]

    @property
    def upstream(self) -> str:
        """"6.1.176" of "6.1.176-1"."""
        return self.facts["version"].partition("-")[0]

    @property
    def name(self) -> str:
        """"6.1.176 x86_64 cloud-amd64": the kernel as a person says it."""
        return f"{self.upstream} {self.abi} {self.flavour}"

    @property
    def flavour(self) -> str:
        """"cloud-amd64"."""
        return self.facts["target"].rpartition(":")[2]

    @property
    def file(self) -> str:
        """The name of its file."""
        return file_name(f"{self.upstream}-{self.flavour}-{self.abi}") + ".txt"

    @property
    def age(self) -> tuple[int, ...]:
        """Sorts kernels, the oldest first."""
        return numbers(self.upstream)


def folder_of(root: Path) -> Path:
    """Where references are."""
    return root / "results/reference"


def numbers(release: str) -> tuple[int, ...]:
    """(6, 1, 176, 1000) of "6.1.176-1"; a candidate stands before its release: "7.3~rc7" is (7, 3, 0, 7). () of no version."""
    match = re.match(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,6}))?(?:[-~]rc(\d{1,4}))?", release)
    return (int(match[1]), int(match[2]), int(match[3] or 0), int(match[4] or 1000)) if match else ()


# Reading.

def read_all(root: Path) -> list[Reference]:
    """Every reference, by ABI and age. Raises UsageError for a file that is damaged, and names it."""
    folder = folder_of(root)
    clauses = read_clauses(folder)
    found = [read(path, clauses) for path in sorted(folder.glob("*.txt"))]
    return sorted(found, key=lambda one: (one.abi, one.age, one.flavour))


def read_clauses(folder: Path) -> list[str]:
    """The ids that all files share; [] if there are none yet."""
    try:
        return (folder / "clauses").read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []


def read(path: Path, clauses: list[str]) -> Reference:
    """One file. Raises UsageError."""
    try:
        return _parsed(path.read_text(encoding="utf-8"), clauses)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from None


def _parsed(text: str, clauses: list[str]) -> Reference:
    parts = text.rstrip("\n").split("\n\n")
    head = parts[0].splitlines()
    if len(parts) > 3 or not head or head[0] != MAGIC:
        raise ValueError(f"is no reference: it must begin with {MAGIC}, and have three parts at most")
    parts += [""] * (3 - len(parts))
    facts = dict.fromkeys(FACTS, "")
    for line in head[1:]:
        key, _, value = line.partition(" ")
        if key not in facts:
            raise ValueError(f"unknown fact {key}")
        facts[key] = value.strip()
    letters = parts[1].replace("\n", "")
    if len(letters) > len(clauses) or set(letters) - WORDS.keys():
        raise ValueError(f"has {len(letters)} letters for {len(clauses)} clauses, or a letter that is no verdict's")
    verdicts = {clause: WORDS[letter] for clause, letter in zip(clauses, letters) if letter != "-"}
    whys = {}
    for line in parts[2].splitlines():
        match = re.fullmatch(r"(\S+) (\S+?):(?: (.*))?", line)
        if not match or verdicts.get(match[2]) != match[1]:
            raise ValueError(f"a reason contradicts the letters: {line[:80]!r}")
        whys[match[2]] = match[3] or ""
    return Reference(facts, verdicts, whys)


# Writing.

def text_of(one: Reference, clauses: list[str]) -> str:
    """A file as read() reads it."""
    letters = "".join(LETTERS[one.verdicts.get(clause, "")] for clause in clauses).rstrip("-")
    head = [MAGIC, *(f"{key} {one.facts[key]}".rstrip() for key in FACTS if one.facts.get(key))]
    body = [letters[at:at + A_LINE] for at in range(0, len(letters), A_LINE)]
    whys = [f"{one.verdicts[clause]} {clause}: {one.whys[clause]}".rstrip() for clause in clauses if clause in one.whys]
    return "\n\n".join("\n".join(part) for part in (head, body, whys) if part) + "\n"


def of_run(kept: Kept, target: str) -> tuple[Reference | None, str]:
    """(reference, "") of a target of a run, or (None, why it can be none)."""
    about = kept.about(target)
    kernel, tallies = about.get("kernel", {}), kept.targets[target]
    if not kernel.get("package") or not kernel.get("package_sha256"):
        return None, "its kernel is not a published package"
    if kept.missing(target):
        return None, f"{kept.missing(target)} verdicts are missing"
    for clause, tally in tallies.items():
        if tally.differs:
            return None, f"repetitions differ: {clause}: {tally.told()}"
        if tally.shown["verdict"] == "broken":
            return None, f"{clause} is broken: {tally.shown['why']}"
    config = about.get("config", {}).get("sha256", "")
    facts = {"target": target, "abi": about["abi"], "release": kernel.get("release", ""), "package": kernel["package"],
             "version": kernel["version"], "suite": kernel.get("suite", ""), "package_sha256": kernel["package_sha256"],
             "sha256": kernel.get("sha256", ""), "config_sha256": config, "cpu": _cpu(about),
             "tested": str(kept.run.get("started", ""))[:10], "commit": kept.run.get("git", {}).get("commit", "")}
    shown = {clause: tally.shown for clause, tally in tallies.items()}
    return Reference({key: _clean(value) for key, value in facts.items()},
                     {clause: record["verdict"] for clause, record in shown.items()},
                     {clause: _clean(record["why"])[:MOST_WHY].rstrip() for clause, record in shown.items() if record["verdict"] != "pass"}), ""


def keep(found: list[Reference], root: Path, all_clauses: set[str]) -> list[Path]:
    """Writes references, and the clauses that they add. A file of the same kernel keeps what was not asked anew, of clauses
    that there still are (all_clauses; none: all)."""
    folder = folder_of(root)
    folder.mkdir(parents=True, exist_ok=True)
    clauses = read_clauses(folder)
    have = set(clauses)
    added = sorted({clause for one in found for clause in one.verdicts} - have)
    clauses += added
    _write(folder / "clauses", "".join(f"{clause}\n" for clause in clauses))
    paths = []
    for one in found:
        path = folder / one.file
        if path.exists():
            held = read(path, clauses)
            if held.facts["sha256"] == one.facts["sha256"]:
                kept = {clause: word for clause, word in held.verdicts.items() if not all_clauses or clause in all_clauses}
                whys = {clause: why for clause, why in held.whys.items() if clause in kept and clause not in one.verdicts}
                one = Reference(one.facts, kept | one.verdicts, whys | one.whys)
        _write(path, text_of(one, clauses))
        paths.append(path)
    return paths


def _write(path: Path, text: str) -> None:
    scratch = path.with_name(f".{path.name}.part")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


def _cpu(about: dict) -> str:
    """"max tcg": QEMU's model of the processor, and what ran it."""
    argv = about.get("qemu", [])
    words = [value if name == "-cpu" else value.partition(",")[0] for name, value in zip(argv, argv[1:]) if name in ("-cpu", "-accel")]
    return " ".join(words)


def _clean(text: str) -> str:
    text = re.sub(r"\s+", " ", str(text)).strip()
    return "".join(letter if letter.isprintable() else "?" for letter in text)


# The nearest one.

def nearest_to(references: list[Reference], release: str, abi: str) -> Reference | None:
    """The reference of an ABI that is most like a release: of its series the nearest, else the newest before it, else the oldest."""
    mine = numbers(release)
    of_abi = [one for one in references if one.abi == abi and one.age]
    if not of_abi or not mine:
        return None
    series = [one for one in of_abi if one.age[:2] == mine[:2]]
    if series:
        return min(series, key=lambda one: (abs(one.age[2] - mine[2]), one.age))
    before = [one for one in of_abi if one.age < mine]
    return max(before, key=lambda one: one.age) if before else min(of_abi, key=lambda one: one.age)


def side(one: Reference) -> Side:
    """A reference as one side of a comparison."""
    states = {clause: State(word, one.whys.get(clause, ""), word in verdict.GOOD) for clause, word in one.verdicts.items()}
    return Side(f"reference {one.name}", one.abi, one.facts["release"], states)


def against_reference(kept: Kept, target: str, root: Path) -> tuple[list[Pair], list[str]]:
    """(each target of a run beside its nearest reference, those without one in words). Only clauses of both are compared.

    Raises UsageError if there are no references at all."""
    references = read_all(root)
    if not references:
        raise UsageError("results/reference holds nothing: make reference")
    pairs, alone = [], []
    for name in [target] if target else kept.targets:
        mine = side_of(kept, name)
        version = kept.about(name).get("kernel", {}).get("version", "")
        release = version if re.match(r"\d+\.\d+", version) else mine.release
        one = nearest_to(references, release, mine.abi)
        if one is None:
            alone.append(f"no reference has the ABI of {name} ({mine.abi or 'unknown'}), or its release ({release or 'none'}) is no version")
            continue
        theirs = side(one)
        both = mine.states.keys() & theirs.states.keys()
        if left_out := len(mine.states) - len(both):
            alone.append(f"{left_out} clauses of {name} are not in the reference")
        for one_side in (mine, theirs):
            one_side.states = {clause: state for clause, state in one_side.states.items() if clause in both}
        pairs.append(compare(theirs, mine))
    return pairs, alone
