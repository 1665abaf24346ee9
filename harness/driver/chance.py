# SPDX-License-Identifier: GPL-2.0-only
"""How often a clause that fails now and then must be repeated, until passes mean that the kernel is good."""

from math import ceil, comb, log

CONFIDENCE = 0.95   # that a clause fails at least as often as at_least() says
MOST_REPEATS = 20000


def at_least(failed: int, of: int, confidence: float = CONFIDENCE) -> float:
    """The failure rate that a clause has at the least if it failed so often: Clopper and Pearson's lower bound."""
    if not failed:
        return 0.0
    low, high = 0.0, failed / of
    for _ in range(60):  # halvings: more than a double can tell apart
        rate = (low + high) / 2
        tail = sum(comb(of, hits) * rate ** hits * (1 - rate) ** (of - hits) for hits in range(failed, of + 1))
        low, high = (low, rate) if tail > 1 - confidence else (rate, high)
    return low


def repeats_for(rate: float, risk: float) -> int:
    """How many passes in a row a clause of that failure rate has with a probability of at most `risk`."""
    if rate >= 1:
        return 1
    return min(MOST_REPEATS, max(1, ceil(log(risk) / log(1 - rate)))) if rate > 0 else MOST_REPEATS
