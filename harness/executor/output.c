// SPDX-License-Identifier: GPL-2.0-only
// A program's output: cut into lines, held to its budget, passed on. It may be endless, binary, or without any line.
#include "executor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_MAX 512
#define BYTES_MAX (128 << 10)
#define RESULTS_MAX 4096	// lines that a verdict is made of, beside the others

static bool begins_with(const struct output *o, const char *prefix)
{
	size_t n = strlen(prefix);

	return o->length >= n && !memcmp(o->line, prefix, n);
}

// A result counts as progress if it bears the next number: a program that repeats itself makes none.
static void note_progress(struct output *o)
{
	int number = atoi(strstr(o->line, "ok ") + 3);

	if (number != o->last_result + 1 || (o->tests_count && number > o->tests_count))
		return;
	o->last_result = number;
	o->is_progress = true;
}

static bool is_within_budget(struct output *o)
{
	bool is_result = begins_with(o, "ok ") || begins_with(o, "not ok ");

	if (is_result || begins_with(o, "#  RUN ")) {
		if (o->results == RESULTS_MAX)
			return false;
		o->results++;
		if (is_result)
			note_progress(o);
		return true;
	}
	if (o->lines == LINES_MAX || o->bytes >= BYTES_MAX)
		return false;
	o->lines++;
	o->bytes += o->length + 1;
	return true;
}

static void pass_on_line(struct output *o)
{
	char text[TEXT_SIZE];
	size_t kept = o->length < TEXT_MAX ? o->length : TEXT_MAX;

	o->line[kept] = 0;
	if (is_within_budget(o)) {
		text_escape(text, o->line, kept, o->length > kept);
		stream_line("line", "%d %s", o->job, text);
	} else {
		o->dropped += o->dropped < 999999999;
	}
	o->length = 0;
}

static void add_to_line(struct output *o, const char *from, size_t n)
{
	if (o->length < TEXT_MAX)
		memcpy(o->line + o->length, from, n < TEXT_MAX - o->length ? n : TEXT_MAX - o->length);
	o->length += n;
}

bool output_read(struct output *o)
{
	static char chunk[65536];
	const char *at = chunk, *newline;
	ssize_t n = read(o->fd, chunk, sizeof(chunk));

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			close(o->fd);
			o->fd = -1;
		}
		return false;
	}
	kmsg_pass_on();		// what the kernel said before the program wrote this stands before it in the stream
	while ((newline = memchr(at, '\n', chunk + n - at))) {
		add_to_line(o, at, newline - at);
		pass_on_line(o);
		at = newline + 1;
	}
	add_to_line(o, at, chunk + n - at);
	return true;
}

void output_end(struct output *o)
{
	if (o->length)
		pass_on_line(o);
}
