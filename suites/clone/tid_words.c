// SPDX-License-Identifier: GPL-2.0-only
// CLONE_PARENT_SETTID, CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID: when the three words are written, where, and who wakes.
#include "clone.h"
#include "guard.h"

#include <linux/futex.h>
#include <sched.h>

#define USERS "glibc:create_thread glibc:pthread_join musl:__pthread_create jvm:os_create_thread"

static long wait_shared(volatile int *word, int value)
{
	struct __kernel_timespec patience = { .tv_sec = 5 * slowness() };

	return raw_syscall(NR_FUTEX, word, FUTEX_WAIT, value, &patience, NULL, 0);
}

static long wake_shared(volatile int *word, int count)
{
	return raw_syscall(NR_FUTEX, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

struct seen {
	volatile int word, first, go, gone;
	int *address;
	long result;
};

static int note_word(void *arg)
{
	struct seen *s = arg;

	s->first = *(volatile int *)s->address;
	return 0;
}

CLAUSE(the_parents_word_holds_the_tid_before_the_child_runs_and_before_the_call_returns,
       "clone(2) CLONE_PARENT_SETTID: the child thread ID is stored at parent_tid in the parent's memory before "
       "the child runs: a child that shares memory finds it there [GLC-3]",
       .needed_by = USERS)
{
	static const unsigned long flags[] = { CLONE_VM | SIGCHLD, CLONE_VM | CLONE_VFORK | SIGCHLD, THREAD_FLAGS };

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 3; i++) {
			struct seen *s = shared_memory(sizeof(*s));
			long pid;

			s->address = (int *)&s->word;
			pid = raw_clone(flags[i] | CLONE_PARENT_SETTID, stack_top(), note_word, s, (int *)&s->word, NULL, NULL);
			ASSERT_OK(pid);
			ASSERT_EQ(pid, s->word);
			if (i < 2)
				ASSERT_RET(EXITED(0), end_of(pid));
			ASSERT_TRUE(wait_until(i < 2 || is_gone(pid)));
			ASSERT_EQ(pid, s->first);
		}
	}
}

CLAUSE(the_parents_word_is_in_the_parents_memory_alone,
       "clone(2) CLONE_PARENT_SETTID: the tid is stored in the parent's memory; a child with a copy of it has "
       "what was there before",
       .needed_by = USERS)
{
	struct seen *s = shared_memory(sizeof(*s));
	int *word = guarded(sizeof(*word));
	long pid;

	s->address = word;
	*word = 77;
	ASSERT_OK(pid = raw_clone(CLONE_PARENT_SETTID | SIGCHLD, stack_top(), note_word, s, word, NULL, NULL));
	EXPECT_EQ(pid, *word);
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_EQ(77, s->first);
	EXPECT_INTACT(word);
}

CLAUSE(the_childs_word_holds_its_tid_before_it_runs,
       "clone(2) CLONE_CHILD_SETTID: the thread ID is stored at child_tid in the child's memory before control "
       "returns to user space there; the memory of a parent that does not share it stays",
       .needed_by = "glibc:_Fork")
{
	static const unsigned long flags[] = { SIGCHLD, CLONE_VM | SIGCHLD, THREAD_FLAGS };
	struct seen *s = shared_memory(sizeof(*s));

	for (int i = 0; i < 3; i++) {
		int *word = guarded(sizeof(*word));
		long pid;

		s->first = 0;
		s->address = word;
		*word = 77;
		ASSERT_OK(pid = raw_clone(flags[i] | CLONE_CHILD_SETTID, stack_top(), note_word, s, NULL, NULL, word));
		if (flags[i] & CLONE_THREAD) {
			EXPECT_TRUE(wait_until(is_gone(pid)));
		} else {
			EXPECT_RET(EXITED(0), end_of(pid));
		}
		EXPECT_EQ(pid, s->first);
		EXPECT_EQ(flags[i] & CLONE_VM ? pid : 77, *word);
		EXPECT_INTACT(word);
	}
}

static int waits_to_go(void *arg)
{
	struct seen *s = arg;

	while (!s->go)
		raw_syscall(NR_FUTEX, &s->go, FUTEX_WAIT, 0, NULL, NULL, 0);
	return 0;
}

static void let_go(struct seen *s)
{
	s->go = 1;
	wake_shared(&s->go, 100);
}

CLAUSE(the_word_is_cleared_at_the_end_of_whoever_shares_memory,
       "clone(2) CLONE_CHILD_CLEARTID: the child thread ID at child_tid is zeroed when the child exits, and not "
       "before; no byte beside it is written [GLC-1]",
       .needed_by = USERS)
{
	static const unsigned long flags[] = { CLONE_VM | SIGCHLD, THREAD_FLAGS };

	for (int i = 0; i < 2; i++) {
		struct seen s = { 0 };
		int *words = guarded(3 * sizeof(*words));
		long pid;

		words[0] = words[1] = words[2] = 0x7fffffff;
		ASSERT_OK(pid = raw_clone(flags[i] | CLONE_CHILD_CLEARTID, stack_top(), waits_to_go, &s, NULL, NULL, &words[1]));
		ASSERT_TRUE(wait_until_blocked_in(pid, NR_FUTEX));
		EXPECT_EQ(0x7fffffff, words[1]);
		let_go(&s);
		EXPECT_TRUE(wait_until(((volatile int *)words)[1] == 0));
		EXPECT_EQ(0x7fffffff, words[0]);
		EXPECT_EQ(0x7fffffff, words[2]);
		EXPECT_INTACT(words);
		if (flags[i] & SIGCHLD)
			end_of(pid);
	}
}

CLAUSE(the_word_of_a_child_that_is_killed_is_cleared_too,
       "kernel/fork.c mm_release (5.10, 7.2): the word is cleared whichever way the task ends while another uses "
       "its memory: by exit_group, by SIGKILL in a system call [GLC-1]",
       .needed_by = USERS)
{
	int status = 3;

	for (int i = 0; i < 2; i++) {
		volatile int word = 77;
		long pid;

		ASSERT_OK(pid = raw_clone(CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, stack_top(), i ? exits_all : waits_for_ever, &status,
					  NULL, NULL, (int *)&word));
		if (!i) {
			ASSERT_TRUE(wait_until_blocked_in(pid, NR_PPOLL));
			EXPECT_EQ(77, word);
			raw_syscall(__NR_kill, pid, SIGKILL);
		}
		EXPECT_RET(i ? EXITED(3) : SIGKILL, end_of(pid));
		EXPECT_EQ(0, word);
	}
}

CLAUSE(the_last_user_of_its_memory_writes_nothing,
       "kernel/fork.c mm_release (5.10, 7.2): a task that nobody shares memory with leaves the word as it is, "
       "even in a page that other processes have mapped, and wakes nobody [GLC-1]",
       .needed_by = "glibc:_Fork")
{
	struct seen *s = shared_memory(sizeof(*s));
	long pid;

	s->word = 77;
	ASSERT_OK(pid = raw_clone(CLONE_CHILD_CLEARTID | SIGCHLD, stack_top(), returns_zero, NULL, NULL, NULL, (int *)&s->word));
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_EQ(77, s->word);
}

static int waits_on_word(void *arg)
{
	struct seen *s = arg;

	s->result = wait_shared(&s->word, 77);
	s->first = s->word;
	__atomic_add_fetch(&s->gone, 1, __ATOMIC_SEQ_CST);
	return 0;
}

CLAUSE(one_waiter_is_woken_as_by_a_shared_wake,
       "clone(2) CLONE_CHILD_CLEARTID: a wake is done on the futex at that address, futex(child_tid, FUTEX_WAKE, "
       "1): one waiter of the shared kind goes on, and the others sleep [GLC-1]",
       .needed_by = USERS)
{
	struct seen *s = shared_memory(sizeof(*s)), go = { 0 };
	struct thread waiter[2];
	long tid;

	s->word = 77;
	ASSERT_OK(tid = raw_clone(THREAD_FLAGS | CLONE_CHILD_CLEARTID, stack_top(), waits_to_go, &go, NULL, NULL, (int *)&s->word));
	for (int i = 0; i < 2; i++) {
		ASSERT_OK(thread_start(&waiter[i], waits_on_word, s));
		ASSERT_TRUE(wait_until_blocked_in(waiter[i].known_as, NR_FUTEX));
	}
	let_go(&go);
	ASSERT_TRUE(wait_until(is_gone(tid)));
	EXPECT_TRUE(wait_until(s->gone == 1));
	EXPECT_RET(0, s->result);
	EXPECT_EQ(0, s->first);
	EXPECT_RET(1, wake_shared(&s->word, 10));
	for (int i = 0; i < 2; i++)
		EXPECT_TRUE(thread_join(&waiter[i]));
}

CLAUSE(a_waiter_of_another_process_is_woken,
       "clone(2) CLONE_CHILD_CLEARTID, futex(2): the wake is not private: who waits through another mapping of "
       "the same page is woken [GLC-1]",
       .needed_by = USERS)
{
	struct seen *s = shared_memory(sizeof(*s)), go = { 0 };
	long tid, waiter;

	s->word = 77;
	ASSERT_OK(tid = raw_clone(THREAD_FLAGS | CLONE_CHILD_CLEARTID, stack_top(), waits_to_go, &go, NULL, NULL, (int *)&s->word));
	ASSERT_OK(waiter = child_of(SIGCHLD, waits_on_word, s));
	ASSERT_TRUE(wait_until_blocked_in(waiter, NR_FUTEX));
	let_go(&go);
	EXPECT_RET(EXITED(0), end_of(waiter));
	EXPECT_RET(0, s->result);
	EXPECT_EQ(0, s->first);
}

static volatile int hammering;

// Keeps the page from being mapped where the word is cleared, so that the store takes as long as a page fault.
static int unmaps_again_and_again(void *page)
{
	while (hammering)
		raw_syscall(__NR_madvise, page, page_size(), MADV_DONTNEED);
	return 0;
}

static int yields_once(void *unused)
{
	raw_syscall(__NR_sched_yield);
	return 0;
}

// Where the machine lets us, the waiter preempts the thread that ends at the very moment of the wake.
static void share_a_cpu_and_preempt(int first_cpu)
{
	struct sched_param urgent = { .sched_priority = 1 };
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(first_cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
	sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &urgent);
}

static int first_cpu(const cpu_set_t *set)
{
	int cpu = 0;

	while (!CPU_ISSET(cpu, set))
		cpu++;
	return cpu;
}

CLAUSE(a_woken_waiter_finds_the_word_cleared,
       "clone(2) CLONE_CHILD_CLEARTID: the word is zeroed, then a wake is done: whoever the wake lets go on reads"
       " 0, or would wait again for ever [GLC-1]",
       .needed_by = USERS)
{
	struct seen *s = shared_memory(page_size());
	struct thread hammer;
	cpu_set_t all, others;
	char *stack = stack_top();

	sched_getaffinity(0, sizeof(all), &all);
	others = all;
	if (CPU_COUNT(&all) > 1)
		CPU_CLR(first_cpu(&all), &others);
	hammering = 1;
	ASSERT_OK(thread_start(&hammer, unmaps_again_and_again, s));
	sched_setaffinity(hammer.known_as, sizeof(others), &others);
	share_a_cpu_and_preempt(first_cpu(&all));
	for (int round = 0; round < 60; round++) {
		long tid = raw_clone(THREAD_FLAGS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID, stack, yields_once, NULL,
				     (int *)&s->word, NULL, (int *)&s->word), result;
		int left;

		ASSERT_OK(tid);
		result = wait_shared(&s->word, tid);
		left = s->word;
		if (result == -EAGAIN || result == -EINTR) {
			ASSERT_TRUE(wait_until(s->word == 0 && is_gone(tid)));	// its wake may be yet to come, in the next round
			continue;
		}
		ASSERT_RET(0, result);
		ASSERT_EQ(0, left);
	}
	hammering = 0;
	EXPECT_TRUE(thread_join(&hammer));
}

struct addresses {
	volatile int first, second;
	long tid, own, nothing;
};

static int moves_its_word(void *arg)
{
	struct addresses *a = arg;

	a->nothing = raw_syscall(__NR_set_tid_address, NULL);
	a->tid = raw_syscall(__NR_set_tid_address, &a->second);
	a->own = raw_syscall(__NR_gettid);
	return 0;
}

CLAUSE(set_tid_address_replaces_the_word_and_returns_the_callers_tid,
       "set_tid_address(2): clear_child_tid of the calling thread is set to tidptr, and the caller's thread ID, "
       "not its process ID, is returned always [GLC-2]",
       .needed_by = "glibc:__tls_init_tp musl:__init_tp")
{
	struct addresses a = { .first = 77, .second = 78 };
	long tid;

	ASSERT_OK(tid = raw_clone(THREAD_FLAGS | CLONE_CHILD_CLEARTID, stack_top(), moves_its_word, &a, NULL, NULL, (int *)&a.first));
	EXPECT_TRUE(wait_until(is_gone(tid)));
	EXPECT_EQ(tid, a.own);
	EXPECT_EQ(tid, a.tid);
	EXPECT_EQ(tid, a.nothing);
	EXPECT_EQ(0, a.second);
	EXPECT_EQ(77, a.first);
	EXPECT_RET(getpid(), raw_syscall(__NR_set_tid_address, NULL));
}

CLAUSE(a_new_task_has_no_word_to_clear_unless_it_asks,
       "kernel/fork.c copy_process (5.10, 7.2): clear_child_tid is not inherited: the end of a thread or child of"
       " one that has a word leaves that word [CLN-8]",
       .needed_by = "go:newosproc glibc:_Fork")
{
	volatile int word = 77;
	long pid;

	ASSERT_OK(raw_syscall(__NR_set_tid_address, &word));
	ASSERT_OK(pid = child_of(CLONE_VM | SIGCHLD, returns_zero, NULL));
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_EQ(77, word);
	ASSERT_OK(pid = child_of(THREAD_FLAGS, returns_zero, NULL));
	EXPECT_TRUE(wait_until(is_gone(pid)));
	EXPECT_EQ(77, word);
	raw_syscall(__NR_set_tid_address, NULL);
}
