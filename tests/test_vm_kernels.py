# SPDX-License-Identifier: GPL-2.0-only
"""Real kernels in QEMU: one of Debian's boots, keeps its promises, and is made to panic."""

import shutil

import pytest
from conftest import ABI, ROOT

from harness.driver import abis, kernels

NATIVE = abis.load(ROOT, ABI)

DEADLY = """
#include <fcntl.h>
#include <unistd.h>

// Only in a guest: there the executor is the first process, and has left its plan in the root folder.
static int panics_a_guest(void)
{
	int fd = access("/plan", F_OK) || getuid() ? -1 : open("/proc/sysrq-trigger", O_WRONLY);

	return fd < 0 ? -1 : (int)write(fd, "c", 1);
}

CLAUSE(the_one_before_holds, "futex(2) NOTES: what ran before a panic has its verdict")
{
	EXPECT_OK(0);
}

CLAUSE(a_clause_panics_the_kernel, "futex(2) NOTES: a panic costs the clause that ran")
{
	EXPECT_OK(panics_a_guest());
}

CLAUSE(the_one_after_holds, "futex(2) NOTES: the rest runs after a reboot")
{
	EXPECT_OK(0);
}
"""


pytestmark = pytest.mark.skipif(not shutil.which(NATIVE.qemu_binary), reason=f"no {NATIVE.qemu_binary}: apt-get install -y {NATIVE.qemu_package}")


@pytest.fixture(scope="module")
def target() -> str:
    """The newest kernel at hand, or else Debian 12's cloud kernel, fetched."""
    at_hand = kernels.cached(NATIVE.debian)
    if not at_hand:
        found = kernels.matching(kernels.index(NATIVE.debian, ("bookworm",)).kernels, "newest", flavours=NATIVE.flavours)
        if not found:
            pytest.skip("the archive cannot be reached, and no kernel is cached")
        kernels.fetch(found[0][0])
        at_hand = found[0]
    return f"qemu:{ABI}:{max(at_hand, key=lambda kernel: kernel.age).folder}/vmlinuz"


def test_a_panic_costs_one_clause_and_its_log_is_kept(built, target):
    built.suite("deadly/all", DEADLY)
    try:
        built.build()
        printed = built.run("run", target, "deadly", "steady", code=1)
    finally:
        shutil.rmtree(built.path / "suites/deadly")
    told = built.verdicts()
    assert told.pop("a_clause_panics_the_kernel") == "panic" and set(told.values()) == {"pass"}, printed
    record = next(record for record in built.records() if record["verdict"] == "panic")
    assert any("Kernel panic - not syncing: sysrq triggered crash" in line for line in record["kmsg"])
    assert "Kernel panic" in printed or "sysrq" in printed


def test_a_kernel_without_a_console_of_ours_says_nothing_and_is_told_so(built, target):
    printed = built.run("run", target, "steady", "--append", "console=null console=tty0", "--boot-limit", "8", code=3)
    assert "hello" in printed and set(built.verdicts().values()) == {"broken"}
