// SPDX-License-Identifier: GPL-2.0-only
// CLONE_VM, CLONE_FILES, CLONE_FS, CLONE_SIGHAND: what is one thing for both, in both directions, and what is a copy.
#include "clone.h"
#include "sigaction.h"

#include <fcntl.h>
#include <sys/stat.h>

#define USERS "go:newosproc glibc:create_thread musl:__pthread_create"

// The maker and its child take turns: each waits until the other has raised `turn`.
static struct shared {
	volatile int turn;
	volatile long result;
	volatile int fd;
	char text[256];
	struct kernel_sigaction action;
	char *page;
} *shared;

static void begin(void)
{
	shared = shared_memory(sizeof(*shared));
}

static bool my_turn(int turn)
{
	return wait_until(shared->turn == turn);
}

static volatile int value;

static int writes_memory(void *unused)
{
	my_turn(1);
	shared->result = value;
	value = 3;
	shared->turn = 2;
	return 0;
}

CLAUSE(memory_is_one_with_clone_vm_and_a_copy_without,
       "clone(2) CLONE_VM: writes by either are seen by the other; without it the child has a copy of the time of"
       " the call, in which neither sees the other's writes [CLN-4]",
       .needed_by = USERS)
{
	long pid;

	for (int vm = 0; vm < 2; vm++) {
		begin();
		value = 1;
		ASSERT_OK(pid = child_of((vm ? CLONE_VM : 0) | SIGCHLD, writes_memory, NULL));
		value = 2;
		shared->turn = 1;
		EXPECT_RET(EXITED(0), end_of(pid));
		EXPECT_EQ(vm ? 2 : 1, shared->result);
		EXPECT_EQ(vm ? 3 : 2, value);
	}
}

static int maps_and_unmaps(void *page)
{
	shared->page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*shared->page = 7;
	raw_syscall(__NR_munmap, page, 4096);
	return 0;
}

CLAUSE(mappings_are_one_with_clone_vm_and_a_copy_without,
       "clone(2) CLONE_VM: a mapping or unmapping by the child affects the other as well, and without the flag "
       "does not [CLN-4]",
       .needed_by = USERS)
{
	long pid;

	for (int vm = 0; vm < 2; vm++) {
		char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		unsigned char resident;

		begin();
		ASSERT_OK(pid = child_of((vm ? CLONE_VM : 0) | SIGCHLD, maps_and_unmaps, page));
		EXPECT_RET(EXITED(0), end_of(pid));
		EXPECT_RET(vm ? -ENOMEM : 0, raw_syscall(__NR_mincore, page, 1, &resident));
		if (vm) {
			EXPECT_EQ(7, *shared->page);
		}
	}
}

static int opens_and_closes(void *fd)
{
	shared->fd = raw_syscall(__NR_openat, AT_FDCWD, "/proc/self/stat", O_RDONLY | O_CLOEXEC);
	raw_syscall(__NR_close, *(int *)fd);
	shared->turn = 1;
	my_turn(2);
	shared->result = raw_syscall(__NR_fcntl, shared->fd, F_GETFD);
	return 0;
}

CLAUSE(descriptors_are_one_table_with_clone_files_and_a_copy_without,
       "clone(2) CLONE_FILES: a descriptor that either opens, closes or changes is so for the other; without the "
       "flag the child has duplicates, and what it opens and closes is its own [CLN-4]",
       .needed_by = USERS)
{
	long pid;

	for (int files = 0; files < 2; files++) {
		int fd = open("/dev/null", O_RDONLY);

		begin();
		ASSERT_OK(pid = child_of((files ? CLONE_FILES : 0) | SIGCHLD, opens_and_closes, &fd));
		ASSERT_TRUE(my_turn(1));
		EXPECT_RET(files ? FD_CLOEXEC : -EBADF, raw_syscall(__NR_fcntl, shared->fd, F_GETFD));
		EXPECT_RET(files ? -EBADF : 0, raw_syscall(__NR_fcntl, fd, F_GETFD));
		if (files) {
			EXPECT_RET(0, raw_syscall(__NR_fcntl, shared->fd, F_SETFD, 0));
		}
		shared->turn = 2;
		EXPECT_RET(EXITED(0), end_of(pid));
		EXPECT_EQ(files ? 0 : FD_CLOEXEC, shared->result);
		if (files) {
			EXPECT_RET(0, raw_syscall(__NR_close, shared->fd));	// still open, though who opened it is gone
		} else {
			close(fd);
		}
	}
}

static int seeks(void *fd)
{
	shared->result = raw_syscall(__NR_lseek, *(int *)fd, 0, SEEK_CUR);
	raw_syscall(__NR_lseek, *(int *)fd, 9, SEEK_SET);
	return 0;
}

CLAUSE(offsets_are_one_whether_tables_are_or_not,
       "clone(2) CLONE_FILES: duplicated descriptors refer to the same open file descriptions, and share their "
       "offset and status flags",
       .needed_by = USERS)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	long pid;

	for (int files = 0; files < 2; files++) {
		begin();
		ASSERT_EQ(4, lseek(fd, 4, SEEK_SET));
		ASSERT_OK(pid = child_of((files ? CLONE_FILES : 0) | SIGCHLD, seeks, &fd));
		EXPECT_RET(EXITED(0), end_of(pid));
		EXPECT_EQ(4, shared->result);
		EXPECT_EQ(9, lseek(fd, 0, SEEK_CUR));
	}
}

static int changes_directory(void *unused)
{
	raw_syscall(__NR_chdir, "/proc");
	raw_syscall(__NR_umask, 0123);
	shared->turn = 1;
	my_turn(2);
	raw_syscall(__NR_getcwd, shared->text, sizeof(shared->text));
	shared->result = raw_syscall(__NR_umask, 022);
	return 0;
}

CLAUSE(directory_and_umask_are_one_with_clone_fs_and_a_copy_without,
       "clone(2) CLONE_FS: chdir and umask by either affect the other; without the flag the child works on a copy"
       " [CLN-4]",
       .needed_by = USERS)
{
	char cwd[256];
	long pid;

	for (int fs = 0; fs < 2; fs++) {
		begin();
		ASSERT_RET(0, raw_syscall(__NR_chdir, "/"));
		raw_syscall(__NR_umask, 055);
		ASSERT_OK(pid = child_of((fs ? CLONE_FS : 0) | SIGCHLD, changes_directory, NULL));
		ASSERT_TRUE(my_turn(1));
		ASSERT_OK(raw_syscall(__NR_getcwd, cwd, sizeof(cwd)));
		EXPECT_STREQ(fs ? "/proc" : "/", cwd);
		EXPECT_RET(fs ? 0123 : 055, raw_syscall(__NR_umask, 077));
		ASSERT_RET(0, raw_syscall(__NR_chdir, "/dev"));
		shared->turn = 2;
		EXPECT_RET(EXITED(0), end_of(pid));
		EXPECT_STREQ(fs ? "/dev" : "/proc", shared->text);
		EXPECT_EQ(fs ? 077 : 0123, shared->result);
	}
}

static int changes_root(void *unused)
{
	raw_syscall(__NR_chroot, "/proc");
	return 0;
}

CLAUSE(the_root_is_one_with_clone_fs_and_a_copy_without,
       "clone(2) CLONE_FS: chroot by either affects the other; without the flag it does not [CLN-4]",
       .needs = "root cap=sys_chroot", .needed_by = USERS)
{
	long pid;

	for (int fs = 0; fs < 2; fs++) {
		ASSERT_OK(pid = child_of((fs ? CLONE_FS : 0) | SIGCHLD, changes_root, NULL));
		EXPECT_RET(EXITED(0), end_of(pid));
		EXPECT_RET(fs ? -ENOENT : 0, raw_syscall(__NR_faccessat, AT_FDCWD, "/proc/self/stat", R_OK));
		EXPECT_RET(fs ? 0 : -ENOENT, raw_syscall(__NR_faccessat, AT_FDCWD, "/self/stat", R_OK));
	}
}

static void handler(int sig, siginfo_t *info, void *ucontext)
{
}

static int changes_actions(void *unused)
{
	raw_sigaction(SIGUSR1, SIGNAL_IGNORE, 0);
	shared->turn = 1;
	my_turn(2);
	raw_rt_sigaction(SIGUSR2, NULL, &shared->action);
	return 0;
}

CLAUSE(actions_are_one_with_clone_sighand_and_a_copy_without,
       "clone(2) CLONE_SIGHAND: rt_sigaction by either changes the action of both; without the flag, of the "
       "caller alone [CLN-4]",
       .needed_by = USERS)
{
	struct kernel_sigaction action = { 0 };
	long pid;

	for (int sighand = 0; sighand < 2; sighand++) {
		begin();
		ASSERT_RET(0, raw_sigaction(SIGUSR1, handler, 0));
		ASSERT_RET(0, raw_sigaction(SIGUSR2, handler, 0));
		ASSERT_OK(pid = child_of((sighand ? CLONE_SIGHAND | CLONE_VM : 0) | SIGCHLD, changes_actions, NULL));
		ASSERT_TRUE(my_turn(1));
		ASSERT_RET(0, raw_rt_sigaction(SIGUSR1, NULL, &action));
		EXPECT_EQ(sighand ? SIGNAL_IGNORE : &handler, action.handler);
		ASSERT_RET(0, raw_sigaction(SIGUSR2, SIGNAL_DEFAULT, 0));
		shared->turn = 2;
		EXPECT_RET(EXITED(0), end_of(pid));
		EXPECT_EQ(sighand ? SIGNAL_DEFAULT : &handler, shared->action.handler);
	}
}

static int blocks_all(void *unused)
{
	raw_sigprocmask(SIG_SETMASK, SIGSET_FULL);
	shared->turn = 1;
	my_turn(2);
	return 0;
}

CLAUSE(masks_and_pending_signals_are_each_ones_own,
       "clone(2) CLONE_SIGHAND: the two processes still have distinct signal masks and sets of pending signals",
       .needed_by = USERS)
{
	struct kernel_sigset mask = SIGSET_FULL;
	long pid;

	begin();
	ASSERT_OK(pid = child_of(CLONE_SIGHAND | CLONE_VM | SIGCHLD, blocks_all, NULL));
	ASSERT_TRUE(my_turn(1));
	ASSERT_RET(0, raw_syscall(__NR_kill, pid, SIGUSR1));
	EXPECT_RET(0, raw_syscall(__NR_rt_sigprocmask, SIG_BLOCK, NULL, &mask, ARCH_SIGSET_BYTES));
	EXPECT_FALSE(sigset_has(mask, SIGUSR1));
	EXPECT_RET(0, raw_syscall(__NR_rt_sigpending, &mask, ARCH_SIGSET_BYTES));
	EXPECT_FALSE(sigset_has(mask, SIGUSR1));
	shared->turn = 2;
	EXPECT_RET(EXITED(0), end_of(pid));
}

static int changes_all_of_a_thread(void *unused)
{
	raw_syscall(__NR_chdir, "/proc");
	raw_syscall(__NR_umask, 0123);
	raw_sigaction(SIGUSR1, handler, 0);
	shared->fd = raw_syscall(__NR_openat, AT_FDCWD, "/proc/self/stat", O_RDONLY);
	value = 5;
	return 0;
}

CLAUSE(a_thread_of_a_runtime_shares_all_of_them,
       "clone(2): with VM FS FILES SIGHAND THREAD SYSVSEM memory, directory, umask, descriptors and actions are "
       "those of the process, and stay as the thread left them [CLN-4]",
       .needed_by = USERS)
{
	struct kernel_sigaction action = { 0 };
	struct thread t;
	char cwd[64];

	begin();
	value = 0;
	ASSERT_OK(thread_start(&t, changes_all_of_a_thread, NULL));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(5, value);
	EXPECT_OK(raw_syscall(__NR_getcwd, cwd, sizeof(cwd)));
	EXPECT_STREQ("/proc", cwd);
	EXPECT_RET(0123, raw_syscall(__NR_umask, 022));
	EXPECT_RET(0, raw_rt_sigaction(SIGUSR1, NULL, &action));
	EXPECT_EQ(&handler, action.handler);
	EXPECT_OK(raw_syscall(__NR_fcntl, shared->fd, F_GETFD));
}
