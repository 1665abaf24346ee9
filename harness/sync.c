// SPDX-License-Identifier: GPL-2.0-only
// Polling with patience; the state of tasks as /proc tells it. Raw system calls only: callable from raw threads.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "need.h"
#include "sync.h"
#include "sys.h"

#define PATIENCE_S 5
#define ENOUGH_POLLS 1000
#define YIELDS 100
#define YIELDING_NS 2000000

long long monotonic_ns(void)
{
	struct __kernel_timespec now = { 0 };

	raw_syscall(NR_CLOCK_GETTIME, 1 /* CLOCK_MONOTONIC */, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

bool wait_a_little(struct wait_until_state *state)
{
	struct __kernel_timespec nap = { 0, state->polls < 10 * YIELDS ? 50000 : 1000000 };
	long long now = monotonic_ns();

	if (!state->started_ns)
		state->started_ns = now;
	// Where one poll takes long, a hundred in a row would keep from the CPU what is waited for.
	if (state->polls++ < YIELDS && now - state->started_ns < YIELDING_NS) {
		raw_syscall(__NR_sched_yield);
		return true;
	}
	if (now - state->started_ns > within_patience(PATIENCE_S * slowness()) * 1000000000LL && state->polls > ENOUGH_POLLS)
		return false;
	raw_syscall(NR_CLOCK_NANOSLEEP, 1 /* CLOCK_MONOTONIC */, 0, &nap, NULL);
	return true;
}

long read_text(const char *path, char *text, unsigned long size)
{
	long fd = raw_syscall(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	unsigned long length = 0;
	long n;

	if (is_error(fd))
		return fd;
	while ((n = raw_syscall(__NR_read, fd, text + length, size - 1 - length)) > 0)
		length += n;
	raw_syscall(__NR_close, fd);
	text[length] = 0;
	return is_error(n) ? n : (long)length;
}

static void task_path(char path[64], int tid, const char *file)
{
	snprintf(path, 64, "/proc/%d/%s", tid, file);
}

char task_state(int tid)
{
	char path[64], stat[512], *end;

	task_path(path, tid, "stat");
	if (read_text(path, stat, sizeof(stat)) <= 0)
		return 0;
	end = strrchr(stat, ')');	// the command may hold anything, ") S" included
	if (!end || !end[1])
		return 0;
	return end[2] == 't' ? 'T' : end[2];	// stopped, whether by a signal or by whoever traces this run
}

static bool is_in_call(int tid, long nr, long other)
{
	char path[64], text[256];
	long length, seen;

	task_path(path, tid, "syscall");
	length = read_text(path, text, sizeof(text));
	if (length < 0)
		return true;	// gVisor and kernels without CONFIG_HAVE_ARCH_TRACEHOOK have no such file
	if (text[0] != '-' && (text[0] < '0' || text[0] > '9'))
		return false;	// "running"
	seen = strtol(text, NULL, 10);
	return seen == nr || seen == other;
}

bool is_blocked_in(int tid, long nr)
{
	char state = task_state(tid);

	return (state == 'S' || state == 'D') && is_in_call(tid, nr, nr);
}

bool is_asleep_in_either(int tid, long nr, long other)
{
	return task_state(tid) == 'S' && is_in_call(tid, nr, other);
}

bool wait_until_blocked_in(int tid, long nr)
{
	return wait_until(is_blocked_in(tid, nr));
}
