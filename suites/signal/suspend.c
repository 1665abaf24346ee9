// SPDX-License-Identifier: GPL-2.0-only
// Waits that change the signal mask (waits.h has the calls), and pause(2).
#include "clause.h"

#include "origin.h"
#include "thread.h"
#include "waits.h"

#define MS 1000000LL
#define USERS "glibc:sigsuspend erlang:erts_poll_wait jvm:NET_Poll"

static struct kernel_sigset mask_now(void)
{
	struct kernel_sigset mask = SIGSET_EMPTY;

	raw_syscall(__NR_rt_sigprocmask, SIG_BLOCK, NULL, &mask, ARCH_SIGSET_BYTES);
	return mask;
}

static bool is_same(struct kernel_sigset a, struct kernel_sigset b)
{
	return !memcmp(&a, &b, sizeof(a));
}

// What a handler saw of the masks, in the order of signals.
static volatile int handled;
static int handled_sig[8];
static struct kernel_sigset mask_in_handler, mask_saved;

static void note_masks(int sig, siginfo_t *info, void *ucontext)
{
	handled_sig[handled % 8] = sig;
	mask_in_handler = mask_now();
	memcpy(&mask_saved, &((ucontext_t *)ucontext)->uc_sigmask, sizeof(mask_saved));
	handled++;
}

struct waiter {
	const struct wait *wait;
	struct kernel_sigset mask;
	int fd;
	volatile long result;
	volatile int handled_at_return, returned;
	struct kernel_sigset before, after;
	struct thread thread;
};

static int waiter_main(void *arg)
{
	struct waiter *w = arg;

	w->before = mask_now();
	w->result = w->wait->wait(&w->mask, ARCH_SIGSET_BYTES, w->fd);
	w->handled_at_return = handled;
	w->after = mask_now();
	w->returned = 1;
	return 0;
}

// Starts a thread that waits, its mask the caller's; true once it is asleep.
static bool waiter_sleeps(struct waiter *w, const struct wait *wait, struct kernel_sigset mask, int fd)
{
	*w = (struct waiter){ .wait = wait, .mask = mask, .fd = fd };
	return !is_error(thread_start(&w->thread, waiter_main, w)) &&
	       wait_until(is_blocked_in(w->thread.known_as, wait->nr) || w->returned) && !w->returned;
}

static long send_to(const struct waiter *w, int sig)
{
	return raw_syscall(__NR_tgkill, getpid(), w->thread.known_as, sig);
}

// Both signals have a handler; SIGUSR1 is blocked, SIGUSR2 is not.
static bool signals_are_set(unsigned long flags)
{
	handled = 0;
	return !raw_sigaction(SIGUSR1, note_masks, flags) && !raw_sigaction(SIGUSR2, note_masks, flags) &&
	       !raw_sigprocmask(SIG_BLOCK, SIGSET(SIGUSR1)) && !raw_sigprocmask(SIG_UNBLOCK, SIGSET(SIGUSR2));
}

#define NAMED(w) { TH_LOG("by %s", (w)->name); }

CLAUSE(the_mask_is_in_force_during_the_wait,
       "sigsuspend(2), select(2), epoll_wait(2): the mask replaces the thread's while it waits: a signal that was "
       "blocked is handled and "
       "ends the wait with EINTR, even with SA_RESTART [SIG-7]", .needed_by = USERS)
{
	static const unsigned long flags[] = { 0, SA_RESTART };
	struct waiter w;

	FOR_EACH_WAIT(wait) {
		FOR_EACH(f, flags) {
			ASSERT_TRUE(signals_are_set(flags[f]));
			ASSERT_TRUE(waiter_sleeps(&w, wait, SIGSET(SIGUSR2), -1)) NAMED(wait);
			ASSERT_OK(send_to(&w, SIGUSR1));
			ASSERT_TRUE(thread_join(&w.thread)) NAMED(wait);
			EXPECT_RET(-EINTR, w.result) NAMED(wait);
			EXPECT_EQ(1, w.handled_at_return) NAMED(wait);
			EXPECT_EQ(SIGUSR1, handled_sig[0]) NAMED(wait);
		}
	}
}

CLAUSE(the_mask_is_restored_afterwards,
       "sigsuspend(2), select(2), epoll_wait(2): on return the mask is again what it was before the call; the "
       "handler's frame holds that "
       "mask to return to", .needed_by = USERS)
{
	struct waiter w;

	FOR_EACH_WAIT(wait) {
		ASSERT_TRUE(signals_are_set(0));
		ASSERT_TRUE(waiter_sleeps(&w, wait, SIGSET(SIGRTMAX), -1)) NAMED(wait);
		ASSERT_OK(send_to(&w, SIGUSR1));
		ASSERT_TRUE(thread_join(&w.thread));
		EXPECT_TRUE(is_same(w.before, w.after)) NAMED(wait);
		EXPECT_TRUE(is_same(w.before, mask_saved)) NAMED(wait);
	}
}

CLAUSE(the_handler_runs_under_the_mask_of_the_wait,
       "kernel/signal.c signal_setup_done, set_restore_sigmask (7.2): the handler that ends the wait runs with the "
       "wait's mask and what its "
       "action adds, before the old mask is back", .needed_by = USERS)
{
	struct kernel_sigset want = sigset_with(sigset_with(SIGSET(SIGUSR1), SIGUSR2), SIGRTMAX);
	struct waiter w;

	FOR_EACH_WAIT(wait) {
		ASSERT_TRUE(signals_are_set(0));
		ASSERT_OK(raw_sigprocmask(SIG_BLOCK, SIGSET(SIGRTMIN)));
		ASSERT_TRUE(waiter_sleeps(&w, wait, sigset_with(SIGSET(SIGUSR2), SIGRTMAX), -1)) NAMED(wait);
		ASSERT_OK(send_to(&w, SIGUSR1));
		ASSERT_TRUE(thread_join(&w.thread));
		EXPECT_TRUE(is_same(want, mask_in_handler)) NAMED(wait);
	}
}

CLAUSE(a_signal_that_the_mask_blocks_waits_for_the_return,
       "sigsuspend(2), select(2), epoll_wait(2): a signal in the mask does not end the wait; it is handled when the "
       "call returns and the "
       "old mask is back, and not lost", .needed_by = USERS)
{
	struct waiter w;

	FOR_EACH_WAIT(wait) {
		ASSERT_TRUE(signals_are_set(0));
		ASSERT_TRUE(waiter_sleeps(&w, wait, SIGSET(SIGUSR2), -1)) NAMED(wait);
		ASSERT_OK(send_to(&w, SIGUSR2));
		ASSERT_TRUE(wait_until(is_blocked_in(w.thread.known_as, wait->nr) || w.returned));
		EXPECT_FALSE(w.returned) NAMED(wait);
		EXPECT_EQ(0, handled) NAMED(wait);
		ASSERT_OK(send_to(&w, SIGUSR1));
		ASSERT_TRUE(thread_join(&w.thread));
		EXPECT_RET(-EINTR, w.result) NAMED(wait);
		EXPECT_EQ(2, w.handled_at_return) NAMED(wait);
	}
}

CLAUSE(a_pending_signal_ends_the_wait_at_once,
       "sigsuspend(2), select(2), epoll_wait(2): changing the mask and waiting is atomic: a signal that is pending and "
       "not in the mask is "
       "handled at once", .needed_by = USERS)
{
	struct kernel_sigset none = SIGSET_EMPTY;

	FOR_EACH_WAIT(wait) {
		for (int to_process = 0; to_process < 2; to_process++) {
			ASSERT_TRUE(signals_are_set(0));
			ASSERT_OK(to_process ? raw_syscall(__NR_kill, getpid(), SIGUSR1) :
				  raw_syscall(__NR_tgkill, getpid(), getpid(), SIGUSR1));
			EXPECT_RET(-EINTR, wait->wait(&none, ARCH_SIGSET_BYTES, -1)) NAMED(wait);
			EXPECT_EQ(1, handled) NAMED(wait);
			EXPECT_FALSE(is_pending(SIGUSR1)) NAMED(wait);
		}
	}
}

struct sender {
	int times;
	volatile int sent, taken;
	struct thread thread;
};

// Sends at ever other moments of the waiter's turn.
static int sender_main(void *arg)
{
	struct sender *s = arg;

	for (int i = 0; i < s->times; i++) {
		for (int spin = 0; spin < i * 137 % 3000; spin++)
			__asm__ volatile("");
		s->sent++;
		raw_syscall(__NR_kill, getpid(), SIGUSR1);
		if (!wait_until(s->taken == s->sent))
			return 1;
	}
	return 0;
}

CLAUSE(no_signal_is_lost_at_the_beginning_of_a_wait,
       "sigsuspend(2) NOTES, select(2) pselect(): there is no moment between the change of the mask and the wait at "
       "which a signal could "
       "come unnoticed", .needed_by = USERS)
{
	struct kernel_sigset none = SIGSET_EMPTY;

	FOR_EACH_WAIT(wait) {
		struct sender s = { .times = 20 };

		ASSERT_TRUE(signals_are_set(0));
		ASSERT_OK(thread_start(&s.thread, sender_main, &s));
		for (int i = 1; i <= s.times; i++) {
			ASSERT_RET(-EINTR, wait->wait(&none, ARCH_SIGSET_BYTES, -1)) NAMED(wait);
			ASSERT_EQ(i, handled) NAMED(wait);
			s.taken = i;
		}
		ASSERT_TRUE(thread_join(&s.thread));
	}
}

CLAUSE(an_event_and_a_signal_are_both_reported_in_time,
       "select(2) pselect(), epoll_wait(2): where a file is ready as the wait begins and a signal pends, either is "
       "reported and the other is "
       "still there afterwards", .needed_by = USERS)
{
	struct kernel_sigset none = SIGSET_EMPTY;
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	ASSERT_RET(1, raw_syscall(__NR_write, fds[1], "x", 1));
	FOR_EACH_WAIT(wait) {
		long result;

		if (wait == waits)
			continue;
		ASSERT_TRUE(signals_are_set(0));
		ASSERT_OK(raw_syscall(__NR_kill, getpid(), SIGUSR1));
		result = wait->wait(&none, ARCH_SIGSET_BYTES, fds[0]);
		EXPECT_TRUE(result == 1 || result == -EINTR) NAMED(wait);
		EXPECT_EQ(1, handled + is_pending(SIGUSR1)) NAMED(wait);
		// fs/aio.c has the signal handled on the way out whatever it returns.
		if (result == -EINTR || strncmp(wait->name, "io_", 3))
			EXPECT_EQ(result == -EINTR, handled) NAMED(wait);
		EXPECT_TRUE(sigset_has(mask_now(), SIGUSR1)) NAMED(wait);
		ASSERT_OK(raw_sigprocmask(SIG_UNBLOCK, SIGSET(SIGUSR1)));
		EXPECT_EQ(1, handled) NAMED(wait);
	}
}

CLAUSE(an_event_ends_the_wait_and_restores_the_mask,
       "select(2) pselect(), epoll_wait(2): a wait that a file ends restores the mask as one that a signal ends; a "
       "signal held back by the "
       "mask is handled then", .needed_by = USERS)
{
	struct waiter w;
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	FOR_EACH_WAIT(wait) {
		char byte;

		if (wait == waits)
			continue;
		ASSERT_TRUE(signals_are_set(0));
		ASSERT_TRUE(waiter_sleeps(&w, wait, SIGSET(SIGUSR2), fds[0])) NAMED(wait);
		ASSERT_OK(send_to(&w, SIGUSR2));
		ASSERT_RET(1, raw_syscall(__NR_write, fds[1], "x", 1));
		ASSERT_TRUE(thread_join(&w.thread));
		EXPECT_RET(1, w.result) NAMED(wait);
		EXPECT_TRUE(is_same(w.before, w.after)) NAMED(wait);
		EXPECT_EQ(1, w.handled_at_return) NAMED(wait);
		ASSERT_RET(1, raw_syscall(__NR_read, fds[0], &byte, 1));
	}
}

CLAUSE(a_mask_of_another_size_is_refused,
       "kernel/signal.c set_user_sigmask, sys_rt_sigsuspend (7.2): EINVAL unless the size is that of the kernel's "
       "sigset_t; the mask stays",
       .needed_by = USERS)
{
	static const size_t sizes[] = { 0, 1, ARCH_SIGSET_BYTES - 1, ARCH_SIGSET_BYTES + 1, 2 * ARCH_SIGSET_BYTES, 128 };
	struct kernel_sigset none = SIGSET_EMPTY, before;

	ASSERT_TRUE(signals_are_set(0));
	before = mask_now();
	FOR_EACH_WAIT(wait)
		FOR_EACH(i, sizes) {
			EXPECT_ERR(EINVAL, wait->wait(&none, sizes[i], -1)) NAMED(wait);
			EXPECT_TRUE(is_same(before, mask_now())) NAMED(wait);
		}
}

CLAUSE(a_mask_that_cannot_be_read_is_efault,
       "kernel/signal.c set_user_sigmask, sys_rt_sigsuspend (7.2): EFAULT; the mask stays", .needed_by = USERS)
{
	struct kernel_sigset before;

	ASSERT_TRUE(signals_are_set(0));
	before = mask_now();
	FOR_EACH_WAIT(wait) {
		EXPECT_ERR(EFAULT, wait->wait(forbidden_page(), ARCH_SIGSET_BYTES, -1)) NAMED(wait);
		EXPECT_TRUE(is_same(before, mask_now())) NAMED(wait);
	}
	EXPECT_ERR(EFAULT, by_sigsuspend(NULL, ARCH_SIGSET_BYTES, -1));
}

CLAUSE(no_mask_leaves_the_threads_mask_in_force,
       "select(2) pselect(), poll(2) ppoll(), epoll_wait(2): a NULL mask is no change, and its size is not looked at: "
       "blocked signals do not "
       "end the wait", .needed_by = USERS)
{
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	ASSERT_RET(1, raw_syscall(__NR_write, fds[1], "x", 1));
	FOR_EACH_WAIT(wait) {
		if (wait == waits)
			continue;
		ASSERT_TRUE(signals_are_set(0));
		ASSERT_OK(raw_syscall(__NR_kill, getpid(), SIGUSR1));
		EXPECT_RET(1, wait->wait(NULL, 99, fds[0])) NAMED(wait);
		EXPECT_EQ(0, handled) NAMED(wait);
		EXPECT_TRUE(is_pending(SIGUSR1)) NAMED(wait);
	}
}

CLAUSE(kill_and_stop_cannot_be_held_back,
       "sigsuspend(2) NOTES: it is not possible to block SIGKILL or SIGSTOP; specifying them in mask has no "
       "effect", .needed_by = USERS)
{
	FOR_EACH_WAIT(wait) {
		struct kernel_sigset all = SIGSET_FULL;
		int status;
		pid_t pid = fork();

		if (pid == 0)
			_exit(wait->wait(&all, ARCH_SIGSET_BYTES, -1) ? 1 : 2);
		ASSERT_TRUE(wait_until_blocked_in(pid, wait->nr)) NAMED(wait);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_TRUE(wait_until(waitpid(pid, &status, WNOHANG) == pid)) NAMED(wait);
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) NAMED(wait);
	}
}

#define IGNORES(wait) do {								\
	struct waiter w_;								\
											\
	ASSERT_TRUE(signals_are_set(0));						\
	ASSERT_OK(raw_sigaction(SIGUSR2, SIGNAL_IGNORE, 0));				\
	ASSERT_TRUE(waiter_sleeps(&w_, wait, SIGSET_EMPTY, -1)) NAMED(wait);		\
	ASSERT_OK(send_to(&w_, SIGUSR2));						\
	ASSERT_OK(send_to(&w_, SIGURG));						\
	ASSERT_OK(send_to(&w_, SIGCONT));						\
	ASSERT_TRUE(wait_until(is_blocked_in(w_.thread.known_as, (wait)->nr) || w_.returned));	\
	EXPECT_FALSE(w_.returned) NAMED(wait);						\
	ASSERT_OK(send_to(&w_, SIGUSR1));						\
	ASSERT_TRUE(thread_join(&w_.thread));						\
	EXPECT_RET(-EINTR, w_.result) NAMED(wait);					\
	EXPECT_EQ(1, w_.handled_at_return) NAMED(wait);					\
} while (0)

CLAUSE(an_ignored_signal_does_not_end_the_wait,
       "sigsuspend(2), select(2), poll(2): the wait ends with a signal that terminates the process or has a handler "
       "called, and no other",
       .needed_by = USERS)
{
	FOR_EACH_WAIT(wait)
		if (strncmp(wait->name, "epoll", 5))
			IGNORES(wait);
}

// By itself: a tracer, as the liar is one, interrupts these waits with each signal that it sees.
CLAUSE(an_ignored_signal_does_not_end_a_wait_of_epoll,
       "epoll_wait(2) ERRORS EINTR: the call was interrupted by a signal handler; an ignored signal calls "
       "none", .needed_by = USERS)
{
	FOR_EACH_WAIT(wait)
		if (!strncmp(wait->name, "epoll", 5))
			IGNORES(wait);
}

#ifdef __NR_pause
static long by_pause(const struct kernel_sigset *mask, size_t size, int fd)
{
	return raw_syscall(__NR_pause);
}
#endif

CLAUSE(pause_waits_for_a_handler,
       "pause(2): sleeps until a signal that has a handler, which runs first; always EINTR, even with SA_RESTART; "
       "ignored and blocked signals "
       "do not end it", .needed_by = "glibc:pause")
{
#ifdef __NR_pause
	static const unsigned long flags[] = { 0, SA_RESTART };
	struct wait pause = { "pause", __NR_pause, by_pause };
	struct waiter w;

	FOR_EACH(f, flags) {
		ASSERT_TRUE(signals_are_set(flags[f]));
		ASSERT_TRUE(waiter_sleeps(&w, &pause, SIGSET_EMPTY, -1));
		ASSERT_OK(send_to(&w, SIGURG));
		ASSERT_OK(send_to(&w, SIGUSR1));
		ASSERT_TRUE(wait_until(is_blocked_in(w.thread.known_as, __NR_pause) || w.returned));
		EXPECT_FALSE(w.returned);
		ASSERT_OK(send_to(&w, SIGUSR2));
		ASSERT_TRUE(thread_join(&w.thread));
		EXPECT_RET(-EINTR, w.result);
		EXPECT_EQ(1, w.handled_at_return);
	}
#else
	SKIP(return, "the ABI has no such call");
#endif
}

// The time left that a raw ppoll or pselect6 wrote back lies between what was asked for and that less the time it took.
static bool is_what_was_left(long long asked, struct __kernel_timespec left, long long took)
{
	long long ns = left.tv_sec * 1000 * MS + left.tv_nsec;

	return left.tv_nsec >= 0 && left.tv_nsec < 1000 * MS && ns <= asked && ns >= asked - took;
}

static void provoke(int sig, siginfo_t *info, void *ucontext)
{
	handled++;
}

CLAUSE(the_time_left_is_written_back,
       "select(2), poll(2) NOTES: the raw ppoll and pselect6 modify their timeout: it holds the time that was left, "
       "after a signal or a file, "
       "and 0 after a timeout", .needed_by = "glibc:ppoll")
{
	struct kernel_sigset none = SIGSET_EMPTY;
	struct { const void *set; size_t size; } sixth = { &none, ARCH_SIGSET_BYTES };

	ASSERT_TRUE(signals_are_set(0));
	ASSERT_OK(raw_sigaction(SIGUSR1, provoke, 0));
	for (int by_pselect = 0; by_pselect < 2; by_pselect++) {
		for (int by_signal = 0; by_signal < 2; by_signal++) {
			long long asked = by_signal ? 3600 * 1000 * MS : 5 * MS, began = monotonic_ns(), took;
			struct __kernel_timespec left = { asked / (1000 * MS), asked % (1000 * MS) };
			long result;

			if (by_signal)
				ASSERT_OK(raw_syscall(__NR_kill, getpid(), SIGUSR1));
			result = by_pselect ? raw_syscall(NR_PSELECT6, 0, NULL, NULL, NULL, &left, &sixth) :
				 raw_syscall(NR_PPOLL, NULL, 0, &left, &none, ARCH_SIGSET_BYTES);
			took = monotonic_ns() - began;
			EXPECT_RET(by_signal ? -EINTR : 0, result);
			EXPECT_TRUE(is_what_was_left(asked, left, took));
			EXPECT_GE(took, asked - (left.tv_sec * 1000 * MS + left.tv_nsec));
			if (!by_signal)
				EXPECT_TRUE(left.tv_sec == 0 && left.tv_nsec == 0);
		}
	}
}
