// SPDX-License-Identifier: GPL-2.0-only
// Whether a lie is due at a moment, and the telling of it.
#include <stdlib.h>
#include <string.h>

#include "liar.h"

void load_regs(struct moment *m)
{
	if (!m->has_regs && trace_load(m->task->tid, &m->regs))
		m->fault = true;
	m->has_regs = true;
}

static bool holds(const struct expr *condition, struct moment *m)
{
	bool held;

	if (!condition)
		return true;
	m->fault = false;
	held = evaluate(condition, m) && !m->fault;
	m->fault = false;
	return held;
}

static bool is_concerned(const struct lie *lie, const struct moment *m)
{
	int depth = m->task->process->depth;

	if (!m->task->process->begun || !(lie->abis & 1u << m->abi) || depth < lie->depth_from || depth > lie->depth_to)
		return false;
	return lie->who == ANY || (lie->who == MAIN) == is_main(m->task);
}

bool is_wanted(const struct lie *lie, struct moment *m)
{
	return is_concerned(lie, m) && holds(lie->when, m);
}

bool is_counted(struct lie *lie, struct moment *m)
{
	unsigned long *counter = &lie->run_count, n;

	if (lie->count == PER_PROCESS)
		counter = &m->task->process->counts[lie - lies];
	if (lie->count == PER_THREAD)
		counter = &m->task->counts[lie - lies];
	n = ++*counter;
	m->count = n;
	m->count_matters |= lie->nth || lie->from > 1 || lie->until || lie->every > 1;
	lie->matched++;
	return (!lie->nth || n == lie->nth) && n >= lie->from && (!lie->until || n <= lie->until) &&
	       n % lie->every == 0;
}

bool is_due(struct lie *lie, struct moment *m)
{
	return is_wanted(lie, m) && is_counted(lie, m);
}

bool make_edits(struct lie *lie, struct moment *m, enum when when)
{
	bool any = false;

	m->fault = false;
	for (int i = 0; i < lie->n_edits && !m->fault; i++) {
		if (lie->edits[i].when == when) {
			assign(&lie->edits[i], m);
			any = true;
		}
	}
	return any && !m->fault;
}

void count_telling(struct lie *lie, struct moment *m, bool told)
{
	if (m->fault)
		lie->failed++;
	else if (told)
		lie->told++;
	whisper("%s: %s in task %d at depth %d: call %ld (%#lx, %#lx, %#lx, %#lx, %#lx, %#lx) result %ld signal %d\n",
		lie->id, m->fault ? "could not be told" : "told", m->task->tid, m->task->process->depth, m->number,
		(long)m->args[0], (long)m->args[1], (long)m->args[2], (long)m->args[3], (long)m->args[4],
		(long)m->args[5], (long)m->result, m->info.si_signo);
	m->fault = false;
	lie_was_told(lie);
}

void commit(struct moment *m)
{
	pid_t tid = m->task->tid;

	if (m->args_changed || m->result_changed) {
		load_regs(m);
		if (m->args_changed)
			trace_set_call(&m->regs, &trace_abis[m->abi], m->number, m->args);
		if (m->result_changed)
			trace_set_result(&m->regs, &trace_abis[m->abi], m->result);
		m->regs_changed = true;
	}
	if (m->regs_changed)
		trace_store(tid, &m->regs);
	if (m->info_changed)
		ptrace(PTRACE_SETSIGINFO, tid, 0, &m->info);
	if (m->sigmask_changed)
		ptrace(PTRACE_SETSIGMASK, tid, sizeof(m->sigmask), &m->sigmask);
}
