# SPDX-License-Identifier: GPL-2.0-only
"""`bisect` over the commits of a git tree: `git bisect` in a worktree of its own, built out of it, booted in QEMU.

The user's tree keeps its HEAD, its index and its files; .git has one more entry in worktrees/ while the bisection lasts.
"""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from harness.driver import vmoptions
from harness.driver.apt import cache_folder
from harness.driver.bisect_flow import Bisection, NoAnswer, again
from harness.driver.bisect_probe import State, Step
from harness.driver.bisect_search import BAD, GOOD
from harness.driver.nearest import UsageError
from harness.driver.targets import Target
from harness.driver.targets.qemu import abis_of, lacking, resolve
from harness.driver.targets.tree import build_kernel, missing_tools, source_of

SHORT = 12          # digits of a commit's name
_FIRST = re.compile(r"^([0-9a-f]{40,64}) is the first (?:bad|fixed) commit", re.M)
_COULD_BE = re.compile(r"could be any of:\n((?:[0-9a-f]{40,64}\n)+)")


def git(folder: Path, *words: str, code: int | None = 0) -> subprocess.CompletedProcess:
    """Runs git without the tree's hooks and without questions. Raises NoAnswer unless it ends with `code` (None: any)."""
    environ = {name: value for name, value in os.environ.items() if name not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")}
    done = subprocess.run(["git", "-C", folder, "-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false", *words],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                          env=environ | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"})
    if code is not None and done.returncode != code:
        said = " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise NoAnswer(f"git {words[0]}: {said}", True)
    return done


class TreeBisection(Bisection):
    """Over the commits between two."""

    def __init__(self, root: Path, state: State, clauses, option):
        """Raises UsageError, NoAnswer."""
        super().__init__(root, state, clauses, option)
        self.options = vmoptions.options_of(option)
        programs, self.abi = abis_of(root, option.abi)
        if lacks := lacking(root, self.abi, programs):
            raise NoAnswer(lacks, True)
        self.source = Path(state.data["tree"])
        if lacks := missing_tools(self.source, self.abi):
            raise NoAnswer(lacks, True)
        place = hashlib.sha256(str(state.folder).encode()).hexdigest()[:8]
        self.work = cache_folder() / "bisect" / f"{state.folder.name}-{place}"
        self.tree, self.build = self.work / "tree", self.work / "build"

    @staticmethod
    def described(option) -> dict:
        """What the state keeps of the command line: whole names of the tree and of both ends. Raises UsageError."""
        source = source_of(option.tree)
        if git(source, "rev-parse", "--git-dir", code=None).returncode:
            raise UsageError(f"{source} is no git tree")
        ends = {}
        for name in ("good", "bad"):
            word = getattr(option, name)
            found = git(source, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{word}^{{commit}}", code=None)
            if found.returncode:
                raise UsageError(f"--{name} {word} is no commit of {source}")
            ends[name] = found.stdout.split()[-1]
        if ends["good"] == ends["bad"]:
            raise UsageError(f"{option.good} and {option.bad} are one commit")
        return ends | {"tree": str(source)}

    def find(self, good: str, bad: str) -> None:
        """Finds the first commit that breaks the promise, or mends it. Raises NoAnswer, ResultsError."""
        self._worktree(bad)
        broken = self.verify_bad(self._name(bad), lambda: self._target(bad))
        kept = self.verify_good(self._name(good), broken, lambda: self._target(good))
        is_mended = not git(self.source, "merge-base", "--is-ancestor", bad, good, code=None).returncode
        old, new = ("broken", "fixed") if is_mended else ("good", "bad")
        terms = ["--term-old=broken", "--term-new=fixed"] if is_mended else []
        git(self.tree, "bisect", "reset", code=None)
        said = git(self.tree, "bisect", "start", "--no-checkout", *terms, *((good, bad) if is_mended else (bad, good)), code=None)
        words = {GOOD: new if is_mended else old, BAD: old if is_mended else new}
        while not (answer := self._answer_in(said)):
            commit = git(self.tree, "rev-parse", "BISECT_HEAD").stdout.strip()
            if left := re.search(r"Bisecting: (.*)", said.stdout):
                self.say(left[1])
            step = self.step(self._name(commit), kept, lambda: self._target(commit))
            said = git(self.tree, "bisect", words.get(step.answer(), "skip"), code=None)
        self.state.data["log"] = git(self.tree, "bisect", "log").stdout
        self._told(answer, kept, is_mended)
        self.clean()

    def _answer_in(self, said: subprocess.CompletedProcess) -> list[str]:
        """The commits that git holds for the first bad one: one, or several that could not tell; none while it goes on."""
        if found := _FIRST.search(said.stdout):
            return [found[1]]
        if found := _COULD_BE.search(said.stdout):
            return found[1].split()
        if said.returncode:
            text = " / ".join((said.stderr + said.stdout).strip().splitlines()[:4])
            raise NoAnswer(f"git bisect: {text}", "merge base" not in text)
        return []

    # Worktree and kernels.

    def _worktree(self, commit: str) -> None:
        if not (self.tree / ".git").exists():
            self.work.mkdir(parents=True, exist_ok=True)
            git(self.source, "worktree", "prune")
            print(f"checking out {self._name(commit)} in {self.tree}", flush=True)
            git(self.source, "worktree", "add", "--force", "--detach", str(self.tree), commit)

    def _target(self, commit: str) -> Target:
        """Builds a commit; the kernel and its configuration are kept in the bisection's folder."""
        name = commit[:SHORT]
        kept = self.state.folder / "kernels" / name
        image = kept / Path(self.abi.image).name
        word = f"qemu:{self.option.abi}:{image}"
        if not image.exists():
            git(self.tree, "checkout", "--quiet", "--force", "--detach", commit)
            why = build_kernel(self.root, self.tree, self.build, self.abi, self.options.config, (f"LOCALVERSION=-g{name}",))
            if why:
                programs, _ = abis_of(self.root, self.option.abi)
                return Target(word, "qemu", programs.name, None, why)
            kept.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.build / ".config", kept / "config")
            scratch = image.with_name(".part")
            shutil.copyfile(self.build / self.abi.image, scratch)
            scratch.replace(image)
        return resolve(self.root, word, self.options, {})[0]

    def clean(self) -> None:
        """Takes the worktree, its objects, and all kernels but those that the answer names."""
        named = {commit for row in self.state.data.get("answer", ()) for commit in (row["good"], row["bad"])}
        for folder in (self.state.folder / "kernels").glob("*"):
            if not any(commit.startswith(folder.name) for commit in named):
                shutil.rmtree(folder, ignore_errors=True)
        if self.option.keep:
            return self.say(f"kept: {self.tree} and {self.build}")
        git(self.source, "worktree", "remove", "--force", str(self.tree), code=None)
        shutil.rmtree(self.work, ignore_errors=True)
        git(self.source, "worktree", "prune", code=None)

    # What is said in the end.

    def _name(self, commit: str) -> str:
        """A commit as a person knows it: "4f4b481aa1b2", and its tag if it has one."""
        tag = git(self.source, "describe", "--exact-match", "--tags", commit, code=None)
        return f"{commit[:SHORT]}{f' {tag.stdout.strip()}' if not tag.returncode else ''}"

    def _told(self, found: list[str], clauses: list[str], is_mended: bool) -> None:
        what = "fixed" if is_mended else "bad"
        parent = git(self.source, "rev-parse", f"{found[0]}^", code=None).stdout.strip() if len(found) == 1 else ""
        answer = [{"clauses": clauses, "commits": found, "good": found[0] if is_mended else parent,
                   "bad": parent if is_mended else found[0]}]
        if len(found) > 1:
            lines = [f"the first {what} commit is one of these, the others of which could not tell:"]
            for commit in found:
                steps = [step for step in self.state.steps if step.at.startswith(commit[:SHORT])]
                lines.append(f"  {self._subject(commit)}: {steps[-1].told()[:200] if steps else 'not asked'}")
        else:
            shown = git(self.source, "show", "--no-patch", "--stat", "--format=commit %H%nAuthor: %an <%ae>%nDate:   %ad%n%n%w(0,4,4)%B",
                        found[0]).stdout.rstrip()
            lines = [f"the first {what} commit, of {', '.join(clauses)}:", shown, ""]
            lines += [*self._side(found[0], clauses), *self._side(parent, clauses)]
        self.conclude(answer, lines)

    def _side(self, commit: str, clauses: list[str]) -> list[str]:
        steps = [step for step in self.state.steps if step.at.startswith(commit[:SHORT])]
        if not steps:
            return [f"  {self._subject(commit)}: not asked"]
        step: Step = steps[-1]
        image = self.state.folder / "kernels" / commit[:SHORT] / Path(self.abi.image).name
        lines = [f"  {commit[:SHORT]}: {step.told()}"]
        lines += [f"    {line}" for clause in clauses for line in step.log.get(clause, [])]
        return [*lines, f"    log: {self.state.folder / step.run}/logs",
                "    again: " + again(["./runner.py", "run", *clauses, f"qemu:{self.option.abi}:{image}"])]

    def _subject(self, commit: str) -> str:
        return git(self.source, "log", "-1", "--format=%h (\"%s\")", f"--abbrev={SHORT}", commit).stdout.strip()
