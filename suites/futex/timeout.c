// SPDX-License-Identifier: GPL-2.0-only
// futex(2): relative and absolute timeouts of waits, on both clocks: never early, every value of the timespec.
#include "clause.h"

#include <linux/prctl.h>

#include "guard.h"
#include "waiter.h"

#define MS 1000000LL

static const struct timed {
	const char *name;
	int op;
	int clock;
	bool absolute;
} kinds[] = {
	{ "WAIT",                              FUTEX_WAIT,                               CLOCK_MONOTONIC, false },
	{ "WAIT_PRIVATE",                      FUTEX_WAIT_PRIVATE,                       CLOCK_MONOTONIC, false },
	{ "WAIT_BITSET",                       FUTEX_WAIT_BITSET,                        CLOCK_MONOTONIC, true },
	{ "WAIT_BITSET_PRIVATE",               FUTEX_WAIT_BITSET_PRIVATE,                CLOCK_MONOTONIC, true },
	{ "WAIT_BITSET, CLOCK_REALTIME",       FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME,  true },
	{ "WAIT_BITSET_PRIVATE, CLOCK_REALTIME",
	  FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME, true },
};

// Both words of a private and of a shared wait that nobody else knows.
static uint32_t word;

static long timed_wait(const struct timed *k, const struct __kernel_timespec *timeout)
{
	return futex_call(&word, k->op, word, timeout, NULL, FUTEX_BITSET_MATCH_ANY);
}

#define EXPECT_TIMED(want, k, timeout) do {									\
	const struct __kernel_timespec t_ = (timeout);								\
	char seen_[RESULT_TEXT];										\
	long result_ = timed_wait(k, &t_);									\
	EXPECT_EQ(want, result_) {										\
		TH_LOG("%s { %lld, %lld }: %s", (k)->name, (long long)t_.tv_sec, (long long)t_.tv_nsec,		\
		       result_text(seen_, result_));								\
	}													\
} while (0)

#define TIMESPEC(sec, nsec) ((struct __kernel_timespec){ sec, nsec })

// How far one clock is ahead of the other: changes only when somebody sets the time of day.
static long long time_of_day_shift(void)
{
	return clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
}

// Waits for ns nanoseconds; how many of them were missing when the wait timed out, or LLONG_MAX if it did not time
// out. Tries again when somebody sets the time of day meanwhile.
static long long missing_ns(const struct timed *k, long long ns)
{
	for (;;) {
		long long shift = time_of_day_shift(), before = clock_ns(k->clock), after;
		struct __kernel_timespec timeout = timespec_of(k->absolute ? before + ns : ns);

		if (timed_wait(k, &timeout) != -ETIMEDOUT)
			return LLONG_MAX;
		after = clock_ns(k->clock);
		if (k->clock == CLOCK_REALTIME && llabs(time_of_day_shift() - shift) > MS)
			continue;
		return before + ns - after;
	}
}

CLAUSE(a_timeout_never_expires_early,
       "futex(2) FUTEX_WAIT: the interval is rounded up to the clock's granularity and never expires early, relative "
       "by CLOCK_MONOTONIC for FUTEX_WAIT, absolute by either clock for FUTEX_WAIT_BITSET [FUT-3] [GLC-6]",
       .needed_by = "go:futexsleep glibc:pthread_cond_timedwait jvm:Parker")
{
	static const long long lengths[] = { 1, 999, 1000, 123456, 999999, 3 * MS };

	FOR_EACH(k, kinds)
		FOR_EACH(i, lengths) {
			EXPECT_LE(missing_ns(&kinds[k], lengths[i]), 0) {
				TH_LOG("%s of %lld ns", kinds[k].name, lengths[i]);
			}
		}
}

CLAUSE(timeouts_of_microseconds_never_expire_early,
       "futex(2) FUTEX_WAIT: the interval never expires early, however it lies to the ticks of the clock [FUT-3]",
       .needed_by = "go:futexsleep")
{
	long long ns = 1;

	for (int i = 0; i < 60; i++) {
		ns = (ns * 1103515245 + 12345) % 40000;
		EXPECT_LE(missing_ns(&kinds[2 * (i % 3) + 1], ns), 0);
	}
}

// How much later than asked the timers of a thread may expire; 50 microseconds if nobody says otherwise.
CLAUSE(timer_slack_makes_no_timeout_early,
       "prctl(2) PR_SET_TIMERSLACK: timers may expire later by the slack, never earlier [FUT-3]",
       .needed_by = "go:futexsleep glibc:pthread_cond_timedwait")
{
	ASSERT_OK(raw_syscall(__NR_prctl, PR_SET_TIMERSLACK, 3 * MS, 0, 0, 0));
	FOR_EACH(k, kinds) {
		EXPECT_LE(missing_ns(&kinds[k], 4 * MS), 0) {
			TH_LOG("%s", kinds[k].name);
		}
	}
}

CLAUSE(a_timeout_of_zero_expires_at_once,
       "futex(2) ERRORS ETIMEDOUT: an interval of 0, or a deadline that is now, has expired when the call begins "
       "[FUT-4]",
       .needed_by = "go:futexsleep")
{
	for (int k = 0; k < 2; k++)
		EXPECT_TIMED(-ETIMEDOUT, &kinds[k], TIMESPEC(0, 0));
	for (int k = 2; k < 6; k++)
		EXPECT_TIMED(-ETIMEDOUT, &kinds[k], timespec_of(clock_ns(kinds[k].clock)));
}

CLAUSE(a_deadline_that_has_passed_expires_at_once,
       "futex(2) FUTEX_WAIT_BITSET: the timeout is an absolute time; one in the past is ETIMEDOUT, never EINVAL "
       "[GLC-7] [incident 27]",
       .needed_by = "glibc:pthread_cond_timedwait")
{
	for (int k = 2; k < 6; k++) {
		EXPECT_TIMED(-ETIMEDOUT, &kinds[k], TIMESPEC(0, 0));
		EXPECT_TIMED(-ETIMEDOUT, &kinds[k], TIMESPEC(0, 1));
		EXPECT_TIMED(-ETIMEDOUT, &kinds[k], TIMESPEC(0, 999999999));
		EXPECT_TIMED(-ETIMEDOUT, &kinds[k], timespec_of(clock_ns(kinds[k].clock) - 1));
		EXPECT_TIMED(-ETIMEDOUT, &kinds[k], timespec_of(clock_ns(kinds[k].clock) / 2));
	}
}

CLAUSE(negative_seconds_are_refused,
       "futex(2) ERRORS EINVAL: the timeout was invalid: tv_sec was less than zero, relative or absolute; only "
       "negative absolute times are EINVAL, so a caller must catch them itself [FUT-3] [GLC-7]",
       .needed_by = "glibc:__futex_abstimed_wait64")
{
	FOR_EACH(k, kinds) {
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(-1, 0));
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(-1, 999999999));
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(-2147483648LL, 0));
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(LLONG_MIN, 0));
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(LLONG_MIN, 999999999));
	}
}

CLAUSE(nanoseconds_of_a_second_or_more_are_refused,
       "futex(2) ERRORS EINVAL: the timeout was invalid: tv_nsec was not between 0 and 999,999,999 [FUT-3]",
       .needed_by = "go:futexsleep")
{
	FOR_EACH(k, kinds) {
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(0, 1000000000));
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(1, 1000000000));
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(0, 1000000001));
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(0, 0x7fffffff));
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(0, -1));
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(1, -1));
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(1, -999999999));
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(0, LLONG_MAX));
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(LLONG_MAX, 1000000000));
	}
}

CLAUSE(nanoseconds_are_checked_in_all_64_bits,
       "futex(2) ERRORS EINVAL: the timeout was invalid: tv_nsec, a 64-bit field, was not less than 1,000,000,000",
       .needs = "64bit")
{
	FOR_EACH(k, kinds) {
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(0, 1LL << 32));
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(0, (1LL << 32) + 1));
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(0, 1LL << 62));
		EXPECT_TIMED(-EINVAL, &kinds[k], TIMESPEC(0, LLONG_MIN));
	}
}

CLAUSE(nanoseconds_up_to_the_last_are_taken,
       "futex(2) ERRORS EINVAL: tv_nsec may be 0 to 999,999,999: the ends are valid; the wait sleeps and can be "
       "woken",
       .needed_by = "go:futexsleep")
{
	struct __kernel_timespec last = { 0, 999999999 };

	FOR_EACH(k, kinds) {
		struct waiter w = waiter_on(&word, kinds[k].op);

		if (kinds[k].absolute)
			last.tv_sec = clock_ns(kinds[k].clock) / 1000000000 + 3600;
		w.timeout = &last;
		ASSERT_TRUE(waiter_sleeps(&w));
		EXPECT_RET(1, futex_call(&word, FUTEX_WAKE | (kinds[k].op & FUTEX_PRIVATE_FLAG), 1, NULL, NULL, 0));
		EXPECT_RET(0, waiter_result(&w));
	}
}

// 2^63 ns, 2^64 ns and their like would be past, or now, if they overflowed.
CLAUSE(very_long_timeouts_do_not_overflow,
       "include/linux/ktime.h ktime_set, kernel/futex/syscalls.c futex_init_timeout (7.2): a timeout is cut at "
       "KTIME_MAX; one of 2^63-1 ns or of any number of seconds sleeps until it is woken [FUT-14]",
       .needed_by = "go:futexsleep musl:__timedwait")
{
	static const struct __kernel_timespec lengths[] = {
		{ 2147483648, 0 },		// 2^31 s
		{ 4294967296, 0 },		// 2^32 s
		{ 9223372036, 854775807 },	// 2^63 - 1 ns
		{ 9223372036, 854775808 },	// 2^63 ns
		{ 9223372037, 0 },
		{ 18446744073, 709551617 },	// 2^64 + 1 ns
		{ 1LL << 62, 1 },
		{ LLONG_MAX, 0 },
		{ LLONG_MAX, 999999999 },
	};

	const struct __kernel_timespec pause = timespec_of(10 * MS);	// an overflow may be noticed by a later tick only
	struct waiter w[ARRAY_SIZE(kinds) * ARRAY_SIZE(lengths)];
	uint32_t nobody = 0;

	FOR_EACH(n, w) {
		const struct timed *k = &kinds[n % ARRAY_SIZE(kinds)];

		w[n] = waiter_on(&word, k->op);
		w[n].timeout = &lengths[n / ARRAY_SIZE(kinds)];
		ASSERT_TRUE(waiter_sleeps(&w[n])) {
			TH_LOG("%s of %lld s %lld ns: %ld", k->name, (long long)w[n].timeout->tv_sec,
			       (long long)w[n].timeout->tv_nsec, w[n].result);
		}
	}
	EXPECT_ERR(ETIMEDOUT, futex_wait(&nobody, 0, &pause));
	FOR_EACH(n, w) {
		EXPECT_EQ(0, w[n].returned) {
			TH_LOG("%s of %lld s %lld ns: %ld", kinds[n % ARRAY_SIZE(kinds)].name, (long long)w[n].timeout->tv_sec,
			       (long long)w[n].timeout->tv_nsec, w[n].result);
		}
	}
	EXPECT_RET(ARRAY_SIZE(w) / 2, futex_wake(&word, INT_MAX));
	EXPECT_RET(ARRAY_SIZE(w) / 2, futex_wake_shared(&word, INT_MAX));
	EXPECT_TRUE(all_returned(w, ARRAY_SIZE(w), 0));
}

CLAUSE(no_timeout_means_no_end,
       "futex(2) FUTEX_WAIT: if timeout is NULL the call blocks indefinitely, FUTEX_WAIT_BITSET likewise",
       .needed_by = "go:futexsleep")
{
	FOR_EACH(k, kinds) {
		struct waiter w;

		ASSERT_TRUE(sleeps_on(&w, &word, kinds[k].op));
		EXPECT_RET(1, futex_call(&word, FUTEX_WAKE | (kinds[k].op & FUTEX_PRIVATE_FLAG), 1, NULL, NULL, 0));
		EXPECT_RET(0, waiter_result(&w));
	}
}

CLAUSE(a_timeout_that_cannot_be_read_faults,
       "futex(2) ERRORS EFAULT: timeout did not point to a valid user-space address: not there, or only half there",
       .needed_by = "go:futexsleep")
{
	const void *places[] = {
		unmapped_page(),
		forbidden_page(),
		guarded(sizeof(struct __kernel_timespec) / 2),
		guarded(sizeof(struct __kernel_timespec) - 1),
		(void *)-page_size(),
		(void *)8,
	};

	memset((void *)places[2], 0, sizeof(struct __kernel_timespec) / 2);
	memset((void *)places[3], 0, sizeof(struct __kernel_timespec) - 1);
	FOR_EACH(k, kinds)
		FOR_EACH(i, places)
			EXPECT_RET(-EFAULT, timed_wait(&kinds[k], places[i]));
}

CLAUSE(a_timeout_is_read_and_never_written,
       "futex(2) FUTEX_WAIT: timeout is a pointer to const: it may be read-only, need not be aligned, and holds the "
       "same afterwards; what is left of it is not stored",
       .needed_by = "go:futexsleep musl:__timedwait")
{
	struct __kernel_timespec *read_only = private_memory(page_size()), soon;
	char *odd = private_memory(page_size());

	FOR_EACH(k, kinds) {
		soon = timespec_of((kinds[k].absolute ? clock_ns(kinds[k].clock) : 0) + 100000);
		ASSERT_EQ(0, mprotect(read_only, page_size(), PROT_READ | PROT_WRITE));
		*read_only = soon;
		ASSERT_EQ(0, mprotect(read_only, page_size(), PROT_READ));
		EXPECT_RET(-ETIMEDOUT, timed_wait(&kinds[k], read_only));
		EXPECT_EQ(0, memcmp(&soon, read_only, sizeof(soon)));
		memcpy(odd + 1, &soon, sizeof(soon));
		EXPECT_RET(-ETIMEDOUT, timed_wait(&kinds[k], (void *)(odd + 1)));
		EXPECT_EQ(0, memcmp(&soon, odd + 1, sizeof(soon)));
	}
}

CLAUSE(a_wait_ends_at_its_own_deadline_only,
       "futex(2) ERRORS ETIMEDOUT: the timeout of a wait ends that wait; the other waiters of the word sleep on",
       .needed_by = "glibc:pthread_cond_timedwait")
{
	struct __kernel_timespec soon[4];
	struct waiter timed[4], forever[2];
	long long deadline[4];

	ASSERT_TRUE(sleeps_on(&forever[0], &word, FUTEX_WAIT_PRIVATE));
	for (int i = 0; i < 4; i++) {
		deadline[i] = clock_ns(CLOCK_MONOTONIC) + (8 - 2 * i) * MS;
		soon[i] = timespec_of(deadline[i]);
		timed[i] = waiter_on(&word, FUTEX_WAIT_BITSET_PRIVATE);
		timed[i].timeout = &soon[i];
		ASSERT_TRUE(waiter_start(&timed[i]));
	}
	ASSERT_TRUE(sleeps_on(&forever[1], &word, FUTEX_WAIT_PRIVATE));
	for (int i = 3; i >= 0; i--) {
		EXPECT_RET(-ETIMEDOUT, waiter_result(&timed[i]));
		EXPECT_GE(clock_ns(CLOCK_MONOTONIC), deadline[i]);
	}
	EXPECT_TRUE(is_asleep(forever[0].tid) && is_asleep(forever[1].tid));
	EXPECT_RET(2, futex_wake(&word, INT_MAX));
	EXPECT_TRUE(all_returned(forever, 2, 0));
}

CLAUSE(a_timed_wait_that_is_woken_returns_0,
       "futex(2) RETURN VALUE FUTEX_WAIT: returns 0 if the caller was woken up, before its timeout",
       .needed_by = "go:futexsleep jvm:Parker")
{
	struct __kernel_timespec later;

	FOR_EACH(k, kinds) {
		struct waiter w = waiter_on(&word, kinds[k].op);

		later = timespec_of((kinds[k].absolute ? clock_ns(kinds[k].clock) : 0) + 3600000 * MS);
		w.timeout = &later;
		ASSERT_TRUE(waiter_sleeps(&w));
		EXPECT_RET(1, futex_call(&word, FUTEX_WAKE | (kinds[k].op & FUTEX_PRIVATE_FLAG), 1, NULL, NULL, 0));
		EXPECT_RET(0, waiter_result(&w));
	}
}

CLAUSE(the_word_is_compared_before_the_timeout,
       "futex(2) ERRORS EAGAIN: a word that differs is told at once, however short or long the timeout",
       .needed_by = "go:futexsleep")
{
	static const struct __kernel_timespec lengths[] = { { 0, 0 }, { 0, 1 }, { 3600, 0 }, { LLONG_MAX, 0 } };

	FOR_EACH(k, kinds)
		FOR_EACH(i, lengths)
			EXPECT_RET(-EAGAIN, futex_call(&word, kinds[k].op, word + 1, &lengths[i], NULL, 1));
}
