// SPDX-License-Identifier: GPL-2.0-only
// futex(2): a waiter that is stopped and continued, by SIGSTOP or by a tracer, waits on as if nothing had been.
#include "clause.h"

#include <sys/ptrace.h>

#include "sigaction.h"
#include "waiter.h"

#define MS 1000000LL

static const struct kind {
	int op;
	int clock;		// of the absolute timeout; -1 for a relative one
	bool timed;
} kinds[] = {
	{ FUTEX_WAIT_PRIVATE,                               -1,              false },
	{ FUTEX_WAIT,                                       -1,              false },
	{ FUTEX_WAIT_BITSET_PRIVATE,                        -1,              false },
	{ FUTEX_WAIT_BITSET,                                -1,              false },
	{ FUTEX_WAIT_PRIVATE,                               -1,              true },
	{ FUTEX_WAIT,                                       -1,              true },
	{ FUTEX_WAIT_BITSET_PRIVATE,                        CLOCK_MONOTONIC, true },
	{ FUTEX_WAIT_BITSET,                                CLOCK_MONOTONIC, true },
	{ FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME,  true },
	{ FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME,         CLOCK_REALTIME,  true },
};

// A child process of two threads in shared memory: one waits, the other then does what the clause wants done there.
struct stage {
	uint32_t word;
	const struct kind *kind;
	long long ns;			// the timeout
	struct __kernel_timespec timeout;
	struct waiter w;
	volatile int waits, go;
	volatile long by_wrong_key, by_wrong_bits, by_right_bits, result;
	volatile long long began, ended;	// CLOCK_MONOTONIC
	int pid, status;
	bool reaped;
};

#define BITS 0x00010010

// After the pause: a wake of the other kind, one without a bit in common, and the one that must find the waiter.
static void wake_in_three_ways(struct stage *s)
{
	int private = s->kind->op & FUTEX_PRIVATE_FLAG;
	bool bits = (s->kind->op & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;

	s->by_wrong_key = futex_call(&s->word, FUTEX_WAKE | (private ^ FUTEX_PRIVATE_FLAG), 9, NULL, NULL, 0);
	s->by_wrong_bits = bits ? futex_call(&s->word, FUTEX_WAKE_BITSET | private, 9, NULL, NULL, ~BITS) : 0;
	s->by_right_bits = futex_call(&s->word, FUTEX_WAKE_BITSET | private, 9, NULL, NULL, BITS & -BITS);
}

static void stage_child(struct stage *s, bool wake)
{
	s->began = monotonic_ns();	// before the deadline is made: between the two this process may lose the CPU
	if (s->kind->timed) {
		s->timeout = timespec_of((s->kind->clock < 0 ? 0 : clock_ns(s->kind->clock)) + s->ns);
		s->w.timeout = &s->timeout;
	}
	s->waits = waiter_sleeps(&s->w) ? 1 : -1;
	if (wake && wait_until(s->go) && wait_until(is_asleep(s->w.tid) || s->w.returned))
		wake_in_three_ways(s);
	s->result = waiter_result(&s->w);
	s->ended = monotonic_ns();
	_exit(0);
}

// Starts the child; true once its second thread is asleep on the word, for ns nanoseconds if the kind is timed.
static bool stage_begins(struct stage *s, const struct kind *kind, long long ns, bool wake)
{
	pid_t pid;

	memset(s, 0, sizeof(*s));
	s->kind = kind;
	s->ns = ns;
	s->w = waiter_on(&s->word, kind->op);
	s->w.bitset = BITS;
	s->result = -EINPROGRESS;
	pid = fork();
	if (pid == 0)
		stage_child(s, wake);
	s->pid = pid;
	return pid > 0 && wait_until(s->waits) && s->waits == 1;
}

static bool stage_ends(struct stage *s)
{
	s->go = 1;
	return (s->reaped || waitpid(s->pid, &s->status, 0) == s->pid) && s->status == 0;
}

// False if the child had ended before it could be stopped.
static bool stop(struct stage *s)
{
	if (kill(s->pid, SIGSTOP) || waitpid(s->pid, &s->status, WUNTRACED) != s->pid)
		return false;
	s->reaped = !WIFSTOPPED(s->status);
	return !s->reaped;
}

// Stops one thread as a tracer, without a signal.
static bool trace_stop(int tid)
{
	return ptrace(PTRACE_SEIZE, tid, 0, 0) == 0 && ptrace(PTRACE_INTERRUPT, tid, 0, 0) == 0 &&
	       waitpid(tid, NULL, __WALL) == tid;
}

// How far one clock is ahead of the other: changes only when somebody sets the time of day.
static long long time_of_day_shift(void)
{
	return clock_ns(CLOCK_REALTIME) - monotonic_ns();
}

CLAUSE(a_stopped_waiter_waits_on_when_continued,
       "signal(7) Interruption of system calls by stop signals: FUTEX_WAIT (since 2.6.22) goes on after SIGSTOP and "
       "SIGCONT with the word, key, bits and timeout it had [FUT-5]",
       .needed_by = "go:futexsleep")
{
	struct stage *s = shared_memory(sizeof(*s));

	FOR_EACH(k, kinds) {
		ASSERT_TRUE(stage_begins(s, &kinds[k], 3600000 * MS, true));
		for (int i = 0; i < 2; i++) {
			ASSERT_TRUE(stop(s));
			ASSERT_EQ(0, kill(s->pid, SIGCONT));
			ASSERT_TRUE(wait_until(is_asleep(s->w.tid) || s->w.returned));
		}
		ASSERT_TRUE(stage_ends(s));
		EXPECT_EQ(0, s->by_wrong_key);
		EXPECT_EQ(0, s->by_wrong_bits);
		EXPECT_EQ(1, s->by_right_bits);
		EXPECT_RET(0, s->result);
	}
}

CLAUSE(a_traced_waiter_waits_on_when_released,
       "ptrace(2): a stop by a tracer is not a signal: the interrupted FUTEX_WAIT goes on with the word, key, bits "
       "and timeout it had [FUT-5]",
       .needed_by = "go:futexsleep")
{
	struct stage *s = shared_memory(sizeof(*s));

	FOR_EACH(k, kinds) {
		ASSERT_TRUE(stage_begins(s, &kinds[k], 3600000 * MS, true));
		if (ptrace(PTRACE_SEIZE, s->w.tid, 0, 0)) {
			kill(s->pid, SIGKILL);
			SKIP(return, "ptrace is not permitted here");
		}
		for (int i = 0; i < 2; i++) {
			ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, s->w.tid, 0, 0));
			ASSERT_EQ(s->w.tid, waitpid(s->w.tid, NULL, __WALL));
			ASSERT_EQ(0, ptrace(i ? PTRACE_DETACH : PTRACE_CONT, s->w.tid, 0, 0));
			ASSERT_TRUE(wait_until(is_asleep(s->w.tid) || s->w.returned));
		}
		ASSERT_TRUE(stage_ends(s));
		EXPECT_EQ(0, s->by_wrong_key);
		EXPECT_EQ(0, s->by_wrong_bits);
		EXPECT_EQ(1, s->by_right_bits);
		EXPECT_RET(0, s->result);
	}
}

CLAUSE(a_signal_that_a_tracer_takes_away_does_not_end_the_wait,
       "ptrace(2) Signal injection and suppression: a suppressed signal is not delivered: no handler runs, and the "
       "wait, timed or not, goes on [FUT-5]",
       .needed_by = "go:futexsleep")
{
	struct stage *s = shared_memory(sizeof(*s));

	ASSERT_OK(raw_sigaction(SIGUSR1, (signal_handler *)abort, 0));
	FOR_EACH(k, kinds) {
		int status;

		ASSERT_TRUE(stage_begins(s, &kinds[k], 3600000 * MS, true));
		if (ptrace(PTRACE_SEIZE, s->w.tid, 0, 0)) {
			kill(s->pid, SIGKILL);
			SKIP(return, "ptrace is not permitted here");
		}
		ASSERT_OK(raw_syscall(__NR_tgkill, s->pid, s->w.tid, SIGUSR1));
		ASSERT_EQ(s->w.tid, waitpid(s->w.tid, &status, __WALL));
		EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGUSR1);
		ASSERT_EQ(0, ptrace(PTRACE_DETACH, s->w.tid, 0, 0));	// and no signal
		ASSERT_TRUE(wait_until(is_asleep(s->w.tid) || s->w.returned));
		ASSERT_TRUE(stage_ends(s));
		EXPECT_EQ(0, s->by_wrong_key);
		EXPECT_EQ(0, s->by_wrong_bits);
		EXPECT_EQ(1, s->by_right_bits);
		EXPECT_RET(0, s->result);
	}
}

// Stops a waiter until its timeout has passed, and lets it go then: one whose timeout began anew needs all of it once
// more. A slow machine can look the same, so a longer timeout is tried before it is called a failure.
static bool keeps_its_deadline(struct stage *s, const struct kind *kind, bool by_tracer, bool *early)
{
	for (long long ns = 5 * MS; ns <= 700 * MS * slowness(); ns *= 2) {
		long long released, shift = time_of_day_shift();
		bool stopped = stage_begins(s, kind, ns, false) && (by_tracer ? trace_stop(s->w.tid) : stop(s));

		wait_until(monotonic_ns() - s->began > ns);
		stopped = stopped && !s->w.returned;
		released = monotonic_ns();
		if (by_tracer)
			ptrace(PTRACE_DETACH, s->w.tid, 0, 0);
		else if (!s->reaped)
			kill(s->pid, SIGCONT);
		if (!stage_ends(s))
			return false;
		if (kind->clock == CLOCK_REALTIME && llabs(time_of_day_shift() - shift) > MS)
			continue;
		*early |= s->result != -ETIMEDOUT || s->ended - s->began < ns;
		if (stopped && s->ended - released < ns)
			return true;
	}
	return false;
}

CLAUSE(a_stopped_waiter_keeps_its_deadline,
       "kernel/futex/waitwake.c futex_wait_restart (7.2): a timed wait that was stopped resumes with the deadline it "
       "had, not with the interval anew, and times out [FUT-5]",
       .needed_by = "go:futexsleep")
{
	struct stage *s = shared_memory(sizeof(*s));

	FOR_EACH(k, kinds) {
		bool early = false;

		if (!kinds[k].timed)
			continue;
		ASSERT_TRUE(keeps_its_deadline(s, &kinds[k], false, &early));
		EXPECT_FALSE(early);
	}
}

CLAUSE(a_traced_waiter_keeps_its_deadline,
       "kernel/futex/waitwake.c futex_wait_restart (7.2): a timed wait that a tracer stopped resumes with the "
       "deadline it had, not with the interval anew, and times out [FUT-5]",
       .needed_by = "go:futexsleep")
{
	struct stage *s = shared_memory(sizeof(*s));

	ASSERT_TRUE(stage_begins(s, &kinds[0], 0, true));
	if (!trace_stop(s->w.tid)) {
		kill(s->pid, SIGKILL);
		SKIP(return, "ptrace is not permitted here");
	}
	ptrace(PTRACE_DETACH, s->w.tid, 0, 0);
	ASSERT_TRUE(stage_ends(s));
	FOR_EACH(k, kinds) {
		bool early = false;

		if (!kinds[k].timed)
			continue;
		ASSERT_TRUE(keeps_its_deadline(s, &kinds[k], true, &early));
		EXPECT_FALSE(early);
	}
}

CLAUSE(a_word_changed_during_a_stop_is_noticed,
       "futex(2) FUTEX_WAIT: a waiter that was stopped while the word changed and a wake was sent does not sleep on: "
       "it has been woken, or compares the word again [FUT-2]",
       .needed_by = "go:futexwakeup")
{
	struct stage *s = shared_memory(sizeof(*s));

	FOR_EACH(k, kinds) {
		long woken;

		if (kinds[k].op & FUTEX_PRIVATE_FLAG)	// nobody in another process can wake it
			continue;
		ASSERT_TRUE(stage_begins(s, &kinds[k], 3600000 * MS, false));
		ASSERT_TRUE(stop(s));
		__atomic_store_n(&s->word, 1, __ATOMIC_SEQ_CST);
		woken = futex_wake_shared(&s->word, 1);
		ASSERT_EQ(0, kill(s->pid, SIGCONT));
		ASSERT_TRUE(stage_ends(s));
		EXPECT_TRUE(woken == 0 || woken == 1);
		EXPECT_RET(woken ? 0 : -EAGAIN, s->result);
	}
}
