# SPDX-License-Identifier: GPL-2.0-only
"""This machine: the executor as a plain command. All of its ABIs share one run, so that exclusive clauses are alone."""

import os
import time
from collections.abc import Iterator
from math import inf
from pathlib import Path

from harness.driver.stream import printable
from harness.driver.targets import Target, read_lines

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
STOP_SECONDS = 10  # for the executor to end what it runs after SIGTERM
GATHER_SECONDS = 0.01  # between two looks at the stream: a look for each line costs the CPU that clauses could have


class Host:
    """Spawns build/<abi>/executor in the repository's root. Closing its pipe ends it, whatever becomes of us."""

    name = "host"
    own_kernel = False
    is_emulated = False
    config = None

    def __init__(self, root: Path, executor: Path):
        self.root = root
        self.command: list = [executor]  # the plan's file is its last argument
        slow = os.environ.get("OSPRIM_SLOW", "")
        self.slow = max(1, int(slow)) if slow.isdigit() else 1
        self.parallel = 3 * len(os.sched_getaffinity(0))  # most programs wait most of the time
        self._process = None
        self._give_up = inf  # when a stopped executor has had its time
        self._words = ""

    def start(self, plan: str, logs: Path, silence: float) -> Iterator[bytes]:
        """See Machine. The plan and the executor's standard error stay beside the raw log."""
        import subprocess
        plan_file = logs / f"{self.name}.plan"
        plan_file.write_text(plan)
        self._words = ""
        with open(logs / f"{self.name}.stderr", "ab+") as stderr:
            said_before = stderr.seek(0, os.SEEK_END)
            process = subprocess.Popen([*self.command, plan_file], cwd=self.root, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=stderr, start_new_session=True,
                                       env={"PATH": PATH, "LANG": "C", "HOME": "/"})
            self._process = process
            if self._give_up != inf:
                process.terminate()
            try:
                yield from read_lines(process.stdout.fileno(), silence, lambda: self._give_up, GATHER_SECONDS)
            except TimeoutError as error:
                self._words = f"the executor was {error}"
            finally:
                self._end(process)
                stderr.seek(said_before)
                said = stderr.read(2000).strip().splitlines()
                self._words = self._words or " / ".join(printable(line) for line in said[-3:])
                if process.returncode and not self._words:
                    self._words = f"the executor ended with {process.returncode}"

    def stop(self) -> None:
        """See Machine."""
        self._give_up = min(self._give_up, time.monotonic() + STOP_SECONDS)
        if self._process and self._process.poll() is None:
            self._process.terminate()

    def last_words(self) -> str:
        """See Machine."""
        return self._words

    def described(self) -> dict:
        """See Machine."""
        return {}

    def _end(self, process) -> None:
        """Closes the pipe and waits for the executor to put everything back; kills it only if it does not."""
        process.stdout.close()
        if process.poll() is None:
            process.terminate()
        deadline = min(self._give_up, time.monotonic() + STOP_SECONDS)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.poll() is None:
            process.kill()
            process.wait()


def find(root: Path) -> list[Target]:
    """One target for each ABI that this machine's kernel runs natively, its own first."""
    abis = native_abis(root)
    built = [abi for abi in abis if os.access(root / "build" / abi / "executor", os.X_OK)]
    machine = Host(root, root / "build" / (built or abis)[0] / "executor")
    found = []
    for abi in abis:
        lacks = ""
        if not built:
            lacks = f"build/{abi}/executor is missing: make programs"
        elif not (root / "build" / abi / "suites").is_dir():
            lacks = f"build/{abi}/suites is missing: make ABIS={abi} programs"
        found.append(Target(f"host-{abi}", "host", abi, machine, lacks))
    return found


def native_abis(root: Path) -> list[str]:
    """The ABIs whose programs this machine's kernel runs: arch/<abi>/target.toml says `runs_on` which machines."""
    import tomllib
    machine = os.uname().machine
    found = []
    for path in sorted((root / "arch").glob("*/target.toml")):
        try:
            table = tomllib.loads(path.read_text())
        except (OSError, ValueError):
            continue
        runs_on = table.get("runs_on", [path.parent.name])
        if machine in runs_on:
            found.append((runs_on.index(machine), path.parent.name))
    return [abi for _, abi in sorted(found)] or [machine]
