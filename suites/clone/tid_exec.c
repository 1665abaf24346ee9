// SPDX-License-Identifier: GPL-2.0-only
// What execve(2) leaves of a thread: neither a word to clear nor a robust list, and the right to own locks anew.
//
// The start-up code of a libc registers its own word and list at once, over what execve may have left. So the new
// program is started with a filter that makes both calls do nothing.
#include "clone.h"
#include "guard.h"

#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>

#define OLD_VALUE 77

// False where there are no filters. SECCOMP_RET_ERRNO of 0: the call says 0 and does nothing.
static bool silence_libc(void)
{
	struct sock_filter nothing_registered[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_set_tid_address, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_set_robust_list, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 5, .filter = nothing_registered };

	return !raw_syscall(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !raw_syscall(__NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

static int program_status(pid_t child)
{
	long status = end_of(child);

	return (status & 0x7f) ? -status : status >> 8;
}

// Where a program that cannot show it ends with.
#define CANNOT_SHOW 42

AFTER_EXEC(has_no_robust_list)
{
	void *head = &head;
	size_t size = 0;

	if (raw_syscall(__NR_get_robust_list, 0, &head, &size))
		return 1;
	return head ? 2 : 0;
}

CLAUSE(execve_forgets_the_robust_list,
       "execve(2) Effect on process attributes, kernel/futex/core.c futex_exec_release (5.10 to 7.2): the new "
       "program's thread has no robust list: an address of the old memory means nothing in the new [GLC-4]",
       .config = "SECCOMP_FILTER", .needed_by = "go:newosproc glibc:__tls_init_tp")
{
	void *head[3] = { head, NULL, NULL };
	pid_t child = fork();
	int status;

	if (child == 0) {
		if (raw_syscall(__NR_set_robust_list, head, sizeof(head)))
			_exit(3);
		if (!silence_libc())
			_exit(CANNOT_SHOW);
		execute_self(has_no_robust_list);
		_exit(3);
	}
	status = program_status(child);
	if (status == CANNOT_SHOW)
		SKIP(return, "a filter is refused here");
	EXPECT_EQ(0, status);
}

static int reports_once_the_leader_is_gone(void *word)
{
	bool gone = wait_until(task_state(getpid()) == 'Z');

	raw_syscall(__NR_exit_group, gone ? *(volatile int *)word != OLD_VALUE : 3);
	return 0;
}

// argv[0]: the address of the old program's word.
AFTER_EXEC(ends_its_first_thread)
{
	unsigned long address = strtoul(argv[0], NULL, 16);
	int *page = mmap((void *)address, page_size(), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (page != (void *)address)
		return CANNOT_SHOW;
	*page = OLD_VALUE;
	if (is_error(child_of(THREAD_FLAGS, reports_once_the_leader_is_gone, page)))
		return 3;
	raw_syscall(__NR_exit, 0);
	return 3;
}

// The status of a program that another became whose word to clear lay at some address.
static int status_of_successor(void)
{
	int *word = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char address[20];
	pid_t child = fork();

	if (child == 0) {
		snprintf(address, sizeof(address), "%lx", (unsigned long)word);
		raw_syscall(__NR_set_tid_address, word);
		if (!silence_libc())
			_exit(CANNOT_SHOW);
		execute_self(ends_its_first_thread, address);
		_exit(3);
	}
	return program_status(child);
}

CLAUSE(execve_forgets_the_word_to_clear,
       "execve(2), kernel/fork.c mm_release (5.10 to 7.2): clear_child_tid is forgotten: the end of the new "
       "program's first thread, while others run on, writes nothing where the old program had its word [GLC-2]",
       .config = "SECCOMP_FILTER", .needed_by = "go:newosproc glibc:__tls_init_tp")
{
	int status = CANNOT_SHOW;

	for (int i = 0; i < 10 && status == CANNOT_SHOW; i++)
		status = status_of_successor();
	if (status == CANNOT_SHOW)
		SKIP(return, "a filter is refused here, or the new program has something else at that address");
	EXPECT_EQ(0, status);
}

static uint32_t lock;
static volatile long locked = 1;

static int waits_for_lock(void *unused)
{
	locked = raw_syscall(NR_FUTEX, &lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	return 0;
}

AFTER_EXEC(owns_a_lock)
{
	long tid;

	if (raw_syscall(NR_FUTEX, &lock, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0))
		return 1;
	tid = child_of(THREAD_FLAGS, waits_for_lock, NULL);
	if (is_error(tid))
		return 2;
	if (!wait_until(locked != 1 || is_blocked_in(tid, NR_FUTEX)) || locked != 1)
		return 3;
	if (raw_syscall(NR_FUTEX, &lock, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0))
		return 4;
	return wait_until(locked != 1) && locked == 0 ? 0 : 5;
}

static long pi_probe(void)
{
	uint32_t word = 0;

	return raw_syscall(NR_FUTEX, &word, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
}

static int executes_program(void *unused)
{
	execute_self(owns_a_lock);
	raw_syscall(__NR_exit_group, 7);
	return 0;
}

CLAUSE(after_execve_a_thread_can_own_pi_locks_again,
       "futex(2) FUTEX_LOCK_PI, kernel/futex/core.c futex_exec_release (5.10 to 7.2): who has executed a program "
       "is alive: others wait for the locks it takes, and get them [GLC-5]",
       .config = "FUTEX_PI", .probe = pi_probe, .commit = "150d71584b12 futex: Provide state handling for exec() as well",
       .needed_by = "glibc:pthread_mutex_lock")
{
	for (int i = 0; i < 2; i++) {	// by a child with memory of its own, by one that leaves that of others
		long child = child_of(i ? CLONE_VM | CLONE_VFORK | SIGCHLD : SIGCHLD, executes_program, NULL);

		ASSERT_OK(child);
		EXPECT_EQ(0, program_status(child));
	}
}

CLAUSE(the_word_of_a_vfork_child_is_cleared_before_its_parent_goes_on,
       "kernel/fork.c mm_release (5.10 to 7.2): a child that has its parent's memory with CLONE_VFORK clears its "
       "word when it leaves that, by its end or by execve(2), and only then does the parent go on [GLC-1]",
       .needed_by = "glibc:posix_spawn")
{
	for (int i = 0; i < 20; i++) {
		int *word = shared_memory(sizeof(*word)), left;
		long child;

		*word = OLD_VALUE;
		child = raw_clone(CLONE_VM | CLONE_VFORK | CLONE_CHILD_CLEARTID | SIGCHLD, stack_top(),
				  i & 1 ? executes_program : returns_zero, NULL, NULL, NULL, word);
		left = *(volatile int *)word;
		ASSERT_OK(child);
		EXPECT_EQ(0, left);
		end_of(child);
	}
}
