// SPDX-License-Identifier: GPL-2.0-only
// futex_wait(2) and futex_wake(2) of Linux 6.7: which flags, masks, values, addresses and clocks they refuse.
#include "clause.h"
#include "actor.h"
#include "deadline.h"
#include "futex.h"
#include "futex2.h"
#include "guard.h"
#include "pi.h"

static const unsigned int both[] = { PRIVATE_U32, SHARED_U32 };

CLAUSE(flags_that_mean_nothing_are_refused,
       "kernel/futex/syscalls.c FUTEX2_VALID_MASK: an unknown flag is EINVAL for futex_wait and futex_wake, "
       "FUTEX_CLOCK_REALTIME too",
       NEEDS_FUTEX2)
{
	uint64_t word = 0;

	FOR_EACH(f, both)
		for (int bit = 4; bit < 32; bit++) {
			unsigned int flags = both[f] | 1u << bit;

			if (1u << bit == FUTEX2_PRIVATE)
				continue;
			EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAKE(&word, ANY, 1, flags)));
			EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAIT(&word, 1, ANY, flags)));
		}
}

CLAUSE(words_of_other_sizes_are_refused,
       "Documentation/userspace-api/futex2.rst Types of futex: 8, 16 and 64 bits are not supported: EINVAL",
       NEEDS_FUTEX2)
{
	static const unsigned int sizes[] = { FUTEX2_SIZE_U8, FUTEX2_SIZE_U16, FUTEX2_SIZE_U64 };
	uint64_t word = 0;

	FOR_EACH(i, sizes)
		for (int private = 0; private < 2; private++) {
			unsigned int flags = sizes[i] | (private ? FUTEX2_PRIVATE : 0);

			EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAKE(&word, 1, 1, flags)));
			EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAIT(&word, 1, 1, flags)));
		}
}

CLAUSE(a_mask_of_0_is_refused,
       "futex(2) ERRORS EINVAL: the bit mask is zero, in futex_wait and futex_wake alike, even if nobody is to be "
       "woken",
       NEEDS_FUTEX2)
{
	uint32_t word = 0;

	FOR_EACH(f, both) {
		EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAKE(&word, 0, 1, both[f])));
		EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAKE(&word, 0, 0, both[f])));
		EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAIT(&word, 0, 0, both[f])));
		EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAIT(&word, 1, 0, both[f])));
	}
}

CLAUSE(masks_and_values_wider_than_the_word_are_refused,
       "kernel/futex/syscalls.c futex_validate_input: a mask or a val that does not fit into 32 bits is EINVAL",
       NEEDS_FUTEX2, .needs = "64bit")
{
	uint32_t word = 0;

	for (unsigned int bit = 32; bit < 8 * sizeof(long); bit++) {
		unsigned long wide = 1UL << (bit % (8 * sizeof(long)));

		EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAKE(&word, wide, 1, PRIVATE_U32)));
		EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAKE(&word, wide | ANY, 1, PRIVATE_U32)));
		EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAIT(&word, 1, wide | ANY, PRIVATE_U32)));
		EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAIT(&word, wide, ANY, PRIVATE_U32)));
		EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAIT(&word, wide | 1, ANY, PRIVATE_U32)));
	}
}

CLAUSE(an_unreachable_word_is_efault,
       "futex(2) ERRORS EFAULT: the word is not in memory of the caller: futex_wait always, futex_wake of a shared "
       "word",
       NEEDS_FUTEX2)
{
	void *bad[] = { NULL, unmapped_page(), forbidden_page(), (void *)-4096L };

	FOR_EACH(i, bad) {
		EXPECT_ERR(EFAULT, raw_syscall(FUTEX2_WAIT(bad[i], 0, ANY, PRIVATE_U32)));
		EXPECT_ERR(EFAULT, raw_syscall(FUTEX2_WAIT(bad[i], 0, ANY, SHARED_U32)));
		EXPECT_ERR(EFAULT, raw_syscall(FUTEX2_WAKE(bad[i], ANY, 1, SHARED_U32)));
	}
}

CLAUSE(a_misaligned_word_is_einval,
       "futex(2) ERRORS EINVAL: the word is not four-byte-aligned",
       NEEDS_FUTEX2)
{
	uint32_t words[2] = { 0 };

	FOR_EACH(f, both)
		for (int offset = 1; offset < 4; offset++) {
			char *crooked = (char *)words + offset;

			EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAIT(crooked, 0, ANY, both[f])));
			EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAKE(crooked, ANY, 1, both[f])));
			EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAKE(crooked, ANY, 0, both[f])));
		}
}

CLAUSE(other_clocks_are_refused,
       "kernel/futex/syscalls.c futex2_setup_timeout: a deadline on another clock than CLOCK_MONOTONIC and "
       "CLOCK_REALTIME is EINVAL",
       NEEDS_FUTEX2)
{
	static const int clocks[] = { CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW,
				      CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI, 12, 256, -1 };
	struct __kernel_timespec past = timespec_of(1);
	uint32_t word = 0;

	FOR_EACH(i, clocks)
		EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAIT_UNTIL(&word, 0, ANY, PRIVATE_U32, &past, clocks[i])));
	EXPECT_RET(0, raw_syscall(FUTEX2_WAKE(&word, ANY, 9, PRIVATE_U32)));
}

CLAUSE(times_that_are_none_are_refused,
       "futex(2) ERRORS EINVAL: tv_sec less than zero or tv_nsec not less than 1,000,000,000, on either clock, even "
       "if the word differs; EFAULT for a timeout that cannot be read [GLC-7]",
       NEEDS_FUTEX2)
{
	static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME };
	uint32_t word = 0;

	FOR_EACH(i, clocks)
		for (int value = 0; value < 2; value++) {
			for (EACH_BAD_TIME(time))
				EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAIT_UNTIL(&word, value, ANY, PRIVATE_U32, time, clocks[i])));
			EXPECT_ERR(EFAULT, raw_syscall(FUTEX2_WAIT_UNTIL(&word, value, ANY, PRIVATE_U32, forbidden_page(),
									 clocks[i])));
		}
}

CLAUSE(a_deadline_beyond_all_time_is_none,
       "kernel/futex/syscalls.c futex_init_timeout: the largest moment that can be named is valid, and never comes",
       NEEDS_FUTEX2)
{
	static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME };
	struct actor *a = actor_thread();
	uint32_t word = 0;

	FOR_EACH(i, clocks) {
		ask(a, FUTEX2_WAIT_UNTIL(&word, 0, ANY, PRIVATE_U32, &end_of_time, clocks[i]));
		EXPECT_TRUE(blocks(a));
		EXPECT_RET(1, raw_syscall(FUTEX2_WAKE(&word, ANY, 9, PRIVATE_U32)));
		EXPECT_RET(0, answer(a));
	}
}

CLAUSE(a_wake_refuses_a_word_with_pi_waiters,
       "futex(2) ERRORS EINVAL: futex_wake finds a waiter in FUTEX_LOCK_PI on the word; it sleeps on",
       NEEDS_FUTEX2)
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	uint32_t word = owner->tid;

	if (pi_probe() == -ENOSYS)
		ABSENT("no PI futexes");
	ask(waiter, NR_FUTEX, &word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	ASSERT_TRUE(blocks(waiter));
	EXPECT_ERR(EINVAL, raw_syscall(FUTEX2_WAKE(&word, ANY, 9, PRIVATE_U32)));
	EXPECT_TRUE(blocks(waiter));
	EXPECT_RET(0, call_as(owner, NR_FUTEX, &word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	EXPECT_RET(0, answer(waiter));
}
