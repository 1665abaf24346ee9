// SPDX-License-Identifier: GPL-2.0-only
// The words of a line of the lies file; what they mean stands at the top of lies.c.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <ctype.h>
#include <limits.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "liar.h"
#include "words.h"

#define BLANKS " \t\n"

char *next_word(char **line)
{
	char *word = *line + strspn(*line, BLANKS), *end;
	bool quoted = false;

	if (!*word)
		return NULL;
	for (end = word; *end && (quoted || !strchr(BLANKS, *end)); end++)
		quoted ^= *end == '\'';
	*line = *end ? end + 1 : end;
	*end = 0;
	return word;
}

// A number without sign that is the whole text.
static bool is_number(const char *text, unsigned long *number)
{
	char *end;

	*number = strtoul(text, &end, 10);
	return isdigit(*text) && !*end;
}

static const char *read_count(const char *text, unsigned long *count)
{
	return is_number(text, count) && *count ? NULL : "it takes a number from 1";
}

// Number of a call in an ABI, -1 if that has none of this name.
static int call_number(const char *name, int abi)
{
	unsigned long number;
	int found;

	if (is_number(name, &number))
		return number < INT_MAX ? (int)number : -1;
	found = seccomp_syscall_resolve_name_arch(trace_abis[abi].audit, name);
	return found < 0 ? -1 : found;
}

static const char *resolve(const char *name, int numbers[TRACE_ABIS])
{
	bool any = false;

	for (int abi = 0; abi < TRACE_ABIS; abi++) {
		numbers[abi] = call_number(name, abi);
		any |= numbers[abi] >= 0;
	}
	return any ? NULL : "no ABI has a system call of this name; give its number if it is new";
}

static const char *read_calls(struct lie *lie, char *text)
{
	int used[TRACE_ABIS] = { 0 };

	for (char *name = strtok(text, ","); name; name = strtok(NULL, ",")) {
		int numbers[TRACE_ABIS];
		const char *why = resolve(name, numbers);

		if (why)
			return why;
		for (int abi = 0; abi < TRACE_ABIS; abi++) {
			if (numbers[abi] >= 0)
				lie->number[abi][used[abi]++] = numbers[abi];
			if (used[abi] == MAX_CALLS)
				return "too many system calls";
		}
	}
	for (int abi = 0; abi < TRACE_ABIS; abi++)
		lie->number[abi][used[abi]] = -1;
	lie->trigger = ON_CALL;
	return NULL;
}

static const char *read_signals(struct lie *lie, char *text)
{
	lie->trigger = ON_SIGNAL;
	if (!strcmp(text, "any"))
		lie->signals = ~0ULL;
	else
		for (char *name = strtok(text, ","); name; name = strtok(NULL, ",")) {
			int sig = find_signal(name);

			if (!sig)
				return "no signal has this name; give its number if it is a real-time one";
			lie->signals |= 1ULL << (sig - 1);
		}
	return NULL;
}

static const char *read_start(struct lie *lie, const char *text)
{
	lie->trigger = ON_START;
	lie->threads_start = !strcmp(text, "thread") || !strcmp(text, "any");
	lie->processes_start = !strcmp(text, "process") || !strcmp(text, "any");
	return lie->threads_start || lie->processes_start ? NULL : "it takes thread, process or any";
}

static const char *read_abis(struct lie *lie, char *text)
{
	lie->abis = 0;
	for (char *name = strtok(text, ","); name; name = strtok(NULL, ",")) {
		unsigned int before = lie->abis;

		for (int abi = 0; abi < TRACE_ABIS; abi++)
			if (!strcmp(name, trace_abis[abi].name))
				lie->abis |= 1u << abi;
		if (lie->abis == before)
			return "this liar knows no such ABI";
	}
	return NULL;
}

static const char *read_who(const char *text, enum who *who)
{
	*who = !strcmp(text, "main") ? MAIN : !strcmp(text, "other") ? OTHER : ANY;
	return *who == ANY ? "it takes main or other" : NULL;
}

static const char *read_scope(struct lie *lie, const char *text)
{
	lie->count = !strcmp(text, "thread") ? PER_THREAD : !strcmp(text, "run") ? PER_RUN : PER_PROCESS;
	return lie->count == PER_PROCESS && strcmp(text, "process") ? "it takes process, thread or run" : NULL;
}

static const char *read_depth(struct lie *lie, char *text)
{
	char *dash = strchr(text, '-');
	unsigned long from, to;

	if (dash)
		*dash++ = 0;
	if (!is_number(text, &from) || (dash && *dash && !is_number(dash, &to)))
		return "it takes N, N- or N-M";
	lie->depth_from = from;
	lie->depth_to = !dash ? (int)from : *dash ? (int)to : INT_MAX;
	return NULL;
}

static const char *read_delay(struct delay *delay, char *text)
{
	char *comma = strchr(text, ',');
	unsigned long ms;

	if (comma) {
		*comma = 0;
		delay->until = strdup(comma + 1);
	}
	if (!is_number(text, &ms) || ms > 1000000)
		return "it takes milliseconds, up to 1000000, and the id of a lie after a comma";
	delay->ms = ms;
	return NULL;
}

static const char *read_expr(const char *text, struct expr **e)
{
	const char *fault = NULL;

	*e = parse_expr(&text, &fault);
	return *e && !*text ? NULL : fault ?: "the expression ends before the word does";
}

static const char *read_edit(struct lie *lie, const char *text, enum when when, bool stays)
{
	struct edit *edit = &lie->edits[lie->n_edits];
	const char *fault = NULL;

	if (lie->n_edits == MAX_EDITS)
		return "too many edits in one lie";
	edit->when = when;
	edit->stays = stays;
	edit->target = parse_target(&text, &fault);
	if (!edit->target)
		return fault;
	edit->op = '=';
	if (*text && strchr("|&^+-", *text))
		edit->op = *text++;
	if (*text++ != '=')
		return "one of = |= &= ^= += -= must stand behind what is changed";
	fault = read_expr(text, &edit->value);
	if (!fault && edit->value->kind == TEXT &&
	    (edit->target->kind != NAME || edit->target->which != ARG || edit->op != '=' || when != BEFORE))
		return "text can only be given to an argument, by before=argN='text'";
	lie->n_edits++;
	return fault;
}

static const char *read_drop(struct lie *lie, const char *text)
{
	unsigned long type;

	if (!is_number(text, &type) || lie->n_drops == MAX_PATCHES)
		return "it takes the number of an AT_ type";
	lie->drop[lie->n_drops++] = type;
	return NULL;
}

static const char *read_patch(struct lie *lie, char *text)
{
	struct patch *patch = &lie->patch[lie->n_patches];
	char *colon = strchr(text, ':');

	if (!colon || lie->n_patches == MAX_PATCHES)
		return "it takes SYMBOL:EXPR or SYMBOL:call:NAME";
	patch->symbol = strndup(text, colon - text);
	lie->n_patches++;
	if (!strncmp(colon, ":call:", 6))
		return resolve(colon + 6, patch->number);
	return read_expr(colon + 1, &patch->value);
}

static const char *read_trigger(struct lie *lie, const char *key, char *value, bool *is_trigger)
{
	*is_trigger = true;
	if (!strcmp(key, "call"))
		return read_calls(lie, value);
	if (!strcmp(key, "signal"))
		return read_signals(lie, value);
	if (!strcmp(key, "start"))
		return read_start(lie, value);
	if (!strcmp(key, "exec")) {
		lie->trigger = ON_EXEC;
		lie->image = strdup(value);
		return NULL;
	}
	*is_trigger = false;
	return "unknown key";
}

const char *read_word(struct lie *lie, char *word, bool *is_trigger)
{
	char *equals = strchr(word, '='), *key, *value;

	if (!equals || !equals[1])
		return "words are KEY=VALUE";
	key = strndupa(word, equals - word);
	value = strdupa(equals + 1);	// the word stays whole for messages
	if (!strcmp(key, "id"))
		return (lie->id = strdup(value)) ? NULL : "no memory";
	if (!strcmp(key, "abi"))
		return read_abis(lie, value);
	if (!strcmp(key, "thread"))
		return read_who(value, &lie->who);
	if (!strcmp(key, "depth"))
		return read_depth(lie, value);
	if (!strcmp(key, "when"))
		return read_expr(value, &lie->when);
	if (!strcmp(key, "if"))
		return read_expr(value, &lie->if_);
	if (!strcmp(key, "nth"))
		return read_count(value, &lie->nth);
	if (!strcmp(key, "from"))
		return read_count(value, &lie->from);
	if (!strcmp(key, "until"))
		return read_count(value, &lie->until);
	if (!strcmp(key, "every"))
		return read_count(value, &lie->every);
	if (!strcmp(key, "count"))
		return read_scope(lie, value);
	if (!strcmp(key, "before") || !strcmp(key, "poke"))
		return read_edit(lie, value, BEFORE, *key == 'p');
	if (!strcmp(key, "after"))
		return read_edit(lie, value, AFTER, true);
	if (!strcmp(key, "entry"))
		return read_edit(lie, value, ENTRY, true);
	if (!strcmp(key, "return"))
		return read_expr(value, &lie->return_);
	if (!strcmp(key, "answer"))
		return read_expr(value, &lie->answer);
	if (!strcmp(key, "number")) {
		lie->converts = true;
		return resolve(value, lie->to_number);
	}
	if (!strcmp(key, "hold"))
		return read_delay(&lie->hold, value);
	if (!strcmp(key, "hold_return"))
		return read_delay(&lie->hold_return, value);
	if (!strcmp(key, "interrupt"))
		return read_delay(&lie->interrupt, value);
	if (!strcmp(key, "later"))
		return read_delay(&lie->later, value);
	if (!strcmp(key, "deliver"))
		return read_expr(value, &lie->deliver);
	if (!strcmp(key, "duplicate"))
		return read_expr(value, &lie->duplicate);
	if (!strcmp(key, "redirect"))
		return read_who(value, &lie->redirect);
	if (!strcmp(key, "drop"))
		return read_drop(lie, value);
	if (!strcmp(key, "patch"))
		return read_patch(lie, value);
	return read_trigger(lie, key, value, is_trigger);
}
