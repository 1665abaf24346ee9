// SPDX-License-Identifier: GPL-2.0-only
// clone(2): which flags go together, which do not, and which arguments count.
#include "clone.h"
#include "guard.h"
#include "sigaction.h"

#define USERS "go:newosproc go:fork_exec glibc:__clone_internal musl:__clone"

struct combination {
	const char *name;
	unsigned long flags;
};

static int *ran;

static int note_that_it_ran(void *unused)
{
	(*ran)++;
	return 0;
}

static void expect_refused(struct __test_metadata *_metadata, const struct combination *c)
{
	int *slot = guarded(sizeof(*slot));
	long pid = raw_clone(c->flags | SIGCHLD, stack_top(), note_that_it_ran, NULL, slot, NULL, slot);

	if (pid != -EINVAL)
		TH_LOG("%s", c->name);
	EXPECT_ERR(EINVAL, pid);
	EXPECT_EQ(0, *ran);
	EXPECT_TRUE(has_no_child());
	EXPECT_UNTOUCHED(slot, 0, sizeof(*slot));
	guard_free(slot);
}

CLAUSE(flags_that_exclude_each_other_are_einval_and_make_nothing,
       "clone(2) ERRORS EINVAL: a thread needs shared handlers, shared handlers need shared memory, a shared root"
       " is not for another mount or user namespace, a pidfd not for CLONE_DETACHED nor at the address of the "
       "parent's tid; nothing is made or written [CLN-1] [CLN-13]",
       .needed_by = USERS)
{
	static const struct combination refused[] = {
		{ "THREAD", CLONE_THREAD },
		{ "THREAD VM", CLONE_THREAD | CLONE_VM },
		{ "THREAD SIGHAND", CLONE_THREAD | CLONE_SIGHAND },
		{ "SIGHAND", CLONE_SIGHAND },
		{ "SIGHAND FS FILES", CLONE_SIGHAND | CLONE_FS | CLONE_FILES },
		{ "FS NEWNS", CLONE_FS | CLONE_NEWNS },
		{ "FS NEWUSER", CLONE_FS | CLONE_NEWUSER },
		{ "PIDFD DETACHED", CLONE_PIDFD | CLONE_DETACHED },
		{ "PIDFD PARENT_SETTID", CLONE_PIDFD | CLONE_PARENT_SETTID },
		{ "PIDFD PARENT_SETTID CHILD_CLEARTID", CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID },
	};

	ran = shared_memory(sizeof(*ran));
	for (int i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		expect_refused(_metadata, &refused[i]);
}

CLAUSE(a_thread_cannot_be_of_another_namespace,
       "clone(2) ERRORS EINVAL: CLONE_NEWPID or CLONE_NEWUSER with CLONE_THREAD, CLONE_NEWIPC with CLONE_SYSVSEM",
       .needs = "root cap=sys_admin", .needed_by = "go:fork_exec")
{
	static const struct combination refused[] = {
		{ "THREAD NEWPID", THREAD_FLAGS | CLONE_NEWPID },
		{ "THREAD NEWUSER", (THREAD_FLAGS & ~CLONE_FS) | CLONE_NEWUSER },
		{ "SYSVSEM NEWIPC", CLONE_SYSVSEM | CLONE_NEWIPC },
		{ "VM SYSVSEM NEWIPC", CLONE_VM | CLONE_SYSVSEM | CLONE_NEWIPC },
	};

	ran = shared_memory(sizeof(*ran));
	for (int i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		expect_refused(_metadata, &refused[i]);
}

CLAUSE(every_other_flag_makes_a_child_alone_and_in_combination,
       "clone(2) The flags mask: flags are ORed together in any combination that is not named under EINVAL "
       "[CLN-11] [incident 50]",
       .needed_by = USERS)
{
	static const struct combination allowed[] = {
		{ "none", 0 }, { "FS", CLONE_FS }, { "FILES", CLONE_FILES }, { "VM", CLONE_VM },
		{ "SYSVSEM", CLONE_SYSVSEM }, { "IO", CLONE_IO }, { "UNTRACED", CLONE_UNTRACED }, { "PTRACE", CLONE_PTRACE },
		{ "DETACHED", CLONE_DETACHED }, { "VFORK", CLONE_VFORK }, { "VM VFORK", CLONE_VM | CLONE_VFORK },
		{ "VM SIGHAND", CLONE_VM | CLONE_SIGHAND }, { "VM FS FILES SIGHAND", CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND },
		{ "FS FILES SYSVSEM IO", CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_IO },
		{ "VM VFORK FS FILES SIGHAND", CLONE_VM | CLONE_VFORK | CLONE_FS | CLONE_FILES | CLONE_SIGHAND },
	};

	ran = shared_memory(sizeof(*ran));
	for (int i = 0; i < sizeof(allowed) / sizeof(*allowed); i++) {
		long pid = child_of(allowed[i].flags | SIGCHLD, note_that_it_ran, NULL);

		if (is_error(pid))
			TH_LOG("%s", allowed[i].name);
		ASSERT_OK(pid);
		EXPECT_RET(EXITED(0), end_of(pid));
		EXPECT_EQ(i + 1, *ran);
	}
}

CLAUSE(the_flag_detached_is_ignored_with_or_without_thread,
       "clone(2) CLONE_DETACHED: the flag is usually ignored; a thread made with it is as one made without",
       .needed_by = "musl:__pthread_create")
{
	struct thread t;

	ASSERT_OK(thread_start_with(&t, CLONE_DETACHED, returns_zero, NULL));
	EXPECT_TRUE(thread_join(&t));
	EXPECT_TRUE(has_no_child());
}

struct words {
	int parent, tls, child;
	unsigned long tp;
	volatile int done;
};

static int note_thread_pointer(void *arg)
{
	struct words *w = arg;

	w->tp = arch_tp();
	__atomic_store_n(&w->done, 1, __ATOMIC_RELEASE);
	return 0;
}

CLAUSE(arguments_that_no_flag_asks_for_are_ignored,
       "clone(2): parent_tid, tls and child_tid count only with CLONE_PARENT_SETTID or CLONE_PIDFD, CLONE_SETTLS,"
       " and CLONE_CHILD_SETTID or CLONE_CHILD_CLEARTID; without, nothing is read or written there, neither at "
       "start nor at exit [CLN-0] [CLN-8]",
       .needed_by = USERS)
{
	static const unsigned long flags[] = { SIGCHLD, CLONE_VM | SIGCHLD, CLONE_VM | CLONE_VFORK | SIGCHLD, THREAD_FLAGS };
	struct words *w = shared_memory(sizeof(*w));
	int *const nowhere = (int *)1, *bad[] = { nowhere, forbidden_page(), (int *)-1L };

	for (int i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		for (int j = 0; j <= 3; j++) {
			long pid;

			*w = (struct words){ .parent = 11, .tls = 12, .child = 13 };
			pid = j == 3 ? raw_clone(flags[i], stack_top(), note_thread_pointer, w, &w->parent, &w->tls, &w->child) :
				       raw_clone(flags[i], stack_top(), note_thread_pointer, w, bad[j], bad[j], bad[j]);
			ASSERT_OK(pid);
			if (flags[i] & CLONE_THREAD) {
				EXPECT_TRUE(wait_until(is_gone(pid)));
			} else {
				EXPECT_RET(EXITED(0), end_of(pid));
			}
			EXPECT_EQ(1, w->done);
			EXPECT_EQ(arch_tp(), w->tp);
			EXPECT_EQ(11, w->parent);
			EXPECT_EQ(12, w->tls);
			EXPECT_EQ(13, w->child);
		}
	}
}

static void handler(int sig, siginfo_t *info, void *ucontext)
{
}

static int has_handler(void *unused)
{
	struct kernel_sigaction action = { 0 };

	raw_rt_sigaction(SIGUSR1, NULL, &action);
	return action.handler != handler;
}

CLAUSE(flag_bits_above_the_lower_thirty_two_are_ignored,
       "kernel/fork.c clone (5.10, 7.2): clone(2) takes the lower 32 bits of its flags; bits that mean something "
       "to clone3(2) alone do nothing, and are no error",
       .needs = "64bit", .commit = "3f2c788a1314 fork: prevent accidental access to clone3 features",
       .needed_by = USERS)
{
	ASSERT_RET(0, raw_sigaction(SIGUSR1, handler, 0));
	for (int bit = 32; bit <= 64; bit++) {
		unsigned long upper = bit < 64 ? (unsigned long)(1ULL << bit) : (unsigned long)~0xffffffffULL;
		long pid = child_of(upper | SIGCHLD, has_handler, NULL), end;

		if (is_error(pid))
			TH_LOG("bit %d", bit);
		ASSERT_OK(pid);
		end = end_of(pid);
		if (end)
			TH_LOG("bit %d", bit);
		EXPECT_RET(EXITED(0), end);
	}
}

static int note_ids(void *arg)
{
	long *ids = arg;

	ids[0] = raw_syscall(__NR_getpid);
	ids[1] = raw_syscall(__NR_gettid);
	ids[2] = raw_syscall(__NR_getppid);
	return 0;
}

CLAUSE(a_child_has_its_own_pid_which_the_parent_gets,
       "clone(2) RETURN VALUE: the thread ID of the child is returned to the caller; without CLONE_THREAD the "
       "child is a process of its own, whose process and thread ID are that number, and which calls the caller "
       "parent [CLN-1] [CLN-3]",
       .needed_by = USERS)
{
	static const unsigned long flags[] = { 0, CLONE_VM, CLONE_VM | CLONE_VFORK, CLONE_FS | CLONE_FILES, CLONE_VM | CLONE_SIGHAND };
	long *ids = shared_memory(3 * sizeof(*ids));

	for (int i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		long pid = child_of(flags[i] | SIGCHLD, note_ids, ids);

		ASSERT_OK(pid);
		EXPECT_RET(EXITED(0), end_of(pid));
		EXPECT_EQ(pid, ids[0]);
		EXPECT_EQ(pid, ids[1]);
		EXPECT_EQ(getpid(), ids[2]);
		EXPECT_NE(getpid(), pid);
	}
}

struct thread_ids {
	long ids[3], state;
};

static int note_ids_and_task(void *arg)
{
	struct thread_ids *t = arg;

	t->state = task_state(raw_syscall(__NR_gettid));
	return note_ids(t->ids);
}

CLAUSE(a_thread_has_its_own_tid_and_the_pid_and_parent_of_its_process,
       "clone(2) CLONE_THREAD: getpid and getppid of the child return the caller's, gettid what clone returned "
       "[CLN-3]",
       .needed_by = USERS)
{
	struct thread_ids seen = { 0 };
	struct thread t;

	ASSERT_OK(thread_start(&t, note_ids_and_task, &seen));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(getpid(), seen.ids[0]);
	EXPECT_EQ(t.known_as, seen.ids[1]);
	EXPECT_EQ(getppid(), seen.ids[2]);
	EXPECT_NE(0, seen.state);
}

static int makes_a_sibling(void *arg)
{
	return is_error(child_of(CLONE_PARENT | SIGUSR2, note_ids, arg));
}

CLAUSE(a_sibling_is_a_child_of_the_callers_parent,
       "clone(2) CLONE_PARENT: the parent of the new child is the caller's parent, who is signalled at its end as"
       " at that of the caller",
       .needed_by = USERS)
{
	long *ids = shared_memory(3 * sizeof(*ids)), pid;
	int status = -1;

	ASSERT_RET(0, raw_sigaction(SIGUSR2, SIGNAL_IGNORE, 0));
	ASSERT_OK(pid = child_of(SIGCHLD, makes_a_sibling, ids));
	ASSERT_RET(EXITED(0), end_of(pid));
	ASSERT_OK(pid = raw_syscall(__NR_wait4, -1, &status, 0, NULL));	// without __WCLONE: it ends with SIGCHLD as its maker did
	EXPECT_EQ(pid, ids[0]);
	EXPECT_EQ(getpid(), ids[2]);
	EXPECT_EQ(EXITED(0), status);
	EXPECT_TRUE(has_no_child());
}

static int sibling_is_refused(void *unused)
{
	return child_of(CLONE_PARENT | SIGCHLD, returns_zero, NULL) != -EINVAL;
}

CLAUSE(the_first_process_of_a_namespace_has_no_siblings,
       "clone(2) ERRORS EINVAL: CLONE_PARENT was given and the caller is an init process",
       .config = "PID_NS", .needs = "root cap=sys_admin", .needed_by = USERS)
{
	long pid;

	ASSERT_OK(pid = child_of(CLONE_NEWPID | SIGCHLD, sibling_is_refused, NULL));
	EXPECT_RET(EXITED(0), end_of(pid));
}

CLAUSE(tid_words_that_cannot_be_written_are_no_error,
       "kernel/fork.c kernel_clone, kernel/sched/core.c schedule_tail (5.10, 7.2): a tid word that cannot be "
       "written is left, and the child runs and ends as any",
       .needed_by = "glibc:create_thread")
{
	static const unsigned long asked = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
	int *bad[] = { NULL, forbidden_page(), unmapped_page() };
	struct words w = { 0 };
	long pid;

	for (int i = 0; i < 3; i++) {
		ASSERT_OK(pid = raw_clone(asked | SIGCHLD, stack_top(), returns_zero, NULL, bad[i], NULL, bad[i]));
		EXPECT_RET(EXITED(0), end_of(pid));
		w.done = 0;
		ASSERT_OK(pid = raw_clone(asked | THREAD_FLAGS, stack_top(), note_thread_pointer, &w, bad[i], NULL, bad[i]));
		EXPECT_TRUE(wait_until(is_gone(pid)));
		EXPECT_EQ(1, w.done);
	}
}
