// SPDX-License-Identifier: GPL-2.0-only
// futex(2): FUTEX_WAIT and FUTEX_WAKE on private words.
#include "clause.h"
#include "futex.h"
#include "sync.h"
#include "thread.h"

CLAUSE(wait_returns_eagain_when_the_word_differs,
       "futex(2) ERRORS EAGAIN: a wait whose word is not the expected value returns at once",
       .needed_by = "go:futexsleep glibc:lll_lock")
{
	uint32_t word = 1;

	EXPECT_ERR(EAGAIN, futex_wait(&word, 0, NULL));
}

struct waiter {
	uint32_t word;
	long result;
};

static int waiter_main(void *arg)
{
	struct waiter *w = arg;

	w->result = futex_wait(&w->word, 0, NULL);
	return 0;
}

CLAUSE(wake_ends_a_wait,
       "futex(2) FUTEX_WAKE: wakes at most val of the waiters and returns how many it woke",
       .needed_by = "go:futexwakeup")
{
	struct waiter w = { 0 };
	struct thread t;

	ASSERT_OK(thread_start(&t, waiter_main, &w));
	ASSERT_TRUE(wait_until_blocked_in(t.known_as, NR_FUTEX));
	EXPECT_RET(1, futex_wake(&w.word, 1));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_RET(0, w.result);
}
