// SPDX-License-Identifier: GPL-2.0-only
// The tasks that are traced and the processes they make up.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "liar.h"

#define BUCKETS 256

static struct task *tasks[BUCKETS];

struct task *find_task(pid_t tid)
{
	for (struct task *task = tasks[tid % BUCKETS]; task; task = task->next)
		if (task->tid == tid)
			return task;
	return NULL;
}

bool is_main(const struct task *task)
{
	return task->tid == task->process->tgid;
}

// A number of /proc/<tid>/status, or -1.
long status_field(pid_t tid, const char *field, int base)
{
	char path[64], text[4096], *found;
	ssize_t length = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		length = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	text[length > 0 ? length : 0] = 0;
	found = strstr(text, field);
	return found ? (long)strtoull(found + strlen(field), NULL, base) : -1;
}

bool handler_is_set(pid_t tid, int sig)
{
	long caught = status_field(tid, "\nSigCgt:", 16);

	return caught >> (sig - 1) & 1;
}

static struct process *find_process(pid_t tgid)
{
	for (int i = 0; i < BUCKETS; i++)
		for (struct task *task = tasks[i]; task; task = task->next)
			if (task->process->tgid == tgid)
				return task->process;
	return NULL;
}

// A child has its parent's variables and patched vDSO; counts begin anew.
static struct process *new_process(pid_t tgid, const struct process *parent)
{
	struct process *process = need_memory(sizeof(*process));

	if (parent)
		*process = *parent;
	process->tgid = tgid;
	process->tasks = 0;
	process->depth = parent ? parent->depth + 1 : 0;
	process->counts = need_memory(n_lies * sizeof(*process->counts));
	return process;
}

static void leave_process(struct process *process)
{
	if (!process || --process->tasks)
		return;
	free(process->counts);
	free(process);
}

// Puts the task into its process, with the creator's variables. With no creator known, /proc names the parent.
void adopt(struct task *task, const struct task *creator)
{
	pid_t tgid = status_field(task->tid, "\nTgid:", 10);
	struct process *old = task->process, *process = tgid > 0 ? find_process(tgid) : NULL;

	if (!process || (process == old && process->tasks == 1)) {
		const struct process *parent = creator ? creator->process :
					       find_process(status_field(task->tid, "\nPPid:", 10));

		process = new_process(tgid > 0 ? tgid : task->tid, parent);
	}
	process->tasks++;
	task->process = process;
	if (creator)
		memcpy(task->variables, creator->variables, sizeof(task->variables));
	leave_process(old);
}

struct task *add_task(pid_t tid, const struct task *creator)
{
	struct task *task = need_memory(sizeof(*task));

	task->tid = tid;
	task->counts = need_memory(n_lies * sizeof(*task->counts));
	task->next = tasks[tid % BUCKETS];
	adopt(task, creator);
	tasks[tid % BUCKETS] = task;
	return task;
}

void remove_task(struct task *task)
{
	struct task **link = &tasks[task->tid % BUCKETS];

	while (*link != task)
		link = &(*link)->next;
	*link = task->next;
	forget_wanted(task);
	forget_later(task->tid);
	forget_undo(&task->call);
	leave_process(task->process);
	free(task->counts);
	free(task);
}

// The main thread of the task's process, or any of the others that is not the task itself; NULL if there is none.
struct task *other_task(const struct task *task, enum who who)
{
	if (who == MAIN)
		return find_task(task->process->tgid);
	for (int i = 0; i < BUCKETS; i++)
		for (struct task *other = tasks[i]; other; other = other->next)
			if (other->process == task->process && other != task && !is_main(other))
				return other;
	return NULL;
}

// After an exec the process is this task alone; those it killed may vanish without a word.
void forget_siblings(struct task *task)
{
	for (int i = 0; i < BUCKETS; i++) {
		for (struct task *other = tasks[i], *next; other; other = next) {
			next = other->next;
			if (other->process == task->process && other != task)
				remove_task(other);
		}
	}
}
