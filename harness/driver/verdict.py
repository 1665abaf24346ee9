# SPDX-License-Identifier: GPL-2.0-only
"""The eight words that a clause can end with, and the codes that a run can end with."""

WORDS = ("pass", "fail", "timeout", "crash", "panic", "absent", "skip", "broken")

# What a kernel that keeps its promises may answer; everything else needs an entry in fixtures/known.
GOOD = frozenset(("pass", "absent", "skip"))

# One letter a clause in a terminal, as pytest prints them; each word has its own.
LETTERS = {"pass": ".", "fail": "F", "timeout": "T", "crash": "C", "panic": "P", "absent": "a", "skip": "s",
           "broken": "E"}
# Beside a clause in a verbose terminal and in the short summary; where pytest has a word, its own.
SHOUTED = {word: word.upper() for word in WORDS} | {"pass": "PASSED", "fail": "FAILED", "skip": "SKIPPED"}

EXIT_EXPECTED = 0      # every verdict as expected
EXIT_UNEXPECTED = 1    # a verdict that was not expected
EXIT_USAGE = 2         # wrong usage, or nothing selected
EXIT_UNTESTED = 3      # a target could not be tested
EXIT_INTERRUPTED = 130 # Ctrl-C or SIGTERM, as a shell says it


def count(verdicts) -> dict[str, int]:
    """How often each of the eight words occurs, all eight present and in their order."""
    counts = dict.fromkeys(WORDS, 0)
    for verdict in verdicts:
        counts[verdict] += 1
    return counts
