# SPDX-License-Identifier: GPL-2.0-only
"""Writes the kernel's initramfs format, cpio "newc" (Documentation/driver-api/early-userspace/buffer-format.rst).

The same files give the same bytes, whoever writes them and when. Archives may be written one after the other.
"""

import stat
from pathlib import Path
from typing import BinaryIO

CONSOLE = (5, 1)  # /dev/console, which the kernel opens for init


class Writer:
    """One archive on a file that is open for writing; close() ends it. Folders are made as files need them."""

    def __init__(self, out: BinaryIO):
        """out: stays open and belongs to the caller."""
        self._out = out
        self._number = 0
        self._folders: set[str] = set()

    def file(self, name: str, data: bytes, mode: int = 0o755) -> None:
        """Adds a file. name: without a leading slash."""
        self._above(name)
        self._entry(name, stat.S_IFREG | mode, data)

    def copy(self, name: str, path: Path, mode: int = 0o755) -> None:
        """Adds a file of this machine."""
        self.file(name, path.read_bytes(), mode)

    def device(self, name: str, numbers: tuple[int, int], mode: int = 0o600) -> None:
        """Adds a character device; needs no privilege."""
        self._above(name)
        self._entry(name, stat.S_IFCHR | mode, device=numbers)

    def close(self) -> None:
        """Ends the archive, padded so that another may follow."""
        self._number = -1
        self._entry("TRAILER!!!", 0)

    def _above(self, name: str) -> None:
        parts = name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            if folder not in self._folders:
                self._folders.add(folder)
                self._entry(folder, stat.S_IFDIR | 0o755)

    def _entry(self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        self._number += 1
        raw = name.encode() + b"\0"
        fields = (self._number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(raw), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + raw
        self._out.write(header + b"\0" * (-len(header) % 4))
        self._out.write(data)
        self._out.write(b"\0" * (-len(data) % 4))
