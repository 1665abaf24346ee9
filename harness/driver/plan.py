# SPDX-License-Identifier: GPL-2.0-only
"""From selected clauses to the executor's plan (docs/stream.md): which clauses share a process, and how."""

from collections import Counter
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from harness.driver.catalogue import Clause

NOBODY = 65534
GRACE_SECONDS = 10  # the harness's own limit comes first; this is for a harness that hangs


class Task(NamedTuple):
    """One clause on one target."""

    clause: Clause
    target: str
    abi: str


@dataclass
class Job:
    """Clauses of one program that one process runs, in the order of the program's catalogue."""

    number: int
    program: str
    tasks: list[Task]
    exclusive: bool
    user: int
    writes: tuple[str, ...]
    limit: int  # seconds without a result

    def line(self) -> str:
        """Its directive in the plan."""
        return (f"job {self.number} limit={self.limit} exclusive={int(self.exclusive)} user={self.user}"
                f" program={self.program} writes={','.join(self.writes)}"
                f" tests={','.join(task.clause.tap for task in self.tasks)}")


def jobs_of(tasks: list[Task], slow: int = 1, user: int = 0, patience: int = 0) -> list[Job]:
    """Splits tasks into jobs, in the order of each job's first task; a clause that changes files has a job of its own, and
    so has a clause that comes again.

    slow: how many times slower than an ordinary machine; user: the uid of clauses that ask for none; patience: the
    longest limit of a clause in seconds, or 0.
    """
    groups: dict[tuple, list[Task]] = {}
    times: Counter = Counter()
    for task in tasks:
        clause = task.clause
        alone = clause.tap if clause.writes else ""
        times[clause.program, clause.tap] += 1
        key = (clause.program, bool(clause.exclusive or alone), bool(clause.as_nobody), alone, times[clause.program, clause.tap])
        groups.setdefault(key, []).append(task)
    jobs = []
    for (program, exclusive, nobody, *_), members in groups.items():
        members.sort(key=lambda task: task.clause.order)
        jobs.append(Job(number=len(jobs) + 1, program=program, tasks=members, exclusive=exclusive,
                        user=user or (NOBODY if nobody else 0), writes=members[0].clause.written_files,
                        limit=min(max(task.clause.timeout for task in members) * slow, patience or inf) + GRACE_SECONDS))
    return jobs


def text_of(jobs: list[Job], nonce: str, parallel: int, slow: int = 1, config: str = "",
            patience: int = 0) -> str:
    """The plan as the executor reads it. config: path of a plain-text kernel configuration, or nothing; patience: the
    longest limit of a clause in seconds, or 0."""
    lines = ["osprim-plan 1", f"nonce {nonce}", f"parallel {parallel}", f"slow {slow}"]
    if patience:
        lines.append(f"patience {patience}")
    if config:
        lines.append(f"config {config}")
    return "\n".join(lines + [job.line() for job in jobs] + ["end"]) + "\n"
