// SPDX-License-Identifier: GPL-2.0-only
// Lies about system calls: on the way in, on the way out.
#include <errno.h>
#include <seccomp.h>
#include <string.h>

#include "liar.h"

// What a call returns inside the kernel when a signal is to decide whether it is made again.
static bool is_restart(int64_t result)
{
	return result == -512 || result == -513 || result == -514 || result == -516;
}

static int find_abi(uint32_t audit)
{
	for (int i = 0; i < TRACE_ABIS; i++)
		if (trace_abis[i].audit == audit)
			return i;
	return -1;
}

static bool names_call(const struct lie *lie, int abi, long number)
{
	if (lie->trigger != ON_CALL || lie->answer)
		return false;
	for (const int *n = lie->number[abi]; *n >= 0; n++)
		if (*n == number)
			return true;
	return false;
}

// With a condition on the result and nothing to do before, it is the result that counts.
static bool is_counted_on_return(const struct lie *lie)
{
	return lie->if_ && !lie->return_ && !lie->converts && !lie_has_edits(lie, BEFORE);
}

static bool acts_on_return(const struct lie *lie)
{
	return lie_has_edits(lie, AFTER) || lie->if_ || lie->hold_return.ms >= 0 || lie->interrupt.ms >= 0;
}

static bool is_listed(const struct call *call, const struct lie *lie)
{
	for (int i = 0; i < call->n_lies; i++)
		if (call->lies[i] == lie)
			return true;
	return false;
}

static void list(struct call *call, struct lie *lie)
{
	if (call->n_lies == MAX_ACTIVE)
		give_up("more than %d lies concern one system call", MAX_ACTIVE);
	call->lies[call->n_lies++] = lie;
}

// Collects what is due now. A call that the kernel makes again after a signal is the same call: nothing counts twice.
static void find_lies(struct moment *m, struct call *call, bool is_retry, const struct call *again)
{
	for (struct lie *lie = lies; lie < lies + n_lies; lie++) {
		if (!names_call(lie, m->abi, m->number))
			continue;
		if (is_retry ? is_listed(again, lie) :
		    is_counted_on_return(lie) ? is_wanted(lie, m) : is_due(lie, m))
			list(call, lie);
	}
}

// Does what the lies do before the call; true when one of them replaces it.
static bool change_call(struct moment *m, const struct call *call)
{
	bool skipped = false;

	for (int i = 0; i < call->n_lies; i++) {
		struct lie *lie = call->lies[i];
		bool told = make_edits(lie, m, BEFORE);

		if (lie->converts && lie->to_number[m->abi] >= 0) {
			m->number = lie->to_number[m->abi];
			m->args_changed = told = true;
		}
		if (lie->return_) {
			m->result = evaluate(lie->return_, m);
			m->number = -1;
			m->args_changed = m->result_changed = skipped = told = true;
		}
		if (lie->hold.ms >= 0 || lie->interrupt.ms >= 0 || !acts_on_return(lie))
			told = true;	// a lie without any action marks an event for others to wait for
		if (told || m->fault)
			count_telling(lie, m, told);
	}
	return skipped;
}

static void start_delays(struct task *task, const struct call *call)
{
	for (int i = 0; i < call->n_lies; i++) {
		if (call->lies[i]->interrupt.ms >= 0)
			later(INTERRUPT, task, call->lies[i]->interrupt, 0, NULL);
		if (call->lies[i]->hold.ms >= 0) {
			hold(task, call->lies[i]->hold, 0);
			return;
		}
	}
	resume(task, 0);
}

static bool is_same_call(const struct call *a, const struct moment *m, uint64_t pc, uint64_t sp, bool by_restart)
{
	return a->active && a->pc == pc && a->sp == sp && a->abi == m->abi && (by_restart || a->number == m->number);
}

static void begin(struct task *task, struct moment *m, const struct __ptrace_syscall_info *seen)
{
	struct call call = { .abi = m->abi, .number = m->number,
			     .pc = seen->instruction_pointer, .sp = seen->stack_pointer };
	uint32_t token = trace_abis[m->abi].audit;
	bool by_restart = m->number == seccomp_syscall_resolve_name_arch(token, "restart_syscall");
	bool is_retry = is_same_call(&task->again, m, call.pc, call.sp, by_restart);
	bool skipped;

	if (by_restart) {
		// The kernel goes on with what it was made to do: only the way out is left to lie about.
		if (is_retry)
			call = task->again;
		call.edited = call.interrupted = task->again.active = false;
		task->call = call;
		start_delays(task, &call);
		return;
	}
	memcpy(call.args, m->args, sizeof(call.args));
	find_lies(m, &call, is_retry, &task->again);
	if (is_retry)
		task->again.active = false;
	forget_undo(&task->call);
	task->call = call;
	skipped = change_call(m, &call);
	if (skipped)
		memcpy(m->args, call.args, sizeof(call.args));	// nobody will put them back
	commit(m);
	task->call.edited = m->args_changed;
	task->call.active = !skipped && (m->args_changed || task->call.undo || m->count_matters);
	for (int i = 0; i < call.n_lies && !skipped; i++)
		task->call.active |= acts_on_return(call.lies[i]);
	if (any_lie_on(ON_EXEC) && is_wait(m))
		task->call.active = true;	// who waits may have a tracee by the time it returns
	if (!skipped && begins_to_trace(task, m))
		return;
	start_delays(task, &call);
}

void call_begins(struct task *task)
{
	struct __ptrace_syscall_info seen;
	struct moment m = { .task = task };

	if (ptrace(PTRACE_GET_SYSCALL_INFO, task->tid, sizeof(seen), &seen) <= 0)
		return;		// killed meanwhile
	if (task->call.active) {
		task->call.active = false;	// its exit never came: the thread was made to go elsewhere
		forget_undo(&task->call);
	}
	m.abi = find_abi(seen.arch);
	if (m.abi < 0) {
		resume(task, 0);
		return;
	}
	m.number = seen.op == PTRACE_SYSCALL_INFO_SECCOMP ? seen.seccomp.nr : seen.entry.nr;
	for (int i = 0; i < 6; i++)
		m.args[i] = seen.op == PTRACE_SYSCALL_INFO_SECCOMP ? seen.seccomp.args[i] : seen.entry.args[i];
	if (seen.op == PTRACE_SYSCALL_INFO_SECCOMP && seen.seccomp.ret_data != FILTER_COOKIE) {
		// The program's own filter asks for a tracer; as far as the program may know there is none.
		load_regs(&m);
		trace_set_call(&m.regs, &trace_abis[m.abi], -1, m.args);
		trace_set_result(&m.regs, &trace_abis[m.abi], -ENOSYS);
		trace_store(task->tid, &m.regs);
		resume(task, 0);
		return;
	}
	begin(task, &m, &seen);
}

// Returns how long the call is to come back late, or NULL.
static const struct delay *change_return(struct moment *m, struct call *call, bool is_final)
{
	const struct delay *late = NULL;

	for (int i = 0; i < call->n_lies; i++) {
		struct lie *lie = call->lies[i];
		bool had_told = lie_has_edits(lie, BEFORE) || lie->converts || lie->interrupt.ms >= 0 ||
				lie->hold.ms >= 0;
		bool told;

		if (!acts_on_return(lie))
			continue;
		m->fault = false;
		if (lie->if_ ? !evaluate(lie->if_, m) || m->fault : !is_final)
			continue;
		if (is_counted_on_return(lie) && !is_counted(lie, m))
			continue;
		told = make_edits(lie, m, AFTER) || !lie_has_edits(lie, AFTER);
		if (!had_told || m->fault)
			count_telling(lie, m, told);
		if (lie->hold_return.ms >= 0)
			late = &lie->hold_return;
	}
	m->fault = false;
	return late;
}

// The program must find its arguments as it left them, and a restart must begin from them.
static void put_call_back(struct moment *m, struct call *call)
{
	put_back(m->task->tid, call->undo);
	forget_undo(call);
	if (!call->edited)
		return;
	load_regs(m);
	m->args_changed = true;
	m->number = call->number;
	memcpy(m->args, call->args, sizeof(m->args));
}

void call_ends(struct task *task)
{
	struct __ptrace_syscall_info seen;
	struct moment m = { .task = task, .abi = task->call.abi, .number = task->call.number };
	struct call *call = &task->call;
	const struct delay *late;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, task->tid, sizeof(seen), &seen) <= 0)
		return;
	if (!call->active) {
		resume(task, 0);
		return;
	}
	memcpy(m.args, call->args, sizeof(m.args));
	m.result = seen.exit.rval;
	late = change_return(&m, call, call->interrupted || !is_restart(m.result));
	put_call_back(&m, call);
	commit(&m);
	if (any_lie_on(ON_EXEC) && is_wait(&m))
		tell_tracees(task);
	call->active = false;
	if (is_restart(m.result)) {
		task->again = *call;
		task->again.active = true;
	}
	if (late)
		hold(task, *late, 0);
	else
		resume(task, 0);
}
