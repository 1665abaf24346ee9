// SPDX-License-Identifier: GPL-2.0-only
// CLONE_CHILD_CLEARTID: the word against the wake, with a long interrupt brought to the CPU of the thread that ends.
//
// The kernel stores 0, then wakes. Were it to wake first, the moment between the two would be too short for the woken
// thread to look; so many timers are made to expire on that CPU at that moment, and their interrupt is the longer of the two.
#include "clone.h"

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#define TIMERS 100
#define TRIALS 20	// to learn how long an end takes
#define ROUNDS 100

struct ending {
	volatile int word;
	cpu_set_t cpus;		// where it ends: not where its end is waited for
	int timer[TIMERS];
	long long arming_ns;	// how long it takes to arm the timers when nobody comes between
	long long lead_ns;	// how long before their moment the thread ends
	volatile long long ended_ns;
};

static void arm(struct ending *e, long long at_ns)
{
	struct __kernel_itimerspec at = { .it_value = { .tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000 } };

	for (int i = 0; i < TIMERS; i++)
		raw_syscall(NR_TIMER_SETTIME, e->timer[i], TIMER_ABSTIME, &at, NULL);
}

static int ends_as_timers_expire(void *arg)
{
	struct ending *e = arg;
	long long start, moment, armed;

	raw_syscall(__NR_sched_setaffinity, 0, sizeof(e->cpus), &e->cpus);
	start = monotonic_ns();
	moment = start + 2 * e->arming_ns + e->lead_ns;
	arm(e, moment);
	armed = monotonic_ns();
	if (e->arming_ns > armed - start)
		e->arming_ns = armed - start;
	do
		e->ended_ns = monotonic_ns();
	while (e->ended_ns < moment - e->lead_ns);
	return 0;
}

static int ends_at_once(void *arg)
{
	struct ending *e = arg;

	raw_syscall(__NR_sched_setaffinity, 0, sizeof(e->cpus), &e->cpus);
	e->ended_ns = monotonic_ns();
	return 0;
}

// The calling thread goes to the last of its CPUs, urgent where that is allowed, and leaves the rest to those that end.
static void part_from(struct ending *e)
{
	struct sched_param urgent = { .sched_priority = 1 };
	int cpu = CPU_SETSIZE - 1;
	cpu_set_t one;

	sched_getaffinity(0, sizeof(e->cpus), &e->cpus);
	while (!CPU_ISSET(cpu, &e->cpus))
		cpu--;
	CPU_CLR(cpu, &e->cpus);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
	sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &urgent);
}

// Starts a thread and waits for its word as pthread_join does: what the wait said, and the word when it said so.
static long wait_for_end(struct ending *e, int (*how)(void *), char *stack, int *word)
{
	struct __kernel_timespec patience = { .tv_sec = 1 };
	int *address = (int *)&e->word;
	long tid = raw_clone(THREAD_FLAGS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID, stack, how, e, address, NULL, address);
	long result;

	if (tid < 0)
		return tid;
	do
		result = raw_syscall(NR_FUTEX, address, FUTEX_WAIT, tid, &patience, NULL, 0);
	while (result == -ETIMEDOUT && e->word == tid);
	if (result)	// its wake may be yet to come, and is not one for the next
		wait_until(is_gone(tid));
	*word = e->word;
	return result;
}

CLAUSE(whoever_the_wake_lets_go_on_reads_zero,
       "clone(2) CLONE_CHILD_CLEARTID: the word is zeroed, then a wake is done, whatever interrupts the thread that"
       " ends: who was woken and read the tid would wait again for ever [GLC-1]",
       .needs = "cpus=2", .needed_by = "glibc:pthread_join musl:__pthread_join")
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct ending *e = shared_memory(sizeof(*e));
	long long quickest = 1000000000;
	char *stack = stack_top();
	sigset_t blocked;
	int late = 0;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	for (int i = 0; i < TIMERS; i++)
		ASSERT_OK(raw_syscall(__NR_timer_create, CLOCK_MONOTONIC, &event, &e->timer[i]));
	part_from(e);
	e->arming_ns = 1000000;
	for (int i = 0; i < TRIALS + ROUNDS; i++) {
		bool trial = i < TRIALS;
		long long took;
		long result;
		int left;

		e->lead_ns = trial ? 0 : quickest * ((i - TRIALS) % 50) / 50;
		result = wait_for_end(e, trial ? ends_at_once : ends_as_timers_expire, stack, &left);
		took = monotonic_ns() - e->ended_ns;
		if (trial && took < quickest)
			quickest = took;
		// It had ended before the wait began, or as a round of waiting was over: that can be, but not again and again.
		if (result == -EAGAIN || (result == -ETIMEDOUT && late++ < 3)) {
			ASSERT_TRUE(wait_until(e->word == 0));
			continue;
		}
		ASSERT_RET(0, result);
		ASSERT_EQ(0, left);
	}
}
