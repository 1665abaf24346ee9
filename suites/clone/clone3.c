// SPDX-License-Identifier: GPL-2.0-only
// clone3(2): sizes, every field, and what the flags of its own do.
#include "clone.h"
#include "guard.h"
#include "sigaction.h"

#include <fcntl.h>

#define USERS "glibc:__clone_internal glibc:posix_spawn go:fork_exec"
#define SIZE_0 64	/* CLONE_ARGS_SIZE_VER0 */
#define SIZE_1 80	/* set_tid and set_tid_size, 5.5 */
#define SIZE_2 88	/* cgroup, 5.7 */

static long make(struct clone_args *args, size_t size)
{
	return raw_clone3(args, size, returns_zero, NULL);
}

#define EXPECT_MADE(args, size) do {					\
	long made_ = make(args, size);					\
									\
	EXPECT_OK(made_);						\
	if (!is_error(made_)) {						\
		EXPECT_RET(EXITED(0), end_of(made_));			\
	}								\
} while (0)

CLAUSE(sizes_from_the_first_version_to_a_page_are_taken,
       "clone3(2) ERRORS, kernel/fork.c copy_clone_args_from_user (5.10, 7.2): a size below 64 is EINVAL, above a"
       " page E2BIG; what the kernel does not know may be there if it is zero, and is E2BIG if not [incident 43]",
       .probe = clone3_probe, .needed_by = USERS)
{
	static const size_t taken[] = { SIZE_0, SIZE_1, SIZE_2, SIZE_2 + 1, 128, 1024 };
	size_t page = page_size();
	char *buffer = guarded(page);

	memset(buffer, 0, page);
	((struct clone_args *)buffer)->exit_signal = SIGCHLD;
	for (int i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		EXPECT_MADE((struct clone_args *)buffer, taken[i]);
	EXPECT_MADE((struct clone_args *)buffer, page);
	for (size_t size = 0; size < SIZE_0; size++)
		EXPECT_ERR(EINVAL, make((struct clone_args *)buffer, size));
	EXPECT_ERR(E2BIG, make((struct clone_args *)buffer, page + 1));
	EXPECT_ERR(E2BIG, make((struct clone_args *)buffer, (size_t)-1));
	buffer[page - 1] = 1;
	EXPECT_ERR(E2BIG, make((struct clone_args *)buffer, page));
	EXPECT_MADE((struct clone_args *)buffer, page - 1);
	EXPECT_TRUE(has_no_child());
}

CLAUSE(arguments_that_cannot_be_read_are_efault,
       "clone3(2): a structure at an address that cannot be read is EFAULT, even where only its last byte is out "
       "of reach; a size that is wrong is told first [incident 43]",
       .probe = clone3_probe, .needed_by = USERS)
{
	char *buffer = guarded(SIZE_2);

	memset(buffer, 0, SIZE_2);
	EXPECT_ERR(EFAULT, raw_syscall(__NR_clone3, NULL, SIZE_0));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_clone3, forbidden_page(), SIZE_2));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_clone3, buffer, SIZE_2 + 1));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_clone3, NULL, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_clone3, NULL, SIZE_0 - 1));
	EXPECT_ERR(E2BIG, raw_syscall(__NR_clone3, NULL, page_size() + 1));
}

struct refusal {
	const char *name;
	struct clone_args args;
};

CLAUSE(fields_that_make_no_sense_are_einval,
       "clone3(2) ERRORS EINVAL: an exit signal above the last or in a thread or sibling, a stack without its size or "
       "the reverse, CLONE_DETACHED, bits of the exit signal or unknown bits in flags, CLEAR_SIGHAND with "
       "SIGHAND, set_tid without its size or the reverse",
       .probe = clone3_probe, .needed_by = USERS)
{
	static const struct refusal refused[] = {
		{ "exit_signal above the last", { .exit_signal = 8 * ARCH_SIGSET_BYTES + 1 } },
		{ "exit_signal 256", { .exit_signal = 256 } },
		{ "exit_signal SIGCHLD and bit 32", { .exit_signal = 0x100000000ULL | SIGCHLD } },
		{ "exit_signal -1", { .exit_signal = -1 } },
		{ "stack without size", { .exit_signal = SIGCHLD, .stack = 0x10000 } },
		{ "size without stack", { .exit_signal = SIGCHLD, .stack_size = 0x10000 } },
		{ "DETACHED", { .flags = CLONE_DETACHED, .exit_signal = SIGCHLD } },
		{ "SIGCHLD in flags", { .flags = SIGCHLD } },
		{ "bit 0 of flags", { .flags = 1, .exit_signal = SIGCHLD } },
		{ "bit 63 of flags", { .flags = 1ULL << 63, .exit_signal = SIGCHLD } },
		{ "CLEAR_SIGHAND SIGHAND", { .flags = CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD } },
		{ "PARENT with an exit signal", { .flags = CLONE_PARENT, .exit_signal = SIGCHLD } },
		{ "THREAD with an exit signal", { .flags = THREAD_FLAGS, .exit_signal = SIGCHLD } },
		{ "THREAD without SIGHAND", { .flags = CLONE_THREAD | CLONE_VM } },
		{ "SIGHAND without VM", { .flags = CLONE_SIGHAND, .exit_signal = SIGCHLD } },
		{ "FS NEWNS", { .flags = CLONE_FS | CLONE_NEWNS, .exit_signal = SIGCHLD } },
		{ "set_tid without size", { .exit_signal = SIGCHLD, .set_tid = 0x10000 } },
		{ "set_tid_size without set_tid", { .exit_signal = SIGCHLD, .set_tid_size = 1 } },
		{ "set_tid_size 33", { .exit_signal = SIGCHLD, .set_tid = 0x10000, .set_tid_size = 33 } },
		{ "cgroup above INT_MAX", { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = 0x80000000 } },
		{ "PIDFD and PARENT_SETTID at one address",
		  { .flags = CLONE_PIDFD | CLONE_PARENT_SETTID, .exit_signal = SIGCHLD, .pidfd = 64, .parent_tid = 64 } },
	};

	for (int i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		struct clone_args args = refused[i].args;
		long pid = make(&args, sizeof(args));

		if (pid != -EINVAL)
			TH_LOG("%s", refused[i].name);
		EXPECT_ERR(EINVAL, pid);
		EXPECT_EQ(0, memcmp(&args, &refused[i].args, sizeof(args)));
	}
	EXPECT_TRUE(has_no_child());
}

CLAUSE(a_field_beyond_the_size_given_does_not_count,
       "clone3(2): the fields of later versions count only within size: CLONE_INTO_CGROUP with a structure of an "
       "earlier version is EINVAL, a set_tid behind the end is not read",
       .probe = clone3_probe, .needed_by = USERS)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };

	EXPECT_ERR(EINVAL, make(&args, SIZE_1));
	args = (struct clone_args){ .exit_signal = SIGCHLD, .set_tid = 1, .set_tid_size = 77, .cgroup = 99 };
	EXPECT_MADE(&args, SIZE_0);
}

CLAUSE(fields_that_no_flag_asks_for_are_ignored,
       "clone3(2): pidfd, child_tid, parent_tid, tls and cgroup count only with their flags [CLN-0]",
       .probe = clone3_probe, .needed_by = USERS)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD, .pidfd = 1, .child_tid = 2, .parent_tid = 3, .tls = 0x4444, .cgroup = ~0ULL,
	};

	EXPECT_MADE(&args, sizeof(args));
}

struct words {
	int parent, child, pidfd, seen;
};

static int note_word(void *arg)
{
	struct words *w = arg;

	w->seen = w->child == raw_syscall(__NR_gettid) && w->parent == w->child && w->pidfd >= 0;
	return 0;
}

CLAUSE(every_word_has_a_field_of_its_own,
       "clone3(2) Equivalence between clone() and clone3() arguments: pidfd, parent_tid and child_tid are three "
       "fields, each written before the child runs; CLONE_PIDFD and CLONE_PARENT_SETTID go together",
       .probe = clone3_probe, .needed_by = USERS)
{
	struct words *w = guarded(sizeof(*w));
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, .exit_signal = SIGCHLD,
		.pidfd = (uintptr_t)&w->pidfd, .parent_tid = (uintptr_t)&w->parent, .child_tid = (uintptr_t)&w->child,
		.stack = (uintptr_t)stack_top() - STACK, .stack_size = STACK,
	};
	long pid;

	ASSERT_OK(pid = raw_clone3(&args, sizeof(args), note_word, w));
	EXPECT_EQ(pid, w->parent);
	EXPECT_EQ(FD_CLOEXEC, fcntl(w->pidfd, F_GETFD));
	EXPECT_RET(EXITED(0), end_of(pid));
	EXPECT_EQ(1, w->seen);
	EXPECT_EQ(0, w->child);
	EXPECT_INTACT(w);
}

CLAUSE(an_exit_signal_of_any_number_or_none_is_taken,
       "clone3(2): exit_signal is 0 for none, or any of 1 to 64",
       .probe = clone3_probe, .needed_by = USERS)
{
	for (int sig = 1; sig <= 64; sig++)
		raw_sigaction(sig, SIGNAL_IGNORE, 0);
	raw_sigaction(SIGCHLD, SIGNAL_DEFAULT, 0);
	for (int sig = 0; sig <= 64; sig += sig == SIGKILL - 1 || sig == SIGSTOP - 1 ? 2 : 1) {
		struct clone_args args = { .exit_signal = sig };

		EXPECT_MADE(&args, sizeof(args));
	}
}

static void handler(int sig, siginfo_t *info, void *ucontext)
{
}

static struct kernel_sigaction *actions;

static int note_actions(void *unused)
{
	for (int sig = 1; sig <= 64; sig++)
		raw_rt_sigaction(sig, NULL, &actions[sig]);
	return 0;
}

// Of a child, if ignored, nobody would hear how it ended.
static bool is_one_to_ignore(int sig)
{
	return sig % 3 == 0 && sig != SIGCHLD;
}

CLAUSE(clear_sighand_makes_handlers_default_and_leaves_ignored_ignored,
       "clone3(2) CLONE_CLEAR_SIGHAND: every signal that is handled in the parent is reset to its default in the "
       "child, one that is ignored is not; the parent's stay",
       .probe = clone3_probe, .needed_by = "glibc:posix_spawn")
{
	struct clone_args args = { .flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD };
	struct kernel_sigaction own;
	long pid;

	actions = shared_memory(65 * sizeof(*actions));
	for (int sig = 1; sig <= 64; sig++)
		raw_sigaction(sig, is_one_to_ignore(sig) ? SIGNAL_IGNORE : handler, SA_RESTART);
	ASSERT_OK(pid = raw_clone3(&args, sizeof(args), note_actions, NULL));
	EXPECT_RET(EXITED(0), end_of(pid));
	for (int sig = 1; sig <= 64; sig++) {
		if (sig == SIGKILL || sig == SIGSTOP)
			continue;
		EXPECT_EQ(is_one_to_ignore(sig) ? SIGNAL_IGNORE : SIGNAL_DEFAULT, actions[sig].handler);
		ASSERT_RET(0, raw_rt_sigaction(sig, NULL, &own));
		EXPECT_EQ(is_one_to_ignore(sig) ? SIGNAL_IGNORE : &handler, own.handler);
	}
}

CLAUSE(clear_sighand_goes_with_vfork,
       "clone3(2) CLONE_CLEAR_SIGHAND with CLONE_VM and CLONE_VFORK: the child's own table is cleared, the memory"
       " is shared, the parent waits [VFK-2]",
       .probe = clone3_probe, .needed_by = "glibc:posix_spawn")
{
	struct clone_args args = {
		.flags = CLONE_CLEAR_SIGHAND | CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD,
		.stack = (uintptr_t)stack_top() - STACK, .stack_size = STACK,
	};
	static struct kernel_sigaction seen[65];
	struct kernel_sigaction own;
	long pid;

	actions = seen;
	ASSERT_RET(0, raw_sigaction(SIGUSR1, handler, 0));
	ASSERT_OK(pid = raw_clone3(&args, sizeof(args), note_actions, NULL));
	EXPECT_EQ(SIGNAL_DEFAULT, seen[SIGUSR1].handler);
	ASSERT_RET(0, raw_rt_sigaction(SIGUSR1, NULL, &own));
	EXPECT_EQ(&handler, own.handler);
	EXPECT_RET(EXITED(0), end_of(pid));
}
