// SPDX-License-Identifier: GPL-2.0-only
// futex(2): PI locks whose owner or waiter dies: to whom the lock goes, and what its word says of the dead.
#include "clause.h"
#include "actor.h"
#include "pi.h"
#include "robust.h"

CLAUSE(a_waiter_gets_the_lock_of_a_dead_thread,
       "futex(2) Priority-inheritance futexes: if the owner dies, the kernel hands the lock to the next waiter and "
       "sets FUTEX_OWNER_DIED along with the new owner's TID [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_lock")
{
	for (int shared = 0; shared < 2; shared++) {
		struct actor *owner = actor_thread(), *waiter = actor_thread();
		int op = FUTEX_LOCK_PI | (shared ? 0 : FUTEX_PRIVATE_FLAG);
		uint32_t word = 0;

		ASSERT_RET(0, call_as(owner, PI_CALL_(op, &word, NULL)));
		ask(waiter, PI_CALL_(op, &word, NULL));
		ASSERT_TRUE(blocks(waiter));
		ask(owner, __NR_exit, 0);
		EXPECT_RET(0, answer(waiter));
		EXPECT_WORD(waiter->tid | FUTEX_WAITERS | FUTEX_OWNER_DIED, &word);
		EXPECT_TRUE(is_gone(owner));
	}
}

CLAUSE(a_dead_owner_is_remembered_until_the_next_unlock,
       "kernel/futex/pi.c wake_futex_pi: the heir of a dead owner cleans FUTEX_OWNER_DIED up by its unlock: the "
       "waiter after it finds its TID alone [GLC-5]",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *heir = actor_thread(), *next = actor_thread();
	uint32_t word = 0;

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	ask(heir, LOCK_PI(&word));
	ASSERT_TRUE(blocks(heir));
	ask(next, LOCK_PI(&word));
	ASSERT_TRUE(blocks(next));
	ask(owner, __NR_exit, 0);
	EXPECT_RET(0, answer(heir));
	EXPECT_WORD(heir->tid | FUTEX_WAITERS | FUTEX_OWNER_DIED, &word);
	EXPECT_TRUE(blocks(next));
	EXPECT_RET(0, call_as(heir, UNLOCK_PI(&word)));
	EXPECT_RET(0, answer(next));
	EXPECT_WORD(next->tid | FUTEX_WAITERS, &word);
	EXPECT_RET(0, call_as(next, UNLOCK_PI(&word)));
	EXPECT_WORD(0, &word);
}

CLAUSE(a_late_locker_waits_for_the_heir_of_a_dead_owner,
       "kernel/futex/pi.c attach_to_pi_state: FUTEX_OWNER_DIED beside the TID of a living owner does not confuse "
       "those who come later: they wait, and get the lock in their turn",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *heir = actor_thread(), *second = actor_thread(), *late = actor_thread();
	uint32_t word = 0;

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	ask(heir, LOCK_PI(&word));
	ASSERT_TRUE(blocks(heir));
	ask(second, LOCK_PI(&word));
	ASSERT_TRUE(blocks(second));
	ask(owner, __NR_exit, 0);
	ASSERT_RET(0, answer(heir));
	ask(late, LOCK_PI(&word));
	EXPECT_TRUE(blocks(late));
	EXPECT_WORD(heir->tid | FUTEX_WAITERS | FUTEX_OWNER_DIED, &word);
	EXPECT_RET(0, call_as(heir, UNLOCK_PI(&word)));
	EXPECT_RET(0, answer(second));
	EXPECT_RET(0, call_as(second, UNLOCK_PI(&word)));
	EXPECT_RET(0, answer(late));
	EXPECT_WORD(late->tid | FUTEX_WAITERS, &word);
}

CLAUSE(a_robust_pi_lock_of_a_dead_owner_can_be_taken,
       "Documentation/locking/pi-futex.rst: robust and PI are orthogonal: an entry of the robust list with the "
       "lowest bit set becomes FUTEX_OWNER_DIED at its owner's death, and the next locker keeps that bit [GLC-4] "
       "[GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_lock musl:pthread_mutex_lock")
{
	static const int lock_ops[] = { FUTEX_LOCK_PI_PRIVATE, FUTEX_TRYLOCK_PI_PRIVATE };

	for (int i = 0; i < 2; i++) {
		struct actor *owner = actor_thread();
		struct robust_list_head head;
		struct robust_lock lock = { 0 };

		robust_link(&head, &lock, 1, PI_ENTRY);
		ASSERT_RET(0, call_as(owner, SET_ROBUST_LIST(&head)));
		ASSERT_RET(0, call_as(owner, LOCK_PI(&lock.word)));
		ASSERT_TRUE(ends(owner));
		EXPECT_WORD(FUTEX_OWNER_DIED, &lock.word);
		EXPECT_RET(0, raw_syscall(PI_CALL_(lock_ops[i], &lock.word, NULL)));
		EXPECT_WORD(GETTID() | FUTEX_OWNER_DIED, &lock.word);
		EXPECT_RET(0, raw_syscall(UNLOCK_PI(&lock.word)));
		EXPECT_WORD(0, &lock.word);
	}
}

CLAUSE(a_waiter_gets_the_robust_pi_lock_of_a_dead_owner,
       "kernel/futex/pi.c attach_to_pi_state [4]: the robust list leaves FUTEX_WAITERS and FUTEX_OWNER_DIED in the "
       "word, and the waiter adds its TID [GLC-4] [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_lock")
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	struct robust_list_head head;
	struct robust_lock lock = { 0 };

	robust_link(&head, &lock, 1, PI_ENTRY);
	ASSERT_RET(0, call_as(owner, SET_ROBUST_LIST(&head)));
	ASSERT_RET(0, call_as(owner, LOCK_PI(&lock.word)));
	ask(waiter, LOCK_PI(&lock.word));
	ASSERT_TRUE(blocks(waiter));
	ask(owner, __NR_exit, 0);
	EXPECT_RET(0, answer(waiter));
	EXPECT_WORD(waiter->tid | FUTEX_WAITERS | FUTEX_OWNER_DIED, &lock.word);
	EXPECT_RET(0, call_as(waiter, UNLOCK_PI(&lock.word)));
	EXPECT_WORD(0, &lock.word);
}

CLAUSE(every_lock_of_a_dead_owner_goes_to_its_waiter,
       "kernel/futex/core.c exit_pi_state_list: all PI locks with waiters that the dead thread held are handed over",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *waiter[4];
	uint32_t words[4] = { 0 };

	for (int i = 0; i < 4; i++) {
		waiter[i] = actor_thread();
		ASSERT_RET(0, call_as(owner, LOCK_PI(&words[i])));
		ask(waiter[i], LOCK_PI(&words[i]));
		ASSERT_TRUE(blocks(waiter[i]));
	}
	ask(owner, __NR_exit, 0);
	for (int i = 0; i < 4; i++) {
		EXPECT_RET(0, answer(waiter[i]));
		EXPECT_WORD(waiter[i]->tid | FUTEX_WAITERS | FUTEX_OWNER_DIED, &words[i]);
	}
}

CLAUSE(a_lock_that_was_handed_on_does_not_die_with_its_former_owner,
       "kernel/futex/pi.c pi_state_update_owner: after the unlock the state belongs to the new owner: the old one's "
       "death changes nothing",
       NEEDS_PI)
{
	struct actor *former = actor_thread(), *owner = actor_thread(), *waiter = actor_thread();
	uint32_t word = 0;

	ASSERT_RET(0, call_as(former, LOCK_PI(&word)));
	ask(owner, LOCK_PI(&word));
	ASSERT_TRUE(blocks(owner));
	ask(waiter, LOCK_PI(&word));
	ASSERT_TRUE(blocks(waiter));
	ASSERT_RET(0, call_as(former, UNLOCK_PI(&word)));
	ASSERT_RET(0, answer(owner));
	ASSERT_TRUE(ends(former));
	EXPECT_WORD(owner->tid | FUTEX_WAITERS, &word);
	EXPECT_TRUE(blocks(waiter));
	ask(owner, __NR_exit, 0);
	EXPECT_RET(0, answer(waiter));
	EXPECT_WORD(waiter->tid | FUTEX_WAITERS | FUTEX_OWNER_DIED, &word);
}

CLAUSE(a_waiter_gets_the_lock_of_a_killed_process,
       "futex(2) Priority-inheritance futexes: the owner's death by SIGKILL hands a lock in shared memory to a "
       "waiter in another process [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_lock")
{
	uint32_t *word = shared_memory(sizeof(*word));
	struct actor *owner = actor_process(), *waiter = actor_process();

	ASSERT_RET(0, call_as(owner, LOCK_PI_SHARED(word)));
	EXPECT_WORD(owner->tid, word);
	ask(waiter, LOCK_PI_SHARED(word));
	ASSERT_TRUE(blocks(waiter));
	EXPECT_TRUE(is_killed(owner));
	EXPECT_RET(0, answer(waiter));
	EXPECT_WORD(waiter->tid | FUTEX_WAITERS | FUTEX_OWNER_DIED, word);
	EXPECT_TRUE(is_killed(waiter));
}

CLAUSE(a_waiter_gets_the_lock_of_a_process_that_executes_another_program,
       "kernel/futex/core.c futex_exec_release: PI locks held at execve(2) are released as at exit, while the "
       "process lives on [GLC-5]",
       NEEDS_PI, .commit = "150d71584b12 futex: Provide state handling for exec() as well")
{
	uint32_t *word = shared_memory(sizeof(*word));
	struct actor *owner = actor_process(), *waiter = actor_thread();

	ASSERT_RET(0, call_as(owner, LOCK_PI_SHARED(word)));
	ask(waiter, LOCK_PI_SHARED(word));
	ASSERT_TRUE(blocks(waiter));
	ASSERT_TRUE(execs(owner));
	EXPECT_RET(0, answer(waiter));
	EXPECT_WORD(waiter->tid | FUTEX_WAITERS | FUTEX_OWNER_DIED, word);
	EXPECT_TRUE(is_killed(owner));
}

CLAUSE(a_waiter_that_dies_leaves_the_queue,
       "kernel/futex/pi.c futex_lock_pi cleanup: a killed waiter does not get the lock: it goes to the next waiter, "
       "or to nobody [GLC-5]",
       NEEDS_PI)
{
	struct actor *owner = actor_thread();
	uint32_t *word = shared_memory(sizeof(*word));

	for (int another = 0; another < 2; another++) {
		struct actor *victim = actor_process(), *waiter = actor_thread();

		ASSERT_RET(0, call_as(owner, LOCK_PI_SHARED(word)));
		ask(victim, LOCK_PI_SHARED(word));
		ASSERT_TRUE(blocks(victim));
		if (another) {
			ask(waiter, LOCK_PI_SHARED(word));
			ASSERT_TRUE(blocks(waiter));
		}
		EXPECT_TRUE(is_killed(victim));
		EXPECT_WORD(owner->tid | FUTEX_WAITERS, word);
		EXPECT_RET(0, call_as(owner, UNLOCK_PI_SHARED(word)));
		if (another) {
			EXPECT_RET(0, answer(waiter));
			EXPECT_WORD(waiter->tid | FUTEX_WAITERS, word);
		} else {
			EXPECT_WORD(0, word);
		}
	}
}

struct short_life {
	struct robust_list_head head;
	struct robust_lock lock;
	volatile long result;
};

// Takes a robust PI lock and dies with it at once.
static int short_life_main(void *arg)
{
	struct short_life *life = arg;

	robust_link(&life->head, &life->lock, 1, PI_ENTRY);
	life->result = raw_syscall(SET_ROBUST_LIST(&life->head));
	if (!life->result)
		life->result = raw_syscall(LOCK_PI(&life->lock.word));
	return 0;
}

#define LIVES 100

CLAUSE(a_locker_that_meets_a_dying_owner_gets_the_lock,
       "kernel/futex/pi.c handle_exit_race: whenever in its owner's exit a robust PI lock is asked for, the caller "
       "gets it with FUTEX_OWNER_DIED: neither ESRCH nor EAGAIN, nor an endless wait [GLC-5]",
       NEEDS_PI, .commit = "da791a667536 futex: Cure exit race")
{
	for (int i = 0; i < LIVES; i++) {
		struct short_life life = { .lock = { .word = 0 } };
		struct thread owner;

		ASSERT_OK(thread_start(&owner, short_life_main, &life));
		ASSERT_TRUE(wait_until(load(&life.lock.word)));
		ASSERT_RET(0, raw_syscall(LOCK_PI(&life.lock.word)));
		ASSERT_EQ(GETTID() | FUTEX_OWNER_DIED, load(&life.lock.word) & ~FUTEX_WAITERS);
		ASSERT_RET(0, raw_syscall(UNLOCK_PI(&life.lock.word)));
		ASSERT_TRUE(thread_join(&owner));
		ASSERT_RET(0, life.result);
	}
}
