// SPDX-License-Identifier: GPL-2.0-only
// clock_nanosleep(2): each clock, absolute and relative, interrupted and continued. Time is the subject here.
#include "clause.h"

#include <sys/mman.h>

#include "guard.h"
#include "thread.h"
#include "timer.h"

#define USERS "go:usleep glibc:clock_nanosleep jvm:os_naked_sleep"

static const int clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI };

static long pause_for(int clock, int flags, long long ns, struct __kernel_timespec *left)
{
	struct __kernel_timespec t = timespec_of(ns);

	return raw_syscall(NR_CLOCK_NANOSLEEP, clock, flags, &t, left);
}

CLAUSE(a_relative_wait_is_never_shorter,
       "clock_nanosleep(2): the interval is measured by the clock and rounded up, and the call does not return before "
       "it has passed",
       .needed_by = USERS)
{
	static const long long delays[] = { 0, 1, 50000, 4 * MS };

	for (unsigned int c = 0; c < ARRAY_SIZE(clocks); c++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(delays); i++) {
			long long before = clock_ns(CLOCK_MONOTONIC);
			struct __kernel_timespec *left = guarded(sizeof(*left));

			ASSERT_RET(0, pause_for(clocks[c], 0, delays[i], left)) TH_LOG("clock %d", clocks[c]);
			EXPECT_GE(clock_ns(CLOCK_MONOTONIC) - before, delays[i]);
			EXPECT_UNTOUCHED(left, 0, sizeof(*left));
			guard_free(left);
		}
	}
}

CLAUSE(an_absolute_wait_lasts_until_its_clock_reads_the_time,
       "clock_nanosleep(2) TIMER_ABSTIME: returns when the clock reaches the value, and at once if it has "
       "passed", .needed_by = USERS)
{
	for (unsigned int c = 0; c < ARRAY_SIZE(clocks); c++) {
		long long until = clock_ns(clocks[c]) + 5 * MS;

		EXPECT_RET(0, pause_for(clocks[c], TIMER_ABSTIME, until, NULL));
		EXPECT_GE(clock_ns(clocks[c]), until) TH_LOG("clock %d", clocks[c]);
		EXPECT_RET(0, pause_for(clocks[c], TIMER_ABSTIME, until, NULL));
		EXPECT_RET(0, pause_for(clocks[c], TIMER_ABSTIME, 0, NULL));
		EXPECT_RET(0, pause_for(clocks[c], TIMER_ABSTIME, 1, NULL));
	}
}

CLAUSE(times_and_clocks_that_make_no_sense_are_refused,
       "clock_nanosleep(2) ERRORS: EINVAL for nanoseconds outside 0 to 999999999, negative seconds or an unknown "
       "clock; EOPNOTSUPP for a "
       "clock that cannot be slept on; EFAULT", .needed_by = USERS)
{
	static const struct __kernel_timespec bad[] = { { 0, 1000000000 }, { 0, -1 }, { -1, 0 } };
	static const int deaf[] = { CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW };

	for (unsigned int c = 0; c < ARRAY_SIZE(clocks); c++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
			EXPECT_ERR(EINVAL, raw_syscall(NR_CLOCK_NANOSLEEP, clocks[c], 0, &bad[i], NULL));
			EXPECT_ERR(EINVAL, raw_syscall(NR_CLOCK_NANOSLEEP, clocks[c], TIMER_ABSTIME, &bad[i], NULL));
		}
		EXPECT_ERR(EFAULT, raw_syscall(NR_CLOCK_NANOSLEEP, clocks[c], 0, unmapped_page(), NULL));
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(deaf); i++)
		EXPECT_ERR(EOPNOTSUPP, pause_for(deaf[i], 0, 1, NULL));
	EXPECT_ERR(EINVAL, pause_for(63, 0, 1, NULL));
	// Where the C library says EINVAL; by its other name the same clock is refused so by the kernel itself.
	EXPECT_ERR(EOPNOTSUPP, pause_for(CLOCK_THREAD_CPUTIME_ID, 0, 1, NULL));
	EXPECT_ERR(EINVAL, pause_for(thread_cpu_clock(0, CPU_SCHED), 0, 1, NULL));
	EXPECT_ERR(EINVAL, pause_for(process_cpu_clock(0x1ffffff, CPU_SCHED), 0, 1, NULL));
}

struct sleeper {
	int clock, flags;
	long long ns;
	struct __kernel_timespec left;
	volatile long result;
	volatile long long ended;
};

static int fall_asleep(void *arg)
{
	struct sleeper *s = arg;

	s->result = pause_for(s->clock, s->flags, s->ns, &s->left);
	s->ended = clock_ns(CLOCK_MONOTONIC);
	return 0;
}

// All that can be waited on for a time of which most is left later: CPU time passes as we use it.
static const int interrupted[] = {
	CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_PROCESS_CPUTIME_ID,
};

CLAUSE(a_handler_ends_a_wait_and_the_rest_is_told,
       "clock_nanosleep(2) ERRORS EINTR: interrupted by a handler, with SA_RESTART too; a relative call stores what is "
       "left, an absolute "
       "one stores nothing [SIG-7]", .needed_by = USERS)
{
	for (unsigned int c = 0; c < ARRAY_SIZE(interrupted); c++) {
		for (int absolute = 0; absolute < 2; absolute++) {
			struct sleeper s = { .clock = interrupted[c], .flags = absolute ? TIMER_ABSTIME : 0 };
			struct thread t;

			s.ns = 1000 * SECOND + (absolute ? clock_ns(interrupted[c]) : 0);
			s.left = (struct __kernel_timespec){ 77, 77 };
			ASSERT_RET(0, catch_signal(SIGUSR1));	// with SA_RESTART
			ASSERT_OK(thread_start(&t, fall_asleep, &s));
			ASSERT_TRUE(wait_until_blocked_in(t.known_as, NR_CLOCK_NANOSLEEP));
			ASSERT_RET(0, raw_syscall(__NR_tgkill, getpid(), t.known_as, SIGUSR1));
			ASSERT_TRUE(thread_join(&t));
			EXPECT_ERR(EINTR, s.result);
			if (absolute) {
				EXPECT_EQ(77 * SECOND + 77, ns_of(s.left));
			} else {
				EXPECT_LE(ns_of(s.left), 1000 * SECOND + MS);	// the timer slack is part of it
				EXPECT_GT(ns_of(s.left), 900 * SECOND);
			}
		}
	}
}

// Sleeps in a child that is stopped and continued meanwhile; the exit status tells whether it slept as long as asked.
static int sleep_in_child(int clock, int flags, long long ns)
{
	long long before = clock_ns(CLOCK_MONOTONIC);
	long result = pause_for(clock, flags, ns + (flags & TIMER_ABSTIME ? clock_ns(clock) : 0), NULL);

	return !(result == 0 && clock_ns(CLOCK_MONOTONIC) - before >= ns);
}

CLAUSE(a_stopped_wait_goes_on_to_its_original_end,
       "clock_nanosleep(2), signal(7): a wait that SIGSTOP and SIGCONT interrupt, with no handler to run, goes on and "
       "is not shortened",
       .needed_by = USERS)
{
	for (unsigned int c = 0; c < ARRAY_SIZE(clocks); c++) {
		for (int absolute = 0; absolute < 2; absolute++) {
			pid_t child = fork();
			int status = -1;

			if (child == 0)
				_exit(sleep_in_child(clocks[c], absolute ? TIMER_ABSTIME : 0, 15 * MS));
			ASSERT_TRUE(wait_until(is_blocked_in(child, NR_CLOCK_NANOSLEEP) || task_state(child) == 'Z'));
			kill(child, SIGSTOP);
			ASSERT_EQ(child, waitpid(child, &status, WUNTRACED));
			if (WIFSTOPPED(status)) {
				kill(child, SIGCONT);
				ASSERT_EQ(child, waitpid(child, &status, 0));
			}
			EXPECT_EQ(0, status) TH_LOG("clock %d %s", clocks[c], absolute ? "absolute" : "relative");
		}
	}
}

// What a child that waits shares with its parent.
struct told {
	volatile long result;
	struct { long sec, nsec; } old_left;
	struct __kernel_timespec left;
};

#define OLD_CALL (-1000)	/* nanosleep(2), in the place of a clock */

// A kernel for ABIs with 32-bit longs may be built without the calls that take times of them.
static bool has_old_call(void)
{
	struct { long sec, nsec; } none = { 0, 0 };

	return sizeof(long) > 4 || raw_syscall(__NR_nanosleep, &none, NULL) != -ENOSYS;
}

static void wait_in_child(int clock, struct told *told)
{
	struct { long sec, nsec; } old_time = { 1000, 0 };

	if (clock == OLD_CALL) {
		told->result = raw_syscall(__NR_nanosleep, &old_time, &told->old_left);
		told->left = (struct __kernel_timespec){ told->old_left.sec, told->old_left.nsec };
	} else {
		told->result = pause_for(clock, 0, 1000 * SECOND, &told->left);
	}
	_exit(0);
}

CLAUSE(what_is_left_counts_from_the_first_start,
       "nanosleep(2), clock_nanosleep(2), signal(7): a relative wait that was stopped and continued ends when it would have ended,"
       " and does not begin anew: what a handler then finds left lacks the time before the stop, too", .needed_by = USERS)
{
	const int waited[] = { OLD_CALL, CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI, process_cpu_clock(getpid(), CPU_SCHED) };
	struct told *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, told);
	ASSERT_RET(0, catch_signal(SIGUSR1));
	for (unsigned int w = has_old_call() ? 0 : 1; w < ARRAY_SIZE(waited); w++) {
		long nr = waited[w] == OLD_CALL ? __NR_nanosleep : NR_CLOCK_NANOSLEEP;
		int clock = waited[w] == OLD_CALL ? CLOCK_MONOTONIC : waited[w], status = -1;
		pid_t child;

		memset(told, 0, sizeof(*told));
		child = fork();
		if (child == 0)
			wait_in_child(waited[w], told);
		ASSERT_TRUE(wait_until_blocked_in(child, nr)) TH_LOG("row %u", w);
		let_run(clock, 20 * MS);	// the child's wait began before, by this clock
		kill(child, SIGSTOP);
		ASSERT_EQ(child, waitpid(child, &status, WUNTRACED));
		ASSERT_TRUE(WIFSTOPPED(status));
		kill(child, SIGCONT);
		ASSERT_TRUE(wait_until(is_asleep_in_either(child, nr, __NR_restart_syscall))) TH_LOG("row %u", w);
		kill(child, SIGUSR1);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(0, status);
		EXPECT_ERR(EINTR, told->result);
		EXPECT_LE(ns_of(told->left), 1000 * SECOND - 20 * MS + MS) TH_LOG("row %u", w);	// the timer slack is part of it
		EXPECT_GT(ns_of(told->left), 900 * SECOND) TH_LOG("row %u", w);
	}
}

static volatile int stop_burning;

static int burn_in_thread(void *arg)
{
	while (!stop_burning)
		burn_user();
	return 0;
}

CLAUSE(a_wait_on_the_processes_cpu_clock_lasts_until_that_time_is_used,
       "clock_nanosleep(2) CLOCK_PROCESS_CPUTIME_ID: a settable per-process clock that measures CPU time consumed by "
       "all threads",
       .needed_by = USERS)
{
	long long before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	struct thread t;

	ASSERT_OK(thread_start(&t, burn_in_thread, NULL));
	EXPECT_RET(0, pause_for(CLOCK_PROCESS_CPUTIME_ID, 0, 5 * MS, NULL));
	EXPECT_GE(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before, 5 * MS);
	EXPECT_RET(0, pause_for(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, before + 12 * MS, NULL));
	EXPECT_GE(clock_ns(CLOCK_PROCESS_CPUTIME_ID), before + 12 * MS);
	stop_burning = 1;
	ASSERT_TRUE(thread_join(&t));
}

CLAUSE(the_oldest_call_waits_too_and_tells_what_is_left,
       "nanosleep(2): suspends the thread until at least the time in req has elapsed; EINVAL outside the "
       "range", .needed_by = USERS)
{
	struct { long sec, nsec; } t = { 0, 3 * MS }, bad = { 0, 1000000000 };
	long long before = clock_ns(CLOCK_MONOTONIC);

	EXPECT_RET(0, raw_syscall(__NR_nanosleep, &t, NULL));
	EXPECT_GE(clock_ns(CLOCK_MONOTONIC) - before, 3 * MS);
	EXPECT_ERR(EINVAL, raw_syscall(__NR_nanosleep, &bad, NULL));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_nanosleep, unmapped_page(), NULL));
}

static int fall_asleep_by_the_oldest_call(void *arg)
{
	struct { long sec, nsec; } t = { 1000, 0 }, left = { 77, 77 };
	struct sleeper *s = arg;

	s->result = raw_syscall(__NR_nanosleep, &t, &left);
	s->left = (struct __kernel_timespec){ left.sec, left.nsec };
	return 0;
}

CLAUSE(a_handler_ends_the_oldest_call_and_the_rest_is_told,
       "nanosleep(2) ERRORS EINTR: interrupted by a handler, the call returns the remaining time in rem", .needed_by = USERS)
{
	struct sleeper s = { 0 };
	struct thread t;

	if (!has_old_call())
		ABSENT("CONFIG_COMPAT_32BIT_TIME is not set");
	ASSERT_RET(0, catch_signal(SIGUSR1));
	ASSERT_OK(thread_start(&t, fall_asleep_by_the_oldest_call, &s));
	ASSERT_TRUE(wait_until_blocked_in(t.known_as, __NR_nanosleep));
	ASSERT_RET(0, raw_syscall(__NR_tgkill, getpid(), t.known_as, SIGUSR1));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_ERR(EINTR, s.result);
	EXPECT_LE(ns_of(s.left), 1000 * SECOND + MS);	// the timer slack is part of it
	EXPECT_GT(ns_of(s.left), 900 * SECOND);
}
