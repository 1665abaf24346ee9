// SPDX-License-Identifier: GPL-2.0-only
// CPU time as times(2), getrusage(2) and /proc tell it, beside the CPU clocks.
#include "clause.h"

#include <sys/resource.h>
#include <sys/times.h>

#include "clock.h"
#include "guard.h"
#include "thread.h"

#define USERS "glibc:clock jvm:os_elapsedTime cpython:os_times"

struct usage {
	struct { long sec, usec; } user, system;
	long others[14];
};

struct ticks {
	long user, system, child_user, child_system;
};

#define get_usage(who, u) raw_syscall(__NR_getrusage, who, u)

static long long used_us(const struct usage *u)
{
	return (u->user.sec + u->system.sec) * 1000000LL + u->user.usec + u->system.usec;
}

static long long used_by(int who)
{
	struct usage u;

	return get_usage(who, &u) ? -1 : used_us(&u);
}

static long long user_us_of(int who)
{
	struct usage u;

	return get_usage(who, &u) ? -1 : u.user.sec * 1000000LL + u.user.usec;
}

CLAUSE(times_counts_ticks_that_never_go_back,
       "times(2): the result is a number of clock ticks since some point in the past, and with NULL nothing is stored; "
       "both never go"
       " back", .needed_by = USERS)
{
	struct ticks last = { 0 }, now;
	long ticks, before = raw_syscall(__NR_times, NULL);

	for (int turn = 0; turn < 20; turn++) {
		ticks = raw_syscall(__NR_times, &now);
		EXPECT_GE(ticks - before, 0);
		EXPECT_GE(now.user, last.user);
		EXPECT_GE(now.system, last.system);
		before = ticks;
		last = now;
		burn_user();
	}
	EXPECT_ERR(EFAULT, raw_syscall(__NR_times, unmapped_page()));
	let_pass(25 * MS);	// time is the subject
	// The count is of ticks, which a CPU that was away gets round to later than to its clock.
	EXPECT_TRUE(wait_until(raw_syscall(__NR_times, NULL) - before >= 25 * sysconf(_SC_CLK_TCK) / 1000 - 1));
}

CLAUSE(times_and_getrusage_tell_the_same_use,
       "times(2), getrusage(2) RUSAGE_SELF: user and system time of all threads of the process: by either call between "
       "two readings of"
       " the other, cut to ticks", .needed_by = USERS)
{
	long us_per_tick = 1000000 / sysconf(_SC_CLK_TCK);

	for (int turn = 0; turn < 20; turn++) {
		struct usage before, after;
		struct ticks *t = guarded(sizeof(*t));

		ASSERT_RET(0, get_usage(RUSAGE_SELF, &before));
		ASSERT_NE(-EFAULT, raw_syscall(__NR_times, t));
		ASSERT_RET(0, get_usage(RUSAGE_SELF, &after));
		EXPECT_INTACT(t);
		// Either is cut to whole ticks, and once more on its way to a 32-bit ABI (clock_t_to_compat_clock_t).
		EXPECT_GE((t->user + t->system + 4) * us_per_tick, used_us(&before));
		EXPECT_LE((t->user + t->system) * us_per_tick, used_us(&after));
		guard_free(t);
		burn_user();
	}
}

CLAUSE(use_grows_as_cpu_time_is_spent,
       "getrusage(2) RUSAGE_SELF, RUSAGE_THREAD: user time grows as the program computes, system time as the kernel "
       "works for it; neither"
       " goes back, and the thread's is never more than the process's", .needed_by = USERS)
{
	struct usage last, now;
	struct wait_until_state patience = { 0 };

	ASSERT_RET(0, get_usage(RUSAGE_SELF, &last));
	EXPECT_TRUE(wait_until(({ burn_user(); user_us_of(RUSAGE_SELF) > 2000; })));
	do {
		ASSERT_RET(0, get_usage(RUSAGE_SELF, &now));
		EXPECT_GE(now.user.sec * 1000000LL + now.user.usec, last.user.sec * 1000000LL + last.user.usec);
		EXPECT_GE(now.system.sec * 1000000LL + now.system.usec, last.system.sec * 1000000LL + last.system.usec);
		last = now;
		burn_system();
	} while (now.system.sec * 1000000LL + now.system.usec < 2000 && wait_a_little(&patience));
	EXPECT_GE(now.system.sec * 1000000LL + now.system.usec, 2000);
	for (int turn = 0; turn < 20; turn++) {
		long long thread = used_by(RUSAGE_THREAD);

		EXPECT_LE(thread, used_by(RUSAGE_SELF) + 2);	// each of two numbers is cut
		EXPECT_GE(thread, 0);
	}
}

struct spender {
	volatile int stop;
	volatile long long spent;
};

static int spend(void *arg)
{
	struct spender *s = arg;

	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < 12 * MS)
		burn_user();
	s->spent = used_by(RUSAGE_THREAD);
	return 0;
}

CLAUSE(use_of_threads_that_ended_is_the_process_s,
       "getrusage(2) RUSAGE_SELF, RUSAGE_THREAD: the sum of what all threads used, those that have ended too; another "
       "thread's is"
       " not in the caller's own", .needed_by = USERS)
{
	struct spender s = { 0 };
	struct thread t;
	long long before = used_by(RUSAGE_SELF), own = used_by(RUSAGE_THREAD), own_clock = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	ASSERT_OK(thread_start(&t, spend, &s));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_GT(s.spent, 0);
	EXPECT_GE(used_by(RUSAGE_SELF) + 4, before + s.spent);	// each of two numbers is cut
	// Ticks may be charged whole: two of them, or what its own clock says.
	EXPECT_LE(used_by(RUSAGE_THREAD) - own, (clock_ns(CLOCK_THREAD_CPUTIME_ID) - own_clock) / 1000 + 21000);
}

CLAUSE(use_of_a_child_counts_once_it_was_waited_for,
       "getrusage(2) RUSAGE_CHILDREN, times(2) tms_cutime: of children that have terminated and been waited for, and "
       "of none before;"
       " wait4(2) tells the same of one child", .needed_by = "cpython:os_times go:ProcessState")
{
	struct usage child_usage;
	struct ticks t;
	siginfo_t info;
	long long before = used_by(RUSAGE_CHILDREN);
	pid_t child = fork();
	int status;

	ASSERT_LE(0, child);
	if (child == 0)
		_exit(!burn_until_it_moves(CLOCK_PROCESS_CPUTIME_ID, 25 * MS, burn_user));
	ASSERT_EQ(0, waitid(P_PID, child, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(before, used_by(RUSAGE_CHILDREN));
	ASSERT_RET(child, raw_syscall(__NR_wait4, child, &status, 0, &child_usage));
	EXPECT_EQ(0, status);
	EXPECT_GT(used_us(&child_usage), 0);
	EXPECT_GE(used_by(RUSAGE_CHILDREN), before + used_us(&child_usage));
	ASSERT_NE(-EFAULT, raw_syscall(__NR_times, &t));
	EXPECT_GE((t.child_user + t.child_system + 4) * (1000000 / sysconf(_SC_CLK_TCK)), used_us(&child_usage));
}

CLAUSE(proc_stat_tells_the_same_use_as_times,
       "proc(5) /proc/pid/stat utime, stime, cutime, cstime: what times(2) tells, in the same "
       "ticks", .needs = "file=/proc/self/stat",
       .needed_by = "jvm:os_getThreadCpuTime cpython:os_times")
{
	IN_CHILD {
		_exit(!burn_until_it_moves(CLOCK_PROCESS_CPUTIME_ID, 25 * MS, burn_user));
	}
	for (int turn = 0; turn < 10; turn++) {
		struct ticks before, after;
		unsigned long user = 0, system = 0;
		long child_user = -1, child_system = -1;
		char text[1024], *rest;

		ASSERT_NE(-EFAULT, raw_syscall(__NR_times, &before));
		ASSERT_LT(0, read_text("/proc/self/stat", text, sizeof(text)));
		ASSERT_NE(-EFAULT, raw_syscall(__NR_times, &after));
		rest = strrchr(text, ')');
		ASSERT_NE(NULL, rest);
		ASSERT_EQ(4, sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld", &user, &system, &child_user,
				    &child_system));
		EXPECT_GE(user, before.user);
		EXPECT_GE(system, before.system);
		EXPECT_LE(user, after.user + 1);
		EXPECT_LE(system, after.system + 1);
		EXPECT_GE(child_user, after.child_user);
		EXPECT_LE(child_user, after.child_user + 1);
		EXPECT_GE(child_system, after.child_system);
		EXPECT_LE(child_system, after.child_system + 1);
		burn_user();
	}
}

CLAUSE(nobody_else_s_use_can_be_asked_for,
       "getrusage(2) ERRORS: EINVAL for a who that is none of RUSAGE_SELF, RUSAGE_CHILDREN and RUSAGE_THREAD; EFAULT; "
       "fields that"
       " Linux does not maintain are 0", .needed_by = USERS)
{
	static const int bad[] = { 2, -3, 100 };
	struct usage *u = guarded(sizeof(*u));

	for (int i = 0; i < 3; i++) {
		EXPECT_ERR(EINVAL, get_usage(bad[i], u));
	}
	EXPECT_UNTOUCHED(u, 0, sizeof(*u));
	EXPECT_ERR(EFAULT, get_usage(RUSAGE_SELF, unmapped_page()));
	EXPECT_RET(0, get_usage(RUSAGE_THREAD, u));
	EXPECT_INTACT(u);
	EXPECT_GE(u->user.usec, 0);
	EXPECT_LT(u->user.usec, 1000000);
	EXPECT_GE(u->system.usec, 0);
	EXPECT_LT(u->system.usec, 1000000);
	EXPECT_EQ(0, u->others[1] | u->others[2] | u->others[3]);	// ru_ixrss, ru_idrss, ru_isrss
}
