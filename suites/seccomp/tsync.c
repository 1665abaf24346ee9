// SPDX-License-Identifier: GPL-2.0-only
// seccomp(2) SECCOMP_FILTER_FLAG_TSYNC: one filter for every thread at once, or for none.
#include "clause.h"
#include "filter.h"
#include "sync.h"
#include "thread.h"

#include <linux/futex.h>

#define DENIED 77
#define THREADS 5

#define TSYNC SECCOMP_FILTER_FLAG_TSYNC
#define TSYNC_ESRCH SECCOMP_FILTER_FLAG_TSYNC_ESRCH

enum role { SPINS, WAITS_FOR_A_WORD, WAITS_WITH_ALL_BLOCKED, HAS_A_FILTER };

struct member {
	struct thread thread;
	enum role role;
	volatile uint32_t word;		// 0: stay, 1: make the call and end
	volatile int ready;
	volatile long loaded, result, mode, privs, filters;
};

static int stays_and_calls(void *arg)
{
	struct member *m = arg;
	struct kernel_sigset all;

	memset(&all, 0xff, sizeof(all));
	if (m->role == WAITS_WITH_ALL_BLOCKED)
		raw_syscall(__NR_rt_sigprocmask, 0, &all, NULL, ARCH_SIGSET_BYTES);
	if (m->role == HAS_A_FILTER)
		m->loaded = judge(CALL + 300000, FAILS_WITH(DENIED));
	m->ready = 1;
	while (!m->word) {
		if (m->role == WAITS_FOR_A_WORD || m->role == WAITS_WITH_ALL_BLOCKED)
			raw_syscall(NR_FUTEX, &m->word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
		else
			raw_syscall(__NR_sched_yield);
	}
	m->result = call(0);
	m->mode = raw_syscall(__NR_prctl, PR_GET_SECCOMP, 0, 0, 0, 0);
	m->privs = raw_syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	return 0;
}

static bool member_starts(struct member *m, enum role role)
{
	*m = (struct member){ .role = role };
	if (is_error(thread_start(&m->thread, stays_and_calls, m)) || !wait_until(m->ready))
		return false;
	return role == SPINS || role == HAS_A_FILTER || wait_until_blocked_in(m->thread.known_as, NR_FUTEX);
}

static bool member_ends(struct member *m)
{
	m->word = 1;
	raw_syscall(NR_FUTEX, &m->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	return thread_join(&m->thread);
}

CLAUSE(tsync_binds_every_thread,
       "seccomp(2) SECCOMP_FILTER_FLAG_TSYNC: all threads of the process have the filter when the call returns 0, "
       "those that are blocked in a "
       "system call, or block all signals, included; it is of one call, not of the next", SECCOMP)
{
	struct member m[THREADS];

	for (int i = 0; i < THREADS; i++)
		ASSERT_TRUE(member_starts(&m[i], i % 3));
	ASSERT_RET(0, load_filter(TSYNC, ON_CALL(CALL, FAILS_WITH(DENIED)), ALLOW));
	for (int i = 0; i < THREADS; i++)
		EXPECT_EQ(SECCOMP_MODE_FILTER, status_number(m[i].thread.known_as, "Seccomp"));
	EXPECT_RET(-DENIED, call(0));
	for (int i = 0; i < THREADS; i++) {
		ASSERT_TRUE(member_ends(&m[i]));
		EXPECT_RET(-DENIED, m[i].result);
		EXPECT_RET(SECCOMP_MODE_FILTER, m[i].mode);
	}
}

CLAUSE(tsync_hands_no_new_privs_on,
       "kernel/seccomp.c seccomp_sync_threads (5.10, 7.2): where the caller has no_new_privs every synchronised thread "
       "gets it", SECCOMP)
{
	struct member m[2];

	for (int i = 0; i < 2; i++)
		ASSERT_TRUE(member_starts(&m[i], i));
	ASSERT_RET(0, load_filter(TSYNC, ALLOW));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(1, status_number(m[i].thread.known_as, "NoNewPrivs"));
		ASSERT_TRUE(member_ends(&m[i]));
		EXPECT_RET(1, m[i].privs);
	}
}

CLAUSE(tsync_takes_the_callers_other_filters_along,
       "seccomp(2) SECCOMP_FILTER_FLAG_TSYNC: the threads get the caller's whole tree of filters, those it loaded "
       "before for itself alone "
       "included", SECCOMP)
{
	long before = status_number(0, "Seccomp_filters");
	struct member m;

	ASSERT_TRUE(member_starts(&m, SPINS));
	ASSERT_RET(0, judge(CALL, FAILS_WITH(DENIED)));
	ASSERT_RET(0, load_filter(TSYNC, ALLOW));
	EXPECT_EQ(before + 2, status_number(m.thread.known_as, "Seccomp_filters"));
	ASSERT_TRUE(member_ends(&m));
	EXPECT_RET(-DENIED, m.result);
}

CLAUSE(a_thread_that_inherited_the_filters_is_synchronised,
       "seccomp(2) SECCOMP_FILTER_FLAG_TSYNC: a thread whose filters are an ancestor of the caller's has not "
       "diverged", SECCOMP)
{
	struct member m;

	ASSERT_RET(0, load_filter(0, ALLOW));
	ASSERT_TRUE(member_starts(&m, WAITS_FOR_A_WORD));
	ASSERT_RET(0, load_filter(0, ALLOW));
	ASSERT_RET(0, load_filter(TSYNC, ON_CALL(CALL, FAILS_WITH(DENIED)), ALLOW));
	ASSERT_TRUE(member_ends(&m));
	EXPECT_RET(-DENIED, m.result);
}

CLAUSE(a_diverged_thread_is_named,
       "seccomp(2) RETURN VALUE: if TSYNC fails, the result is the id of a thread that could not be synchronised, "
       "which is no error number; "
       "no thread, the caller included, then has the filter", SECCOMP)
{
	long before = status_number(0, "Seccomp_filters"), privs = status_number(0, "NoNewPrivs"), result;
	struct member m[THREADS];

	for (int i = 0; i < THREADS; i++)
		ASSERT_TRUE(member_starts(&m[i], i == 2 ? HAS_A_FILTER : i % 3));
	ASSERT_RET(0, m[2].loaded);
	result = load_filter(TSYNC, ON_CALL(CALL, FAILS_WITH(DENIED)), ALLOW);
	EXPECT_RET(m[2].thread.known_as, result);
	EXPECT_EQ(before, status_number(0, "Seccomp_filters"));
	EXPECT_RET(call_result(), call(0));
	for (int i = 0; i < THREADS; i++) {
		EXPECT_EQ(before + (i == 2), status_number(m[i].thread.known_as, "Seccomp_filters"));
		ASSERT_TRUE(member_ends(&m[i]));
		EXPECT_RET(call_result(), m[i].result);
		EXPECT_EQ(privs || i == 2, m[i].privs);
	}
	// The one that was in the way is gone: 5.10 and 6.1 count a thread until it is reaped, and that is after its join.
	ASSERT_TRUE(wait_until(raw_syscall(__NR_tgkill, getpid(), m[2].thread.known_as, 0) == -ESRCH));
	EXPECT_RET(0, load_filter(TSYNC, ON_CALL(CALL, FAILS_WITH(DENIED)), ALLOW));
	EXPECT_RET(-DENIED, call(0));
}

CLAUSE(tsync_esrch_turns_the_thread_into_an_error,
       "seccomp(2) SECCOMP_FILTER_FLAG_TSYNC_ESRCH: a thread that cannot be synchronised makes the call fail with "
       "ESRCH, and nothing is "
       "loaded or opened", SECCOMP)
{
	long before = status_number(0, "Seccomp_filters");
	struct member m;

	ASSERT_TRUE(member_starts(&m, HAS_A_FILTER));
	ASSERT_RET(0, m.loaded);
	EXPECT_ERR(ESRCH, load_filter(TSYNC | TSYNC_ESRCH, ON_CALL(CALL, FAILS_WITH(DENIED)), ALLOW));
	EXPECT_ERR(ESRCH, load_filter(TSYNC | TSYNC_ESRCH | SECCOMP_FILTER_FLAG_NEW_LISTENER, ON_CALL(CALL, SECCOMP_RET_USER_NOTIF), ALLOW));
	EXPECT_EQ(before, status_number(0, "Seccomp_filters"));
	EXPECT_RET(call_result(), call(0));
	ASSERT_TRUE(member_ends(&m));
	EXPECT_RET(call_result(), m.result);
}

static volatile int stop_making, made, unbound;

static int makes_the_call(void *arg)
{
	if (stop_making && call(0) != -DENIED)
		unbound++;
	return 0;
}

// Makes threads all the time, one after the other.
static int makes_threads(void *arg)
{
	while (stop_making < 2) {
		struct thread *t = arg;

		if (is_error(thread_start(t, makes_the_call, NULL)))
			return 1;
		made++;
		while (!thread_is_gone(t))
			raw_syscall(__NR_sched_yield);
		raw_syscall(__NR_munmap, t->stack, t->stack_size);
	}
	return 0;
}

CLAUSE(tsync_misses_no_thread_that_is_being_made,
       "kernel/fork.c copy_seccomp, kernel/seccomp.c seccomp_sync_threads (5.10, 7.2): a thread that is created while "
       "the filter spreads has "
       "it as well", .timeout = 30, SECCOMP)
{
	struct thread maker, made_one;
	int before;

	ASSERT_OK(thread_start(&maker, makes_threads, &made_one));
	for (int round = 0; round < 8; round++) {
		before = made;
		ASSERT_TRUE(wait_until(made != before));
		ASSERT_RET(0, load_filter(TSYNC, ON_CALL(CALL, FAILS_WITH(DENIED)), ALLOW));
		stop_making = 1;
	}
	before = made;
	ASSERT_TRUE(wait_until(made - before > 2));
	stop_making = 2;
	ASSERT_TRUE(thread_join(&maker));
	EXPECT_EQ(0, unbound);
}
