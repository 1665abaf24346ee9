// SPDX-License-Identifier: GPL-2.0-only
// seccomp(2): whom a filter binds: the thread, what it creates and executes, for good.
#include "clause.h"
#include "filter.h"
#include "sync.h"
#include "thread.h"

#define DENIED 77

struct sibling {
	struct thread thread;
	volatile int go, done;
	volatile long result, mode, privs;
};

// Makes the call when told to, and says what it is bound by.
static int waits_and_calls(void *arg)
{
	struct sibling *s = arg;

	while (!s->go)
		raw_syscall(__NR_sched_yield);
	s->result = call(0);
	s->mode = raw_syscall(__NR_prctl, PR_GET_SECCOMP, 0, 0, 0, 0);
	s->privs = raw_syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	return 0;
}

CLAUSE(a_filter_binds_the_calling_thread_alone,
       "seccomp(2) SECCOMP_SET_MODE_FILTER: without TSYNC the filter is of the calling thread: siblings go on without, "
       "and their mode and "
       "no_new_privs are as before", SECCOMP)
{
	long mode = raw_syscall(__NR_prctl, PR_GET_SECCOMP, 0, 0, 0, 0);
	long privs = raw_syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	struct sibling s = { 0 };

	ASSERT_OK(thread_start(&s.thread, waits_and_calls, &s));
	ASSERT_RET(0, judge(CALL, FAILS_WITH(DENIED)));
	EXPECT_EQ(mode, status_number(s.thread.known_as, "Seccomp"));
	s.go = 1;
	ASSERT_TRUE(thread_join(&s.thread));
	EXPECT_RET(call_result(), s.result);
	EXPECT_RET(mode, s.mode);
	EXPECT_RET(privs, s.privs);
	EXPECT_RET(-DENIED, call(0));
}

CLAUSE(a_thread_inherits_the_filters_of_its_creator,
       "seccomp(2) SECCOMP_SET_MODE_FILTER: a thread made after the filter is bound by it from its first instruction, "
       "by no_new_privs too "
       "[CLN-10]", SECCOMP)
{
	struct sibling s = { .go = 1 };

	ASSERT_RET(0, judge(CALL, FAILS_WITH(DENIED)));
	ASSERT_OK(thread_start(&s.thread, waits_and_calls, &s));
	ASSERT_TRUE(thread_join(&s.thread));
	EXPECT_RET(-DENIED, s.result);
	EXPECT_RET(SECCOMP_MODE_FILTER, s.mode);
	EXPECT_RET(1, s.privs);
}

CLAUSE(a_child_inherits_the_filters,
       "seccomp(2) SECCOMP_SET_MODE_FILTER: children of fork(2) are constrained by the filters of the parent, all of "
       "them; a filter that the "
       "child adds does not bind the parent", SECCOMP)
{
	ASSERT_RET(0, judge(CALL, FAILS_WITH(DENIED)));
	ASSERT_RET(0, judge(__NR_getsid, FAILS_WITH(DENIED + 1)));
	IN_CHILD {
		EXPECT_RET(-DENIED, call(0));
		EXPECT_RET(-(DENIED + 1), raw_syscall(__NR_getsid, 0));
		EXPECT_RET(1, raw_syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
		ASSERT_RET(0, judge(CALL, FAILS_WITH(DENIED + 2)));
		EXPECT_RET(-(DENIED + 2), call(0));
	}
	EXPECT_RET(-DENIED, call(0));
}

AFTER_EXEC(is_denied)
{
	if (call(0) != -DENIED)
		return 1;
	if (raw_syscall(__NR_prctl, PR_GET_SECCOMP, 0, 0, 0, 0) != SECCOMP_MODE_FILTER)
		return 2;
	return raw_syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 3;
}

CLAUSE(exec_keeps_the_filters,
       "seccomp(2) SECCOMP_SET_MODE_FILTER: existing filters are preserved across execve(2), and so is "
       "no_new_privs", SECCOMP)
{
	IN_CHILD {
		ASSERT_RET(0, judge(CALL, FAILS_WITH(DENIED)));
		execute_self(is_denied);
		_exit(126);
	}
}

CLAUSE(a_filter_cannot_be_taken_away,
       "seccomp(2), prctl(2) PR_SET_NO_NEW_PRIVS: mode and filters cannot be reset, no_new_privs cannot be unset, and "
       "a later filter cannot "
       "allow what an earlier one denies", SECCOMP)
{
	ASSERT_RET(0, judge(CALL, FAILS_WITH(DENIED)));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_DISABLED, 0, 0, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	EXPECT_RET(1, raw_syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	ASSERT_RET(0, load_filter(0, ALLOW));
	EXPECT_RET(-DENIED, call(0));
}

CLAUSE(no_new_privs_is_of_the_thread_and_takes_one_value,
       "prctl(2) PR_SET_NO_NEW_PRIVS: 1 sets it, anything else or further arguments are EINVAL; PR_GET_NO_NEW_PRIVS "
       "and /proc's NoNewPrivs "
       "tell it", SECCOMP)
{
	struct sibling s = { 0 };
	long before = raw_syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);

	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 1));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0));
	EXPECT_RET(before, raw_syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	ASSERT_OK(thread_start(&s.thread, waits_and_calls, &s));
	EXPECT_RET(0, no_new_privs());
	EXPECT_RET(1, raw_syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	EXPECT_RET(1, status_number(0, "NoNewPrivs"));
	EXPECT_EQ(before, status_number(s.thread.known_as, "NoNewPrivs"));
	s.go = 1;
	ASSERT_TRUE(thread_join(&s.thread));
	EXPECT_RET(before, s.privs);
}
