// SPDX-License-Identifier: GPL-2.0-only
// futex(2): a wait whose thread is held up by a long interrupt while the word changes and the wake is done.
//
// What a kernel must do in one step it could do in two, and the moment between them would be too short to be met. So
// many timers expire on the waiter's CPU as it enters the wait: their interrupt lasts longer than the whole call of
// another thread, which begins when the first of them says that it runs. How long before their moment the waiter enters
// follows from what became of the rounds before.
#include "clause.h"

#include <signal.h>

#include "duel.h"
#include "sigaction.h"
#include "waitv.h"

#define TIMERS 40
#define INTERRUPTED SIGUSR1	// by the first timer: the interrupt has begun
#define EXPIRED     SIGUSR2	// by all others, and taken by nobody

static int timer[TIMERS];
static long long arming_ns = MS;	// how long it takes to arm them when nobody comes between

static bool make_timers(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL };
	sigset_t both;

	sigemptyset(&both);
	sigaddset(&both, INTERRUPTED);
	sigaddset(&both, EXPIRED);
	sigprocmask(SIG_BLOCK, &both, NULL);
	for (int i = 0; i < TIMERS; i++) {
		event.sigev_signo = i ? EXPIRED : INTERRUPTED;
		if (raw_syscall(__NR_timer_create, CLOCK_MONOTONIC, &event, &timer[i]))
			return false;
	}
	return true;
}

// Timers expire on the CPU that armed them, those of one moment in the order of their arming.
static void arm_and_enter(const struct duel *d)
{
	long long start = monotonic_ns(), moment = start + 2 * arming_ns, armed;
	struct __kernel_itimerspec at = { .it_value = timespec_of(moment) };

	for (int i = 0; i < TIMERS; i++)
		raw_syscall(NR_TIMER_SETTIME, timer[i], TIMER_ABSTIME, &at, NULL);
	armed = monotonic_ns();
	if (arming_ns > armed - start)
		arming_ns = armed - start;
	while (monotonic_ns() < moment - d->delay)
		;
}

static void await_interrupt(void)
{
	const struct kernel_sigset interrupted = SIGSET(INTERRUPTED);
	const struct __kernel_timespec at_once = { 0, 0 };

	spin_until(raw_syscall(NR_RT_SIGTIMEDWAIT, &interrupted, NULL, &at_once, ARCH_SIGSET_BYTES) == INTERRUPTED);
}

static long enter_wait(struct duel *d, uint32_t round)
{
	arm_and_enter(d);
	return futex_call(&d->word, FUTEX_WAIT | d->flag, round - 1, NULL, NULL, 0);
}

static long enter_waitv(struct duel *d, uint32_t round)
{
	struct futex_waitv entry = entry_of(&d->word, round - 1, PRIVATE_U32);

	arm_and_enter(d);
	return raw_syscall(WAITV(&entry, 1));
}

static long store_and_wake(struct duel *d, uint32_t round)
{
	long woken;

	await_interrupt();
	__atomic_store_n(&d->word, round, __ATOMIC_SEQ_CST);
	woken = futex_call(&d->word, FUTEX_WAKE | d->flag, 1, NULL, NULL, 0);
	d->late = woken;
	return woken;
}

// An ordinary machine fights all rounds in 100 ms; the time is for one that is emulated.
#define INTERRUPTED_WAIT .end = store_and_wake, .otherwise = -EAGAIN, .least = 16, .most = 150, .time = 500 * MS

CLAUSE(an_interrupted_wait_sees_the_change_or_the_wake,
       "futex(2) FUTEX_WAIT: the load of the word, the comparison and starting to sleep are atomic, however long "
       "an interrupt holds the waiter up between them: it returns EAGAIN, or the wake counts it [FUT-2] [incident "
       "24]",
       .needs = "cpus=2", .exclusive = 1, .needed_by = "go:futexsleep go:futexwakeup jvm:Parker glibc:lll_lock")
{
	ASSERT_TRUE(make_timers());
	for (int flag = 0; flag <= FUTEX_PRIVATE_FLAG; flag += FUTEX_PRIVATE_FLAG) {
		struct duel d = { .wait = enter_wait, .flag = flag, INTERRUPTED_WAIT };

		fight(_metadata, &d);
	}
}

CLAUSE(an_interrupted_waitv_sees_the_change_or_the_wake,
       "Documentation/userspace-api/futex2.rst: a word that changes before the call sleeps is EAGAIN, and one that "
       "changes later ends it by the wake, however long an interrupt holds the waiter up",
       NEEDS_WAITV, .needs = "cpus=2", .exclusive = 1)
{
	struct duel d = { .wait = enter_waitv, .flag = FUTEX_PRIVATE_FLAG, INTERRUPTED_WAIT };

	ASSERT_TRUE(make_timers());
	fight(_metadata, &d);
}
