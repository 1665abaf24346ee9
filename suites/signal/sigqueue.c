// SPDX-License-Identifier: GPL-2.0-only
// rt_sigqueueinfo(2), rt_tgsigqueueinfo(2): the information that a sender may give, and what is refused.
#include "signals.h"

#define USERS "glibc:sigqueue glibc:pthread_sigqueue glibc:timer_create musl:sigqueue"

#define NOT_A_PID 0x3fffffff	// beyond PID_MAX_LIMIT

#define SIG (RT_FIRST + 2)

// As a kernel or another sender would have it.
static siginfo_t forged(int sig, int code)
{
	siginfo_t info = info_of(sig, code, 0);

	info.si_errno = 0x1234567;
	info.si_pid = 0x2345678;
	info.si_uid = 0x3456789;
	info.si_value.sival_ptr = (void *)0x456789a;
	return info;
}

static long send_by(bool to_thread, int pid, int sig, siginfo_t *info)
{
	return to_thread ? raw_rt_tgsigqueueinfo(pid, pid, sig, info) : raw_rt_sigqueueinfo(pid, sig, info);
}

CLAUSE(nobody_pretends_to_be_the_kernel_or_a_kill_to_others,
       "rt_sigqueueinfo(2) info, ERRORS EPERM: to another process si_code must be below zero, and not SI_TKILL: not "
       "even for root",
       .needed_by = USERS)
{
	static const int codes[] = { SI_USER, 1, 2, SI_KERNEL, SI_KERNEL + 1, 0x7fffffff, SI_TKILL };
	struct process *p = shared_memory(sizeof(*p));

	ASSERT_TRUE(process_starts(p, NULL));
	FOR_EACH(c, codes)
		for (int to_thread = 0; to_thread < 2; to_thread++) {
			siginfo_t info = forged(SIG, codes[c]);

			ASSERT_ERR(EPERM, send_by(to_thread, p->pid, SIG, &info));
			ASSERT_ERR(EPERM, send_by(to_thread, p->pid, SIGUSR1, &info));
			ASSERT_ERR(EPERM, send_by(to_thread, p->pid, 0, &info));
		}
	EXPECT_EQ(0, received(p));
	process_ends(p);
}

static int forges_to_its_process(void *unused)
{
	siginfo_t info = forged(SIG, SI_USER);

	return raw_rt_sigqueueinfo(own_pid(), SIG, &info) != -EPERM ||
	       raw_rt_tgsigqueueinfo(own_pid(), own_pid(), SIG, &info) != -EPERM ||
	       raw_rt_tgsigqueueinfo(own_pid(), own_tid(), 0, &info) != 0;
}

static volatile int thread_status;

static int notes_status(void *unused)
{
	thread_status = 1 + forges_to_its_process(NULL);
	return 0;
}

CLAUSE(a_thread_forges_to_itself_alone,
       "kernel/signal.c do_rt_sigqueueinfo, do_rt_tgsigqueueinfo (5.10, 7.2): any si_code may be sent to oneself; "
       "another thread of the same process is not oneself",
       .needed_by = "criu:sigqueue")
{
	static const int codes[] = { SI_USER, SI_TKILL, SI_KERNEL, 1 };
	struct thread t;

	ASSERT_RET(0, catch_signal(SIG));
	FOR_EACH(c, codes)
		for (int to_thread = 0; to_thread < 2; to_thread++) {
			siginfo_t info = forged(SIG, codes[c]);

			forget_arrivals();
			ASSERT_RET(0, send_by(to_thread, own_pid(), SIG, &info));
			ASSERT_EQ(1, arrivals);
			ASSERT_EQ(codes[c], arrival[0].code);
		}
	forget_arrivals();
	ASSERT_OK(thread_start(&t, notes_status, NULL));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(1, thread_status);
	EXPECT_EQ(0, arrivals);
}

CLAUSE(the_information_arrives_as_it_was_given,
       "rt_sigqueueinfo(2) info: the data that accompanies the signal are the sender's: si_code, si_errno, si_pid, "
       "si_uid and si_value reach handler and waiter as they were given",
       .needed_by = USERS)
{
	static const int codes[] = { SI_QUEUE, SI_TIMER, SI_MESGQ, SI_ASYNCIO, SI_SIGIO, SI_ASYNCNL, -100 };
	static const int sigs[] = { SIGUSR1, SIG };
	static const struct __kernel_timespec at_once;

	FOR_EACH(s, sigs) {
		struct kernel_sigset set = SIGSET(sigs[s]);

		ASSERT_RET(0, catch_signal(sigs[s]));
		FOR_EACH(c, codes)
			for (int to_thread = 0; to_thread < 2; to_thread++) {
				siginfo_t info = forged(sigs[s], codes[c]), taken;

				if (codes[c] == SI_SIGIO)
					info.si_value.sival_ptr = NULL;	// which has no value
				forget_arrivals();
				ASSERT_RET(0, send_by(to_thread, own_pid(), sigs[s], &info));
				ASSERT_EQ(1, arrivals);
				ASSERT_EQ(codes[c], arrival[0].code);
				ASSERT_EQ(info.si_errno, arrival[0].error);
				ASSERT_EQ(info.si_pid, arrival[0].pid);
				ASSERT_EQ((int)info.si_uid, arrival[0].uid);
				ASSERT_EQ((long)info.si_value.sival_ptr, arrival[0].value);
				ASSERT_RET(0, block(sigs[s]));
				ASSERT_RET(0, send_by(to_thread, own_pid(), sigs[s], &info));
				ASSERT_RET(sigs[s], raw_syscall(NR_RT_SIGTIMEDWAIT, &set, &taken, &at_once,
								ARCH_SIGSET_BYTES));
				ASSERT_EQ(codes[c], taken.si_code);
				ASSERT_EQ(info.si_pid, taken.si_pid);
				ASSERT_EQ(info.si_errno, taken.si_errno);
				ASSERT_RET(0, unblock(sigs[s]));
			}
	}
}

CLAUSE(the_unused_end_of_the_information_is_not_looked_at,
       "kernel/signal.c post_copy_siginfo_from_user (5.10, 7.2): of a si_code whose fields the kernel knows the "
       "bytes behind them may hold anything: they are no part of it",
       .commit = "4ce5f9c9e754 signal: Use a smaller struct siginfo in the kernel", .needed_by = USERS)
{
	static const struct { int sig, code; } known[] = {
		{ SIG, SI_QUEUE }, { SIG, SI_TIMER }, { SIG, SI_MESGQ }, { SIG, SI_ASYNCIO }, { SIG, SI_SIGIO }, { SIG, SI_TKILL },
		{ SIG, SI_ASYNCNL }, { SIG, SI_USER }, { SIG, SI_KERNEL }, { SIGUSR1, SI_QUEUE }, { SIGSEGV, SEGV_MAPERR },
		{ SIGBUS, BUS_ADRERR }, { SIGFPE, FPE_INTDIV }, { SIGILL, ILL_ILLOPC }, { SIGCHLD, CLD_EXITED },
	};

	FOR_EACH(i, known) {
		ASSERT_RET(0, catch_signal(known[i].sig));
		for (int to_thread = 0; to_thread < 2; to_thread++) {
			siginfo_t info = forged(known[i].sig, known[i].code);

			memset((char *)&info + sizeof(info) / 2, GUARD_BYTE, sizeof(info) / 2);
			forget_arrivals();
			EXPECT_RET(0, send_by(to_thread, own_pid(), known[i].sig, &info))
				TH_LOG("signal %d, si_code %d", known[i].sig, known[i].code);
			EXPECT_EQ(1, arrivals);
			EXPECT_EQ(known[i].code, arrival[0].code);
		}
	}
}

CLAUSE(the_number_is_the_arguments_and_not_the_informations,
       "kernel/signal.c __copy_siginfo_from_user (5.10, 7.2): the signal that is sent, and the si_signo that "
       "arrives, is the call's argument",
       .needed_by = USERS)
{
	ASSERT_RET(0, catch_signal(SIG));
	for (int to_thread = 0; to_thread < 2; to_thread++) {
		siginfo_t info = forged(SIGTERM, SI_QUEUE);

		forget_arrivals();
		ASSERT_RET(0, send_by(to_thread, own_pid(), SIG, &info));
		ASSERT_EQ(1, arrivals);
		ASSERT_EQ(SIG, arrival[0].sig);
		ASSERT_EQ(SIG, arrival[0].signo);
	}
}

CLAUSE(information_that_cannot_be_read_is_efault_and_nothing_is_sent,
       "rt_sigqueueinfo(2), sigqueue(3): info must point to a siginfo_t: one that cannot be read is EFAULT",
       .needed_by = USERS)
{
	void *bad[] = { NULL, forbidden_page(), unmapped_page(), (void *)8 };

	ASSERT_RET(0, catch_signal(SIG));
	FOR_EACH(i, bad) {
		ASSERT_ERR(EFAULT, raw_rt_sigqueueinfo(own_pid(), SIG, bad[i]));
		ASSERT_ERR(EFAULT, raw_rt_tgsigqueueinfo(own_pid(), own_tid(), SIG, bad[i]));
	}
	EXPECT_EQ(0, arrivals);
}

CLAUSE(a_number_that_is_no_signal_is_einval_and_zero_asks,
       "rt_sigqueueinfo(2) ERRORS EINVAL: sig was invalid; 0 checks for existence alone",
       .needed_by = USERS)
{
	struct process *p = shared_memory(sizeof(*p));
	siginfo_t info = info_of(SIGUSR1, SI_QUEUE, 0);

	ASSERT_TRUE(process_starts(p, NULL));
	FOR_EACH(i, no_signals)
		for (int to_thread = 0; to_thread < 2; to_thread++) {
			ASSERT_ERR(EINVAL, send_by(to_thread, p->pid, no_signals[i], &info));
			ASSERT_ERR(EINVAL, send_by(to_thread, own_pid(), no_signals[i], &info));
		}
	EXPECT_RET(0, send_by(0, p->pid, 0, &info));
	EXPECT_RET(0, send_by(1, p->pid, 0, &info));
	EXPECT_EQ(0, received(p));
	process_ends(p);
	EXPECT_ERR(ESRCH, send_by(0, p->pid, 0, &info));
	EXPECT_ERR(ESRCH, send_by(1, p->pid, 0, &info));
}

CLAUSE(there_is_no_queueing_to_groups,
       "rt_sigqueueinfo(2) ERRORS ESRCH, kernel/signal.c do_rt_sigqueueinfo (5.10, 7.2): the first argument names one "
       "process: 0, -1 and negative group IDs name none",
       .needed_by = USERS)
{
	static const int sigs[] = { 0, SIGUSR1, SIG };

	IN_CHILD {
		ASSERT_TRUE(has_own_group());
		ASSERT_RET(0, catch_signal(SIGUSR1));
		ASSERT_RET(0, catch_signal(SIG));
		FOR_EACH(s, sigs) {
			siginfo_t info = info_of(sigs[s], SI_QUEUE, 0);

			ASSERT_ERR(ESRCH, raw_rt_sigqueueinfo(0, sigs[s], &info));
			ASSERT_ERR(ESRCH, raw_rt_sigqueueinfo(-1, sigs[s], &info));
			ASSERT_ERR(ESRCH, raw_rt_sigqueueinfo(-own_pid(), sigs[s], &info));
			ASSERT_ERR(ESRCH, raw_rt_sigqueueinfo(NOT_A_PID, sigs[s], &info));
		}
		ASSERT_EQ(0, arrivals);
	}
}

CLAUSE(a_process_gets_what_is_queued_to_it_and_no_other,
       "rt_sigqueueinfo(2): sends to the process with that ID, as a whole, each instance with its own information",
       .needed_by = USERS)
{
	struct process *p = shared_memory(2 * sizeof(*p));

	ASSERT_TRUE(process_starts(&p[0], NULL));
	ASSERT_TRUE(process_starts(&p[1], NULL));
	for (int i = 1; i <= 10; i++) {
		ASSERT_RET(0, queue_value(p[0].pid, SIG, 1000 + i));
		ASSERT_EQ(i, received(&p[0]));
		ASSERT_EQ(1000 + i, p[0].last.value);
		ASSERT_EQ(SI_QUEUE, p[0].last.code);
		ASSERT_EQ(own_pid(), p[0].last.pid);
	}
	EXPECT_EQ(0, received(&p[1]));
	process_ends(&p[0]);
	process_ends(&p[1]);
}
