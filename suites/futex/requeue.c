// SPDX-License-Identifier: GPL-2.0-only
// futex(2) FUTEX_REQUEUE and FUTEX_CMP_REQUEUE: waiters are moved from word to word without waking.
#include "clause.h"
#include "guard.h"
#include "ranked.h"
#include "sigaction.h"

#define MS 1000000LL

static const int private_or_not[] = { FUTEX_PRIVATE_FLAG, 0 };
static volatile int handled;

static void count(int sig, siginfo_t *info, void *ucontext)
{
	__atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
}

// Both operations on the same words: *from is what FUTEX_CMP_REQUEUE expects.
static long requeue(bool compare, int flag, uint32_t *from, int wake, int move, uint32_t *to)
{
	return futex_call(from, (compare ? FUTEX_CMP_REQUEUE : FUTEX_REQUEUE) | flag, wake, move, to,
			  compare ? *from : 0xdeadbeef);
}

static long wake(uint32_t *word, int flag, int count)
{
	return futex_call(word, FUTEX_WAKE | flag, count, NULL, NULL, 0);
}

CLAUSE(requeue_returns_how_many_it_woke_and_moved,
       "futex(2) FUTEX_CMP_REQUEUE: wakes up to val waiters, moves up to val2 of the rest to uaddr2, and returns the "
       "sum; FUTEX_REQUEUE does the same [GLC-6]",
       .needed_by = "glibc:pthread_cond_broadcast musl:pthread_cond_broadcast")
{
	static const struct {
		int waiters, wake, move;
		int woken, moved;
	} rows[] = {
		{ 0, 1, 1,             0, 0 },
		{ 1, 0, 0,             0, 0 },
		{ 1, 1, 0,             1, 0 },
		{ 1, 0, 1,             0, 1 },
		{ 1, 1, 1,             1, 0 },
		{ 4, 0, INT_MAX,       0, 4 },
		{ 4, 1, INT_MAX,       1, 3 },
		{ 4, 1, 1,             1, 1 },
		{ 4, 2, 1,             2, 1 },
		{ 4, 0, 2,             0, 2 },
		{ 4, 2, 2,             2, 2 },
		{ 4, INT_MAX, 0,       4, 0 },
		{ 4, INT_MAX, INT_MAX, 4, 0 },
		{ 10, 3, 7,            3, 7 },
	};

	for (int op = 0; op < 4; op++)
		FOR_EACH(i, rows) {
			uint32_t from = 3, to = 4;
			int flag = private_or_not[op / 2];
			struct waiter w[10];
			long result;

			ASSERT_TRUE(all_sleep_on(w, rows[i].waiters, &from, FUTEX_WAIT | flag));
			result = requeue(op & 1, flag, &from, rows[i].wake, rows[i].move, &to);
			EXPECT_EQ(rows[i].woken + rows[i].moved, result) {
				TH_LOG("%s, %d waiters, wake %d, move %d", op & 1 ? "CMP_REQUEUE" : "REQUEUE", rows[i].waiters,
				       rows[i].wake, rows[i].move);
			}
			EXPECT_TRUE(wait_until(count_returned(w, rows[i].waiters) >= rows[i].woken));
			EXPECT_EQ(rows[i].woken, count_returned(w, rows[i].waiters));
			EXPECT_RET(rows[i].moved, wake(&to, flag, INT_MAX));
			EXPECT_RET(rows[i].waiters - rows[i].woken - rows[i].moved, wake(&from, flag, INT_MAX));
			EXPECT_TRUE(all_returned(w, rows[i].waiters, 0));
			EXPECT_EQ(3, from);
			EXPECT_EQ(4, to);
		}
}

CLAUSE(a_requeued_waiter_sleeps_on_and_is_woken_by_the_second_word_only,
       "futex(2) FUTEX_CMP_REQUEUE: the waiters are removed from the wait queue of uaddr and added to that of uaddr2",
       .needed_by = "glibc:pthread_cond_broadcast")
{
	FOR_EACH(p, private_or_not) {
		uint32_t from = 0, to = 0;
		struct waiter w[3];

		ASSERT_TRUE(all_sleep_on(w, 3, &from, FUTEX_WAIT | private_or_not[p]));
		EXPECT_RET(3, requeue(true, private_or_not[p], &from, 0, INT_MAX, &to));
		for (int i = 0; i < 3; i++)
			EXPECT_TRUE(is_asleep(w[i].tid));
		EXPECT_RET(0, wake(&from, private_or_not[p], INT_MAX));
		EXPECT_RET(0, requeue(false, private_or_not[p], &from, INT_MAX, INT_MAX, &to));
		EXPECT_RET(1, wake(&to, private_or_not[p], 1));
		EXPECT_RET(2, wake(&to, private_or_not[p], INT_MAX));
		EXPECT_TRUE(all_returned(w, 3, 0));
	}
}

CLAUSE(cmp_requeue_compares_the_whole_word_first,
       "futex(2) ERRORS EAGAIN: FUTEX_CMP_REQUEUE: the value pointed to by uaddr is not val3; nobody is woken or "
       "moved",
       .needed_by = "glibc:pthread_cond_broadcast")
{
	FOR_EACH(p, private_or_not) {
		uint32_t from = 0x80000001, to = 0;
		int op = FUTEX_CMP_REQUEUE | private_or_not[p];
		struct waiter w[2];

		ASSERT_TRUE(all_sleep_on(w, 2, &from, FUTEX_WAIT | private_or_not[p]));
		for (int bit = 0; bit < 32; bit++)
			EXPECT_ERR(EAGAIN, futex_call(&from, op, 1, INT_MAX, &to, from ^ 1U << bit));
		EXPECT_ERR(EAGAIN, futex_call(&from, op, 0, 0, &to, 0));
		EXPECT_EQ(0, count_returned(w, 2));
		EXPECT_RET(0, wake(&to, private_or_not[p], INT_MAX));
		EXPECT_RET(2, wake(&from, private_or_not[p], INT_MAX));
		EXPECT_TRUE(all_returned(w, 2, 0));
	}
}

CLAUSE(requeue_does_not_compare,
       "futex(2) FUTEX_REQUEUE: no check is made using the value in val3: the argument is ignored",
       .needed_by = "musl:pthread_cond_broadcast")
{
	uint32_t from = 5, to = 0;

	for (uint32_t value3 = 0; value3 < 10; value3++) {
		struct waiter w;

		ASSERT_TRUE(sleeps_on(&w, &from, FUTEX_WAIT_PRIVATE));
		EXPECT_RET(1, futex_call(&from, FUTEX_REQUEUE_PRIVATE, 0, 1, &to, value3));
		EXPECT_RET(1, futex_wake(&to, 1));
		EXPECT_RET(0, waiter_result(&w));
	}
}

CLAUSE(negative_counts_are_refused,
       "kernel/futex/requeue.c futex_requeue (7.2): nr_wake or nr_requeue below 0 is EINVAL: neither wraps into a "
       "huge count [incident 28]",
       .commit = "fbe0e839d1e2 futex: Prevent overflow by strengthen input validation")
{
	static const int negative[] = { -1, -2, INT_MIN, INT_MIN + 1 };
	uint32_t from = 0, to = 0;
	struct waiter w[2];

	ASSERT_TRUE(all_sleep_on(w, 2, &from, FUTEX_WAIT_PRIVATE));
	for (int op = 0; op < 4; op++)
		FOR_EACH(i, negative) {
			int flag = private_or_not[op / 2];

			EXPECT_ERR(EINVAL, requeue(op & 1, flag, &from, negative[i], 1, &to));
			EXPECT_ERR(EINVAL, requeue(op & 1, flag, &from, 1, negative[i], &to));
			EXPECT_ERR(EINVAL, requeue(op & 1, flag, &from, negative[i], negative[i], &to));
			EXPECT_ERR(EINVAL, requeue(op & 1, flag, &from, negative[i], 0, &to));
			EXPECT_ERR(EINVAL, requeue(op & 1, flag, &from, 0, negative[i], &to));
		}
	EXPECT_EQ(0, count_returned(w, 2));
	EXPECT_RET(0, futex_wake(&to, INT_MAX));
	EXPECT_RET(2, futex_wake(&from, INT_MAX));
	EXPECT_TRUE(all_returned(w, 2, 0));
}

CLAUSE(requeue_keeps_the_order,
       "kernel/futex/requeue.c futex_requeue (7.2): waiters are moved in the order in which they came, and woken in "
       "it on the second word",
       .needed_by = "glibc:pthread_cond_broadcast")
{
	uint32_t from = 0, to = 0;
	struct waiter w[6];

	ASSERT_TRUE(all_sleep_on(w, 6, &from, FUTEX_WAIT_PRIVATE));
	EXPECT_RET(3, futex_requeue(&from, 1, 2, &to));
	EXPECT_RET(0, waiter_result(&w[0]));
	EXPECT_RET(3, futex_cmp_requeue(&from, 0, INT_MAX, &to, 0));
	for (int i = 1; i < 6; i++) {
		EXPECT_RET(1, futex_wake(&to, 1));
		EXPECT_RET(0, waiter_result(&w[i]));
		EXPECT_EQ(i + 1, count_returned(w, 6));
	}
}

CLAUSE(requeue_keeps_the_rank,
       "kernel/futex/requeue.c requeue_futex (5.10 to 7.2): real-time waiters are woken first on the second word "
       "too, in the order of their priority, whoever waited there before; equals in the order in which they were "
       "moved",
       .needs = "cap=sys_nice", .needed_by = "glibc:pthread_cond_broadcast")
{
	static const int order[] = { 2, 5, 3, 6, 1, 0, 4, 7 };
	struct ranked r[8] = {
		{ .priority = 0 }, { .priority = 1 }, { .priority = 5 }, { .priority = 3 }, { .priority = 0 }, { .priority = 5 },
		{ .priority = 2 }, { .priority = 0 },
	};
	uint32_t from = 0, middle = 0, to = 0;
	int asleep = ranked_sleep_on(r, 6, &from, FUTEX_WAIT_PRIVATE);

	if (asleep == -EPERM)
		SKIP(return, "no real-time priority to be had here (cgroup without rt_runtime, or seccomp)");
	ASSERT_EQ(1, asleep);
	ASSERT_EQ(1, ranked_sleep_on(r + 6, 1, &to, FUTEX_WAIT_PRIVATE));
	EXPECT_RET(6, futex_requeue(&from, 0, INT_MAX, &middle));
	EXPECT_RET(6, futex_cmp_requeue(&middle, 0, INT_MAX, &to, 0));
	ASSERT_EQ(1, ranked_sleep_on(r + 7, 1, &to, FUTEX_WAIT_PRIVATE));
	FOR_EACH(i, order) {
		EXPECT_RET(1, futex_wake(&to, 1));
		for (unsigned int later = i + 1; later < ARRAY_SIZE(order); later++)
			ASSERT_TRUE(is_asleep(r[order[later]].w.tid));
		EXPECT_RET(0, waiter_result(&r[order[i]].w));
	}
}

CLAUSE(requeue_to_the_same_word_loses_nobody,
       "kernel/futex/requeue.c futex_requeue (7.2): uaddr may equal uaddr2 (but for PI): the waiters stay, and are "
       "counted",
       .needed_by = "glibc:pthread_cond_broadcast")
{
	FOR_EACH(p, private_or_not) {
		uint32_t word = 0;
		struct waiter w[4];

		ASSERT_TRUE(all_sleep_on(w, 4, &word, FUTEX_WAIT | private_or_not[p]));
		EXPECT_RET(4, requeue(false, private_or_not[p], &word, 0, INT_MAX, &word));
		EXPECT_RET(2, requeue(true, private_or_not[p], &word, 0, 2, &word));
		EXPECT_EQ(0, count_returned(w, 4));
		EXPECT_RET(2, requeue(true, private_or_not[p], &word, 1, 1, &word));
		EXPECT_TRUE(wait_until(count_returned(w, 4) >= 1));
		EXPECT_EQ(1, count_returned(w, 4));
		EXPECT_RET(3, wake(&word, private_or_not[p], INT_MAX));
		EXPECT_TRUE(all_returned(w, 4, 0));
	}
}

CLAUSE(waiters_of_the_second_word_are_joined_not_disturbed,
       "futex(2) FUTEX_CMP_REQUEUE: the moved waiters are added to those of uaddr2, which are neither woken nor "
       "counted",
       .needed_by = "glibc:pthread_cond_broadcast")
{
	uint32_t from = 0, to = 0;
	struct waiter there[2], w[3];

	ASSERT_TRUE(all_sleep_on(there, 2, &to, FUTEX_WAIT_PRIVATE));
	ASSERT_TRUE(all_sleep_on(w, 3, &from, FUTEX_WAIT_PRIVATE));
	EXPECT_RET(3, futex_requeue(&from, 1, INT_MAX, &to));
	EXPECT_TRUE(wait_until(count_returned(w, 3) == 1));
	EXPECT_EQ(0, count_returned(there, 2));
	EXPECT_RET(4, futex_wake(&to, INT_MAX));
	EXPECT_TRUE(all_returned(there, 2, 0));
	EXPECT_TRUE(all_returned(w, 3, 0));
}

CLAUSE(waiters_can_be_moved_on_and_on,
       "futex(2) FUTEX_CMP_REQUEUE: a waiter that was moved is a waiter of its new word, and can be moved again, or "
       "back",
       .needed_by = "glibc:pthread_cond_broadcast")
{
	FOR_EACH(p, private_or_not) {
		uint32_t words[16] = { 0 };
		struct waiter w[8];

		ASSERT_TRUE(all_sleep_on(w, 8, &words[0], FUTEX_WAIT | private_or_not[p]));
		for (int i = 1; i < 16; i++)
			EXPECT_RET(8, requeue(i & 1, private_or_not[p], &words[i - 1], 0, INT_MAX, &words[i]));
		EXPECT_RET(8, requeue(true, private_or_not[p], &words[15], 0, INT_MAX, &words[0]));
		for (int i = 1; i < 8; i++)	// one to each
			EXPECT_RET(1, requeue(i & 1, private_or_not[p], &words[0], 0, 1, &words[i]));
		for (int i = 7; i >= 0; i--) {
			EXPECT_RET(1, wake(&words[i], private_or_not[p], INT_MAX));
			EXPECT_TRUE(wait_until(count_returned(w, 8) >= 8 - i));
			EXPECT_EQ(8 - i, count_returned(w, 8));
		}
		EXPECT_TRUE(all_returned(w, 8, 0));
	}
}

CLAUSE(a_moved_waiter_is_found_under_its_new_word_wherever_that_is_kept,
       "kernel/futex/requeue.c requeue_futex (5.10 to 7.2): a waiter that was moved waits for the second word and "
       "no other, whether or not the kernel keeps both in one place",
       .needed_by = "glibc:pthread_cond_broadcast")
{
	// So many that some neighbours share one of the kernel's queues, unless it has very many of them.
	const int count = 5000;
	uint32_t *words = private_memory(count * sizeof(*words));
	struct waiter w;

	ASSERT_TRUE(sleeps_on(&w, &words[0], FUTEX_WAIT_PRIVATE));
	for (int i = 1; i < count; i++)
		ASSERT_RET(1, futex_requeue(&words[i - 1], 0, 1, &words[i]));
	EXPECT_RET(0, futex_wake(&words[0], 1));
	EXPECT_RET(1, futex_wake(&words[count - 1], 1));
	EXPECT_RET(0, waiter_result(&w));
}

CLAUSE(a_requeued_waiter_keeps_its_timeout,
       "kernel/futex/requeue.c requeue_futex (7.2): a moved waiter still times out, not early, and waits on neither "
       "word then",
       .needed_by = "glibc:pthread_cond_timedwait")
{
	FOR_EACH(p, private_or_not) {
		struct __kernel_timespec timeout = timespec_of(8 * MS);
		long long began = clock_ns(CLOCK_MONOTONIC);
		uint32_t from = 0, to = 0;
		struct waiter w = waiter_on(&from, FUTEX_WAIT | private_or_not[p]);

		w.timeout = &timeout;
		ASSERT_TRUE(waiter_start(&w));
		wait_until(w.returned || requeue(false, private_or_not[p], &from, 0, 1, &to) == 1);
		EXPECT_RET(-ETIMEDOUT, waiter_result(&w));
		EXPECT_GE(clock_ns(CLOCK_MONOTONIC) - began, 8 * MS);
		EXPECT_RET(0, wake(&to, private_or_not[p], INT_MAX));
		EXPECT_RET(0, wake(&from, private_or_not[p], INT_MAX));
	}
}

CLAUSE(a_requeued_waiter_that_is_interrupted_leaves_the_second_word,
       "futex(2) ERRORS EINTR: a moved waiter is interrupted as any other: EINTR, or with SA_RESTART its call is "
       "made anew, on the word it named",
       .needed_by = "glibc:pthread_cond_wait")
{
	FOR_EACH(p, private_or_not)
		for (int restart = 0; restart < 2; restart++) {
			uint32_t from = 0, to = 0;
			struct waiter w;

			handled = 0;
			ASSERT_OK(raw_sigaction(SIGUSR1, count, restart ? SA_RESTART : 0));
			ASSERT_TRUE(sleeps_on(&w, &from, FUTEX_WAIT | private_or_not[p]));
			ASSERT_RET(1, requeue(true, private_or_not[p], &from, 0, 1, &to));
			ASSERT_OK(raw_syscall(__NR_tgkill, getpid(), w.tid, SIGUSR1));
			ASSERT_TRUE(wait_until(handled && (w.returned || is_asleep(w.tid))));
			EXPECT_EQ(!restart, w.returned);
			EXPECT_RET(0, wake(&to, private_or_not[p], INT_MAX));
			EXPECT_RET(restart, wake(&from, private_or_not[p], INT_MAX));
			EXPECT_RET(restart ? 0 : -EINTR, waiter_result(&w));
		}
}

CLAUSE(the_second_word_is_neither_read_nor_written,
       "kernel/futex/requeue.c futex_requeue (7.2): a private uaddr2 is only an address to wait on: it may be "
       "forbidden memory, and a wake on it finds the waiter",
       .needed_by = "musl:pthread_cond_broadcast")
{
	uint32_t *to = forbidden_page(), from = 0;
	struct waiter w[2];

	ASSERT_TRUE(all_sleep_on(w, 2, &from, FUTEX_WAIT_PRIVATE));
	EXPECT_RET(1, futex_requeue(&from, 0, 1, to));
	EXPECT_RET(1, futex_cmp_requeue(&from, 0, 1, to, 0));
	EXPECT_RET(0, futex_wake(to + 1, INT_MAX));
	EXPECT_RET(2, futex_wake(to, INT_MAX));
	EXPECT_TRUE(all_returned(w, 2, 0));
}
