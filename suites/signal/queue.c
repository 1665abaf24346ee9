// SPDX-License-Identifier: GPL-2.0-only
// signal(7): realtime signals queue, in order and within a limit; standard signals do not.
#include "signals.h"

#include <sys/resource.h>

#include "nobody.h"

#define USERS "glibc:sigqueue glibc:timer_create go:tgkill musl:sigqueue jvm:SuspendResume dotnet:PAL"

#define RT (RT_FIRST + 3)

// Takes the first pending one of the set without running a handler; its number or -EAGAIN.
static long take(struct kernel_sigset set, siginfo_t *info)
{
	static const struct __kernel_timespec at_once;

	return raw_syscall(NR_RT_SIGTIMEDWAIT, &set, info, &at_once, ARCH_SIGSET_BYTES);
}

static long queue_by(bool to_thread, int sig, long value)
{
	return to_thread ? queue_value_to(own_tid(), sig, value) : queue_value(own_pid(), sig, value);
}

CLAUSE(queued_instances_of_a_realtime_signal_are_handled_in_the_order_sent,
       "signal(7) Real-time signals: multiple instances are queued, and arrive in the order in which they were sent, "
       "of a thread's queue and of its process's",
       .needed_by = USERS)
{
	for (int sig = RT_FIRST; sig <= SIGNALS; sig++)
		for (int to_thread = 0; to_thread < 2; to_thread++) {
			forget_arrivals();
			ASSERT_RET(0, catch_signal(sig));
			ASSERT_RET(0, block(sig));
			for (int i = 0; i < 10; i++)
				ASSERT_RET(0, queue_by(to_thread, sig, 100 + i));
			ASSERT_RET(0, unblock(sig));
			ASSERT_EQ(10, arrivals);
			for (int i = 0; i < 10; i++) {
				ASSERT_EQ(sig, arrival[i].sig);
				ASSERT_EQ(100 + i, arrival[i].value);
			}
		}
}

CLAUSE(queued_instances_are_taken_in_the_order_sent,
       "signal(7) Real-time signals, sigwaitinfo(2) NOTES: a wait for the signal takes the instances one by one, in "
       "the order in which they were sent",
       .needed_by = USERS)
{
	siginfo_t info;

	ASSERT_RET(0, block(RT));
	for (int to_thread = 0; to_thread < 2; to_thread++) {
		for (int i = 0; i < 20; i++)
			ASSERT_RET(0, queue_by(to_thread, RT, i));
		for (int i = 0; i < 20; i++) {
			ASSERT_TRUE(is_pending(RT));
			ASSERT_RET(RT, take(SIGSET(RT), &info));
			ASSERT_EQ(i, (long)info.si_value.sival_ptr);
		}
		ASSERT_FALSE(is_pending(RT));
		ASSERT_ERR(EAGAIN, take(SIGSET(RT), &info));
	}
}

CLAUSE(realtime_signals_are_delivered_lowest_number_first,
       "signal(7) Real-time signals: different real-time signals are delivered starting with the lowest number, "
       "whatever the order they were sent in; each number keeps its own order",
       .needed_by = USERS)
{
	static const int sent[] = { 50, 64, 34, 33, 50, 40, 34, 63, 32, 64, 40, 33, 32, 50 };
	static const int delivered[] = { 32, 32, 33, 33, 34, 34, 40, 40, 50, 50, 50, 63, 64, 64 };

	for (int to_thread = 0; to_thread < 2; to_thread++) {
		forget_arrivals();
		ASSERT_RET(0, set_mask(SIGSET_FULL));
		FOR_EACH(i, sent) {
			ASSERT_RET(0, catch_signal(sent[i]));
			ASSERT_RET(0, queue_by(to_thread, sent[i], i));
		}
		ASSERT_RET(0, set_mask(SIGSET_EMPTY));
		ASSERT_EQ(14, arrivals);
		FOR_EACH(i, delivered) {
			ASSERT_EQ(delivered[i], arrival[i].sig);
			if (i && delivered[i - 1] == delivered[i])
				ASSERT_LT(arrival[i - 1].value, arrival[i].value);
		}
	}
}

CLAUSE(a_standard_signal_is_pending_at_most_once,
       "signal(7) Queueing and delivery semantics for standard signals: instances sent while one is pending already "
       "are not queued: it is delivered once, and once only [KIL-6]",
       .needed_by = USERS)
{
	for (enum way way = 0; way < WAYS; way++)
		for (int sig = 1; sig < RT_FIRST; sig++) {
			if (!CATCHABLE(sig))
				continue;
			forget_arrivals();
			ASSERT_RET(0, catch_signal(sig));
			ASSERT_RET(0, block(sig));
			for (int i = 0; i < 4; i++)
				ASSERT_RET(0, send_myself(way, sig));
			ASSERT_RET(0, unblock(sig));
			ASSERT_EQ(1, arrivals)
				TH_LOG("signal %d, way %d", sig, way);
			ASSERT_RET(0, send_myself(way, sig));
			ASSERT_EQ(2, arrivals);
		}
}

CLAUSE(a_standard_signal_keeps_the_information_of_its_first_instance,
       "signal(7) Queueing and delivery semantics for standard signals: the siginfo_t of the pending signal is not "
       "overwritten by those of later instances",
       .needed_by = USERS)
{
	ASSERT_RET(0, catch_signal(SIGUSR1));
	for (int to_thread = 0; to_thread < 2; to_thread++) {
		forget_arrivals();
		ASSERT_RET(0, block(SIGUSR1));
		ASSERT_RET(0, queue_by(to_thread, SIGUSR1, 111));
		ASSERT_RET(0, queue_by(to_thread, SIGUSR1, 222));
		ASSERT_RET(0, to_thread ? send_myself(TGKILL, SIGUSR1) : send_myself(KILL, SIGUSR1));
		ASSERT_RET(0, unblock(SIGUSR1));
		ASSERT_EQ(1, arrivals);
		ASSERT_EQ(SI_QUEUE, arrival[0].code);
		ASSERT_EQ(111, arrival[0].value);
	}
}

CLAUSE(thread_and_process_each_have_an_instance_and_the_threads_comes_first,
       "kernel/signal.c legacy_queue, dequeue_signal (5.10, 7.2): a standard signal may be pending once for the thread "
       "and once for its process; a thread takes its own signals first",
       .needed_by = USERS)
{
	ASSERT_RET(0, catch_signal(SIGUSR1));
	ASSERT_RET(0, catch_signal(32));
	ASSERT_RET(0, catch_signal(50));
	ASSERT_RET(0, set_mask(SIGSET_FULL));
	ASSERT_RET(0, queue_value(own_pid(), SIGUSR1, 1));
	ASSERT_RET(0, queue_value_to(own_tid(), SIGUSR1, 2));
	ASSERT_RET(0, queue_value(own_pid(), 32, 3));
	ASSERT_RET(0, queue_value_to(own_tid(), 50, 4));
	ASSERT_RET(0, set_mask(SIGSET_EMPTY));
	ASSERT_EQ(4, arrivals);
	EXPECT_EQ(2, arrival[0].value);
	EXPECT_EQ(4, arrival[1].value);
	EXPECT_EQ(1, arrival[2].value);
	EXPECT_EQ(3, arrival[3].value);
}

CLAUSE(realtime_signals_of_every_call_are_queued,
       "kernel/signal.c __send_signal (5.10), __send_signal_locked (7.2): kill, tgkill and tkill queue a realtime "
       "signal as sigqueue does: so many sent, so many delivered",
       .needed_by = USERS)
{
	for (enum way way = 0; way < WAYS; way++)
		for (int sig = RT_FIRST; sig <= SIGNALS; sig++) {
			forget_arrivals();
			ASSERT_RET(0, catch_signal(sig));
			ASSERT_RET(0, block(sig));
			for (int i = 0; i < 5; i++)
				ASSERT_RET(0, send_myself(way, sig));
			ASSERT_RET(0, unblock(sig));
			ASSERT_EQ(5, arrivals)
				TH_LOG("signal %d, way %d", sig, way);
		}
}

CLAUSE(the_value_arrives_as_it_was_sent,
       "sigqueue(3), sigaction(2) si_value: the value that accompanies the signal reaches handler and waiter bit by "
       "bit [GLC-11]",
       .needed_by = USERS)
{
	static const int sigs[] = { SIGUSR1, RT };

	FOR_EACH(s, sigs) {
		ASSERT_RET(0, catch_signal(sigs[s]));
		for (unsigned int bit = 0; bit < 8 * sizeof(long); bit++)
			for (int inverted = 0; inverted < 2; inverted++) {
				long value = inverted ? ~(1L << bit) : 1L << bit;
				siginfo_t info;

				forget_arrivals();
				ASSERT_RET(0, queue_by(bit % 2, sigs[s], value));
				ASSERT_EQ(1, arrivals);
				ASSERT_EQ(value, arrival[0].value);
				ASSERT_RET(0, block(sigs[s]));
				ASSERT_RET(0, queue_by(bit % 2, sigs[s], value));
				ASSERT_RET(sigs[s], take(SIGSET(sigs[s]), &info));
				ASSERT_EQ(value, (long)info.si_value.sival_ptr);
				ASSERT_RET(0, unblock(sigs[s]));
			}
	}
}

static int sends_many(void *first)
{
	for (int i = 0; i < 50; i++)
		if (queue_value(own_pid(), RT, (long)first + i))
			return 1;
	return 0;
}

CLAUSE(no_queued_signal_of_several_senders_is_lost,
       "signal(7) Real-time signals: all instances arrive, those of one sender in its order, when threads send at the "
       "same time",
       .needed_by = USERS)
{
	struct thread senders[4];
	int next[4] = { 0 };
	siginfo_t info;

	ASSERT_RET(0, block(RT));
	FOR_EACH(t, senders)
		ASSERT_OK(thread_start(&senders[t], sends_many, (void *)(1000L * t)));
	FOR_EACH(t, senders)
		ASSERT_TRUE(thread_join(&senders[t]));
	for (int i = 0; i < 200; i++) {
		int value;

		ASSERT_RET(RT, take(SIGSET(RT), &info));
		value = (long)info.si_value.sival_ptr;
		ASSERT_TRUE(value >= 0 && value < 4000);
		ASSERT_EQ(next[value / 1000]++, value % 1000);
	}
	EXPECT_ERR(EAGAIN, take(SIGSET(RT), &info));
}

CLAUSE(signals_queued_while_the_handler_runs_come_after_it,
       "sigaction(2) sa_mask, signal(7) Real-time signals: instances sent while the handler of the signal runs wait "
       "for its return, and then come in order",
       .needed_by = USERS)
{
	ASSERT_RET(0, catch_signal(RT));
	for (int i = 0; i < 100; i++)
		ASSERT_RET(0, queue_value(own_pid(), RT, i));
	ASSERT_EQ(100, arrivals);
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(i, arrival[i].value);
		ASSERT_TRUE(sigset_has(arrival[i].mask, RT));
	}
}

/* ---- The limit ------------------------------------------------------------------------------------------------ */

static bool set_limit(rlim_t limit)
{
	struct rlimit r = { limit, limit };

	return setrlimit(RLIMIT_SIGPENDING, &r) == 0;
}

CLAUSE(a_full_queue_refuses_realtime_signals_but_those_of_kill,
       "sigqueue(3) ERRORS EAGAIN, getrlimit(2) RLIMIT_SIGPENDING: no realtime signal is queued beyond the limit, by "
       "sigqueue or tgkill; kill still leaves one pending, without its information [KIL-6] [TMR-4]",
       .needed_by = USERS)
{
	ASSERT_RET(0, catch_signal(RT));
	ASSERT_TRUE(set_limit(0));
	ASSERT_RET(0, block(RT));
	EXPECT_ERR(EAGAIN, queue_value(own_pid(), RT, 1));
	EXPECT_ERR(EAGAIN, queue_value_to(own_tid(), RT, 1));
	EXPECT_ERR(EAGAIN, send_myself(TGKILL, RT));
	EXPECT_ERR(EAGAIN, send_myself(TKILL, RT));
	EXPECT_FALSE(is_pending(RT));
	EXPECT_RET(0, send_myself(KILL, RT));
	EXPECT_TRUE(is_pending(RT));
	ASSERT_RET(0, unblock(RT));
	ASSERT_EQ(1, arrivals);
	EXPECT_EQ(RT, arrival[0].signo);
	EXPECT_EQ(SI_USER, arrival[0].code);
	EXPECT_EQ(0, arrival[0].pid);
}

CLAUSE(a_full_queue_refuses_no_standard_signal,
       "kernel/signal.c __send_signal (5.10), __send_signal_locked (7.2): a standard signal is sent whatever the "
       "limit: by kill with its information, by others without it [KIL-6]",
       .needed_by = USERS)
{
	ASSERT_RET(0, catch_signal(SIGUSR1));
	ASSERT_TRUE(set_limit(0));
	for (enum way way = 0; way < WAYS; way++) {
		forget_arrivals();
		ASSERT_RET(0, block(SIGUSR1));
		ASSERT_RET(0, send_myself(way, SIGUSR1));
		ASSERT_RET(0, unblock(SIGUSR1));
		ASSERT_EQ(1, arrivals);
		ASSERT_EQ(SIGUSR1, arrival[0].signo);
		ASSERT_EQ(SI_USER, arrival[0].code);
		ASSERT_EQ(way == KILL ? own_pid() : 0, arrival[0].pid);
	}
}

CLAUSE(so_many_signals_are_queued_as_the_limit_says,
       "getrlimit(2) RLIMIT_SIGPENDING: the limit is that of all signals that may be queued for the real user; one "
       "that is taken makes room",
       .needs = "root", .needed_by = USERS)
{
	siginfo_t info;

	if (!can_become((1 << 20) + getpid(), (1 << 20) + getpid()))
		SKIP(return, "user ids are few here");
	ASSERT_TRUE(become_someone_new());
	ASSERT_RET(0, set_mask(SIGSET_FULL));
	ASSERT_TRUE(set_limit(4));
	for (int i = 0; i < 4; i++)
		ASSERT_RET(0, queue_by(i % 2, RT + i, i));
	EXPECT_ERR(EAGAIN, queue_value(own_pid(), RT, 9));
	EXPECT_ERR(EAGAIN, queue_value_to(own_tid(), RT + 1, 9));
	ASSERT_RET(RT + 2, take(SIGSET(RT + 2), &info));
	EXPECT_RET(0, queue_value(own_pid(), RT, 9));
	EXPECT_ERR(EAGAIN, queue_value(own_pid(), RT, 9));
	ASSERT_RET(0, raw_sigaction(RT, SIGNAL_IGNORE, 0));	// two of them
	EXPECT_RET(0, queue_value(own_pid(), RT + 4, 9));
	EXPECT_RET(0, queue_value(own_pid(), RT + 4, 9));
	EXPECT_ERR(EAGAIN, queue_value(own_pid(), RT + 4, 9));
}

static int limit_of_receiver;

static bool receives_as_someone_new(void)
{
	return become_someone_new() && !set_mask(SIGSET_FULL) && set_limit(limit_of_receiver);
}

CLAUSE(the_limit_is_that_of_the_process_that_gets_the_signal,
       "getrlimit(2) RLIMIT_SIGPENDING, kernel/signal.c __sigqueue_alloc, sigqueue_alloc (5.10, 7.2) "
       "task_rlimit(t): what another process sends is counted for the receiver's user, against the receiver's own "
       "limit",
       .needs = "root cap=kill", .needed_by = USERS)
{
	static const struct { int sender, receiver; } limits[] = { { 100, 3 }, { 0, 3 }, { 3, 0 }, { 100, 0 } };
	struct process *p = shared_memory(sizeof(*p));

	if (!can_become((1 << 20) + getpid(), (1 << 20) + getpid()))
		SKIP(return, "user ids are few here");
	FOR_EACH(i, limits) {
		limit_of_receiver = limits[i].receiver;
		ASSERT_TRUE(process_starts(p, receives_as_someone_new));
		IN_CHILD {
			ASSERT_TRUE(set_limit(limits[i].sender));
			for (int k = 0; k < limits[i].receiver; k++)
				EXPECT_RET(0, queue_value(p->pid, RT + k % 2, k))
					TH_LOG("limits of sender and receiver: %d, %d", limits[i].sender, limits[i].receiver);
			EXPECT_ERR(EAGAIN, queue_value(p->pid, RT, 9))
				TH_LOG("limits of sender and receiver: %d, %d", limits[i].sender, limits[i].receiver);
		}
		process_ends(p);
	}
}

static bool fills_its_queue_and_ends(void)
{
	int pid = fork();

	if (pid == 0) {
		bool queued = true;

		for (int i = 0; i < 4; i++)
			queued &= wait_until(queue_by(i % 2, RT, i) == 0);
		_exit(!queued);
	}
	return end_of(pid) == 0;
}

CLAUSE(what_ended_threads_and_processes_had_queued_makes_room,
       "getrlimit(2) RLIMIT_SIGPENDING, kernel/signal.c flush_sigqueue (5.10, 7.2): signals that nobody took count "
       "no more once the thread or process that they were queued for has ended",
       .needs = "root", .needed_by = USERS)
{
	struct mate mate;

	if (!can_become((1 << 20) + getpid(), (1 << 20) + getpid()))
		SKIP(return, "user ids are few here");
	ASSERT_TRUE(become_someone_new());
	ASSERT_RET(0, set_mask(sigset_without(SIGSET_FULL, SIGCHLD)));	// one that waits would count
	ASSERT_TRUE(set_limit(4));
	for (int round = 0; round < 5; round++) {
		ASSERT_TRUE(mate_sleeps(&mate, SIGSET_FULL));
		for (int i = 0; i < 4; i++)	// an end is known before all that it leaves is gone
			ASSERT_TRUE(wait_until(queue_value_to(mate.tid, RT + i, i) == 0));
		ASSERT_ERR(EAGAIN, queue_value_to(mate.tid, RT, 9));
		ASSERT_TRUE(mate_ends(&mate));
		ASSERT_TRUE(fills_its_queue_and_ends());
	}
}

CLAUSE(proc_status_counts_the_queue,
       "proc_pid_status(5) SigQ: the number of signals queued for the real user, and the limit on it",
       .needs = "root file=/proc/self/status", .needed_by = "criu:sigqueue")
{
	if (!can_become((1 << 20) + getpid(), (1 << 20) + getpid()))
		SKIP(return, "user ids are few here");
	ASSERT_TRUE(become_someone_new());
	ASSERT_RET(0, set_mask(SIGSET_FULL));
	ASSERT_TRUE(set_limit(7));
	for (int i = 0; i <= 5; i++) {
		char text[4096], *line;
		int queued = -1, limit = -1;

		ASSERT_LT(0, read_text("/proc/self/status", text, sizeof(text)));
		line = strstr(text, "SigQ:");
		ASSERT_NE(NULL, line);
		ASSERT_EQ(2, sscanf(line, "SigQ:\t%d/%d", &queued, &limit));
		ASSERT_EQ(i, queued);
		ASSERT_EQ(7, limit);
		ASSERT_RET(0, queue_value(own_pid(), RT, i));
	}
}
