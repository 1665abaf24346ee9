// SPDX-License-Identifier: GPL-2.0-only
// clock_settime(2), settimeofday(2): who may set which clock to what. Only one clause does set one, for microseconds.
#include "clause.h"

#include <sys/timerfd.h>

#include "clock.h"
#include "guard.h"
#include "nobody.h"
#include "timex.h"

#define USERS "glibc:clock_settime"

static const int unsettable[] = {
	CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI,
	CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM, 10, 63,
};

struct old_timeval { long sec, usec; };
struct time_zone { int minutes_west, dst; };

CLAUSE(no_other_clock_than_realtime_may_be_set,
       "clock_settime(2) ERRORS EINVAL: the clock is not settable, whoever asks; the clocks of CPU time say "
       "EPERM", .needed_by = USERS)
{
	timespec64 t = timespec_of(clock_ns(CLOCK_MONOTONIC));

	for (unsigned int i = 0; i < ARRAY_SIZE(unsettable); i++) {
		EXPECT_ERR(EINVAL, set_time(unsettable[i], &t)) TH_LOG("clock %d", unsettable[i]);
		EXPECT_ERR(EINVAL, set_time(unsettable[i], NULL)) TH_LOG("clock %d", unsettable[i]);
	}
	EXPECT_ERR(EPERM, set_time(process_cpu_clock(0, CPU_SCHED), &t));
	EXPECT_ERR(EPERM, set_time(thread_cpu_clock(0, CPU_SCHED), &t));
	EXPECT_ERR(EINVAL, set_time(process_cpu_clock(0x1ffffff, CPU_SCHED), &t));
}

CLAUSE(times_that_make_no_sense_are_refused,
       "clock_settime(2) ERRORS: EINVAL for nanoseconds outside 0 to 999999999 or negative seconds, before any "
       "permission is looked"
       " at; EFAULT", .needed_by = USERS)
{
	static const timespec64 bad[] = { { 1, SECOND }, { 1, -1 }, { -1, 0 }, { -1, 5 } };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_ERR(EINVAL, set_time(CLOCK_REALTIME, &bad[i])) TH_LOG("%lld s %lld ns", (long long)bad[i].tv_sec, (long long)bad[i].tv_nsec);
	}
	EXPECT_ERR(EFAULT, set_time(CLOCK_REALTIME, NULL));
	EXPECT_ERR(EFAULT, set_time(CLOCK_REALTIME, unmapped_page()));
}

// To what the clock shows at that moment: a kernel that lets it happen is caught, and its clock is hardly moved.
CLAUSE(nobody_without_the_capability_sets_the_clock,
       "clock_settime(2), settimeofday(2) ERRORS EPERM: without CAP_SYS_TIME no valid time is taken, not even the one "
       "that it is",
       .needed_by = USERS)
{
	if (geteuid() == 0 && !can_become(NOBODY, NOBODY))
		SKIP(return, "there is no unprivileged user here");
	IN_CHILD {
		timespec64 t;
		struct old_timeval tv;

		if (geteuid() == 0) {
			ASSERT_TRUE(become(NOBODY, NOBODY));
		}
		t = timespec_of(clock_ns(CLOCK_REALTIME));
		EXPECT_ERR(EPERM, set_time(CLOCK_REALTIME, &t));
		tv = (struct old_timeval){ clock_ns(CLOCK_REALTIME) / SECOND, clock_ns(CLOCK_REALTIME) % SECOND / 1000 };
		EXPECT_ERR(EPERM, raw_syscall(__NR_settimeofday, &tv, NULL));
		EXPECT_ERR(EPERM, raw_syscall(__NR_settimeofday, NULL, NULL));
	}
}

CLAUSE(a_time_of_day_that_makes_no_sense_is_refused,
       "settimeofday(2) ERRORS: EINVAL for microseconds outside 0 to 999999 or a time zone more than 15 hours from "
       "Greenwich; EFAULT",
       .needed_by = "glibc:settimeofday")
{
	static const struct old_timeval bad[] = { { 1, 1000000 }, { 1, -1 }, { 1, 0x7fffffff } };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_ERR(EINVAL, raw_syscall(__NR_settimeofday, &bad[i], NULL)) TH_LOG("%ld us", bad[i].usec);
	}
	EXPECT_ERR(EFAULT, raw_syscall(__NR_settimeofday, unmapped_page(), NULL));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_settimeofday, NULL, unmapped_page()));
}

CLAUSE(a_time_zone_beyond_fifteen_hours_is_refused,
       "settimeofday(2), kernel/time/time.c do_sys_settimeofday64 (7.2): tz_minuteswest outside -900 to 900 is EINVAL",
       .needs = "cap=sys_time", .needed_by = "glibc:settimeofday")
{
	static const int bad[] = { 901, -901, 1440, 0x7fffffff };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		struct time_zone zone = { bad[i], 0 };

		EXPECT_ERR(EINVAL, raw_syscall(__NR_settimeofday, NULL, &zone)) TH_LOG("%d minutes", bad[i]);
	}
}

CLAUSE(the_clock_cannot_be_set_to_a_time_before_boot,
       "clock_settime(2) ERRORS EINVAL (since Linux 4.3): an attempt to set CLOCK_REALTIME to less than "
       "CLOCK_MONOTONIC",
       .needs = "own_machine cap=sys_time", .exclusive = 1, .needed_by = USERS)
{
	long long real = clock_ns(CLOCK_REALTIME), monotonic = clock_ns(CLOCK_MONOTONIC);
	timespec64 t = { 0, 0 }, back;
	long result = set_time(CLOCK_REALTIME, &t);

	if (result == 0) {
		back = timespec_of(real + clock_ns(CLOCK_MONOTONIC) - monotonic);
		set_time(CLOCK_REALTIME, &back);
	}
	if (result == -EPERM)
		SKIP(return, "the clock may not be set here");
	EXPECT_ERR(EINVAL, result);
}

// Where nobody keeps the clock by NTP, and for some microseconds: it is set back to what it would have shown.
#define STEP (50 * MS)

CLAUSE(setting_realtime_moves_no_other_clock,
       "clock_settime(2), timerfd_create(2) TFD_TIMER_CANCEL_ON_SET: a step of CLOCK_REALTIME is seen at once by its "
       "readers and by"
       " timers that asked to be told, and CLOCK_MONOTONIC and CLOCK_BOOTTIME do not move",
       .needs = "own_machine cap=sys_time", .exclusive = 1, .needed_by = "go:walltime glibc:clock_settime")
{
	static const int still[] = { CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC, CLOCK_BOOTTIME };
	struct { timespec64 interval, value; } far = { { 0, 0 }, timespec_of(clock_ns(CLOCK_REALTIME) + 3600 * SECOND) };
	struct kernel_timex now = { .modes = 0 };
	long long real, real_then, passed, expirations, was[ARRAY_SIZE(still)], is[ARRAY_SIZE(still)];
	timespec64 ahead, back;
	long set, reset;
	int fd;

	ASSERT_OK(clock_adjust(CLOCK_REALTIME, &now));
	if (!(now.status & STA_UNSYNC))
		SKIP(return, "somebody keeps this machine's clock");
	fd = raw_syscall(__NR_timerfd_create, CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	ASSERT_OK(fd);
	ASSERT_RET(0, raw_syscall(NR_TIMERFD_SETTIME, fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL));
	EXPECT_ERR(EAGAIN, raw_syscall(__NR_read, fd, &expirations, sizeof(expirations)));
	for (unsigned int i = 0; i < ARRAY_SIZE(still); i++)
		was[i] = clock_ns(still[i]);
	real = clock_ns(CLOCK_REALTIME);
	ahead = timespec_of(real + STEP);
	set = set_time(CLOCK_REALTIME, &ahead);
	real_then = clock_ns(CLOCK_REALTIME);
	for (int i = ARRAY_SIZE(still) - 1; i >= 0; i--)
		is[i] = clock_ns(still[i]);
	back = timespec_of(real + clock_ns(CLOCK_MONOTONIC_RAW) - was[0]);
	reset = set ? 0 : set_time(CLOCK_REALTIME, &back);
	if (set == -EPERM)
		SKIP(return, "the clock may not be set here");
	EXPECT_RET(0, set);
	EXPECT_RET(0, reset);
	EXPECT_GE(real_then, real + STEP);
	// The raw clock was read first and last: no other one passed more time, but for what NTP may steer it by.
	passed = is[0] - was[0];
	for (unsigned int i = 0; i < ARRAY_SIZE(still); i++) {
		EXPECT_GE(is[i], was[i]) TH_LOG("clock %d", still[i]);
		EXPECT_LE(is[i] - was[i], passed + passed / 5 + STEP / 4) TH_LOG("clock %d", still[i]);
	}
	EXPECT_ERR(ECANCELED, raw_syscall(__NR_read, fd, &expirations, sizeof(expirations)));
	close(fd);
}
