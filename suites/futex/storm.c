// SPDX-License-Identifier: GPL-2.0-only
// futex(2) as runtimes use it: a mutex, a hand-over, a crowd; every wake is accounted for and nobody is left behind.
#include "clause.h"

#include "sigaction.h"
#include "waiter.h"

#define MS 1000000LL
#define STORM_TIME (10 * MS)

// A mutex of one word: 0 free, 1 locked, 2 locked and perhaps waited for.
static void lock(uint32_t *word, int flag)
{
	uint32_t seen = 0;

	if (__atomic_compare_exchange_n(word, &seen, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE) != 0)
		futex_call(word, FUTEX_WAIT | flag, 2, NULL, NULL, 0);
}

static void unlock(uint32_t *word, int flag)
{
	if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) == 2)
		futex_call(word, FUTEX_WAKE | flag, 1, NULL, NULL, 0);
}

struct crowd {
	uint32_t word;
	int flag;
	long long until;
	volatile uint64_t counter;	// changed under the lock only
	struct member {
		struct crowd *crowd;
		uint64_t turns;
		struct thread thread;
	} members[4];
};

static int lock_in_turn(void *arg)
{
	struct member *m = arg;
	struct crowd *c = m->crowd;

	while (m->turns % 16 || monotonic_ns() < c->until) {
		uint64_t seen;

		lock(&c->word, c->flag);
		seen = c->counter;
		if (m->turns % 8 == 0)
			raw_syscall(__NR_sched_yield);	// so that others come to wait
		c->counter = seen + 1;
		unlock(&c->word, c->flag);
		m->turns++;
	}
	return 0;
}

CLAUSE(a_mutex_excludes_and_is_never_left_locked,
       "futex(7) Semantics: with an atomic exchange in user space, FUTEX_WAIT and FUTEX_WAKE make a lock: one holder "
       "at a time, and everybody gets it in the end [FUT-2] [FUT-12]",
       .needed_by = "go:lock2 glibc:lll_lock musl:__lock rust:Mutex")
{
	for (int flag = 0; flag <= FUTEX_PRIVATE_FLAG; flag += FUTEX_PRIVATE_FLAG) {
		struct crowd c = { .flag = flag, .until = monotonic_ns() + STORM_TIME };
		uint64_t turns = 0;

		FOR_EACH(i, c.members) {
			c.members[i].crowd = &c;
			ASSERT_OK(thread_start(&c.members[i].thread, lock_in_turn, &c.members[i]));
		}
		FOR_EACH(i, c.members) {
			ASSERT_TRUE(thread_join(&c.members[i].thread));
			turns += c.members[i].turns;
		}
		EXPECT_EQ(turns, c.counter);
		EXPECT_EQ(0, c.word);
		EXPECT_RET(0, futex_call(&c.word, FUTEX_WAKE | flag, INT_MAX, NULL, NULL, 0));
	}
}

struct pair {
	uint32_t turn;			// whose turn it is: 0 or 1; 2 when it is over
	long long until;
	uint64_t handed;
	int flag;
	struct thread thread;
};

static void play(struct pair *p, uint32_t me)
{
	for (;;) {
		uint32_t turn = __atomic_load_n(&p->turn, __ATOMIC_ACQUIRE);

		if (turn == 2)
			return;
		if (turn != me) {
			futex_call(&p->turn, FUTEX_WAIT | p->flag, turn, NULL, NULL, 0);
			continue;
		}
		p->handed++;
		__atomic_store_n(&p->turn, monotonic_ns() < p->until ? !me : 2, __ATOMIC_RELEASE);
		futex_call(&p->turn, FUTEX_WAKE | p->flag, 1, NULL, NULL, 0);
	}
}

static int play_second(void *arg)
{
	play(arg, 1);
	return 0;
}

static int play_first(void *arg)
{
	play(arg, 0);
	return 0;
}

CLAUSE(two_threads_can_hand_over_to_each_other,
       "futex(2) FUTEX_WAIT: whoever stores and wakes is noticed by whoever waits, a thousand times in turn [FUT-2] "
       "[incident 24]",
       .needed_by = "go:notesleep jvm:Parker")
{
	for (int flag = 0; flag <= FUTEX_PRIVATE_FLAG; flag += FUTEX_PRIVATE_FLAG) {
		struct pair pairs[2];
		struct thread first[2];

		for (int i = 0; i < 2; i++) {
			pairs[i] = (struct pair){ .flag = flag, .until = monotonic_ns() + STORM_TIME };
			ASSERT_OK(thread_start(&pairs[i].thread, play_second, &pairs[i]));
			ASSERT_OK(thread_start(&first[i], play_first, &pairs[i]));
		}
		for (int i = 0; i < 2; i++) {
			ASSERT_TRUE(thread_join(&pairs[i].thread));
			ASSERT_TRUE(thread_join(&first[i]));
			EXPECT_GT(pairs[i].handed, 0);
		}
	}
}

// Waiters come and go on two words, with and without timeouts, while others wake, requeue and interrupt them.
struct storm {
	uint32_t words[2];
	volatile int over;
	struct guest {
		struct storm *storm;
		uint32_t seed;
		uint64_t woken, errors;
		struct thread thread;
	} guests[5];
};

static uint32_t draw(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

static int come_and_go(void *arg)
{
	struct guest *g = arg;
	struct storm *s = g->storm;

	while (!s->over) {
		uint32_t bits = draw(&g->seed) % 3 ? FUTEX_BITSET_MATCH_ANY : 1U << draw(&g->seed) % 4;
		struct __kernel_timespec timeout = { 0, 1000 + draw(&g->seed) % 200000 };
		bool bitset = bits != FUTEX_BITSET_MATCH_ANY;
		long result = futex_call(&s->words[draw(&g->seed) & 1], bitset ? FUTEX_WAIT_BITSET_PRIVATE : FUTEX_WAIT_PRIVATE,
					 0, bitset || draw(&g->seed) % 4 == 0 ? NULL : &timeout, NULL, bits);

		if (result == 0)
			g->woken++;
		else if (result != -ETIMEDOUT && result != -EINTR)
			g->errors++;
	}
	return 0;
}

// One act of a waker; how many waits it has ended.
static long wake_somebody(struct storm *s, uint32_t *seed)
{
	uint32_t *word = &s->words[draw(seed) & 1], *other = &s->words[draw(seed) & 1], count = 1 + draw(seed) % 3;
	const uint32_t nothing = FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0);

	switch (draw(seed) % 8) {
	case 0:
		return futex_wake_op(word, 1, 1, other, nothing);
	case 1:
	case 2:
		futex_requeue(word, 0, count, other);
		return 0;
	case 3:
		futex_cmp_requeue(word, 0, INT_MAX, other, 0);
		return 0;
	case 4:
		raw_syscall(__NR_tgkill, getpid(), s->guests[draw(seed) % 5].thread.known_as, SIGUSR1);
		return 0;
	case 5:
		return futex_wake_bitset(word, count, 1U << draw(seed) % 4);
	default:
		return futex_wake(word, count);
	}
}

static void ignore_it(int sig, siginfo_t *info, void *ucontext)
{
}

static bool all_are_gone(struct storm *s, uint64_t *woken)
{
	bool gone = true;

	for (int i = 0; i < 2; i++)
		*woken += futex_wake(&s->words[i], INT_MAX);
	FOR_EACH(i, s->guests)
		gone = gone && thread_is_gone(&s->guests[i].thread);
	return gone;
}

CLAUSE(every_wake_in_a_storm_is_accounted_for,
       "futex(2) RETURN VALUE: as many waits return 0 as wakes have counted, among timeouts, signals, bit masks and "
       "requeues",
       .needed_by = "glibc:pthread_cond_signal")
{
	long long until = monotonic_ns() + 2 * STORM_TIME;
	uint64_t counted = 0, woken = 0;
	struct storm s = { 0 };
	uint32_t seed = 1;

	ASSERT_OK(raw_sigaction(SIGUSR1, ignore_it, 0));
	FOR_EACH(i, s.guests) {
		s.guests[i].storm = &s;
		s.guests[i].seed = i + 2;
		ASSERT_OK(thread_start(&s.guests[i].thread, come_and_go, &s.guests[i]));
	}
	while (monotonic_ns() < until)
		for (int i = 0; i < 16; i++) {
			long ended = wake_somebody(&s, &seed);

			ASSERT_GE(ended, 0);
			counted += ended;
		}
	s.over = 1;
	ASSERT_TRUE(wait_until(all_are_gone(&s, &counted)));
	FOR_EACH(i, s.guests) {
		EXPECT_EQ(0, s.guests[i].errors);
		woken += s.guests[i].woken;
	}
	EXPECT_EQ(counted, woken);
}

struct adder {
	uint32_t sum;
	volatile int over;
	uint32_t steps;
	struct thread thread;
};

static int add_and_add(void *arg)
{
	struct adder *a = arg;
	uint32_t nobody = 0;

	while (!a->over)
		if (futex_wake_op(&nobody, 1, 1, &a->sum, FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_LT, -2048)) == 0)
			a->steps++;
	return 0;
}

CLAUSE(wake_op_loses_no_step_to_a_fork,
       "futex(2) FUTEX_WAKE_OP, fork(2): the word is changed exactly once per call, in the caller's memory, while "
       "forks make its page copy-on-write again and again",
       .needed_by = "go:forkExec glibc:pthread_cond_signal")
{
	struct adder a = { 0 };
	int status;

	ASSERT_OK(thread_start(&a.thread, add_and_add, &a));
	for (int i = 0; i < 15; i++) {
		uint32_t before = __atomic_load_n(&a.sum, __ATOMIC_ACQUIRE);
		pid_t child = fork();

		if (child == 0) {
			uint32_t copied = a.sum;

			// The copy stands still: its thread stayed with the parent.
			raw_syscall(__NR_sched_yield);
			_exit(copied != a.sum || copied - before > 1U << 30);
		}
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(0, status);
	}
	a.over = 1;
	ASSERT_TRUE(thread_join(&a.thread));
	EXPECT_EQ(a.steps, a.sum);
}
