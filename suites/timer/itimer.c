// SPDX-License-Identifier: GPL-2.0-only
// setitimer(2), getitimer(2): the three interval timers of a process.
#include "clause.h"
#include "guard.h"
#include "thread.h"
#include "timer.h"

#include <sys/time.h>

#define USERS "go:setitimer go:setProcessCPUProfiler jvm:profiler erlang:profiler"

// struct itimerval of the system call: words, on every ABI.
struct old_itimer {
	struct { long sec, usec; } interval, value;
};

static const struct { int which, sig, clock; } kinds[] = {
	{ ITIMER_REAL,    SIGALRM,   CLOCK_MONOTONIC },
	{ ITIMER_VIRTUAL, SIGVTALRM, process_cpu_clock(0, CPU_VIRT) },
	{ ITIMER_PROF,    SIGPROF,   process_cpu_clock(0, CPU_PROF) },
};

#define set_itimer(which, new, old) raw_syscall(__NR_setitimer, which, new, old)
#define get_itimer(which, old)      raw_syscall(__NR_getitimer, which, old)

static struct old_itimer itimer_of(long value_us, long interval_us)
{
	return (struct old_itimer){ { interval_us / 1000000, interval_us % 1000000 }, { value_us / 1000000, value_us % 1000000 } };
}

static long long us_of(const struct old_itimer *t)
{
	return t->value.sec * 1000000LL + t->value.usec;
}

CLAUSE(each_timer_sends_its_own_signal_and_not_before_its_clock_says,
       "setitimer(2): ITIMER_REAL counts real time and sends SIGALRM, ITIMER_VIRTUAL the process's user time and "
       "SIGVTALRM, ITIMER_PROF "
       "its user and system time and SIGPROF; the signal comes from the kernel (SI_KERNEL) and never early [ITM-1] "
       "[SIGINFO-1]",
       .needed_by = USERS)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct old_itimer t = itimer_of(5000, 0);
		long long before;

		caught_clock = kinds[i].clock;
		ASSERT_RET(0, catch_signal(kinds[i].sig));
		before = clock_ns(caught_clock);
		ASSERT_RET(0, set_itimer(kinds[i].which, &t, NULL));
		ASSERT_TRUE(burn_until(caught[kinds[i].sig].count)) TH_LOG("timer %d", kinds[i].which);
		EXPECT_GE(caught[kinds[i].sig].clock_at - before, 5 * MS) TH_LOG("timer %d", kinds[i].which);
		EXPECT_EQ(SI_KERNEL, caught[kinds[i].sig].code);
	}
}

static long long system_time_by_getrusage(void)
{
	struct { struct { long sec, usec; } user, system; long rest[14]; } usage;

	raw_syscall(__NR_getrusage, 0, &usage);
	return usage.system.sec * SECOND + usage.system.usec * 1000LL;
}

CLAUSE(user_time_alone_moves_the_virtual_timer,
       "setitimer(2) ITIMER_VIRTUAL: counts down against the user-mode CPU time consumed by the process; time in the "
       "kernel does not "
       "count", .needed_by = USERS)
{
	int user = process_cpu_clock(0, CPU_VIRT), both = process_cpu_clock(0, CPU_PROF);
	struct wait_until_state patience = { 0 };
	struct old_itimer t = itimer_of(40000, 0);
	long long before;

	caught_clock = user;
	ASSERT_RET(0, catch_signal(SIGVTALRM));
	before = clock_ns(user);
	ASSERT_RET(0, set_itimer(ITIMER_VIRTUAL, &t, NULL));
	while (system_time_by_getrusage() < 60 * MS && wait_a_little(&patience))
		burn_system();
	ASSERT_GE(system_time_by_getrusage(), 60 * MS);
	// What getrusage(2) calls system time was sampled as such, so the two clocks differ by a tick at least.
	EXPECT_GT(clock_ns(both) - clock_ns(user), 0);
	if (caught[SIGVTALRM].count)
		EXPECT_GE(caught[SIGVTALRM].clock_at - before, 40 * MS);
}

CLAUSE(an_interval_rearms_until_it_is_disarmed,
       "setitimer(2): if it_interval is nonzero the timer is set to it each time it expires; a zero it_value disarms "
       "it [ITM-2]",
       .needed_by = USERS)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct old_itimer t = itimer_of(1000, 2000), left, off = { 0 };
		int seen;

		ASSERT_RET(0, catch_signal(kinds[i].sig));
		ASSERT_RET(0, set_itimer(kinds[i].which, &t, NULL));
		ASSERT_TRUE(burn_until(caught[kinds[i].sig].count >= 4)) TH_LOG("timer %d", kinds[i].which);
		ASSERT_RET(0, set_itimer(kinds[i].which, &off, &left));
		EXPECT_EQ(2000, left.interval.usec);
		seen = caught[kinds[i].sig].count;	// a pending one was delivered before the call returned
		let_pass(8 * MS);
		burn_user();
		EXPECT_EQ(seen, caught[kinds[i].sig].count);
		ASSERT_RET(0, get_itimer(kinds[i].which, &left));
		EXPECT_EQ(0, us_of(&left));
		EXPECT_EQ(0, left.interval.sec + left.interval.usec);
	}
}

CLAUSE(a_timer_without_interval_expires_once,
       "setitimer(2): with a zero it_interval the timer expires just once", .needed_by = USERS)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct old_itimer t = itimer_of(2000, 0), left;

		ASSERT_RET(0, catch_signal(kinds[i].sig));
		ASSERT_RET(0, set_itimer(kinds[i].which, &t, NULL));
		ASSERT_TRUE(burn_until(caught[kinds[i].sig].count)) TH_LOG("timer %d", kinds[i].which);
		let_run(kinds[i].clock, two_ticks());
		EXPECT_EQ(1, caught[kinds[i].sig].count) TH_LOG("timer %d", kinds[i].which);
		ASSERT_RET(0, get_itimer(kinds[i].which, &left));
		EXPECT_EQ(0, us_of(&left)) TH_LOG("timer %d", kinds[i].which);
	}
}

CLAUSE(the_old_setting_comes_back_whole,
       "setitimer(2): old_value gets the previous value of the timer: the time left and the "
       "interval", .needed_by = USERS)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct old_itimer first = itimer_of(700 * 1000000L, 3 * 1000000L + 250000), second = itimer_of(500 * 1000000L, 0);
		struct old_itimer *old = guarded(sizeof(*old)), *seen = guarded(sizeof(*seen));

		ASSERT_RET(0, set_itimer(kinds[i].which, &first, NULL));
		ASSERT_RET(0, get_itimer(kinds[i].which, seen));
		ASSERT_RET(0, set_itimer(kinds[i].which, &second, old));
		EXPECT_EQ(3, seen->interval.sec);
		EXPECT_EQ(250000, seen->interval.usec);
		EXPECT_EQ(3, old->interval.sec);
		EXPECT_EQ(250000, old->interval.usec);
		// One tick of leeway upwards: CPU timers are rounded up to it.
		EXPECT_LE(us_of(seen), 700 * 1000000LL + 10000);
		EXPECT_GT(us_of(seen), 600 * 1000000LL);
		EXPECT_LE(us_of(old), us_of(seen));
		EXPECT_GT(us_of(old), 600 * 1000000LL);
		EXPECT_INTACT(old);
		EXPECT_INTACT(seen);
		ASSERT_RET(0, get_itimer(kinds[i].which, seen));
		EXPECT_EQ(0, seen->interval.sec + seen->interval.usec);
		EXPECT_LE(us_of(seen), 500 * 1000000LL + 10000);
	}
}

CLAUSE(remaining_real_time_falls_as_time_passes,
       "getitimer(2): it_value is the time until the next expiration", .needed_by = USERS)
{
	struct old_itimer t = itimer_of(100 * 1000000L, 0), one, two;

	ASSERT_RET(0, set_itimer(ITIMER_REAL, &t, NULL));
	ASSERT_RET(0, get_itimer(ITIMER_REAL, &one));
	let_pass(5 * MS);
	ASSERT_RET(0, get_itimer(ITIMER_REAL, &two));
	EXPECT_GE(us_of(&one) - us_of(&two), 4999);	// microseconds round down at both ends
}

CLAUSE(remaining_cpu_time_falls_as_it_is_used,
       "getitimer(2) ITIMER_VIRTUAL, ITIMER_PROF: it_value is what is left until the next expiration, by the CPU time that the"
       " process uses", .needed_by = USERS)
{
	long long used = two_ticks();

	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct old_itimer t = itimer_of(100 * 1000000L, 0), one, two;

		ASSERT_RET(0, set_itimer(kinds[i].which, &t, NULL));
		ASSERT_RET(0, get_itimer(kinds[i].which, &one));
		let_run(kinds[i].clock, used);
		ASSERT_RET(0, get_itimer(kinds[i].which, &two));
		// A tick of leeway: CPU time that is sampled comes in ticks.
		EXPECT_GE(us_of(&one) - us_of(&two), used / 2000) TH_LOG("timer %d", kinds[i].which);
	}
}

CLAUSE(values_outside_their_range_are_refused,
       "setitimer(2) ERRORS EINVAL: which is none of the three, or a tv_usec is outside 0 to 999999, or a tv_sec "
       "negative; EFAULT for bad "
       "addresses; the timer stays as it was", .needed_by = USERS)
{
	struct old_itimer good = itimer_of(900 * 1000000L, 0), seen;
	static const struct { long isec, iusec, sec, usec; } bad[] = {
		{ 0, 0, 0, 1000000 }, { 0, 0, 0, -1 }, { 0, 0, -1, 0 }, { 0, 1000000, 1, 0 }, { 0, -1, 1, 0 }, { -1, 0, 1, 0 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		ASSERT_RET(0, set_itimer(kinds[i].which, &good, NULL));
		for (unsigned int j = 0; j < ARRAY_SIZE(bad); j++) {
			struct old_itimer t = { { bad[j].isec, bad[j].iusec }, { bad[j].sec, bad[j].usec } };

			EXPECT_ERR(EINVAL, set_itimer(kinds[i].which, &t, NULL)) TH_LOG("timer %d row %u", i, j);
		}
		EXPECT_ERR(EFAULT, set_itimer(kinds[i].which, unmapped_page(), NULL));
		EXPECT_ERR(EFAULT, get_itimer(kinds[i].which, forbidden_page()));
		ASSERT_RET(0, get_itimer(kinds[i].which, &seen));
		EXPECT_GT(us_of(&seen), 800 * 1000000LL);
	}
	EXPECT_ERR(EINVAL, set_itimer(3, &good, NULL));
	EXPECT_ERR(EINVAL, set_itimer(-1, &good, NULL));
	EXPECT_ERR(EINVAL, get_itimer(3, &seen));
	EXPECT_ERR(EINVAL, get_itimer(-1, &seen));
}

AFTER_EXEC(has_all_timers_left)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct old_itimer t = { 0 };

		get_itimer(kinds[i].which, &t);
		if (us_of(&t) <= 800 * 1000000LL || us_of(&t) > 900 * 1000000LL + 10000 || t.interval.sec != 7)
			return 1 + kinds[i].which;
	}
	return 0;
}

CLAUSE(timers_are_kept_over_exec_and_not_inherited_by_a_child,
       "setitimer(2) NOTES: a child created via fork(2) does not inherit its parent's interval timers; they are "
       "preserved across an "
       "execve(2) [ITM-3]", .needed_by = USERS)
{
	struct old_itimer t = itimer_of(900 * 1000000L, 7 * 1000000L), seen;

	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++)
		ASSERT_RET(0, set_itimer(kinds[i].which, &t, NULL));
	IN_CHILD {
		for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
			ASSERT_RET(0, get_itimer(kinds[i].which, &seen));
			EXPECT_EQ(0, us_of(&seen) + seen.interval.sec);
		}
	}
	IN_CHILD {
		for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++)
			ASSERT_RET(0, set_itimer(kinds[i].which, &t, NULL));
		execute_self(has_all_timers_left);
		_exit(126);
	}
}

CLAUSE(expirations_of_a_blocked_signal_are_one,
       "signal(7): a standard signal that is pending is not queued again: however often the timer expired, it is "
       "delivered once [ITM-4]",
       .needed_by = USERS)
{
	struct old_itimer t = itimer_of(1000, 1000), off = { 0 };

	ASSERT_RET(0, catch_signal(SIGALRM));
	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(SIGALRM)));
	ASSERT_RET(0, set_itimer(ITIMER_REAL, &t, NULL));
	let_pass(10 * MS);
	ASSERT_RET(0, set_itimer(ITIMER_REAL, &off, NULL));
	ASSERT_RET(0, raw_sigprocmask(SIG_UNBLOCK, SIGSET(SIGALRM)));
	EXPECT_EQ(1, caught[SIGALRM].count);
}

CLAUSE(a_disarmed_timer_does_not_come_back_with_its_signal,
       "setitimer(2): a zero it_value disarms the timer, though its signal is pending or one of that number comes later: nothing"
       " is left to tell, and no further signal follows [ITM-2]", .needed_by = USERS)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct old_itimer t = itimer_of(1000, 1000), off = { 0 }, left;
		int seen, sig = kinds[i].sig;
		struct kernel_sigset pending = SIGSET_EMPTY;

		ASSERT_RET(0, catch_signal(sig));
		ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(sig)));
		ASSERT_RET(0, set_itimer(kinds[i].which, &t, NULL));
		ASSERT_TRUE(burn_until(!raw_syscall(__NR_rt_sigpending, &pending, ARCH_SIGSET_BYTES) && sigset_has(pending, sig)));
		ASSERT_RET(0, set_itimer(kinds[i].which, &off, NULL));
		ASSERT_RET(0, raw_sigprocmask(SIG_UNBLOCK, SIGSET(sig)));
		ASSERT_RET(0, raw_syscall(__NR_kill, getpid(), sig));
		seen = caught[sig].count;
		ASSERT_RET(0, get_itimer(kinds[i].which, &left));
		EXPECT_EQ(0, us_of(&left) + left.interval.sec + left.interval.usec) TH_LOG("timer %d", kinds[i].which);
		let_run(kinds[i].clock, two_ticks());
		EXPECT_EQ(seen, caught[sig].count) TH_LOG("timer %d", kinds[i].which);
	}
}

static volatile int stop_burning;

static int burn_in_thread(void *arg)
{
	while (!stop_burning)
		burn_user();
	return 0;
}

CLAUSE(the_profiling_timer_counts_every_thread,
       "setitimer(2) ITIMER_PROF: counts the CPU time of all the threads in the process, though the one that set it "
       "sleeps [ITM-1] "
       "[incident 81]", .needed_by = USERS)
{
	struct old_itimer t = itimer_of(10000, 0);
	long long before;
	struct thread burner;

	caught_clock = process_cpu_clock(0, CPU_PROF);
	ASSERT_RET(0, catch_signal(SIGPROF));
	ASSERT_OK(thread_start(&burner, burn_in_thread, NULL));
	before = clock_ns(caught_clock);
	ASSERT_RET(0, set_itimer(ITIMER_PROF, &t, NULL));
	EXPECT_TRUE(wait_until(caught[SIGPROF].count));
	stop_burning = 1;
	ASSERT_TRUE(thread_join(&burner));
	EXPECT_GE(caught[SIGPROF].clock_at - before, 10 * MS);
}

#ifdef __NR_alarm
CLAUSE(alarm_is_the_real_timer_in_seconds,
       "alarm(2) NOTES: alarm and setitimer share the same timer; alarm returns the seconds that were left, never 0 "
       "for a live one",
       .needed_by = USERS)
{
	struct old_itimer t = itimer_of(500000, 2 * 1000000L), seen;

	ASSERT_RET(0, catch_signal(SIGALRM));
	ASSERT_RET(0, set_itimer(ITIMER_REAL, &t, NULL));
	EXPECT_RET(1, raw_syscall(__NR_alarm, 300));
	ASSERT_RET(0, get_itimer(ITIMER_REAL, &seen));
	EXPECT_GT(us_of(&seen), 200 * 1000000LL);
	EXPECT_EQ(0, seen.interval.sec);
	EXPECT_OK(raw_syscall(__NR_alarm, 0));
	ASSERT_RET(0, get_itimer(ITIMER_REAL, &seen));
	EXPECT_EQ(0, us_of(&seen));
}

CLAUSE(alarm_returns_what_was_left_to_the_nearest_second,
       "alarm(2) RETURN VALUE, kernel/time/itimer.c alarm_setitimer (5.10, 7.2): the seconds that remained, rounded to the nearest"
       ": who asks at once is told what was set", .needed_by = USERS)
{
	static const long set_us[] = { 100 * 1000000L, 1000000, 300 * 1000000L + 600000, 300 * 1000000L + 400000 };

	for (unsigned int i = 0; i < ARRAY_SIZE(set_us); i++) {
		struct old_itimer t = itimer_of(set_us[i], 0);
		long long before = clock_ns(CLOCK_MONOTONIC), told, passed;

		ASSERT_RET(0, catch_signal(SIGALRM));
		ASSERT_RET(0, set_itimer(ITIMER_REAL, &t, NULL));
		told = raw_syscall(__NR_alarm, 0);
		passed = clock_ns(CLOCK_MONOTONIC) - before;
		EXPECT_LE(told * SECOND, set_us[i] * 1000LL + SECOND / 2) TH_LOG("%ld us", set_us[i]);
		if (!caught[SIGALRM].count) {
			EXPECT_GE(told * SECOND, set_us[i] * 1000LL - passed - SECOND / 2) TH_LOG("%ld us", set_us[i]);
		}
	}
}
#endif
