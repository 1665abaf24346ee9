// SPDX-License-Identifier: GPL-2.0-only
// rt_sigtimedwait(2): taking signals without handlers.
#include "clause.h"

#include "origin.h"
#include "thread.h"

#define MS 1000000LL
#define USERS "glibc:timer_create libuv:uv__signal jvm:jdk.internal.misc.Signal"

static const struct __kernel_timespec at_once;
static const struct __kernel_timespec an_hour = { 3600, 0 };

static long send_kill(int sig)
{
	return raw_syscall(__NR_kill, getpid(), sig);
}

static long send_tgkill(int tid, int sig)
{
	return raw_syscall(__NR_tgkill, getpid(), tid, sig);
}

static long poll_for(int sig)
{
	struct kernel_sigset set = SIGSET(sig);

	return sigtimedwait_raw(&set, NULL, &at_once);
}

static struct kernel_sigset mask_now(void)
{
	struct kernel_sigset mask = SIGSET_EMPTY;

	raw_syscall(__NR_rt_sigprocmask, SIG_BLOCK, NULL, &mask, ARCH_SIGSET_BYTES);
	return mask;
}

// A thread that waits for signals once.
struct taker {
	struct kernel_sigset set;
	const struct __kernel_timespec *timeout;
	bool again;		// after EINTR
	siginfo_t info;
	volatile long result;
	struct kernel_sigset mask_after;
	volatile int returned;
	struct thread thread;
};

static int taker_main(void *arg)
{
	struct taker *t = arg;

	do
		t->result = sigtimedwait_raw(&t->set, &t->info, t->timeout);
	while (t->again && t->result == -EINTR);
	t->mask_after = mask_now();
	t->returned = 1;
	return 0;
}

static bool taker_waits(struct taker *t)
{
	return !is_error(thread_start(&t->thread, taker_main, t)) &&
	       wait_until(is_blocked_in(t->thread.known_as, NR_RT_SIGTIMEDWAIT) || t->returned) && !t->returned;
}

CLAUSE(a_pending_signal_is_returned_and_consumed,
       "sigtimedwait(2) RETURN VALUE: on success the signal number, with its siginfo; the signal is no longer pending",
       .needed_by = USERS)
{
	struct kernel_sigset set = SIGSET(SIGUSR1);
	siginfo_t *info = guarded(sizeof(*info)), want = info_from(SIGUSR1, SI_USER, getpid(), getuid());

	for (int sig = 1; sig <= 64; sig++) {
		if (sig == SIGKILL || sig == SIGSTOP)
			continue;
		ASSERT_OK(hold_back(sig));
		ASSERT_OK(send_kill(sig));
		set = SIGSET(sig);
		want.si_signo = sig;
		EXPECT_RET(sig, sigtimedwait_raw(&set, info, NULL));
		EXPECT_INFO_BYTES(&want, info, "sigtimedwait");
		EXPECT_FALSE(is_pending(sig));
		EXPECT_ERR(EAGAIN, poll_for(sig));
	}
	EXPECT_INTACT(info);
	EXPECT_EQ(0, times_kept);
}

CLAUSE(the_information_may_be_left_out,
       "sigtimedwait(2): if info is not NULL it is filled; without one the number alone is "
       "returned", .needed_by = USERS)
{
	ASSERT_OK(hold_back(SIGUSR1));
	ASSERT_OK(send_kill(SIGUSR1));
	EXPECT_RET(SIGUSR1, poll_for(SIGUSR1));
	EXPECT_FALSE(is_pending(SIGUSR1));
}

CLAUSE(a_timeout_of_zero_polls,
       "sigtimedwait(2): if both fields of the timeout are 0 a poll is performed: EAGAIN at once where nothing is "
       "pending, and info "
       "untouched", .needed_by = USERS)
{
	struct kernel_sigset set = SIGSET(SIGUSR1);
	siginfo_t *info = guarded(sizeof(*info));

	ASSERT_OK(hold_back(SIGUSR1));
	EXPECT_ERR(EAGAIN, sigtimedwait_raw(&set, info, &at_once));
	EXPECT_UNTOUCHED(info, 0, sizeof(*info));
	set = SIGSET_EMPTY;
	EXPECT_ERR(EAGAIN, sigtimedwait_raw(&set, info, &at_once));
	EXPECT_UNTOUCHED(info, 0, sizeof(*info));
	ASSERT_OK(send_kill(SIGUSR1));
	EXPECT_RET(SIGUSR1, poll_for(SIGUSR1));
}

CLAUSE(a_wait_times_out_not_before_its_timeout,
       "sigtimedwait(2) ERRORS EAGAIN: no signal in set became pending within the timeout; the wait lasts at least so "
       "long, and info is "
       "untouched", .needed_by = USERS)
{
	struct kernel_sigset set = SIGSET(SIGUSR1);
	siginfo_t *info = guarded(sizeof(*info));

	ASSERT_OK(hold_back(SIGUSR1));
	for (int ms = 1; ms <= 16; ms *= 4) {
		struct __kernel_timespec timeout = { 0, ms * MS };
		long long began = monotonic_ns();

		EXPECT_ERR(EAGAIN, sigtimedwait_raw(&set, info, &timeout));
		EXPECT_GE(monotonic_ns() - began, ms * MS);
		EXPECT_EQ(ms * MS, timeout.tv_nsec);
	}
	EXPECT_UNTOUCHED(info, 0, sizeof(*info));
}

CLAUSE(a_timeout_that_makes_no_sense_is_refused,
       "sigtimedwait(2) ERRORS EINVAL: a negative timeout, or nanoseconds that are negative or a billion and more; "
       "nothing is taken",
       .needed_by = USERS)
{
	static const struct __kernel_timespec bad[] = {
		{ -1, 0 }, { 0, -1 }, { 0, 1000000000 }, { 1, 1000000000 }, { 1, -1 }, { -1, 999999999 },
	};
	struct kernel_sigset set = SIGSET(SIGUSR1);

	ASSERT_OK(hold_back(SIGUSR1));
	ASSERT_OK(send_kill(SIGUSR1));
	FOR_EACH(i, bad)
		EXPECT_ERR(EINVAL, sigtimedwait_raw(&set, NULL, &bad[i]));
	EXPECT_TRUE(is_pending(SIGUSR1));
}

CLAUSE(the_size_of_the_set_must_be_the_kernels,
       "kernel/signal.c SYSCALL_DEFINE4(rt_sigtimedwait) (7.2): a sigsetsize other than sizeof(sigset_t) is EINVAL, "
       "before anything else "
       "is looked at", .needed_by = USERS)
{
	static const long sizes[] = { 0, 1, ARCH_SIGSET_BYTES - 1, ARCH_SIGSET_BYTES + 1, 2 * ARCH_SIGSET_BYTES, 128, -1 };
	struct kernel_sigset set = SIGSET(SIGUSR1);

	ASSERT_OK(hold_back(SIGUSR1));
	ASSERT_OK(send_kill(SIGUSR1));
	FOR_EACH(i, sizes) {
		EXPECT_ERR(EINVAL, raw_syscall(NR_RT_SIGTIMEDWAIT, &set, NULL, &at_once, sizes[i]));
		EXPECT_ERR(EINVAL, raw_syscall(NR_RT_SIGTIMEDWAIT, unmapped_page(), NULL, unmapped_page(), sizes[i]));
	}
	EXPECT_TRUE(is_pending(SIGUSR1));
}

CLAUSE(pointers_out_of_reach_are_efault,
       "kernel/signal.c SYSCALL_DEFINE4(rt_sigtimedwait) (7.2): EFAULT where the set or the timeout cannot be read, or "
       "info cannot be "
       "written", .needed_by = USERS)
{
	struct kernel_sigset set = SIGSET(SIGUSR1);
	char *last = guarded(sizeof(long));

	ASSERT_OK(hold_back(SIGUSR1));
	EXPECT_ERR(EFAULT, sigtimedwait_raw(NULL, NULL, &at_once));
	EXPECT_ERR(EFAULT, sigtimedwait_raw(unmapped_page(), NULL, &at_once));
	EXPECT_ERR(EFAULT, sigtimedwait_raw(last + 1, NULL, &at_once));
	EXPECT_ERR(EFAULT, sigtimedwait_raw(&set, NULL, forbidden_page()));
	EXPECT_ERR(EFAULT, sigtimedwait_raw(&set, NULL, last));
	ASSERT_OK(send_kill(SIGUSR1));
	EXPECT_ERR(EFAULT, sigtimedwait_raw(&set, forbidden_page(), &at_once));
}

CLAUSE(a_handler_of_another_signal_interrupts_the_wait,
       "sigtimedwait(2) ERRORS EINTR: interrupted by a handler of a signal not in set; not restarted, SA_RESTART or "
       "not, timed or not "
       "[SIG-7]", .needed_by = USERS)
{
	static const unsigned long flags[] = { 0, SA_RESTART };
	static const struct __kernel_timespec *const timeouts[] = { NULL, &an_hour };

	ASSERT_OK(hold_back(SIGUSR1));
	FOR_EACH(f, flags) {
		FOR_EACH(i, timeouts) {
			struct taker t = { .set = SIGSET(SIGUSR1), .timeout = timeouts[i] };

			times_kept = 0;
			ASSERT_OK(raw_sigaction(SIGUSR2, keep_info, flags[f]));
			ASSERT_TRUE(taker_waits(&t));
			ASSERT_OK(send_tgkill(t.thread.known_as, SIGUSR2));
			ASSERT_TRUE(thread_join(&t.thread));
			EXPECT_RET(-EINTR, t.result);
			EXPECT_EQ(1, times_kept);
			EXPECT_EQ(SIGUSR2, kept.si_signo);
		}
	}
}

CLAUSE(a_waiter_is_woken_by_a_signal_to_it_or_to_its_process,
       "sigtimedwait(2): suspends until a signal of set is pending, be it for the thread or for the "
       "process", .needed_by = USERS)
{
	for (int to_process = 0; to_process < 2; to_process++) {
		struct taker t = { .set = sigset_with(SIGSET(SIGUSR1), SIGRTMIN), .timeout = to_process ? NULL : &an_hour };
		siginfo_t want = info_from(SIGRTMIN, to_process ? SI_USER : SI_TKILL, getpid(), getuid());

		ASSERT_OK(hold_back(SIGUSR1));
		ASSERT_OK(hold_back(SIGRTMIN));
		ASSERT_TRUE(taker_waits(&t));
		ASSERT_OK(to_process ? send_kill(SIGRTMIN) : send_tgkill(t.thread.known_as, SIGRTMIN));
		ASSERT_TRUE(thread_join(&t.thread));
		EXPECT_RET(SIGRTMIN, t.result);
		EXPECT_INFO_BYTES(&want, &t.info, "sigtimedwait");
		EXPECT_FALSE(is_pending(SIGRTMIN));
	}
	EXPECT_EQ(0, times_kept);
}

CLAUSE(a_signal_for_another_thread_is_not_taken,
       "signal(7) Signal mask and pending signals: a thread-directed signal is pending for that thread alone "
       "[KIL-4]", .needed_by = USERS)
{
	struct taker t = { .set = SIGSET(SIGUSR1) };

	ASSERT_OK(hold_back(SIGUSR1));
	ASSERT_TRUE(taker_waits(&t));
	ASSERT_OK(send_tgkill(getpid(), SIGUSR1));
	ASSERT_TRUE(wait_until(is_blocked_in(t.thread.known_as, NR_RT_SIGTIMEDWAIT) || t.returned));
	EXPECT_FALSE(t.returned);
	EXPECT_RET(SIGUSR1, poll_for(SIGUSR1));
	ASSERT_OK(send_tgkill(t.thread.known_as, SIGUSR1));
	ASSERT_TRUE(thread_join(&t.thread));
	EXPECT_RET(SIGUSR1, t.result);
	EXPECT_ERR(EAGAIN, poll_for(SIGUSR1));
}

// The others may see EINTR: who leaves the wait hands what is pending on to the next before it takes it itself
// (kernel/signal.c retarget_shared_pending).
CLAUSE(one_signal_is_taken_by_one_of_many_waiters,
       "sigtimedwait(2) NOTES, POSIX sigwait: if several threads wait for a signal, not more than one returns with "
       "it", .needed_by = USERS)
{
	struct taker t[3];
	int returned = 0;

	ASSERT_OK(hold_back(SIGUSR1));
	FOR_EACH(i, t) {
		t[i] = (struct taker){ .set = SIGSET(SIGUSR1), .again = true };
		ASSERT_TRUE(taker_waits(&t[i]));
	}
	for (int round = 1; round <= 3; round++) {
		ASSERT_OK(send_kill(SIGUSR1));
		ASSERT_TRUE(wait_until(t[0].returned + t[1].returned + t[2].returned >= round));
		FOR_EACH(i, t)
			ASSERT_TRUE(wait_until(t[i].returned || is_blocked_in(t[i].thread.known_as, NR_RT_SIGTIMEDWAIT)));
		returned = t[0].returned + t[1].returned + t[2].returned;
		ASSERT_EQ(round, returned);
	}
	FOR_EACH(i, t) {
		EXPECT_TRUE(thread_join(&t[i].thread));
		EXPECT_RET(SIGUSR1, t[i].result);
	}
}

CLAUSE(what_is_taken_is_not_delivered_as_well,
       "sigtimedwait(2) NOTES: a signal that is waited for is taken instead of being delivered: no handler runs for "
       "it, in the waiter or "
       "in another thread", .needed_by = USERS)
{
	ASSERT_OK(hold_back(SIGRTMIN));
	for (int i = 0; i < 20; i++) {
		struct taker t = { .set = SIGSET(SIGRTMIN) };

		ASSERT_TRUE(taker_waits(&t));
		ASSERT_OK(send_kill(SIGRTMIN));
		ASSERT_TRUE(thread_join(&t.thread));
		ASSERT_RET(SIGRTMIN, t.result);
	}
	ASSERT_OK(raw_sigprocmask(SIG_UNBLOCK, SIGSET(SIGRTMIN)));
	EXPECT_EQ(0, times_kept);
}

CLAUSE(signals_outside_the_set_stay_pending,
       "sigtimedwait(2): suspends until one of the signals in set is pending; any other stays "
       "pending", .needed_by = USERS)
{
	ASSERT_OK(hold_back(SIGUSR1));
	ASSERT_OK(hold_back(SIGUSR2));
	ASSERT_OK(hold_back(SIGRTMAX));
	ASSERT_OK(send_kill(SIGUSR1));
	ASSERT_OK(send_kill(SIGUSR2));
	ASSERT_OK(send_kill(SIGRTMAX));
	EXPECT_RET(SIGUSR2, poll_for(SIGUSR2));
	EXPECT_TRUE(is_pending(SIGUSR1));
	EXPECT_TRUE(is_pending(SIGRTMAX));
	EXPECT_RET(SIGRTMAX, poll_for(SIGRTMAX));
	EXPECT_TRUE(is_pending(SIGUSR1));
	EXPECT_EQ(0, times_kept);
}

CLAUSE(the_lowest_number_is_taken_first,
       "sigtimedwait(2), signal(7) Real-time signals: of several pending signals in set the lowest number comes first, "
       "standard ones "
       "before real-time ones, instances of one number in the order of sending", .needed_by = USERS)
{
	static const int sent[] = { 64, 40, 12, 34, 40, 10, 17 }, order[] = { 10, 12, 17, 34, 40, 40, 64 };
	struct kernel_sigset all = SIGSET_FULL;
	siginfo_t info;
	int queued = 0;

	FOR_EACH(i, sent)
		ASSERT_OK(hold_back(sent[i]));
	FOR_EACH(i, sent) {
		info = info_from(sent[i], SI_QUEUE, getpid(), getuid());
		info.si_int = i;
		ASSERT_OK(raw_syscall(__NR_rt_sigqueueinfo, getpid(), sent[i], &info));
	}
	FOR_EACH(i, order) {
		EXPECT_RET(order[i], sigtimedwait_raw(&all, &info, &at_once));
		if (order[i] == 40)
			EXPECT_EQ(queued++ ? 4 : 1, info.si_int);
	}
	EXPECT_ERR(EAGAIN, sigtimedwait_raw(&all, &info, &at_once));
}

CLAUSE(kill_and_stop_in_the_set_are_ignored,
       "sigtimedwait(2) NOTES: attempts to wait for SIGKILL and SIGSTOP are silently ignored: they kill and stop the "
       "waiter",
       .needed_by = USERS)
{
	struct kernel_sigset set = sigset_with(SIGSET(SIGKILL), SIGSTOP);
	int status;
	pid_t pid;

	EXPECT_ERR(EAGAIN, sigtimedwait_raw(&set, NULL, &at_once));
	pid = fork();
	if (pid == 0)
		_exit(sigtimedwait_raw(&set, NULL, NULL) == -EINTR ? 1 : 2);
	ASSERT_TRUE(wait_until_blocked_in(pid, NR_RT_SIGTIMEDWAIT));
	ASSERT_EQ(0, kill(pid, SIGSTOP));
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	EXPECT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	if (WIFSTOPPED(status))
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

CLAUSE(a_blocked_signal_that_is_ignored_can_be_waited_for,
       "signal(7), kernel/signal.c sig_ignored (7.2): \"blocked signals are never ignored\": with SIG_IGN, or ignored "
       "by default, they can be "
       "taken", .needed_by = "cpython:signal.sigwait")
{
	static const int sigs[] = { SIGUSR1, SIGCHLD, SIGURG, SIGWINCH };

	FOR_EACH(i, sigs) {
		for (int by_default = 0; by_default < 2; by_default++) {
			if (sigs[i] == SIGUSR1 && by_default)
				continue;
			ASSERT_OK(raw_sigprocmask(SIG_BLOCK, SIGSET(sigs[i])));
			ASSERT_OK(raw_sigaction(sigs[i], by_default ? SIGNAL_DEFAULT : SIGNAL_IGNORE, 0));
			ASSERT_OK(send_kill(sigs[i]));
			EXPECT_RET(sigs[i], poll_for(sigs[i]));
			ASSERT_OK(send_tgkill(getpid(), sigs[i]));
			EXPECT_RET(sigs[i], poll_for(sigs[i]));
		}
	}
}

CLAUSE(the_mask_is_as_before_afterwards,
       "kernel/signal.c do_sigtimedwait (7.2): the set is unblocked during the wait alone: after a signal, a timeout "
       "or EINTR the mask is "
       "what it was, and what then arrives stays pending", .needed_by = USERS)
{
	for (int kind = 0; kind < 3; kind++) {
		struct __kernel_timespec soon = { 0, 2 * MS };
		struct taker t = { .set = SIGSET(SIGUSR1), .timeout = kind == 0 ? NULL : kind == 1 ? &soon : &an_hour };
		struct kernel_sigset before;

		times_kept = 0;
		ASSERT_OK(hold_back(SIGUSR1));
		ASSERT_OK(hold_back(SIGRTMAX));
		ASSERT_OK(raw_sigaction(SIGUSR2, keep_info, 0));
		before = mask_now();
		if (kind == 1) {
			ASSERT_OK(thread_start(&t.thread, taker_main, &t));
		} else {
			ASSERT_TRUE(taker_waits(&t));
			ASSERT_OK(send_tgkill(t.thread.known_as, kind ? SIGUSR2 : SIGUSR1));
		}
		ASSERT_TRUE(thread_join(&t.thread));
		EXPECT_RET(kind == 0 ? SIGUSR1 : kind == 1 ? -EAGAIN : -EINTR, t.result);
		EXPECT_EQ(0, memcmp(&before, &t.mask_after, sizeof(before)));
		EXPECT_EQ(kind == 2, times_kept);
	}
}

CLAUSE(a_signal_pending_before_the_wait_ends_it_at_once,
       "sigtimedwait(2): if a signal of set is already pending the call returns immediately, with a timeout and "
       "without", .needed_by = USERS)
{
	struct kernel_sigset set = SIGSET(SIGUSR1);

	ASSERT_OK(hold_back(SIGUSR1));
	for (int i = 0; i < 50; i++) {
		ASSERT_OK(i & 1 ? send_kill(SIGUSR1) : send_tgkill(getpid(), SIGUSR1));
		ASSERT_RET(SIGUSR1, sigtimedwait_raw(&set, NULL, i & 2 ? NULL : &an_hour));
	}
}

CLAUSE(the_call_with_32_bit_time_works_alike,
       "kernel/signal.c rt_sigtimedwait_time32 (7.2): ABIs that began with 32-bit time keep the call under its old "
       "number: number, EAGAIN and "
       "EINVAL as with 64-bit time", .needs = "32bit", .needed_by = "glibc:sigtimedwait")
{
	struct kernel_sigset set = SIGSET(SIGUSR1);
	int32_t soon[2] = { 0, 2 * MS }, bad[2] = { 0, 1000000000 };
	long long began = monotonic_ns();

#ifdef __NR_rt_sigtimedwait
	if (raw_syscall(__NR_rt_sigtimedwait, &set, NULL, bad, ARCH_SIGSET_BYTES) == -ENOSYS)
		ABSENT("CONFIG_COMPAT_32BIT_TIME is not set");
	ASSERT_OK(hold_back(SIGUSR1));
	EXPECT_ERR(EAGAIN, raw_syscall(__NR_rt_sigtimedwait, &set, NULL, soon, ARCH_SIGSET_BYTES));
	EXPECT_GE(monotonic_ns() - began, 2 * MS);
	EXPECT_ERR(EINVAL, raw_syscall(__NR_rt_sigtimedwait, &set, NULL, bad, ARCH_SIGSET_BYTES));
	ASSERT_OK(send_kill(SIGUSR1));
	EXPECT_RET(SIGUSR1, raw_syscall(__NR_rt_sigtimedwait, &set, NULL, soon, ARCH_SIGSET_BYTES));
#else
	SKIP(return, "the ABI never had one (%p %p %p %lld)", (void *)&set, (void *)soon, (void *)bad, began);
#endif
}
