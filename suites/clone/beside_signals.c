// SPDX-License-Identifier: GPL-2.0-only
// clone(2) and signals beside each other: who is being made while a signal, a stop or an end comes to its maker.
#include "clone.h"
#include "sigaction.h"

#define USERS "go:newosproc go:fork_exec glibc:_Fork glibc:pthread_create"
#define COMMIT "c3ad2c3b02e9 signal: Don't restart fork when signals come in."

static struct shared {
	volatile int round, begun, done, inside, signals, sent, before, stop;
	volatile int tid, maker, word;
	volatile long result, pid;
	volatile long long duration, pause;
} *shared;

static void begin(void)
{
	shared = shared_memory(sizeof(*shared));
}

static void spin_until(long long moment)
{
	while (monotonic_ns() < moment)
		arch_pause();
}

// A copy of this much takes long enough for others to come in between.
static void be_large(size_t size)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	raw_syscall(__NR_madvise, memory, size, MADV_NOHUGEPAGE);
	for (size_t at = 0; at < size; at += 4096)
		memory[at] = 1;
}

// Makes one that ends at once; the result of the call. *duration is how long that took if it was shorter than ever.
static long make(const struct task_kind *k, char *stack, volatile long long *duration)
{
	long long begun = monotonic_ns(), took;
	long pid;

	shared->inside = 1;
	pid = raw_clone(k->flags, stack, returns_zero, NULL, NULL, NULL, NULL);
	shared->inside = 0;
	took = monotonic_ns() - begun;

	if (is_error(pid))
		return pid;
	if (duration && (!*duration || took < *duration))
		*duration = took;
	if (k->flags & CLONE_THREAD)
		return wait_until(!task_state(pid)) ? pid : -ETIME;
	return end_of(pid) == EXITED(0) ? pid : -ECHILD;
}

static void count_signal(int sig, siginfo_t *info, void *ucontext)
{
	shared->signals++;
}

// What it takes to send oneself a signal, handle it and go on.
static long long time_of_a_signal(long self)
{
	long long begun = monotonic_ns();

	raw_syscall(__NR_kill, self, SIGUSR1);
	return monotonic_ns() - begun;
}

#define ENOUGH 100

// Sends a maker that is inside the call a signal some time after it has handled the last one; shares its memory. The
// time is less than the call takes, but enough to come back from the handler and into the call.
static int pesters(void *maker)
{
	while (!shared->stop) {
		if (!shared->inside || shared->signals < shared->sent || shared->sent - shared->before >= ENOUGH) {
			raw_syscall(__NR_sched_yield);
			continue;
		}
		spin_until(monotonic_ns() + (shared->duration / 4 > shared->pause ? shared->duration / 4 : shared->pause));
		shared->sent++;
		raw_syscall(__NR_kill, *(long *)maker, SIGUSR1);
	}
	return 0;
}

CLAUSE(signals_neither_end_nor_hold_up_the_making_of_a_task,
       "fork(2), clone(2) ERRORS, kernel/fork.c copy_process (5.10, 7.2): signals that are handled, with or without "
       "SA_RESTART, do not make the call fail: it is never EINTR; nor do those that come faster than it takes make it "
       "begin again and again", .commit = COMMIT, .needed_by = USERS)
{
	char *stack = stack_top();
	long self = getpid();

	be_large(32 << 20);	// many times as long as a signal takes
	for (unsigned int i = 0; i < ARRAY_SIZE(task_kinds); i++) {
		for (int restart = 0; restart < 2; restart++) {
			int held_up = 0;
			long pid, pest;

			begin();
			ASSERT_RET(0, raw_sigaction(SIGUSR1, count_signal, restart ? SA_RESTART : 0));
			for (int n = 0; n < 4; n++) {
				long long took = 2 * time_of_a_signal(self);

				ASSERT_OK(make(&task_kinds[i], stack, &shared->duration));
				if (!n || took < shared->pause)
					shared->pause = took;
			}
			shared->sent = shared->signals;
			ASSERT_OK(pest = child_of(CLONE_VM | SIGCHLD, pesters, &self));
			for (int n = 0; n < 6; n++) {
				shared->before = shared->sent;
				pid = make(&task_kinds[i], stack, NULL);
				EXPECT_OK(pid)
					TH_LOG("%s", task_kinds[i].name);
				// Signals to who makes something small may come before it is back in the call.
				held_up += shared->duration > 4 * shared->pause && shared->sent - shared->before >= ENOUGH;
			}
			EXPECT_GE(2, held_up)	// where signals do it they do it each time; a CPU that stumbles does it once
				TH_LOG("%s", task_kinds[i].name);
			shared->stop = 1;
			EXPECT_RET(EXITED(0), end_of(pest));
		}
	}
}

/* ---- A signal, a stop, an end that comes at a swept moment of the call ---- */

#define MOMENTS 32

// Waits for the maker to begin its call, and returns at a moment of that: up to half as long again as it takes.
static void come_in_between(int round, int moment)
{
	long long span = shared->duration + shared->duration / 2, patience = monotonic_ns() + 2000000;

	__atomic_store_n(&shared->round, round, __ATOMIC_SEQ_CST);
	while (shared->begun != round && monotonic_ns() < patience)
		arch_pause();
	spin_until(monotonic_ns() + span * moment / MOMENTS);
}

// Begins the round without delay if it comes soon.
static bool next_round(int round)
{
	for (int i = 0; i < 20000 && shared->round < round; i++)
		arch_pause();
	if (!wait_until(shared->round >= round))
		return false;
	shared->begun = round;
	return true;
}

static volatile int own_signals;	// of each process: a copy has those of its maker when it was made

static void count_own_signal(int sig, siginfo_t *info, void *ucontext)
{
	own_signals++;
}

static int sees_the_signal(void *unused)
{
	wait_until(own_signals);
	return own_signals != 1;
}

// Leads the group, and makes a copy of itself in each round.
static int makes_copies(void *unused)
{
	char *stack = stack_top();
	long pid = 0;

	raw_syscall(__NR_setpgid, 0, 0);
	raw_sigaction(SIGUSR1, count_own_signal, SA_RESTART);
	be_large(2 << 20);
	for (int n = 0; n < 4; n++)
		make(&task_kinds[0], stack, &shared->duration);
	shared->done = 1;
	for (int round = 1; round <= MOMENTS; round++) {
		if (!next_round(round))
			return 1;
		pid = raw_clone(SIGCHLD, stack, sees_the_signal, NULL, NULL, NULL, NULL);
		if (!wait_until(own_signals) || own_signals != 1)
			return 2;
		if (end_of(pid) != EXITED(0))
			return 3;
		own_signals = 0;
		shared->done = round + 1;
	}
	return 0;
}

CLAUSE(a_signal_to_the_group_reaches_who_is_being_made_in_it,
       "kill(2), kernel/fork.c copy_process (5.10, 7.2): a signal to a process group that comes while a member forks is "
       "seen once by each of the two, as if it came before the call or after it", .commit = COMMIT, .exclusive = 1, .needed_by = USERS)
{
	long maker;

	begin();
	ASSERT_OK(maker = child_of(SIGCHLD, makes_copies, NULL));
	ASSERT_TRUE(wait_until(shared->done));
	for (int round = 1; round <= MOMENTS && shared->done == round; round++) {
		come_in_between(round, round - 1);
		EXPECT_RET(0, raw_syscall(__NR_kill, -maker, SIGUSR1));
		ASSERT_TRUE(wait_until(shared->done > round || task_state(maker) == 'Z'));
	}
	EXPECT_RET(EXITED(0), end_of(maker));
}

static int lives_through_the_round(void *unused)
{
	return !wait_until(shared->round % 2 == 0);
}

// With a table of descriptors of their own, large enough to take a while.
static const struct task_kind apart = { "a thread with its own descriptors", THREAD_FLAGS & ~CLONE_FILES };

// Makes a thread in each odd round, which ends in the even one that follows.
static int makes_threads(void *unused)
{
	char *stack = stack_top();
	int *tid = (int *)&shared->tid, *word = (int *)&shared->word;

	for (int fd = 100; fd < 1000; fd++)
		raw_syscall(__NR_dup3, 1, fd, 0);
	for (int n = 0; n < 4; n++)
		make(&apart, stack, &shared->duration);
	shared->done = 1;
	for (int round = 1;; round += 2) {
		if (!next_round(round))
			exits_all(&(int){ 1 });
		shared->word = 1;
		shared->result = raw_clone(apart.flags | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID, stack,
					   lives_through_the_round, NULL, tid, NULL, word);
		if (is_error(shared->result) || !wait_until(!shared->word))
			exits_all(&(int){ 2 });
		shared->tid = 0;
		shared->done = round + 1;
	}
	return 0;
}

// The first thread sleeps: it is the one that takes a signal, while the other is at work.
static int has_a_thread_that_makes_threads(void *unused)
{
	struct thread t;

	shared->maker = thread_start(&t, makes_threads, NULL);
	return waits_for_ever(NULL);
}

CLAUSE(a_thread_that_is_being_made_stops_with_its_process,
       "signal(7), kernel/signal.c task_join_group_stop (5.10, 7.2): when a process is told stopped, a thread that it was "
       "making when the stop came has stopped as well, and goes on with the others",
       .commit = "924de3b8c936 fork: Have new threads join on-going signal group stops", .exclusive = 1,
       .needed_by = USERS)
{
	long maker;

	begin();
	ASSERT_OK(maker = child_of(SIGCHLD, has_a_thread_that_makes_threads, NULL));
	ASSERT_TRUE(wait_until(shared->done));
	for (int moment = 0; moment < MOMENTS; moment++) {
		int round = 1 + 2 * moment, status = 0;

		come_in_between(round, moment);
		ASSERT_RET(0, raw_syscall(__NR_kill, maker, SIGSTOP));
		ASSERT_RET(maker, raw_syscall(__NR_wait4, maker, &status, WUNTRACED, NULL));
		ASSERT_EQ(SIGSTOP << 8 | 0x7f, status);
		EXPECT_EQ('T', task_state(maker));
		EXPECT_EQ('T', task_state(shared->maker));
		if (shared->tid)
			EXPECT_EQ('T', task_state(shared->tid));
		ASSERT_RET(0, raw_syscall(__NR_kill, maker, SIGCONT));
		ASSERT_TRUE(wait_until(shared->tid));
		shared->round = round + 1;
		ASSERT_TRUE(wait_until(shared->done == round + 1));
	}
	kill_and_reap(maker);
}

CLAUSE(a_process_that_is_killed_while_it_makes_a_thread_ends,
       "signal(7), kernel/fork.c copy_process (5.10, 7.2): SIGKILL that comes while a thread is being made ends all of "
       "the process: no thread that is made then lives on",
       .needed_by = USERS)
{
	for (int moment = 0; moment < MOMENTS; moment += 4) {
		long maker;

		begin();
		ASSERT_OK(maker = child_of(SIGCHLD, has_a_thread_that_makes_threads, NULL));
		ASSERT_TRUE(wait_until(shared->done));
		come_in_between(1, moment);
		ASSERT_RET(0, raw_syscall(__NR_kill, maker, SIGKILL));
		ASSERT_TRUE(wait_until(raw_syscall(__NR_wait4, maker, NULL, WNOHANG, NULL) == maker));
		if (shared->tid)
			EXPECT_EQ(0, task_state(shared->tid));
	}
}
