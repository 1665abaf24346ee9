// SPDX-License-Identifier: GPL-2.0-only
// Deadlines of PI locks, futex_waitv and futex_wait in a time namespace whose CLOCK_MONOTONIC is shifted.
#include "clause.h"
#include <fcntl.h>
#include <sched.h>

#include "actor.h"
#include "deadline.h"
#include "futex2.h"
#include "pi.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static long namespace_probe(void)
{
	return raw_syscall(__NR_unshare, CLONE_NEWTIME);
}

// Shifts CLOCK_MONOTONIC by so many seconds for the children that are created from now on.
static bool shift_monotonic(long seconds)
{
	int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	char line[64];
	int length = snprintf(line, sizeof(line), "monotonic %ld 0\n", seconds);
	bool done = fd >= 0 && write(fd, line, length) == length;

	close(fd);
	return done;
}

#define NEEDS_TIME_NS .config = "TIME_NS", .probe = namespace_probe, .absent_errno = EINVAL, .needs = "cap=sys_admin"

// Runs the check in a child whose monotonic clock is a day ahead, and in one where it stands near 0.
static void in_shifted_time(struct __test_metadata *_metadata, void (*check)(struct __test_metadata *))
{
	long shifts[] = { 86400, -(long)(clock_ns(CLOCK_MONOTONIC) / SECOND) + 1 };

	for (int i = 0; i < 2; i++)
		IN_CHILD {	// only who has no child in the new namespace yet may shift it
			ASSERT_OK(raw_syscall(__NR_unshare, CLONE_NEWTIME));
			ASSERT_TRUE(shift_monotonic(shifts[i]));
			IN_CHILD
				check(_metadata);
		}
}

#define EXPECT_TIMED_OUT(clock, ...) do {				\
	struct __kernel_timespec until = deadline_in(clock, 3 * MS);	\
	EXPECT_ERR(ETIMEDOUT, call_as(waiter, __VA_ARGS__));		\
	EXPECT_TRUE(has_passed(clock, &until));				\
} while (0)

static void check_locks(struct __test_metadata *_metadata)
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	uint32_t word = owner->tid;

	EXPECT_TIMED_OUT(CLOCK_REALTIME, LOCK_PI_UNTIL(&word, &until));
	if (lock_pi2_probe() == -ENOSYS)
		return;
	EXPECT_TIMED_OUT(CLOCK_MONOTONIC, LOCK_PI2_UNTIL(&word, &until));
	EXPECT_TIMED_OUT(CLOCK_REALTIME, PI_CALL_(FUTEX_LOCK_PI2_PRIVATE | FUTEX_CLOCK_REALTIME, &word, &until));
}

CLAUSE(locks_wait_until_a_moment_of_the_namespaces_clock,
       "time_namespaces(7): FUTEX_LOCK_PI counts on CLOCK_REALTIME, which knows no namespace, FUTEX_LOCK_PI2 on the "
       "namespace's CLOCK_MONOTONIC: neither ends early nor never [GLC-5]",
       NEEDS_TIME_NS, .commit = "cdf78db40709 futex: Do not apply time namespace adjustment on FUTEX_LOCK_PI")
{
	if (pi_probe() == -ENOSYS)
		ABSENT("no PI futexes");
	in_shifted_time(_metadata, check_locks);
}

static void check_conditions(struct __test_metadata *_metadata)
{
	struct actor *waiter = actor_thread();
	uint32_t condition = 0, lock = 0;

	EXPECT_TIMED_OUT(CLOCK_MONOTONIC, WAIT_REQUEUE_PI_UNTIL(&condition, 0, &until, &lock));
	EXPECT_TIMED_OUT(CLOCK_REALTIME, NR_FUTEX, &condition, FUTEX_WAIT_REQUEUE_PI | FUTEX_CLOCK_REALTIME, 0, &until,
			 &lock, 0);
}

CLAUSE(conditions_wait_until_a_moment_of_the_namespaces_clock,
       "time_namespaces(7): FUTEX_WAIT_REQUEUE_PI counts on the namespace's CLOCK_MONOTONIC, with "
       "FUTEX_CLOCK_REALTIME on a clock that knows no namespace [GLC-5]",
       NEEDS_TIME_NS)
{
	if (pi_probe() == -ENOSYS)
		ABSENT("no PI futexes");
	in_shifted_time(_metadata, check_conditions);
}

static void check_waitv(struct __test_metadata *_metadata)
{
	struct actor *waiter = actor_thread();
	struct futex_waitv entry;
	uint32_t word = 0;

	entry = entry_of(&word, 0, PRIVATE_U32);
	EXPECT_TIMED_OUT(CLOCK_MONOTONIC, WAITV_UNTIL(&entry, 1, &until, CLOCK_MONOTONIC));
	EXPECT_TIMED_OUT(CLOCK_REALTIME, WAITV_UNTIL(&entry, 1, &until, CLOCK_REALTIME));
}

CLAUSE(waitv_waits_until_a_moment_of_the_namespaces_clock,
       "time_namespaces(7): futex_waitv counts on the namespace's CLOCK_MONOTONIC, or on CLOCK_REALTIME, which knows "
       "no namespace",
       NEEDS_TIME_NS)
{
	if (waitv_probe() == -ENOSYS)
		ABSENT("no futex_waitv");
	in_shifted_time(_metadata, check_waitv);
}

static void check_futex2(struct __test_metadata *_metadata)
{
	struct actor *waiter = actor_thread();
	uint32_t word = 0;

	EXPECT_TIMED_OUT(CLOCK_MONOTONIC, FUTEX2_WAIT_UNTIL(&word, 0, ANY, PRIVATE_U32, &until, CLOCK_MONOTONIC));
	EXPECT_TIMED_OUT(CLOCK_REALTIME, FUTEX2_WAIT_UNTIL(&word, 0, ANY, PRIVATE_U32, &until, CLOCK_REALTIME));
}

CLAUSE(futex_wait_waits_until_a_moment_of_the_namespaces_clock,
       "time_namespaces(7): futex_wait counts on the namespace's CLOCK_MONOTONIC, or on CLOCK_REALTIME, which knows "
       "no namespace",
       NEEDS_TIME_NS)
{
	if (futex2_probe() == -ENOSYS)
		ABSENT("no futex_wait");
	in_shifted_time(_metadata, check_futex2);
}
