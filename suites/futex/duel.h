// SPDX-License-Identifier: GPL-2.0-only
// A wait against whatever ends it, at the same instant, over many rounds.
//
// One thread enters a wait, the other ends it after a delay that moves by itself to where both outcomes are as likely:
// the two then meet inside the kernel every few rounds, on a machine of any speed. The verdict is conservation alone:
// a wait returns 0 exactly if a wake counted it, and none is left asleep.
#ifndef DUEL_H
#define DUEL_H

#include <sched.h>

#include "waiter.h"

#define MS 1000000LL
#define DUEL_TIME (40 * MS)	// a busy machine fights fewer rounds
#define LAST_ROUND 0xffffffff
#define ON_ITS_OWN_LINE __attribute__((aligned(256)))

struct duel {
	ON_ITS_OWN_LINE uint32_t word;			// the round before, when a round begins
	ON_ITS_OWN_LINE uint32_t word2;
	ON_ITS_OWN_LINE volatile uint32_t go;		// the round that the waiter may begin
	ON_ITS_OWN_LINE volatile uint32_t entering;	// the round whose wait it begins now
	ON_ITS_OWN_LINE volatile uint32_t done;		// the round whose wait has returned
	volatile long result;
	long delay;		// of the end, in turns of spin(); below 0, of the wait
	bool late;		// the end came too late to be first: end() says so, and the next comes earlier
	long (*wait)(struct duel *d, uint32_t round);
	long (*end)(struct duel *d, uint32_t round);	// ends the wait; how many waiters it woke
	long otherwise, otherwise2;	// what a wait may return that was not woken
	int flag;
	unsigned int rounds, lates, most;
	long least;		// by no less the delay changes, and by more again when it has fallen behind
	long long time;		// instead of DUEL_TIME
	cpu_set_t allowed;	// of the calling thread
	struct thread thread, busy;
};

#define spin_until(condition)						\
	for (unsigned int spins_ = 0; !(condition); spins_++)		\
		if (spins_ > 3000)					\
			raw_syscall(__NR_sched_yield)

static void spin(long turns)
{
	for (volatile long left = turns; left > 0; left--)
		;
}

static int duel_main(void *arg)
{
	struct duel *d = arg;

	for (uint32_t round = 1;; round++) {
		spin_until(d->go == round || d->go == LAST_ROUND);
		if (d->go == LAST_ROUND)
			return 0;
		__atomic_store_n(&d->entering, round, __ATOMIC_SEQ_CST);
		spin(-d->delay);
		d->result = d->wait(d, round);
		__atomic_store_n(&d->done, round, __ATOMIC_SEQ_CST);
	}
}

// Keeps a CPU from going to sleep with the waiter: to wake one up, a virtual one above all, can take a hundred rounds.
static int keep_busy(void *arg)
{
	struct duel *d = arg;

	while (d->go != LAST_ROUND)
		;
	return 0;
}

static void bind_to_cpu(int tid, const cpu_set_t *allowed, int nth)
{
	cpu_set_t one;
	int cpu = 0;

	while (!CPU_ISSET(cpu, allowed) || nth--)
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(tid, sizeof(one), &one);
}

// Each thread on a CPU of its own, and before all others there if that is allowed. False where there is only one CPU.
static bool part(struct duel *d)
{
	const struct sched_param first = { .sched_priority = 1 }, ordinary = { 0 };
	bool before_others;

	// Both or neither: on one CPU, one would keep the other from running.
	before_others = !sched_setscheduler(0, SCHED_FIFO, &first) &&
			!sched_setscheduler(d->thread.known_as, SCHED_FIFO, &first);
	if (!before_others)
		sched_setscheduler(0, SCHED_OTHER, &ordinary);
	if (sched_getaffinity(0, sizeof(d->allowed), &d->allowed) || CPU_COUNT(&d->allowed) < 2)
		return false;
	if (before_others && thread_start(&d->busy, keep_busy, d) > 0) {
		sched_setscheduler(d->busy.known_as, SCHED_OTHER, &ordinary);
		bind_to_cpu(d->busy.known_as, &d->allowed, 1);
	}
	bind_to_cpu(d->thread.known_as, &d->allowed, 1);
	bind_to_cpu(0, &d->allowed, 0);
	return true;
}

static void part_no_more(struct duel *d)
{
	const struct sched_param ordinary = { 0 };

	sched_setscheduler(0, SCHED_OTHER, &ordinary);
	if (CPU_COUNT(&d->allowed))
		sched_setaffinity(0, sizeof(d->allowed), &d->allowed);
}

// False if the waiter sleeps on although all has been done that could end its wait.
static bool round_ends(struct duel *d, uint32_t round)
{
	int asleep = 0;

	for (int spins = 0; spins < 3000; spins++)
		if (d->done == round)
			return true;
	wait_until(d->done == round || (asleep = is_asleep(d->thread.known_as) ? asleep + 1 : 0) > 20);
	if (d->otherwise == -ETIMEDOUT)
		wait_until(d->done == round);
	return d->done == round;
}

static bool round_is_fair(struct __test_metadata *_metadata, struct duel *d, uint32_t round, long woken)
{
	char seen[RESULT_TEXT];

	if (!round_ends(d, round)) {
		TH_LOG("round %u, after %u late ones: the waiter sleeps on after a wake of %ld", round, d->lates, woken);
		return false;
	}
	if (d->result == 0 ? woken == 1 : woken == 0 && (d->result == d->otherwise || d->result == d->otherwise2))
		return true;
	TH_LOG("round %u: the wakes counted %ld, the wait returned %s", round, woken, result_text(seen, d->result));
	return false;
}

static void fight(struct __test_metadata *_metadata, struct duel *d)
{
	long long until = monotonic_ns() + (d->time ?: DUEL_TIME) * slowness();
	int alike = 0;
	long step;

	ASSERT_OK(thread_start(&d->thread, duel_main, d));
	step = part(d) ? 1024 : 0;
	for (uint32_t round = 1; round <= (d->most ?: 2000) && (round % 8 || monotonic_ns() < until); round++) {
		bool was_late = d->late;
		long woken;

		d->go = round;
		spin_until(d->entering == round);
		spin(d->delay);
		woken = d->end(d, round);
		ASSERT_TRUE(round_is_fair(_metadata, d, round, woken));
		d->rounds++;
		d->lates += d->late;
		alike = d->late == was_late ? alike + 1 : 0;
		if (!alike && step > (d->least ?: 1))
			step /= 2;
		else if (d->least && alike > 2 && step < 8192)
			step *= 2;
		if (labs(d->delay) < 100000 || (d->delay > 0) == d->late)
			d->delay += d->late ? -step : step;
	}
	d->go = LAST_ROUND;
	EXPECT_TRUE(thread_join(&d->thread));
	if (d->busy.known_as)
		EXPECT_TRUE(thread_join(&d->busy));
	part_no_more(d);
	if (getenv("OSPRIM_DUEL"))
		TH_LOG("%u rounds, %u late, delay %ld", d->rounds, d->lates, d->delay);
}

#endif
