// SPDX-License-Identifier: GPL-2.0-only
// Who has a signal stack: each thread its own; what clone(2), vfork(2) and execve(2) hand on.
#include "clause.h"

#include <linux/sched.h>
#include <sched.h>
#include <stdlib.h>

#include "altstack.h"
#include "sync.h"
#include "thread.h"

static char *stack;
static stack_t seen, seen_before;
static unsigned long entry_sp;
static volatile int go_on, here;

static bool is_ours(stack_t s)
{
	return s.ss_sp == stack && s.ss_size == ROOMY && s.ss_flags == 0;
}

static bool is_none(stack_t s)
{
	return s.ss_sp == NULL && s.ss_size == 0 && s.ss_flags == SS_DISABLE;
}

static bool has_stack(void)
{
	stack = painted_stack(ROOMY, MAP_PRIVATE);
	return stack && !use_stack(stack, ROOMY, 0);
}

static int look(void *arg)
{
	seen = stack_now();
	return 0;
}

CLAUSE(a_thread_starts_without_a_signal_stack,
       "sigaltstack(2) NOTES, kernel/fork.c copy_process \"sigaltstack should be cleared when sharing the same VM\": a"
       " child of clone(2) with CLONE_VM has none, so that two threads never share one [SAS-10] [incident 17]",
       .needed_by = "go:mstart glibc:pthread_create rust:thread")
{
	struct thread t;

	ASSERT_TRUE(has_stack());
	ASSERT_OK(thread_start(&t, look, NULL));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_TRUE(is_none(seen));
	EXPECT_TRUE(is_ours(stack_now()));
}

CLAUSE(a_process_that_shares_memory_starts_without_a_signal_stack,
       "clone(2) CLONE_VM, kernel/fork.c copy_process: shared memory alone, without CLONE_THREAD or CLONE_SIGHAND, is"
       " enough for the child to have none [SAS-10]")
{
	char *own = painted_stack(THREAD_STACK, MAP_PRIVATE);
	long pid;

	ASSERT_TRUE(has_stack());
	ASSERT_OK(pid = raw_clone(CLONE_VM | SIGCHLD, own + THREAD_STACK, look, NULL, NULL, NULL, NULL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_TRUE(is_none(seen));
}

CLAUSE(a_child_of_vfork_keeps_the_signal_stack,
       "sigaltstack(2) NOTES, clone(2) CLONE_VM: \"but not CLONE_VFORK\": a child that its parent waits for runs on the"
       " same stacks, the signal stack among them [SAS-10]",
       .needed_by = "go:rawVforkSyscall glibc:posix_spawn")
{
	long pid;

	ASSERT_TRUE(has_stack());
	ASSERT_OK(pid = raw_vfork(0, look, NULL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_TRUE(is_ours(seen));
	EXPECT_TRUE(is_ours(stack_now()));
}

static int disable(void *arg)
{
	use_stack(NULL, 0, SS_DISABLE);
	seen = stack_now();
	return 0;
}

CLAUSE(what_a_child_of_vfork_sets_is_its_own,
       "sigaltstack(2) DESCRIPTION: the setting is of a thread, not of the memory it runs in: the parent of a vfork"
       " child keeps its own", .needed_by = "glibc:posix_spawn")
{
	long pid;

	ASSERT_TRUE(has_stack());
	ASSERT_OK(pid = raw_vfork(0, disable, NULL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_TRUE(is_none(seen));
	EXPECT_TRUE(is_ours(stack_now()));
}

static void note(int sig, siginfo_t *info, void *uc)
{
	entry_sp = (unsigned long)uc;
	seen_before = stack_now();
	if (sig == SIGUSR2)
		here = fork();
	seen = stack_now();
}

static bool was_on_ours(void)
{
	return entry_sp - (unsigned long)stack < ROOMY;
}

CLAUSE(a_forked_child_keeps_the_signal_stack,
       "sigaltstack(2) NOTES: \"a child process created via fork(2) inherits a copy of its parent's alternate signal"
       " stack settings\", and handlers run there [SAS-10]", .needed_by = "go:syscall.forkExec rust:stack_overflow")
{
	ASSERT_TRUE(has_stack());
	ASSERT_OK(raw_sigaction(SIGUSR1, note, SA_ONSTACK));
	IN_CHILD {
		EXPECT_TRUE(is_ours(stack_now()));
		ASSERT_OK(hit(SIGUSR1));
		EXPECT_TRUE(was_on_ours());
		EXPECT_OK(use_stack(NULL, 0, SS_DISABLE));
	}
	EXPECT_TRUE(is_ours(stack_now()));
	EXPECT_EQ(NULL, first_spot(stack, stack + ROOMY));
}

CLAUSE(a_forked_child_keeps_ss_autodisarm,
       "sigaltstack(2) NOTES: the copy of the settings that fork(2) makes has the flag too, and disarms for the child's"
       " handlers", .needed_by = "criu:sigaltstack")
{
	ASSERT_TRUE(has_stack());
	ASSERT_OK(use_stack(stack, ROOMY, SS_AUTODISARM));
	ASSERT_OK(raw_sigaction(SIGUSR1, note, SA_ONSTACK));
	IN_CHILD {
		EXPECT_EQ(SS_AUTODISARM, (unsigned int)stack_now().ss_flags);
		ASSERT_OK(hit(SIGUSR1));
		EXPECT_TRUE(was_on_ours());
		EXPECT_TRUE(is_none(seen));
		EXPECT_EQ((void *)stack, stack_now().ss_sp);
	}
}

CLAUSE(a_child_that_a_handler_forks_runs_on_the_signal_stack,
       "sigaltstack(2) NOTES, DESCRIPTION ss_flags: a child forked by a handler on the signal stack is on its copy of"
       " it, sees SS_ONSTACK, and returns from the handler as the parent does", .needed_by = "glibc:fork")
{
	int status, pid;

	ASSERT_TRUE(has_stack());
	ASSERT_OK(raw_sigaction(SIGUSR2, note, SA_ONSTACK));
	ASSERT_OK(hit(SIGUSR2));
	pid = here;
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(!(seen.ss_flags == SS_ONSTACK && seen.ss_sp == stack && is_ours(stack_now())));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(SS_ONSTACK, seen.ss_flags);
}

AFTER_EXEC(ask_after_exec)
{
	stack_t s = stack_now();

	return !(s.ss_sp == NULL && s.ss_size == 0 && (s.ss_flags & ~SS_AUTODISARM) == SS_DISABLE);
}

// Whether the program that a child becomes has no signal stack; the child had one with these flags.
static int status_after_exec(unsigned int flags)
{
	int status, pid = fork();

	if (!pid) {
		if (!use_stack(stack, ROOMY, flags))
			execute_self(ask_after_exec);
		_exit(99);
	}
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

CLAUSE(a_new_program_starts_without_a_signal_stack,
       "sigaltstack(2) NOTES: an execve(2) \"deallocates any existing alternate signal stack\", as its memory is gone"
       " [SAS-10]", .needed_by = "go:minit rust:stack_overflow")
{
	ASSERT_TRUE(has_stack());
	EXPECT_EQ(0, status_after_exec(0));
	EXPECT_EQ(0, status_after_exec(SS_AUTODISARM));
}

static int set_own(void *arg)
{
	use_stack(arg, ROOMY, 0);
	seen = stack_now();
	__atomic_store_n(&here, 1, __ATOMIC_RELEASE);
	return !wait_until(go_on);
}

CLAUSE(each_thread_has_a_signal_stack_of_its_own,
       "sigaltstack(2) DESCRIPTION: the call is about the calling thread: what one sets another does not see, while"
       " both live and when one has ended [SAS-2]", .needed_by = "go:minit glibc:sigaltstack")
{
	char *other = painted_stack(ROOMY, MAP_PRIVATE);
	struct thread t;

	ASSERT_TRUE(has_stack());
	ASSERT_OK(thread_start(&t, set_own, other));
	ASSERT_TRUE(wait_until(here));
	EXPECT_TRUE(is_ours(stack_now()));
	EXPECT_EQ((void *)other, seen.ss_sp);
	EXPECT_OK(use_stack(NULL, 0, SS_DISABLE));
	EXPECT_OK(use_stack(stack, ROOMY, 0));
	go_on = 1;
	ASSERT_TRUE(thread_join(&t));
	EXPECT_TRUE(is_ours(stack_now()));
}

// Two threads that are on their signal stacks at the same time.
static struct guest {
	char *stack;
	int tid;
	unsigned long on;
	stack_t seen, after;
	volatile int is_in, is_out;
} guests[2];

static void wait_in_handler(int sig, siginfo_t *info, void *uc)
{
	struct guest *g = &guests[sig - SIGRTMIN];

	g->on = (unsigned long)uc;
	g->seen = stack_now();
	g->is_in = 1;
	while (!guests[0].is_in || !guests[1].is_in)
		raw_syscall(__NR_sched_yield);
}

static int visit(void *arg)
{
	struct guest *g = arg;

	use_stack(g->stack, ROOMY, 0);
	hit(SIGRTMIN + (g - guests));
	g->after = stack_now();
	g->is_out = 1;
	return 0;
}

CLAUSE(two_threads_are_on_their_signal_stacks_at_the_same_time,
       "sigaltstack(2) DESCRIPTION ss_flags: SS_ONSTACK and the place of a frame are the thread's own matter, whatever"
       " another one is doing on its stack [SAS-2]", .needed_by = "go:sigtramp")
{
	struct thread t[2];

	for (int i = 0; i < 2; i++) {
		guests[i].stack = painted_stack(ROOMY, MAP_PRIVATE);
		ASSERT_OK(raw_sigaction(SIGRTMIN + i, wait_in_handler, SA_ONSTACK));
	}
	for (int i = 0; i < 2; i++)
		ASSERT_OK(thread_start(&t[i], visit, &guests[i]));
	for (int i = 0; i < 2; i++) {
		ASSERT_TRUE(thread_join(&t[i]));
		EXPECT_GT(ROOMY, guests[i].on - (unsigned long)guests[i].stack);
		EXPECT_EQ(SS_ONSTACK, guests[i].seen.ss_flags);
		EXPECT_EQ((void *)guests[i].stack, guests[i].seen.ss_sp);
		EXPECT_EQ(0, guests[i].after.ss_flags);
		EXPECT_TRUE(margins_are_painted(guests[i].stack, ROOMY));
	}
	EXPECT_TRUE(is_none(stack_now()));
}

static int take_signal(void *arg)
{
	hit(SIGUSR1);
	return 0;
}

CLAUSE(a_threads_signal_does_not_use_anothers_stack,
       "sigaction(2) SA_ONSTACK: the action is the process's, the stack the thread's: a thread that has set none takes"
       " the signal on its ordinary stack, though its creator has one [SAS-2] [SAS-10]",
       .needed_by = "go:cgocallback glibc:pthread_create")
{
	struct thread t;

	ASSERT_TRUE(has_stack());
	ASSERT_OK(raw_sigaction(SIGUSR1, note, SA_ONSTACK));
	ASSERT_OK(thread_start(&t, take_signal, NULL));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_NE(0, entry_sp);
	EXPECT_FALSE(was_on_ours());
	EXPECT_TRUE(is_none(seen));
	EXPECT_EQ(NULL, first_spot(stack, stack + ROOMY));
}
