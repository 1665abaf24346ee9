// SPDX-License-Identifier: GPL-2.0-only
// /proc/self/timens_offsets, and who may make, shift and enter a time namespace.
#include "clause.h"

#include "nobody.h"
#include "thread.h"
#include "timens.h"

#define USERS "criu:time_ns runc:timeOffsets"

CLAUSE(the_file_shows_what_was_written,
       "time_namespaces(7) /proc/pid/timens_offsets: one line for each clock: name or id, seconds, nanoseconds; new "
       "ones begin with"
       " the offsets of the caller's namespace", TIMENS, .needed_by = USERS)
{
	long long sec[2] = { -1, -1 };
	long nsec[2] = { -1, -1 };
	char text[256];

	ASSERT_LT(0, read_text("/proc/self/timens_offsets", text, sizeof(text)));
	ASSERT_EQ(4, sscanf(text, "monotonic %lld %ld\nboottime %lld %ld\n", &sec[0], &nsec[0], &sec[1], &nsec[1])) TH_LOG("%s", text);
	SHIFT_OR_SKIP(86401, 172803, 12345);
	ASSERT_LT(0, read_text("/proc/self/timens_offsets", text, sizeof(text)));
	ASSERT_EQ(4, sscanf(text, "monotonic %lld %ld\nboottime %lld %ld\n", &sec[0], &nsec[0], &sec[1], &nsec[1])) TH_LOG("%s", text);
	EXPECT_EQ(86401, sec[0]);
	EXPECT_EQ(172803, sec[1]);
	EXPECT_EQ(12345, nsec[0]);
	EXPECT_EQ(12345, nsec[1]);
	IN_CHILD {
		ASSERT_LT(0, read_text("/proc/self/timens_offsets", text, sizeof(text)));
		EXPECT_NE(NULL, strstr(text, "86401"));
		EXPECT_NE(NULL, strstr(text, "172803"));
	}
}

CLAUSE(clocks_are_named_by_name_or_number,
       "time_namespaces(7): the clock is monotonic or boottime, or its id 1 or 7; one write may hold several lines, "
       "the last for a clock"
       " counts, and one without an end of line too", TIMENS, .needed_by = USERS)
{
	char text[256];

	ASSERT_RET(0, new_time_namespace());
	if (write_offsets("1 100 0\n") != 8)
		SKIP(return, "cannot write /proc/self/timens_offsets");
	EXPECT_RET(8, write_offsets("7 200 5\n"));
	EXPECT_RET(32, write_offsets("monotonic 250 6\nmonotonic 300 6\n"));
	ASSERT_LT(0, read_text("/proc/self/timens_offsets", text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "300"));
	EXPECT_NE(NULL, strstr(text, "200"));
	EXPECT_EQ(NULL, strstr(text, "250"));
	EXPECT_RET(14, write_offsets("boottime 400 7"));
	ASSERT_LT(0, read_text("/proc/self/timens_offsets", text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "400"));
}

CLAUSE(lines_that_make_no_sense_change_nothing,
       "time_namespaces(7) ERRORS: EINVAL for an unknown clock, missing words and nanoseconds outside 0 to 999999999: "
       "nothing"
       " of that write is taken", TIMENS, .needed_by = USERS)
{
	static const char *const bad[] = {
		"monotonic\n", "monotonic 1\n", "monotonic x 0\n", "realtime 1 0\n", "0 1 0\n", "2 1 0\n", "99 1 0\n", "monotonic 1 -1\n",
		"monotonic 1 1000000000\n", "\n", "monotonic 5 0\nboottime x 0\n",
	};
	char before[256], after[256];

	ASSERT_RET(0, new_time_namespace());
	if (write_offsets("monotonic 77 0\n") != 15)
		SKIP(return, "cannot write /proc/self/timens_offsets");
	ASSERT_LT(0, read_text("/proc/self/timens_offsets", before, sizeof(before)));
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_ERR(EINVAL, write_offsets(bad[i])) TH_LOG("%s", bad[i]);
	}
	ASSERT_LT(0, read_text("/proc/self/timens_offsets", after, sizeof(after)));
	EXPECT_STREQ(before, after);
}

CLAUSE(offsets_that_lead_out_of_time_are_refused,
       "time_namespaces(7) ERRORS ERANGE: a clock must not become negative, nor reach half of what a ktime_t can hold",
       TIMENS, .needed_by = USERS)
{
	char before[256], after[256], text[64];

	ASSERT_RET(0, new_time_namespace());
	if (write_offsets("monotonic 78 0\n") != 15)
		SKIP(return, "cannot write /proc/self/timens_offsets");
	ASSERT_LT(0, read_text("/proc/self/timens_offsets", before, sizeof(before)));
	snprintf(text, sizeof(text), "monotonic %lld 0\n", -clock_ns(CLOCK_MONOTONIC) / SECOND - DAY);
	EXPECT_ERR(ERANGE, write_offsets(text));
	snprintf(text, sizeof(text), "boottime %lld 0\n", -clock_ns(CLOCK_BOOTTIME) / SECOND - DAY);
	EXPECT_ERR(ERANGE, write_offsets(text));
	EXPECT_ERR(ERANGE, write_offsets("monotonic 4611686019 0\n"));
	EXPECT_ERR(ERANGE, write_offsets("boottime 9223372036 0\n"));
	EXPECT_ERR(ERANGE, write_offsets("boottime 9223372036854775807 0\n"));
	ASSERT_LT(0, read_text("/proc/self/timens_offsets", after, sizeof(after)));
	EXPECT_STREQ(before, after);
}

CLAUSE(offsets_are_fixed_once_a_process_is_in_the_namespace,
       "time_namespaces(7) ERRORS EACCES: the offsets can be written until the first process is created in the "
       "namespace, or enters it",
       TIMENS, .needed_by = USERS)
{
	char text[256];

	SHIFT_OR_SKIP(90000, 90000, 0);
	IN_CHILD {
		EXPECT_ERR(EACCES, write_offsets("monotonic 1 0\n"));
	}
	EXPECT_ERR(EACCES, write_offsets("monotonic 2 0\n"));
	ASSERT_LT(0, read_text("/proc/self/timens_offsets", text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "90000"));
}

CLAUSE(making_one_needs_a_privilege,
       "time_namespaces(7), unshare(2) ERRORS EPERM: CAP_SYS_ADMIN is needed for "
       "CLONE_NEWTIME", TIMENS, .needed_by = USERS)
{
	if (!can_become(NOBODY, NOBODY))
		SKIP(return, "there is no unprivileged user here");
	IN_CHILD {
		ASSERT_TRUE(become(NOBODY, NOBODY));
		EXPECT_ERR(EPERM, new_time_namespace());
	}
}

static int wait_for_stop(void *stop)
{
	while (!*(volatile int *)stop)
		raw_syscall(__NR_sched_yield);
	return 0;
}

CLAUSE(setns_moves_a_process_with_one_thread,
       "setns(2), time_namespaces(7): the caller enters the namespace itself, its clocks and its vDSO with it; EUSERS "
       "for a process of"
       " several threads", TIMENS, .needed_by = "criu:time_ns runc:nsexec")
{
	volatile int stop = 0;
	struct thread t;
	long long before = clock_ns(CLOCK_MONOTONIC);
	int fd;

	SHIFT_OR_SKIP(6 * DAY, 6 * DAY, 0);
	fd = raw_syscall(__NR_openat, AT_FDCWD, "/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	ASSERT_OK(fd);
	IN_CHILD {
		ASSERT_OK(thread_start(&t, wait_for_stop, (void *)&stop));
		EXPECT_ERR(EUSERS, raw_syscall(__NR_setns, fd, CLONE_NEWTIME));
		stop = 1;
		ASSERT_TRUE(thread_join(&t));
	}
	EXPECT_RET(0, raw_syscall(__NR_setns, fd, CLONE_NEWTIME));
	EXPECT_GE(clock_ns(CLOCK_MONOTONIC), before + 6 * DAY * SECOND);
	EXPECT_ERR(EINVAL, raw_syscall(__NR_setns, fd, 0x02000000 /* CLONE_NEWCGROUP */));
}

AFTER_EXEC(is_in_the_namespace_of_its_children)
{
	char here[64] = "", next[64] = "";

	if (readlink("/proc/self/ns/time", here, sizeof(here) - 1) <= 0 ||
	    readlink("/proc/self/ns/time_for_children", next, sizeof(next) - 1) <= 0)
		return 1;
	if (strcmp(here, next))
		return 2;
	return clock_ns(CLOCK_MONOTONIC) / SECOND < atoll(argv[0]) + 7 * DAY ? 3 : 0;
}

// A function of its own: what it has on its stack the child may not change.
static __attribute__((noinline)) pid_t vfork_and_execute(char *text)
{
	pid_t child = vfork();

	if (child == 0) {
		execute_self(is_in_the_namespace_of_its_children, text);
		_exit(126);
	}
	return child;
}

static pid_t unshare_and_execute(char *text)
{
	pid_t child = fork();

	// The fork has put it into the namespace already: it makes one of its own to enter.
	if (child == 0) {
		if (!new_time_namespace())
			execute_self(is_in_the_namespace_of_its_children, text);
		_exit(126);
	}
	return child;
}

// 2b5f9dad32ed fs/exec: switch timens when a task gets a new mm: before that, only a child was in the new namespace.
CLAUSE(exec_enters_the_namespace,
       "kernel/nsproxy.c exec_task_namespaces (6.12, 7.2): who unshared a time namespace is in it after execve(2), with its clocks:"
       " by vfork(2) or without a child",
       .since = KERNEL(6, 3), .config = "TIME_NS", .needs = "cap=sys_admin", .needed_by = USERS)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", clock_ns(CLOCK_MONOTONIC) / SECOND);
	SHIFT_OR_SKIP(7 * DAY, 7 * DAY, 0);
	for (int by_vfork = 0; by_vfork < 2; by_vfork++) {
		pid_t child = by_vfork ? vfork_and_execute(text) : unshare_and_execute(text);
		int status = -1;

		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(0, status) TH_LOG("by %s: %d", by_vfork ? "vfork" : "fork", WEXITSTATUS(status));
	}
}
