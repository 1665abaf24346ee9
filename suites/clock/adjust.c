// SPDX-License-Identifier: GPL-2.0-only
// adjtimex(2), clock_adjtime(2): what anybody may read, who may change what, and what is refused. Nothing is changed.
#include "clause.h"

#include "clock.h"
#include "guard.h"
#include "nobody.h"
#include "timex.h"

#define USERS "glibc:adjtimex"

#ifndef ADJ_OFFSET_SS_READ
#define ADJ_OFFSET_SS_READ 0xa001
#endif
#ifndef ADJ_SETOFFSET
#define ADJ_SETOFFSET 0x0100
#endif

// The time in it, whichever unit its fractions are in.
static long long time_in(const struct kernel_timex *t)
{
	return t->sec * SECOND + (t->status & STA_NANO ? t->usec : t->usec * 1000);
}

static bool is_now(struct kernel_timex *t)
{
	long long before = clock_ns(CLOCK_REALTIME) / 1000 * 1000;

	t->modes = 0;
	return !is_error(clock_adjust(CLOCK_REALTIME, t)) && before <= time_in(t) && time_in(t) <= clock_ns(CLOCK_REALTIME);
}

CLAUSE(anybody_may_read_the_state_of_the_clock,
       "adjtimex(2): with modes 0 the parameters are returned to anybody: the state from TIME_OK to TIME_ERROR as the "
       "result, the time"
       " that CLOCK_REALTIME shows, and a tick within a tenth of its due", .needed_by = USERS)
{
	struct kernel_timex *t = guarded(sizeof(*t));
	long tick = 1000000 / sysconf(_SC_CLK_TCK), state;

	if (geteuid() == 0 && !can_become(NOBODY, NOBODY))
		SKIP(return, "there is no unprivileged user here");
	IN_CHILD {
		if (geteuid() == 0) {
			ASSERT_TRUE(become(NOBODY, NOBODY));
		}
		t->modes = 0;
		state = clock_adjust(CLOCK_REALTIME, t);
		EXPECT_GE(state, TIME_OK);
		EXPECT_LE(state, TIME_ERROR);
		EXPECT_GE(t->tick, tick - tick / 10);
		EXPECT_LE(t->tick, tick + tick / 10);
		EXPECT_EQ(1, t->precision);
		EXPECT_INTACT(t);
		EXPECT_TRUE(holds_unless_set(is_now(t))) TH_LOG("%lld.%06lld", t->sec, t->usec);
	}
}

CLAUSE(an_unsynchronised_clock_says_error,
       "adjtimex(2) TIME_ERROR: the result of a clock whose status is STA_UNSYNC", .needed_by = USERS)
{
	struct kernel_timex t = { .modes = 0 };
	long state = clock_adjust(CLOCK_REALTIME, &t);

	ASSERT_OK(state);
	if (!(t.status & STA_UNSYNC))
		SKIP(return, "somebody keeps this machine's clock");
	EXPECT_EQ(TIME_ERROR, state);
}

CLAUSE(the_older_call_tells_the_same,
       "adjtimex(2): adjtimex and clock_adjtime of CLOCK_REALTIME are one: the same state, status, tick, frequency and "
       "TAI offset",
       .needed_by = USERS)
{
	struct kernel_timex t = { .modes = 0 };
	struct timex *old = guarded(sizeof(*old));
	long state = clock_adjust(CLOCK_REALTIME, &t), old_state;

	old->modes = 0;
	old_state = raw_syscall(__NR_adjtimex, old);
	if (old_state == -ENOSYS && sizeof(long) == 4)
		ABSENT("the kernel has no calls with 32-bit times");
	EXPECT_EQ(state, old_state);
	EXPECT_EQ(t.status, old->status);
	EXPECT_EQ((long)t.tick, (long)old->tick);
	EXPECT_EQ((long)t.freq, (long)old->freq);
	EXPECT_EQ((long)t.tolerance, (long)old->tolerance);
	EXPECT_EQ(t.tai, old->tai);
	EXPECT_INTACT(old);
}

// The values are those that the clock has, so that nothing changes should a kernel take them.
CLAUSE(changing_any_parameter_needs_the_capability,
       "adjtimex(2) ERRORS EPERM: modes is neither 0 nor ADJ_OFFSET_SS_READ, and the caller lacks "
       "CAP_SYS_TIME", .needed_by = USERS)
{
	static const unsigned int modes[] = { ADJ_TICK, ADJ_FREQUENCY, ADJ_STATUS, ADJ_MAXERROR, ADJ_ESTERROR, ADJ_TAI, ADJ_TIMECONST };
	struct kernel_timex now = { .modes = 0 };

	ASSERT_OK(clock_adjust(CLOCK_REALTIME, &now));
	if (geteuid() == 0 && !can_become(NOBODY, NOBODY))
		SKIP(return, "there is no unprivileged user here");
	IN_CHILD {
		if (geteuid() == 0) {
			ASSERT_TRUE(become(NOBODY, NOBODY));
		}
		for (unsigned int i = 0; i < ARRAY_SIZE(modes); i++) {
			struct kernel_timex t = now;

			t.modes = modes[i];
			if (modes[i] == ADJ_TAI)
				t.constant = now.tai;
			EXPECT_ERR(EPERM, clock_adjust(CLOCK_REALTIME, &t)) TH_LOG("modes %#x", modes[i]);
		}
		now.modes = ADJ_OFFSET_SS_READ;
		EXPECT_OK(clock_adjust(CLOCK_REALTIME, &now));
	}
}

CLAUSE(other_clocks_cannot_be_adjusted,
       "clock_adjtime(2) ERRORS: EINVAL for an id of no clock; EOPNOTSUPP for a clock that cannot be adjusted",
       .needed_by = "glibc:clock_adjtime")
{
	static const int fixed[] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_REALTIME_COARSE,
				     CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID };
	struct kernel_timex t = { .modes = 0 };

	for (unsigned int i = 0; i < ARRAY_SIZE(fixed); i++) {
		EXPECT_ERR(EOPNOTSUPP, clock_adjust(fixed[i], &t)) TH_LOG("clock %d", fixed[i]);
	}
	EXPECT_ERR(EOPNOTSUPP, clock_adjust(process_cpu_clock(0, CPU_SCHED), &t));
	EXPECT_ERR(EINVAL, clock_adjust(63, &t));
	EXPECT_ERR(EINVAL, clock_adjust(10, &t));
}

CLAUSE(values_that_make_no_sense_are_refused,
       "adjtimex(2) ERRORS EINVAL: a tick more than a tenth off, an offset of ADJ_SETOFFSET with fractions out of "
       "range, an"
       " ADJ_ADJTIME that is not a single shot: nothing is "
       "changed", .needs = "cap=sys_time", .exclusive = 1, .needed_by = USERS)
{
	struct kernel_timex now = { .modes = 0 }, after = { .modes = 0 }, bad;
	long tick = 1000000 / sysconf(_SC_CLK_TCK);

	ASSERT_OK(clock_adjust(CLOCK_REALTIME, &now));
	bad = (struct kernel_timex){ .modes = ADJ_TICK, .tick = tick - tick / 10 - 1 };
	EXPECT_ERR(EINVAL, clock_adjust(CLOCK_REALTIME, &bad));
	bad = (struct kernel_timex){ .modes = ADJ_TICK, .tick = tick + tick / 10 + 1 };
	EXPECT_ERR(EINVAL, clock_adjust(CLOCK_REALTIME, &bad));
	bad = (struct kernel_timex){ .modes = ADJ_SETOFFSET, .usec = -1 };
	EXPECT_ERR(EINVAL, clock_adjust(CLOCK_REALTIME, &bad));
	bad = (struct kernel_timex){ .modes = ADJ_SETOFFSET, .usec = 1000000 };
	EXPECT_ERR(EINVAL, clock_adjust(CLOCK_REALTIME, &bad));
	bad = (struct kernel_timex){ .modes = ADJ_SETOFFSET | ADJ_NANO, .usec = 1000000000 };
	EXPECT_ERR(EINVAL, clock_adjust(CLOCK_REALTIME, &bad));
	bad = (struct kernel_timex){ .modes = 0x8000 };	// ADJ_ADJTIME alone
	EXPECT_ERR(EINVAL, clock_adjust(CLOCK_REALTIME, &bad));
	ASSERT_OK(clock_adjust(CLOCK_REALTIME, &after));
	EXPECT_EQ(now.tick, after.tick);
	EXPECT_EQ(now.freq, after.freq);
	EXPECT_EQ(now.status, after.status);
}

CLAUSE(a_structure_that_cannot_be_reached_is_efault,
       "adjtimex(2) ERRORS EFAULT: buf does not point to readable and writable memory", .needed_by = USERS)
{
	EXPECT_ERR(EFAULT, clock_adjust(CLOCK_REALTIME, NULL));
	EXPECT_ERR(EFAULT, clock_adjust(CLOCK_REALTIME, unmapped_page()));
	EXPECT_ERR(EFAULT, clock_adjust(CLOCK_REALTIME, forbidden_page()));
}

// A tick that is written as it was read changes nothing.
CLAUSE(the_tick_that_is_written_is_the_one_that_is_read,
       "adjtimex(2) ADJ_TICK: the length of a tick is taken, and told by the next call; the time does not move with it",
       .needs = "cap=sys_time", .exclusive = 1, .needed_by = USERS)
{
	struct kernel_timex t = { .modes = 0 }, after = { .modes = 0 };
	long long before;
	long result;

	ASSERT_OK(clock_adjust(CLOCK_REALTIME, &t));
	before = clock_ns(CLOCK_MONOTONIC);
	t.modes = ADJ_TICK;
	result = clock_adjust(CLOCK_REALTIME, &t);
	if (result == -EPERM)
		SKIP(return, "the clock may not be adjusted here");
	EXPECT_OK(result);
	EXPECT_GE(clock_ns(CLOCK_MONOTONIC), before);
	ASSERT_OK(clock_adjust(CLOCK_REALTIME, &after));
	EXPECT_EQ(t.tick, after.tick);
}
