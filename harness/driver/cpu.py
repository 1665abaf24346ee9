# SPDX-License-Identifier: GPL-2.0-only
"""The words of a target's processor, for fixtures/known: of this host what /proc/cpuinfo says, of a guest QEMU's options."""

import re
from functools import cache
from pathlib import Path

# The keys whose values name a processor or its features, on each architecture that Linux prints them for.
_KEYS = ("vendor_id", "cpu family", "model", "model name", "flags", "bugs", "features", "isa", "mmu", "uarch", "cpu", "machine",
         "cpu implementer", "cpu part", "asid", "ases implemented", "system type", "platform")


def words_of(described: dict, own_kernel: bool) -> tuple[str, ...]:
    """described: as a machine describes itself (targets.Machine). () where nothing is known."""
    argv = described.get("qemu") or []
    if argv:
        values = [value for name, value in zip(argv, argv[1:]) if name in ("-cpu", "-accel", "-machine")]
        return tuple(word for value in values for word in value.split(","))
    return () if own_kernel else of_this_host()


@cache
def of_this_host() -> tuple[str, ...]:
    """Every word of the first processor; a value of several words counts as each of them, and as all joined by "-"."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace").partition("\n\n")[0]
    except OSError:
        return ()
    found: dict[str, None] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip().lower() in _KEYS:
            words = re.findall(r"\S+", value)
            found |= dict.fromkeys([*words, "-".join(words)])
    return tuple(word for word in found if word)
