// SPDX-License-Identifier: GPL-2.0-only
// CLAUSE(): one promise of the kernel, with its source, as a test of the kernel's own kselftest_harness.h.
//
// A program of suites/ is one C file that includes this header once and holds a handful of clauses:
//
//	CLAUSE(wait_returns_eagain_when_the_word_differs,
//	       "futex(2) ERRORS EAGAIN: a wait whose word is not the expected value returns at once")
//	{
//		EXPECT_ERR(EAGAIN, futex_wait(&word, 0, NULL));
//	}
//
// docs/writing-a-clause.md is the guide; `program --clauses[=json]` prints what stands here as data.
#ifndef CLAUSE_H
#define CLAUSE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>

// One stream for diagnostics and results keeps them in order; the harness's default splits them over two pipes.
#define TH_LOG_STREAM stdout
#include "kselftest_harness.h"

#include "need.h"
#include "reexec.h"
#include "result.h"
#include "sys.h"

#define KERNEL(major, minor) ((major) << 16 | (minor))

struct clause {
	const char *name;
	const char *text;	// "<document> <place>: <statement>"
	const char *file;
	int line;
	unsigned int since;	// KERNEL(5,16): the first mainline release that promises it
	const char *config;	// "FUTEX_PI TIME_NS": options without which the kernel may lack the feature
	long (*probe)(void);	// a harmless call of the feature: anything but absent_errno says that it is there
	int absent_errno;	// what the probe must return where the feature is absent; 0 means ENOSYS
	const char *needs;	// "root cpus=2": what the machine must have to show it; need.h lists the words
	const char *commit;	// "<12 hex digits> <subject>": the fix that this clause guards
	const char *needed_by;	// "go:futexsleep glibc:lll_lock": who stands on it
	const char *writes;	// files that the clause changes; the executor puts them back whatever happens
	int exclusive;		// must have the machine for itself
	int as_nobody;		// must run without privilege
	int timeout;		// seconds on a machine of ordinary speed; 0 means CLAUSE_TIMEOUT
};

#define CLAUSE_TIMEOUT 10

#define CLAUSE(clause_name, clause_text, ...)						\
	CLAUSE_DATA_(clause_name, clause_text, ##__VA_ARGS__)				\
	static void clause_name##_body(struct __test_metadata *_metadata);		\
	TEST(clause_name)								\
	{										\
		if (clause_is_due(_metadata, &clause_name##_clause))			\
			clause_name##_body(_metadata);					\
	}										\
	static void clause_name##_body(struct __test_metadata __attribute__((unused)) *_metadata)

// A clause of a kselftest FIXTURE: `self` and `variant` are at hand as in TEST_F.
#define CLAUSE_F(fixture_name, clause_name, clause_text, ...)				\
	CLAUSE_DATA_(clause_name, clause_text, ##__VA_ARGS__)				\
	static void clause_name##_body(struct __test_metadata *_metadata,		\
				       FIXTURE_DATA(fixture_name) *self,		\
				       const FIXTURE_VARIANT(fixture_name) *variant);	\
	TEST_F(fixture_name, clause_name)						\
	{										\
		if (clause_is_due(_metadata, &clause_name##_clause))			\
			clause_name##_body(_metadata, self, variant);			\
	}										\
	static void clause_name##_body(							\
		struct __test_metadata __attribute__((unused)) *_metadata,		\
		FIXTURE_DATA(fixture_name) __attribute__((unused)) *self,		\
		const FIXTURE_VARIANT(fixture_name) __attribute__((unused)) *variant)

// The array holds pointers: the linker may pad structures, never pointers.
#define CLAUSE_DATA_(clause_name, clause_text, ...)					\
	static const struct clause clause_name##_clause = {				\
		.name = #clause_name, .text = clause_text,				\
		.file = __FILE__, .line = __LINE__, __VA_ARGS__				\
	};										\
	static const struct clause *const clause_name##_entry				\
		__attribute__((used, section("clauses"))) = &clause_name##_clause;

extern const struct clause *const __start_clauses[], *const __stop_clauses[];

// The feature may be missing; the clause ends here with the verdict `absent`. Only for what the kernel may lack.
#define ABSENT(fmt, ...) SKIP(return, "absent: " fmt, ##__VA_ARGS__)

// Compares the raw result of a system call; on failure prints it by name beside what was wanted.
#define RESULT_(call, text, holds, want, is_assert) do {				\
	long result_ = (long)(call);							\
	if (!(holds)) {									\
		char seen_[RESULT_TEXT];						\
		__TH_LOG("%s = %s, want %s", text, result_text(seen_, result_), want);	\
		_metadata->exit_code = KSFT_FAIL;					\
		_metadata->trigger = 1;							\
	}										\
} while (0); OPTIONAL_HANDLER(is_assert)

#define EXPECT_ERR(error, call) RESULT_(call, #call, result_ == -(error), "-" #error, 0)
#define ASSERT_ERR(error, call) RESULT_(call, #call, result_ == -(error), "-" #error, 1)
#define EXPECT_OK(call)         RESULT_(call, #call, !is_error(result_), "no error", 0)
#define ASSERT_OK(call)         RESULT_(call, #call, !is_error(result_), "no error", 1)
#define EXPECT_RET(value, call) RESULT_(call, #call, result_ == (long)(value), #value, 0)
#define ASSERT_RET(value, call) RESULT_(call, #call, result_ == (long)(value), #value, 1)

// Runs the statement that follows in a forked child and waits for it; what fails there fails the clause.
#define IN_CHILD for (int child_ = clause_fork(_metadata); child_ == 0; child_exit_(_metadata))

static inline __attribute__((noreturn)) void child_exit_(struct __test_metadata *t)
{
	_exit(t->exit_code);
}

// Returns 0 in the child, 1 in the parent once the child has ended.
static inline int clause_fork(struct __test_metadata *_metadata)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		return 0;
	if (child < 0 || waitpid(child, &status, 0) != child) {
		TH_LOG("cannot run a child: %s", strerror(errno));
		_metadata->exit_code = KSFT_FAIL;
	} else if (status != 0) {
		if (WIFSIGNALED(status) && WTERMSIG(status) != SIGABRT)
			TH_LOG("the child was killed by signal %d", WTERMSIG(status));
		_metadata->exit_code = KSFT_FAIL;
	}
	return 1;
}

// Decides before the body runs: skip (the machine cannot show it), absent (and properly so), or go on.
static inline bool clause_is_due(struct __test_metadata *_metadata, const struct clause *c)
{
	char why[NEED_TEXT], seen[RESULT_TEXT];
	int may_lack;
	long result;

	if (c->as_nobody && geteuid() == 0)
		SKIP(return false, "must run without privilege: setpriv --reuid 65534 --regid 65534 --clear-groups");
	if (!needs_are_met(c->needs, why))
		SKIP(return false, "%s", why);

	may_lack = feature_may_be_absent(c->since, c->config, why);
	if (!c->probe) {
		if (may_lack)
			SKIP(return false, "absent: %s", why);
		return true;
	}
	result = c->probe();
	if (result != -(c->absent_errno ? c->absent_errno : ENOSYS)) {
		// Refused is not absent: a runtime falls back on the documented error and dies of another (incident 43).
		if (!may_lack || result != -EPERM)
			return true;
		TH_LOG("a feature that is absent (%s) must answer -%s, not %s", why,
		       strerrorname_np(c->absent_errno ? c->absent_errno : ENOSYS), result_text(seen, result));
	} else if (may_lack) {
		SKIP(return false, "absent: %s", why);
	} else {
		TH_LOG("this kernel should have the feature, and answers %s", result_text(seen, result));
	}
	_metadata->exit_code = KSFT_FAIL;
	return false;
}

#include "clause_list.h"

int main(int argc, char **argv)
{
	int slow = slowness(), status = run_after_exec(argc, argv);

	if (status >= 0)
		return status;
	if (argc == 2 && !strncmp(argv[1], "--clauses", 9))
		return list_clauses(!strcmp(argv[1], "--clauses=json"));

	for (struct __fixture_metadata *f = __fixture_list; f; f = f->next)
		for (struct __test_metadata *t = f->tests; t; t = t->next)
			t->timeout = within_patience((clause_of(t)->timeout ?: CLAUSE_TIMEOUT) * slow);
	return test_harness_run(argc, argv);
}

#endif
