// SPDX-License-Identifier: GPL-2.0-only
// execve(2) and signals: each signal's whole action, what is pending for whom, and a table of actions that was shared.
#include "clause.h"
#include "sigaction.h"
#include "sync.h"
#include "thread.h"

#include <sched.h>

#define USERS "go:fork_exec glibc:posix_spawn jvm:jspawnhelper rust:Command"

static void handler(int sig, siginfo_t *info, void *ucontext)
{
}

static bool can_be_set(int sig)
{
	return sig != SIGKILL && sig != SIGSTOP;
}

static bool is_clear(struct kernel_sigset set)
{
	for (int sig = 1; sig <= 64; sig++)
		if (sigset_has(set, sig))
			return false;
	return true;
}

static char *number(char text[24], long n)
{
	snprintf(text, 24, "%ld", n);
	return text;
}

// argv: what was done about all signals, "handled" or "ignored". Exits with the first signal that is not as promised.
AFTER_EXEC(has_fresh_actions)
{
	signal_handler *wanted = strcmp(argv[0], "ignored") ? SIGNAL_DEFAULT : SIGNAL_IGNORE;

	for (int sig = 1; sig <= 64; sig++) {
		struct kernel_sigaction action = { .handler = handler, .flags = -1U, .mask = SIGSET_FULL };
		struct kernel_sigaction plain = { 0 };

		if (raw_rt_sigaction(sig, NULL, &action))
			return sig;
		// A restorer's flag may be the kernel's own; no other flag is.
#ifdef ARCH_SA_RESTORER
		plain.flags |= ARCH_SA_RESTORER;
#endif
		if (action.handler != (can_be_set(sig) ? wanted : SIGNAL_DEFAULT) || action.flags & ~plain.flags ||
		    !is_clear(action.mask))
			return sig;
	}
	return 0;
}

CLAUSE(the_whole_action_of_each_signal_is_reset,
       "execve(2), kernel/signal.c flush_signal_handlers (5.10, 7.2): every signal that was caught has its default "
       "action again, every one that was ignored is ignored still, SIGCHLD and the last real-time signal too; nothing "
       "of flags and mask stays [SIG-12]",
       .needed_by = USERS)
{
	static const struct { char *name; signal_handler *handler; unsigned long flags; } sets[] = {
		{ "handled", handler, SA_NOCLDWAIT | SA_NOCLDSTOP | SA_RESTART | SA_ONSTACK | SA_NODEFER },
		{ "handled", handler, SA_RESETHAND },
		{ "ignored", SIGNAL_IGNORE, SA_NOCLDWAIT | SA_RESTART | SA_ONSTACK },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(sets); i++) {
		IN_CHILD {
			for (int sig = 1; sig <= 64; sig++)
				if (can_be_set(sig))
					ASSERT_RET(0, raw_sigaction_masked(sig, sets[i].handler, sets[i].flags, SIGSET_FULL));
			execute_self(has_fresh_actions, sets[i].name);
			_exit(126);
		}
	}
}

static int returns_zero(void *unused)
{
	return 0;
}

// A program that knows nothing of its caller's flags waits for a child of its own.
AFTER_EXEC(waits_for_a_child)
{
	int status = -1;
	long pid = raw_clone(SIGCHLD, NULL, returns_zero, NULL, NULL, NULL, NULL);

	return raw_syscall(__NR_wait4, pid, &status, 0, NULL) != pid || !WIFEXITED(status);
}

CLAUSE(children_of_a_new_program_become_zombies,
       "execve(2), wait(2) NOTES: SA_NOCLDWAIT that the caller had set on a handler of SIGCHLD does not make the new "
       "program's children vanish",
       .needed_by = USERS)
{
	IN_CHILD {
		ASSERT_RET(0, raw_sigaction(SIGCHLD, handler, SA_NOCLDWAIT));
		execute_self(waits_for_a_child);
		_exit(126);
	}
}

static bool is_pending(int sig)
{
	struct kernel_sigset pending = SIGSET_EMPTY;

	raw_syscall(__NR_rt_sigpending, &pending, ARCH_SIGSET_BYTES);
	return sigset_has(pending, sig);
}

static long taken(int sig, siginfo_t *info)
{
	struct kernel_sigset set = SIGSET(sig);
	struct __kernel_timespec none = { 0, 0 };

	return raw_syscall(NR_RT_SIGTIMEDWAIT, &set, info, &none, ARCH_SIGSET_BYTES);
}

// argv: the process that sent them.
AFTER_EXEC(has_what_was_pending)
{
	static const int sigs[] = { SIGUSR1, SIGUSR2, 40, 41 };
	siginfo_t info = { 0 };
	int sender = atoi(argv[0]);

	for (unsigned int i = 0; i < ARRAY_SIZE(sigs); i++) {
		if (!is_pending(sigs[i]))
			return sigs[i];
		if (taken(sigs[i], &info) != sigs[i] || info.si_pid != sender)
			return 100 + sigs[i];
	}
	// Real-time signals queue: both of the second.
	if (taken(41, &info) != 41 || info.si_value.sival_int != 7)
		return 99;
	return is_pending(SIGTERM);
}

CLAUSE(what_is_pending_for_the_thread_and_for_the_process_is_kept,
       "signal(7), execve(2): signals pending for the process and for the thread that executes are pending after it, "
       "with what they carry, each as often as it was queued",
       .needed_by = USERS)
{
	char sender[24];

	IN_CHILD {
		siginfo_t info = { .si_code = SI_QUEUE };
		long pid = getpid(), tid = raw_syscall(__NR_gettid);

		info.si_pid = pid;
		ASSERT_RET(0, raw_sigprocmask(SIG_SETMASK, SIGSET_FULL));
		ASSERT_RET(0, raw_syscall(__NR_kill, pid, SIGUSR1));
		ASSERT_RET(0, raw_syscall(__NR_tgkill, pid, tid, SIGUSR2));
		ASSERT_RET(0, raw_syscall(__NR_tgkill, pid, tid, 40));
		for (int i = 0; i < 2; i++) {
			info.si_signo = 41;
			info.si_value.sival_int = 6 + i;
			ASSERT_RET(0, raw_syscall(__NR_rt_tgsigqueueinfo, pid, tid, 41, &info));
		}
		execute_self(has_what_was_pending, number(sender, pid));
		_exit(126);
	}
}

static char *words[] = { "osprim", "--after-exec", "exits_with_9", NULL };

AFTER_EXEC(exits_with_9)
{
	return 9;
}

static int executes(void *unused)
{
	raw_syscall(__NR_execve, "/proc/self/exe", words, environ);
	return 99;
}

CLAUSE(a_shared_table_of_actions_is_parted,
       "execve(2), clone(2) CLONE_SIGHAND: a process that executes has actions of its own from then on: those it "
       "shared until then stay as they were for the other",
       .needed_by = USERS)
{
	static char stack[THREAD_STACK] __attribute__((aligned(16)));
	struct kernel_sigaction action = { 0 };
	int status = -1;
	long pid;

	for (int sig = 1; sig <= 64; sig++)
		if (can_be_set(sig) && sig != SIGCHLD)
			ASSERT_RET(0, raw_sigaction(sig, handler, SA_NODEFER));
	pid = raw_clone(CLONE_VM | CLONE_SIGHAND | SIGCHLD, stack + sizeof(stack), executes, NULL, NULL, NULL, NULL);
	ASSERT_OK(pid);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(9 << 8, status);
	for (int sig = 1; sig <= 64; sig++) {
		if (!can_be_set(sig) || sig == SIGCHLD)
			continue;
		ASSERT_RET(0, raw_rt_sigaction(sig, NULL, &action));
		EXPECT_EQ(&handler, action.handler);
		EXPECT_TRUE(action.flags & SA_NODEFER);
	}
}
