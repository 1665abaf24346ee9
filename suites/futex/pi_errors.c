// SPDX-License-Identifier: GPL-2.0-only
// futex(2): what PI locks refuse: mismatched operations, corrupt words, impossible owners, deadlocks, addresses.
#include "clause.h"
#include "actor.h"
#include "futex.h"
#include "guard.h"
#include "pi.h"

CLAUSE(lock_refuses_a_word_on_which_someone_waits_plainly,
       "futex(2) ERRORS EINVAL: FUTEX_LOCK_PI and FUTEX_TRYLOCK_PI find a waiter that waits by FUTEX_WAIT; the word "
       "stays and the waiter can be woken [GLC-5]",
       NEEDS_PI)
{
	struct actor *waiter = actor_thread(), *owner = actor_thread();
	uint32_t values[] = { 0, FUTEX_WAITERS, owner->tid, owner->tid | FUTEX_WAITERS };

	for (int i = 0; i < 4; i++) {
		uint32_t word = values[i];

		ask(waiter, NR_FUTEX, &word, FUTEX_WAIT_PRIVATE, word, NULL, NULL, 0);
		ASSERT_TRUE(blocks(waiter));
		EXPECT_ERR(EINVAL, raw_syscall(LOCK_PI(&word)));
		EXPECT_ERR(EINVAL, raw_syscall(TRYLOCK_PI(&word)));
		EXPECT_WORD(values[i], &word);
		EXPECT_RET(1, raw_syscall(NR_FUTEX, &word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
		EXPECT_RET(0, answer(waiter));
	}
}

CLAUSE(unlock_refuses_a_word_on_which_someone_waits_plainly,
       "futex(2) ERRORS EINVAL: FUTEX_UNLOCK_PI finds a waiter that waits by FUTEX_WAIT; the word stays and the "
       "waiter sleeps on [GLC-5]",
       NEEDS_PI)
{
	struct actor *waiter = actor_thread();
	uint32_t word = GETTID();

	ask(waiter, NR_FUTEX, &word, FUTEX_WAIT_PRIVATE, word, NULL, NULL, 0);
	ASSERT_TRUE(blocks(waiter));
	EXPECT_ERR(EINVAL, raw_syscall(UNLOCK_PI(&word)));
	EXPECT_WORD(GETTID(), &word);
	EXPECT_RET(1, raw_syscall(NR_FUTEX, &word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
	EXPECT_RET(0, answer(waiter));
}

CLAUSE(plain_operations_refuse_a_word_with_pi_waiters,
       "futex(2) ERRORS EINVAL: FUTEX_WAKE, WAKE_BITSET, WAKE_OP, REQUEUE and CMP_REQUEUE find a waiter in "
       "FUTEX_LOCK_PI; it sleeps on and gets the lock from its owner [GLC-5]",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *waiter = actor_thread();
	uint32_t word = 0, other = 0, held;
	unsigned int keep = FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_NE, 0x7ff);

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	ask(waiter, LOCK_PI(&word));
	ASSERT_TRUE(blocks(waiter));
	held = load(&word);
	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, &word, FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 1));
	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, &word, FUTEX_WAKE_OP_PRIVATE, 1, 1, &other, keep));
	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, &other, FUTEX_WAKE_OP_PRIVATE, 1, 1, &word, keep));
	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, &word, FUTEX_REQUEUE_PRIVATE, 1, 1, &other, 0));
	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, &word, FUTEX_REQUEUE_PRIVATE, 0, 1, &other, 0));
	EXPECT_ERR(EINVAL, raw_syscall(NR_FUTEX, &word, FUTEX_CMP_REQUEUE_PRIVATE, 1, 1, &other, held));
	EXPECT_WORD(held, &word);
	EXPECT_TRUE(blocks(waiter));
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	EXPECT_RET(0, answer(waiter));
	EXPECT_WORD(waiter->tid | FUTEX_WAITERS, &word);
}

CLAUSE(a_word_that_contradicts_the_kernels_owner_is_refused,
       "kernel/futex/pi.c attach_to_pi_state [9] [10]: with waiters in the kernel a word that names no owner, or "
       "another than the kernel's, is EINVAL for FUTEX_LOCK_PI and FUTEX_TRYLOCK_PI [GLC-5]",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *waiter = actor_thread(), *stranger = actor_thread();
	uint32_t word = 0, lies[] = { 0, FUTEX_WAITERS, stranger->tid, stranger->tid | FUTEX_WAITERS,
				      stranger->tid | FUTEX_OWNER_DIED };

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	ask(waiter, LOCK_PI(&word));
	ASSERT_TRUE(blocks(waiter));
	for (int i = 0; i < 5; i++) {
		struct actor *locker = actor_thread();

		store(&word, lies[i]);
		EXPECT_ERR(EINVAL, call_as(locker, LOCK_PI(&word)));
		EXPECT_ERR(EINVAL, call_as(locker, TRYLOCK_PI(&word)));
		EXPECT_WORD(lies[i], &word);
	}
	store(&word, owner->tid | FUTEX_WAITERS);
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	EXPECT_RET(0, answer(waiter));
}

CLAUSE(a_thief_that_writes_its_tid_cannot_unlock,
       "kernel/futex/pi.c futex_unlock_pi: with waiters in the kernel, the word's TID alone does not make the caller "
       "the owner: EINVAL, and nobody is woken",
       NEEDS_PI)
{
	struct actor *owner = actor_thread(), *waiter = actor_thread(), *thief = actor_thread();
	uint32_t word = 0;

	ASSERT_RET(0, call_as(owner, LOCK_PI(&word)));
	ask(waiter, LOCK_PI(&word));
	ASSERT_TRUE(blocks(waiter));
	store(&word, thief->tid | FUTEX_WAITERS);
	EXPECT_ERR(EINVAL, call_as(thief, UNLOCK_PI(&word)));
	EXPECT_WORD(thief->tid | FUTEX_WAITERS, &word);
	EXPECT_TRUE(blocks(waiter));
	store(&word, owner->tid | FUTEX_WAITERS);
	EXPECT_RET(0, call_as(owner, UNLOCK_PI(&word)));
	EXPECT_RET(0, answer(waiter));
}

CLAUSE(an_owner_that_does_not_exist_is_esrch,
       "futex(2) ERRORS ESRCH: the thread ID in the word does not exist; the word keeps it, and the lock can be "
       "taken once the word is put right [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_lock")
{
	uint32_t word = FUTEX_TID_MASK;	// above every possible pid_max

	EXPECT_ERR(ESRCH, raw_syscall(LOCK_PI(&word)));
	EXPECT_ERR(ESRCH, raw_syscall(TRYLOCK_PI(&word)));
	EXPECT_EQ(FUTEX_TID_MASK, load(&word) & FUTEX_TID_MASK);
	word = FUTEX_TID_MASK;
	EXPECT_ERR(ESRCH, raw_syscall(LOCK_PI_SHARED(&word)));
	EXPECT_ERR(ESRCH, raw_syscall(TRYLOCK_PI_SHARED(&word)));
	word = 0;
	EXPECT_RET(0, raw_syscall(LOCK_PI(&word)));
}

CLAUSE(an_owner_that_is_a_zombie_is_esrch,
       "kernel/futex/pi.c attach_to_pi_owner: a task that has exited without a robust list owns nothing, although "
       "its TID is still taken: ESRCH, not an endless wait",
       NEEDS_PI)
{
	uint32_t *word = shared_memory(sizeof(*word));
	struct actor *owner = actor_process();

	store(word, owner->tid);
	ask(owner, __NR_exit_group, 0);
	ASSERT_TRUE(wait_until(task_state(owner->tid) == 'Z'));
	EXPECT_ERR(ESRCH, raw_syscall(LOCK_PI_SHARED(word)));
	EXPECT_ERR(ESRCH, raw_syscall(TRYLOCK_PI_SHARED(word)));
	EXPECT_RET(0, wait_status(owner));
}

// PF_KTHREAD of the ninth field of stat.
static bool is_kernel_thread(int tid)
{
	char path[64], stat[512], *end;
	unsigned long flags = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	if (read_text(path, stat, sizeof(stat)) <= 0 || !(end = strrchr(stat, ')')))
		return false;
	return sscanf(end, ") %*c %*d %*d %*d %*d %*d %lu", &flags) == 1 && (flags & 0x200000);
}

CLAUSE(a_kernel_thread_cannot_own_a_lock,
       "futex(2) ERRORS EPERM: the caller may not attach itself to the futex, as when user space wrote the TID of a "
       "kernel thread into the word",
       NEEDS_PI)
{
	uint32_t word = 2;	// kthreadd, outside of pid namespaces

	if (!is_kernel_thread(2))
		SKIP(return, "no kernel thread can be seen from here");
	EXPECT_ERR(EPERM, raw_syscall(LOCK_PI(&word)));
	EXPECT_ERR(EPERM, raw_syscall(TRYLOCK_PI(&word)));
	word = 2;
	EXPECT_ERR(EPERM, raw_syscall(LOCK_PI_SHARED(&word)));
	EXPECT_EQ(2, load(&word) & FUTEX_TID_MASK);
}

static const int lock_ops[] = { FUTEX_LOCK_PI, FUTEX_TRYLOCK_PI, FUTEX_LOCK_PI_PRIVATE, FUTEX_TRYLOCK_PI_PRIVATE };
static const int unlock_ops[] = { FUTEX_UNLOCK_PI, FUTEX_UNLOCK_PI_PRIVATE };

CLAUSE(an_unreachable_word_is_efault,
       "futex(2) ERRORS EFAULT: the word of a PI operation does not lie in memory of the caller",
       NEEDS_PI)
{
	void *places[] = { NULL, unmapped_page(), forbidden_page(), (void *)-4096L };

	for (int p = 0; p < 4; p++) {
		for (int i = 0; i < 4; i++)
			EXPECT_ERR(EFAULT, raw_syscall(PI_CALL_(lock_ops[i], places[p], NULL)));
		for (int i = 0; i < 2; i++)
			EXPECT_ERR(EFAULT, raw_syscall(PI_CALL_(unlock_ops[i], places[p], NULL)));
	}
}

CLAUSE(a_read_only_word_is_efault,
       "futex(2) ERRORS EFAULT: PI operations write the word; one that may only be read is refused and stays",
       NEEDS_PI)
{
	uint32_t *word = shared_memory(page_size());

	for (int round = 0; round < 2; round++) {
		store(word, round ? GETTID() : 0);
		ASSERT_EQ(0, mprotect(word, page_size(), PROT_READ));
		for (int i = 0; i < 4 && !round; i++)
			EXPECT_ERR(EFAULT, raw_syscall(PI_CALL_(lock_ops[i], word, NULL)));
		for (int i = 0; i < 2 && round; i++)
			EXPECT_ERR(EFAULT, raw_syscall(PI_CALL_(unlock_ops[i], word, NULL)));
		EXPECT_WORD(round ? GETTID() : 0, word);
		ASSERT_EQ(0, mprotect(word, page_size(), PROT_READ | PROT_WRITE));
	}
}

CLAUSE(a_misaligned_lock_is_einval,
       "futex(2) ERRORS EINVAL: the address of a PI lock is not four-byte-aligned; nothing is written",
       NEEDS_PI)
{
	uint32_t words[3] = { 0 };

	for (int offset = 1; offset < 4; offset++)
		for (int i = 0; i < 4; i++)
			EXPECT_ERR(EINVAL, raw_syscall(PI_CALL_(lock_ops[i], (char *)words + offset, NULL)));
	EXPECT_WORD(0, &words[0]);
	EXPECT_WORD(0, &words[1]);
}

CLAUSE(the_realtime_flag_is_enosys_where_the_clock_is_fixed,
       "futex(2) ERRORS ENOSYS: FUTEX_CLOCK_REALTIME with FUTEX_LOCK_PI, TRYLOCK_PI, UNLOCK_PI or CMP_REQUEUE_PI; "
       "nothing is done",
       NEEDS_PI)
{
	uint32_t word = 0, lock = 0;

	for (int i = 0; i < 4; i++)
		EXPECT_ERR(ENOSYS, raw_syscall(PI_CALL_(lock_ops[i] | FUTEX_CLOCK_REALTIME, &word, NULL)));
	EXPECT_WORD(0, &word);
	word = GETTID();
	for (int i = 0; i < 2; i++)
		EXPECT_ERR(ENOSYS, raw_syscall(PI_CALL_(unlock_ops[i] | FUTEX_CLOCK_REALTIME, &word, NULL)));
	EXPECT_WORD(GETTID(), &word);
	EXPECT_ERR(ENOSYS, raw_syscall(NR_FUTEX, &word, FUTEX_CMP_REQUEUE_PI | FUTEX_CLOCK_REALTIME, 1, 0, &lock, word));
}

// A ring of threads, each holding a lock and waiting for the next one's; the last closes it.
static void check_ring(struct __test_metadata *_metadata, int size)
{
	struct actor *ring[4];
	uint32_t words[4] = { 0 };

	for (int i = 0; i < size; i++) {
		ring[i] = actor_thread();
		ASSERT_RET(0, call_as(ring[i], LOCK_PI(&words[i])));
	}
	for (int i = 0; i < size - 1; i++) {
		ask(ring[i], LOCK_PI(&words[i + 1]));
		ASSERT_TRUE(blocks(ring[i]));
	}
	EXPECT_ERR(EAGAIN, call_as(ring[size - 1], TRYLOCK_PI(&words[0])));
	EXPECT_ERR(EDEADLK, call_as(ring[size - 1], LOCK_PI(&words[0])));
	EXPECT_EQ(ring[0]->tid, load(&words[0]) & FUTEX_TID_MASK);

	for (int i = size - 1; i > 0; i--) {	// the ring opens: each gets the next one's lock
		EXPECT_RET(0, call_as(ring[i], UNLOCK_PI(&words[i])));
		EXPECT_RET(0, answer(ring[i - 1]));
		EXPECT_WORD(ring[i - 1]->tid | FUTEX_WAITERS, &words[i]);
	}
	EXPECT_RET(0, call_as(ring[0], UNLOCK_PI(&words[0])));
	EXPECT_WORD(0, &words[0]);
}

CLAUSE(a_ring_of_locks_is_a_deadlock,
       "futex(2) FUTEX_LOCK_PI: inheritance follows the chain of locks and detects deadlocks: EDEADLK for the thread "
       "that would close a ring of 2, 3 or 4; all others go on [GLC-5]",
       NEEDS_PI, .needed_by = "glibc:pthread_mutex_lock")
{
	for (int size = 2; size <= 4; size++)
		check_ring(_metadata, size);
}

// Calls that wake two waiters of a word, of which the second waits for a PI lock: none of them may wake that.
static const struct { const char *name; int op; long count2; long value3; } wrong_wakes[] = {
	{ "WAKE", FUTEX_WAKE, 0, 0 },
	{ "WAKE_BITSET", FUTEX_WAKE_BITSET, 0, FUTEX_BITSET_MATCH_ANY },
	{ "WAKE_OP", FUTEX_WAKE_OP, 0, FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 1) },
	{ "REQUEUE", FUTEX_REQUEUE, 0, 0 },
	{ "CMP_REQUEUE", FUTEX_CMP_REQUEUE, 0, 0 },
};

CLAUSE(a_wake_that_meets_a_pi_waiter_loses_none_that_came_before,
       "futex(2) ERRORS EINVAL, kernel/futex/waitwake.c futex_wake, requeue.c (5.10 to 7.2): a waiter for a PI "
       "lock is not woken by these calls but refused; who was taken from the queue before it goes on, and it waits "
       "on",
       NEEDS_PI)
{
	for (int i = 0; i < sizeof(wrong_wakes) / sizeof(*wrong_wakes); i++) {
		struct actor *plain = actor_thread(), *waiter = actor_thread();
		uint32_t condition = 0, lock = 0, other = 0;
		long result;

		ask(plain, NR_FUTEX, &condition, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
		ASSERT_TRUE(blocks(plain));
		ask(waiter, WAIT_REQUEUE_PI(&condition, 0, &lock));
		ASSERT_TRUE(blocks(waiter));
		result = raw_syscall(NR_FUTEX, &condition, wrong_wakes[i].op | FUTEX_PRIVATE_FLAG, 2, wrong_wakes[i].count2, &other,
				     wrong_wakes[i].value3);
		EXPECT_EQ(-EINVAL, result) {
			TH_LOG("FUTEX_%s", wrong_wakes[i].name);
		}
		ASSERT_RET(0, answer(plain));
		EXPECT_TRUE(blocks(waiter));
		EXPECT_RET(1, raw_syscall(CMP_REQUEUE_PI(&condition, 1, 0, &lock, 0)));
		EXPECT_RET(0, answer(waiter));
		EXPECT_WORD(waiter->tid, &lock);
	}
}
