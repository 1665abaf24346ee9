// SPDX-License-Identifier: GPL-2.0-only
// futex_waitv(2): wakes that come while a wait is being set up are neither lost nor invented.
#include "clause.h"
#include "actor.h"
#include "futex.h"
#include "waitv.h"

#define MAX FUTEX_WAITV_MAX
#define ROUNDS 60
#define SPIN_NS 50000000	// long enough for the two to run at once for a while on CPUs that others want too

struct storm {
	uint32_t words[MAX];
	struct futex_waitv entries[MAX];
	volatile int woken;	// waits that returned an index
	volatile int again;	// waits that returned EAGAIN
	volatile int stop;
	volatile long bad;
};

static int storm_main(void *arg)
{
	struct storm *s = arg;

	while (!s->stop) {
		long result = raw_syscall(WAITV(s->entries, MAX));

		if (result >= 0 && result < MAX)
			s->woken++;
		else if (result == -EAGAIN)
			s->again++;
		else
			s->bad = result;
	}
	return 0;
}

// Wakes the waiter of a word as soon as there is one, asking all the time until then. False if none comes.
static bool is_woken(uint32_t *word, long long until_ns)
{
	for (int i = 0; i < 100 || monotonic_ns() < until_ns; i++)
		if (futex_wake(word, 1) == 1)
			return true;
	return wait_until(futex_wake(word, 1) == 1);
}

// Wakes whoever waits for word until the thread has ended.
static bool is_released(struct thread *t, uint32_t *word)
{
	return wait_until(thread_is_gone(t) || futex_wake(word, INT_MAX) < 0) && thread_join(t);
}

// The waiter queues on 128 words while one of them is being woken already.
static void check_storm(struct __test_metadata *_metadata, int word)
{
	struct storm *s = shared_memory(sizeof(*s));
	struct thread waiter;
	long long until_ns;

	fill_entries(s->entries, s->words, MAX, PRIVATE_U32);
	ASSERT_OK(thread_start(&waiter, storm_main, s));
	until_ns = monotonic_ns() + SPIN_NS;
	for (int sent = 0; sent < ROUNDS; sent++)
		ASSERT_TRUE(is_woken(&s->words[word], until_ns));
	EXPECT_TRUE(wait_until(s->woken == ROUNDS));
	s->stop = 1;
	ASSERT_TRUE(is_released(&waiter, &s->words[word]));
	EXPECT_RET(0, s->bad);
	EXPECT_EQ(0, s->again);
}

CLAUSE(a_wake_between_queueing_and_sleeping_is_not_lost,
       "kernel/futex/waitwake.c futex_wait_multiple_setup: the task is set to sleep before its first word is queued, "
       "so that it never sleeps past a wake of one that already is",
       NEEDS_WAITV)
{
	check_storm(_metadata, 0);
	check_storm(_metadata, MAX / 2);
	check_storm(_metadata, MAX - 1);
}

CLAUSE(a_wake_that_comes_before_a_word_is_found_to_differ_is_returned,
       "kernel/futex/waitwake.c futex_wait_multiple_setup: if a word differs but another was woken meanwhile, its "
       "index is returned and not EAGAIN: as many waits return one as wakes were counted",
       NEEDS_WAITV)
{
	struct storm *s = shared_memory(sizeof(*s));
	struct thread waiter;
	long long end;
	int sent = 0;

	fill_entries(s->entries, s->words, MAX, PRIVATE_U32);
	s->entries[MAX - 1].val = 1;	// each wait is taken back at its last word
	ASSERT_OK(thread_start(&waiter, storm_main, s));
	for (end = monotonic_ns() + 10000000; sent < ROUNDS && monotonic_ns() < end;)
		sent += futex_wake(&s->words[0], 1);
	s->stop = 1;
	ASSERT_TRUE(thread_join(&waiter));
	EXPECT_RET(0, s->bad);
	EXPECT_EQ(sent, s->woken);
}

#define WAITERS 3
#define WORDS 8

struct crowd {
	uint32_t words[WORDS];
	volatile int stop;
	volatile long bad;
	struct member {
		struct crowd *crowd;
		struct futex_waitv entries[WORDS];
		volatile int returned;
		int expected;	// index of the one word that is woken
		struct thread thread;
	} members[WAITERS];
};

static int member_main(void *arg)
{
	struct member *m = arg;

	while (!m->crowd->stop) {
		long result = raw_syscall(WAITV(m->entries, WORDS));

		if (result != m->expected)
			m->crowd->bad = result;
		m->returned++;
	}
	return 0;
}

static int all_returned(const struct crowd *c)
{
	int all = 0;

	for (int i = 0; i < WAITERS; i++)
		all += c->members[i].returned;
	return all;
}

CLAUSE(a_storm_of_wakes_ends_as_many_waits_as_it_counts,
       "Documentation/userspace-api/futex2.rst: several threads wait on the same words: no wait ends without a wake, "
       "and no wake that was counted ends none",
       NEEDS_WAITV)
{
	struct crowd *c = shared_memory(sizeof(*c));
	int sent = 0;

	for (int i = 0; i < WAITERS; i++) {
		struct member *m = &c->members[i];

		m->crowd = c;
		m->expected = i * 3;
		for (int j = 0; j < WORDS; j++)
			m->entries[(m->expected + j) % WORDS] = entry_of(&c->words[j], 0, PRIVATE_U32);
		ASSERT_OK(thread_start(&m->thread, member_main, m));
	}
	for (int i = 0; i < 3 * ROUNDS; i++) {
		long woken = futex_wake(&c->words[0], 1 + i % 3);

		ASSERT_OK(woken);
		sent += woken;
		if (!woken)
			raw_syscall(__NR_sched_yield);
	}
	EXPECT_TRUE(wait_until(all_returned(c) == sent));
	c->stop = 1;
	for (int i = 0; i < WAITERS; i++)
		ASSERT_TRUE(is_released(&c->members[i].thread, &c->words[0]));
	EXPECT_RET(0, c->bad);
}
