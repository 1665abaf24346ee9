# SPDX-License-Identifier: GPL-2.0-only
"""Kernel images: whether a file is one, whether it is whole, and which configuration belongs to it.

The formats are those of Documentation/arch/*/boot* and of ELF; one that is not known here is left to QEMU to judge.
"""

import re
import struct
import zlib
from pathlib import Path

from harness.driver.nearest import UsageError

_ELF_MACHINES = {3: "i386", 8: "mips", 20: "ppc", 21: "ppc64le", 22: "s390x", 40: "arm", 62: "x86_64", 183: "arm64",
                 243: "riscv64", 258: "loongarch64"}
_FAMILY = {"mips64el": "mips", "i386": "x86", "x86_64": "x86"}  # images of one family are told apart by their code alone


def check(path: Path, abi: str) -> None:
    """Raises UsageError for a file that cannot be a whole kernel of an architecture."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the kernel {path}: {error.strerror}") from None
    if not data:
        raise UsageError(f"the kernel {path} is empty")
    kind, family, size = _examine(data)
    if size < 0:
        raise UsageError(f"the kernel {path} is truncated or damaged: its {kind} does not end as it should")
    if len(data) < size:
        raise UsageError(f"the kernel {path} is truncated: {len(data)} bytes of the {size} that its header ({kind}) names")
    if family and family != _FAMILY.get(abi, abi):
        raise UsageError(f"the kernel {path} is a {kind} of {family}, not of {abi}")


def release(path: Path) -> str:
    """The release that an x86 image names in its header; "" for others."""
    with open(path, "rb") as file:
        head = file.read(0x8000)
    if head[0x202:0x206] != b"HdrS":
        return ""
    at = struct.unpack_from("<H", head, 0x20E)[0] + 0x200
    return head[at:head.find(b"\0", at)].decode("ascii", "replace").partition(" ")[0]


def config_of(path: Path) -> Path | None:
    """The configuration that lies beside a kernel: of its build tree, of its /boot or /usr/lib/modules; None without."""
    path = path.resolve()
    version = re.sub(r"^(vmlinuz|vmlinux|bzImage|Image|zImage|kernel)-?", "", path.name)
    beside = [path.with_name(f"config-{version}")] if version else [path.with_name("config")]
    trees = [folder / ".config" for folder in list(path.parents)[:4]]
    return next((file for file in [*beside, *trees] if file.is_file()), None)


def _examine(data: bytes) -> tuple[str, str, int]:
    """(what it is, whose family, least size in bytes); "" and 0 where the format does not say, -1 where it is cut."""
    if data[:4] == b"\x7fELF" and len(data) >= 64:
        return _elf(data)
    if data[0x202:0x206] == b"HdrS":
        sectors, paragraphs = data[0x1F1] or 4, struct.unpack_from("<I", data, 0x1F4)[0]
        return "bzImage", "x86", (sectors + 1) * 512 + paragraphs * 16
    if data[4:8] == b"zimg" and data[:2] == b"MZ":
        offset, size = struct.unpack_from("<II", data, 8)
        return "zboot image", "", offset + size
    if data[0x38:0x3C] == b"ARM\x64":
        return "Image", "arm64", 0
    if data[0x38:0x3C] == b"RSC\x05":
        return "Image", "riscv64", 0
    if data[0x24:0x28] == b"\x18\x28\x6f\x01":
        start, end = struct.unpack_from("<II", data, 0x28)
        return "zImage", "arm", end - start
    if data[:2] == b"\x1f\x8b":
        return "gzip file", "", 0 if _gzip_is_whole(data) else -1
    return "", "", 0


def _elf(data: bytes) -> tuple[str, str, int]:
    order = ">" if data[5] == 2 else "<"
    machine = struct.unpack_from(order + "H", data, 18)[0]
    wide = data[4] == 2
    offset = struct.unpack_from(order + ("Q" if wide else "I"), data, 40 if wide else 32)[0]
    size, count = struct.unpack_from(order + "HH", data, 58 if wide else 46)
    family = _ELF_MACHINES.get(machine, "")
    return "ELF file", _FAMILY.get(family, family), offset + size * count


def _gzip_is_whole(data: bytes) -> bool:
    stream = zlib.decompressobj(31)
    try:
        stream.decompress(data)
    except zlib.error:
        return False
    return stream.eof
