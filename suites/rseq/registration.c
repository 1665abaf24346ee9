// SPDX-License-Identifier: GPL-2.0-only
// rseq(2): which areas may be registered, and that a thread has one at most.
#include "clause.h"
#include "rseq.h"

#include <signal.h>
#include <sys/resource.h>

CLAUSE(a_thread_registers_and_unregisters_an_area,
       "kernel/rseq.c sys_rseq (5.10, 7.2): an aligned area of 32 bytes is registered with 0, unregistered with "
       "RSEQ_FLAG_UNREGISTER "
       "and the same address, length and signature, and can then be registered again [GLC-9] [RSQ-3]", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);

	for (int round = 0; round < 3; round++) {
		EXPECT_RET(0, rseq_register(area));
		EXPECT_RET(0, rseq_unregister(area));
	}
	EXPECT_RET(0, rseq_register(area));
}

CLAUSE(areas_that_cannot_be_are_refused,
       "kernel/rseq.c sys_rseq EINVAL (5.10, 7.2): an area shorter than 32 bytes, one not aligned to 32 bytes, and "
       "unknown flags are "
       "refused; nothing is then registered or written [RSQ-3]", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);
	static const unsigned int lengths[] = { 0, 1, 16, 20, 31, };
	static const int misaligned[] = { 1, 4, 8, 16, 31 };

	for (unsigned int i = 0; i < ARRAY_SIZE(lengths); i++) {
		EXPECT_ERR(EINVAL, raw_rseq(area, lengths[i], 0, ARCH_RSEQ_SIG)) TH_LOG("length %u", lengths[i]);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(misaligned); i++) {
		EXPECT_ERR(EINVAL, raw_rseq((char *)area + misaligned[i], RSEQ_OLD_SIZE, 0, ARCH_RSEQ_SIG))
			TH_LOG("misaligned by %d", misaligned[i]);
	}
	// Bit 1 asks for slice extensions since 7.0.
	for (int bit = 2; bit < 32; bit++) {
		EXPECT_ERR(EINVAL, raw_rseq(area, RSEQ_OLD_SIZE, 1U << bit, ARCH_RSEQ_SIG)) TH_LOG("flag %#x", 1U << bit);
	}
	EXPECT_EQ(RSEQ_UNINITIALIZED, area->cpu_id);
	EXPECT_ERR(EINVAL, rseq_unregister(area));
	EXPECT_RET(0, rseq_register(area));
}

CLAUSE(a_second_registration_says_what_is_wrong_with_it,
       "kernel/rseq.c sys_rseq EBUSY, EINVAL, EPERM (5.10, 7.2): while an area is registered, the same again is EBUSY, "
       "another address "
       "or length EINVAL, another signature EPERM; the first stays [RSQ-3] [incident 34]", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);
	struct rseq *other = rseq_area();

	ASSERT_RET(0, rseq_register(area));
	EXPECT_ERR(EBUSY, rseq_register(area));
	EXPECT_ERR(EINVAL, rseq_register(other));
	EXPECT_ERR(EINVAL, raw_rseq(area, RSEQ_OLD_SIZE + 32, 0, ARCH_RSEQ_SIG));
	EXPECT_ERR(EINVAL, raw_rseq(NULL, RSEQ_OLD_SIZE, 0, ARCH_RSEQ_SIG));
	EXPECT_ERR(EPERM, raw_rseq(area, RSEQ_OLD_SIZE, 0, ARCH_RSEQ_SIG ^ 1));
	EXPECT_ERR(EBUSY, rseq_register(area));
	EXPECT_EQ(RSEQ_UNINITIALIZED, other->cpu_id);
	EXPECT_RET(0, rseq_unregister(area));
}

CLAUSE(unregistering_asks_for_what_was_registered,
       "kernel/rseq.c sys_rseq RSEQ_FLAG_UNREGISTER (5.10, 7.2): another address or length, or a further flag, is "
       "EINVAL, another "
       "signature EPERM, and the area stays registered; without one it is EINVAL [RSQ-3]", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);
	struct rseq *other = rseq_area();

	EXPECT_ERR(EINVAL, rseq_unregister(area));
	EXPECT_ERR(EINVAL, rseq_unregister(NULL));
	ASSERT_RET(0, rseq_register(area));
	EXPECT_ERR(EINVAL, rseq_unregister(other));
	EXPECT_ERR(EINVAL, raw_rseq(area, RSEQ_OLD_SIZE + 32, RSEQ_UNREGISTER, ARCH_RSEQ_SIG));
	EXPECT_ERR(EINVAL, raw_rseq(area, RSEQ_OLD_SIZE - 12, RSEQ_UNREGISTER, ARCH_RSEQ_SIG));
	EXPECT_ERR(EPERM, raw_rseq(area, RSEQ_OLD_SIZE, RSEQ_UNREGISTER, ARCH_RSEQ_SIG ^ 1));
	for (int bit = 1; bit < 32; bit++) {
		EXPECT_ERR(EINVAL, raw_rseq(area, RSEQ_OLD_SIZE, RSEQ_UNREGISTER | 1U << bit, ARCH_RSEQ_SIG))
			TH_LOG("flag %#x", 1U << bit);
	}
	EXPECT_ERR(EBUSY, rseq_register(area));
	EXPECT_RET(0, rseq_unregister(area));
	EXPECT_ERR(EINVAL, rseq_unregister(area));
}

CLAUSE(an_area_that_is_given_back_says_so,
       "include/uapi/linux/rseq.h cpu_id RSEQ_CPU_ID_UNINITIALIZED (5.10, 7.2): unregistering leaves cpu_id at -1 and "
       "cpu_id_start at a "
       "possible CPU, 0; the kernel writes there no more [GLC-9]", RSEQ)
{
	AREA_OF_A_FREE_THREAD(area);

	ASSERT_RET(0, rseq_register(area));
	EXPECT_NE(RSEQ_UNINITIALIZED, area->cpu_id);
	EXPECT_RET(0, rseq_unregister(area));
	EXPECT_EQ(RSEQ_UNINITIALIZED, area->cpu_id);
	EXPECT_EQ(0, area->cpu_id_start);
	for (int n = 0; n < 2 && rseq_cpu(n) >= 0; n++) {
		ASSERT_RET(0, rseq_pin(0, rseq_cpu(n)));
		EXPECT_EQ(RSEQ_UNINITIALIZED, area->cpu_id);
		EXPECT_EQ(0, area->cpu_id_start);
	}
}

CLAUSE(registering_an_area_with_a_stale_section_is_harmless,
       "kernel/rseq.c sys_rseq (6.12.39, 7.2): an rseq_cs that is not NULL when the area is registered is cleared; "
       "older libcs hand a "
       "thread the area of one that has ended "
       "[RSQ-1]", .since = KERNEL(6, 12), .config = "RSEQ", .needed_by = RSEQ_USERS,
       .commit = "fd881d0a085f rseq: Fix segfault on registration when rseq_cs is non-zero")
{
	static const uint64_t stale[] = { 8, 0x10, ~0ULL & -32 };
	AREA_OF_A_FREE_THREAD(area);

	for (unsigned int i = 0; i < ARRAY_SIZE(stale); i++) {
		area->rseq_cs = stale[i];
		EXPECT_RET(0, rseq_register(area));
		EXPECT_EQ(0, area->rseq_cs);
		EXPECT_RET(0, rseq_unregister(area));
	}
	area->rseq_cs = (unsigned long)unmapped_page();
	EXPECT_RET(0, rseq_register(area));
	EXPECT_EQ(0, area->rseq_cs);
}

// Status of a child that registers an area there: 0 if the kernel said EFAULT, 1 if it took it.
static int status_of_registering_at(void *where)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		_exit(raw_rseq(where, RSEQ_OLD_SIZE, 0, ARCH_RSEQ_SIG) != -EFAULT);
	}
	waitpid(child, &status, 0);
	return status;
}

CLAUSE(an_area_nobody_can_write_is_not_taken_silently,
       "kernel/rseq.c rseq_register EFAULT (7.2), __rseq_handle_notify_resume (5.10): an area that cannot be written "
       "is refused with "
       "EFAULT or, by older kernels, ends in SIGSEGV on the way back to user mode", RSEQ)
{
	void *where[] = { unmapped_page(), forbidden_page() };

	ASSERT_TRUE(rseq_is_free());
	for (unsigned int i = 0; i < ARRAY_SIZE(where); i++) {
		int status = status_of_registering_at(where[i]);

		EXPECT_TRUE(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)) TH_LOG("status %#x", status);
	}
}

static long has_feature_size(void)
{
	return getauxval(AT_RSEQ_FEATURE_SIZE) ? 0 : -ENOSYS;
}

#define KERNEL_ENOTSUPP 524

#define EXTENSIBLE .since = KERNEL(6, 3), .config = "RSEQ", .probe = has_feature_size, .needed_by = RSEQ_USERS

CLAUSE(an_area_as_long_as_the_features_is_taken,
       "kernel/rseq.c rseq_length_valid (6.3, 7.2): above 32 bytes any length that holds AT_RSEQ_FEATURE_SIZE and is "
       "aligned to AT_RSEQ_ALIGN "
       "is taken, and one that is shorter or less aligned is EINVAL", EXTENSIBLE)
{
	unsigned long size = getauxval(AT_RSEQ_FEATURE_SIZE), align = getauxval(AT_RSEQ_ALIGN);
	AREA_OF_A_FREE_THREAD(area);
	unsigned int shortest = size > 33 ? size : 33;
	const unsigned int lengths[] = { shortest, shortest + 1, RSEQ_AREA };

	if (align > RSEQ_AREA || size > RSEQ_AREA)
		SKIP(return, "the kernel has more fields than this program has room for");
	for (unsigned int i = 0; i < ARRAY_SIZE(lengths); i++) {
		EXPECT_RET(0, raw_rseq(area, lengths[i], 0, ARCH_RSEQ_SIG)) TH_LOG("length %u", lengths[i]);
		EXPECT_NE(RSEQ_UNINITIALIZED, area->cpu_id);
		EXPECT_ERR(EBUSY, raw_rseq(area, lengths[i], 0, ARCH_RSEQ_SIG));
		EXPECT_ERR(EINVAL, raw_rseq(area, lengths[i] - 1, RSEQ_UNREGISTER, ARCH_RSEQ_SIG));
		EXPECT_RET(0, raw_rseq(area, lengths[i], RSEQ_UNREGISTER, ARCH_RSEQ_SIG));
	}
	if (size > 33) {
		EXPECT_ERR(EINVAL, raw_rseq(area, size - 1, 0, ARCH_RSEQ_SIG));
	}
	EXPECT_ERR(EINVAL, raw_rseq((char *)area + align / 2, shortest, 0, ARCH_RSEQ_SIG));
}

CLAUSE(slice_extensions_are_there_or_properly_absent,
       "Documentation/userspace-api/rseq.rst slice extensions (7.0): prctl PR_RSEQ_SLICE_EXTENSION answers 0 or 1 to "
       "GET where it is built "
       "in; elsewhere EINVAL, or ENOTSUPP, and rseq_slice_yield(2) ENOSYS", RSEQ)
{
	long get = raw_syscall(__NR_prctl, PR_RSEQ_SLICE_EXTENSION, PR_RSEQ_SLICE_EXTENSION_GET, 0, 0, 0);
	long yield = raw_syscall(__NR_rseq_slice_yield);

	EXPECT_TRUE(get == -EINVAL || get == -KERNEL_ENOTSUPP || get == 0 || get == 1) TH_LOG("GET = %ld", get);
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_RSEQ_SLICE_EXTENSION, PR_RSEQ_SLICE_EXTENSION_GET, 0, 1, 0));
	if (is_error(get)) {
		EXPECT_ERR(ENOSYS, yield);
	} else {
		EXPECT_RET(0, yield);
		EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_RSEQ_SLICE_EXTENSION, PR_RSEQ_SLICE_EXTENSION_GET, 1, 0, 0));
		EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_RSEQ_SLICE_EXTENSION, 99, 0, 0, 0));
	}
}
