// SPDX-License-Identifier: GPL-2.0-only
// The loop that takes each stop of each task and lets it go on; what happens at a stop is elsewhere.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "liar.h"

#define PARK_MS 50		// for a creator that was killed before it could tell of its child

bool every_call;

void resume(struct task *task, int sig)
{
	task->state = RUNNING;
	task->signal_due = 0;
	if (task->stops_at_entry && sig)
		ptrace(PTRACE_SINGLESTEP, task->tid, 0, sig);
	else if (task->call.active || every_call)
		ptrace(PTRACE_SYSCALL, task->tid, 0, sig);
	else
		ptrace(PTRACE_CONT, task->tid, 0, sig);
}

void hold(struct task *task, struct delay delay, int sig)
{
	task->state = HELD;
	task->signal_due = sig;
	later(RESUME, task, delay, 0, NULL);
}

static void park(pid_t tid, int status)
{
	struct task *task = add_task(tid, NULL);

	task->state = PARKED;
	task->first_stop = WSTOPSIG(status);
	later(UNPARK, task, (struct delay){ .ms = PARK_MS }, 0, NULL);
}

// The child has begun, or is about to: it is traced from its birth and stops before its first instruction.
static void child_made(struct task *creator)
{
	unsigned long tid;
	struct task *child;
	int status;

	if (ptrace(PTRACE_GETEVENTMSG, creator->tid, 0, &tid))
		return;
	child = find_task(tid);
	if (child && child->state == PARKED) {
		adopt(child, creator);
	} else if (!child && waitpid(tid, &status, __WALL) == (pid_t)tid && WIFSTOPPED(status)) {
		child = add_task(tid, creator);
		child->first_stop = WSTOPSIG(status);
	}
	resume(creator, 0);	// first, as without a tracer: a child does not run before its creator for being stopped
	if (child)
		task_starts(child, creator);
}

// Whichever thread called exec is now the first one, under its tid.
static void image_replaced(struct task *task)
{
	forget_siblings(task);
	forget_later(task->tid);
	forget_undo(&task->call);
	task->call.active = task->again.active = false;
	task->n_entry = task->stops_at_entry = 0;
	image_starts(task);
}

static void system_call_stop(struct task *task)
{
	struct __ptrace_syscall_info seen;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, task->tid, sizeof(seen), &seen) <= 0)
		return;
	if (seen.op == PTRACE_SYSCALL_INFO_EXIT)
		call_ends(task);
	else
		call_begins(task);
}

static void stopped(pid_t tid, int status)
{
	struct task *task = find_task(tid);
	int sig = WSTOPSIG(status);

	if (!task) {
		park(tid, status);
		return;
	}
	if (task->wanted_by) {
		let_go(task, status >> 16 || sig == (SIGTRAP | 0x80) ? 0 : sig);
		return;
	}
	switch (status >> 16) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		child_made(task);
		return;
	case PTRACE_EVENT_EXEC:
		image_replaced(task);
		return;
	case PTRACE_EVENT_SECCOMP:
		call_begins(task);
		return;
	case PTRACE_EVENT_STOP:
		if (sig != SIGTRAP)
			ptrace(PTRACE_LISTEN, tid, 0, 0);	// stopped as the program wants it, until SIGCONT
		else
			resume(task, 0);
		return;
	}
	if (sig == (SIGTRAP | 0x80))
		system_call_stop(task);
	else if (!(sig == SIGTRAP && task->stops_at_entry && handler_begins(task)))
		signal_arrives(task, sig);
}

// Waits for a child's change or for the time at which something is due; ends the liar, reported, when it is told to.
static void wait_for_something(const sigset_t *signals)
{
	int64_t left = time_until_due();
	struct timespec timeout = { left / 1000000000, left % 1000000000 };
	int sig = left < 0 ? sigwaitinfo(signals, NULL) : sigtimedwait(signals, NULL, &timeout);

	if (sig > 0 && sig != SIGCHLD) {
		report();
		give_up("ended by %s", strsignal(sig));	// and the kernel ends the tasks
	}
}

// Follows the program to its end; returns its wait status. What it leaves running is killed when the liar exits.
int run(pid_t child)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	add_task(child, NULL);
	for (;;) {
		int status;
		pid_t tid = waitpid(-1, &status, __WALL | WNOHANG);

		if (tid < 0 && errno != EINTR)
			give_up("waitpid: %s", strerror(errno));
		if (tid > 0 && WIFSTOPPED(status)) {
			stopped(tid, status);
		} else if (tid > 0) {
			struct task *task = find_task(tid);

			if (task)
				remove_task(task);
			if (tid == child)
				return status;
		}
		do_what_is_due();
		if (tid == 0)
			wait_for_something(&signals);
	}
}
