// SPDX-License-Identifier: GPL-2.0-only
// set_robust_list(2), get_robust_list(2): registering the head of a thread's robust list, and who may ask for it.
#include "clause.h"
#include "actor.h"
#include "guard.h"
#include "robust.h"

#ifdef __NR_setresuid32
#define NR_SETRESUID __NR_setresuid32
#else
#define NR_SETRESUID __NR_setresuid
#endif

// What get_robust_list(2) wrote; filled with a pattern before.
struct got {
	struct robust_list_head *head;
	size_t size;
};

static const struct got nothing = { (struct robust_list_head *)0x5a5a5a5aL, 0x5a5a5a5a };

#define GET_ROBUST_LIST(tid, got) __NR_get_robust_list, tid, &(got)->head, &(got)->size

#define EXPECT_GOT(want, got) do {					\
	EXPECT_EQ((void *)(want), (void *)(got).head);			\
	EXPECT_EQ(sizeof(struct robust_list_head), (got).size);		\
} while (0)

CLAUSE(a_thread_gets_the_head_it_has_set,
       "get_robust_list(2): pid 0 names the calling thread: its head as it was set, whatever it points to, and the "
       "size of a head [GLC-4] [incident 30] [MUS-2]",
       .needed_by = "glibc:pthread_create musl:pthread_mutexattr_setrobust")
{
	struct actor *a = actor_thread();
	struct robust_list_head head;
	void *values[] = { &head, NULL, (void *)1, (char *)&head + 1, forbidden_page() };

	for (int i = 0; i < 5; i++) {
		struct got got = nothing;

		EXPECT_RET(0, call_as(a, SET_ROBUST_LIST(values[i])));
		EXPECT_RET(0, call_as(a, GET_ROBUST_LIST(0, &got)));
		EXPECT_GOT(values[i], got);
		got = nothing;
		EXPECT_RET(0, call_as(a, GET_ROBUST_LIST(a->tid, &got)));
		EXPECT_GOT(values[i], got);
	}
}

CLAUSE(a_head_is_three_words,
       "Documentation/locking/robust-futex-ABI.rst: the head consists of three words of the ABI; no other size is "
       "taken, and the head that was set before stays [GLC-4]",
       .needed_by = "glibc:pthread_create")
{
	static const size_t sizes[] = { 0, 1, 4, 8, 3 * sizeof(long) - 1, 3 * sizeof(long) + 1, 6 * sizeof(long),
					36 - 3 * sizeof(long), (size_t)-1 };
	struct actor *a = actor_thread();
	struct robust_list_head head, other;
	struct got got = nothing;

	EXPECT_RET(0, call_as(a, __NR_set_robust_list, &head, 3 * sizeof(long)));
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		EXPECT_ERR(EINVAL, call_as(a, __NR_set_robust_list, &other, sizes[i]));
	EXPECT_RET(0, call_as(a, GET_ROBUST_LIST(0, &got)));
	EXPECT_EQ((void *)&head, (void *)got.head);
	EXPECT_EQ(3 * sizeof(long), got.size);
	EXPECT_RET(0, call_as(a, SET_ROBUST_LIST(NULL)));
}

CLAUSE(each_thread_has_a_head_of_its_own,
       "get_robust_list(2): the lists are per thread: another thread of the process is asked for by its TID [GLC-4]")
{
	struct actor *a = actor_thread(), *b = actor_thread();
	struct robust_list_head heads[2];
	struct got got;

	EXPECT_RET(0, call_as(a, SET_ROBUST_LIST(&heads[0])));
	EXPECT_RET(0, call_as(b, SET_ROBUST_LIST(&heads[1])));
	for (int i = 0; i < 2; i++) {
		struct actor *asked = i ? b : a, *asking = i ? a : b;

		got = nothing;
		EXPECT_RET(0, raw_syscall(GET_ROBUST_LIST(asked->tid, &got)));
		EXPECT_GOT(&heads[i], got);
		got = nothing;
		EXPECT_RET(0, call_as(asking, GET_ROBUST_LIST(asked->tid, &got)));
		EXPECT_GOT(&heads[i], got);
	}
	EXPECT_RET(0, call_as(a, SET_ROBUST_LIST(NULL)));
	EXPECT_RET(0, call_as(b, SET_ROBUST_LIST(NULL)));
}

CLAUSE(a_process_may_ask_for_the_head_of_its_child,
       "get_robust_list(2): who may read the other process (ptrace(2) PTRACE_MODE_READ_REALCREDS) may ask for its "
       "head")
{
	struct robust_list_head *head = shared_memory(sizeof(*head));
	struct actor *child = actor_process();
	struct got got = nothing;

	robust_init(head);
	EXPECT_RET(0, call_as(child, SET_ROBUST_LIST(head)));
	EXPECT_RET(0, raw_syscall(GET_ROBUST_LIST(child->tid, &got)));
	EXPECT_GOT(head, got);
	EXPECT_TRUE(is_killed(child));
}

CLAUSE(a_thread_that_does_not_exist_has_no_head,
       "get_robust_list(2) ERRORS ESRCH: no thread with the thread ID could be found; nothing is written")
{
	struct actor *child = actor_process();
	int tids[] = { FUTEX_TID_MASK, -1, INT32_MIN, child->tid };
	struct got got = nothing;

	ASSERT_TRUE(is_killed(child));
	for (int i = 0; i < 4; i++)
		EXPECT_ERR(ESRCH, raw_syscall(GET_ROBUST_LIST(tids[i], &got)));
	EXPECT_EQ((void *)nothing.head, (void *)got.head);
	EXPECT_EQ(nothing.size, got.size);
}

CLAUSE(a_stranger_may_not_ask_for_the_head,
       "get_robust_list(2) ERRORS EPERM: the caller may not read the other thread's process; nothing is written",
       .needs = "cap=setuid")
{
	struct got *got = shared_memory(sizeof(*got));
	struct actor *stranger = actor_process();

	ASSERT_RET(0, call_as(stranger, NR_SETRESUID, 65534, 65534, 65534));
	*got = nothing;
	EXPECT_ERR(EPERM, call_as(stranger, GET_ROBUST_LIST(getpid(), got)));
	EXPECT_EQ((void *)nothing.head, (void *)got->head);
	EXPECT_EQ(nothing.size, got->size);
	EXPECT_RET(0, call_as(stranger, GET_ROBUST_LIST(0, got)));
	EXPECT_GOT(NULL, *got);
	EXPECT_TRUE(is_killed(stranger));
}

CLAUSE(results_that_cannot_be_written_are_efault,
       "get_robust_list(2) ERRORS EFAULT: the head, or its size, cannot be stored")
{
	struct got got = nothing;

	EXPECT_ERR(EFAULT, raw_syscall(__NR_get_robust_list, 0, NULL, &got.size));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_get_robust_list, 0, forbidden_page(), &got.size));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_get_robust_list, 0, &got.head, NULL));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_get_robust_list, 0, &got.head, forbidden_page()));
}

CLAUSE(results_fill_their_words_and_no_byte_more,
       "get_robust_list(2): a pointer is stored at head_ptr and a size_t at len_ptr, of the width of the ABI")
{
	struct robust_list_head **head = guarded(sizeof(*head));
	size_t *size = guarded(sizeof(*size));

	EXPECT_RET(0, raw_syscall(__NR_get_robust_list, 0, head, size));
	EXPECT_INTACT(head);
	EXPECT_INTACT(size);
	EXPECT_EQ(sizeof(struct robust_list_head), *size);
}

CLAUSE(a_new_thread_has_no_head,
       "clone(2): a thread does not inherit its creator's robust list [CLN-8]",
       .needed_by = "glibc:pthread_create go:newosproc")
{
	static struct robust_list_head head;
	struct got got = nothing;

	robust_init(&head);
	ASSERT_RET(0, raw_syscall(SET_ROBUST_LIST(&head)));
	EXPECT_RET(0, call_as(actor_thread(), GET_ROBUST_LIST(0, &got)));
	EXPECT_GOT(NULL, got);
}

CLAUSE(a_new_process_has_no_head,
       "clone(2): a child does not inherit its parent's robust list, which would be walked at its exit [CLN-8]",
       .needed_by = "glibc:fork")
{
	struct robust_list_head *head = shared_memory(sizeof(*head));
	struct got *got = shared_memory(sizeof(*got));
	struct actor *child;

	robust_init(head);
	ASSERT_RET(0, raw_syscall(SET_ROBUST_LIST(head)));
	child = actor_process();
	*got = nothing;
	EXPECT_RET(0, call_as(child, GET_ROBUST_LIST(0, got)));
	EXPECT_GOT(NULL, *got);
	EXPECT_TRUE(is_killed(child));
}

CLAUSE(a_head_that_was_taken_back_is_not_walked,
       "set_robust_list(2): the list registered last counts, and NULL is none: the words of lists given up before "
       "stay at the thread's death",
       .needed_by = "musl:pthread_exit")
{
	struct robust_list_head heads[2];
	struct robust_lock locks[2] = { { .word = 0 } };

	for (int last = 0; last < 2; last++) {
		struct actor *a = actor_thread();

		for (int i = 0; i < 2; i++) {
			robust_link(&heads[i], &locks[i], 1, 0);
			locks[i].word = a->tid;
			ASSERT_RET(0, call_as(a, SET_ROBUST_LIST(&heads[i])));
		}
		if (last)
			ASSERT_RET(0, call_as(a, SET_ROBUST_LIST(NULL)));
		ASSERT_TRUE(ends(a));
		EXPECT_EQ(a->tid, locks[0].word);
		EXPECT_EQ(last ? a->tid : FUTEX_OWNER_DIED, locks[1].word);
	}
}
