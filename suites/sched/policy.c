// SPDX-License-Identifier: GPL-2.0-only
// sched(7): policies, priorities and nice values, by sched_setattr(2), sched_setscheduler(2) and setpriority(2).
#include "clause.h"
#include "guard.h"
#include "nobody.h"

#include <sched.h>
#include <sys/resource.h>

#define USERS .needed_by = "jvm:os_set_priority glibc:pthread_setschedparam libuv:uv_os_setpriority"

#define FIRST_SIZE 48		// of the structure, Linux 3.14
#define RESET_ON_FORK 1		// in flags

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;		// Linux 5.3
};

#define get_attr(pid, attr, size)  raw_syscall(__NR_sched_getattr, pid, attr, size, 0)
#define set_attr(pid, attr)        raw_syscall(__NR_sched_setattr, pid, attr, 0)
#define policy_of(pid)             raw_syscall(__NR_sched_getscheduler, pid)
#define set_policy(policy, n)      \
	raw_syscall(__NR_sched_setscheduler, 0, policy, (&(struct sched_param){ .sched_priority = n }))
#define set_nice(pid, n)           raw_syscall(__NR_setpriority, PRIO_PROCESS, pid, n)
#define nice_of(pid)               (20 - raw_syscall(__NR_getpriority, PRIO_PROCESS, pid))

CLAUSE(each_policy_tells_its_range_of_priorities,
       "sched_get_priority_max(2): 1 to 99 for SCHED_FIFO and SCHED_RR, 0 for the others; EINVAL for what is no "
       "policy", USERS)
{
	static const struct { int policy, least, most; } ranges[] = {
		{ SCHED_OTHER, 0, 0 }, { SCHED_BATCH, 0, 0 }, { SCHED_IDLE, 0, 0 }, { 6 /* SCHED_DEADLINE */, 0, 0 },
		{ SCHED_FIFO, 1, 99 }, { SCHED_RR, 1, 99 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(ranges); i++) {
		EXPECT_RET(ranges[i].least, raw_syscall(__NR_sched_get_priority_min, ranges[i].policy));
		EXPECT_RET(ranges[i].most, raw_syscall(__NR_sched_get_priority_max, ranges[i].policy));
	}
	for (int wrong = -1; wrong < 40; wrong += 41 - 10 * (wrong > 0)) {
		EXPECT_ERR(EINVAL, raw_syscall(__NR_sched_get_priority_min, wrong));
		EXPECT_ERR(EINVAL, raw_syscall(__NR_sched_get_priority_max, wrong));
	}
}

CLAUSE(priorities_within_the_range_can_be_set_and_no_others,
       "sched_setscheduler(2): each priority of the range can be set and is read back; one outside of it is EINVAL and "
       "changes nothing", .needs = "cap=sys_nice", USERS)
{
	static const int policies[] = { SCHED_FIFO, SCHED_RR };

	for (int i = 0; i < 2; i++) {
		int policy = policies[i];

		IN_CHILD {
			struct sched_param seen;
			long most = raw_syscall(__NR_sched_get_priority_max, policy), result = set_policy(policy, 1);

			if (result == -EPERM)
				SKIP(return, "no real-time policy for this group of processes");
			EXPECT_RET(0, result);
			EXPECT_RET(0, set_policy(policy, most));
			EXPECT_ERR(EINVAL, set_policy(policy, most + 1));
			EXPECT_ERR(EINVAL, set_policy(policy, 0));
			EXPECT_ERR(EINVAL, set_policy(policy, -1));
			EXPECT_ERR(EINVAL, set_policy(SCHED_OTHER, 1));
			EXPECT_RET(0, raw_syscall(__NR_sched_getparam, 0, &seen));
			EXPECT_EQ(99, seen.sched_priority);
			EXPECT_RET(policy, policy_of(0));
			EXPECT_RET(0, set_policy(SCHED_OTHER, 0));
		}
	}
}

CLAUSE(attributes_are_told_in_as_much_as_there_is_room_for,
       "sched_setattr(2) sched_getattr, size: a structure of the first size, 48 bytes, is filled, and so is a longer "
       "one as "
       "far as the kernel knows; size tells which; what is shorter is EINVAL, and so are flags",
       .commit = "1251201c0d34 sched/core: Fix uclamp ABI bug, clean up and robustify sched_read_attr() ABI "
		 "logic and code",
       USERS)
{
	static const unsigned int sizes[] = { 48, 56, 64, 128, 4096 };
	long nice = nice_of(0);

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct attr *a = guarded(sizes[i]);

		ASSERT_RET(0, get_attr(0, a, sizes[i])) TH_LOG("%u bytes", sizes[i]);
		EXPECT_LE(a->size, sizes[i]);
		EXPECT_GE(a->size, FIRST_SIZE);
		EXPECT_EQ(policy_of(0), a->policy);
		EXPECT_EQ(nice, a->nice);
		EXPECT_EQ(0, a->priority);
		EXPECT_EQ(0, a->flags & RESET_ON_FORK);
		EXPECT_INTACT(a);
		if (sizes[i] == FIRST_SIZE)
			EXPECT_EQ(FIRST_SIZE, a->size);
		guard_free(a);
	}
	for (unsigned int wrong = 0; wrong < FIRST_SIZE; wrong += 47) {
		struct attr *a = guarded(FIRST_SIZE);

		EXPECT_ERR(EINVAL, get_attr(0, a, wrong));
		EXPECT_ERR(EINVAL, raw_syscall(__NR_sched_getattr, 0, a, FIRST_SIZE, 1));
		EXPECT_ERR(EINVAL, get_attr(-1, a, FIRST_SIZE));
		EXPECT_ERR(ESRCH, get_attr(0x3fffffff, a, FIRST_SIZE));
		EXPECT_UNTOUCHED(a, 0, FIRST_SIZE);
		EXPECT_ERR(EINVAL, get_attr(0, NULL, FIRST_SIZE));
		EXPECT_ERR(EFAULT, get_attr(0, forbidden_page(), FIRST_SIZE));
	}
}

CLAUSE(attributes_that_are_set_are_read_back,
       "sched_setattr(2): sets policy and nice value in one call, also where the policy stays, and each is seen by "
       "the other "
       "calls; unknown policies and flags are EINVAL and change nothing", USERS)
{
	static const int policies[] = { SCHED_OTHER, SCHED_OTHER, SCHED_BATCH, SCHED_BATCH, SCHED_OTHER };
	struct attr a = { .size = FIRST_SIZE }, seen;
	long nice = nice_of(0);

	if (nice > 10)
		SKIP(return, "too nice already");
	for (unsigned int i = 0; i < ARRAY_SIZE(policies); i++) {
		a.policy = policies[i];
		a.nice = ++nice;
		ASSERT_RET(0, set_attr(0, &a));
		EXPECT_RET(policies[i], policy_of(0));
		EXPECT_EQ(nice, nice_of(0));
		ASSERT_RET(0, get_attr(0, &seen, FIRST_SIZE));
		EXPECT_EQ(nice, seen.nice);
		EXPECT_EQ(policies[i], seen.policy);
	}
	EXPECT_ERR(EINVAL, set_attr(0, (&(struct attr){ .size = FIRST_SIZE, .policy = 77, .nice = nice + 1 })));
	EXPECT_ERR(EINVAL, set_attr(0, (&(struct attr){ .size = FIRST_SIZE, .flags = 1ULL << 40, .nice = nice + 1 })));
	EXPECT_ERR(EINVAL, set_attr(0, (&(struct attr){ .size = FIRST_SIZE, .priority = 1, .nice = nice + 1 })));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_sched_setattr, 0, &a, 1));
	EXPECT_EQ(nice, nice_of(0));
}

CLAUSE(attributes_that_the_kernel_does_not_know_are_e2big,
       "sched_setattr(2) ERRORS E2BIG: the structure is longer than the kernel's and the rest is not zero: size then "
       "tells the "
       "kernel's own; with zeros in it, it is taken", USERS)
{
	struct { struct attr known; uint64_t rest[16]; } longer = {
		.known = { .size = sizeof(longer), .nice = nice_of(0) },
	};

	EXPECT_RET(0, set_attr(0, &longer));
	longer.rest[15] = 1;
	EXPECT_ERR(E2BIG, set_attr(0, &longer));
	EXPECT_LT(longer.known.size, sizeof(longer));
	EXPECT_GE(longer.known.size, FIRST_SIZE);
	longer.known.size = FIRST_SIZE - 1;
	EXPECT_ERR(E2BIG, set_attr(0, &longer));
	EXPECT_GE(longer.known.size, FIRST_SIZE);
}

CLAUSE(reset_on_fork_is_told_and_takes_nothing_unfair_to_the_child,
       "sched(7) SCHED_RESET_ON_FORK: sched_getscheduler returns the policy ORed with it; a child has no flag, a "
       "nice value "
       "below 0 becomes 0, one above stays", USERS)
{
	struct attr seen;
	long nice = nice_of(0);

	IN_CHILD {
		ASSERT_RET(0, set_policy(SCHED_BATCH | SCHED_RESET_ON_FORK, 0));
		EXPECT_RET(SCHED_BATCH | SCHED_RESET_ON_FORK, policy_of(0));
		EXPECT_RET(0, get_attr(0, &seen, FIRST_SIZE));
		EXPECT_EQ(SCHED_BATCH, seen.policy);
		EXPECT_EQ(RESET_ON_FORK, seen.flags);
		IN_CHILD {
			EXPECT_RET(SCHED_BATCH, policy_of(0));
			EXPECT_EQ(nice < 0 ? 0 : nice, nice_of(0));
		}
		if (set_nice(0, 7) == 0 && nice < 7)
			IN_CHILD
				EXPECT_EQ(7, nice_of(0));
		if (set_nice(0, -5) == 0) {		// with the privilege
			IN_CHILD {
				EXPECT_EQ(0, nice_of(0));
				EXPECT_RET(0, get_attr(0, &seen, FIRST_SIZE));
				EXPECT_EQ(0, seen.flags & RESET_ON_FORK);
			}
			EXPECT_EQ(-5, nice_of(0));
		}
	}
}

CLAUSE(a_nice_value_is_lowered_by_the_privileged_alone,
       "setpriority(2) ERRORS EACCES: who lacks CAP_SYS_NICE and RLIMIT_NICE may be nicer but not less nice again; "
       "EPERM is for "
       "the process of another user, and what fails changes nothing", USERS)
{
	int other = getppid();

	IN_CHILD {
		struct rlimit none = { 0, 0 };
		bool was_root = geteuid() == 0;
		long nice;

		ASSERT_EQ(0, setrlimit(RLIMIT_NICE, &none));
		if (was_root && !become(NOBODY, NOBODY))
			SKIP(return, "nobody is without privilege here");
		nice = nice_of(0) + 1;
		ASSERT_LT(nice, 19);
		EXPECT_RET(0, set_nice(0, nice));
		EXPECT_ERR(EACCES, set_nice(0, nice - 1));
		EXPECT_ERR(EACCES, set_nice(0, -20));
		EXPECT_EQ(nice, nice_of(0));
		EXPECT_RET(0, set_nice(0, nice));
		if (was_root)
			EXPECT_ERR(EPERM, set_nice(other, 19));
		EXPECT_ERR(EINVAL, raw_syscall(__NR_setpriority, 3, 0, nice));
		EXPECT_ERR(EINVAL, raw_syscall(__NR_setpriority, -1, 0, nice));
		EXPECT_ERR(ESRCH, set_nice(0x3fffffff, 19));
		EXPECT_ERR(ESRCH, raw_syscall(__NR_getpriority, PRIO_PROCESS, 0x3fffffff));
	}
}
