// SPDX-License-Identifier: GPL-2.0-only
// futex(2) in a time namespace: absolute timeouts are in the namespace's CLOCK_MONOTONIC, all others know no namespace.
#include "clause.h"

#include <fcntl.h>
#include <sched.h>

#include "waiter.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

#define MS 1000000LL

// In effect for children that are created later; the caller stays where it is.
static long enter_time_namespace(void)
{
	return raw_syscall(__NR_unshare, CLONE_NEWTIME);
}

// Makes CLOCK_MONOTONIC of the children to come differ by so many nanoseconds from what it is here.
static bool shift_monotonic(long long ns)
{
	long long sec = ns / 1000000000 - (ns < 0);
	int fd, length;
	char line[64];

	if (enter_time_namespace())
		return false;
	length = snprintf(line, sizeof(line), "monotonic %lld %lld\n", sec, ns - sec * 1000000000);
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, line, length) != length)
		return false;
	close(fd);
	return true;
}

// A day ahead, and half of the time since boot behind: then a deadline that is not shifted never comes, or has passed.
#define EACH_SHIFT(shift)								\
	for (long long shift = 86400000 * MS, once_ = 0; once_ < 2;			\
	     shift = -clock_ns(CLOCK_MONOTONIC) / 2, once_++)

// Waits for 3 ms in a thread; what the wait returned, and how much time was missing then.
static long timed(int op, int clock, bool absolute, long long *missing)
{
	long long end = clock_ns(clock) + 3 * MS;
	struct __kernel_timespec timeout = timespec_of(absolute ? end : 3 * MS);
	uint32_t word = 0;
	struct waiter w = waiter_on(&word, op);
	long result;

	w.timeout = &timeout;
	if (!waiter_start(&w))
		return -ENOMEM;
	result = waiter_result(&w);
	*missing = end - clock_ns(clock);
	return result;
}

#define EXPECT_TIMED_OUT(op, clock, absolute) do {		\
	long long missing_ = 0;					\
	EXPECT_ERR(ETIMEDOUT, timed(op, clock, absolute, &missing_)); \
	EXPECT_LE(missing_, 0);					\
} while (0)

CLAUSE(absolute_monotonic_deadlines_are_those_of_the_time_namespace,
       "time_namespaces(7): CLOCK_MONOTONIC is per namespace, for futex(2) FUTEX_WAIT_BITSET too: a deadline read "
       "from the clock is met by the same clock, neither early nor never",
       .config = "TIME_NS", .probe = enter_time_namespace, .absent_errno = EINVAL, .needs = "cap=sys_admin",
       .commit = "c2f7d08cccf4 futex: Adjust absolute futex timeouts with per time namespace offset",
       .needed_by = "glibc:pthread_cond_clockwait jvm:Parker rust:futex_wait")
{
	EACH_SHIFT(shift) {
		if (!shift_monotonic(shift))
			SKIP(return, "cannot write /proc/self/timens_offsets");
		IN_CHILD {
			EXPECT_TIMED_OUT(FUTEX_WAIT_BITSET_PRIVATE, CLOCK_MONOTONIC, true);
			EXPECT_TIMED_OUT(FUTEX_WAIT_BITSET, CLOCK_MONOTONIC, true);
		}
	}
}

CLAUSE(relative_timeouts_know_no_time_namespace,
       "time_namespaces(7), futex(2) FUTEX_WAIT: a relative interval is as long in every time namespace",
       .config = "TIME_NS", .probe = enter_time_namespace, .absent_errno = EINVAL, .needs = "cap=sys_admin",
       .needed_by = "go:futexsleep")
{
	EACH_SHIFT(shift) {
		if (!shift_monotonic(shift))
			SKIP(return, "cannot write /proc/self/timens_offsets");
		IN_CHILD {
			EXPECT_TIMED_OUT(FUTEX_WAIT_PRIVATE, CLOCK_MONOTONIC, false);
			EXPECT_TIMED_OUT(FUTEX_WAIT, CLOCK_MONOTONIC, false);
		}
	}
}

CLAUSE(realtime_deadlines_know_no_time_namespace,
       "time_namespaces(7): CLOCK_REALTIME is not virtualized, so FUTEX_CLOCK_REALTIME deadlines are the same "
       "everywhere",
       .config = "TIME_NS", .probe = enter_time_namespace, .absent_errno = EINVAL, .needs = "cap=sys_admin",
       .needed_by = "glibc:pthread_cond_timedwait")
{
	EACH_SHIFT(shift) {
		if (!shift_monotonic(shift))
			SKIP(return, "cannot write /proc/self/timens_offsets");
		IN_CHILD {
			EXPECT_TIMED_OUT(FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME, true);
			EXPECT_TIMED_OUT(FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME, true);
		}
	}
}

struct stopped {
	uint32_t word;
	volatile long result;
	volatile int returned;
	long long took;
};

// In the namespace, for so long; FUTEX_WAIT_BITSET until a moment of its clock.
static __attribute__((noreturn)) void waits_to_be_stopped(struct stopped *s, int op, long long ns)
{
	long long start = clock_ns(CLOCK_MONOTONIC);
	struct __kernel_timespec timeout = timespec_of(ns + (op == FUTEX_WAIT_PRIVATE ? 0 : start));
	long result;

	result = futex_call(&s->word, op, 0, &timeout, NULL, FUTEX_BITSET_MATCH_ANY);
	s->took = clock_ns(CLOCK_MONOTONIC) - start;
	s->result = result;
	__atomic_store_n(&s->returned, 1, __ATOMIC_RELEASE);
	_exit(0);
}

CLAUSE(a_stopped_waiter_keeps_its_deadline_in_a_time_namespace,
       "kernel/futex/waitwake.c futex_wait_restart (5.10 to 7.2): the deadline of a wait that goes on after a stop "
       "is not shifted by the namespace's offset, be it once more or for the first time: it ends by it, and not "
       "before [FUT-5]",
       .config = "TIME_NS", .probe = enter_time_namespace, .absent_errno = EINVAL, .needs = "cap=sys_admin",
       .needed_by = "go:futexsleep")
{
	static const int ops[] = { FUTEX_WAIT_PRIVATE, FUTEX_WAIT_BITSET_PRIVATE };
	const long long interval = 10 * MS * slowness();

	EACH_SHIFT(shift) {
		if (!shift_monotonic(shift))
			SKIP(return, "cannot write /proc/self/timens_offsets");
		FOR_EACH(i, ops) {
			struct stopped *s = shared_memory(sizeof(*s));
			pid_t child = fork();

			if (child == 0)
				waits_to_be_stopped(s, ops[i], interval);
			ASSERT_TRUE(wait_until(is_asleep(child) || s->returned));
			kill(child, SIGSTOP);
			ASSERT_TRUE(wait_until(task_state(child) == 'T' || s->returned));
			kill(child, SIGCONT);
			EXPECT_TRUE(wait_until(s->returned));
			kill(child, SIGKILL);
			ASSERT_EQ(child, waitpid(child, NULL, 0));
			EXPECT_ERR(ETIMEDOUT, s->result);
			EXPECT_LE(interval, s->took);
		}
	}
}
