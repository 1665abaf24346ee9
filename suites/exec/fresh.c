// SPDX-License-Identifier: GPL-2.0-only
// execve(2): what a new program finds: its name, the floating-point state, descriptors by the hundred, its start time.
#include "clause.h"
#include "sync.h"
#include "thread.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#define USERS "go:fork_exec glibc:posix_spawn jvm:jspawnhelper rust:Command"

// argv: the path it was executed by. Its last part, cut at 15 bytes, is its name.
AFTER_EXEC(is_named_after_its_file)
{
	const char *last = strrchr(argv[0], '/');
	char wanted[16] = "", name[17] = "", line[64] = "";

	strncpy(wanted, last ? last + 1 : argv[0], 15);
	if (raw_syscall(__NR_prctl, PR_GET_NAME, name, 0, 0, 0) || strcmp(name, wanted))
		return 1;
	if (read_text("/proc/thread-self/comm", line, sizeof(line)) < 0)
		return 2;
	line[strcspn(line, "\n")] = 0;
	return strcmp(line, wanted) ? 3 : 0;
}

static int execute_by(char *path)
{
	char *words[] = { "not its name", "--after-exec", "is_named_after_its_file", path, NULL };
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		raw_syscall(__NR_execve, path, words, environ);
		_exit(126);
	}
	waitpid(child, &status, 0);
	return status;
}

CLAUSE(a_program_is_named_by_the_last_part_of_its_path,
       "execve(2), proc_pid_comm(5), fs/exec.c begin_new_exec (5.10, 7.2): the name that PR_GET_NAME and comm tell is "
       "the last part of the path that was executed, at most 15 bytes of it, and neither the first argument nor the "
       "folders before it",
       .needed_by = USERS)
{
	static const char *const names[] = { "short", "exactly-fifteen", "one-longer-than-it", "dot.ted name" };
	char folder[] = "osprim-name-XXXXXX", path[128];
	int status[ARRAY_SIZE(names)];
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	ASSERT_GT(n, 0);
	self[n] = 0;
	EXPECT_EQ(0, execute_by("/proc/self/exe"));
	EXPECT_EQ(0, execute_by("/proc/self/./../self/exe"));
	ASSERT_NE(NULL, mkdtemp(folder));
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "./%s/%s", folder, names[i]);
		status[i] = symlink(self, path) ? -1 : execute_by(path);
		unlink(path);
	}
	rmdir(folder);
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_EQ(0, status[i])
			TH_LOG("%s", names[i]);
	}
}

AFTER_EXEC(has_default_floating_point)
{
	return arch_fp_control() != ARCH_FP_CONTROL_DEFAULT;
}

static char *const fp_words[] = { "osprim", "--after-exec", "has_default_floating_point", NULL };

static int executes_with_other_control(void *unused)
{
	arch_fp_control_set(ARCH_FP_CONTROL_OTHER);
	raw_syscall(__NR_execve, "/proc/self/exe", fp_words, environ);
	return 126;
}

CLAUSE(a_program_starts_with_the_default_floating_point_control,
       "execve(2): the floating-point environment is reset to the default: rounding modes and exception masks of the "
       "caller are not the new program's, whoever calls: a process, a child of vfork, a thread",
       .needed_by = USERS)
{
	static const unsigned long kinds[] = { SIGCHLD, CLONE_VM | SIGCHLD, CLONE_VM | CLONE_VFORK | SIGCHLD };
	static char stack[THREAD_STACK] __attribute__((aligned(16)));

	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		int status = -1;
		long pid = raw_clone(kinds[i], stack + sizeof(stack), executes_with_other_control, NULL, NULL, NULL, NULL);

		ASSERT_OK(pid);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
	}
	IN_CHILD {
		struct thread t;

		ASSERT_OK(thread_start(&t, executes_with_other_control, NULL));
		for (;;)
			raw_syscall(NR_PPOLL, NULL, 0, NULL, NULL, 0);
	}
}

// Descriptors around each word of a bit map, and the ways to mark them.
static const int places[] = { 31, 32, 33, 62, 63, 64, 65, 95, 96, 127, 128, 191, 192, 255, 256, 257, 319, 320, 511, 512 };

static bool is_marked(unsigned int i, int round)
{
	return (i + round) % 2;
}

AFTER_EXEC(has_what_was_not_marked)
{
	int round = atoi(argv[0]);

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		long flags = raw_syscall(__NR_fcntl, places[i], F_GETFD);

		if (flags != (is_marked(i, round) ? -EBADF : 0))
			return 1 + i;
	}
	return 0;
}

static long mark(int fd, int way)
{
	if (way == 0)
		return raw_syscall(__NR_fcntl, fd, F_SETFD, FD_CLOEXEC);
	if (way == 1)
		return raw_syscall(__NR_ioctl, fd, FIOCLEX, 0);
	return raw_syscall(__NR_dup3, 0, fd, O_CLOEXEC) == fd ? 0 : -EBADF;
}

CLAUSE(every_marked_descriptor_is_closed_and_no_other,
       "execve(2), fcntl(2) F_SETFD, dup3(2), ioctl(2) FIOCLEX: each descriptor marked close-on-exec is closed, "
       "whatever its number and however it was marked, and each other stays open [VFK-3]",
       .needed_by = USERS)
{
	int null = open("/dev/null", O_RDONLY);

	for (int round = 0; round < 2; round++) {
		IN_CHILD {
			ASSERT_EQ(0, dup2(null, 0));
			for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
				ASSERT_RET(places[i], raw_syscall(__NR_dup3, null, places[i], 0));
				if (is_marked(i, round))
					ASSERT_RET(0, mark(places[i], i / 2 % 3));
			}
			execute_self(has_what_was_not_marked, round ? "1" : "0");
			_exit(126);
		}
	}
}

// Field 22 of a stat file: when the task was made, in ticks since boot; -1 if there is none. No libc: for threads too.
static long long start_time(const char *path)
{
	char text[1024], *p;
	long long ticks = 0;

	if (read_text(path, text, sizeof(text)) < 0 || !(p = strrchr(text, ')')))
		return -1;
	for (int field = 2; field < 22; field++)
		if (!(p = strchr(p + 1, ' ')))
			return -1;
	while (*++p >= '0' && *p <= '9')
		ticks = 10 * ticks + *p - '0';
	return ticks;
}

AFTER_EXEC(has_this_start_time)
{
	return start_time("/proc/self/stat") != atoll(argv[0]);
}

static char started[24];
static long long process_started;

static void note_start(void)
{
	process_started = start_time("/proc/self/stat");
	snprintf(started, sizeof(started), "%lld", process_started);
}

static int executes_if_it_is_younger(void *unused)
{
	static char *const words[] = { "osprim", "--after-exec", "has_this_start_time", started, NULL };

	if (start_time("/proc/thread-self/stat") <= process_started)
		return 0;
	raw_syscall(__NR_execve, "/proc/self/exe", words, environ);
	return raw_syscall(__NR_exit_group, 126);
}

CLAUSE(a_process_keeps_its_start_time,
       "proc_pid_stat(5) starttime, fs/exec.c de_thread (5.10, 7.2): the time the process started does not change when "
       "it executes, whichever of its threads does: with the process ID it names one process for ever",
       .needed_by = "jvm:ProcessHandle")
{
	IN_CHILD {
		note_start();
		execute_self(has_this_start_time, started);
		_exit(126);
	}
	IN_CHILD {
		struct __kernel_timespec nap = { .tv_nsec = 10000000 };

		note_start();
		for (;;) {	// a thread executes that started a tick later at least
			struct thread t;

			raw_syscall(NR_PPOLL, NULL, 0, &nap, NULL, 0);
			ASSERT_OK(thread_start(&t, executes_if_it_is_younger, NULL));
			ASSERT_TRUE(thread_join(&t));
		}
	}
}
