// SPDX-License-Identifier: GPL-2.0-only
// A job's nanny: starts the program, waits for it, and leaves nothing of it behind, whoever dies first.
#include "executor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// For kernels without close_range: one close() for each number that there may be takes a second under an emulator.
static bool close_listed(int from)
{
	char entries[2048] __attribute__((aligned(8)));
	int list = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	if (list < 0)
		return false;
	while ((n = syscall(SYS_getdents64, list, entries, sizeof(entries))) > 0) {
		for (long at = 0; at < n; at += ((struct listed *)(entries + at))->size) {
			const char *name = ((struct listed *)(entries + at))->name;

			if (*name != '.' && atoi(name) >= from && atoi(name) != list)
				close(atoi(name));
		}
	}
	close(list);
	return true;
}

void close_from(int fd)
{
#ifdef SYS_close_range
	if (!syscall(SYS_close_range, fd, ~0U, 0))
		return;
#endif
	if (close_listed(fd))
		return;
	while (fd < 1024)
		close(fd++);
}

long cleanup_ms(void)
{
	return plan.patience ? 2000 : 5000L * plan.slow;
}

// Waits for the death of a child or a word from the executor; false if there was none in that time.
static bool wait_for_news(int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000L };
	sigset_t news;

	sigemptyset(&news);
	sigaddset(&news, SIGCHLD);
	sigaddset(&news, SIGTERM);
	if (sigtimedwait(&news, NULL, &time) > 0)
		return true;
	if (errno != EAGAIN && errno != EINTR)
		poll(NULL, 0, 1);	// a kernel without the call must not make this a busy loop
	return false;
}

// Waits for what has died; false once there is no child left.
static bool reap(struct board *board)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
		// A program may have made its parent its tracer: a stop is no end.
		if (pid == board->program && !WIFSTOPPED(status)) {
			board->status = status;
			board->has_ended = true;
		}
	}
	return pid == 0;
}

static void wait_for_program(struct board *board, pid_t executor)
{
	long killed = -1;

	for (reap(board); !board->has_ended; reap(board)) {
		if (killed < 0 && (board->command || getppid() != executor)) {
			board->command_seen = true;
			kill(board->program, SIGKILL);
			killed = now_ms();
		}
		if (killed >= 0 && now_ms() - killed > cleanup_ms())
			return;
		wait_for_news(250);
	}
}

// Kills all descendants; looks again while some are left, at first soon, later rarely.
static void end_kin(struct board *board)
{
	long until = now_ms() + cleanup_ms(), pause = 2;
	struct kin kin = { 0 };

	while (reap(board)) {
		long looked = now_ms();

		if (looked > until) {
			board->unkillable = kin.present;
			return;
		}
		kin = kin_kill(NULL, 0, 0);
		board->left += kin.killed;
		while (wait_for_news(pause) && reap(board) && now_ms() - looked < 10)
			;
		pause = pause < 50 ? pause * 2 : 50;
	}
}

static void note_times(struct board *board)
{
	struct rusage used;

	if (getrusage(RUSAGE_CHILDREN, &used))
		return;
	board->user_ms = used.ru_utime.tv_sec * 1000L + used.ru_utime.tv_usec / 1000;
	board->sys_ms = used.ru_stime.tv_sec * 1000L + used.ru_stime.tv_usec / 1000;
}

static void run_program(const struct job *job, struct board *board, pid_t executor)
{
	char directory[PATH_SIZE];
	pid_t program;

	board->error = scratch_make(getpid(), job->user);
	if (board->error)
		return;
	scratch_path(directory, getpid());
	program = fork();
	if (program == 0)
		program_exec(job, board, directory);
	if (program < 0) {
		board->error = errno;
		return;
	}
	board->program = program;	// not what fork() returned in the child, which shares the board
	wait_for_program(board, executor);
	end_kin(board);
}

void nanny_run(const struct job *job, struct board *board, pid_t executor, int output)
{
	prctl(PR_SET_NAME, "osprim-nanny", 0, 0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	// The executor's standard output must not stay open here, or its reader would not see it end.
	dup2(output, 1);
	dup2(output, 2);
	close_from(3);
	if (getppid() == executor) {	// else it died before it could be asked for a signal, and nothing has begun
		run_program(job, board, executor);
		saved_put_back(board);
		board->scratch_error = scratch_remove(getpid());
		note_times(board);
		board->is_done = true;
	}
	_exit(0);
}
