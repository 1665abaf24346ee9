// SPDX-License-Identifier: GPL-2.0-only
// Lies about signals, from delivery to the handler's first instruction, and about tasks that start.
#include <string.h>

#include "liar.h"

// What a signal will do: lies may drop it, replace it, or have their edits made once its handler has begun.
struct delivery {
	int sig;
	const struct delay *hold;
};

static void move_signal(struct lie *lie, struct moment *m, struct delivery *d)
{
	struct task *target = other_task(m->task, lie->redirect);

	if (!target || target == m->task) {
		m->fault = true;
		return;
	}
	send_as(target->process->tgid, target->tid, d->sig, &m->info);
	d->sig = 0;
}

static void change_delivery(struct lie *lie, struct moment *m, struct delivery *d)
{
	struct task *task = m->task;
	bool told = make_edits(lie, m, BEFORE) || !lie_has_edits(lie, ENTRY);

	if (lie->duplicate)
		for (int64_t n = evaluate(lie->duplicate, m); n > 0 && !m->fault; n--)
			send_as(task->process->tgid, task->tid, d->sig, &m->info);
	if (lie->redirect != ANY)
		move_signal(lie, m, d);
	if (lie->later.ms >= 0) {
		later(SEND, task, lie->later, d->sig, &m->info);
		d->sig = 0;
	}
	if (lie->deliver) {
		d->sig = evaluate(lie->deliver, m);
		m->info.si_signo = d->sig;
		m->info_changed = true;
	}
	if (lie->hold.ms >= 0)
		d->hold = &lie->hold;
	if (lie_has_edits(lie, ENTRY) && task->n_entry < MAX_ACTIVE)
		task->entry[task->n_entry++] = lie;
	if (told || m->fault)
		count_telling(lie, m, told);
}

void signal_arrives(struct task *task, int sig)
{
	struct moment m = { .task = task, .number = -1 };
	struct delivery d = { .sig = sig };
	siginfo_t real;

	task->n_entry = task->stops_at_entry = 0;
	if (ptrace(PTRACE_GETSIGINFO, task->tid, 0, &m.info)) {
		resume(task, sig);
		return;
	}
	if (take_sent(&m.info, &real)) {
		ptrace(PTRACE_SETSIGINFO, task->tid, 0, &real);
		resume(task, sig);
		return;
	}
	if (any_lie_on(ON_SIGNAL)) {
		load_regs(&m);
		m.abi = trace_abi_in_user_mode(&m.regs);
	}
	for (struct lie *lie = lies; lie < lies + n_lies && d.sig; lie++)
		if (lie->trigger == ON_SIGNAL && lie->signals >> (sig - 1) & 1 && is_due(lie, &m))
			change_delivery(lie, &m, &d);
	commit(&m);
	if (task->n_entry || task->again.active)
		task->stops_at_entry = d.sig && handler_is_set(task->tid, d.sig);
	if (!task->stops_at_entry)
		task->n_entry = 0;
	task->entry_signal = d.sig;
	if (d.hold)
		hold(task, *d.hold, d.sig);
	else
		resume(task, d.sig);
}

// A call that this handler interrupted is made again only if the context it returns to is in front of the call.
static void learn_of_restart(struct moment *m)
{
	struct call *again = &m->task->again;
	uint64_t pc = 0;

	if (!again->active || !m->frame_uc)
		return;
	if (!read_memory(m->task->tid, m->frame_uc + trace_context_pc(&m->regs), &pc, trace_abis[m->abi].word))
		again->active = pc != again->pc;
}

// The stop that PTRACE_SINGLESTEP gives once the frame is built. False if the task stopped for another reason.
bool handler_begins(struct task *task)
{
	struct moment m = { .task = task, .number = -1 };
	siginfo_t stop;

	if (ptrace(PTRACE_GETSIGINFO, task->tid, 0, &stop) || stop.si_code <= 0)
		return false;
	if (stop.si_code == SIGTRAP) {
		m.info.si_signo = task->entry_signal;
		load_regs(&m);
		m.abi = trace_abi_in_user_mode(&m.regs);
		trace_handler_frame(&m.regs, &m.frame_info, &m.frame_uc);
		learn_of_restart(&m);
		for (int i = 0; i < task->n_entry; i++) {
			bool told = make_edits(task->entry[i], &m, ENTRY);

			if (!lie_has_edits(task->entry[i], BEFORE) || m.fault)
				count_telling(task->entry[i], &m, told);
		}
		commit(&m);
	}
	task->n_entry = task->stops_at_entry = 0;
	resume(task, 0);
	return true;
}

// The program's own view of what its creator had asked for, where a lie had changed it.
static void put_child_right(struct task *task, const struct task *creator)
{
	struct moment m = { .task = task };

	if (!creator || !creator->call.active)
		return;
	put_back(task->tid, creator->call.undo);
	if (!creator->call.edited)
		return;
	m.abi = creator->call.abi;
	load_regs(&m);
	trace_set_call(&m.regs, &trace_abis[m.abi], creator->call.number, creator->call.args);
	trace_store(task->tid, &m.regs);
}

void task_starts(struct task *task, const struct task *creator)
{
	struct moment m = { .task = task, .number = -1 };
	const struct delay *wait = NULL;

	task->state = RUNNING;
	put_child_right(task, creator);
	if (any_lie_on(ON_START)) {
		load_regs(&m);
		m.abi = trace_abi_in_user_mode(&m.regs);
	}
	for (struct lie *lie = lies; lie < lies + n_lies; lie++) {
		if (lie->trigger != ON_START || !(is_main(task) ? lie->processes_start : lie->threads_start) ||
		    !is_due(lie, &m))
			continue;
		if (lie->hold.ms >= 0)
			wait = &lie->hold;
		count_telling(lie, &m, make_edits(lie, &m, BEFORE) || wait);
	}
	commit(&m);
	if (task->first_stop != SIGTRAP)
		ptrace(PTRACE_LISTEN, task->tid, 0, 0);
	else if (wait)
		hold(task, *wait, 0);
	else
		resume(task, 0);
}
