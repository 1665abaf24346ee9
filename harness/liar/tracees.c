// SPDX-License-Identifier: GPL-2.0-only
// Tasks that the program traces itself: a task has one tracer, so the liar steps back. Such a task is no longer lied
// to, and calls that other lies are about fail in it with ENOSYS; but lies about its images are told, in the moment
// in which its tracer learns of the exec.
#include <elf.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <unistd.h>

#include "liar.h"

#define MAX_TRACEES 64

static struct { pid_t tid, tracer; int depth; uint64_t told_at; } tracees[MAX_TRACEES];
static int n_tracees;

static bool is_call(const struct moment *m, const char *name)
{
	int number = seccomp_syscall_resolve_name_arch(trace_abis[m->abi].audit, name);

	return number >= 0 && number == m->number;
}

bool is_wait(const struct moment *m)
{
	return is_call(m, "wait4") || is_call(m, "waitid") || is_call(m, "waitpid");
}

static void note(const struct task *task, pid_t tracer)
{
	int slot = n_tracees++ % MAX_TRACEES;

	tracees[slot].tid = task->tid;
	tracees[slot].depth = task->process->depth;
	tracees[slot].tracer = tracer;
	tracees[slot].told_at = 0;
}

int count_tracees(void)
{
	return n_tracees;
}

// The task is stopped: from here on it is its new tracer's. A signal that was about to be delivered still is.
void let_go(struct task *task, int sig)
{
	struct task *tracer = find_task(task->wanted_by);

	ptrace(PTRACE_DETACH, task->tid, 0, sig);
	note(task, tracer ? tracer->process->tgid : task->process->tgid);
	remove_task(task);
	if (tracer && tracer->state == HELD)
		resume(tracer, 0);
}

// A ptrace call on its way in. True if the task that makes it does not go on yet, or is no longer the liar's.
bool begins_to_trace(struct task *task, const struct moment *m)
{
	struct task *target;

	if (!is_call(m, "ptrace"))
		return false;
	if (m->args[0] == PTRACE_TRACEME) {
		note(task, status_field(task->tid, "\nPPid:", 10));
		ptrace(PTRACE_DETACH, task->tid, 0, 0);
		remove_task(task);
		return true;
	}
	target = m->args[0] == PTRACE_ATTACH || m->args[0] == PTRACE_SEIZE ? find_task(m->args[1]) : NULL;
	if (!target || target == task || target->wanted_by)
		return false;
	task->state = HELD;
	target->wanted_by = task->tid;
	if (target->state == HELD)
		let_go(target, target->signal_due);
	else
		ptrace(PTRACE_INTERRUPT, target->tid, 0, 0);
	return true;
}

// A task that dies while it is wanted must not leave the other waiting.
void forget_wanted(const struct task *task)
{
	struct task *tracer = task->wanted_by ? find_task(task->wanted_by) : NULL;

	if (tracer && tracer->state == HELD)
		resume(tracer, 0);
}

// Width of the program that the task runs, as an index of trace_abis; -1 if there is no telling.
static int abi_of_image(pid_t tid)
{
	char path[64], ident[EI_NIDENT] = { 0 };
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/exe", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (read(fd, ident, sizeof(ident)) != sizeof(ident))
		ident[EI_CLASS] = ELFCLASSNONE;
	close(fd);
	for (int i = 0; i < TRACE_ABIS; i++)
		if (trace_abis[i].word == (ident[EI_CLASS] == ELFCLASS64 ? 8 : ident[EI_CLASS] == ELFCLASS32 ? 4 : 0))
			return i;
	return -1;
}

// Where a task stands that is stopped behind its exec; false if it does not. /proc/<tid>/syscall: number, six
// arguments, sp, pc.
static bool stands_behind_exec(pid_t tid, int abi, uint64_t *sp)
{
	char path[64], text[256] = "";
	struct moment m = { .abi = abi };
	unsigned long stack;
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0 || sscanf(text, "%ld %*s %*s %*s %*s %*s %*s %lx", &m.number, &stack) != 2)
		return false;
	*sp = stack;
	return is_call(&m, "execve") || is_call(&m, "execveat");
}

// The tracer has waited: whichever of its tracees has a new image gets the lies about that.
void tell_tracees(struct task *tracer)
{
	for (int i = 0; i < n_tracees && i < MAX_TRACEES; i++) {
		struct process process = *tracer->process;
		struct task tracee = { .tid = tracees[i].tid, .process = &process };
		int abi = tracees[i].tracer == tracer->process->tgid ? abi_of_image(tracee.tid) : -1;
		struct moment m = { .task = &tracee, .abi = abi, .number = -1, .has_regs = true };
		uint64_t sp;

		if (abi < 0 || !stands_behind_exec(tracee.tid, abi, &sp) || sp == tracees[i].told_at)
			continue;
		tracees[i].told_at = sp;
		process.tgid = tracees[i].tid;
		process.depth = tracees[i].depth;
		trace_reg_set(tracee.tid, &m.regs, trace_reg_index("sp"), sp);
		lie_about_image(&m);
	}
}
