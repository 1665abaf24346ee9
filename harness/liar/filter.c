// SPDX-License-Identifier: GPL-2.0-only
// The seccomp filter that stops a task only at the system calls that lies are about, and there only when the
// conditions on plain arguments hold. What a filter cannot compare is looked at again when the task has stopped.
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "liar.h"

#define ARGS 6
#define MAX_ERRNO 4095

static bool is_constant(const struct expr *e)
{
	return e->kind == NUMBER || (e->kind == UNARY && is_constant(e->a)) ||
	       (e->kind == BINARY && is_constant(e->a) && is_constant(e->b));
}

static bool constant(const struct expr *e, int64_t *value)
{
	struct moment nowhere = { 0 };

	if (!is_constant(e))
		return false;
	*value = evaluate(e, &nowhere);
	return !nowhere.fault;
}

// argN or intN, alone or masked by a constant.
static bool is_argument(const struct expr *e, const struct expr **arg, int64_t *mask)
{
	*mask = -1;
	if (e->kind == BINARY && e->which == '&') {
		if (!constant(e->b, mask))
			return false;
		e = e->a;
	}
	*arg = e;
	return e->kind == NAME && (e->which == ARG || e->which == INT);
}

static enum scmp_compare comparison(int operator)
{
	return operator == TWO('=', '=') ? SCMP_CMP_EQ : operator == TWO('!', '=') ? SCMP_CMP_NE :
	       operator == TWO('>', '=') ? SCMP_CMP_GE : operator == '>' ? SCMP_CMP_GT : _SCMP_CMP_MIN;
}

// One comparison as the filter makes it: unsigned, on 64 bits. It may let more through than the condition, never less;
// *exact turns false when it may.
static bool push_comparison(const struct expr *e, uint64_t word_mask, struct scmp_arg_cmp *cmp, bool *exact)
{
	const struct expr *arg;
	enum scmp_compare op = comparison(e->which);
	int64_t mask, value;

	if (op == _SCMP_CMP_MIN || !is_argument(e->a, &arg, &mask) || !constant(e->b, &value))
		return false;
	if (arg->which == INT)
		word_mask = 0xffffffff;
	if (op == SCMP_CMP_EQ && (mask != -1 || arg->which == INT))
		*cmp = SCMP_CMP64(arg->index, SCMP_CMP_MASKED_EQ, mask & word_mask, value & mask & word_mask);
	else if (arg->which == INT || mask != -1 || value < 0)
		return false;
	else
		*cmp = SCMP_CMP64(arg->index, op, value & word_mask);
	*exact &= op == SCMP_CMP_EQ || op == SCMP_CMP_NE;
	return true;
}

// The parts of a && b && ... that a filter can compare, each argument once.
static unsigned int push_down(const struct expr *e, uint64_t word_mask, struct scmp_arg_cmp cmp[ARGS], unsigned int n,
			      bool *exact)
{
	bool pushed;

	if (e && e->kind == BINARY && e->which == TWO('&', '&')) {
		n = push_down(e->a, word_mask, cmp, n, exact);
		return push_down(e->b, word_mask, cmp, n, exact);
	}
	pushed = e && e->kind == BINARY && n < ARGS && push_comparison(e, word_mask, &cmp[n], exact);
	for (unsigned int i = 0; i < n && pushed; i++)
		pushed = cmp[i].arg != cmp[n].arg;
	*exact &= pushed || !e;
	return n + pushed;
}

// libseccomp takes the native number, or the stand-in of a name that the native ABI lacks, for the filter of any ABI.
static int native_number(int number, int abi)
{
	char *name = abi ? seccomp_syscall_resolve_num_arch(trace_abis[abi].audit, number) : NULL;
	int native = abi && name ? seccomp_syscall_resolve_name(name) : abi ? __NR_SCMP_ERROR : number;

	free(name);
	return native;
}

static void add_rule(scmp_filter_ctx filter, int number, int abi, unsigned int n, const struct scmp_arg_cmp *cmp,
		     const int64_t *answer)
{
	uint32_t action = answer ? SCMP_ACT_ERRNO(-*answer) : SCMP_ACT_TRACE(FILTER_COOKIE);
	int native = native_number(number, abi), error = -EFAULT;

	if (native != __NR_SCMP_ERROR)
		error = seccomp_rule_add_exact_array(filter, action, native, n, cmp);
	if (error && error != -EEXIST && n && !answer)
		error = seccomp_rule_add_exact_array(filter, SCMP_ACT_TRACE(FILTER_COOKIE), native, 0, NULL);
	if (error && error != -EEXIST)
		every_call = true;	// newer than the library: correct all the same, and slow
}

static void add_lie(scmp_filter_ctx filter, const struct lie *lie, int abi)
{
	struct scmp_arg_cmp cmp[ARGS];
	bool exact = true;
	unsigned int n = push_down(lie->when, trace_abis[abi].word == 8 ? UINT64_MAX : UINT32_MAX, cmp, 0, &exact);
	int64_t answer;

	if (!(lie->abis & 1u << abi))
		return;
	if (lie->answer && (!exact || !constant(lie->answer, &answer) || answer > 0 || answer < -MAX_ERRNO))
		give_up("%s: a filter cannot answer this, or not under this condition", lie->id);
	for (const int *number = lie->number[abi]; *number >= 0; number++)
		add_rule(filter, *number, abi, n, cmp, lie->answer ? &answer : NULL);
}

static int number_of(const char *name, int abi)
{
	return seccomp_syscall_resolve_name_arch(trace_abis[abi].audit, name);
}

// What tracees.c must know of: who begins to trace, and, for lies about images, when a tracer has waited.
static void add_rules_for_tracees(scmp_filter_ctx filter, int abi)
{
	static const int requests[] = { PTRACE_TRACEME, PTRACE_ATTACH, PTRACE_SEIZE };
	static const char *const waits[] = { "wait4", "waitid", "waitpid" };

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct scmp_arg_cmp request = SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, 0xffffffff, requests[i]);

		add_rule(filter, number_of("ptrace", abi), abi, 1, &request, NULL);
	}
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]) && any_lie_on(ON_EXEC); i++)
		if (number_of(waits[i], abi) >= 0)
			add_rule(filter, number_of(waits[i], abi), abi, 0, NULL, NULL);
}

static scmp_filter_ctx filter_for(int abi)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	uint32_t token = trace_abis[abi].audit;
	int restart = number_of("restart_syscall", abi);

	if (!filter || (token != seccomp_arch_native() &&
			(seccomp_arch_add(filter, token) || seccomp_arch_remove(filter, SCMP_ARCH_NATIVE))))
		give_up("seccomp: no filter for %s", trace_abis[abi].name);
	seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
	for (const struct lie *lie = lies; lie < lies + n_lies; lie++)
		if (lie->trigger == ON_CALL)
			add_lie(filter, lie, abi);
	if (any_lie_on(ON_CALL))
		add_rule(filter, restart, abi, 0, NULL, NULL);
	add_rules_for_tracees(filter, abi);
	return filter;
}

static scmp_filter_ctx filter;

// Sets every_call where a filter cannot say what is wanted; then there is none, and answers are given at a stop.
void make_filter(void)
{
	if (!every_call)
		filter = filter_for(0);
	for (int abi = 1; abi < TRACE_ABIS && !every_call; abi++)
		if (seccomp_merge(filter, filter_for(abi)))
			give_up("seccomp: the filters of two ABIs do not merge");
	for (struct lie *lie = lies; lie < lies + n_lies && every_call; lie++) {
		if (lie->answer)
			lie->return_ = lie->answer;
		lie->answer = NULL;
	}
}

// In the task that is about to become the program. Without the privilege to do otherwise it loses the one to gain any.
void load_filter(void)
{
	int error;

	if (every_call)
		return;
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);	// no slower than without a filter
	error = seccomp_load(filter);
	if (error) {
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1);
		error = seccomp_load(filter);
	}
	if (error)
		give_up("seccomp: the filter cannot be loaded: %s", strerror(-error));
}
