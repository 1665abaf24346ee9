// SPDX-License-Identifier: GPL-2.0-only
// execve(2): what of a process a new program keeps and what it does not.
#include "clause.h"
#include "sigaction.h"
#include "sync.h"
#include "thread.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#define USERS "go:fork_exec glibc:posix_spawn jvm:jspawnhelper rust:Command"

// Statuses with which the far side tells what it found; 0 is as promised.
enum { AS_PROMISED, DIFFERS };

// What follows runs in a child that becomes the program's far side `function`, with up to six words.
#define EXECUTED_CHILD(function, ...) \
	IN_CHILD { execute_self(function, ##__VA_ARGS__); TH_LOG("execve: %s", strerror(errno)); _exit(126); }

static char *number(char text[24], long long n)
{
	snprintf(text, 24, "%lld", n);
	return text;
}

static void handler(int sig, siginfo_t *info, void *ucontext)
{
}

static struct kernel_sigaction action_of(int sig)
{
	struct kernel_sigaction action = { 0 };

	raw_rt_sigaction(sig, NULL, &action);
	return action;
}

AFTER_EXEC(has_default_and_ignored_signals)
{
	int ignored = atoi(argv[0]), handled = atoi(argv[1]);

	return !(action_of(ignored).handler == SIGNAL_IGNORE && action_of(handled).handler == SIGNAL_DEFAULT);
}

CLAUSE(handlers_become_default_and_ignored_stays_ignored,
       "execve(2): signals set to be caught are reset to their default, signals set to be ignored are left unchanged "
       "[SIG-12]",
       .needed_by = USERS)
{
	char ignored[24], handled[24];

	for (int sig = 1; sig < 64; sig += 6) {
		if (sig == SIGKILL || sig == SIGSTOP || sig + 1 == SIGKILL || sig + 1 == SIGSTOP)
			continue;
		ASSERT_RET(0, raw_sigaction(sig, SIGNAL_IGNORE, 0));
		ASSERT_RET(0, raw_sigaction(sig + 1, handler, SA_RESTART));
		EXECUTED_CHILD(has_default_and_ignored_signals, number(ignored, sig), number(handled, sig + 1));
	}
}

AFTER_EXEC(has_masked_and_pending)
{
	struct kernel_sigset mask = SIGSET_EMPTY, pending = SIGSET_EMPTY;
	int sig = atoi(argv[0]);

	raw_syscall(__NR_rt_sigprocmask, SIG_BLOCK, NULL, &mask, ARCH_SIGSET_BYTES);
	raw_syscall(__NR_rt_sigpending, &pending, ARCH_SIGSET_BYTES);
	return !(sigset_has(mask, sig) && sigset_has(pending, sig) && !sigset_has(mask, sig - 1));
}

CLAUSE(the_mask_and_pending_signals_are_kept,
       "signal(7): the signal mask is preserved across execve(2), and so is the set of pending "
       "signals", .needed_by = USERS)
{
	char sig[24];

	IN_CHILD {
		ASSERT_RET(0, raw_sigprocmask(SIG_SETMASK, SIGSET(SIGUSR2)));
		ASSERT_RET(0, raw_syscall(__NR_kill, getpid(), SIGUSR2));
		execute_self(has_masked_and_pending, number(sig, SIGUSR2));
		_exit(126);
	}
}

AFTER_EXEC(has_no_alternate_stack)
{
	stack_t old = { .ss_flags = 77 };

	raw_syscall(__NR_sigaltstack, NULL, &old);
	return old.ss_flags != SS_DISABLE;
}

CLAUSE(the_alternate_stack_is_gone,
       "execve(2): any alternate signal stack is not preserved [SAS-10]", .needed_by = USERS)
{
	stack_t stack = { .ss_size = 1 << 16 };

	stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_RET(0, raw_syscall(__NR_sigaltstack, &stack, NULL));
	EXECUTED_CHILD(has_no_alternate_stack);
}

AFTER_EXEC(has_these_ids)
{
	return !(getpid() == atoi(argv[0]) && raw_syscall(__NR_gettid) == atoi(argv[0]) && getppid() == atoi(argv[1]) &&
		 getpgid(0) == atoi(argv[2]) && getsid(0) == atoi(argv[3]));
}

static char ids[4][24];

static void note_ids(void)
{
	number(ids[0], getpid());
	number(ids[1], getppid());
	number(ids[2], getpgid(0));
	number(ids[3], getsid(0));
}

CLAUSE(the_process_keeps_its_ids,
       "execve(2): the process ID, parent, process group and session are unchanged", .needed_by = USERS)
{
	IN_CHILD {
		note_ids();
		execute_self(has_these_ids, ids[0], ids[1], ids[2], ids[3]);
		_exit(126);
	}
}

static char *const *arguments;

static int execute_from_thread(void *unused)
{
	raw_syscall(__NR_execve, "/proc/self/exe", arguments, environ);
	return 0;
}

static int wait_for_ever(void *unused)
{
	for (;;)
		raw_syscall(NR_PPOLL, NULL, 0, NULL, NULL, 0);
	return 0;
}

CLAUSE(a_thread_that_executes_becomes_the_whole_process,
       "execve(2): all threads other than the caller are destroyed, and a caller that was not the leader takes its "
       "thread ID, which "
       "is the process ID", .needed_by = USERS)
{
	IN_CHILD {
		struct thread bystander, executor;

		note_ids();
		arguments = (char *[]){ "osprim", "--after-exec", "has_these_ids", ids[0], ids[1], ids[2], ids[3], NULL };
		ASSERT_OK(thread_start(&bystander, wait_for_ever, NULL));
		ASSERT_TRUE(wait_until_blocked_in(bystander.known_as, NR_PPOLL));
		ASSERT_OK(thread_start(&executor, execute_from_thread, NULL));
		wait_for_ever(NULL);	// the leader is replaced where it stands
	}
}

AFTER_EXEC(has_descriptors)
{
	int kept = atoi(argv[0]), closed = atoi(argv[1]);

	return !(fcntl(kept, F_GETFD) == 0 && fcntl(closed, F_GETFD) == -1 && errno == EBADF &&
		 lseek(kept, 0, SEEK_CUR) == 3);
}

CLAUSE(descriptors_stay_open_with_their_offset_unless_marked,
       "execve(2): file descriptors remain open, but for those marked close-on-exec; the open file and its offset are "
       "the same [VFK-3]",
       .needed_by = USERS)
{
	int kept = open("/proc/self/exe", O_RDONLY), closed = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char text[2][24];

	ASSERT_EQ(3, lseek(kept, 3, SEEK_SET));
	EXECUTED_CHILD(has_descriptors, number(text[0], kept), number(text[1], closed));
}

static int share_files_for_ever(void *unused)
{
	return wait_for_ever(unused);
}

CLAUSE(a_shared_descriptor_table_is_parted,
       "execve(2): a table of descriptors shared with another process is unshared, so that close-on-exec closes "
       "nothing there",
       .needed_by = USERS)
{
	static char stack[THREAD_STACK] __attribute__((aligned(16)));
	int marked = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), kept = open("/proc/self/exe", O_RDONLY);
	char text[2][24];
	long sharer, executor;
	int status = -1;

	ASSERT_EQ(3, lseek(kept, 3, SEEK_SET));
	// A child shares the table with us and executes; what it closes by that, it closes for itself.
	arguments = (char *[]){ "osprim", "--after-exec", "has_descriptors", number(text[0], kept), number(text[1], marked), NULL };
	sharer = raw_clone(CLONE_FILES | SIGCHLD, stack + sizeof(stack), share_files_for_ever, NULL, NULL, NULL, NULL);
	ASSERT_OK(sharer);
	executor = raw_clone(CLONE_FILES | SIGCHLD, stack + sizeof(stack), execute_from_thread, NULL, NULL, NULL, NULL);
	ASSERT_OK(executor);
	ASSERT_EQ(executor, waitpid(executor, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(FD_CLOEXEC, fcntl(marked, F_GETFD));
	kill(sharer, SIGKILL);
	ASSERT_EQ(sharer, waitpid(sharer, &status, 0));
}

AFTER_EXEC(has_these_attributes)
{
	mode_t mask = umask(0);
	struct rlimit limit;
	char folder[64] = "", name[16] = "";

	getrlimit(RLIMIT_NOFILE, &limit);
	raw_syscall(__NR_getcwd, folder, sizeof(folder));
	prctl(PR_GET_NAME, name);
	return !(mask == 027 && getpriority(PRIO_PROCESS, 0) == 3 && limit.rlim_cur == 99 && !strcmp(folder, "/proc") &&
		 strcmp(name, "before") && prctl(PR_GET_TIMERSLACK) == 12345 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

CLAUSE(attributes_of_the_process_are_kept_and_its_name_is_not,
       "execve(2): umask, working directory, nice value, resource limits, timer slack and no_new_privs are preserved; "
       "the name that "
       "PR_SET_NAME gave is replaced by the program's [RLM-1]", .needed_by = USERS)
{
	IN_CHILD {
		struct rlimit limit;

		umask(027);
		getrlimit(RLIMIT_NOFILE, &limit);
		limit.rlim_cur = 99;
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
		ASSERT_EQ(0, setpriority(PRIO_PROCESS, 0, 3));
		ASSERT_EQ(0, prctl(PR_SET_NAME, "before"));
		ASSERT_EQ(0, prctl(PR_SET_TIMERSLACK, 12345UL));
		ASSERT_EQ(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		ASSERT_EQ(0, chdir("/proc"));
		execute_self(has_these_attributes);
		_exit(126);
	}
}

AFTER_EXEC(has_a_death_signal_and_reset_flags)
{
	int sig = 0, reaper = 0;

	prctl(PR_GET_PDEATHSIG, &sig);
	prctl(PR_GET_CHILD_SUBREAPER, &reaper);
	return !(sig == SIGUSR1 && reaper == 1 && prctl(PR_GET_DUMPABLE) == 1 && prctl(PR_GET_KEEPCAPS) == 0);
}

CLAUSE(a_parent_death_signal_and_the_subreaper_stay_and_keepcaps_ends,
       "prctl(2): PR_SET_PDEATHSIG and PR_SET_CHILD_SUBREAPER are preserved across execve(2) of an ordinary program; "
       "PR_SET_KEEPCAPS "
       "is cleared and the process is dumpable again", .needed_by = USERS)
{
	IN_CHILD {
		ASSERT_EQ(0, prctl(PR_SET_PDEATHSIG, SIGUSR1));
		ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
		ASSERT_EQ(0, prctl(PR_SET_KEEPCAPS, 1));
		execute_self(has_a_death_signal_and_reset_flags);
		_exit(126);
	}
}

AFTER_EXEC(has_a_fresh_address_space)
{
	int memory = open("/proc/self/mem", O_RDONLY), word = 0;
	long locked = -1;
	char line[256];
	FILE *f = fopen("/proc/self/smaps_rollup", "re");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Locked: %ld", &locked);
	// Nothing may be there any more, or something else that cannot even be read: /proc reads it without a fault.
	if (pread(memory, &word, sizeof(word), strtoull(argv[0], NULL, 0)) != sizeof(word))
		word = 0;
	return !(word != 0x5eed && locked <= 0);
}

CLAUSE(memory_is_new_and_no_longer_locked,
       "execve(2): memory mappings are not preserved, and memory locks are not", .needed_by = USERS)
{
	char text[24];
	int *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*page = 0x5eed;
	IN_CHILD {
		mlock(page, 4096);
		execute_self(has_a_fresh_address_space, number(text, (uintptr_t)page));
		_exit(126);
	}
}


AFTER_EXEC(exits_at_once)
{
	return 0;
}

CLAUSE(the_tid_address_is_cleared_by_exec_for_who_shares_the_memory,
       "set_tid_address(2), kernel/fork.c exec_mm_release (5.10, 7.2): a task that leaves a shared address space by "
       "execve(2) has its "
       "clear_child_tid word set to 0 and woken there [GLC-1]", .needed_by = "glibc:posix_spawn")
{
	static char stack[THREAD_STACK] __attribute__((aligned(16)));
	volatile int word = 77;
	int status = -1;
	long child;

	arguments = (char *[]){ "osprim", "--after-exec", "exits_at_once", NULL };
	child = raw_clone(CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, stack + sizeof(stack), execute_from_thread, NULL,
			  NULL, NULL, (int *)&word);
	ASSERT_OK(child);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, word);
}
