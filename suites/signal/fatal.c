// SPDX-License-Identifier: GPL-2.0-only
// Default actions of signals: which end the process, with which status, and that they end all of it.
#include "signals.h"

#define USERS "go:dieFromSignal go:raisebadsignal glibc:abort jvm:os_linux rust:abort"

enum action { ENDS, IGNORED, STOPS };

static enum action default_action(int sig)
{
	if (sig == SIGCHLD || sig == SIGURG || sig == SIGWINCH || sig == SIGCONT)
		return IGNORED;
	if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)
		return STOPS;
	return ENDS;
}

// Not dumpable: a signal whose default is to dump core leaves no file, nor anything for a crash collector.
static bool has_defaults(void)
{
	raw_syscall(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	FOR_EACH_SIGNAL(sig)
		raw_sigaction(sig, SIGNAL_DEFAULT, 0);
	return set_mask(SIGSET_EMPTY) == 0;
}

CLAUSE(each_signal_has_its_default_action,
       "signal(7) Standard signals, Real-time signals: SIGCHLD, SIGCONT, SIGURG and SIGWINCH are ignored by default; "
       "all but these and the stop signals end the process, the realtime ones as well, and it is told by which "
       "[KIL-2]",
       .needed_by = USERS)
{
	ASSERT_TRUE(has_defaults());	// and with this process its children
	for (int sig = 1; sig <= SIGNALS; sig++)
		for (enum way way = 0; way < 2; way++) {
			int pid = fork();

			if (pid == 0) {
				if (default_action(sig) == STOPS)
					_exit(77);
				send_myself(way, sig);
				_exit(77);
			}
			ASSERT_EQ(default_action(sig) == ENDS ? sig : 77 << 8, end_of(pid))
				TH_LOG("signal %d", sig);
		}
}

CLAUSE(a_blocked_fatal_signal_ends_the_process_once_it_is_unblocked,
       "signal(7) Signal mask and pending signals: its default action is taken when it is delivered, and not before",
       .needed_by = USERS)
{
	for (int sig = 1; sig <= SIGNALS; sig += 3) {
		struct process *p = shared_memory(sizeof(*p));
		int pid = fork();

		if (pid == 0) {
			has_defaults();
			block(sig);
			send_myself(sig % WAYS, sig);
			p->ready = is_pending(sig);
			unblock(sig);
			_exit(77);
		}
		if (default_action(sig) != ENDS || !CATCHABLE(sig)) {
			raw_kill(pid, SIGKILL);
			end_of(pid);
			continue;
		}
		ASSERT_EQ(sig, end_of(pid));
		ASSERT_TRUE(p->ready);
	}
}

static __attribute__((noreturn)) int loops(void *unused)
{
	for (;;)
		arch_pause();
}

static volatile int *tids;

// Threads of all kinds: asleep with everything blocked, asleep, in a loop.
static bool has_threads(void)
{
	static struct mate blocked, open;
	static struct thread looping;

	if (!has_defaults() || !mate_sleeps(&blocked, SIGSET_FULL) || !mate_sleeps(&open, SIGSET_EMPTY) ||
	    is_error(thread_start(&looping, loops, NULL)))
		return false;
	tids[0] = blocked.tid;
	tids[1] = open.tid;
	tids[2] = looping.known_as;
	return true;
}

CLAUSE(a_fatal_signal_to_the_process_ends_all_its_threads,
       "signal(7), kill(2): an action that terminates does so for the whole process, whatever its threads do; the "
       "parent is told of that signal [KIL-2]",
       .needed_by = USERS)
{
	static const int sigs[] = { SIGTERM, SIGKILL, SIGHUP, SIGABRT, SIGSEGV, SIGPIPE, RT_FIRST, 64 };
	struct process *p = shared_memory(sizeof(*p));

	tids = shared_memory(4096);
	FOR_EACH(s, sigs) {
		ASSERT_TRUE(process_starts(p, has_threads));
		ASSERT_RET(0, raw_kill(p->pid, sigs[s]));
		ASSERT_EQ(sigs[s], end_of(p->pid));
		for (int i = 0; i < 3; i++)
			ASSERT_ERR(ESRCH, raw_tkill(tids[i], 0));
	}
}

CLAUSE(a_fatal_signal_to_a_thread_ends_its_whole_process,
       "tgkill(2), pthread_kill(3) NOTES: dispositions are process-wide: a signal to one thread whose action is to "
       "terminate ends the process, not that thread alone [KIL-2]",
       .needed_by = USERS)
{
	static const int sigs[] = { SIGTERM, SIGKILL, SIGQUIT, SIGSEGV, RT_FIRST + 1 };
	struct process *p = shared_memory(sizeof(*p));

	tids = shared_memory(4096);
	FOR_EACH(s, sigs)
		for (int target = 1; target < 3; target++) {
			ASSERT_TRUE(process_starts(p, has_threads));
			ASSERT_RET(0, raw_tgkill(p->pid, tids[target], sigs[s]));
			ASSERT_EQ(sigs[s], end_of(p->pid));
		}
	// The thread that blocks everything: SIGKILL cannot be.
	ASSERT_TRUE(process_starts(p, has_threads));
	ASSERT_RET(0, raw_tgkill(p->pid, tids[0], SIGTERM));
	EXPECT_EQ(0, received(p));
	ASSERT_RET(0, raw_tgkill(p->pid, tids[0], SIGKILL));
	EXPECT_EQ(SIGKILL, end_of(p->pid));
}

CLAUSE(ignored_signals_end_nothing,
       "signal(7) Signal dispositions: SIG_IGN for any signal that can have it: the process goes on, whatever is "
       "sent to it and its threads",
       .needed_by = USERS)
{
	IN_CHILD {
		FOR_EACH_SIGNAL(sig) {
			ASSERT_RET(0, raw_sigaction(sig, SIGNAL_IGNORE, 0));
			for (enum way way = 0; way < WAYS; way++)
				ASSERT_RET(0, send_myself(way, sig));
		}
	}
}
