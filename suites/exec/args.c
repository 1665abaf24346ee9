// SPDX-License-Identifier: GPL-2.0-only
// execve(2): how much a caller may hand to a program as arguments and environment.
#include "clause.h"

#include <stdlib.h>
#include <sys/resource.h>

#define USERS "go:fork_exec glibc:posix_spawn rust:Command"

AFTER_EXEC(exits_with_42)
{
	return 42;
}

// So many strings of so many bytes each, the end included, beside the words that name what is run.
struct load {
	int arguments, variables;
	size_t length;
};

#define MOST 28000
#define LONGEST 65536
#define LIMITED 250	// no errno: the stack may not have that limit here

// Executes this program with the load, under a soft limit for the stack; returns the error, or not at all.
static long execute_loaded(const struct load *load, unsigned long stack)
{
	static char *arguments[MOST + 4] = { "osprim", "--after-exec", "exits_with_42" }, *variables[MOST + 1];
	static char text[LONGEST];
	struct rlimit limit;

	memset(text, 'x', load->length - 1);
	for (int i = 0; i < load->arguments; i++)
		arguments[3 + i] = text;
	for (int i = 0; i < load->variables; i++)
		variables[i] = text;
	if (getrlimit(RLIMIT_STACK, &limit) || limit.rlim_max < stack)
		return -LIMITED;
	limit.rlim_cur = stack;
	if (setrlimit(RLIMIT_STACK, &limit))
		return -LIMITED;
	return raw_syscall(__NR_execve, "/proc/self/exe", arguments, variables);
}

#define MEBIBYTE (1ul << 20)
#define SMALL (MEBIBYTE * 5 / 8)	/* a quarter of it is 160 KiB, and 128 are granted whatever the limit */
#define FITS 42
#define TOO_MUCH E2BIG

struct row {
	unsigned long stack;
	struct load load;
	int wanted;
};

static void check_rows(struct __test_metadata *_metadata, const struct row *row, size_t n)
{
	for (size_t i = 0; i < n; i++, row++) {
		int status = -1;
		pid_t child = fork();

		if (child == 0)
			_exit(-execute_loaded(&row->load, row->stack));	// the caller goes on
		ASSERT_EQ(child, waitpid(child, &status, 0));
		if (WIFEXITED(status) && WEXITSTATUS(status) == LIMITED)
			SKIP(return, "RLIMIT_STACK cannot be so large here");
		EXPECT_EQ(row->wanted << 8, status) {
			TH_LOG("%d and %d of %zu bytes, RLIMIT_STACK %lu", row->load.arguments, row->load.variables,
			       row->load.length, row->stack);
		}
	}
}

CLAUSE(arguments_and_environment_take_a_quarter_of_the_stacks_limit,
       "execve(2) Limits on size of arguments and environment: the total size is limited to 1/4 of the allowed stack"
       " size (RLIMIT_STACK); ERRORS E2BIG: it is too large", .needed_by = USERS)
{
	const struct row rows[] = {
		{ SMALL, { 2, 0, 65536 }, FITS },
		{ SMALL, { 0, 2, 65536 }, FITS },
		{ SMALL, { 3, 0, 65536 }, TOO_MUCH },
		{ SMALL, { 0, 3, 65536 }, TOO_MUCH },
		{ SMALL, { 2, 1, 65536 }, TOO_MUCH },
		{ MEBIBYTE / 4, { 3, 0, 65536 }, TOO_MUCH },
		{ 2 * MEBIBYTE, { 4, 3, 65536 }, FITS },
		{ 2 * MEBIBYTE, { 5, 4, 65536 }, TOO_MUCH },
		{ 8 * MEBIBYTE, { 9, 0, 65536 }, FITS },
	};

	check_rows(_metadata, rows, ARRAY_SIZE(rows));
}

CLAUSE(arguments_and_environment_take_six_mebibytes_at_most,
       "execve(2) Limits on size of arguments and environment: no more than 3/4 of 8 MiB (since 4.13), however large the"
       " stack may be",
       .commit = "da029c11e6b1 exec: Limit arg stack to at most 75% of _STK_LIM", .needed_by = USERS)
{
	const struct row rows[] = {
		{ 256 * MEBIBYTE, { 57, 40, 65536 }, TOO_MUCH },
	};

	check_rows(_metadata, rows, ARRAY_SIZE(rows));
}

CLAUSE(their_pointers_count_as_their_bytes_do,
       "execve(2) Limits on size of arguments and environment: the limit is on the sum of strings and pointers;"
       " fs/exec.c bprm_stack_limits (5.10, 7.2): many short strings are too much where their pointers are",
       .commit = "98da7d08850f fs/exec.c: account for argv/envp pointers", .needed_by = USERS)
{
	const struct row rows[] = {
		{ SMALL, { 3000, 0, 1 }, FITS },
		{ SMALL, { 0, 3000, 2 }, FITS },
		// Neither the pointers, of 4 or 8 bytes each, nor the strings alone are 160 KiB.
		{ SMALL, { 12000, 0, 10 }, TOO_MUCH },
		{ SMALL, { 0, 12000, 10 }, TOO_MUCH },
		{ SMALL, { 6000, 6000, 10 }, TOO_MUCH },
		{ SMALL, { 28000, 0, 2 }, TOO_MUCH },
		{ SMALL, { 0, 28000, 2 }, TOO_MUCH },
	};

	check_rows(_metadata, rows, ARRAY_SIZE(rows));
}
