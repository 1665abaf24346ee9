// SPDX-License-Identifier: GPL-2.0-only
// gettimeofday(2), time(2), and the calls with 32-bit seconds of 32-bit ABIs beside those with 64.
#include "clause.h"

#include "clock.h"
#include "guard.h"

struct old_timeval { long sec, usec; };
struct old_timespec { long sec, nsec; };
struct time_zone { int minutes_west, dst; };

static bool is_time_of_day(struct old_timeval *tv)
{
	long long before = clock_ns(CLOCK_REALTIME) / 1000, now;

	if (raw_syscall(__NR_gettimeofday, tv, NULL) || tv->usec < 0 || tv->usec >= 1000000)
		return false;
	now = tv->sec * 1000000LL + tv->usec;
	return before <= now && now <= clock_ns(CLOCK_REALTIME) / 1000;
}

CLAUSE(the_time_of_day_is_the_realtime_clock_in_microseconds,
       "gettimeofday(2): the time since the Epoch, between two readings of CLOCK_REALTIME cut to microseconds",
       .needed_by = "glibc:gettimeofday musl:gettimeofday")
{
	struct old_timeval *tv = guarded(sizeof(*tv));

	for (int turn = 0; turn < 50; turn++) {
		ASSERT_TRUE(holds_unless_set(is_time_of_day(tv)));
	}
	EXPECT_INTACT(tv);
}

CLAUSE(either_argument_of_gettimeofday_may_be_missing,
       "gettimeofday(2): what is NULL is not returned; EFAULT for either one that cannot be "
       "written", .needed_by = "glibc:gettimeofday")
{
	struct time_zone *zone = guarded(sizeof(*zone));
	struct old_timeval *tv = guarded(sizeof(*tv));

	EXPECT_RET(0, raw_syscall(__NR_gettimeofday, NULL, NULL));
	EXPECT_RET(0, raw_syscall(__NR_gettimeofday, NULL, zone));
	EXPECT_LE(zone->minutes_west, 900);
	EXPECT_GE(zone->minutes_west, -900);
	EXPECT_RET(0, raw_syscall(__NR_gettimeofday, tv, zone));
	EXPECT_FALSE(is_untouched(tv, 0, sizeof(*tv)));
	EXPECT_INTACT(tv);
	EXPECT_INTACT(zone);
	EXPECT_ERR(EFAULT, raw_syscall(__NR_gettimeofday, unmapped_page(), NULL));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_gettimeofday, NULL, forbidden_page()));
}

#ifdef __NR_time
static bool is_time(long *told)
{
	long long before = clock_ns(CLOCK_REALTIME_COARSE) / SECOND, now = raw_syscall(__NR_time, told);

	return *told == now && before <= now && now <= clock_ns(CLOCK_REALTIME) / SECOND;
}
#endif

CLAUSE(time_is_the_realtime_clock_in_seconds,
       "time(2): the seconds since the Epoch as result, and where tloc points unless it is NULL; EFAULT where that "
       "cannot be written",
       .needed_by = "glibc:time")
{
#ifdef __NR_time
	long *told = guarded(sizeof(*told));
	long result = raw_syscall(__NR_time, NULL);

	if (result == -ENOSYS)
		ABSENT("the kernel has no calls with 32-bit times");
	EXPECT_TRUE(holds_unless_set(is_time(told)));
	EXPECT_INTACT(told);
	EXPECT_GT(result, 0);
	EXPECT_ERR(EFAULT, raw_syscall(__NR_time, unmapped_page()));
#else
	ABSENT("this ABI has no such call");
#endif
}

#ifdef __NR_clock_gettime64
#define TIME32_OR_ABSENT()						\
	if (raw_syscall(__NR_clock_getres, CLOCK_MONOTONIC, NULL) == -ENOSYS)	\
		ABSENT("the kernel has no calls with 32-bit times")

static bool is_between(int clock, long long *before, long long *now, long long *after)
{
	struct old_timespec t = { -1, -1 };

	*before = clock_ns(clock);
	if (raw_syscall(__NR_clock_gettime, clock, &t) || t.nsec < 0 || t.nsec >= SECOND)
		return false;
	*now = t.sec * SECOND + t.nsec;
	*after = clock_ns(clock);
	return *before <= *now && *now <= *after;
}
#else
#define TIME32_OR_ABSENT() ABSENT("the times of this ABI have one width")
#endif

CLAUSE(clocks_with_short_seconds_are_the_same_clocks,
       "clock_gettime(2), include/linux/time32.h (5.10): the calls of a 32-bit ABI with 32-bit and with 64-bit seconds "
       "read the same"
       " clocks, know the same ids and write structures of their own "
       "size", .needed_by = "musl:clock_gettime glibc:clock_gettime64")
{
	TIME32_OR_ABSENT();
#ifdef __NR_clock_gettime64
	for (int clock = 0; clock < 70; clock++) {
		struct old_timespec *old = guarded(sizeof(*old));
		timespec64 *t = guarded(sizeof(*t));
		long long before = 0, now = 0, after = 0;
		long result = get_time(clock, t);

		EXPECT_RET(result, raw_syscall(__NR_clock_gettime, clock, old)) TH_LOG("clock %d", clock);
		EXPECT_INTACT(old);
		EXPECT_INTACT(t);
		EXPECT_TRUE(!result || is_untouched(old, 0, sizeof(*old))) TH_LOG("clock %d", clock);
		if (!result) {
			EXPECT_TRUE(holds_unless_set(is_between(clock, &before, &now, &after)))
				TH_LOG("clock %d: %lld, %lld, %lld", clock, before, now, after);
		}
		guard_free(old);
		guard_free(t);
	}
#endif
}

CLAUSE(resolutions_with_short_seconds_are_the_same,
       "clock_getres(2), include/linux/time32.h (5.10): the same resolution and the same errors by either call of a "
       "32-bit ABI",
       .needed_by = "glibc:clock_getres64")
{
	TIME32_OR_ABSENT();
#ifdef __NR_clock_gettime64
	for (int clock = -8; clock < 70; clock++) {
		struct old_timespec *old = guarded(sizeof(*old));
		timespec64 t = { 0, 0 };
		long result = get_resolution(clock, &t);

		EXPECT_RET(result, raw_syscall(__NR_clock_getres, clock, old)) TH_LOG("clock %d", clock);
		EXPECT_TRUE(result || (old->sec == t.tv_sec && old->nsec == t.tv_nsec)) TH_LOG("clock %d", clock);
		EXPECT_TRUE(!result || is_untouched(old, 0, sizeof(*old))) TH_LOG("clock %d", clock);
		EXPECT_INTACT(old);
		guard_free(old);
	}
#endif
}

CLAUSE(the_padding_of_nanoseconds_is_not_looked_at,
       "kernel/time/time.c get_timespec64 (5.10): a 32-bit ABI has 32 bits of nanoseconds: what stands beside them in "
       "the structure with"
       " 64-bit seconds is ignored: such a time is not EINVAL", .needs = "32bit", .needed_by = "musl:clock_nanosleep")
{
	timespec64 t = { 0, 1000 };
	static const uint16_t one = 1;
	uint32_t *half = (uint32_t *)&t.tv_nsec + (*(const uint8_t *)&one ? 1 : 0);

	*half = 0xdeadbeef;
	EXPECT_RET(0, raw_syscall(NR_CLOCK_NANOSLEEP, CLOCK_MONOTONIC, 0, &t, NULL));
	t.tv_sec = clock_ns(CLOCK_MONOTONIC) / SECOND;
	EXPECT_RET(0, raw_syscall(NR_CLOCK_NANOSLEEP, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL));
	EXPECT_ERR(EINVAL, set_time(CLOCK_MONOTONIC, &t));
}

CLAUSE(all_64_bits_of_the_seconds_count,
       "clock_nanosleep(2), Documentation/process/adding-syscalls.rst (5.10): seconds have 64 bits on every ABI: a "
       "time behind 2038 is"
       " not one before 1970, and a time of more than 32 bits of seconds is not one long ago [MUS-4]",
       .needed_by = "glibc:clock_nanosleep musl:clock_nanosleep")
{
	static const long long late[] = { 0x80000000LL, 0x100000000LL, 0x100000001LL, 0x7fffffffffLL };

	for (unsigned int i = 0; i < ARRAY_SIZE(late); i++) {
		struct { timespec64 interval, value; } set = { { 0, 0 }, { late[i], 5 } }, told = { { 0, 0 }, { 0, 0 } };
		int id = -1;
		struct sigevent none;

		memset(&none, 0, sizeof(none));
		none.sigev_notify = SIGEV_NONE;
		ASSERT_RET(0, raw_syscall(__NR_timer_create, CLOCK_MONOTONIC, &none, &id));
		EXPECT_RET(0, raw_syscall(NR_TIMER_SETTIME, id, TIMER_ABSTIME, &set, NULL));
		EXPECT_RET(0, raw_syscall(NR_TIMER_GETTIME, id, &told));
		EXPECT_LE(told.value.tv_sec, late[i]);
		EXPECT_GE(ns_of(told.value) / 1000 + clock_ns(CLOCK_MONOTONIC) / 1000 + 2, (late[i] < 9223372036LL ? late[i] : 9223372035LL) * 1000000)
			TH_LOG("%lld seconds", late[i]);
		EXPECT_RET(0, raw_syscall(__NR_timer_delete, id));
	}
}
