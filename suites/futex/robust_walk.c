// SPDX-License-Identifier: GPL-2.0-only
// Robust lists at a thread's death: how the kernel walks what user space left, be it long, circular or torn.
#include "clause.h"
#include "actor.h"
#include "guard.h"
#include "pi.h"
#include "robust.h"

#define LIMIT ROBUST_LIST_LIMIT

static const struct __kernel_timespec no_time;

#define DIED(lock) EXPECT_WORD(FUTEX_OWNER_DIED, &(lock).word)
#define HELD(lock) EXPECT_WORD(owner->tid, &(lock).word)

// The actor registers the head, and each of its count locks holds its TID.
static bool owns(struct actor *a, struct robust_list_head *head, struct robust_lock *locks, int count)
{
	for (int i = 0; i < count; i++)
		store(&locks[i].word, a->tid);
	return call_as(a, SET_ROBUST_LIST(head)) == 0;
}

// Two pages for locks, and a third that may not be touched.
static struct robust_lock *locks_before_a_wall(int protection)
{
	size_t size = page_size();
	char *pages = shared_memory(3 * size);

	if (mprotect(pages + 2 * size, size, protection))
		actor_die("mprotect", -errno);
	return (struct robust_lock *)pages;
}

// The lock whose entry is the last thing before the wall, so that its word lies behind.
static struct robust_lock *lock_at_the_wall(struct robust_lock *pages)
{
	return (struct robust_lock *)((char *)pages + 2 * page_size() - offsetof(struct robust_lock, word));
}

CLAUSE(every_entry_of_a_long_list_is_handled,
       "Documentation/locking/robust-futexes.rst: the kernel walks the list and marks all locks that are owned by "
       "the dead thread [GLC-4]",
       .needed_by = "glibc:pthread_mutex_lock")
{
	struct robust_lock *locks = shared_memory(1000 * sizeof(*locks));
	struct actor *owner = actor_thread();
	struct robust_list_head head;
	int died = 0;

	robust_link(&head, locks, 1000, 0);
	ASSERT_TRUE(owns(owner, &head, locks, 1000));
	ASSERT_TRUE(ends(owner));
	for (int i = 0; i < 1000; i++)
		died += load(&locks[i].word) == FUTEX_OWNER_DIED;
	EXPECT_EQ(1000, died);
}

CLAUSE(no_more_entries_are_handled_than_the_limit,
       "include/uapi/linux/futex.h ROBUST_LIST_LIMIT: 2048 entries are handled and not one more [GLC-4]")
{
	struct robust_lock *locks = shared_memory((LIMIT + 2) * sizeof(*locks));
	struct actor *owner = actor_thread();
	struct robust_list_head head;
	int died = 0;

	robust_link(&head, locks, LIMIT + 2, 0);
	ASSERT_TRUE(owns(owner, &head, locks, LIMIT + 2));
	ASSERT_TRUE(ends(owner));
	for (int i = 0; i < LIMIT; i++)
		died += load(&locks[i].word) == FUTEX_OWNER_DIED;
	EXPECT_EQ(2048, died);
	HELD(locks[LIMIT]);
	HELD(locks[LIMIT + 1]);
}

CLAUSE(the_pending_operation_is_handled_beyond_the_limit,
       "kernel/futex/core.c exit_robust_list: the limit ends the walk and not the clean-up: list_op_pending is "
       "handled after a list that is too long [GLC-4]")
{
	struct robust_lock *locks = shared_memory((LIMIT + 2) * sizeof(*locks)), pending = { .word = 0 };
	struct actor *owner = actor_thread();
	struct robust_list_head head;

	robust_link(&head, locks, LIMIT + 2, 0);
	head.list_op_pending = &pending.entry;
	store(&pending.word, owner->tid);
	ASSERT_TRUE(owns(owner, &head, locks, LIMIT + 2));
	ASSERT_TRUE(ends(owner));
	DIED(locks[LIMIT - 1]);
	HELD(locks[LIMIT]);
	DIED(pending);
}

CLAUSE(a_circular_list_ends,
       "include/uapi/linux/futex.h ROBUST_LIST_LIMIT: protects against a deliberately circular list: the thread "
       "ends, its locks are marked, the pending one too")
{
	for (int size = 1; size <= 3; size++) {
		struct robust_lock locks[3] = { { .word = 0 } }, pending = { .word = 0 };
		struct actor *owner = actor_thread();
		struct robust_list_head head;

		robust_link(&head, locks, size, 0);
		locks[size - 1].entry.next = &locks[0].entry;
		head.list_op_pending = &pending.entry;
		store(&pending.word, owner->tid);
		ASSERT_TRUE(owns(owner, &head, locks, size));
		EXPECT_TRUE(ends(owner));
		for (int i = 0; i < size; i++)
			DIED(locks[i]);
		DIED(pending);
	}
}

CLAUSE(an_empty_list_is_none,
       "Documentation/locking/robust-futex-ABI.rst: a head that points to itself is an empty list: nothing is "
       "written, and the pending operation is still handled")
{
	struct actor *owner = actor_thread();
	struct robust_lock pending = { .word = 0 };
	struct robust_list_head head;

	robust_init(&head);
	head.list_op_pending = &pending.entry;
	ASSERT_TRUE(owns(owner, &head, &pending, 1));
	EXPECT_TRUE(ends(owner));
	EXPECT_EQ((void *)&head.list, (void *)head.list.next);
	EXPECT_EQ((void *)&pending.entry, (void *)head.list_op_pending);
	DIED(pending);
}

CLAUSE(the_word_may_lie_before_the_entry_or_behind_it,
       "Documentation/locking/robust-futex-ABI.rst: 'offset' leads from the entry to the word, plus or minus [GLC-4]",
       .needed_by = "glibc:pthread_mutex_lock")
{
	static const int word_at[] = { 0, 1, 4, 127 };	// the entry stands in the middle, at 64

	for (int i = 0; i < 4; i++) {
		struct actor *owner = actor_thread();
		uint32_t *memory = shared_memory(128 * sizeof(*memory));
		struct robust_list *entry = (struct robust_list *)&memory[64];
		struct robust_list_head head = { .list = { entry } };

		head.futex_offset = (word_at[i] - 64) * (long)sizeof(*memory);
		for (int j = 0; j < 128; j++)
			memory[j] = owner->tid;
		entry->next = &head.list;
		ASSERT_RET(0, call_as(owner, SET_ROBUST_LIST(&head)));
		ASSERT_TRUE(ends(owner));
		EXPECT_WORD(FUTEX_OWNER_DIED, &memory[word_at[i]]);
		EXPECT_WORD(owner->tid, &memory[2]);
		EXPECT_WORD(owner->tid, &memory[63]);
		EXPECT_WORD(owner->tid, &memory[126]);
		munmap(memory, page_size());
	}
}

CLAUSE(a_misaligned_word_ends_the_walk,
       "kernel/futex/core.c handle_futex_death: the word must be 32-bit aligned: one that is not stays, and the walk "
       "ends there: what came before is marked",
       .needed_by = "glibc:pthread_mutex_lock")
{
	struct robust_lock locks[3] = { { .word = 0 } }, *crooked = (struct robust_lock *)((char *)&locks[1] + 2);
	struct actor *owner = actor_thread();
	struct robust_list_head head;
	uint32_t word = owner->tid;

	robust_link(&head, locks, 3, 0);
	ASSERT_TRUE(owns(owner, &head, locks, 3));
	locks[0].entry.next = &crooked->entry;
	memcpy(&crooked->entry.next, &(struct robust_list *){ &locks[2].entry }, sizeof(long));
	memcpy(&crooked->word, &word, sizeof(word));
	EXPECT_TRUE(ends(owner));
	DIED(locks[0]);
	EXPECT_EQ(0, memcmp(&crooked->word, &word, sizeof(word)));
	HELD(locks[2]);
}

CLAUSE(an_unreadable_word_ends_the_walk,
       "Documentation/locking/robust-futex-ABI.rst: the kernel silently stops scanning where the word is not at a "
       "valid address; what came before is marked, and the thread ends as ever")
{
	struct robust_lock *locks = locks_before_a_wall(PROT_NONE), *torn = lock_at_the_wall(locks);
	struct actor *owner = actor_thread();
	struct robust_list_head head;

	robust_link(&head, locks, 3, 0);
	ASSERT_TRUE(owns(owner, &head, locks, 3));
	locks[0].entry.next = &torn->entry;
	torn->entry.next = &locks[2].entry;
	EXPECT_TRUE(ends(owner));
	DIED(locks[0]);
	HELD(locks[1]);
	HELD(locks[2]);
}

CLAUSE(a_word_that_cannot_be_written_stays_and_ends_the_walk,
       "kernel/futex/core.c handle_futex_death: a word of the dead in read-only memory is given up: the lock stays "
       "locked, and the thread ends as ever")
{
	struct robust_lock *locks = locks_before_a_wall(PROT_READ | PROT_WRITE), *torn = lock_at_the_wall(locks);
	struct actor *owner = actor_thread();
	struct robust_list_head head;

	robust_link(&head, locks, 3, 0);
	ASSERT_TRUE(owns(owner, &head, locks, 3));
	locks[0].entry.next = &torn->entry;
	torn->entry.next = &locks[2].entry;
	store(&torn->word, owner->tid);
	ASSERT_EQ(0, mprotect(&torn->word, page_size(), PROT_READ));
	EXPECT_TRUE(ends(owner));
	DIED(locks[0]);
	HELD(*torn);
	HELD(locks[2]);
}

CLAUSE(a_read_only_word_of_another_owner_is_passed_over,
       "Documentation/locking/robust-futex-ABI.rst: a word with another TID is only read: in read-only memory it "
       "does not end the walk")
{
	struct robust_lock *locks = locks_before_a_wall(PROT_READ | PROT_WRITE), *torn = lock_at_the_wall(locks);
	struct actor *owner = actor_thread();
	struct robust_list_head head;

	robust_link(&head, locks, 3, 0);
	ASSERT_TRUE(owns(owner, &head, locks, 3));
	locks[0].entry.next = &torn->entry;
	torn->entry.next = &locks[2].entry;
	store(&torn->word, GETTID());
	ASSERT_EQ(0, mprotect(&torn->word, page_size(), PROT_READ));
	EXPECT_TRUE(ends(owner));
	DIED(locks[0]);
	EXPECT_WORD(GETTID(), &torn->word);
	DIED(locks[2]);
}

CLAUSE(a_pointer_into_nowhere_ends_the_walk,
       "Documentation/locking/robust-futex-ABI.rst: the kernel silently stops scanning where a linked list pointer "
       "is not valid; what came before is marked, and the thread ends as ever")
{
	void *nowhere[] = { NULL, forbidden_page(), unmapped_page(), (void *)-4096L };

	for (int i = 0; i < 4; i++) {
		struct robust_lock locks[3] = { { .word = 0 } };
		struct actor *owner = actor_thread();
		struct robust_list_head head;

		robust_link(&head, locks, 3, 0);
		locks[1].entry.next = nowhere[i];
		ASSERT_TRUE(owns(owner, &head, locks, 3));
		EXPECT_TRUE(ends(owner));
		DIED(locks[0]);
		DIED(locks[1]);
		HELD(locks[2]);
	}
}

CLAUSE(an_entry_whose_pointer_cannot_be_read_is_the_last,
       "kernel/futex/core.c exit_robust_list: an entry whose pointer to the next is unreadable still has its own "
       "word handled, then the walk ends")
{
	char *pages = shared_memory(2 * page_size());
	struct robust_list *entry = (struct robust_list *)pages;
	uint32_t *word = (uint32_t *)(pages + page_size());
	struct robust_list_head head = { .list = { entry }, .futex_offset = page_size() };
	struct actor *owner = actor_thread();

	entry->next = &head.list;
	store(word, owner->tid);
	ASSERT_EQ(0, mprotect(pages, page_size(), PROT_NONE));
	ASSERT_RET(0, call_as(owner, SET_ROBUST_LIST(&head)));
	EXPECT_TRUE(ends(owner));
	EXPECT_WORD(FUTEX_OWNER_DIED, word);
}

CLAUSE(a_head_that_cannot_be_read_does_not_keep_a_process_from_ending,
       "Documentation/locking/robust-futex-ABI.rst: the kernel silently stops if the head is not at a valid address: "
       "thread and process end with their own status")
{
	char *pages = shared_memory(2 * page_size());
	void *heads[] = { forbidden_page(), unmapped_page(), (void *)1, (void *)-4096L, pages + page_size() - sizeof(long),
			  pages + page_size() - 2 * sizeof(long), pages + page_size() - 4 };

	ASSERT_EQ(0, mprotect(pages + page_size(), page_size(), PROT_NONE));
	for (int i = 0; i < 7; i++) {
		struct actor *thread = actor_thread(), *process = actor_process();

		EXPECT_RET(0, call_as(thread, SET_ROBUST_LIST(heads[i])));
		EXPECT_TRUE(ends(thread));
		EXPECT_RET(0, call_as(process, SET_ROBUST_LIST(heads[i])));
		ask(process, __NR_exit_group, 7);
		EXPECT_RET(7 << 8, wait_status(process));
	}
}

CLAUSE(a_word_in_a_page_shared_by_fork_is_written_in_the_owners_copy,
       "kernel/futex/core.c handle_futex_death: a word whose page is copy-on-write is faulted in and marked; a "
       "child's copy keeps what it had")
{
	struct robust_lock *lock = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct actor *owner = actor_thread(), *copy;
	struct robust_list_head head;

	ASSERT_NE(MAP_FAILED, (void *)lock);
	robust_link(&head, lock, 1, 0);
	ASSERT_TRUE(owns(owner, &head, lock, 1));
	copy = actor_process();
	EXPECT_TRUE(ends(owner));
	DIED(*lock);
	EXPECT_ERR(ETIMEDOUT, call_as(copy, NR_FUTEX, &lock->word, FUTEX_WAIT_PRIVATE, owner->tid,
				      &no_time, NULL, 0));
	EXPECT_TRUE(is_killed(copy));
}

#define HEIRLOOMS 8

// Locks of a thread that dies, and who takes each of them the moment it is marked: by its word, without a call.
struct estate {
	struct robust_lock locks[HEIRLOOMS], heirs;	// the heir's own list: only itself
	volatile int ready, given_up;
};

static int inherits_at_once(void *arg)
{
	struct estate *e = arg;

	e->ready = 1;
	for (int i = 0; i < HEIRLOOMS; i++) {
		while (!(load(&e->locks[i].word) & FUTEX_OWNER_DIED))
			if (e->given_up)
				return 1;
		__atomic_store_n(&e->locks[i].entry.next, &e->heirs.entry, __ATOMIC_SEQ_CST);
	}
	return 0;
}

CLAUSE(a_lock_that_its_heir_has_linked_elsewhere_does_not_lose_the_others,
       "kernel/futex/core.c exit_robust_list (5.10 to 7.2): the entry's pointer to the next is read before its "
       "lock is given up: the heir may link the entry into its own list at once, and all other locks of the dead "
       "are marked [GLC-4]",
       .needs = "cpus=2", .needed_by = "glibc:pthread_mutex_lock")
{
	for (int life = 0; life < 15; life++) {
		struct actor *owner = actor_thread();
		struct estate *e = shared_memory(sizeof(*e));
		struct robust_list_head head;
		struct thread heir;

		robust_link(&head, e->locks, HEIRLOOMS, 0);
		e->heirs.entry.next = &e->heirs.entry;
		for (int i = 0; i < HEIRLOOMS; i++)
			store(&e->locks[i].word, owner->tid | FUTEX_WAITERS);
		ASSERT_RET(0, call_as(owner, SET_ROBUST_LIST(&head)));
		ASSERT_OK(thread_start(&heir, inherits_at_once, e));
		ASSERT_TRUE(wait_until(e->ready));
		EXPECT_TRUE(ends(owner));
		for (int i = 0; i < HEIRLOOMS; i++)
			EXPECT_WORD(FUTEX_WAITERS | FUTEX_OWNER_DIED, &e->locks[i].word);
		e->given_up = 1;
		ASSERT_TRUE(thread_join(&heir));
		ASSERT_EQ(0, _metadata->exit_code);
	}
}

// Marks the word and takes the mark back, as long as its owner lives. With pauses: the kernel tries again until nobody
// comes between.
struct marked {
	struct robust_lock lock;
	uint32_t owner;
	volatile int ready, given_up;
};

static int marks_again_and_again(void *arg)
{
	struct marked *m = arg;
	uint32_t seen = m->owner;

	do {
		__atomic_compare_exchange_n(&m->lock.word, &seen, seen ^ FUTEX_WAITERS, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		m->ready = 1;
		for (volatile int pause = 300; pause; pause--)
			;
	} while (!((seen = load(&m->lock.word)) & FUTEX_OWNER_DIED) && !m->given_up);
	return 0;
}

CLAUSE(a_word_that_is_being_marked_by_a_waiter_is_marked_by_the_death_too,
       "kernel/futex/core.c handle_futex_death (5.10 to 7.2): a word that a waiter changes in the very moment of "
       "its owner's death is read again: it ends with FUTEX_OWNER_DIED [GLC-4]",
       .needs = "cpus=2", .needed_by = "glibc:pthread_mutex_lock")
{
	for (int life = 0; life < 30; life++) {
		struct marked *m = shared_memory(sizeof(*m));
		struct actor *owner = actor_thread();
		struct robust_list_head head;
		struct thread waiter;

		m->owner = owner->tid;
		robust_link(&head, &m->lock, 1, 0);
		ASSERT_TRUE(owns(owner, &head, &m->lock, 1));
		ASSERT_OK(thread_start(&waiter, marks_again_and_again, m));
		ASSERT_TRUE(wait_until(m->ready));
		EXPECT_TRUE(ends(owner));
		ASSERT_EQ(FUTEX_OWNER_DIED, load(&m->lock.word) & ~FUTEX_WAITERS);
		m->given_up = 1;
		ASSERT_TRUE(thread_join(&waiter));
	}
}
