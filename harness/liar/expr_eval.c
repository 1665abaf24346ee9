// SPDX-License-Identifier: GPL-2.0-only
// Expressions of the lies file: what they are worth at a moment, and assignments to what they name.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "liar.h"

#define MAX_BYTES 65536

int64_t run_variables[VARIABLES];

// siginfo_t in the liar's own layout: the kernel translates it for tasks of another ABI.
static const struct { const char *name; size_t offset, size; } siginfo_fields[] = {
#define FIELD(field) { #field, offsetof(siginfo_t, field), sizeof(((siginfo_t *)0)->field) }
	FIELD(si_signo), FIELD(si_errno), FIELD(si_code), FIELD(si_pid), FIELD(si_uid), FIELD(si_status),
	FIELD(si_utime), FIELD(si_stime), FIELD(si_int), FIELD(si_ptr), FIELD(si_overrun), FIELD(si_timerid),
	FIELD(si_addr), FIELD(si_addr_lsb), FIELD(si_lower), FIELD(si_upper), FIELD(si_pkey), FIELD(si_band),
	FIELD(si_fd), FIELD(si_call_addr), FIELD(si_syscall), FIELD(si_arch),
};

int find_siginfo_field(const char *name)
{
	for (size_t i = 0; i < sizeof(siginfo_fields) / sizeof(siginfo_fields[0]); i++)
		if (!strcmp(siginfo_fields[i].name, name))
			return i;
	return -1;
}

static unsigned int word_size(const struct moment *m)
{
	return trace_abis[m->abi].word;
}

// Of a 32-bit task too, whatever an addition or a negative offset made of it.
static uint64_t address_of(const struct expr *e, struct moment *m)
{
	uint64_t address = evaluate(e, m);

	return word_size(m) == 4 ? (uint32_t)address : address;
}

static int64_t widen(uint64_t value, unsigned int size, bool is_signed)
{
	unsigned int unused = 64 - 8 * size;

	return is_signed ? (int64_t)(value << unused) >> unused : (int64_t)(value << unused >> unused);
}

static int64_t siginfo_value(const struct moment *m, int index)
{
	uint64_t value = 0;

	memcpy(&value, (const char *)&m->info + siginfo_fields[index].offset, siginfo_fields[index].size);
	return widen(value, siginfo_fields[index].size, true);
}

static uint64_t *sigmask_of(struct moment *m)
{
	if (!m->has_sigmask && ptrace(PTRACE_GETSIGMASK, m->task->tid, sizeof(m->sigmask), &m->sigmask))
		m->fault = true;
	m->has_sigmask = true;
	return &m->sigmask;
}

static bool is_in_stub(struct moment *m)
{
	const struct process *process = m->task->process;
	int64_t pc;

	load_regs(m);
	trace_reg_get(m->task->tid, &m->regs, trace_reg_index("pc"), &pc);
	for (int i = 0; i < process->n_stubs; i++)
		if ((uint64_t)pc >= process->stubs[i].from && (uint64_t)pc <= process->stubs[i].to)
			return true;
	return false;
}

static int64_t name_value(const struct expr *e, struct moment *m)
{
	switch ((enum name)e->which) {
	case ARG:		return m->args[e->index];
	case INT:		return (int32_t)m->args[e->index];
	case RESULT:		return m->result;
	case CALL_NUMBER:	return m->number;
	case TID:		return m->task->tid;
	case TGID:		return m->task->process->tgid;
	case IS_MAIN:		return is_main(m->task);
	case DEPTH:		return m->task->process->depth;
	case WORD_SIZE:		return word_size(m);
	case SIGNAL:		return m->info.si_signo;
	case COUNT:		return m->count;
	case IN_VDSO:		return is_in_stub(m);
	case INFO:		return m->frame_info;
	case UCONTEXT:		return m->frame_uc;
	case SIGMASK:		return *sigmask_of(m);
	case TASK_VARIABLE:	return m->task->variables[e->index];
	case PROCESS_VARIABLE:	return m->task->process->variables[e->index];
	case RUN_VARIABLE:	return run_variables[e->index];
	case SIGINFO_FIELD:	return siginfo_value(m, e->index);
	}
	return 0;
}

static int64_t register_value(const struct expr *e, struct moment *m)
{
	int64_t value = 0;

	load_regs(m);
	if (trace_reg_get(m->task->tid, &m->regs, e->which, &value))
		m->fault = true;
	return value;
}

static int64_t memory_value(const struct expr *e, struct moment *m)
{
	unsigned int size = e->size ?: word_size(m);
	uint64_t value = 0, address = address_of(e->a, m);

	if (m->fault || read_memory(m->task->tid, address, &value, size))
		m->fault = true;
	return widen(value, size, e->is_signed);
}

// str[address]=='pattern': a pattern of fnmatch(3).
static bool string_matches(const struct expr *string, const char *pattern, struct moment *m)
{
	char text[PATH_MAX];

	if (read_string(m->task->tid, address_of(string->a, m), text, sizeof(text)) < 0) {
		m->fault = true;
		return false;
	}
	return !fnmatch(pattern, text, 0);
}

static int64_t binary_value(const struct expr *e, struct moment *m)
{
	int64_t a, b;

	if (e->a->kind == STRING && e->b->kind == TEXT)
		return string_matches(e->a, e->b->text, m) == (e->which == TWO('=', '='));
	a = evaluate(e->a, m);
	if (e->which == TWO('&', '&'))
		return a && !m->fault && evaluate(e->b, m);
	if (e->which == TWO('|', '|'))
		return (a && !m->fault) || evaluate(e->b, m);
	b = evaluate(e->b, m);
	switch (e->which) {
	case TWO('=', '='):	return a == b;
	case TWO('!', '='):	return a != b;
	case TWO('<', '='):	return a <= b;
	case TWO('>', '='):	return a >= b;
	case TWO('<', '<'):	return (uint64_t)a << (b & 63);
	case TWO('>', '>'):	return (uint64_t)a >> (b & 63);
	case '<':		return a < b;
	case '>':		return a > b;
	case '|':		return a | b;
	case '^':		return a ^ b;
	case '&':		return a & b;
	case '+':		return (uint64_t)a + b;
	case '-':		return (uint64_t)a - b;
	case '*':		return (uint64_t)a * b;
	}
	if (b == 0 || (b == -1 && a == INT64_MIN)) {
		m->fault = true;
		return 0;
	}
	return e->which == '/' ? a / b : a % b;
}

int64_t evaluate(const struct expr *e, struct moment *m)
{
	int64_t value = 0;
	uint64_t entry;

	switch (e->kind) {
	case NUMBER:	return e->value;
	case NAME:	return name_value(e, m);
	case REGISTER:	return register_value(e, m);
	case MEMORY:	return memory_value(e, m);
	case BINARY:	return binary_value(e, m);
	case UNARY:
		value = evaluate(e->a, m);
		return e->which == '-' ? (int64_t)-(uint64_t)value : e->which == '~' ? ~value : !value;
	case AUXV:
		if (!find_auxv(m, evaluate(e->a, m), &entry, &value))
			m->fault = true;
		return value;
	case TEXT:
	case BYTES:
	case STRING:
		m->fault = true;	// of use only where assign() and binary_value() look for them
	}
	return value;
}

static void set_register(const struct expr *target, struct moment *m, int64_t value)
{
	load_regs(m);
	if (m->fault || trace_reg_set(m->task->tid, &m->regs, target->which, value))
		m->fault = true;
	m->regs_changed = true;
}

static void set_name(const struct expr *target, struct moment *m, int64_t value)
{
	switch ((enum name)target->which) {
	case ARG:
	case INT:
		m->args[target->index] = value;
		m->args_changed = true;
		return;
	case RESULT:
		m->result = value;
		m->result_changed = true;
		return;
	case SIGMASK:
		*sigmask_of(m) = value;
		m->sigmask_changed = true;
		return;
	case SIGINFO_FIELD:
		memcpy((char *)&m->info + siginfo_fields[target->index].offset, &value,
		       siginfo_fields[target->index].size);
		m->info_changed = true;
		return;
	case TASK_VARIABLE:
		m->task->variables[target->index] = value;
		return;
	case PROCESS_VARIABLE:
		m->task->process->variables[target->index] = value;
		return;
	case RUN_VARIABLE:
		run_variables[target->index] = value;
		return;
	default:
		m->fault = true;	// parse_target() lets no other through
	}
}

static void set_memory(struct moment *m, uint64_t address, unsigned int size, int64_t value)
{
	if (edit_memory(m, address, &value, size))
		m->fault = true;
}

static int64_t combine(char op, int64_t old, int64_t value)
{
	switch (op) {
	case '|':	return old | value;
	case '&':	return old & value;
	case '^':	return old ^ value;
	case '+':	return (uint64_t)old + value;
	case '-':	return (uint64_t)old - value;
	}
	return value;
}

// Fills with one byte, or changes each byte by the operator.
static void set_bytes(const struct edit *e, struct moment *m, int64_t value)
{
	uint64_t address = address_of(e->target->a, m), size = evaluate(e->target->b, m);
	unsigned char *bytes;

	if (m->fault || size > MAX_BYTES) {
		m->fault = true;
		return;
	}
	bytes = need_memory(size + 1);
	if (read_memory(m->task->tid, address, bytes, size))
		m->fault = true;
	for (size_t i = 0; i < size; i++)
		bytes[i] = combine(e->op, bytes[i], value);
	if (!m->fault && edit_memory(m, address, bytes, size))
		m->fault = true;
	free(bytes);
}

// argN='text': the text is laid below the stack, as far as signals have to spare it, and the argument points there.
static int64_t lay_out(struct moment *m, const char *text)
{
	size_t size = strlen(text) + 1;
	int64_t sp = 0;

	load_regs(m);
	trace_reg_get(m->task->tid, &m->regs, trace_reg_index("sp"), &sp);
	if (!m->scratch)
		m->scratch = sp - TRACE_REDZONE;
	m->scratch = (m->scratch - size) & ~15ULL;
	if (m->fault || edit_memory(m, m->scratch, text, size))
		m->fault = true;
	return m->scratch;
}

void assign(const struct edit *e, struct moment *m)
{
	int64_t value, old = 0;
	uint64_t address;

	value = e->value->kind == TEXT ? lay_out(m, e->value->text) : evaluate(e->value, m);
	m->stays = e->stays || e->when != BEFORE;
	if (m->fault)
		return;
	switch (e->target->kind) {
	case NAME:
		set_name(e->target, m, combine(e->op, e->op == '=' ? 0 : name_value(e->target, m), value));
		return;
	case REGISTER:
		set_register(e->target, m, combine(e->op, e->op == '=' ? 0 : register_value(e->target, m), value));
		return;
	case BYTES:
		set_bytes(e, m, value);
		return;
	case MEMORY:
		address = address_of(e->target->a, m);
		if (e->op != '=')
			old = memory_value(e->target, m);
		if (!m->fault)
			set_memory(m, address, e->target->size ?: word_size(m), combine(e->op, old, value));
		return;
	case AUXV:
		if (!find_auxv(m, evaluate(e->target->a, m), &address, &old))
			m->fault = true;
		else
			set_memory(m, address + word_size(m), word_size(m), combine(e->op, old, value));
		return;
	default:
		m->fault = true;
	}
}
