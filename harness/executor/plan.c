// SPDX-License-Identifier: GPL-2.0-only
// The plan's parser: what docs/stream.md does not describe is an error with its line, its cause and its mend.
#include "executor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PLAN_SIZE (4 << 20)
#define LINE_SIZE 65536
#define PATH_LIMIT 1000		// a path must fit into a line of the stream
#define JOB_NUMBER_MAX 999999

struct plan plan;

static char plan_text[PLAN_SIZE + 1];
static unsigned char number_is_used[JOB_NUMBER_MAX / 8 + 1];
static int line_number;

// Says what is wrong with `what` (at most 60 bytes of it, escaped); always false.
static bool wrong(const char *what, const char *cause, const char *mend)
{
	char shown[TEXT_SIZE];
	size_t n = what ? strlen(what) : 0;

	if (!what) {
		complain("plan line %d: %s; %s", line_number, cause, mend);
	} else {
		text_escape(shown, what, n > 60 ? 60 : n, n > 60);
		complain("plan line %d: \"%s\": %s; %s", line_number, shown, cause, mend);
	}
	return false;
}

// A decimal number without sign, space or leading zero; -1 if it is none or is out of range.
static long long parse_number(const char *s, long long min, long long max)
{
	long long value = 0;
	size_t n = strlen(s);

	if (!n || n > 10 || strspn(s, "0123456789") != n || (*s == '0' && n > 1))
		return -1;
	while (*s)
		value = value * 10 + (*s++ - '0');
	return value < min || value > max ? -1 : value;
}

static bool parse_header(char *s)
{
	return !strcmp(s, "1") || wrong(s, "not a version of the plan that this executor knows", "write: osprim-plan 1");
}

static bool parse_nonce(char *s)
{
	if (strlen(s) != 8 || strspn(s, "0123456789abcdef") != 8)
		return wrong(s, "not a nonce", "write 8 hex digits in lower case");
	plan.nonce = s;
	return true;
}

static bool parse_parallel(char *s)
{
	plan.parallel = parse_number(s, 1, PARALLEL_MAX);
	return plan.parallel > 0 || wrong(s, "not a number of jobs at a time", "write 1 to 1024");
}

static bool parse_slow(char *s)
{
	plan.slow = parse_number(s, 1, 1000);
	return plan.slow > 0 || wrong(s, "not a factor of slowness", "write 1 to 1000");
}

static bool parse_patience(char *s)
{
	plan.patience = parse_number(s, 1, 86400);
	return plan.patience > 0 || wrong(s, "not a number of seconds", "write 1 to 86400, or leave the line out");
}

static bool parse_config(char *s)
{
	if (!*s || strlen(s) > PATH_LIMIT)
		return wrong(s, "not a path", "name a file in at most 1000 bytes, or leave the line out");
	plan.config = s;
	return true;
}

// The directives before the jobs, in their order.
static const struct directive {
	const char *name;
	bool (*parse)(char *rest);
	bool is_optional;
} directives[] = {
	{ "osprim-plan", parse_header, false },
	{ "nonce", parse_nonce, false },
	{ "parallel", parse_parallel, false },
	{ "slow", parse_slow, false },
	{ "patience", parse_patience, true },
	{ "config", parse_config, true },
	{ NULL, NULL, false },
};

// Counts the words between commas; -1 if one of them is empty. "" has none.
static int count_words(const char *s)
{
	int n = *s != 0;

	if (*s == ',' || strstr(s, ",,") || (*s && s[strlen(s) - 1] == ','))
		return -1;
	for (; *s; s++)
		n += *s == ',';
	return n;
}

static bool parse_limit(struct job *job, char *value)
{
	job->limit = parse_number(value, 1, 86400);
	return job->limit > 0 || wrong(value, "not a limit", "write 1 to 86400 (seconds)");
}

static bool parse_exclusive(struct job *job, char *value)
{
	job->exclusive = *value == '1';
	return parse_number(value, 0, 1) >= 0 || wrong(value, "neither yes nor no", "write exclusive=0 or exclusive=1");
}

static bool parse_user(struct job *job, char *value)
{
	long long user = parse_number(value, 0, 4294967294);

	job->user = user;
	return user >= 0 || wrong(value, "not a user id", "write a number, as in user=65534");
}

static bool parse_program(struct job *job, char *value)
{
	job->program = value;
	return (*value && strlen(value) <= PATH_LIMIT) ||
	       wrong(value, "not a path", "name the program in at most 1000 bytes");
}

static bool parse_writes(struct job *job, char *value)
{
	const char *at = value;

	job->writes = value;
	if (count_words(value) < 0 || count_words(value) > WRITES_MAX)
		return wrong(value, "not a list of files", "write up to 64 paths with one comma between them, or nothing");
	while (*at) {
		size_t n = strcspn(at, ",");

		if (*at != '/' || n > PATH_LIMIT)
			return wrong(at, "not the path of a file from the root", "begin it with / and keep it to 1000 bytes");
		at += n + (at[n] == ',');
	}
	return true;
}

static bool parse_tests(struct job *job, char *value)
{
	job->tests = value;
	job->tests_count = count_words(value);
	return (job->tests_count >= 0 && job->tests_count <= TESTS_MAX) ||
	       wrong(value, "not a list of tests", "write up to 1024 names with one comma between them, or nothing");
}

static const struct key {
	const char *name;	// with its =
	bool (*parse)(struct job *job, char *value);
} keys[] = {
	{ "limit=", parse_limit }, { "exclusive=", parse_exclusive }, { "user=", parse_user },
	{ "program=", parse_program }, { "writes=", parse_writes }, { "tests=", parse_tests },
};

// Cuts the next word off; NULL at the end of the line.
static char *next_word(char **rest)
{
	return *rest ? strsep(rest, " ") : NULL;
}

static bool parse_job_number(struct job *job, char *word)
{
	long long number = word ? parse_number(word, 0, JOB_NUMBER_MAX) : -1;

	if (number < 0)
		return wrong(word, "not the number of a job", "write: job NUMBER limit=..., with a number up to 999999");
	if (number_is_used[number / 8] >> number % 8 & 1)
		return wrong(word, "a job number that was used before", "give each job a number of its own");
	number_is_used[number / 8] |= 1 << number % 8;
	job->number = number;
	return true;
}

static bool parse_job(char *rest)
{
	const char *order = "write: job N limit= exclusive= user= program= writes= tests=, with one space between";
	struct job *job = &plan.jobs[plan.jobs_count];
	char *word;

	if (plan.jobs_count == JOBS_MAX)
		return wrong(NULL, "more than 8192 jobs", "split the plan");
	if (!parse_job_number(job, next_word(&rest)))
		return false;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		size_t n = strlen(keys[i].name);

		word = next_word(&rest);
		if (!word || strncmp(word, keys[i].name, n))
			return wrong(word ? word : "end of line", "unknown, twice or not in its place", order);
		if (!keys[i].parse(job, word + n))
			return false;
	}
	if (rest)
		return wrong(rest, "more than a job has", order);
	plan.jobs_count++;
	return true;
}

// Finds the directive of a line; *next is the first one that may still come before the jobs.
static bool parse_line(char *line, const struct directive **next, bool *has_ended)
{
	char *rest = line, *name = strsep(&rest, " ");

	if (*has_ended)
		return wrong(line, "something after the end", "let `end` be the last line");
	for (const struct directive *d = *next; d->name; d++) {
		if (!strcmp(name, d->name) && rest) {
			*next = d + 1;
			return d->parse(rest);
		}
		if (!d->is_optional) {
			if (rest)
				rest[-1] = ' ';
			return wrong(line, "not what comes here", d == directives ? "begin with: osprim-plan 1" :
				     "the order is: osprim-plan, nonce, parallel, slow, patience, config, job ..., end");
		}
	}
	if (!strcmp(name, "job") && rest) {
		while ((*next)->name)
			(*next)++;	// no config behind a job
		return parse_job(rest);
	}
	if (!strcmp(name, "end") && !rest) {
		*has_ended = true;
		return true;
	}
	if (rest)
		rest[-1] = ' ';
	return wrong(line, "not what comes here", "after the head come job lines and one `end`");
}

// Only bytes that can be part of a plan: no control character, tabs and carriage returns included.
static bool check_bytes(const char *line, size_t n)
{
	if (n > LINE_SIZE)
		return wrong(NULL, "longer than 65536 bytes", "split the job");
	for (size_t i = 0; i < n; i++) {
		if (line[i] == '\r')
			return wrong(NULL, "a carriage return", "end lines with a line feed alone");
		if (!line[i])
			return wrong(NULL, "a NUL byte", "write the plan as plain text");
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			return wrong(NULL, "a control character", "separate words with one space each");
	}
	return true;
}

static bool parse_plan(size_t size)
{
	const struct directive *next = directives;
	char *at = plan_text, *end = plan_text + size;
	bool has_ended = false;

	for (line_number = 1; at < end; line_number++) {
		char *line = at, *newline = memchr(at, '\n', end - at);

		if (!check_bytes(line, (newline ? newline : end) - line))
			return false;
		if (!newline)
			return wrong(NULL, "no line feed at its end", "the plan is truncated, or lacks its last one");
		*newline = 0;
		at = newline + 1;
		if (!parse_line(line, &next, &has_ended))
			return false;
	}
	return has_ended || wrong(NULL, "no `end`", "the plan is truncated, or lacks its last line");
}

// Returns the size, or -errno.
static long read_all(int fd)
{
	long size = 0, n;

	while ((n = read(fd, plan_text + size, PLAN_SIZE + 1 - size)) != 0) {
		if (n < 0 && errno != EINTR)
			return -errno;
		size += n > 0 ? n : 0;
	}
	return size;
}

bool plan_load(const char *path)
{
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : 0;
	long size = fd < 0 ? -errno : read_all(fd);

	if (path && fd >= 0)
		close(fd);
	if (size < 0)
		complain("cannot read the plan %s: %s", path ? path : "from standard input", errno_name(-size));
	else if (size > PLAN_SIZE)
		complain("the plan is larger than 4 MiB; split it");
	else
		return parse_plan(size);
	return false;
}
