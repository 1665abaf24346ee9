// SPDX-License-Identifier: GPL-2.0-only
// tgkill(2), tkill(2), rt_tgsigqueueinfo(2): signals to one thread: who gets them, and what is refused.
#include "signals.h"

#include "nobody.h"

#define USERS "go:signalM go:raise go:AllThreadsSyscall glibc:pthread_kill glibc:SIGCANCEL musl:__synccall jvm:SR"

#define NOT_A_PID 0x3fffffff	// beyond PID_MAX_LIMIT

#define MATES 4
static struct mate mate[MATES];

// Every call that signals a thread.
enum { BY_TGKILL, BY_TGQUEUE, BY_TKILL, CALLS };

static long send_by(int call, int tgid, int tid, int sig)
{
	siginfo_t info = info_of(sig, SI_QUEUE, 0);

	if (call == BY_TKILL)
		return raw_tkill(tid, sig);
	return call == BY_TGKILL ? raw_tgkill(tgid, tid, sig) : raw_rt_tgsigqueueinfo(tgid, tid, sig, &info);
}

CLAUSE(the_thread_that_is_named_handles_the_signal_and_no_other,
       "tgkill(2): the signal is sent to the thread tid, and to no other of its process, whichever of them could "
       "take it [KIL-4] [JVM-3]",
       .needed_by = USERS)
{
	static const int sigs[] = { SIGUSR1, SIGURG, RT_FIRST, RT_FIRST + 1, 64 };

	for (int i = 0; i < MATES; i++)
		ASSERT_TRUE(mate_sleeps(&mate[i], SIGSET_EMPTY));
	FOR_EACH(s, sigs) {
		ASSERT_RET(0, catch_signal(sigs[s]));
		for (int call = 0; call < CALLS; call++)
			for (int i = 0; i < MATES; i++) {
				forget_arrivals();
				ASSERT_RET(0, send_by(call, own_pid(), mate[i].tid, sigs[s]));
				ASSERT_TRUE(wait_until(arrivals == 1));
				ASSERT_EQ(mate[i].tid, arrival[0].tid);
				ASSERT_EQ(sigs[s], arrival[0].sig);
			}
	}
	for (int i = 0; i < MATES; i++)
		ASSERT_TRUE(mate_ends(&mate[i]));
	EXPECT_EQ(1, arrivals);
}

static int queues_to_its_maker(void *unused)
{
	return raw_tgkill(own_pid(), own_pid(), SIGUSR1) != 0 || queue_value_to(own_pid(), SIGUSR2, 5) != 0;
}

CLAUSE(the_main_thread_is_a_thread_like_the_others,
       "tgkill(2): with the process's own ID as tid the signal is for its main thread alone [KIL-4]",
       .needed_by = USERS)
{
	struct thread t;

	ASSERT_RET(0, catch_signal(SIGUSR1));
	ASSERT_RET(0, catch_signal(SIGUSR2));
	ASSERT_TRUE(mate_sleeps(&mate[0], SIGSET_EMPTY));
	ASSERT_RET(0, set_mask(SIGSET_FULL));
	ASSERT_OK(thread_start(&t, queues_to_its_maker, NULL));
	ASSERT_TRUE(thread_join(&t));
	ASSERT_TRUE(mate_ends(&mate[0]));
	EXPECT_EQ(0, arrivals);
	ASSERT_RET(0, set_mask(SIGSET_EMPTY));
	ASSERT_EQ(2, arrivals);
	EXPECT_EQ(own_tid(), arrival[0].tid);
	EXPECT_EQ(own_tid(), arrival[1].tid);
}

CLAUSE(a_thread_of_another_process_is_esrch,
       "tgkill(2) ERRORS ESRCH: no thread of this ID exists in the process tgid: a thread of another one is not "
       "signalled, though it exists, nor looked at with signal 0 [KIL-5]",
       .needed_by = USERS)
{
	static const int sigs[] = { 0, SIGUSR1, RT_FIRST + 2, SIGKILL };
	struct process *p = shared_memory(2 * sizeof(*p));

	ASSERT_TRUE(process_starts(&p[0], NULL));
	ASSERT_TRUE(process_starts(&p[1], NULL));
	ASSERT_TRUE(mate_sleeps(&mate[0], SIGSET_EMPTY));
	FOR_EACH(s, sigs)
		for (int call = 0; call < BY_TKILL; call++) {
			// The first to succeed ends it: the signals that follow are fatal.
			ASSERT_ERR(ESRCH, send_by(call, own_pid(), p[0].pid, sigs[s]));
			ASSERT_ERR(ESRCH, send_by(call, p[1].pid, p[0].pid, sigs[s]));
			ASSERT_ERR(ESRCH, send_by(call, p[0].pid, own_tid(), sigs[s]));
			ASSERT_ERR(ESRCH, send_by(call, p[0].pid, mate[0].tid, sigs[s]));
			ASSERT_ERR(ESRCH, send_by(call, mate[0].tid, own_tid(), sigs[s]));	// no process's ID
			ASSERT_ERR(ESRCH, send_by(call, mate[0].tid, mate[0].tid, sigs[s]));
			ASSERT_ERR(ESRCH, send_by(call, NOT_A_PID, own_tid(), sigs[s]));
			ASSERT_ERR(ESRCH, send_by(call, own_pid(), NOT_A_PID, sigs[s]));
		}
	EXPECT_EQ(0, received(&p[0]));
	EXPECT_EQ(0, received(&p[1]));
	process_ends(&p[0]);
	process_ends(&p[1]);
	EXPECT_TRUE(mate_ends(&mate[0]));
}

CLAUSE(ids_that_are_not_positive_are_einval,
       "tgkill(2), rt_tgsigqueueinfo(2) ERRORS EINVAL: an invalid thread ID, thread group ID or signal was "
       "specified: zero and negative IDs stand for nobody here [KIL-5]",
       .needed_by = USERS)
{
	static const int bad[] = { 0, -1, -2, (int)0x80000000, (int)0xffff0000 };

	IN_CHILD {
		ASSERT_TRUE(has_own_group());
		ASSERT_RET(0, catch_signal(SIGUSR1));
		FOR_EACH(i, bad)
			for (int call = 0; call < CALLS; call++) {
				ASSERT_ERR(EINVAL, send_by(call, own_pid(), bad[i], SIGUSR1));
				ASSERT_ERR(EINVAL, send_by(call, own_pid(), bad[i], 0));
				if (call == BY_TKILL)
					continue;
				ASSERT_ERR(EINVAL, send_by(call, bad[i], own_tid(), SIGUSR1));
				ASSERT_ERR(EINVAL, send_by(call, bad[i], own_tid(), 0));
				ASSERT_ERR(EINVAL, send_by(call, bad[i], bad[i], 0));
			}
		ASSERT_EQ(0, arrivals);
	}
}

CLAUSE(a_number_that_is_no_signal_is_einval,
       "tgkill(2), rt_tgsigqueueinfo(2) ERRORS EINVAL: an invalid signal was specified [KIL-5]",
       .needed_by = USERS)
{
	ASSERT_TRUE(mate_sleeps(&mate[0], SIGSET_EMPTY));
	FOR_EACH(i, no_signals)
		for (int call = 0; call < CALLS; call++) {
			ASSERT_ERR(EINVAL, send_by(call, own_pid(), mate[0].tid, no_signals[i]));
			ASSERT_ERR(EINVAL, send_by(call, own_pid(), own_tid(), no_signals[i]));
		}
	EXPECT_TRUE(mate_ends(&mate[0]));
}

CLAUSE(signal_zero_only_asks,
       "tgkill(2), kill(2): signal 0 tells whether the thread exists, and sends nothing [KIL-5]",
       .needed_by = "go:signalM glibc:pthread_kill musl:pthread_kill")
{
	ASSERT_TRUE(mate_sleeps(&mate[0], SIGSET_EMPTY));
	for (int call = 0; call < CALLS; call++) {
		ASSERT_RET(0, send_by(call, own_pid(), mate[0].tid, 0));
		ASSERT_RET(0, send_by(call, own_pid(), own_tid(), 0));
	}
	EXPECT_TRUE(is_blocked_in(mate[0].tid, NR_FUTEX));
	EXPECT_TRUE(mate_ends(&mate[0]));
}

CLAUSE(a_thread_that_has_ended_is_esrch,
       "tgkill(2) ERRORS ESRCH: no thread of this ID exists: from the moment that a thread but the main one has ended, "
       "though its process goes on [KIL-5]",
       .needed_by = "go:signalM glibc:pthread_kill")
{
	static const int sigs[] = { 0, SIGUSR1, SIGKILL, 64 };

	for (int i = 0; i < 10; i++) {
		ASSERT_TRUE(mate_sleeps(&mate[0], SIGSET_EMPTY));
		__atomic_store_n(&mate[0].stop, 1, __ATOMIC_SEQ_CST);
		raw_syscall(NR_FUTEX, &mate[0].stop, FUTEX_WAKE_PRIVATE, 1);
		ASSERT_TRUE(wait_until(raw_tgkill(own_pid(), mate[0].tid, 0) == -ESRCH));
		FOR_EACH(s, sigs)
			for (int call = 0; call < CALLS; call++)
				ASSERT_ERR(ESRCH, send_by(call, own_pid(), mate[0].tid, sigs[s]));
	}
}

CLAUSE(tkill_reaches_threads_of_any_process,
       "tkill(2): the thread is named by its ID alone, whatever its process",
       .needed_by = "musl:pthread_kill jvm:os_linux")
{
	struct process *p = shared_memory(sizeof(*p));

	ASSERT_TRUE(process_starts(p, NULL));
	ASSERT_RET(0, raw_tkill(p->pid, SIGUSR1));
	EXPECT_EQ(1, received(p));
	EXPECT_EQ(SI_TKILL, p->last.code);
	ASSERT_RET(0, raw_tgkill(p->pid, p->pid, SIGUSR1));
	EXPECT_EQ(2, received(p));
	process_ends(p);
}

CLAUSE(what_one_thread_has_blocked_no_other_handles,
       "signal(7) Signal mask and pending signals, pthread_kill(3): a thread-directed signal waits for its thread, "
       "though others do not block it, and is handled there once it is unblocked [JVM-3]",
       .needed_by = USERS)
{
	ASSERT_RET(0, catch_signal(SIGUSR1));
	for (int i = 0; i < MATES; i++)
		ASSERT_TRUE(mate_sleeps(&mate[i], SIGSET_EMPTY));
	ASSERT_RET(0, block(SIGUSR1));
	for (int call = 0; call < CALLS; call++) {
		forget_arrivals();
		ASSERT_RET(0, send_by(call, own_pid(), own_tid(), SIGUSR1));
		// The others go through the kernel's signal code and come out of it with nothing.
		ASSERT_RET(0, catch_signal(SIGUSR2));
		for (int i = 0; i < MATES; i++) {
			ASSERT_RET(0, raw_tgkill(own_pid(), mate[i].tid, SIGUSR2));
			ASSERT_TRUE(wait_until(arrivals == i + 1));
			ASSERT_EQ(SIGUSR2, arrival[i].sig);
		}
		ASSERT_RET(0, unblock(SIGUSR1));
		ASSERT_EQ(MATES + 1, arrivals);
		ASSERT_EQ(SIGUSR1, arrival[MATES].sig);
		ASSERT_EQ(own_tid(), arrival[MATES].tid);
		ASSERT_RET(0, block(SIGUSR1));
	}
	for (int i = 0; i < MATES; i++)
		ASSERT_TRUE(mate_ends(&mate[i]));
}

CLAUSE(what_was_pending_for_a_thread_ends_with_it,
       "kernel/signal.c exit_signals, flush_sigqueue (5.10, 7.2): signals that a thread had blocked when it ended are "
       "handled by nobody",
       .needed_by = USERS)
{
	ASSERT_RET(0, catch_signal(SIGUSR1));
	ASSERT_RET(0, catch_signal(64));
	ASSERT_TRUE(mate_sleeps(&mate[0], SIGSET_FULL));
	ASSERT_TRUE(mate_sleeps(&mate[1], SIGSET_EMPTY));
	for (int call = 0; call < CALLS; call++) {
		ASSERT_RET(0, send_by(call, own_pid(), mate[0].tid, SIGUSR1));
		ASSERT_RET(0, send_by(call, own_pid(), mate[0].tid, 64));
	}
	ASSERT_TRUE(mate_ends(&mate[0]));
	EXPECT_FALSE(is_pending(SIGUSR1));
	ASSERT_TRUE(mate_ends(&mate[1]));
	EXPECT_EQ(0, arrivals);
}

#ifdef __NR_setresuid32
#define NR_SETRESUID __NR_setresuid32
#else
#define NR_SETRESUID __NR_setresuid
#endif

// The raw call changes the calling thread alone, and takes its capabilities with the ids.
static int signals_its_kin_as_nobody(void *failed)
{
	long tids[] = { own_pid(), mate[0].tid, own_tid() };

	if (raw_syscall(NR_SETRESUID, NOBODY, NOBODY, NOBODY))
		return 1;
	FOR_EACH(t, tids)
		for (int call = 0; call < CALLS; call++)
			for (int sig = 0; sig <= SIGUSR1; sig += SIGUSR1)
				if (send_by(call, own_pid(), tids[t], sig))
					(*(int *)failed)++;
	for (int sig = 0; sig <= SIGUSR1; sig += SIGUSR1)
		if (raw_kill(own_pid(), sig) || queue_value(own_pid(), sig, 0))
			(*(int *)failed)++;
	return 0;
}

CLAUSE(a_thread_may_signal_its_own_process_whatever_its_user,
       "kernel/signal.c check_kill_permission (5.10, 7.2) same_thread_group: threads of one process need no "
       "permission for each other, also where one of them alone has changed its user",
       .needs = "root", .needed_by = USERS)
{
	if (!can_become(NOBODY, NOBODY))
		SKIP(return, "user ids are few here");
	IN_CHILD {
		struct thread t;
		int failed = 0;

		ASSERT_RET(0, catch_signal(SIGUSR1));
		ASSERT_TRUE(mate_sleeps(&mate[0], SIGSET_EMPTY));
		ASSERT_OK(thread_start(&t, signals_its_kin_as_nobody, &failed));
		ASSERT_TRUE(thread_join(&t));
		EXPECT_EQ(0, failed);
		EXPECT_LT(0, arrivals);
	}
}

static volatile int counted;

static void count(int sig, siginfo_t *info, void *ucontext)
{
	__atomic_fetch_add(&counted, 1, __ATOMIC_SEQ_CST);
}

static volatile int over;

// In user code and in system calls by turns, as a thread that a runtime preempts.
static int works(void *unused)
{
	unsigned long n = 0;

	while (!over) {
		for (int i = 0; i < 2000; i++)
			n = n * 31 + i;
		__asm__ volatile("" : : "r"(n));
		raw_syscall(__NR_getppid);
	}
	return 0;
}

CLAUSE(no_signal_of_a_storm_is_lost_or_handled_twice,
       "signal(7) Real-time signals, tgkill(2): threads that work are interrupted once for each signal sent, in user "
       "code and in system calls [KIL-7] [KIL-8]",
       .needed_by = "go:preemptM go:signalM dotnet:PAL")
{
	struct thread t;
	int sent = 0;

	ASSERT_RET(0, raw_sigaction(SIGURG, count, SA_RESTART));
	ASSERT_RET(0, raw_sigaction(RT_FIRST + 2, count, SA_RESTART));
	ASSERT_OK(thread_start(&t, works, NULL));
	for (int i = 0; i < 30; i++) {
		ASSERT_RET(0, raw_tgkill(own_pid(), t.known_as, SIGURG));
		ASSERT_TRUE(wait_until(counted == i + 1));
	}
	counted = 0;
	for (int i = 0; i < 1000; i++) {
		long result = raw_tgkill(own_pid(), t.known_as, RT_FIRST + 2);

		sent += result == 0;
		if (result == -EAGAIN)	// the limit on queued signals is the machine's
			raw_syscall(__NR_sched_yield);
		else
			ASSERT_RET(0, result);
	}
	EXPECT_TRUE(wait_until(counted >= sent));
	over = 1;
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(sent, counted);
	EXPECT_LT(0, sent);
}
