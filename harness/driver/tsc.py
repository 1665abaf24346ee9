# SPDX-License-Identifier: GPL-2.0-only
"""How fast this machine's time stamp counter runs, which QEMU hands to emulated x86 guests as theirs.

A guest measures it at boot; where it does not get to run meanwhile it finds too little (a ninth has been seen), and with
tsc=reliable all its clocks are that much too fast: limits pass before their time."""

import ctypes
import mmap
import os
import time
from functools import cache

# rdtsc; shl rdx, 32; or rax, rdx; ret
_CODE = bytes.fromhex("0f3148c1e2204809d0c3")
_SPAN_SECONDS = 0.05


@cache
def khz() -> int:
    """In kHz, within a thousandth; 0 where this machine has no such counter or runs no code of ours."""
    if os.uname().machine != "x86_64":
        return 0
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return 0
    page.write(_CODE)
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    begin = _reading(read)
    time.sleep(_SPAN_SECONDS)
    end = _reading(read)
    return round((end[1] - begin[1]) * 1e6 / (end[0] - begin[0]))


def _reading(read) -> tuple[int, int]:
    """(nanoseconds, ticks) of one moment: the closest of some."""
    tries = []
    for _ in range(20):
        before, ticks, after = time.monotonic_ns(), read(), time.monotonic_ns()
        tries.append((after - before, (before + after) // 2, ticks))
    return min(tries)[1:]
