// SPDX-License-Identifier: GPL-2.0-only
// rt_sigprocmask(2): what it changes, what it gives back and refuses, and whose mask it is.
#include "signals.h"

#define USERS "go:rtsigprocmask go:sigprocmask glibc:pthread_sigmask musl:__block_all_sigs"

static long change(int how, const struct kernel_sigset *set, struct kernel_sigset *old)
{
	return raw_syscall(__NR_rt_sigprocmask, how, set, old, ARCH_SIGSET_BYTES);
}

static struct kernel_sigset set_of_every(int step)
{
	struct kernel_sigset set = SIGSET_EMPTY;

	for (int sig = 1; sig <= SIGNALS; sig += step)
		set = sigset_with(set, sig);
	return sigset_without(sigset_without(set, SIGKILL), SIGSTOP);
}

CLAUSE(block_adds_unblock_removes_setmask_replaces,
       "sigprocmask(2) SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK: the union of mask and set, the mask without the set, the "
       "set itself",
       .needed_by = USERS)
{
	struct kernel_sigset twos = set_of_every(2), threes = set_of_every(3), fives = set_of_every(5);
	struct kernel_sigset wanted;

	ASSERT_RET(0, set_mask(twos));
	EXPECT_TRUE(same_set(twos, mask_now()));
	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, threes));
	wanted = twos;
	for (int sig = 1; sig <= SIGNALS; sig++)
		if (sigset_has(threes, sig))
			wanted = sigset_with(wanted, sig);
	EXPECT_TRUE(same_set(wanted, mask_now()));
	ASSERT_RET(0, raw_sigprocmask(SIG_UNBLOCK, fives));
	for (int sig = 1; sig <= SIGNALS; sig++)
		if (sigset_has(fives, sig))
			wanted = sigset_without(wanted, sig);
	EXPECT_TRUE(same_set(wanted, mask_now()));
	ASSERT_RET(0, set_mask(fives));
	EXPECT_TRUE(same_set(fives, mask_now()));
	ASSERT_RET(0, set_mask(SIGSET_EMPTY));
	EXPECT_TRUE(same_set(SIGSET_EMPTY, mask_now()));
}

CLAUSE(an_empty_set_blocks_and_unblocks_nothing,
       "sigprocmask(2) SIG_BLOCK, SIG_UNBLOCK: with no signal in the set the mask stays; with all of them it is full, "
       "or empty",
       .needed_by = USERS)
{
	struct kernel_sigset some = set_of_every(3);

	ASSERT_RET(0, set_mask(some));
	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET_EMPTY));
	EXPECT_TRUE(same_set(some, mask_now()));
	ASSERT_RET(0, raw_sigprocmask(SIG_UNBLOCK, SIGSET_EMPTY));
	EXPECT_TRUE(same_set(some, mask_now()));
	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET_FULL));
	EXPECT_TRUE(same_set(blockable(), mask_now()));
	ASSERT_RET(0, raw_sigprocmask(SIG_UNBLOCK, SIGSET_FULL));
	EXPECT_TRUE(same_set(SIGSET_EMPTY, mask_now()));
}

CLAUSE(a_how_that_is_none_is_einval_where_there_is_a_set,
       "sigprocmask(2) ERRORS EINVAL, set: the value in how was invalid; with set NULL how is ignored [MSK-3]",
       .needed_by = USERS)
{
	static const int hows[] = { -1, 4, 5, 8, 100, (int)0x80000000, 0x7fffffff };
	struct kernel_sigset some = set_of_every(3), other = set_of_every(2);
	struct kernel_sigset *old = guarded(sizeof(*old)), *seen = guarded(sizeof(*seen));

	ASSERT_RET(0, set_mask(some));
	FOR_EACH(i, hows) {
		ASSERT_ERR(EINVAL, change(hows[i], &other, old));
		ASSERT_RET(0, change(hows[i], NULL, seen));
		ASSERT_TRUE(same_set(some, *seen));
		ASSERT_RET(0, change(hows[i], NULL, NULL));
	}
	EXPECT_UNTOUCHED(old, 0, sizeof(*old));
	EXPECT_TRUE(same_set(some, mask_now()));
}

CLAUSE(a_set_of_another_size_is_einval_and_changes_nothing,
       "sigprocmask(2) C library/kernel differences: sigsetsize must be the size of the kernel's set, else EINVAL, "
       "whatever the pointers [MSK-3]",
       .needed_by = USERS)
{
	static const unsigned long sizes[] = { 0, 1, 4, 7, 9, 12, 32, 128, 0xffffffff, -1UL };
	struct kernel_sigset some = set_of_every(3), other = set_of_every(2), *old = guarded(sizeof(*old));

	ASSERT_RET(0, set_mask(some));
	FOR_EACH(i, sizes) {
		ASSERT_ERR(EINVAL, raw_syscall(__NR_rt_sigprocmask, SIG_SETMASK, &other, old, sizes[i]));
		ASSERT_ERR(EINVAL, raw_syscall(__NR_rt_sigprocmask, SIG_SETMASK, NULL, old, sizes[i]));
		ASSERT_ERR(EINVAL, raw_syscall(__NR_rt_sigprocmask, SIG_SETMASK, NULL, NULL, sizes[i]));
	}
	EXPECT_UNTOUCHED(old, 0, sizeof(*old));
	EXPECT_TRUE(same_set(some, mask_now()));
}

CLAUSE(a_set_that_cannot_be_read_is_efault_and_changes_nothing,
       "sigprocmask(2) ERRORS EFAULT: set points outside the process's address space, wholly or by its last byte",
       .needed_by = USERS)
{
	struct kernel_sigset some = set_of_every(3), *old = guarded(sizeof(*old)), *cut = guarded(sizeof(*cut) - 1);
	void *bad[] = { forbidden_page(), unmapped_page(), (void *)8, (void *)-64L, cut };

	ASSERT_RET(0, set_mask(some));
	FOR_EACH(i, bad)
		ASSERT_ERR(EFAULT, change(SIG_SETMASK, bad[i], old));
	EXPECT_UNTOUCHED(old, 0, sizeof(*old));
	EXPECT_TRUE(same_set(some, mask_now()));
}

CLAUSE(an_old_set_that_cannot_be_written_is_efault,
       "sigprocmask(2) ERRORS EFAULT: oldset points outside the process's address space",
       .needed_by = USERS)
{
	void *bad[] = { forbidden_page(), unmapped_page(), (void *)8, (void *)-64L };

	FOR_EACH(i, bad)
		ASSERT_ERR(EFAULT, change(SIG_BLOCK, NULL, bad[i]));
}

CLAUSE(the_old_set_is_the_mask_before_the_change,
       "sigprocmask(2) oldset: the previous value of the mask is stored there, all of it and nothing beside it, also "
       "where set and oldset are the same memory",
       .needed_by = USERS)
{
	static const int hows[] = { SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK };
	struct kernel_sigset some = set_of_every(3), other = set_of_every(2), *old = guarded(sizeof(*old));

	FOR_EACH(h, hows) {
		ASSERT_RET(0, set_mask(some));
		ASSERT_RET(0, change(hows[h], &other, old));
		ASSERT_TRUE(same_set(some, *old));
		ASSERT_RET(0, set_mask(some));
		*old = other;
		ASSERT_RET(0, change(hows[h], old, old));
		ASSERT_TRUE(same_set(some, *old));
		ASSERT_FALSE(same_set(some, mask_now()));
	}
	EXPECT_INTACT(old);
}

CLAUSE(sigkill_and_sigstop_stay_out_of_the_mask,
       "sigprocmask(2) NOTES: it is not possible to block SIGKILL or SIGSTOP; attempts are silently ignored, and the "
       "others of the set are blocked [MSK-1]",
       .needed_by = USERS)
{
	static const int sigs[] = { SIGKILL, SIGSTOP };
	static const int hows[] = { SIG_BLOCK, SIG_SETMASK };

	FOR_EACH(h, hows) {
		FOR_EACH(s, sigs) {
			ASSERT_RET(0, set_mask(SIGSET_EMPTY));
			ASSERT_RET(0, raw_sigprocmask(hows[h], SIGSET(sigs[s])));
			ASSERT_TRUE(same_set(SIGSET_EMPTY, mask_now()));
		}
		ASSERT_RET(0, raw_sigprocmask(hows[h], SIGSET_FULL));
		ASSERT_TRUE(same_set(blockable(), mask_now()));
	}
}

static bool blocks_everything(void)
{
	return set_mask(SIGSET_FULL) == 0;
}

CLAUSE(a_mask_holds_off_everything_but_sigkill_and_sigstop,
       "signal(7): SIGKILL and SIGSTOP cannot be blocked: a process that blocks all signals is stopped by the one and "
       "ended by the other, and by no other signal [MSK-1]",
       .needed_by = USERS)
{
	struct process *p = shared_memory(sizeof(*p));

	ASSERT_TRUE(process_starts(p, blocks_everything));
	FOR_EACH_SIGNAL(sig)
		ASSERT_RET(0, raw_kill(p->pid, sig));
	ASSERT_RET(0, raw_kill(p->pid, SIGSTOP));
	EXPECT_TRUE(wait_until(task_state(p->pid) == 'T'));
	ASSERT_RET(0, raw_kill(p->pid, SIGKILL));
	EXPECT_EQ(SIGKILL, end_of(p->pid));
	EXPECT_EQ(0, p->count);
}

CLAUSE(each_signal_is_blocked_by_its_own_bit,
       "sigprocmask(2), signal(7) Signal mask and pending signals: a signal that is in the mask alone waits, and one "
       "that alone is not in it does not",
       .needed_by = USERS)
{
	FOR_EACH_SIGNAL(sig)
		ASSERT_RET(0, raw_sigaction(sig, note, 0));
	FOR_EACH_SIGNAL(sig) {
		forget_arrivals();
		ASSERT_RET(0, set_mask(SIGSET(sig)));
		ASSERT_RET(0, send_myself(TGKILL, sig));
		ASSERT_EQ(0, arrivals);
		ASSERT_RET(0, set_mask(SIGSET_EMPTY));
		ASSERT_EQ(1, arrivals);
		ASSERT_RET(0, set_mask(sigset_without(SIGSET_FULL, sig)));
		ASSERT_RET(0, send_myself(TGKILL, sig));
		ASSERT_EQ(2, arrivals);
		ASSERT_EQ(sig, arrival[0].sig);
		ASSERT_EQ(sig, arrival[1].sig);
	}
}

static int changes_its_mask(void *old)
{
	struct kernel_sigset mine = set_of_every(2);

	change(SIG_SETMASK, &mine, old);
	mine = mask_now();
	return !same_set(mine, set_of_every(2));
}

CLAUSE(a_mask_belongs_to_its_thread,
       "signal(7) Signal mask and pending signals: each thread has an independent mask, which starts as a copy of its "
       "maker's [MSK-2]",
       .needed_by = USERS)
{
	static struct kernel_sigset theirs;
	struct kernel_sigset some = set_of_every(5);
	struct mate mate;
	struct thread t;

	ASSERT_RET(0, set_mask(some));
	ASSERT_OK(thread_start(&t, changes_its_mask, &theirs));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_TRUE(same_set(some, theirs));
	EXPECT_TRUE(same_set(some, mask_now()));

	// What this thread blocks does not block it for others.
	ASSERT_RET(0, catch_signal(SIGUSR1));
	ASSERT_TRUE(mate_sleeps(&mate, SIGSET_EMPTY));
	ASSERT_RET(0, set_mask(SIGSET_FULL));
	ASSERT_RET(0, raw_tgkill(own_pid(), mate.tid, SIGUSR1));
	EXPECT_TRUE(wait_until(arrivals == 1));
	EXPECT_TRUE(mate_ends(&mate));
}

static unsigned long long status_set(const char *name)
{
	char text[4096], *line;

	if (read_text("/proc/thread-self/status", text, sizeof(text)) <= 0)
		return ~0ULL;
	line = strstr(text, name);
	return line ? strtoull(line + strlen(name), NULL, 16) : ~0ULL;
}

#define BIT(sig) (1ULL << ((sig) - 1))

CLAUSE(proc_status_tells_masks_and_actions,
       "proc_pid_status(5) SigBlk, SigIgn, SigCgt: masks of the signals that are blocked, ignored and caught",
       .needs = "file=/proc/self/status", .needed_by = "musl:__synccall criu:sigmask")
{
	FOR_EACH_SIGNAL(sig)
		ASSERT_RET(0, raw_sigaction(sig, SIGNAL_DEFAULT, 0));
	EXPECT_EQ(0, status_set("SigBlk:"));
	EXPECT_EQ(0, status_set("SigIgn:"));
	EXPECT_EQ(0, status_set("SigCgt:"));
	ASSERT_RET(0, set_mask(sigset_with(SIGSET(SIGUSR2), 33)));
	ASSERT_RET(0, raw_sigaction(SIGHUP, SIGNAL_IGNORE, 0));
	ASSERT_RET(0, raw_sigaction(63, SIGNAL_IGNORE, 0));
	ASSERT_RET(0, raw_sigaction(SIGURG, note, 0));
	ASSERT_RET(0, raw_sigaction(64, note, 0));
	EXPECT_EQ(BIT(SIGUSR2) | BIT(33), status_set("SigBlk:"));
	EXPECT_EQ(BIT(SIGHUP) | BIT(63), status_set("SigIgn:"));
	EXPECT_EQ(BIT(SIGURG) | BIT(64), status_set("SigCgt:"));
}
