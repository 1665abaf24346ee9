// SPDX-License-Identifier: GPL-2.0-only
// A fault cannot be put off: where its signal is blocked, ignored or being handled the process dies of it.
#include "clause.h"

#include "fault.h"
#include "thread.h"

#define USERS "go:dieFromSignal jvm:PosixSignals::signal_sets_init"
#define NAMED(r) { TH_LOG("signal %d", (r)->sig); }

// Runs the raiser in a child prepared by this and returns the signal that the child died of, 0 if it did not.
static int died_of(const struct raiser *r, void (*prepare)(const struct raiser *r))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		leave_no_core();
		prepare(r);
		r->raise();
		_exit(0);
	}
	if (pid < 0 || !wait_until(waitpid(pid, &status, WNOHANG) == pid)) {
		kill(pid, SIGKILL);
		return -1;
	}
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void end_at_once(int sig, siginfo_t *info, void *ucontext)
{
	_exit(0);
}

static void by_default(const struct raiser *r)
{
	raw_sigaction(r->sig, SIGNAL_DEFAULT, 0);
}

static void ignored(const struct raiser *r)
{
	raw_sigaction(r->sig, SIGNAL_IGNORE, 0);
}

static void blocked_by_default(const struct raiser *r)
{
	raw_sigprocmask(SIG_SETMASK, SIGSET_FULL);
}

static void blocked_with_a_handler(const struct raiser *r)
{
	raw_sigaction(r->sig, end_at_once, 0);
	raw_sigprocmask(SIG_BLOCK, SIGSET(r->sig));
}

static void blocked_and_ignored(const struct raiser *r)
{
	ignored(r);
	raw_sigprocmask(SIG_BLOCK, SIGSET(r->sig));
}

CLAUSE(a_fault_kills_by_default,
       "signal(7) Standard signals: the default action of SIGSEGV, SIGBUS, SIGILL, SIGTRAP and SIGFPE terminates the "
       "process, which is seen to have "
       "died of that signal", .needed_by = USERS)
{
	FOR_EACH(i, raisers)
		EXPECT_EQ(raisers[i].sig, died_of(&raisers[i], by_default));
}

CLAUSE(a_fault_kills_although_its_signal_is_ignored,
       "sigaction(2) NOTES, kernel/signal.c force_sig_info_to_task (7.2): the signal of a fault that is ignored has "
       "its default action",
       .needed_by = USERS)
{
	FOR_EACH(i, raisers)
		EXPECT_EQ(raisers[i].sig, died_of(&raisers[i], ignored));
}

CLAUSE(a_fault_kills_although_its_signal_is_blocked,
       "sigprocmask(2) NOTES, kernel/signal.c force_sig_info_to_task (7.2): if SIGBUS, SIGFPE, SIGILL or SIGSEGV are "
       "generated while blocked the "
       "process dies of them; so of SIGTRAP", .needed_by = USERS)
{
	FOR_EACH(i, raisers) {
		EXPECT_EQ(raisers[i].sig, died_of(&raisers[i], blocked_by_default)) NAMED(&raisers[i]);
		EXPECT_EQ(raisers[i].sig, died_of(&raisers[i], blocked_and_ignored)) NAMED(&raisers[i]);
	}
}

static void sent_to_the_thread_before(const struct raiser *r)
{
	raw_sigprocmask(SIG_SETMASK, SIGSET_FULL);
	raw_syscall(__NR_tgkill, getpid(), getpid(), r->sig);
}

static void sent_to_the_process_before(const struct raiser *r)
{
	raw_sigprocmask(SIG_SETMASK, SIGSET_FULL);
	raw_syscall(__NR_kill, getpid(), r->sig);
}

static void sent_with_a_handler_before(const struct raiser *r)
{
	blocked_with_a_handler(r);
	sent_to_the_thread_before(r);
}

CLAUSE(a_fault_kills_although_its_signal_is_blocked_and_pending,
       "sigprocmask(2) NOTES, kernel/signal.c force_sig_info_to_task (5.10, 7.2): the process dies, and does not "
       "fault for ever, also where an instance of the signal that was sent before is pending",
       .needed_by = USERS)
{
	FOR_EACH(i, raisers) {
		EXPECT_EQ(raisers[i].sig, died_of(&raisers[i], sent_to_the_thread_before)) NAMED(&raisers[i]);
		EXPECT_EQ(raisers[i].sig, died_of(&raisers[i], sent_to_the_process_before)) NAMED(&raisers[i]);
		EXPECT_EQ(raisers[i].sig, died_of(&raisers[i], sent_with_a_handler_before)) NAMED(&raisers[i]);
	}
}

CLAUSE(no_handler_runs_for_a_fault_that_is_blocked,
       "kernel/signal.c force_sig_info_to_task (7.2): a handler whose signal is blocked is not run for a fault: the "
       "action becomes the default one",
       .needed_by = USERS)
{
	FOR_EACH(i, raisers) {
		EXPECT_EQ(raisers[i].sig, died_of(&raisers[i], blocked_with_a_handler)) NAMED(&raisers[i]);
	}
}

static const struct raiser *raiser_in_handler;
static volatile int *entered;

static void raise_again(int sig, siginfo_t *info, void *ucontext)
{
	(*entered)++;
	raiser_in_handler->raise();
}

static void fault_in_its_handler(const struct raiser *r)
{
	raiser_in_handler = r;
	raw_sigaction(r->sig, raise_again, 0);
}

CLAUSE(a_fault_in_its_own_handler_kills,
       "sigaction(2) SA_NODEFER, sigprocmask(2) NOTES: while its handler runs the signal is blocked: the same fault "
       "there kills, and the "
       "handler is entered once", .needed_by = USERS)
{
	entered = common_memory(page_size());
	FOR_EACH(i, raisers) {
		*entered = 0;
		EXPECT_EQ(raisers[i].sig, died_of(&raisers[i], fault_in_its_handler)) NAMED(&raisers[i]);
		EXPECT_EQ(1, *entered) NAMED(&raisers[i]);
	}
}

static void raise_segv_in_handler(int sig, siginfo_t *info, void *ucontext)
{
	(*entered)++;
	if (sig == SIGSEGV)
		_exit(0);
	raise_segv();
}

static void segv_in_another_handler(const struct raiser *r)
{
	raw_sigaction(r->sig, raise_segv_in_handler, 0);
	raw_sigaction(SIGSEGV, raise_segv_in_handler, 0);
}

CLAUSE(a_fault_in_the_handler_of_another_signal_is_handled,
       "sigaction(2) sa_mask: only the signal being handled and those of sa_mask are blocked: another fault in a "
       "handler has its own handler run",
       .needed_by = USERS)
{
	entered = common_memory(page_size());
	FOR_EACH(i, raisers) {
		if (raisers[i].sig == SIGSEGV)
			continue;
		*entered = 0;
		EXPECT_EQ(0, died_of(&raisers[i], segv_in_another_handler)) NAMED(&raisers[i]);
		EXPECT_EQ(2, *entered) NAMED(&raisers[i]);
	}
}

static void come_back(int sig, siginfo_t *info, void *ucontext)
{
	(*entered)++;
}

static void one_shot(const struct raiser *r)
{
	raw_sigaction(r->sig, come_back, SA_RESETHAND);
	if (r->sig == ARCH_TRAP_SIGNAL)
		r->raise();
}

CLAUSE(a_second_fault_kills_a_one_shot_handler,
       "sigaction(2) SA_RESETHAND: the action is the default one once the handler has been entered: the instruction "
       "that faults again kills",
       .needed_by = "go:dieFromSignal")
{
	entered = common_memory(page_size());
	FOR_EACH(i, raisers) {
		*entered = 0;
		EXPECT_EQ(raisers[i].sig, died_of(&raisers[i], one_shot)) NAMED(&raisers[i]);
		EXPECT_EQ(1, *entered) NAMED(&raisers[i]);
	}
}

static const struct raiser *raiser_of_thread;

static int raise_blocked(void *arg)
{
	const struct raiser *r = arg;

	raw_sigprocmask(SIG_SETMASK, SIGSET_FULL);
	r->raise();
	return 0;
}

static void blocked_in_a_thread(const struct raiser *r)
{
	struct thread t;

	raw_sigaction(r->sig, end_at_once, 0);
	if (!is_error(thread_start(&t, raise_blocked, (void *)raiser_of_thread)))
		for (;;)
			raw_syscall(NR_PPOLL, NULL, 0, NULL, NULL, 0);
}

CLAUSE(a_fault_blocked_in_one_thread_kills_the_process,
       "signal(7), sigprocmask(2) NOTES: each thread has its own mask: a fault blocked in the thread that raises it "
       "kills all threads, although "
       "another one has its signal unblocked and handled", .needed_by = USERS)
{
	FOR_EACH(i, raisers) {
		raiser_of_thread = &raisers[i];
		EXPECT_EQ(raisers[i].sig, died_of(&raisers[i], blocked_in_a_thread)) NAMED(&raisers[i]);
	}
}

CLAUSE(a_sent_signal_of_a_fault_can_be_ignored_and_blocked,
       "signal(7), kill(2): SIGSEGV, SIGBUS, SIGILL, SIGTRAP and SIGFPE that are sent are signals like others: ignored "
       "they do nothing, blocked they "
       "stay pending [SIGINFO-2]", .needed_by = "go:sigFromUser")
{
	FOR_EACH(i, raisers) {
		int sig = raisers[i].sig;

		ASSERT_OK(raw_sigaction(sig, SIGNAL_IGNORE, 0));
		ASSERT_OK(raw_syscall(__NR_kill, getpid(), sig));
		ASSERT_OK(raw_syscall(__NR_tgkill, getpid(), getpid(), sig));
		ASSERT_OK(raw_sigaction(sig, keep_info, 0));
		ASSERT_OK(raw_sigprocmask(SIG_BLOCK, SIGSET(sig)));
		ASSERT_OK(raw_syscall(__NR_tgkill, getpid(), getpid(), sig));
		EXPECT_TRUE(is_pending(sig));
		EXPECT_EQ(i, times_kept);
		ASSERT_OK(raw_sigprocmask(SIG_UNBLOCK, SIGSET(sig)));
		EXPECT_EQ(i + 1, times_kept);
		EXPECT_EQ(SI_TKILL, kept.si_code);
	}
}
