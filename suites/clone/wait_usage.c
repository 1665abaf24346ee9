// SPDX-License-Identifier: GPL-2.0-only
// What wait4(2), waitid(2), getrusage(2) and times(2) say of children: their user, their time, their memory, and that of theirs.
#include "clone.h"
#include "nobody.h"

#include <sys/resource.h>

#define USERS "go:fork_exec jvm:ProcessHandle rust:Command"
#define MEGABYTES 4

// The kernel's struct rusage and struct tms: words of the ABI, with 32-bit time too.
struct usage {
	long user_s, user_us, system_s, system_us, max_rss, others[27];
};

// In microseconds.
static long in_user(const struct usage *u)
{
	return u->user_s * 1000000 + u->user_us;
}

static long in_kernel(const struct usage *u)
{
	return u->system_s * 1000000 + u->system_us;
}

static struct usage of_children(void)
{
	struct usage u = { 0 };

	raw_syscall(__NR_getrusage, RUSAGE_CHILDREN, &u);
	return u;
}

static long ticks_of_children(void)
{
	long tms[4] = { 0 };

	raw_syscall(__NR_times, tms);
	return tms[2] + tms[3];
}

// Uses 21 ms of CPU: in system calls almost all of it, or almost all outside of them.
static int burns(int rounds_between_calls)
{
	struct __kernel_timespec now = { 0 };
	long long begun;

	raw_syscall(NR_CLOCK_GETTIME, 2 /* CLOCK_PROCESS_CPUTIME_ID */, &now);
	begun = now.tv_sec * 1000000000LL + now.tv_nsec;
	do {
		for (volatile int i = 0; i < rounds_between_calls; i++)
			;
		raw_syscall(NR_CLOCK_GETTIME, 2, &now);
	} while (now.tv_sec * 1000000000LL + now.tv_nsec < begun + 21000000);
	return 0;
}

static int burns_in_user_mode(void *unused)
{
	return burns(100000);
}

static int burns_in_the_kernel(void *unused)
{
	return burns(0);
}

// Waits for a child that runs fn: what a grandchild uses is its parent's children's.
static int has_a_child_that(void *fn)
{
	return end_of(child_of(SIGCHLD, *(int (**)(void *))fn, NULL)) != EXITED(0);
}

static int fills_memory(void *unused)
{
	size_t size = MEGABYTES << 20;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t at = 0; at < size; at += 4096)
		memory[at] = 1;
	return 0;
}

static long usage_of(long pid, struct usage *u)
{
	int status = -1;

	memset(u, 0xff, sizeof(*u));
	return raw_syscall(__NR_wait4, pid, &status, 0, u) == pid ? status : -ECHILD;
}

CLAUSE(the_time_of_grandchildren_is_that_of_children,
       "getrusage(2) RUSAGE_CHILDREN, times(2) tms_cutime, wait4(2): what a child's own children used counts when the "
       "child is waited for, if it had waited for them, and not before",
       .needed_by = USERS)
{
	int (*bodies[])(void *) = { burns_in_user_mode, burns_in_the_kernel };
	struct usage u, before = { 0 }, now;

	for (unsigned int i = 0; i < ARRAY_SIZE(bodies); i++) {
		siginfo_t info = { 0 };
		long pid;

		ASSERT_OK(pid = child_of(SIGCHLD, has_a_child_that, &bodies[i]));
		ASSERT_RET(0, raw_syscall(__NR_waitid, P_PID, pid, &info, WEXITED | WNOWAIT, NULL));
		now = of_children();
		EXPECT_EQ(in_user(&before) + in_kernel(&before), in_user(&now) + in_kernel(&now));
		if (i == 0)
			EXPECT_EQ(0, ticks_of_children());
		EXPECT_RET(EXITED(0), usage_of(pid, &u));
		EXPECT_LE(19000, in_user(&u) + in_kernel(&u));
		now = of_children();
		// Two times of which each is rounded down.
		EXPECT_LE(in_user(&before) + in_user(&u) - 2, in_user(&now));
		EXPECT_LE(in_kernel(&before) + in_kernel(&u) - 2, in_kernel(&now));
		before = now;
	}
	EXPECT_LE(1, ticks_of_children());	// 4 in all, or 2 of one kind: a 32-bit program may be told 0 of a single one
}

CLAUSE(the_memory_of_children_is_that_of_the_largest,
       "getrusage(2) ru_maxrss: for RUSAGE_CHILDREN the resident set size of the largest child, not of the last one "
       "and not of the whole tree; a child that waited for a larger one of its own is as large as that",
       .needed_by = USERS)
{
	int (*fills)(void *) = fills_memory, (*nothing)(void *) = returns_zero;
	// In this order the largest comes first, in the middle, and only as a grandchild.
	struct { int (*body)(void *); void *arg; } orders[][3] = {
		{ { fills_memory, NULL }, { returns_zero, NULL }, { returns_zero, NULL } },
		{ { returns_zero, NULL }, { fills_memory, NULL }, { returns_zero, NULL } },
		{ { has_a_child_that, &fills }, { returns_zero, NULL }, { has_a_child_that, &nothing } },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(orders); i++) {
		IN_CHILD {
			long largest = 0;

			for (unsigned int j = 0; j < ARRAY_SIZE(orders[i]); j++) {
				struct usage u, now;
				long pid;

				ASSERT_OK(pid = child_of(SIGCHLD, orders[i][j].body, orders[i][j].arg));
				EXPECT_RET(EXITED(0), usage_of(pid, &u));
				largest = u.max_rss > largest ? u.max_rss : largest;
				now = of_children();
				EXPECT_EQ(largest, now.max_rss);
			}
			EXPECT_LE(MEGABYTES * 512, largest);	// what each CPU counts by itself may be missing
		}
	}
}

CLAUSE(waitid_names_the_childs_user,
       "waitid(2) si_uid: the real user ID of the child, not of who waits, for a child that stops, goes on or ends",
       .needs = "root", .needed_by = USERS)
{
	static const struct { int signal, options, code; } events[] = {
		{ SIGSTOP, WSTOPPED, CLD_STOPPED }, { SIGCONT, WCONTINUED, CLD_CONTINUED }, { SIGKILL, WEXITED, CLD_KILLED },
	};
	int ends[2];
	char byte;
	pid_t pid;

	if (!can_become(NOBODY, NOBODY))
		SKIP(return, "no other user to become here");
	ASSERT_EQ(0, pipe(ends));
	pid = fork();
	if (pid == 0) {
		if (become(NOBODY, NOBODY) && write(ends[1], "x", 1) == 1)
			waits_for_ever(NULL);
		_exit(1);
	}
	close(ends[1]);
	ASSERT_EQ(1, read(ends[0], &byte, 1));
	for (unsigned int i = 0; i < ARRAY_SIZE(events); i++) {
		for (int look = 1; look >= 0; look--) {
			siginfo_t info = { 0 };

			if (look)
				ASSERT_RET(0, raw_syscall(__NR_kill, pid, events[i].signal));
			ASSERT_RET(0, raw_syscall(__NR_waitid, P_PID, pid, &info, events[i].options | (look ? WNOWAIT : 0), NULL));
			EXPECT_EQ(events[i].code, info.si_code);
			EXPECT_EQ(NOBODY, info.si_uid);
			EXPECT_EQ(pid, info.si_pid);
		}
	}
	EXPECT_NE(NOBODY, getuid());
}
