// SPDX-License-Identifier: GPL-2.0-only
// futex(2): PI locks that processes share: mapped at different addresses, in files, across pid namespaces.
#include "clause.h"
#include "actor.h"
#include "guard.h"
#include "pi.h"
#include "robust.h"

// One page of a file, mapped twice.
struct twice {
	uint32_t *here;
	uint32_t *there;
};

static struct twice map_twice(void)
{
	int fd = raw_syscall(__NR_memfd_create, "lock", 0);
	size_t size = page_size();
	struct twice t = { MAP_FAILED, MAP_FAILED };

	if (fd >= 0 && !ftruncate(fd, size)) {
		t.here = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		t.there = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	}
	if (t.here == MAP_FAILED || t.there == MAP_FAILED)
		actor_die("cannot map a file twice", -errno);
	return t;
}

CLAUSE(a_lock_passes_between_processes_that_map_it_at_different_addresses,
       "futex(2): a futex in shared memory is one and the same wherever it is mapped; the PI lock passes to the "
       "waiter in the other process and back [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutexattr_setpshared")
{
	struct actor *owner = actor_thread();
	struct twice lock = map_twice();
	struct actor *other = actor_process();

	ASSERT_RET(0, call_as(other, LOCK_PI_SHARED(lock.there)));
	EXPECT_WORD(other->tid, lock.here);
	EXPECT_ERR(EAGAIN, raw_syscall(TRYLOCK_PI_SHARED(lock.here)));
	EXPECT_RET(0, call_as(other, UNLOCK_PI_SHARED(lock.there)));

	ASSERT_RET(0, call_as(owner, LOCK_PI_SHARED(lock.here)));
	for (int i = 0; i < 3; i++) {
		ask(other, LOCK_PI_SHARED(lock.there));
		ASSERT_TRUE(blocks(other));
		EXPECT_RET(0, call_as(owner, UNLOCK_PI_SHARED(lock.here)));
		EXPECT_RET(0, answer(other));
		EXPECT_WORD(other->tid | FUTEX_WAITERS, lock.here);
		EXPECT_RET(0, call_as(other, UNLOCK_PI_SHARED(lock.there)));
		EXPECT_WORD(0, lock.here);
		EXPECT_RET(0, call_as(owner, LOCK_PI_SHARED(lock.here)));
	}
	EXPECT_TRUE(is_killed(other));
}

CLAUSE(a_lock_of_another_process_with_the_same_address_is_another_lock,
       "futex(2) FUTEX_PRIVATE_FLAG: a private lock belongs to one address space: after fork(2) the two copies are "
       "locked and unlocked without regard to each other",
       NEEDS_PI)
{
	struct actor *owner = actor_thread();
	uint32_t word = 0;
	struct actor *copy = actor_process(), *waiter = actor_thread();

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	ask(waiter, LOCK_PI(&word));
	ASSERT_TRUE(blocks(waiter));
	EXPECT_RET(0, call_as(copy, LOCK_PI(&word)));
	EXPECT_RET(0, call_as(copy, UNLOCK_PI(&word)));
	EXPECT_WORD(owner->tid | FUTEX_WAITERS, &word);
	EXPECT_TRUE(blocks(waiter));
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	EXPECT_RET(0, answer(waiter));
	EXPECT_TRUE(is_killed(copy));
}

CLAUSE(requeueing_reaches_a_process_that_maps_both_words_elsewhere,
       "futex(2) FUTEX_CMP_REQUEUE_PI: condition and lock in shared memory are found wherever the waiter has mapped "
       "them [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_condattr_setpshared")
{
	struct actor *owner = actor_thread();
	struct twice memory = map_twice();
	uint32_t *condition = memory.here, *lock = memory.here + 4;
	struct actor *other = actor_process();

	ASSERT_RET(0, call_as(owner, LOCK_PI_SHARED(lock)));
	ask(other, NR_FUTEX, memory.there, FUTEX_WAIT_REQUEUE_PI, 0, NULL, memory.there + 4, 0);
	ASSERT_TRUE(blocks(other));
	EXPECT_RET(1, raw_syscall(NR_FUTEX, condition, FUTEX_CMP_REQUEUE_PI, 1, 0, lock, 0));
	EXPECT_WORD(owner->tid | FUTEX_WAITERS, lock);
	EXPECT_RET(0, call_as(owner, UNLOCK_PI_SHARED(lock)));
	EXPECT_RET(0, answer(other));
	EXPECT_WORD(other->tid | FUTEX_WAITERS, lock);
	EXPECT_TRUE(is_killed(other));
}

CLAUSE(requeueing_to_the_same_word_by_another_mapping_is_refused,
       "kernel/futex/requeue.c futex_requeue: source and target must differ as words, not only as addresses: EINVAL "
       "for FUTEX_CMP_REQUEUE_PI and FUTEX_WAIT_REQUEUE_PI",
       NEEDS_PI)
{
	struct twice word = map_twice();

	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, word.here, FUTEX_CMP_REQUEUE_PI, 1, 0, word.there, 0));
	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, word.here, FUTEX_WAIT_REQUEUE_PI, 0, NULL, word.there, 0));
	EXPECT_WORD(0, word.here);
}

CLAUSE(a_word_holds_tids_of_the_callers_pid_namespace,
       "futex(2) FUTEX_LOCK_PI: the word contains the PID-namespace-specific TID of the owner [GLC-5]",
       NEEDS_PI, .needs = "cap=sys_admin")
{
	uint32_t *word = shared_memory(sizeof(*word));
	struct actor *first = actor_process_with(CLONE_NEWPID);

	if (!first)
		SKIP(return, "cannot make a pid namespace");
	EXPECT_RET(1, call_as(first, __NR_getpid));
	EXPECT_RET(0, call_as(first, LOCK_PI_SHARED(word)));
	EXPECT_WORD(1, word);
	EXPECT_ERR(EDEADLK, call_as(first, LOCK_PI_SHARED(word)));
	EXPECT_RET(0, call_as(first, UNLOCK_PI_SHARED(word)));
	EXPECT_WORD(0, word);
	EXPECT_TRUE(is_killed(first));
}

CLAUSE(a_robust_word_is_compared_with_the_tid_of_the_pid_namespace,
       "kernel/futex/core.c handle_futex_death: the dying thread's TID is that of its own pid namespace [GLC-4]",
       .needs = "cap=sys_admin")
{
	struct {
		struct robust_list_head head;
		struct robust_lock lock[2];
	} *held = shared_memory(sizeof(*held));
	struct actor *first = actor_process_with(CLONE_NEWPID);

	if (!first)
		SKIP(return, "cannot make a pid namespace");
	robust_link(&held->head, held->lock, 2, 0);
	store(&held->lock[0].word, 1);
	store(&held->lock[1].word, first->tid);	// means nobody, or somebody else, in there
	EXPECT_RET(0, call_as(first, SET_ROBUST_LIST(&held->head)));
	EXPECT_TRUE(is_killed(first));
	EXPECT_WORD(FUTEX_OWNER_DIED, &held->lock[0].word);
	EXPECT_WORD(first->tid, &held->lock[1].word);
}

CLAUSE(a_robust_list_is_asked_for_by_the_tid_of_the_callers_pid_namespace,
       "get_robust_list(2), pid_namespaces(7): the TID is one of the caller's pid namespace: 1 is the first "
       "process there, and who is not in it has none [GLC-4]",
       .needs = "cap=sys_admin")
{
	struct {
		struct robust_list_head head, *got;
		size_t size;
	} *s = shared_memory(sizeof(*s));
	struct actor *first = actor_process_with(CLONE_NEWPID);

	if (!first)
		SKIP(return, "cannot make a pid namespace");
	ASSERT_RET(0, call_as(first, SET_ROBUST_LIST(&s->head)));
	s->got = &s->head + 1;
	EXPECT_RET(0, call_as(first, __NR_get_robust_list, 1, &s->got, &s->size));
	EXPECT_EQ((void *)&s->head, (void *)s->got);
	EXPECT_ERR(ESRCH, call_as(first, __NR_get_robust_list, first->tid, &s->got, &s->size));
	s->got = &s->head + 1;
	EXPECT_RET(0, raw_syscall(__NR_get_robust_list, first->tid, &s->got, &s->size));
	EXPECT_EQ((void *)&s->head, (void *)s->got);
	EXPECT_TRUE(is_killed(first));
}
