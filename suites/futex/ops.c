// SPDX-License-Identifier: GPL-2.0-only
// futex(2): operations that do not exist, and flags that an operation does not take.
#include "clause.h"
#include "waiter.h"

static const struct __kernel_timespec at_once = { 0, 0 };

// A call with an invalid operation must do nothing: the waiter stays, both words keep their values.
struct bystander {
	uint32_t word, word2;
	struct waiter w, w2;
};

static bool bystander_sleeps(struct bystander *b)
{
	b->word = b->word2 = 0;
	return sleeps_on(&b->w, &b->word, FUTEX_WAIT_PRIVATE) && sleeps_on(&b->w2, &b->word2, FUTEX_WAIT);
}

static bool bystander_slept_on(struct bystander *b)
{
	return is_asleep(b->w.tid) && is_asleep(b->w2.tid) && b->word == 0 && b->word2 == 0 &&
	       futex_wake(&b->word, INT_MAX) == 1 && futex_wake_shared(&b->word2, INT_MAX) == 1 &&
	       waiter_result(&b->w) == 0 && waiter_result(&b->w2) == 0;
}

// The arguments would be good for a wait, a wake, a requeue and FUTEX_WAKE_OP alike.
#define EXPECT_NO_SUCH(op) do {									\
	char seen_[RESULT_TEXT];								\
	long result_ = futex_call(&b.word, op, 0, &at_once, &b.word2, 1);			\
	EXPECT_EQ(-ENOSYS, result_) {								\
		TH_LOG("operation %#x: %s, want -ENOSYS", (unsigned int)(op), result_text(seen_, result_)); \
	}											\
} while (0)

// 13 was taken by FUTEX_LOCK_PI2 (5.14): numbers close above may be taken one day.
CLAUSE(unknown_operations_do_not_exist,
       "futex(2) ERRORS ENOSYS: invalid operation specified in futex_op; never EINVAL, and without effect [FUT-10]",
       .needed_by = "go:futex glibc:__futex_lock_pi64")
{
	struct bystander b;

	ASSERT_TRUE(bystander_sleeps(&b));
	for (int op = 32; op < 128; op++) {
		EXPECT_NO_SUCH(op);
		EXPECT_NO_SUCH(op | FUTEX_PRIVATE_FLAG);
		EXPECT_NO_SUCH(op | FUTEX_CLOCK_REALTIME);
	}
	EXPECT_TRUE(bystander_slept_on(&b));
}

CLAUSE(unknown_flags_make_an_unknown_operation,
       "futex(2) ERRORS ENOSYS: a bit of futex_op above the flags is part of the command, and no command has it "
       "[FUT-10]",
       .needed_by = "go:futex")
{
	static const int known[] = {
		FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP, FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET,
	};
	struct bystander b;

	ASSERT_TRUE(bystander_sleeps(&b));
	FOR_EACH(i, known)
		for (int bit = 16; bit < 32; bit++) {
			EXPECT_NO_SUCH(known[i] | 1U << bit);
			EXPECT_NO_SUCH(known[i] | FUTEX_PRIVATE_FLAG | 1U << bit);
		}
	EXPECT_TRUE(bystander_slept_on(&b));
}

CLAUSE(futex_fd_is_gone,
       "futex(2) FUTEX_FD: because it was inherently racy, FUTEX_FD has been removed from Linux 2.6.26 onward")
{
	struct bystander b;

	ASSERT_TRUE(bystander_sleeps(&b));
	EXPECT_NO_SUCH(FUTEX_FD);
	EXPECT_NO_SUCH(FUTEX_FD | FUTEX_PRIVATE_FLAG);
	EXPECT_NO_SUCH(FUTEX_FD | FUTEX_CLOCK_REALTIME);
	EXPECT_TRUE(bystander_slept_on(&b));
}

CLAUSE(operations_without_a_timeout_refuse_a_clock,
       "futex(2) ERRORS ENOSYS: FUTEX_CLOCK_REALTIME was specified, but the operation takes no timeout by that clock "
       "[FUT-10]",
       .needed_by = "go:futex glibc:__futex_abstimed_wait64")
{
	static const int clockless[] = {
		FUTEX_WAKE, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP, FUTEX_WAKE_BITSET,
		FUTEX_LOCK_PI, FUTEX_UNLOCK_PI, FUTEX_TRYLOCK_PI, FUTEX_CMP_REQUEUE_PI,
	};
	struct bystander b;

	ASSERT_TRUE(bystander_sleeps(&b));
	FOR_EACH(i, clockless) {
		EXPECT_NO_SUCH(clockless[i] | FUTEX_CLOCK_REALTIME);
		EXPECT_NO_SUCH(clockless[i] | FUTEX_CLOCK_REALTIME | FUTEX_PRIVATE_FLAG);
	}
	EXPECT_TRUE(bystander_slept_on(&b));
}

// Allowed from 4.5 to 5.12, where the relative timeout was then taken for an absolute one.
CLAUSE(plain_wait_refuses_a_clock,
       "kernel/futex/syscalls.c do_futex (7.2): FUTEX_CLOCK_REALTIME is for FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI "
       "and FUTEX_LOCK_PI2; with FUTEX_WAIT it is ENOSYS [FUT-10]",
       .since = KERNEL(5, 13))
{
	struct bystander b;

	ASSERT_TRUE(bystander_sleeps(&b));
	EXPECT_NO_SUCH(FUTEX_WAIT | FUTEX_CLOCK_REALTIME);
	EXPECT_NO_SUCH(FUTEX_WAIT | FUTEX_CLOCK_REALTIME | FUTEX_PRIVATE_FLAG);
	EXPECT_TRUE(bystander_slept_on(&b));
}

CLAUSE(every_operation_takes_the_private_flag,
       "futex(2) FUTEX_PRIVATE_FLAG: this option bit can be employed with all futex operations",
       .needed_by = "go:futex glibc:lll_lock")
{
	static const struct {
		int op;
		long timeout_or_count;
		uint32_t value3;
		long want;
	} rows[] = {
		{ FUTEX_WAIT,        (long)&at_once, 0,                                          -ETIMEDOUT },
		{ FUTEX_WAIT_BITSET, (long)&at_once, 1,                                          -ETIMEDOUT },
		{ FUTEX_WAKE,        0,              0,                                          0 },
		{ FUTEX_WAKE_BITSET, 0,              1,                                          0 },
		{ FUTEX_REQUEUE,     1,              0,                                          0 },
		{ FUTEX_CMP_REQUEUE, 1,              0,                                          0 },
		{ FUTEX_CMP_REQUEUE, 1,              1,                                          -EAGAIN },
		{ FUTEX_WAKE_OP,     1,              FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_EQ, 0), 0 },
	};
	uint32_t word = 0, word2 = 0;

	FOR_EACH(i, rows)
		for (int flag = 0; flag <= FUTEX_PRIVATE_FLAG; flag += FUTEX_PRIVATE_FLAG)
			EXPECT_RET(rows[i].want, futex_call(&word, rows[i].op | flag, 0, rows[i].timeout_or_count, &word2,
							    rows[i].value3));
}

CLAUSE(wait_bitset_takes_both_clocks,
       "futex(2) FUTEX_CLOCK_REALTIME: this option bit can be employed with FUTEX_WAIT_BITSET, private or not",
       .needed_by = "glibc:__futex_abstimed_wait64 rust:futex_wait")
{
	static const int flags[] = { 0, FUTEX_PRIVATE_FLAG, FUTEX_CLOCK_REALTIME, FUTEX_CLOCK_REALTIME | FUTEX_PRIVATE_FLAG };
	uint32_t word = 0;

	FOR_EACH(i, flags) {
		EXPECT_ERR(ETIMEDOUT, futex_call(&word, FUTEX_WAIT_BITSET | flags[i], 0, &at_once, NULL, 1));
		EXPECT_ERR(EAGAIN, futex_call(&word, FUTEX_WAIT_BITSET | flags[i], 1, NULL, NULL, 1));
	}
}

// Written without shifts by 32, which a 32-bit ABI, where the clause is skipped, could not compile.
#define GARBAGE ((long)(~0UL << 31 << 1))

CLAUSE(upper_halves_of_32_bit_arguments_are_ignored,
       "futex(2) SYNOPSIS, Arguments: futex_op is an int, val, val2 and val3 are uint32_t: what a 64-bit register "
       "holds above is nothing to the kernel",
       .needs = "64bit", .needed_by = "go:futex")
{
	uint32_t word = 5, word2 = 5;
	struct waiter w[3];

	EXPECT_ERR(EAGAIN, futex_wait(&word, GARBAGE | 6, NULL));
	EXPECT_ERR(ETIMEDOUT, futex_wait(&word, GARBAGE | 5, &at_once));
	EXPECT_ERR(ETIMEDOUT, futex_call(&word, GARBAGE | FUTEX_WAIT_PRIVATE, 5, &at_once, NULL, 0));
	EXPECT_ERR(EINVAL, futex_wait_bitset(&word, 5, &at_once, GARBAGE));
	EXPECT_ERR(EINVAL, futex_wake_bitset(&word, 1, GARBAGE));
	EXPECT_ERR(EAGAIN, futex_cmp_requeue(&word, 1, 1, &word2, GARBAGE | 6));
	EXPECT_RET(0, futex_cmp_requeue(&word, 1, 1, &word2, GARBAGE | 5));
	ASSERT_TRUE(all_sleep_on(w, 3, &word, FUTEX_WAIT_PRIVATE));
	EXPECT_RET(1, futex_requeue(&word, GARBAGE, GARBAGE | 1, &word2));
	EXPECT_RET(1, futex_wake(&word, GARBAGE | 1));
	EXPECT_RET(2, futex_wake_op(&word, GARBAGE | 1, GARBAGE | 1, &word2,
				    GARBAGE | FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 5)));
	EXPECT_TRUE(all_returned(w, 3, 0));
	EXPECT_EQ(6, word2);
}
