# SPDX-License-Identifier: GPL-2.0-only
"""The options of `run` and `matrix` that concern virtual machines."""

from pathlib import Path
from shlex import quote

from harness.driver.nearest import UsageError, did_you_mean

ACCELERATORS = ("auto", "tcg", "kvm")


def add(parser) -> None:
    """Adds them to pytest's parser, in a group of their own."""
    group = parser.getgroup("osprim-vm", "virtual machines")
    group.addoption("--append", default="", metavar="WORDS", help="kernel parameters, after osprim's own")
    group.addoption("--cpu", default="", metavar="MODEL", help="QEMU's -cpu")
    group.addoption("--qemu-arg", action="append", default=[], metavar="ARG", help="one more argument of QEMU; repeatable")
    # `--config` alone is an abbreviation that pytest takes for its own --config-file.
    group.addoption("--config", dest="kernel_config", metavar="FILE", help="the kernel's configuration, plain text")
    group.addoption("--memory", default="", metavar="SIZE", help="of a virtual machine (1G and thrice its initramfs)")
    group.addoption("--smp", type=int, default=0, metavar="N", help="CPUs of a virtual machine (2)")
    group.addoption("--accel", default="auto", metavar="HOW", help="auto, tcg or kvm")
    group.addoption("--boot-limit", type=float, default=0, metavar="SECONDS", help="for a kernel to reach its init (90)")
    group.addoption("--vms", type=int, default=0, metavar="N", help="virtual machines at a time (as many as CPUs)")
    group.addoption("--refresh", action="store_true", help="fetch Debian's indexes anew")


def options_of(option):
    """The qemu.Options that the command line asks for. Raises UsageError."""
    from harness.driver.targets.qemu import BOOT_SECONDS, Options
    if option.accel not in ACCELERATORS:
        raise UsageError(f"--accel takes {' '.join(ACCELERATORS)}{did_you_mean(option.accel, ACCELERATORS)}")
    if not 0 <= option.smp <= 64 or not 0 <= option.vms <= 1024 or not 0 <= option.boot_limit <= 86400:
        raise UsageError("--smp takes 1 to 64, --vms 1 to 1024, --boot-limit 1 to 86400")
    config = Path(option.kernel_config) if option.kernel_config else None
    if config and not config.is_file():
        raise UsageError(f"no file {config}: --config takes a kernel's configuration as plain text")
    if config and config.read_bytes()[:2] == b"\x1f\x8b":
        raise UsageError(f"--config takes plain text: gunzip -c {config} > config")
    return Options(option.append, option.cpu, tuple(option.qemu_arg), config, option.memory, option.smp, option.accel,
                   option.boot_limit or BOOT_SECONDS, option.refresh)


def repeated(option) -> str:
    """The words of a command line that ask for the same machines once more, with a space before each; "" for none."""
    pairs = [("--append", option.append), ("--cpu", option.cpu), *(("--qemu-arg", word) for word in option.qemu_arg),
             ("--config", option.kernel_config), ("--memory", option.memory), ("--smp", option.smp),
             ("--accel", option.accel if option.accel != "auto" else "")]
    return "".join(f" {name}={quote(str(value))}" for name, value in pairs if value)
