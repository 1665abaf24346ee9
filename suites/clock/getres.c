// SPDX-License-Identifier: GPL-2.0-only
// clock_getres(2): the resolution of each clock, and what is refused.
#include "clause.h"

#include "clock.h"
#include "guard.h"

#define USERS "glibc:clock_getres jvm:os_init cpython:time_get_clock_info"

static const int fine[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_MONOTONIC_RAW };
static const int coarse[] = { CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE };
static const int cpu[] = { CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID };

static long long resolution(int clock)
{
	timespec64 t = { -1, -1 };

	return get_resolution(clock, &t) ? -1 : ns_of(t);
}

CLAUSE(fine_clocks_have_one_resolution,
       "clock_getres(2), kernel/time/hrtimer.c hrtimer_resolution (7.2): 1 ns with high-resolution timers, a tick "
       "without them; the"
       " same for each fine clock", .needed_by = USERS)
{
	EXPECT_GE(resolution(CLOCK_MONOTONIC), 1);
	EXPECT_LE(resolution(CLOCK_MONOTONIC), resolution(CLOCK_MONOTONIC_COARSE));
	for (unsigned int i = 0; i < ARRAY_SIZE(fine); i++) {
		EXPECT_EQ(resolution(CLOCK_MONOTONIC), resolution(fine[i])) TH_LOG("clock %d", fine[i]);
	}
}

CLAUSE(high_resolution_timers_give_a_nanosecond,
       "Documentation/timers/hrtimers.rst, clock_getres(2): with CONFIG_HIGH_RES_TIMERS in use the resolution of "
       "CLOCK_MONOTONIC"
       " and CLOCK_REALTIME is 1 ns", .config = "HIGH_RES_TIMERS", .needs = "file=/proc/timer_list", .needed_by = USERS)
{
	char *list = calloc(1, 1 << 16);

	ASSERT_NE(NULL, list);
	if (read_text("/proc/timer_list", list, 1 << 16) <= 0 || !strstr(list, ".hres_active    : 1"))
		SKIP(return, "high-resolution timers are not in use, or cannot be seen to be");
	EXPECT_EQ(1, resolution(CLOCK_MONOTONIC));
	EXPECT_EQ(1, resolution(CLOCK_REALTIME));
	free(list);
}

CLAUSE(coarse_clocks_have_the_resolution_of_a_tick,
       "clock_getres(2), kernel/time/posix-timers.c posix_get_coarse_res (7.2): that of both coarse clocks is the "
       "tick, from 1 to 50 ms",
       .needed_by = USERS)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(coarse); i++) {
		EXPECT_EQ(resolution(CLOCK_MONOTONIC_COARSE), resolution(coarse[i]));
		EXPECT_GE(resolution(coarse[i]), 1 * MS - 1000);
		EXPECT_LE(resolution(coarse[i]), 50 * MS);
	}
}

CLAUSE(cpu_clocks_count_nanoseconds_or_ticks,
       "kernel/time/posix-cpu-timers.c posix_cpu_clock_getres (7.2): clocks of scheduled time have 1 ns, those of user "
       "and system time"
       " a tick, rounded up", .needed_by = USERS)
{
	long long tick = resolution(CLOCK_MONOTONIC_COARSE);

	for (unsigned int i = 0; i < ARRAY_SIZE(cpu); i++) {
		EXPECT_EQ(1, resolution(cpu[i])) TH_LOG("clock %d", cpu[i]);
	}
	EXPECT_EQ(1, resolution(process_cpu_clock(getpid(), CPU_SCHED)));
	EXPECT_EQ(1, resolution(thread_cpu_clock(0, CPU_SCHED)));
	for (int kind = CPU_PROF; kind <= CPU_VIRT; kind++) {
		EXPECT_GE(resolution(process_cpu_clock(0, kind)), tick);
		EXPECT_LE(resolution(process_cpu_clock(0, kind)), tick + 1);
		EXPECT_EQ(resolution(process_cpu_clock(0, kind)), resolution(thread_cpu_clock(0, kind)));
	}
}

CLAUSE(a_resolution_is_stored_only_where_it_is_asked_for,
       "clock_getres(2): res may be NULL; else exactly one structure is written", .needed_by = USERS)
{
	for (int clock = 0; clock <= CLOCK_BOOTTIME; clock++) {
		timespec64 *t = guarded(sizeof(*t));

		EXPECT_RET(0, get_resolution(clock, NULL)) TH_LOG("clock %d", clock);
		EXPECT_RET(0, get_resolution(clock, t)) TH_LOG("clock %d", clock);
		EXPECT_EQ(0, t->tv_sec) TH_LOG("clock %d", clock);
		EXPECT_GT(t->tv_nsec, 0) TH_LOG("clock %d", clock);
		EXPECT_LT(t->tv_nsec, SECOND) TH_LOG("clock %d", clock);
		EXPECT_INTACT(t);
		guard_free(t);
	}
}

CLAUSE(ids_of_no_clock_and_bad_buffers_are_refused,
       "clock_getres(2) ERRORS: EINVAL for an id that names no clock, before the buffer is looked at; EFAULT for a "
       "buffer that cannot"
       " be written", .needed_by = USERS)
{
	static const int bad[] = { 10, 12, 15, 24, 63, 64, 0x10000, process_cpu_clock(0x1ffffff, CPU_SCHED),
				   thread_cpu_clock(0x1ffffff, CPU_SCHED), process_cpu_clock(0, 3) };
	timespec64 *t = guarded(sizeof(*t));

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_ERR(EINVAL, get_resolution(bad[i], t)) TH_LOG("clock %d", bad[i]);
		EXPECT_ERR(EINVAL, get_resolution(bad[i], NULL)) TH_LOG("clock %d", bad[i]);
		EXPECT_ERR(EINVAL, get_resolution(bad[i], unmapped_page())) TH_LOG("clock %d", bad[i]);
	}
	EXPECT_UNTOUCHED(t, 0, sizeof(*t));
	for (unsigned int i = 0; i < ARRAY_SIZE(fine); i++) {
		EXPECT_ERR(EFAULT, get_resolution(fine[i], unmapped_page())) TH_LOG("clock %d", fine[i]);
		EXPECT_ERR(EFAULT, get_resolution(fine[i], forbidden_page())) TH_LOG("clock %d", fine[i]);
	}
	EXPECT_ERR(EFAULT, get_resolution(CLOCK_THREAD_CPUTIME_ID, unmapped_page()));
}
