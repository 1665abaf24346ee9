// SPDX-License-Identifier: GPL-2.0-only
// Timers whose clock does not move: of a process that sleeps, of a thread that has ended.
#include "clause.h"

#include <sys/time.h>

#include "thread.h"
#include "timer.h"

#define NAP         (60 * MS)
#define THREE_TICKS (30 * MS)	/* of the slowest; each may be charged whole to who just happens to run */

static long long left_of(int which)
{
	struct { long interval_sec, interval_usec, sec, usec; } now = { 0 };

	if (is_error(raw_syscall(__NR_getitimer, which, &now)))
		return -1;
	return now.sec * SECOND + now.usec * 1000LL;
}

CLAUSE(cpu_interval_timers_stand_still_while_the_process_sleeps,
       "setitimer(2) ITIMER_PROF, ITIMER_VIRTUAL: count CPU time consumed by the process: over a sleep they fall by what was used"
       " beside it, and not by the time that passed [ITM-1]", .needed_by = "go:setProcessCPUProfiler")
{
	static const int timers[] = { ITIMER_PROF, ITIMER_VIRTUAL };
	const struct { long interval_sec, interval_usec, sec, usec; } far = { 0, 0, 1000, 0 };

	for (unsigned int i = 0; i < ARRAY_SIZE(timers); i++) {
		long long left, used;

		ASSERT_RET(0, raw_syscall(__NR_setitimer, timers[i], &far, NULL));
		left = left_of(timers[i]);
		used = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		let_pass(NAP);
		used = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - used;
		EXPECT_LE(left - left_of(timers[i]), used + THREE_TICKS);
		EXPECT_LT(0, left_of(timers[i]));
	}
}

static volatile int may_end;

static int waits_to_end(void *unused)
{
	while (!may_end)
		raw_syscall(__NR_sched_yield);
	return 0;
}

CLAUSE(a_timer_on_the_clock_of_an_ended_thread_never_expires,
       "kernel/time/posix-cpu-timers.c posix_cpu_timer_get, posix_cpu_timer_set (5.10, 7.2): when the thread has ended nothing is"
       " left of its timer, ESRCH says that it cannot be armed, no signal comes, and it can be deleted",
       .needed_by = "jvm:thread_cpu_time go:timer_delete")
{
	struct sigevent e = event_of(SIGEV_SIGNAL, SIGPROF);
	struct timer_setting setting;
	struct __kernel_timespec now;
	struct thread t;
	int id, clock;

	ASSERT_RET(0, catch_signal(SIGPROF));
	ASSERT_OK(thread_start(&t, waits_to_end, NULL));
	clock = thread_cpu_clock(t.known_as, CPU_SCHED);
	ASSERT_RET(0, timer_create_raw(clock, &e, &id));
	ASSERT_RET(0, timer_arm(id, 0, 1000 * SECOND, SECOND));
	may_end = 1;
	ASSERT_TRUE(thread_join(&t));
	// The thread's word is cleared an instant before the task is released.
	ASSERT_TRUE(wait_until(raw_syscall(NR_CLOCK_GETTIME, clock, &now) == -EINVAL));
	memset(&setting, 0x55, sizeof(setting));
	EXPECT_RET(0, timer_gettime_raw(id, &setting));
	EXPECT_EQ(0, ns_of(setting.value));
	EXPECT_ERR(ESRCH, timer_arm(id, 0, MS, 0));
	EXPECT_RET(0, timer_delete_raw(id));
	EXPECT_ERR(EINVAL, timer_delete_raw(id));
	EXPECT_EQ(0, caught[SIGPROF].count);
}
