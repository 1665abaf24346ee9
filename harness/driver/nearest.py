# SPDX-License-Identifier: GPL-2.0-only
"""Errors of usage that name what was probably meant."""


class UsageError(Exception):
    """The command line or a file of the user's is wrong; the text says how and what to do. Exit code 2."""


def nearest(word: str, known, how_many: int = 3) -> list[str]:
    """The known words most like a given one, best first; empty if none is near."""
    from difflib import get_close_matches
    return get_close_matches(word, list(known), how_many, 0.6)


def did_you_mean(word: str, known) -> str:
    """"; did you mean a or b?", or nothing: the end of an error about an unknown word."""
    near = nearest(word, known)
    return f"; did you mean {' or '.join(near)}?" if near else ""
