// SPDX-License-Identifier: GPL-2.0-only
// Which thread gets the signal of a timer that names none: any that does not block it, or waits for it.
#include "clause.h"
#include "thread.h"
#include "timer.h"

#include <sys/time.h>

#define USERS "go:setitimer go:setProcessCPUProfiler jvm:profiler glibc:timer_create"

// setitimer's three, and timers of timer_create on two clocks of which one needs CPU time.
static const struct { bool is_itimer, needs_cpu; int which, sig; } kinds[] = {
	{ true,  false, ITIMER_REAL,              SIGALRM },
	{ true,  true,  ITIMER_VIRTUAL,           SIGVTALRM },
	{ true,  true,  ITIMER_PROF,              SIGPROF },
	{ false, false, CLOCK_MONOTONIC,          SIGUSR1 },
	{ false, true,  CLOCK_PROCESS_CPUTIME_ID, SIGUSR2 },
	{ false, true,  CLOCK_THREAD_CPUTIME_ID,  SIGHUP },
};

// Arms one expiration in a millisecond. *id: to be deleted, or -1.
static long arm(unsigned int kind, int *id)
{
	const struct { long interval_sec, interval_usec, sec, usec; } t = { 0, 0, 0, 1000 };
	struct sigevent e = event_of(SIGEV_SIGNAL, kinds[kind].sig);
	long result;

	*id = -1;
	if (kinds[kind].is_itimer)
		return raw_syscall(__NR_setitimer, kinds[kind].which, &t, NULL);
	result = timer_create_raw(kinds[kind].which, &e, id);
	return result ? result : timer_arm(*id, 0, MS, 0);
}

static volatile int stop, may_begin;

// Uses next to no CPU time, so that it is the other thread that runs when the time is up.
static int sleep_with_it_unblocked(void *arg)
{
	struct __kernel_timespec nap = timespec_of(5 * MS);

	raw_sigprocmask(SIG_UNBLOCK, SIGSET((int)(long)arg));
	may_begin = 1;
	while (!stop)
		raw_syscall(NR_PPOLL, NULL, 0, &nap, NULL, 0);
	return 0;
}

CLAUSE(another_thread_handles_what_the_first_one_blocks,
       "setitimer(2), timer_create(2) SIGEV_SIGNAL, signal(7): the signal is the process's: a thread that does not block it handles"
       " it, whichever used the CPU, made the timer or is the first", .needed_by = USERS)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct thread t;
		int id;

		stop = may_begin = 0;
		ASSERT_RET(0, catch_signal(kinds[i].sig));
		ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(kinds[i].sig)));
		ASSERT_OK(thread_start(&t, sleep_with_it_unblocked, (void *)(long)kinds[i].sig));
		ASSERT_TRUE(wait_until(may_begin));
		ASSERT_RET(0, arm(i, &id));
		ASSERT_TRUE(kinds[i].needs_cpu ? burn_until(caught[kinds[i].sig].count) : wait_until(caught[kinds[i].sig].count))
			TH_LOG("row %u", i);
		EXPECT_EQ(t.known_as, caught[kinds[i].sig].tid) TH_LOG("row %u", i);
		stop = 1;
		ASSERT_TRUE(thread_join(&t));
		if (id >= 0)
			EXPECT_RET(0, timer_delete_raw(id));
	}
}

struct taker {
	int sig;
	volatile long taken;
};

static int take(void *arg)
{
	struct __kernel_timespec patience = timespec_of(5 * MS);
	struct taker *k = arg;
	struct kernel_sigset set = SIGSET(k->sig);

	may_begin = 1;
	while (!stop && !k->taken) {
		long sig = raw_syscall(NR_RT_SIGTIMEDWAIT, &set, NULL, &patience, ARCH_SIGSET_BYTES);

		if (!is_error(sig))
			k->taken = sig;
	}
	return 0;
}

CLAUSE(a_thread_that_waits_for_it_takes_it,
       "setitimer(2), timer_create(2) SIGEV_SIGNAL, sigwaitinfo(2): where all threads block the signal, any of them may take it by"
       " waiting for it", .needed_by = USERS)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct taker k = { .sig = kinds[i].sig };
		struct thread t;
		int id;

		stop = may_begin = 0;
		ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(kinds[i].sig)));
		ASSERT_OK(thread_start(&t, take, &k));
		ASSERT_TRUE(wait_until(may_begin));
		ASSERT_RET(0, arm(i, &id));
		ASSERT_TRUE(kinds[i].needs_cpu ? burn_until(k.taken) : wait_until(k.taken)) TH_LOG("row %u", i);
		EXPECT_EQ(kinds[i].sig, k.taken) TH_LOG("row %u", i);
		stop = 1;
		ASSERT_TRUE(thread_join(&t));
		if (id >= 0)
			EXPECT_RET(0, timer_delete_raw(id));
	}
}
