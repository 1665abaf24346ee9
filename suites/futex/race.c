// SPDX-License-Identifier: GPL-2.0-only
// futex(2): no wake is lost and none is invented when a wait meets a wake, a requeue, its timeout or a signal.
#include "clause.h"

#include "duel.h"
#include "guard.h"
#include "sigaction.h"

// A wait of a round begins while the word still holds the round before.
static long wait_for_round(struct duel *d, uint32_t round)
{
	return futex_call(&d->word, FUTEX_WAIT | d->flag, round - 1, NULL, NULL, 0);
}

static long store_and_wake(struct duel *d, uint32_t round)
{
	long woken;

	__atomic_store_n(&d->word, round, __ATOMIC_RELEASE);
	woken = futex_call(&d->word, FUTEX_WAKE | d->flag, 1, NULL, NULL, 0);
	d->late = woken;
	return woken;
}

CLAUSE(a_wake_between_comparison_and_sleep_is_not_lost,
       "futex(2) FUTEX_WAIT: the load of the word, the comparison and starting to sleep are atomic: a waiter either "
       "sees the change of the word or is woken by the wake after it [FUT-2] [incident 24] [incident 36] [incident "
       "37]",
       .commit = "76835b0ebf8a futex: Ensure get_futex_key_refs() always implies a barrier",
       .needed_by = "go:futexsleep go:futexwakeup jvm:Parker glibc:lll_lock")
{
	for (int flag = 0; flag <= FUTEX_PRIVATE_FLAG; flag += FUTEX_PRIVATE_FLAG) {
		struct duel d = { .wait = wait_for_round, .end = store_and_wake, .otherwise = -EAGAIN, .flag = flag };

		fight(_metadata, &d);
	}
}

// The operation changes the word and looks for waiters while it holds the queue.
static long change_and_wake(struct duel *d, uint32_t round)
{
	const uint32_t add_1 = FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, -1);
	long woken = futex_call(&d->word, FUTEX_WAKE_OP | d->flag, 1, 1, &d->word, add_1);

	d->late = woken;
	return woken;
}

CLAUSE(wake_op_and_a_wait_on_its_word_are_ordered,
       "futex(2) FUTEX_WAKE_OP: changing the word and waking are atomic and totally ordered with respect to other "
       "operations on it: a wait sees the new value or is woken [FUT-2]",
       .needed_by = "glibc:pthread_cond_signal")
{
	for (int flag = 0; flag <= FUTEX_PRIVATE_FLAG; flag += FUTEX_PRIVATE_FLAG) {
		struct duel d = { .wait = wait_for_round, .end = change_and_wake, .otherwise = -EAGAIN, .flag = flag };

		fight(_metadata, &d);
	}
}

static long store_and_requeue(struct duel *d, uint32_t round)
{
	long moved;

	__atomic_store_n(&d->word, round, __ATOMIC_RELEASE);
	moved = futex_call(&d->word, FUTEX_CMP_REQUEUE | d->flag, 0, INT_MAX, &d->word2, round);
	d->late = moved;
	return moved ? futex_call(&d->word2, FUTEX_WAKE | d->flag, INT_MAX, NULL, NULL, 0) : 0;
}

CLAUSE(a_requeue_misses_no_waiter,
       "futex(2) FUTEX_CMP_REQUEUE: comparing and requeueing are atomic and totally ordered with respect to other "
       "operations on the word: a wait sees its change or is moved, and woken where it was moved to [FUT-2]",
       .needed_by = "glibc:pthread_cond_broadcast")
{
	for (int flag = 0; flag <= FUTEX_PRIVATE_FLAG; flag += FUTEX_PRIVATE_FLAG) {
		struct duel d = { .wait = wait_for_round, .end = store_and_requeue, .otherwise = -EAGAIN, .flag = flag };

		fight(_metadata, &d);
	}
}

// Changes the word first, and so may be moved only by those who expect the new value.
static long change_and_wait(struct duel *d, uint32_t round)
{
	__atomic_store_n(&d->word, round, __ATOMIC_RELEASE);
	return futex_call(&d->word, FUTEX_WAIT | d->flag, round, NULL, NULL, 0);
}

static long requeue_the_old_value(struct duel *d, uint32_t round)
{
	long moved = futex_call(&d->word, FUTEX_CMP_REQUEUE | d->flag, 0, INT_MAX, &d->word2, round - 1), woken = 0;

	d->late = moved == -EAGAIN;
	wait_until((woken = futex_call(&d->word, FUTEX_WAKE | d->flag, INT_MAX, NULL, NULL, 0) +
			    futex_call(&d->word2, FUTEX_WAKE | d->flag, INT_MAX, NULL, NULL, 0)) || d->done == round);
	return moved > 0 ? -moved : woken;
}

CLAUSE(cmp_requeue_never_moves_who_waits_for_another_value,
       "futex(2) FUTEX_CMP_REQUEUE: the load of the word, the comparison and the requeueing are atomic: waiters of a "
       "later value are not moved by one that expects an earlier",
       .needed_by = "glibc:pthread_cond_broadcast")
{
	for (int flag = 0; flag <= FUTEX_PRIVATE_FLAG; flag += FUTEX_PRIVATE_FLAG) {
		struct duel d = { .wait = change_and_wait, .end = requeue_the_old_value, .flag = flag };

		fight(_metadata, &d);
	}
}

#define SHORT 20000	// nanoseconds

static long wait_for_a_moment(struct duel *d, uint32_t round)
{
	const struct __kernel_timespec moment = { 0, SHORT };

	return futex_call(&d->word, FUTEX_WAIT | d->flag, 0, &moment, NULL, 0);
}

static long only_wake(struct duel *d, uint32_t round)
{
	long woken = futex_call(&d->word, FUTEX_WAKE | d->flag, INT_MAX, NULL, NULL, 0);

	// Not woken is too late, or so early that the wait had not begun.
	if (woken || d->delay > 300)
		d->late = !woken;
	else
		d->delay = 30000;
	return woken;
}

CLAUSE(a_wake_that_meets_the_timeout_is_one_or_the_other,
       "futex(2) RETURN VALUE: a waiter that a wake has counted returns 0 even if its time is up, one that has timed "
       "out is not counted",
       .needed_by = "go:futexsleep glibc:pthread_cond_timedwait jvm:Parker")
{
	struct duel d = {
		.wait = wait_for_a_moment, .end = only_wake, .otherwise = -ETIMEDOUT, .flag = FUTEX_PRIVATE_FLAG, .most = 400,
		.delay = 30000,
	};

	fight(_metadata, &d);
}

static void ignore_it(int sig, siginfo_t *info, void *ucontext)
{
}

static long signal_and_wake(struct duel *d, uint32_t round)
{
	long woken;

	raw_syscall(__NR_tgkill, getpid(), d->thread.known_as, SIGUSR1);
	spin(round % 64 * 8);
	__atomic_store_n(&d->word, round, __ATOMIC_RELEASE);
	woken = futex_call(&d->word, FUTEX_WAKE | d->flag, INT_MAX, NULL, NULL, 0);
	d->late = woken || d->word != round;
	return woken;
}

CLAUSE(a_wake_that_meets_a_signal_is_one_or_the_other,
       "futex(2) RETURN VALUE, ERRORS EINTR: a waiter that a wake has counted returns 0 even if a signal has come, "
       "one that was interrupted is not counted",
       .needed_by = "go:futexwakeup glibc:sem_wait")
{
	struct duel d = {
		.wait = wait_for_round, .end = signal_and_wake, .otherwise = -EINTR, .otherwise2 = -EAGAIN,
		.flag = FUTEX_PRIVATE_FLAG, .most = 1500,
	};

	ASSERT_OK(raw_sigaction(SIGUSR1, ignore_it, 0));
	fight(_metadata, &d);
}

#define PAIRS 60

// Two waiters and the shared memory that both use as a futex for the first time.
struct pair {
	uint32_t *word;
	volatile int ready;
	struct waiter w[2];
};

static struct pair *meeting;

static int waits_with_the_other(void *arg)
{
	struct pair *p = meeting;

	__atomic_add_fetch(&p->ready, 1, __ATOMIC_SEQ_CST);
	spin_until(p->ready == 2);
	return waiter_main(arg);
}

CLAUSE(two_that_use_new_shared_memory_at_once_mean_the_same_word,
       "kernel/futex/core.c get_inode_sequence_number (5.10 to 7.2): the identity of a word in a file is given "
       "once: waiters that are the first two to use the file, at the same instant, are both woken",
       .needs = "cpus=2", .commit = "8019ad13ef7f futex: Fix inode life-time issue", .needed_by = "glibc:sem_wait")
{
	for (int i = 0; i < PAIRS; i++) {
		struct pair p = { .word = shared_memory(page_size()) };

		*p.word = 1;
		meeting = &p;
		for (int n = 0; n < 2; n++) {
			p.w[n] = waiter_on(p.word, FUTEX_WAIT);
			ASSERT_OK(thread_start(&p.w[n].thread, waits_with_the_other, &p.w[n]));
			p.w[n].tid = p.w[n].thread.known_as;
		}
		for (int n = 0; n < 2; n++)
			ASSERT_TRUE(wait_until(is_asleep(p.w[n].tid)));
		ASSERT_RET(2, futex_wake_shared(p.word, 2));
		ASSERT_TRUE(all_returned(p.w, 2, 0));
		munmap(p.word, page_size());
	}
}
