// SPDX-License-Identifier: GPL-2.0-only
// futex(2): a wait against whatever ends it, at the same instant: no wake is lost, none is invented.
//
// A duel is fought over many rounds: one thread enters a wait, the other ends it after a delay that moves by itself to
// where both outcomes are as likely (woken: shorter, else: longer). There the two meet inside the kernel every few rounds,
// on a machine of any speed. The verdict is conservation alone: a wait returns 0 exactly if a wake counted it.
#include "clause.h"

#include <sched.h>

#include "sigaction.h"
#include "waiter.h"

#define MS 1000000LL
#define BUDGET (25 * MS)	// of a duel; a slow machine fights fewer rounds
#define MOST_ROUNDS 30000

#define ON_ITS_OWN_LINE __attribute__((aligned(128)))
#define LAST_ROUND 0xffffffff

struct duel {
	ON_ITS_OWN_LINE uint32_t word;
	ON_ITS_OWN_LINE uint32_t word2;
	ON_ITS_OWN_LINE volatile uint32_t go;		// the round that the waiter may begin
	ON_ITS_OWN_LINE volatile uint32_t entering;	// the round whose wait it begins now
	ON_ITS_OWN_LINE volatile uint32_t done;		// the round whose wait has returned
	volatile long result;
	long (*wait)(struct duel *d, uint32_t round);
	long (*end)(struct duel *d, uint32_t round);	// ends the wait; how many waiters it woke
	long otherwise;					// what a wait returns that was not woken
	int flag;
	long long deadline;				// of this round
	struct __kernel_timespec timeout;
	struct thread thread;
	unsigned int rounds, woken;
};

#define spin_until(condition)						\
	for (unsigned int spins_ = 0; !(condition); spins_++)		\
		if (spins_ > 3000)					\
			raw_syscall(__NR_sched_yield)

static int duel_main(void *arg)
{
	struct duel *d = arg;

	for (uint32_t round = 1;; round++) {
		spin_until(d->go == round || d->go == LAST_ROUND);
		if (d->go == LAST_ROUND)
			return 0;
		__atomic_store_n(&d->entering, round, __ATOMIC_SEQ_CST);
		d->result = d->wait(d, round);
		__atomic_store_n(&d->done, round, __ATOMIC_SEQ_CST);
	}
}

// Each thread on a CPU of its own, where there are two.
static void part(int tid)
{
	cpu_set_t allowed, one;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) || CPU_COUNT(&allowed) < 2)
		return;
	for (int i = 0; i < 2; i++, cpu++) {
		while (!CPU_ISSET(cpu, &allowed))
			cpu++;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(i ? tid : 0, sizeof(one), &one);
	}
}

// False if the waiter sleeps although all that could end its wait has been done.
static bool round_ends(struct duel *d, uint32_t round)
{
	int asleep = 0;

	for (int spins = 0; spins < 3000; spins++)
		if (d->done == round)
			return true;
	if (d->timeout.tv_sec || d->timeout.tv_nsec)
		return wait_until(d->done == round);
	return wait_until(d->done == round || (asleep = is_asleep(d->thread.known_as) ? asleep + 1 : 0) > 20) &&
	       d->done == round;
}

static void fight(struct __test_metadata *_metadata, struct duel *d)
{
	long long until = monotonic_ns() + BUDGET;
	long delay = 0, step = 1024;
	bool woken, was_woken = false;

	ASSERT_OK(thread_start(&d->thread, duel_main, d));
	part(d->thread.known_as);
	for (uint32_t round = 1; round <= MOST_ROUNDS && (round % 8 || monotonic_ns() < until); round++) {
		long wakes;

		d->go = round;
		spin_until(d->entering == round);
		for (volatile long spins = delay; spins > 0; spins--)
			;
		wakes = d->end(d, round);
		ASSERT_TRUE(round_ends(d, round)) {
			TH_LOG("round %u: the waiter sleeps on after a wake of %ld; it was woken in %u rounds before", round, wakes,
			       d->woken);
		}
		woken = d->result == 0;
		if (wakes != woken || (!woken && d->result != d->otherwise)) {
			char seen[RESULT_TEXT];

			TH_LOG("round %u: %ld wakes counted, the wait returned %s", round, wakes, result_text(seen, d->result));
			ASSERT_EQ(wakes, woken);
			ASSERT_EQ(d->otherwise, d->result);
		}
		d->rounds++;
		d->woken += woken;
		if (woken != was_woken && step > 1)
			step /= 2;
		was_woken = woken;
		delay += woken ? -step : step;
		if (delay < 0)
			delay = 0;
	}
	d->go = LAST_ROUND;
	EXPECT_TRUE(thread_join(&d->thread));
	if (getenv("OSPRIM_RACE"))
		TH_LOG("%u rounds, %u woken, delay %ld", d->rounds, d->woken, delay);
}

// The word counts rounds: a wait of a round begins while it still holds the round before.
static long wait_for_round(struct duel *d, uint32_t round)
{
	return futex_call(&d->word, FUTEX_WAIT | d->flag, round - 1, NULL, NULL, 0);
}

static long store_and_wake(struct duel *d, uint32_t round)
{
	__atomic_store_n(&d->word, round, __ATOMIC_RELEASE);
	return futex_call(&d->word, FUTEX_WAKE | d->flag, 1, NULL, NULL, 0);
}

CLAUSE(a_wake_between_comparison_and_sleep_is_not_lost,
       "futex(2) FUTEX_WAIT: the load of the word, the comparison and starting to sleep are atomic: a waiter either sees the "
       "change of the word or is woken by the wake after it [FUT-2] [incident 24] [incident 36] [incident 37]",
       .commit = "76835b0ebf8a futex: Ensure get_futex_key_refs() always implies a barrier",
       .needed_by = "go:futexsleep go:futexwakeup jvm:Parker glibc:lll_lock")
{
	struct duel d = { .wait = wait_for_round, .end = store_and_wake, .otherwise = -EAGAIN, .flag = FUTEX_PRIVATE_FLAG };

	fight(_metadata, &d);
}
