// SPDX-License-Identifier: GPL-2.0-only
// Who gets the children of the dead: the subreaper; and who hears of a death: PR_SET_PDEATHSIG, orphaned process groups.
#include "clone.h"
#include "sigaction.h"

#include <sys/prctl.h>

#define USERS "go:fork_exec runc:containers"

static struct shared {
	volatile int ready, go, hangups, continued, signals;
	volatile long child, parent_before, parent_after, sender;
} *shared;

static void begin(void)
{
	shared = shared_memory(sizeof(*shared));
	raw_syscall(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static int notes_new_parent(void *unused)
{
	shared->parent_before = raw_syscall(__NR_getppid);
	shared->ready = 1;
	wait_until(raw_syscall(__NR_getppid) != shared->parent_before);
	shared->parent_after = raw_syscall(__NR_getppid);
	return 6;
}

static int leaves_a_child(void *unused)
{
	shared->child = child_of(SIGUSR2, notes_new_parent, NULL);
	wait_until(shared->ready);
	return 0;
}

CLAUSE(a_subreaper_gets_the_children_of_its_dead_descendants,
       "prctl(2) PR_SET_CHILD_SUBREAPER: the nearest living ancestor that is a subreaper becomes the parent, and "
       "waits for the child, whose exit signal is SIGCHLD from then on",
       .needed_by = USERS)
{
	int status = -1;
	long pid;

	begin();
	ASSERT_OK(pid = child_of(SIGCHLD, leaves_a_child, NULL));
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_RET(shared->child, raw_syscall(__NR_wait4, shared->child, &status, 0, NULL));
	EXPECT_EQ(EXITED(6), status);
	EXPECT_EQ(pid, shared->parent_before);
	EXPECT_EQ(getpid(), shared->parent_after);
}

static int waits_and_leaves_a_child(void *unused)
{
	shared->child = child_of(SIGCHLD, notes_new_parent, NULL);
	wait_until(shared->ready && shared->go);
	return 0;
}

CLAUSE(a_process_becomes_the_subreaper_of_descendants_it_has_already,
       "prctl(2) PR_SET_CHILD_SUBREAPER, kernel/sys.c propagate_has_child_subreaper (5.10, 7.2): who sets it fulfils "
       "the role of init for all descendants, those made before too; who takes it back does not any more",
       .commit = "749860ce2427 prctl: propagate has_child_subreaper flag to every descendant",
       .needed_by = USERS)
{
	long pid;

	for (int made_before = 0; made_before < 2; made_before++) {
		shared = shared_memory(sizeof(*shared));
		ASSERT_RET(0, raw_syscall(__NR_prctl, PR_SET_CHILD_SUBREAPER, !made_before, 0, 0, 0));
		ASSERT_OK(pid = child_of(SIGCHLD, waits_and_leaves_a_child, NULL));
		ASSERT_TRUE(wait_until(shared->ready));
		ASSERT_RET(0, raw_syscall(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
		shared->go = 1;
		EXPECT_RET(EXITED(0), end_of(pid));
		EXPECT_RET(EXITED(6), end_of(shared->child));
		EXPECT_EQ(getpid(), shared->parent_after);
	}
	shared = shared_memory(sizeof(*shared));
	ASSERT_OK(pid = child_of(SIGCHLD, waits_and_leaves_a_child, NULL));
	ASSERT_TRUE(wait_until(shared->ready));
	ASSERT_RET(0, raw_syscall(__NR_prctl, PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0));
	shared->go = 1;
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_ERR(ECHILD, end_of(shared->child));
	EXPECT_TRUE(wait_until(shared->parent_after));
	EXPECT_NE(getpid(), shared->parent_after);
}

static int is_no_subreaper(void *unused)
{
	long pid = child_of(SIGCHLD, waits_and_leaves_a_child, NULL);

	wait_until(shared->ready);
	shared->go = 1;
	return end_of(pid) != EXITED(0) || end_of(shared->child) != -ECHILD;
}

CLAUSE(the_child_of_a_subreaper_is_none_itself,
       "prctl(2) PR_SET_CHILD_SUBREAPER: not inherited: the orphans of a subreaper's child go to the subreaper",
       .needed_by = USERS)
{
	long pid;

	begin();
	ASSERT_OK(pid = child_of(SIGCHLD, is_no_subreaper, NULL));
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_RET(EXITED(6), end_of(shared->child));
	EXPECT_EQ(getpid(), shared->parent_after);
}

static void count_signal(int sig, siginfo_t *info, void *ucontext)
{
	shared->sender = info->si_pid;
	if (sig == SIGHUP)
		shared->hangups++;
	else if (sig == SIGCONT)
		shared->continued++;
	else
		shared->signals++;
}

static int wants_to_hear(void *unused)
{
	raw_sigaction(SIGUSR1, count_signal, 0);
	raw_syscall(__NR_prctl, PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
	shared->ready = 1;
	return !wait_until(shared->signals);
}

static int makes_who_wants_to_hear(void *unused)
{
	shared->child = child_of(SIGCHLD, wants_to_hear, NULL);
	wait_until(shared->go);
	return 0;
}

CLAUSE(a_parents_death_signals_a_child_that_asked,
       "prctl(2) PR_SET_PDEATHSIG: the signal is sent to the child when its parent dies, and not before",
       .needed_by = USERS)
{
	long pid;

	begin();
	ASSERT_OK(pid = child_of(SIGCHLD, makes_who_wants_to_hear, NULL));
	ASSERT_TRUE(wait_until(shared->ready));
	EXPECT_EQ(0, shared->signals);
	shared->go = 1;
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_RET(EXITED(0), end_of(shared->child));
	EXPECT_EQ(1, shared->signals);
	EXPECT_EQ(pid, shared->sender);
}

static int makes_who_wants_to_hear_and_ends(void *unused)
{
	shared->child = child_of(SIGCHLD, wants_to_hear, NULL);
	wait_until(shared->ready && shared->go);
	return 0;
}

CLAUSE(the_parent_is_the_thread_that_made_the_child,
       "prctl(2) PR_SET_PDEATHSIG CAVEATS: the parent is the thread that created the child: its end sends the "
       "signal though its process lives",
       .needed_by = "go:LockOSThread")
{
	struct thread t;

	begin();
	ASSERT_OK(thread_start(&t, makes_who_wants_to_hear_and_ends, NULL));
	ASSERT_TRUE(wait_until(shared->ready));
	EXPECT_EQ(0, shared->signals);
	shared->go = 1;
	EXPECT_TRUE(thread_join(&t));
	EXPECT_RET(EXITED(0), end_of(shared->child));
	EXPECT_EQ(1, shared->signals);
}

static int stops_itself(void *unused)
{
	raw_sigaction(SIGHUP, count_signal, 0);
	raw_sigaction(SIGCONT, count_signal, 0);
	shared->ready = 1;
	raw_syscall(__NR_kill, raw_syscall(__NR_getpid), SIGSTOP);
	return !wait_until(shared->hangups && shared->continued);
}

static int leads_a_group(void *unused)
{
	raw_syscall(__NR_setsid);
	shared->child = child_of(SIGCHLD, stops_itself, NULL);
	raw_syscall(__NR_setpgid, shared->child, shared->child);
	wait_until(task_state(shared->child) == 'T');
	return 0;
}

CLAUSE(a_stopped_group_that_is_orphaned_gets_hangup_and_continue,
       "setpgid(2), _exit(2): if the exit of a process orphans a process group with a stopped member, SIGHUP and "
       "then SIGCONT are sent to each process in it",
       .needed_by = USERS)
{
	long pid;

	begin();
	ASSERT_OK(pid = child_of(SIGCHLD, leads_a_group, NULL));
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_RET(EXITED(0), end_of(shared->child));
	EXPECT_EQ(1, shared->hangups);
	EXPECT_EQ(1, shared->continued);
}
