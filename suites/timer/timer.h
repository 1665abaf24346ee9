// SPDX-License-Identifier: GPL-2.0-only
// Typed raw calls, clocks and a counting handler for the timer suite; calls return the kernel's value or -errno.
#ifndef TIMER_H
#define TIMER_H

#include <signal.h>
#include <string.h>
#include <time.h>

#include "clocks.h"
#include "sigaction.h"
#include "sync.h"
#include "sys.h"

#define MS 1000000LL
#define SECOND 1000000000LL

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct timer_setting {
	struct __kernel_timespec interval, value;
};

static inline struct __kernel_timespec timespec_of(long long ns)
{
	return (struct __kernel_timespec){ ns / SECOND, ns % SECOND };
}

static inline long long ns_of(struct __kernel_timespec t)
{
	return t.tv_sec * SECOND + t.tv_nsec;
}

static inline long long clock_ns(int clock)
{
	struct __kernel_timespec t = { 0 };

	raw_syscall(NR_CLOCK_GETTIME, clock, &t);
	return ns_of(t);
}

#define timer_create_raw(clock, event, id) raw_syscall(__NR_timer_create, clock, event, id)
#define timer_delete_raw(id)               raw_syscall(__NR_timer_delete, id)
#define timer_getoverrun_raw(id)           raw_syscall(__NR_timer_getoverrun, id)
#define timer_gettime_raw(id, setting)     raw_syscall(NR_TIMER_GETTIME, id, setting)

// Notifies so, of this signal; the calling thread where the way names a thread.
static inline struct sigevent event_of(int notify, int sig)
{
	struct sigevent e;

	memset(&e, 0, sizeof(e));
	e.sigev_notify = notify;
	e.sigev_signo = sig;
	e.sigev_notify_thread_id = raw_syscall(__NR_gettid);
	return e;
}

static inline long timer_arm(int id, int flags, long long value_ns, long long interval_ns)
{
	struct timer_setting s = { timespec_of(interval_ns), timespec_of(value_ns) };

	return raw_syscall(NR_TIMER_SETTIME, id, flags, &s, NULL);
}

// What the last signal of each number brought, and how many came. Handlers count; clauses read.
struct caught {
	volatile int count;
	volatile int code, timer, overrun, tid, number;
	volatile long value;
	volatile long long clock_at;	// of caught_clock, when the first one came
};

static struct caught caught[65];
static int caught_clock = CLOCK_MONOTONIC;

static inline void note_timer_signal(int sig, siginfo_t *info, void *ucontext)
{
	struct caught *c = &caught[sig];

	if (!c->count)
		c->clock_at = clock_ns(caught_clock);
	c->code = info->si_code;
	c->timer = info->si_timerid;
	c->overrun = info->si_overrun;
	c->value = (long)info->si_value.sival_ptr;
	c->number = info->si_value.sival_int;
	c->tid = raw_syscall(__NR_gettid);
	c->count++;
}

static inline long catch_signal(int sig)
{
	memset(&caught[sig], 0, sizeof(caught[sig]));
	return raw_sigaction(sig, note_timer_signal, SA_RESTART);
}

// Lets at least this much of CLOCK_MONOTONIC pass: time is the subject of this suite.
static inline void let_pass(long long ns)
{
	long long until = clock_ns(CLOCK_MONOTONIC) + ns;
	struct __kernel_timespec t = timespec_of(until);

	while (clock_ns(CLOCK_MONOTONIC) < until)
		raw_syscall(NR_CLOCK_NANOSLEEP, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

// Burns a little CPU time in user mode, or in the kernel.
static inline void burn_user(void)
{
	for (volatile int i = 0; i < 20000; i++)
		;
}

static inline void burn_system(void)
{
	static char bytes[1 << 16];

	raw_syscall(__NR_getrandom, bytes, sizeof(bytes), 0);
}

static inline bool is_cpu_clock(int clock)
{
	return clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID || clock < 0;
}

// Lets at least this much of a clock pass: by waiting, or by use of the CPU.
static inline void let_run(int clock, long long ns)
{
	long long until = clock_ns(clock) + ns;

	if (!is_cpu_clock(clock))
		let_pass(ns);
	else
		while (clock_ns(clock) < until)
			burn_user();
}

// A time in which CPU timers that are due by then are looked at: two ticks of the kernel, which are those of its coarse
// clocks, and a little.
static inline long long two_ticks(void)
{
	struct __kernel_timespec tick = { 0 };

	raw_syscall(NR_CLOCK_GETRES, CLOCK_MONOTONIC_COARSE, &tick);
	return 2 * ns_of(tick) + 3 * MS;
}

// As wait_until, but the waiting itself burns CPU time: for events of CPU clocks.
#define burn_until(condition) \
({ \
	struct wait_until_state wait_ = { 0 }; \
	bool held_; \
	while (!(held_ = (condition)) && wait_a_little(&wait_)) \
		for (int burn_ = 0; burn_ < 20 && !(condition); burn_++) \
			burn_user(); \
	held_; \
})

#endif
