// SPDX-License-Identifier: GPL-2.0-only
// Expressions of the lies file: text to tree. What the names mean stands at the top of lies.c.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "liar.h"

#define MAX_NAME 32
#define LOWEST 1

// Unlike C, and like Python, comparisons bind looser than & ^ |: int1&127==1 means what it says.
static const struct { const char *text; int which, precedence; } operators[] = {
	{ "||", TWO('|', '|'), 1 }, { "&&", TWO('&', '&'), 2 },
	{ "==", TWO('=', '='), 3 }, { "!=", TWO('!', '='), 3 }, { "<=", TWO('<', '='), 3 }, { ">=", TWO('>', '='), 3 },
	{ "<<", TWO('<', '<'), 7 }, { ">>", TWO('>', '>'), 7 }, { "<", '<', 3 }, { ">", '>', 3 },
	{ "|", '|', 4 }, { "^", '^', 5 }, { "&", '&', 6 },
	{ "+", '+', 8 }, { "-", '-', 8 }, { "*", '*', 9 }, { "/", '/', 9 }, { "%", '%', 9 },
};

// The names that stand alone, and those followed by a digit below the limit.
static const struct { const char *text; enum name which; int limit; } names[] = {
	{ "arg", ARG, 6 }, { "int", INT, 6 }, { "v", TASK_VARIABLE, VARIABLES }, { "p", PROCESS_VARIABLE, VARIABLES },
	{ "g", RUN_VARIABLE, VARIABLES },
	{ "result", RESULT, 0 }, { "number", CALL_NUMBER, 0 }, { "tid", TID, 0 }, { "tgid", TGID, 0 },
	{ "main", IS_MAIN, 0 }, { "depth", DEPTH, 0 }, { "wordsize", WORD_SIZE, 0 }, { "sig", SIGNAL, 0 },
	{ "count", COUNT, 0 }, { "vdso", IN_VDSO, 0 }, { "info", INFO, 0 }, { "uc", UCONTEXT, 0 },
	{ "sigmask", SIGMASK, 0 },
};

static const struct { const char *text; unsigned int size; bool is_signed; } memories[] = {
	{ "u8", 1, false }, { "u16", 2, false }, { "u32", 4, false }, { "u64", 8, false },
	{ "i8", 1, true }, { "i16", 2, true }, { "i32", 4, true }, { "word", 0, false },
};

static struct expr *parse_binary(const char **text, const char **fault, int lowest);

static struct expr *node(enum kind kind)
{
	struct expr *e = need_memory(sizeof(*e));

	e->kind = kind;
	return e;
}

static struct expr *wrong(const char **fault, const char *why)
{
	if (!*fault)
		*fault = why;
	return NULL;
}

struct expr *parse_expr(const char **text, const char **fault)
{
	return parse_binary(text, fault, LOWEST);
}

static bool take(const char **text, char c)
{
	if (**text != c)
		return false;
	++*text;
	return true;
}

int find_signal(const char *name)
{
	char *end;
	long n = strtol(name, &end, 10);

	if (*name && !*end)
		return n > 0 && n <= 64 ? n : 0;
	for (int sig = 1; sig < 32; sig++)
		if (!strncmp(name, "SIG", 3) && !strcmp(name + 3, sigabbrev_np(sig)))
			return sig;
	return 0;
}

static int find_errno(const char *name)
{
	for (int error = 1; error < 600; error++)
		if (strerrorname_np(error) && !strcmp(strerrorname_np(error), name))
			return error;
	// What the kernel returns to itself and a tracer sees on the way out.
	return !strcmp(name, "ERESTARTSYS") ? 512 : !strcmp(name, "ERESTARTNOINTR") ? 513 :
	       !strcmp(name, "ERESTARTNOHAND") ? 514 : !strcmp(name, "ERESTART_RESTARTBLOCK") ? 516 : 0;
}

// [a,b] or [a] behind bytes, str, auxv and the memory sizes.
static struct expr *parse_brackets(const char **text, const char **fault, struct expr *e, bool two)
{
	if (!take(text, '['))
		return wrong(fault, "[ is missing behind it");
	e->a = parse_expr(text, fault);
	if (two && !take(text, ','))
		return wrong(fault, "bytes needs [address,length]");
	if (two)
		e->b = parse_expr(text, fault);
	if (!take(text, ']'))
		return wrong(fault, "] is missing");
	return e->a && (!two || e->b) ? e : NULL;
}

static struct expr *parse_constant(const char *name)
{
	struct expr *e = node(NUMBER);

	e->value = strncmp(name, "SIG", 3) ? find_errno(name) : find_signal(name);
	return e->value ? e : NULL;
}

static struct expr *parse_plain_name(const char *name, const char **fault)
{
	struct expr *e = node(NAME);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t length = strlen(names[i].text);

		e->which = names[i].which;
		if (!names[i].limit && !strcmp(name, names[i].text))
			return e;
		if (names[i].limit && !strncmp(name, names[i].text, length) && isdigit(name[length]) &&
		    !name[length + 1]) {
			e->index = name[length] - '0';
			return e->index < names[i].limit ? e : wrong(fault, "that index is too high");
		}
	}
	e->which = SIGINFO_FIELD;
	e->index = find_siginfo_field(name);
	if (e->index >= 0)
		return e;
	e->kind = REGISTER;
	e->which = trace_reg_index(name);
	return e->which >= 0 ? e : wrong(fault, "unknown name");
}

static struct expr *parse_name(const char **text, const char **fault)
{
	char name[MAX_NAME];
	size_t length = strspn(*text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");

	if (length == 0 || length >= sizeof(name))
		return wrong(fault, "a value is missing");
	memcpy(name, *text, length);
	name[length] = 0;
	*text += length;

	for (size_t i = 0; i < sizeof(memories) / sizeof(memories[0]); i++) {
		if (!strcmp(name, memories[i].text)) {
			struct expr *e = node(MEMORY);

			e->size = memories[i].size;
			e->is_signed = memories[i].is_signed;
			return parse_brackets(text, fault, e, false);
		}
	}
	if (!strcmp(name, "bytes"))
		return parse_brackets(text, fault, node(BYTES), true);
	if (!strcmp(name, "str"))
		return parse_brackets(text, fault, node(STRING), false);
	if (!strcmp(name, "auxv"))
		return parse_brackets(text, fault, node(AUXV), false);
	if (isupper(name[0]))
		return parse_constant(name) ?: wrong(fault, "unknown errno or signal");
	return parse_plain_name(name, fault);
}

static struct expr *parse_text(const char **text, const char **fault)
{
	const char *end = strchr(*text, '\'');
	struct expr *e = node(TEXT);

	if (!end)
		return wrong(fault, "the closing ' is missing");
	e->text = strndup(*text, end - *text);
	*text = end + 1;
	return e;
}

static struct expr *parse_number(const char **text, const char **fault)
{
	struct expr *e = node(NUMBER);
	char *end;

	errno = 0;
	e->value = strtoull(*text, &end, 0);
	if (errno || end == *text || isalnum(*end))
		return wrong(fault, "not a number");
	*text = end;
	return e;
}

static struct expr *parse_primary(const char **text, const char **fault)
{
	struct expr *e;

	if (isdigit(**text))
		return parse_number(text, fault);
	if (take(text, '\''))
		return parse_text(text, fault);
	if (take(text, '(')) {
		e = parse_expr(text, fault);
		return take(text, ')') ? e : wrong(fault, ") is missing");
	}
	if (**text && strchr("-~!", **text)) {
		e = node(UNARY);
		e->which = *(*text)++;
		e->a = parse_primary(text, fault);
		return e->a ? e : NULL;
	}
	return parse_name(text, fault);
}

static struct expr *parse_binary(const char **text, const char **fault, int lowest)
{
	struct expr *left = parse_primary(text, fault);

	while (left) {
		struct expr *e = NULL;

		for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]) && !e; i++) {
			size_t length = strlen(operators[i].text);

			if (strncmp(*text, operators[i].text, length))
				continue;
			if (operators[i].precedence < lowest)
				return left;
			*text += length;
			e = node(BINARY);
			e->which = operators[i].which;
			e->a = left;
			e->b = parse_binary(text, fault, operators[i].precedence + 1);
			if (!e->b)
				return NULL;
		}
		if (!e)
			return left;
		left = e;
	}
	return NULL;
}

// What may stand left of an assignment.
struct expr *parse_target(const char **text, const char **fault)
{
	struct expr *e = parse_name(text, fault);
	bool may_change = false;

	if (!e)
		return NULL;
	if (e->kind == NAME)
		may_change = e->which == ARG || e->which == INT || e->which == RESULT || e->which == SIGMASK ||
			     e->which == TASK_VARIABLE || e->which == PROCESS_VARIABLE || e->which == RUN_VARIABLE ||
			     e->which == SIGINFO_FIELD;
	else
		may_change = e->kind == REGISTER || e->kind == MEMORY || e->kind == BYTES || e->kind == AUXV;
	return may_change ? e : wrong(fault, "it cannot be changed");
}
