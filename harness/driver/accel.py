# SPDX-License-Identifier: GPL-2.0-only
"""Whether QEMU may be accelerated here. /dev/kvm can exist, answer, and hang every kernel: only a boot tells.

The answer of the first boot is kept for as long as this machine is up.
"""

import os
from pathlib import Path

from harness.driver.abis import Abi

PROBE_SECONDS = 10  # for a kernel to say hello when accelerated; emulated ones need less than that


def worth_a_probe(abi: Abi) -> bool:
    """True if a boot with KVM may work and none has failed since this machine was started."""
    machine = os.uname().machine
    if machine not in abi.runs_on or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    if Path("/sys/module/kvm_pvm").exists():  # guests of a machine without virtualisation: kernels hang in it
        return False
    if machine == "x86_64" and not {"vmx", "svm"} & set(_flags()):
        return False
    return _verdict_file(abi) is None or not _verdict_file(abi).exists()


def remember_failure(abi: Abi) -> None:
    """Notes that a kernel did not boot with KVM, until the next start of this machine."""
    if path := _verdict_file(abi):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _flags() -> list[str]:
    try:
        with open("/proc/cpuinfo") as info:
            return next((line.split() for line in info if line.startswith("flags")), [])
    except OSError:
        return []


def _verdict_file(abi: Abi) -> Path | None:
    from harness.driver.apt import cache_folder
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return cache_folder() / "kvm" / f"{boot}-{abi.name}-hangs"
