// SPDX-License-Identifier: GPL-2.0-only
// futex(2) of 32-bit ABIs: one number takes a timespec of 64-bit fields, the older one a timespec of 32-bit fields.
#include "clause.h"
#include "guard.h"
#include "waiter.h"

#define MS 1000000LL

// Where there is one number only, that is the one with 64-bit fields; all here is skipped or absent then.
#if defined(__NR_futex_time64) && defined(__NR_futex)
#define NR_FUTEX_TIME32 __NR_futex
#else
#define NR_FUTEX_TIME32 -1
#endif

struct timespec32 {
	int32_t sec, nsec;
};

#define futex_time32(word, op, value, timeout_or_count, word2, value3) \
	raw_syscall(NR_FUTEX_TIME32, word, op, value, timeout_or_count, word2, value3)

static uint32_t word;

// As Go asks at start-up.
static long probe(void)
{
	return futex_time32(&word, FUTEX_WAKE_PRIVATE, 0, NULL, NULL, 0);
}

#define OLD_CALL .needs = "32bit", .config = "COMPAT_32BIT_TIME", .probe = probe

static const struct timed {
	int op, clock;
	bool absolute;
} kinds[] = {
	{ FUTEX_WAIT_PRIVATE,                               CLOCK_MONOTONIC, false },
	{ FUTEX_WAIT,                                       CLOCK_MONOTONIC, false },
	{ FUTEX_WAIT_BITSET_PRIVATE,                        CLOCK_MONOTONIC, true },
	{ FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME,  true },
};

static long wait32(const struct timed *k, const struct timespec32 *timeout)
{
	return futex_time32(&word, k->op, word, timeout, NULL, FUTEX_BITSET_MATCH_ANY);
}

struct waiter32 {
	const struct timed *kind;
	struct timespec32 timeout;
	struct waiter w;
};

static int wait32_main(void *arg)
{
	struct waiter32 *w = arg;

	w->w.result = wait32(w->kind, &w->timeout);
	__atomic_store_n(&w->w.returned, 1, __ATOMIC_RELEASE);
	return 0;
}

static bool sleeps_in_the_old_call(struct waiter32 *w)
{
	long tid = thread_start(&w->w.thread, wait32_main, w);

	return !is_error(tid) && !w->w.returned &&
	       wait_until(w->w.returned || (task_state(tid) == 'S' && is_blocked_in(tid, NR_FUTEX_TIME32))) &&
	       !w->w.returned;
}

CLAUSE(the_call_with_64_bit_time_is_there,
       "arch/x86/entry/syscalls/syscall_32.tbl and its like (7.2): futex_time64 has its number on every 32-bit ABI "
       "since 5.1, and knows every operation [FUT-11] [incident 38] [incident 40] [MUS-4]",
       .needs = "32bit", .needed_by = "go:futex musl:__futex glibc:__futex_abstimed_wait64")
{
	static const struct __kernel_timespec at_once = { 0, 0 };

	EXPECT_RET(0, futex_wake(&word, 0));
	EXPECT_RET(0, futex_wake_shared(&word, 1));
	EXPECT_ERR(EAGAIN, futex_wait(&word, 1, &at_once));
	EXPECT_ERR(ETIMEDOUT, futex_wait(&word, 0, &at_once));
	EXPECT_ERR(ETIMEDOUT, futex_wait_bitset(&word, 0, &at_once, 1));
	EXPECT_RET(0, futex_requeue(&word, 1, 1, &word));
	EXPECT_ERR(EAGAIN, futex_cmp_requeue(&word, 1, 1, &word, 1));
}

CLAUSE(the_upper_half_of_the_nanoseconds_is_padding,
       "kernel/time/time.c get_timespec64 (7.2): for a 32-bit caller the upper 32 bits of tv_nsec are padding, and "
       "ignored",
       .needs = "32bit", .needed_by = "musl:__timedwait glibc:__futex_abstimed_wait64")
{
	static const long long garbage[] = { 1LL << 32, -(1LL << 32), 0x12345678LL << 32, LLONG_MIN };

	FOR_EACH(i, garbage) {
		long long began = clock_ns(CLOCK_MONOTONIC);
		struct __kernel_timespec timeout = { 0, garbage[i] | MS };

		EXPECT_ERR(ETIMEDOUT, futex_wait(&word, 0, &timeout));
		EXPECT_GE(clock_ns(CLOCK_MONOTONIC) - began, MS);
		timeout.tv_nsec = garbage[i] | 1000000000;
		EXPECT_ERR(EINVAL, futex_wait(&word, 0, &timeout));
	}
}

CLAUSE(the_old_call_waits_as_long_as_it_is_told,
       "kernel/futex/syscalls.c futex_time32 (7.2): the timeout of the older number has 32-bit fields, and never "
       "expires early either [FUT-3] [FUT-11]",
       OLD_CALL, .needed_by = "go:futexsleep")
{
	static const int lengths[] = { 1, 1000, 123456, 3 * MS };

	FOR_EACH(k, kinds)
		FOR_EACH(i, lengths) {
			long long before = clock_ns(kinds[k].clock), end = before + lengths[i];
			struct timespec32 timeout = { 0, lengths[i] };

			if (kinds[k].absolute)
				timeout = (struct timespec32){ end / 1000000000, end % 1000000000 };
			EXPECT_RET(-ETIMEDOUT, wait32(&kinds[k], &timeout));
			EXPECT_GE(clock_ns(kinds[k].clock), end);
		}
}

CLAUSE(the_old_call_checks_its_timespec,
       "futex(2) ERRORS EINVAL: tv_sec was less than zero, or tv_nsec not less than 1,000,000,000, in 32-bit fields",
       OLD_CALL)
{
	static const struct timespec32 bad[] = {
		{ -1, 0 }, { INT_MIN, 0 }, { -1, 999999999 }, { 0, 1000000000 }, { 0, -1 }, { 1, INT_MIN }, { 0, INT_MAX },
	};

	FOR_EACH(k, kinds) {
		FOR_EACH(i, bad)
			EXPECT_RET(-EINVAL, wait32(&kinds[k], &bad[i]));
		EXPECT_RET(-ETIMEDOUT, wait32(&kinds[k], &(struct timespec32){ 0, 0 }));
	}
}

CLAUSE(the_old_call_reads_eight_bytes,
       "futex(2) ERRORS EFAULT: timeout did not point to a valid address; its structure is 8 bytes long, and not one "
       "more is read",
       OLD_CALL)
{
	struct timespec32 *whole = guarded(sizeof(*whole)), *half = guarded(sizeof(*half) / 2);

	*whole = (struct timespec32){ 0, 0 };
	memset(half, 0, sizeof(*half) / 2);
	FOR_EACH(k, kinds) {
		EXPECT_RET(-ETIMEDOUT, wait32(&kinds[k], whole));
		EXPECT_RET(-EFAULT, wait32(&kinds[k], half));
		EXPECT_RET(-EFAULT, wait32(&kinds[k], forbidden_page()));
		EXPECT_RET(-EFAULT, wait32(&kinds[k], unmapped_page()));
	}
}

CLAUSE(both_calls_have_the_same_waiters,
       "kernel/futex/syscalls.c (7.2): the two numbers differ in the timeout alone: each wakes and moves who waits "
       "by the other, and the longest 32-bit timeout sleeps until then [FUT-11]",
       OLD_CALL, .needed_by = "go:futexwakeup musl:__wake")
{
	struct waiter32 w[4];
	uint32_t other = 0;
	struct waiter w64;

	FOR_EACH(i, w) {
		w[i] = (struct waiter32){ .kind = &kinds[i], .timeout = { INT_MAX, 999999999 } };
		ASSERT_TRUE(sleeps_in_the_old_call(&w[i]));
	}
	EXPECT_RET(1, futex_wake_shared(&word, 1));
	EXPECT_RET(0, waiter_result(&w[1].w));
	EXPECT_RET(1, futex_wake(&word, 1));
	EXPECT_RET(0, waiter_result(&w[0].w));
	EXPECT_RET(1, futex_requeue(&word, 0, 1, &other));
	EXPECT_RET(1, futex_time32(&word, FUTEX_REQUEUE_PRIVATE, 0, 1, &other, 0));
	EXPECT_ERR(EINVAL, futex_time32(&word, FUTEX_REQUEUE_PRIVATE, 0, -1, &other, 0));
	EXPECT_RET(1, futex_time32(&other, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	EXPECT_RET(1, futex_wake(&other, 1));
	EXPECT_TRUE(waiter_result(&w[2].w) == 0 && waiter_result(&w[3].w) == 0);

	ASSERT_TRUE(sleeps_on(&w64, &word, FUTEX_WAIT_PRIVATE));
	EXPECT_RET(1, futex_time32(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	EXPECT_RET(0, waiter_result(&w64));
}
