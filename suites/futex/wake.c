// SPDX-License-Identifier: GPL-2.0-only
// futex(2) FUTEX_WAKE: how many waiters are woken, which, and in what order.
#include "clause.h"

#include "guard.h"
#include "ranked.h"

#define MANY 8

// Each way to wake, beside the way to wait that it belongs to.
static const struct {
	int wait, wake;
} kinds[] = {
	{ FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE },
	{ FUTEX_WAIT, FUTEX_WAKE },
	{ FUTEX_WAIT_BITSET_PRIVATE, FUTEX_WAKE_BITSET_PRIVATE },
	{ FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET },
};

static long wake(uint32_t *word, int op, uint32_t count)
{
	return futex_call(word, op, count, NULL, NULL, FUTEX_BITSET_MATCH_ANY);
}

// Waits until woken of the n waiters have returned; true if all the others are asleep then.
static bool others_sleep(struct waiter *w, int n, int woken)
{
	if (!wait_until(count_returned(w, n) >= woken))
		return false;
	for (int i = 0; i < n; i++)
		if (!w[i].returned)
			woken += is_asleep(w[i].tid);
	return woken == n;
}

CLAUSE(wake_returns_0_when_nobody_waits,
       "futex(2) RETURN VALUE FUTEX_WAKE: the number of waiters that were woken up [FUT-6]",
       .needed_by = "go:futexwakeup glibc:lll_unlock")
{
	static const uint32_t counts[] = { 0, 1, 2, INT_MAX, 0x80000000, 0xffffffff };
	uint32_t word = 0;

	FOR_EACH(k, kinds)
		FOR_EACH(c, counts)
			EXPECT_RET(0, wake(&word, kinds[k].wake, counts[c]));
	EXPECT_EQ(0, word);
}

CLAUSE(wake_wakes_at_most_as_many_as_asked,
       "futex(2) FUTEX_WAKE: wakes at most val of the waiters, returns how many, and leaves the others asleep "
       "[FUT-6]",
       .needed_by = "go:futexwakeup glibc:pthread_cond_signal rust:futex_wake")
{
	FOR_EACH(k, kinds) {
		struct waiter w[MANY];
		uint32_t word = 0;

		ASSERT_TRUE(all_sleep_on(w, MANY, &word, kinds[k].wait));
		EXPECT_RET(1, wake(&word, kinds[k].wake, 1));
		EXPECT_TRUE(others_sleep(w, MANY, 1));
		EXPECT_RET(2, wake(&word, kinds[k].wake, 2));
		EXPECT_TRUE(others_sleep(w, MANY, 3));
		EXPECT_RET(1, wake(&word, kinds[k].wake, 1));
		EXPECT_TRUE(others_sleep(w, MANY, 4));
		EXPECT_RET(3, wake(&word, kinds[k].wake, 3));
		EXPECT_TRUE(others_sleep(w, MANY, 7));
		EXPECT_RET(1, wake(&word, kinds[k].wake, 5));
		EXPECT_TRUE(all_returned(w, MANY, 0));
		EXPECT_RET(0, wake(&word, kinds[k].wake, INT_MAX));
	}
}

CLAUSE(wake_all_wakes_all,
       "futex(2) FUTEX_WAKE: val INT_MAX wakes all waiters, and no more are counted than there were",
       .needed_by = "glibc:pthread_cond_broadcast musl:__wake dotnet:SpinLock")
{
	FOR_EACH(k, kinds) {
		struct waiter w[MANY];
		uint32_t word = 0;

		ASSERT_TRUE(all_sleep_on(w, MANY, &word, kinds[k].wait));
		EXPECT_RET(MANY, wake(&word, kinds[k].wake, INT_MAX));
		EXPECT_TRUE(all_returned(w, MANY, 0));
		EXPECT_RET(0, wake(&word, kinds[k].wake, INT_MAX));
	}
}

CLAUSE(wake_with_a_count_of_0_or_less_wakes_one,
       "kernel/futex/waitwake.c futex_wake (7.2): without FLAGS_STRICT a count of 0 still wakes one waiter, and so "
       "does one that is negative as an int [FUT-15]",
       .needed_by = "go:futexwakeup")
{
	static const uint32_t counts[] = { 0, 0xffffffff, 0x80000000, 0 };

	FOR_EACH(k, kinds) {
		struct waiter w[4];
		uint32_t word = 0;

		ASSERT_TRUE(all_sleep_on(w, 4, &word, kinds[k].wait));
		FOR_EACH(c, counts) {
			EXPECT_RET(1, wake(&word, kinds[k].wake, counts[c]));
			EXPECT_TRUE(others_sleep(w, 4, c + 1));
		}
		EXPECT_TRUE(all_returned(w, 4, 0));
	}
}

CLAUSE(repeated_wakes_reach_every_waiter,
       "futex(2) FUTEX_WAKE: each wake of one ends another wait, until none is left [FUT-12]",
       .needed_by = "go:futexwakeup")
{
	struct waiter w[24];
	uint32_t word = 0;

	ASSERT_TRUE(all_sleep_on(w, 24, &word, FUTEX_WAIT_PRIVATE));
	for (int i = 1; i <= 24; i++) {
		EXPECT_RET(1, futex_wake(&word, 1));
		ASSERT_TRUE(wait_until(count_returned(w, 24) >= i));
		EXPECT_EQ(i, count_returned(w, 24));
	}
	EXPECT_TRUE(all_returned(w, 24, 0));
	EXPECT_RET(0, futex_wake(&word, 1));
}

CLAUSE(equal_waiters_are_woken_in_the_order_in_which_they_came,
       "kernel/futex/core.c __futex_queue (7.2): threads without real-time priority are woken in FIFO order [FUT-12]",
       .needed_by = "go:futexwakeup glibc:pthread_cond_signal")
{
	FOR_EACH(k, kinds) {
		struct waiter w[MANY];
		uint32_t word = 0;

		ASSERT_TRUE(all_sleep_on(w, MANY, &word, kinds[k].wait));
		for (int i = 0; i < MANY; i++) {
			EXPECT_RET(1, wake(&word, kinds[k].wake, 1));
			ASSERT_TRUE(others_sleep(w, MANY, i + 1));
			ASSERT_TRUE(w[i].returned);
		}
	}
}

CLAUSE(real_time_waiters_are_woken_first_by_priority,
       "kernel/futex/core.c __futex_queue (7.2): real-time threads are woken first, in the order of their priority, "
       "equals in the order in which they came [FUT-12]",
       .needs = "cap=sys_nice", .needed_by = "glibc:pthread_cond_signal")
{
	struct ranked r[] = {
		{ .priority = 0 }, { .priority = 1 }, { .priority = 5 },
		{ .priority = 3 }, { .priority = 0 }, { .priority = 5 },
	};
	static const int order[] = { 2, 5, 3, 1, 0, 4 };
	uint32_t word = 0;
	int asleep = ranked_sleep_on(r, ARRAY_SIZE(r), &word, FUTEX_WAIT_PRIVATE);

	if (asleep == -EPERM)
		SKIP(return, "no real-time priority to be had here (cgroup without rt_runtime, or seccomp)");
	ASSERT_EQ(1, asleep);
	FOR_EACH(i, order) {
		EXPECT_RET(1, futex_wake(&word, 1));
		EXPECT_RET(0, waiter_result(&r[order[i]].w));
		for (unsigned int later = i + 1; later < ARRAY_SIZE(order); later++)
			EXPECT_TRUE(is_asleep(r[order[later]].w.tid));
	}
}

CLAUSE(nice_values_do_not_change_the_order,
       "kernel/futex/core.c __futex_queue (5.10 to 7.2): threads without real-time priority are woken in the order "
       "in which they came, whatever their nice values [FUT-12]",
       .needs = "cap=sys_nice", .needed_by = "go:futexwakeup glibc:pthread_cond_signal")
{
	struct ranked r[] = { { .nice = 19 }, { .nice = 1 }, { .nice = -20 }, { .nice = -1 }, { .nice = 5 }, { .nice = 0 } };
	uint32_t word = 0;

	ASSERT_EQ(1, ranked_sleep_on(r, ARRAY_SIZE(r), &word, FUTEX_WAIT_PRIVATE));
	FOR_EACH(i, r) {
		EXPECT_RET(1, futex_wake(&word, 1));
		for (unsigned int later = i + 1; later < ARRAY_SIZE(r); later++)
			ASSERT_TRUE(is_asleep(r[later].w.tid));
		EXPECT_RET(0, waiter_result(&r[i].w));
	}
}

CLAUSE(wake_leaves_waiters_of_other_words_asleep,
       "futex(2) FUTEX_WAKE: wakes those that wait on the futex word at uaddr, and nobody else",
       .needed_by = "go:futexwakeup glibc:lll_unlock")
{
	size_t page = page_size();
	char *pages = private_memory(4 * page);
	uint32_t *word = (uint32_t *)(pages + page + 64);
	const long others[] = { -4, 4, -8, 8, 64, -64, -(long)page, page, 2 * page, page + 4, page - 68, page - 64 };

	FOR_EACH(k, kinds) {
		struct waiter w;

		ASSERT_TRUE(sleeps_on(&w, word, kinds[k].wait));
		FOR_EACH(i, others)
			EXPECT_RET(0, wake((uint32_t *)((char *)word + others[i]), kinds[k].wake, INT_MAX));
		EXPECT_TRUE(is_asleep(w.tid));
		EXPECT_RET(1, wake(word, kinds[k].wake, INT_MAX));
		EXPECT_RET(0, waiter_result(&w));
	}
}

CLAUSE(each_of_many_words_has_its_own_waiters,
       "futex(2) FUTEX_WAKE: wakes those that wait on the futex word at uaddr, among many words and waiters",
       .needed_by = "go:futexwakeup jvm:Parker")
{
	uint32_t words[32] = { 0 };
	struct waiter w[32];

	for (int i = 0; i < 32; i++)
		ASSERT_TRUE(sleeps_on(&w[i], &words[i], i & 1 ? FUTEX_WAIT : FUTEX_WAIT_PRIVATE));
	for (int i = 0; i < 32; i++) {
		int n = (i * 11 + 5) % 32;

		EXPECT_RET(1, wake(&words[n], n & 1 ? FUTEX_WAKE : FUTEX_WAKE_PRIVATE, INT_MAX));
		EXPECT_RET(0, waiter_result(&w[n]));
		EXPECT_EQ(i + 1, count_returned(w, 32));
	}
}

static int end_at_once(void *arg)
{
	return 0;
}

// A process's table of waiters is made with its first threads, and may grow with each more (6.16).
CLAUSE(waiters_are_found_after_threads_have_come_and_gone,
       "kernel/futex/core.c futex_hash_allocate_default (7.2), futex(2) FUTEX_WAKE: how many threads a process has "
       "had since a wait began is nothing to the wake",
       .needed_by = "go:newosproc jvm:Parker")
{
	struct thread t[24];
	uint32_t words[12] = { 0 };
	struct waiter w[12];

	FOR_EACH(i, w)
		ASSERT_TRUE(sleeps_on(&w[i], &words[i], FUTEX_WAIT_PRIVATE));
	FOR_EACH(i, t)
		ASSERT_OK(thread_start(&t[i], end_at_once, NULL));
	for (int i = 0; i < 12; i += 2)
		EXPECT_RET(1, futex_wake(&words[i], INT_MAX));
	FOR_EACH(i, t)
		ASSERT_TRUE(thread_join(&t[i]));
	for (int i = 1; i < 12; i += 2)
		EXPECT_RET(1, futex_wake(&words[i], INT_MAX));
	EXPECT_TRUE(all_returned(w, 12, 0));
}

CLAUSE(a_wake_that_finds_nobody_is_not_kept,
       "futex(2) FUTEX_WAKE: wakes those that are waiting; a wait that begins later sleeps",
       .needed_by = "go:futexwakeup")
{
	static const struct __kernel_timespec at_once = { 0, 0 };
	uint32_t word = 0;

	FOR_EACH(k, kinds) {
		EXPECT_RET(0, wake(&word, kinds[k].wake, INT_MAX));
		EXPECT_ERR(ETIMEDOUT, futex_call(&word, kinds[k].wait, 0, &at_once, NULL, FUTEX_BITSET_MATCH_ANY));
	}
}

CLAUSE(a_wait_that_is_over_is_not_counted,
       "futex(2) RETURN VALUE FUTEX_WAKE: counts waiters that it has woken, not ones that have timed out or refused",
       .needed_by = "glibc:pthread_cond_signal")
{
	struct __kernel_timespec soon = timespec_of(1000000);
	uint32_t word = 0;
	struct waiter w;

	EXPECT_ERR(ETIMEDOUT, futex_wait(&word, 0, &soon));
	EXPECT_RET(0, futex_wake(&word, INT_MAX));
	EXPECT_ERR(EAGAIN, futex_wait(&word, 1, NULL));
	EXPECT_RET(0, futex_wake(&word, INT_MAX));

	w = waiter_on(&word, FUTEX_WAIT_PRIVATE);
	w.timeout = &soon;
	ASSERT_TRUE(waiter_start(&w));
	EXPECT_RET(-ETIMEDOUT, waiter_result(&w));
	EXPECT_RET(0, futex_wake(&word, INT_MAX));
}

CLAUSE(a_killed_waiter_is_not_counted,
       "signal(7), futex(2) FUTEX_WAKE: a waiter that SIGKILL has ended waits no longer",
       .needed_by = "glibc:pthread_mutex_lock")
{
	struct waiter *w = shared_memory(2 * sizeof(*w) + sizeof(uint32_t));
	uint32_t *word = (uint32_t *)(w + 2);
	int status;

	for (int i = 0; i < 2; i++) {
		w[i] = waiter_on(word, FUTEX_WAIT);
		ASSERT_TRUE(waiter_sleeps_in_child(&w[i]));
	}
	ASSERT_EQ(0, kill(w[0].tid, SIGKILL));
	ASSERT_EQ(w[0].tid, waitpid(w[0].tid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_RET(1, futex_wake_shared(word, INT_MAX));
	EXPECT_RET(0, waiter_result(&w[1]));
	EXPECT_EQ(0, w[0].returned);
}

CLAUSE(wake_ignores_timeout_uaddr2_and_val3,
       "futex(2) FUTEX_WAKE: the arguments timeout, uaddr2 and val3 are ignored; FUTEX_WAKE_BITSET: uaddr2 and "
       "timeout are",
       .needed_by = "go:futexwakeup musl:__wake")
{
	static const int private_or_not[] = { 0, FUTEX_PRIVATE_FLAG };
	struct waiter w[4];
	uint32_t word = 0;

	FOR_EACH(p, private_or_not) {
		ASSERT_TRUE(all_sleep_on(w, 4, &word, FUTEX_WAIT | private_or_not[p]));
		EXPECT_RET(1, futex_call(&word, FUTEX_WAKE | private_or_not[p], 1, forbidden_page(), forbidden_page(), 0));
		EXPECT_RET(1, futex_call(&word, FUTEX_WAKE | private_or_not[p], 1, -1L, -1L, 1));
		EXPECT_RET(1, futex_call(&word, FUTEX_WAKE | private_or_not[p], 1, 1L, 3L, 0xffffffff));
		EXPECT_RET(1, futex_call(&word, FUTEX_WAKE_BITSET | private_or_not[p], 1, -1L, -1L, 1));
		EXPECT_TRUE(all_returned(w, 4, 0));
	}
}

CLAUSE(the_word_may_hold_anything_when_it_is_woken,
       "futex(2) FUTEX_WAKE: wakes the waiters of the word, whatever value it has by now",
       .needed_by = "go:futexwakeup")
{
	static const uint32_t values[] = { 0, 1, 5, 0x80000000, 0xffffffff };

	FOR_EACH(v, values) {
		volatile uint32_t word = 5;
		struct waiter w;

		ASSERT_TRUE(sleeps_on(&w, (uint32_t *)&word, FUTEX_WAIT_PRIVATE));
		word = values[v];
		EXPECT_RET(1, futex_wake((uint32_t *)&word, 1));
		EXPECT_RET(0, waiter_result(&w));
		EXPECT_EQ(values[v], word);
	}
}
