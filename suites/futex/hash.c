// SPDX-License-Identifier: GPL-2.0-only
// PR_FUTEX_HASH (Linux 6.16, in use since 6.17): the size of a process's own futex hash may change under its waiters.
#include "clause.h"
#include "actor.h"
#include "futex.h"
#include "guard.h"
#include "pi.h"
#include "uapi.h"

#define SET_SLOTS(slots) __NR_prctl, PR_FUTEX_HASH, PR_FUTEX_HASH_SET_SLOTS, slots, 0, 0
#define GET_SLOTS        __NR_prctl, PR_FUTEX_HASH, PR_FUTEX_HASH_GET_SLOTS, 0, 0, 0

// In a process of its own: a second change waits until the first has come into effect everywhere.
static long hash_probe(void)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		_exit(is_error(raw_syscall(SET_SLOTS(4))));
	return child > 0 && waitpid(child, &status, 0) == child && !status ? 0 : -EINVAL;
}

#define NEEDS_HASH .since = KERNEL(6, 17), .config = "FUTEX_PRIVATE_HASH", .probe = hash_probe, .absent_errno = EINVAL

CLAUSE(the_hash_has_as_many_slots_as_were_set,
       "kernel/futex/core.c futex_hash_prctl: PR_FUTEX_HASH_SET_SLOTS takes every power of two from 2 on, smaller or "
       "larger than before; PR_FUTEX_HASH_GET_SLOTS returns it",
       NEEDS_HASH)
{
	static const int slots[] = { 4, 1024, 2 };

	FOR_EACH(i, slots) {
		EXPECT_RET(0, raw_syscall(SET_SLOTS(slots[i])));
		EXPECT_RET(slots[i], raw_syscall(GET_SLOTS));
	}
}

CLAUSE(other_numbers_of_slots_are_refused,
       "kernel/futex/core.c futex_hash_allocate: 1 and what is not a power of two are EINVAL, and so is an argument "
       "behind; the hash stays",
       NEEDS_HASH)
{
	static const long refused[] = { 1, 3, 5, 6, 7, 17, 1023, -1, -2 };

	EXPECT_RET(0, raw_syscall(SET_SLOTS(8)));
	FOR_EACH(i, refused)
		EXPECT_ERR(EINVAL, raw_syscall(SET_SLOTS(refused[i])));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_FUTEX_HASH, PR_FUTEX_HASH_SET_SLOTS, 4, 8, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_FUTEX_HASH, 0, 4, 0, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_FUTEX_HASH, 99, 4, 0, 0));
	EXPECT_RET(8, raw_syscall(GET_SLOTS));
}

CLAUSE(waiters_are_found_after_the_hash_has_changed,
       "kernel/futex/core.c futex_rehash_private: those who wait are carried over into the new hash, and those who "
       "wait for a PI lock too: wakes and unlocks find them",
       NEEDS_HASH)
{
	static const int slots[] = { 64, 2 };
	struct actor *owner = actor_thread(), *locker = actor_thread(), *a[20];
	uint32_t words[20] = { 0 }, lock = owner->tid;

	for (int i = 0; i < 20; i++) {
		a[i] = actor_thread();
		ask(a[i], NR_FUTEX, &words[i], FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
		ASSERT_TRUE(blocks(a[i]));
	}
	ask(locker, LOCK_PI(&lock));
	ASSERT_TRUE(blocks(locker));
	FOR_EACH(s, slots) {
		EXPECT_RET(0, raw_syscall(SET_SLOTS(slots[s])));
		for (int i = 10 * s; i < 10 * s + 10; i++) {
			EXPECT_RET(1, futex_wake(&words[i], 9));
			EXPECT_RET(0, answer(a[i]));
		}
	}
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&lock)));
	EXPECT_RET(0, answer(locker));
	EXPECT_WORD(locker->tid | FUTEX_WAITERS, &lock);
}

CLAUSE(without_slots_the_process_is_back_on_the_common_hash_for_good,
       "kernel/futex/core.c futex_hash_allocate: 0 slots are the global hash: waiters are found in it, and there is "
       "no way back: EBUSY",
       NEEDS_HASH)
{
	struct actor *a = actor_thread();
	uint32_t word = 0;

	ask(a, NR_FUTEX, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	ASSERT_TRUE(blocks(a));
	EXPECT_RET(0, raw_syscall(SET_SLOTS(0)));
	EXPECT_RET(0, raw_syscall(GET_SLOTS));
	EXPECT_RET(1, futex_wake(&word, 9));
	EXPECT_RET(0, answer(a));
	EXPECT_ERR(EBUSY, raw_syscall(SET_SLOTS(4)));
	EXPECT_ERR(EBUSY, raw_syscall(SET_SLOTS(0)));
	EXPECT_RET(0, raw_syscall(GET_SLOTS));
	ask(a, NR_FUTEX, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	ASSERT_TRUE(blocks(a));
	EXPECT_RET(1, futex_wake(&word, 9));
	EXPECT_RET(0, answer(a));
}

#define WAITERS 3
#define ROUNDS 80
#define CHANGES 4

struct storm {
	uint32_t words[WAITERS];
	volatile int returned[WAITERS];
	volatile int next, stop;
	volatile long bad;
};

static int storm_main(void *arg)
{
	struct storm *s = arg;
	int me = __atomic_fetch_add(&s->next, 1, __ATOMIC_SEQ_CST);

	while (!s->stop) {
		long result = futex_wait(&s->words[me], 0, NULL);

		if (result)
			s->bad = result;
		s->returned[me]++;
	}
	return 0;
}

CLAUSE(no_wake_is_lost_while_the_hash_changes,
       "kernel/futex/core.c futex_private_hash: waits and wakes that go on while the hash is replaced meet: each "
       "wake that was counted ends one wait",
       NEEDS_HASH)
{
	struct actor *changer = actor_thread();
	struct thread threads[WAITERS];
	struct storm s = { .stop = 0 };

	for (int i = 0; i < WAITERS; i++) {	// one after the other: each takes the word of its number
		ASSERT_OK(thread_start(&threads[i], storm_main, &s));
		ASSERT_TRUE(wait_until(s.next == i + 1));
	}
	for (int round = 0; round < ROUNDS; round++) {
		if (round % (ROUNDS / CHANGES) == 0)
			ask(changer, SET_SLOTS(4 << round / (ROUNDS / CHANGES)));
		for (int i = 0; i < WAITERS; i++)
			ASSERT_TRUE(wait_until(futex_wake(&s.words[i], 1) == 1));
		if (round % (ROUNDS / CHANGES) == ROUNDS / CHANGES - 1)
			ASSERT_RET(0, answer(changer));
	}
	for (int i = 0; i < WAITERS; i++)
		EXPECT_TRUE(wait_until(s.returned[i] == ROUNDS));
	s.stop = 1;
	for (int i = 0; i < WAITERS; i++) {
		EXPECT_TRUE(wait_until(futex_wake(&s.words[i], 9) < 0 || thread_is_gone(&threads[i])));
		EXPECT_TRUE(thread_join(&threads[i]));
	}
	EXPECT_RET(0, s.bad);
}
