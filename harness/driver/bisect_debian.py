# SPDX-License-Identifier: GPL-2.0-only
"""`bisect` over Debian's published kernels: the two neighbouring versions between which a verdict changed."""

from dataclasses import dataclass
from pathlib import Path

from harness.driver import abis, kernels, reference, vmoptions
from harness.driver.bisect_flow import Bisection, NoAnswer, again
from harness.driver.bisect_probe import State, Step
from harness.driver.bisect_search import Change, Search, run
from harness.driver.kernels import Kernel
from harness.driver.nearest import UsageError, did_you_mean
from harness.driver.targets import Target
from harness.driver.targets.debian import index_once, resolve
from harness.driver.targets.qemu import abis_of, lacking

END_TRIES = 4   # versions of a series that are asked for an end, the newest first


@dataclass(frozen=True)
class Version:
    """One upstream version: its packages of one flavour, the newest first."""

    upstream: str
    kernels: tuple[Kernel, ...]

    def package(self) -> str:
        """Of its newest kernel, as a person looks it up."""
        kernel = self.kernels[0]
        return f"{kernel.package} {kernel.version} ({kernel.suite}, {kernel.arch})"


def versions_of(found: list[Kernel], flavour: str, flavours: tuple[str, ...]) -> list[Version]:
    """A row of versions, the oldest first. Without a flavour, each series has the one that boots quickest."""
    by_upstream: dict[str, list[Kernel]] = {}
    for series in kernels.matching(found, "all", flavour, flavours):
        for kernel in series:
            by_upstream.setdefault(kernel.upstream, []).append(kernel)
    return sorted((Version(upstream, tuple(of_version)) for upstream, of_version in by_upstream.items()),
                  key=lambda version: version.kernels[0].age)


def words_of_end(word: str, option) -> str:
    """The version that "debian:VERSION[:ABI[:FLAVOUR]]" names; its ABI and flavour go to the options. Raises UsageError."""
    parts = word.split(":")
    if parts[0] != "debian" or not 2 <= len(parts) <= 4 or not all(parts):
        raise UsageError(f"{word} is no end of a bisection: it must read debian:VERSION, as in debian:6.1 or debian:6.1.176"
                         " (./runner.py kernels); over a git tree: --tree DIR --good REV --bad REV")
    for name, value in zip(("abi", "flavour"), parts[2:]):
        if getattr(option, name) not in ("", value):
            raise UsageError(f"the ends differ in what is no version: {getattr(option, name)} and {value}")
        setattr(option, name, value)
    return parts[1]


def places_of(row: list[Version], version: str) -> list[int]:
    """The places of the versions that a word names, the newest first. Raises UsageError."""
    if version in ("oldest", "newest"):
        return [0] if version == "oldest" else [len(row) - 1]
    found = [place for place, one in enumerate(row) if any(kernels.is_version(kernel, version) for kernel in one.kernels)]
    if not found:
        names = [one.upstream for one in row]
        raise UsageError(f"no kernel matches {version}{did_you_mean(version, names)}; there are {_few(names)} (./runner.py kernels)")
    return found[::-1]


class DebianBisection(Bisection):
    """Over a row of versions."""

    def __init__(self, root: Path, state: State, clauses, option):
        """Reads the indexes. Raises UsageError, NoAnswer."""
        super().__init__(root, state, clauses, option)
        programs, self.abi = abis_of(root, option.abi)
        self.options = vmoptions.options_of(option)
        if lacks := lacking(root, self.abi, programs):
            raise NoAnswer(lacks, True)
        index = index_once(self.abi.debian, self.options.refresh)
        self.row = versions_of(index.kernels, option.flavour, self.abi.flavours)
        if not self.row:
            flavours = sorted({kernel.flavour for kernel in index.kernels})
            raise UsageError(f"Debian has no kernel of {self.abi.debian} {option.flavour}; its flavours are {' '.join(flavours)}")

    def find(self, good_word: str, bad_word: str) -> list[Change]:
        """Finds where each clause's verdict changed. Raises NoAnswer, UsageError, ResultsError."""
        bads, goods = places_of(self.row, bad_word), places_of(self.row, good_word)
        if bads[0] == goods[0]:
            raise UsageError(f"both ends are {self.row[bads[0]].upstream}")
        bad, broken = self._first_asked(bads, self.verify_bad)
        good, kept = self._first_asked(goods, lambda at, make: self.verify_good(at, broken, make))
        search = Search(kept, good, bad)
        count = abs(good - bad) - 1
        self.say(f"{count} versions between {self.row[good].upstream} (good) and {self.row[bad].upstream} (bad):"
                 f" {count.bit_length()} steps, more if some cannot tell")
        run(search, self._probe)
        self.conclude(*self._told(search.changes()))
        return search.changes()

    def _first_asked(self, places: list[int], verify) -> tuple[int, list[str]]:
        """The newest version of an end that can be asked, and what it said."""
        for place in places[:END_TRIES]:
            try:
                return place, verify(self.row[place].upstream, lambda: self._target(place))
            except NoAnswer as error:
                last = error
                if not self.state.steps[-1].lacks:
                    raise
        raise last

    def _probe(self, place: int, clauses: list[str]) -> dict[str, str]:
        return self.step(self.row[place].upstream, clauses, lambda: self._target(place)).answers()

    def _target(self, place: int) -> Target:
        """The kernel of a version, of whichever package can be had."""
        target = None
        for kernel in self.row[place].kernels:
            word = f"debian:{kernel.version}:{self.option.abi}:{kernel.flavour}"
            target = resolve(self.root, word, self.options, {})[0]
            if not target.lacks:
                break
        return target

    # What is said in the end.

    def _told(self, changes: list[Change]) -> tuple[list[dict], list[str]]:
        groups: dict[tuple, list[Change]] = {}
        for change in changes:
            groups.setdefault((change.good, change.bad), []).append(change)
        answer, lines = [], []
        for (good, bad), of_group in groups.items():
            names = [change.clause for change in of_group]
            between = [self.row[place].upstream for place in of_group[0].between]
            answer.append({"clauses": names, "good": self.row[good].upstream, "bad": self.row[bad].upstream,
                           "good_package": self.row[good].package(), "bad_package": self.row[bad].package(),
                           "cannot_tell": between})
            lines += [*names, *self._side("good", good, names), *self._side("bad", bad, names)]
            lines += [f"  could not tell: {self._why(place)}" for place in of_group[0].between]
            lines += [*self._go_on(names, good, bad), ""]
        return answer, lines[:-1]

    def _side(self, name: str, place: int, clauses: list[str]) -> list[str]:
        step = self.last(self.row[place].upstream)
        return [f"  {name:<4}  {self.row[place].upstream}  {_package(step, self.row[place])}: {_verdict(step, clauses)}"]

    def _why(self, place: int) -> str:
        steps = [step for step in self.state.steps if step.at == self.row[place].upstream]
        return f"{self.row[place].upstream}: {steps[-1].told() if steps else 'not tried'}"

    def _go_on(self, clauses: list[str], good: int, bad: int) -> list[str]:
        ends = self.row[good], self.row[bad]
        series = [".".join(map(str, end.kernels[0].series)) for end in ends]
        words = ["./runner.py", "bisect", *clauses[:3]]
        words += ["--abi", self.option.abi] if self.option.abi != self.abi.name or self.abi.name not in _native(self.root) else []
        if series[0] == series[1]:
            where, tags = f"the stable tree's linux-{series[0]}.y", [f"v{_tag(end.upstream)}" for end in ends]
        else:
            where, tags = "the mainline tree (releases of two series: what came to one of them alone is in its stable branch)", [
                f"v{one}" for one in series]
        return [f"go on in a source tree, {where}:",
                "  " + again([*words, "--tree", "LINUX", "--good", tags[0], "--bad", tags[1]])]


def good_of_reference(root: Path, abi: str, clauses: list[str], bad: str) -> str:
    """The newest published version that keeps all of the clauses by results/reference and is older than `bad`; without
    an older one, the nearest newer. Raises UsageError."""
    limit = reference.numbers(bad)
    rows = [one for one in reference.read_all(root)
            if one.abi == abi and all(one.verdicts.get(clause) == "pass" for clause in clauses)]
    older = [one for one in rows if not limit or one.age[:len(limit)] < limit]
    if not rows:
        raise UsageError("no kernel of results/reference keeps all of these promises: --good debian:VERSION names one")
    return max(older, key=lambda one: one.age).upstream if older else min(rows, key=lambda one: one.age).upstream


def _verdict(step: Step, clauses: list[str]) -> str:
    words = dict.fromkeys(word for clause in clauses for word in step.counts.get(clause, {}))
    why = next((step.whys[clause] for clause in clauses if clause in step.whys), "")
    return " and ".join(words) + (f": {why}" if why else "")


def _package(step: Step, version: Version) -> str:
    kernel = step.kernel
    return f"{kernel['package']} {kernel['version']} ({kernel['suite']}, {kernel['arch']})" if kernel.get("package") else version.package()


def _tag(upstream: str) -> str:
    return upstream.replace("~", "-")


def _few(names: list[str]) -> str:
    return " ".join(names) if len(names) < 12 else f"{' '.join(names[:4])} ... {' '.join(names[-4:])}"


def _native(root: Path) -> list[str]:
    import os
    return [name for name in abis.names(root) if abis.load(root, name).runs_on[0] == os.uname().machine]
