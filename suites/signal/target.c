// SPDX-License-Identifier: GPL-2.0-only
// Signals sent to a process: which of its threads handles them, and that exactly one does.
#include "signals.h"

#define USERS "go:raiseproc go:sigsend glibc:sigwait jvm:signalHandler cpython:signal"

#define MATES 4
static struct mate mate[MATES];

static long send_to_process(int way, int sig)
{
	return way ? queue_value(own_pid(), sig, 1) : raw_kill(own_pid(), sig);
}

CLAUSE(a_thread_that_does_not_block_the_signal_gets_it,
       "signal(7) Signal mask and pending signals: a process-directed signal may be delivered to any thread that "
       "does not block it; if just one does not, to that one, asleep or not [KIL-3]",
       .needed_by = USERS)
{
	static const int sigs[] = { SIGUSR1, SIGCHLD, RT_FIRST + 2 };

	ASSERT_RET(0, set_mask(SIGSET_FULL));
	FOR_EACH(s, sigs) {
		ASSERT_RET(0, catch_signal(sigs[s]));
		for (int open = 0; open < MATES; open++) {
			for (int i = 0; i < MATES; i++)
				ASSERT_TRUE(mate_sleeps(&mate[i], i == open ? blockable() : SIGSET_FULL));
			ASSERT_TRUE(mate_ends(&mate[open]));
			ASSERT_TRUE(mate_sleeps(&mate[open], sigset_without(SIGSET_FULL, sigs[s])));
			forget_arrivals();
			ASSERT_RET(0, send_to_process(open % 2, sigs[s]));
			ASSERT_TRUE(wait_until(arrivals == 1));
			ASSERT_EQ(mate[open].tid, arrival[0].tid);
			for (int i = 0; i < MATES; i++)
				ASSERT_TRUE(mate_ends(&mate[i]));
			ASSERT_EQ(1, arrivals);
		}
	}
}

CLAUSE(the_main_thread_is_preferred,
       "kernel/signal.c complete_signal (5.10, 7.2): a main thread that does not block the signal and has none pending "
       "gets it: one that sends to its own process handles the signal before the call returns",
       .needed_by = "go:raiseproc cpython:signal")
{
	ASSERT_RET(0, catch_signal(SIGUSR1));
	for (int i = 0; i < MATES; i++)
		ASSERT_TRUE(mate_sleeps(&mate[i], SIGSET_EMPTY));
	for (int i = 0; i < 50; i++) {
		forget_arrivals();
		ASSERT_RET(0, send_to_process(i % 2, SIGUSR1));
		ASSERT_EQ(1, arrivals);
		ASSERT_EQ(own_pid(), arrival[0].tid);
	}
	for (int i = 0; i < MATES; i++)
		ASSERT_TRUE(mate_ends(&mate[i]));
}

CLAUSE(exactly_one_thread_handles_each_signal,
       "signal(7) Signal mask and pending signals: a process-directed signal is delivered once, however many threads "
       "could take it [KIL-3]",
       .needed_by = USERS)
{
	const int rt = RT_FIRST + 2;

	ASSERT_RET(0, raw_sigaction(rt, note, 0));
	for (int i = 0; i < MATES; i++)
		ASSERT_TRUE(mate_sleeps(&mate[i], SIGSET_EMPTY));
	ASSERT_RET(0, block(rt));
	for (int i = 0; i < 200; i++)
		ASSERT_RET(0, queue_value(own_pid(), rt, i));
	ASSERT_TRUE(wait_until(arrivals >= 200));
	for (int i = 0; i < MATES; i++)
		ASSERT_TRUE(mate_ends(&mate[i]));
	ASSERT_RET(0, unblock(rt));
	ASSERT_EQ(200, arrivals);
	{
		bool came[200] = { false };

		for (int i = 0; i < 200; i++)
			came[arrival[i].value] = true;
		for (int i = 0; i < 200; i++)
			ASSERT_TRUE(came[i]);
	}
}

static int unblocks_and_looks(void *took)
{
	unblock(SIGUSR1);
	*(volatile int *)took = arrivals;
	return 0;
}

CLAUSE(a_signal_that_all_threads_block_waits_for_the_first_that_does_not,
       "signal(7) Signal mask and pending signals: it stays pending for the process, once, until a thread unblocks "
       "it, and is delivered to that one [KIL-3]",
       .needed_by = USERS)
{
	volatile int took = -1;
	struct thread t;

	ASSERT_RET(0, catch_signal(SIGUSR1));
	ASSERT_RET(0, set_mask(SIGSET_FULL));
	for (int i = 0; i < MATES; i++)
		ASSERT_TRUE(mate_sleeps(&mate[i], SIGSET_FULL));
	ASSERT_RET(0, raw_kill(own_pid(), SIGUSR1));
	ASSERT_RET(0, raw_kill(own_pid(), SIGUSR1));
	EXPECT_TRUE(is_pending(SIGUSR1));
	EXPECT_EQ(0, arrivals);
	ASSERT_OK(thread_start(&t, unblocks_and_looks, (void *)&took));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(1, took);
	EXPECT_EQ(t.known_as, arrival[0].tid);
	EXPECT_FALSE(is_pending(SIGUSR1));
	ASSERT_RET(0, unblock(SIGUSR1));
	EXPECT_EQ(1, arrivals);
	for (int i = 0; i < MATES; i++)
		ASSERT_TRUE(mate_ends(&mate[i]));
}

static volatile int round_of_sender;

static int sends_each_round(void *unused)
{
	for (int i = 1; i <= 300; i++) {
		if (!wait_until(round_of_sender == i))
			return 1;
		for (int j = 0; j < i % 50 * 10; j++)
			__asm__ volatile("");
		raw_kill(own_pid(), SIGUSR1);
	}
	return 0;
}

CLAUSE(a_signal_does_not_stick_to_a_thread_that_blocks_it_meanwhile,
       "kernel/signal.c retarget_shared_pending (5.10, 7.2): where the thread that was woken for the signal blocks it "
       "first, another that does not block it is woken",
       .needs = "cpus=2", .needed_by = "go:sigsend glibc:pthread_sigmask")
{
	struct thread t;

	ASSERT_RET(0, catch_signal(SIGUSR1));
	ASSERT_TRUE(mate_sleeps(&mate[0], SIGSET_EMPTY));
	ASSERT_RET(0, block(SIGUSR1));
	ASSERT_OK(thread_start(&t, sends_each_round, NULL));
	for (int i = 1; i <= 300; i++) {
		int before = arrivals;

		ASSERT_RET(0, unblock(SIGUSR1));
		round_of_sender = i;
		for (int j = 0; j < i * 7 % 400; j++)
			__asm__ volatile("");
		ASSERT_RET(0, block(SIGUSR1));
		ASSERT_TRUE(wait_until(arrivals > before));
		ASSERT_EQ(before + 1, arrivals);
	}
	ASSERT_TRUE(thread_join(&t));
	ASSERT_TRUE(mate_ends(&mate[0]));
}

/* ---- A main thread that has ended ------------------------------------------------------------------------------ */

static int stays(void *unused)
{
	myself->ready = 1;
	sleep_for_ever();
}

// The child's main thread is gone; another one is left.
static bool process_without_main_thread(struct process *p)
{
	int pid = fork();

	if (pid == 0) {
		static struct thread t;

		myself = p;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		catch_and_report();
		thread_start(&t, stays, NULL);
		raw_syscall(__NR_exit, 0);
	}
	p->pid = pid;
	return pid > 0 && wait_until(p->ready) && wait_until(task_state(pid) == 'Z');
}

CLAUSE(a_process_whose_main_thread_has_ended_is_signalled_as_ever,
       "kill(2), signal(7): signals to the process reach the threads that are left, with handlers and fatal ones alike "
       "[EXI-2]",
       .needed_by = "go:mexit rust:main")
{
	struct process *p = shared_memory(sizeof(*p));

	ASSERT_TRUE(process_without_main_thread(p));
	for (int i = 1; i <= 10; i++) {
		ASSERT_RET(0, raw_kill(p->pid, SIGUSR1));
		ASSERT_TRUE(wait_until(p->count == i));
	}
	ASSERT_RET(0, raw_kill(p->pid, SIGTERM));
	EXPECT_EQ(SIGTERM, end_of(p->pid));
}

CLAUSE(a_signal_to_a_main_thread_that_has_ended_reaches_no_other,
       "tgkill(2): the signal is for that thread alone: one that has ended and cannot be gone before its process "
       "exists, and nobody else handles what is sent to it",
       .needed_by = "go:mexit")
{
	struct process *p = shared_memory(sizeof(*p));

	ASSERT_TRUE(process_without_main_thread(p));
	for (int i = 0; i < 3; i++) {
		ASSERT_RET(0, raw_tgkill(p->pid, p->pid, SIGUSR1));
		ASSERT_RET(0, raw_tkill(p->pid, SIGUSR1));
		ASSERT_RET(0, raw_tgkill(p->pid, p->pid, 0));
	}
	EXPECT_EQ(0, received(p));
	process_ends(p);
}
