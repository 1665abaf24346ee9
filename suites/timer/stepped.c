// SPDX-License-Identifier: GPL-2.0-only
// Sleeps and timers while CLOCK_REALTIME is set: absolute ones follow the clock, relative ones do not know.
#include "clause.h"

#include <linux/futex.h>
#include <poll.h>
#include <sys/timerfd.h>

#include "thread.h"
#include "timer.h"
#include "timex.h"

#define USERS "glibc:clock_settime go:walltime musl:clock_settime"
#define STEP  (3600 * SECOND)
#define FAR   (1000 * SECOND)	/* what a step forward passes */
#define SETS  .needs = "own_machine cap=sys_time", .exclusive = 1, .needed_by = USERS

#ifndef TFD_TIMER_CANCEL_ON_SET
#define TFD_TIMER_CANCEL_ON_SET 2
#endif

static long long real_was, monotonic_was;

static long set_realtime(long long ns)
{
	struct __kernel_timespec t = timespec_of(ns);

	return raw_syscall(NR_CLOCK_SETTIME, CLOCK_REALTIME, &t);
}

static long step_forward(void)
{
	real_was = clock_ns(CLOCK_REALTIME);
	monotonic_was = clock_ns(CLOCK_MONOTONIC);
	return set_realtime(real_was + STEP);
}

// To what the clock would have shown.
static long step_back(void)
{
	return set_realtime(real_was + clock_ns(CLOCK_MONOTONIC) - monotonic_was);
}

static bool clock_is_kept(void)
{
	struct kernel_timex now = { .modes = 0 };

	return is_error(clock_adjust(CLOCK_REALTIME, &now)) || !(now.status & STA_UNSYNC);
}

// The waits of CLOCK_REALTIME; each returns once its time is up, which lies FAR ahead.
static volatile uint32_t word;

static long by_nanosleep(int clock, bool absolute)
{
	struct __kernel_timespec t = timespec_of(FAR + (absolute ? clock_ns(clock) : 0));

	return raw_syscall(NR_CLOCK_NANOSLEEP, clock, absolute ? TIMER_ABSTIME : 0, &t, NULL);
}

static long by_timerfd(int clock, bool absolute)
{
	struct timer_setting s = { { 0, 0 }, timespec_of(FAR + (absolute ? clock_ns(clock) : 0)) };
	long fd = raw_syscall(__NR_timerfd_create, clock, 0), result;
	uint64_t count;

	raw_syscall(NR_TIMERFD_SETTIME, fd, absolute ? TFD_TIMER_ABSTIME : 0, &s, NULL);
	result = raw_syscall(__NR_read, fd, &count, sizeof(count));
	raw_syscall(__NR_close, fd);
	return result == 8 ? 0 : result;
}

static long by_timer(int clock, bool absolute)
{
	struct kernel_sigset set = SIGSET(SIGUSR1);
	struct sigevent e;
	long result;
	int id = -1;

	memset(&e, 0, sizeof(e));
	e.sigev_notify = SIGEV_THREAD_ID;
	e.sigev_signo = SIGUSR1;
	e.sigev_notify_thread_id = raw_syscall(__NR_gettid);
	timer_create_raw(clock, &e, &id);
	timer_arm(id, absolute ? TIMER_ABSTIME : 0, FAR + (absolute ? clock_ns(clock) : 0), 0);
	result = raw_syscall(NR_RT_SIGTIMEDWAIT, &set, NULL, NULL, ARCH_SIGSET_BYTES);
	timer_delete_raw(id);
	return result == SIGUSR1 ? 0 : result;
}

// FUTEX_WAIT_BITSET takes absolute times alone, FUTEX_WAIT relative ones.
static long by_futex(int clock, bool absolute)
{
	struct __kernel_timespec t = timespec_of(FAR + (absolute ? clock_ns(clock) : 0));
	int op = absolute ? FUTEX_WAIT_BITSET | (clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0) : FUTEX_WAIT;
	long result = raw_syscall(NR_FUTEX, &word, op, 0, &t, NULL, FUTEX_BITSET_MATCH_ANY);

	return result == -ETIMEDOUT ? 0 : result;
}

static const struct { const char *name; long nr; long (*call)(int clock, bool absolute); } waits[] = {
	{ "clock_nanosleep", NR_CLOCK_NANOSLEEP, by_nanosleep },
	{ "timerfd",         __NR_read,          by_timerfd },
	{ "timer_settime",   NR_RT_SIGTIMEDWAIT, by_timer },
	{ "futex",           NR_FUTEX,           by_futex },
};

struct waiter {
	unsigned int wait;
	int clock;
	bool absolute;
	volatile bool ended;
	volatile long result;
	struct thread thread;
};

static int wait_far(void *arg)
{
	struct waiter *w = arg;

	raw_sigprocmask(SIG_BLOCK, SIGSET(SIGUSR1));
	w->result = waits[w->wait].call(w->clock, w->absolute);
	w->ended = true;
	return 0;
}

static bool begins(struct waiter *w)
{
	return !is_error(thread_start(&w->thread, wait_far, w)) && wait_until_blocked_in(w->thread.known_as, waits[w->wait].nr);
}

// Those that a step does not end are ended with the process that has them.
CLAUSE(a_step_ends_absolute_waits_that_it_passes,
       "clock_settime(2) NOTES: a wait for an absolute time of CLOCK_REALTIME that the new time has passed ends at once:"
       " clock_nanosleep, timers, descriptors and futexes alike", SETS)
{
	struct waiter w[ARRAY_SIZE(waits)];
	long set, reset;

	if (clock_is_kept())
		SKIP(return, "somebody keeps this machine's clock");
	for (unsigned int i = 0; i < ARRAY_SIZE(waits); i++) {
		w[i] = (struct waiter){ .wait = i, .clock = CLOCK_REALTIME, .absolute = true };
		ASSERT_TRUE(begins(&w[i])) TH_LOG("%s", waits[i].name);
	}
	set = step_forward();
	for (unsigned int i = 0; !set && i < ARRAY_SIZE(waits) && wait_until(w[i].ended); i++)
		;
	reset = step_back();
	EXPECT_RET(0, set);
	EXPECT_RET(0, reset);
	for (unsigned int i = 0; i < ARRAY_SIZE(waits); i++) {
		EXPECT_TRUE(w[i].ended) TH_LOG("%s goes on", waits[i].name);
		if (w[i].ended) {
			EXPECT_RET(0, w[i].result) TH_LOG("%s", waits[i].name);
		}
	}
}

CLAUSE(a_step_ends_no_relative_wait,
       "clock_settime(2) NOTES, clock_nanosleep(2): setting CLOCK_REALTIME has no effect on waits for an interval, by whichever"
       " clock, nor on absolute ones of another clock: none ends early", SETS)
{
	static const struct { int clock; bool absolute; } of[] = {
		{ CLOCK_REALTIME, false }, { CLOCK_MONOTONIC, false }, { CLOCK_BOOTTIME, false }, { CLOCK_MONOTONIC, true },
	};
	struct waiter w[ARRAY_SIZE(waits) * ARRAY_SIZE(of)];
	long set, reset;

	if (clock_is_kept())
		SKIP(return, "somebody keeps this machine's clock");
	for (unsigned int i = 0; i < ARRAY_SIZE(w); i++) {
		w[i] = (struct waiter){ .wait = i % ARRAY_SIZE(waits), .clock = of[i / ARRAY_SIZE(waits)].clock,
					.absolute = of[i / ARRAY_SIZE(waits)].absolute };
		ASSERT_TRUE(begins(&w[i])) TH_LOG("%s", waits[w[i].wait].name);
	}
	set = step_forward();
	let_pass(5 * MS);
	reset = step_back();
	let_pass(5 * MS);
	EXPECT_RET(0, set);
	EXPECT_RET(0, reset);
	for (unsigned int i = 0; i < ARRAY_SIZE(w); i++) {
		EXPECT_FALSE(w[i].ended) TH_LOG("%s, clock %d, absolute: %d", waits[w[i].wait].name, w[i].clock, w[i].absolute);
	}
}

CLAUSE(what_is_left_of_an_absolute_timer_moves_with_the_clock,
       "timer_gettime(2), timerfd_gettime(2): the time left until an absolute time of CLOCK_REALTIME is shorter by a step forward,"
       " and that of an interval is not", SETS)
{
	struct timer_setting s, left[4];
	struct sigevent e = event_of(SIGEV_NONE, 0);
	long set, reset;
	int id[2];
	long fd[2];

	if (clock_is_kept())
		SKIP(return, "somebody keeps this machine's clock");
	for (int absolute = 0; absolute < 2; absolute++) {
		s = (struct timer_setting){ { 0, 0 }, timespec_of(2 * STEP + (absolute ? clock_ns(CLOCK_REALTIME) : 0)) };
		ASSERT_RET(0, timer_create_raw(CLOCK_REALTIME, &e, &id[absolute]));
		ASSERT_RET(0, raw_syscall(NR_TIMER_SETTIME, id[absolute], absolute ? TIMER_ABSTIME : 0, &s, NULL));
		fd[absolute] = raw_syscall(__NR_timerfd_create, CLOCK_REALTIME, 0);
		ASSERT_OK(fd[absolute]);
		ASSERT_RET(0, raw_syscall(NR_TIMERFD_SETTIME, fd[absolute], absolute ? TFD_TIMER_ABSTIME : 0, &s, NULL));
	}
	memset(left, 0, sizeof(left));
	set = step_forward();
	for (int absolute = 0; absolute < 2; absolute++) {
		timer_gettime_raw(id[absolute], &left[absolute]);
		raw_syscall(NR_TIMERFD_GETTIME, fd[absolute], &left[2 + absolute]);
	}
	reset = step_back();
	EXPECT_RET(0, set);
	EXPECT_RET(0, reset);
	for (int i = 0; i < 4; i++) {
		long long ahead = i % 2 ? STEP : 2 * STEP;

		EXPECT_LE(ns_of(left[i].value), ahead) TH_LOG("row %d", i);
		EXPECT_GT(ns_of(left[i].value), ahead - FAR) TH_LOG("row %d", i);
	}
}

struct cancelled {
	long fd;
	bool polls;
	volatile bool ended;
	volatile long result;
	struct thread thread;
};

static int wait_for_cancellation(void *arg)
{
	struct cancelled *c = arg;
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	uint64_t count;

	if (c->polls)
		raw_syscall(NR_PPOLL, &p, 1, NULL, NULL, 0);
	c->result = raw_syscall(__NR_read, c->fd, &count, sizeof(count));
	c->ended = true;
	return 0;
}

CLAUSE(a_step_wakes_who_waits_for_a_timer_to_be_cancelled,
       "timerfd_create(2) TFD_TIMER_CANCEL_ON_SET: when the clock is set, a read or a poll that already waits ends, too, and the"
       " read says ECANCELED; without the flag it goes on", SETS)
{
	struct timer_setting s;
	struct cancelled c[3];
	long set, reset;

	if (clock_is_kept())
		SKIP(return, "somebody keeps this machine's clock");
	for (int i = 0; i < 3; i++) {
		int cancels = i < 2 ? TFD_TIMER_CANCEL_ON_SET : 0;

		c[i] = (struct cancelled){ .fd = raw_syscall(__NR_timerfd_create, CLOCK_REALTIME, 0), .polls = i == 1 };
		ASSERT_OK(c[i].fd);
		s = (struct timer_setting){ { 0, 0 }, timespec_of(clock_ns(CLOCK_REALTIME) + 2 * STEP) };
		ASSERT_RET(0, raw_syscall(NR_TIMERFD_SETTIME, c[i].fd, TFD_TIMER_ABSTIME | cancels, &s, NULL));
		ASSERT_OK(thread_start(&c[i].thread, wait_for_cancellation, &c[i]));
		ASSERT_TRUE(wait_until_blocked_in(c[i].thread.known_as, c[i].polls ? NR_PPOLL : __NR_read));
	}
	set = step_forward();
	for (int i = 0; !set && i < 2 && wait_until(c[i].ended); i++)
		;
	reset = step_back();
	EXPECT_RET(0, set);
	EXPECT_RET(0, reset);
	for (int i = 0; i < 2; i++) {
		EXPECT_TRUE(c[i].ended) TH_LOG("%s goes on", i ? "a poll" : "a read");
		if (c[i].ended)
			EXPECT_RET(-ECANCELED, c[i].result);
	}
	EXPECT_FALSE(c[2].ended);
}
