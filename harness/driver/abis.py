# SPDX-License-Identifier: GPL-2.0-only
"""The architectures as arch/<abi>/target.toml describes them to the driver."""

from dataclasses import MISSING, dataclass, fields
from pathlib import Path

from harness.driver.nearest import UsageError, did_you_mean


@dataclass(frozen=True)
class Abi:
    """One architecture in the dialects of the tools around it. A field is a key of the file, but for the name."""

    name: str
    runs_on: tuple[str, ...]            # machines by `uname -m`, its own first
    kernel: str                         # ARCH= of a kernel tree
    debian: str                         # Debian's architecture
    flavours: tuple[str, ...]           # of Debian's kernels, the quickest to boot first
    triplet: str                        # of Debian's cross compiler
    qemu: tuple[str, ...]               # the emulator with machine and CPU
    console: str                        # the serial console's device
    cc: tuple[str, ...] = ()
    qemu_user: str = ""
    qemu_package: str = ""
    console_config: str = ""            # what a kernel needs built in to have that console
    append: str = ""                    # kernel parameters that an emulated machine needs
    early: str = ""                     # kernel parameters that make it speak before its console is up
    image: str = ""                     # what a kernel tree builds, relative to it
    memory: int = 1024                  # MiB of a virtual machine, beside what its initramfs takes
    initramfs: int = 0                  # MiB that it can load, where that is little: a larger one is compressed
    cpus: int = 2                       # of a virtual machine
    slow: int = 4                       # how many times slower than an ordinary machine it is when emulated
    oldest: str = ""                    # kernel series that its clauses were read against

    @property
    def qemu_binary(self) -> str:
        """The emulator's name."""
        return self.qemu[0]


def load(root: Path, name: str) -> Abi:
    """Reads one architecture. Raises UsageError for an unknown one or a file that is wrong."""
    path = root / "arch" / name / "target.toml"
    if not path.exists():
        known = names(root)
        raise UsageError(f"no architecture is called {name}{did_you_mean(name, known)}; there are {' '.join(known)}")
    import tomllib
    where = str(path.relative_to(root))
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{where}: {error}") from None
    known = {field.name: field for field in fields(Abi) if field.name != "name"}
    for key in table.keys() - known:
        raise UsageError(f"{where}: unknown key {key}{did_you_mean(key, known)}")
    for key, field in known.items():
        if key not in table and field.default is MISSING:
            raise UsageError(f"{where}: {key} must be given")
    return Abi(name, **{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()})


def names(root: Path) -> list[str]:
    """The architectures that there are, by name."""
    return sorted(path.parent.name for path in (root / "arch").glob("*/target.toml"))


def runs(abi: Abi, on: Abi) -> bool:
    """True if a kernel of one architecture runs programs of another: its own, and its 32-bit ones."""
    return on.runs_on[0] in abi.runs_on
