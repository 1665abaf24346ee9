# SPDX-License-Identifier: GPL-2.0-only
"""A part of a run for one of many machines: `--shard i/n`. The same words give the same parts everywhere."""

import re
from dataclasses import dataclass
from zlib import crc32

from harness.driver.nearest import UsageError


@dataclass(frozen=True)
class Shard:
    """The number-th of `of` parts, from 1."""

    number: int = 1
    of: int = 1

    def has(self, target: str, clause_id: str) -> bool:
        """True if a clause on a target belongs to this part; a program's clauses stay together."""
        program = clause_id.rsplit("/", 1)[0]
        return crc32(f"{target}/{program}".encode()) % self.of == self.number - 1


def parse(text: str) -> Shard:
    """"2/5". Raises UsageError."""
    found = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise UsageError(f"--shard takes i/n with i from 1 to n, as in --shard 2/5, not {text}")
    return Shard(int(found[1]), int(found[2]))
