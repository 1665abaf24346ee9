// SPDX-License-Identifier: GPL-2.0-only
// getpid(2), gettid(2), getppid(2), set_tid_address(2): who a task is, to itself and to its kin.
#include "clause.h"
#include "sigaction.h"
#include "sync.h"
#include "thread.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mman.h>

#define USERS "go:getpid go:gettid glibc:pthread_self jvm:os_thread_id"
#define THREADS 8

#define get_pid()  raw_syscall(__NR_getpid)
#define get_tid()  raw_syscall(__NR_gettid)
#define get_ppid() raw_syscall(__NR_getppid)

struct identity {
	long pid, tid, ppid, tid_address;
	volatile int may_go;
	int word;
};

static int report(void *arg)
{
	struct identity *me = arg;

	me->pid = get_pid();
	me->tid = get_tid();
	me->ppid = get_ppid();
	me->tid_address = raw_syscall(__NR_set_tid_address, &me->word);
	while (!me->may_go)
		raw_syscall(__NR_sched_yield);
	return 0;
}

CLAUSE(the_main_threads_tid_is_the_pid,
       "gettid(2): in a single-threaded process, and in the main thread of any, the thread ID is the process ID "
       "[TID-1]",
       .needed_by = USERS)
{
	char status[4096];
	long tgid, tid, ppid;

	EXPECT_EQ(get_pid(), get_tid());
	ASSERT_GT(read_text("/proc/self/status", status, sizeof(status)), 0);
	ASSERT_NE(NULL, strstr(status, "\nTgid:"));
	tgid = atol(strstr(status, "\nTgid:") + 6);
	tid = atol(strstr(status, "\nPid:") + 5);
	ppid = atol(strstr(status, "\nPPid:") + 6);
	EXPECT_EQ(tgid, get_pid());
	EXPECT_EQ(tid, get_tid());
	EXPECT_EQ(ppid, get_ppid());
}

CLAUSE(threads_share_the_pid_and_have_unique_tids,
       "gettid(2): all threads of a process have the same PID and each its own TID, the one that clone returned "
       "[TID-1] [TID-3] "
       "[CLN-3]", .needed_by = USERS)
{
	struct identity who[THREADS] = { 0 };
	struct thread t[THREADS];

	for (int i = 0; i < THREADS; i++)
		ASSERT_OK(thread_start(&t[i], report, &who[i]));
	for (int i = 0; i < THREADS; i++) {
		ASSERT_TRUE(wait_until(who[i].tid_address));
		EXPECT_EQ(get_pid(), who[i].pid);
		EXPECT_EQ(get_ppid(), who[i].ppid);
		EXPECT_EQ(t[i].known_as, who[i].tid);
		EXPECT_NE(get_tid(), who[i].tid);
		EXPECT_RET(0, raw_syscall(__NR_tgkill, get_pid(), who[i].tid, 0));
		for (int j = 0; j < i; j++)
			EXPECT_NE(who[j].tid, who[i].tid);
	}
	for (int i = 0; i < THREADS; i++)
		who[i].may_go = 1;
	for (int i = 0; i < THREADS; i++)
		ASSERT_TRUE(thread_join(&t[i]));
}

CLAUSE(set_tid_address_returns_the_callers_thread_id,
       "set_tid_address(2) RETURN VALUE: always the caller's thread ID, in whatever thread it is called [GLC-2]",
       .needed_by = "glibc:__libc_setup_tls musl:__init_tp")
{
	struct identity who = { .may_go = 1 };
	static int word;
	struct thread t;

	EXPECT_RET(get_tid(), raw_syscall(__NR_set_tid_address, &word));
	ASSERT_OK(thread_start(&t, report, &who));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(t.known_as, who.tid_address);
	EXPECT_NE(get_pid(), who.tid_address);
}

static int count_tasks(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

CLAUSE(proc_lists_exactly_the_live_threads,
       "proc_pid_task(5): one subdirectory for each thread in the task, named after its thread ID [ATS-5] [CLN-3]",
       .needed_by = "go:syscall_runtime_doAllThreadsSyscall musl:__synccall")
{
	struct identity who[THREADS] = { 0 };
	struct thread t[THREADS];
	char path[64];

	EXPECT_EQ(1, count_tasks());
	for (int i = 0; i < THREADS; i++) {
		ASSERT_OK(thread_start(&t[i], report, &who[i]));
		EXPECT_EQ(i + 2, count_tasks());
		snprintf(path, sizeof(path), "/proc/self/task/%d", t[i].known_as);
		EXPECT_EQ(0, access(path, F_OK));
	}
	for (int i = 0; i < THREADS; i++) {
		who[i].may_go = 1;
		ASSERT_TRUE(thread_join(&t[i]));
		// A thread that has cleared its word may be listed for the instant it takes to be released.
		EXPECT_TRUE(wait_until(count_tasks() == THREADS - i));
	}
}

static int exit_with_whether_identity_is_fresh(void *arg)
{
	struct identity *parent = arg;

	return !(get_pid() != parent->pid && get_pid() == get_tid() && get_ppid() == parent->pid);
}

CLAUSE(a_new_process_knows_its_own_pid_at_once,
       "getpid(2): the process ID of the calling process, with nothing kept over from the parent by whatever call made "
       "the child",
       .needed_by = USERS)
{
	static const unsigned long kinds[] = { 0, CLONE_VM | CLONE_VFORK, CLONE_FS | CLONE_FILES };
	struct identity me = { .pid = get_pid() };
	char *stack = mmap(NULL, THREAD_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		int status = -1;
		long child = raw_clone(kinds[i] | SIGCHLD, stack + THREAD_STACK, exit_with_whether_identity_is_fresh, &me,
				       NULL, NULL, NULL);

		ASSERT_OK(child);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(me.pid, get_pid());
}

CLAUSE(a_child_whose_parent_has_gone_gets_another,
       "getppid(2): if the parent has terminated, the ID of the process to which this one was "
       "reparented", .needed_by = USERS)
{
	int ends[2];
	char byte = 0;

	ASSERT_EQ(0, pipe(ends));
	IN_CHILD {
		int parent = get_pid();

		if (fork() == 0) {
			byte = wait_until(get_ppid() != parent) && get_ppid() != get_pid();
			if (write(ends[1], &byte, 1) != 1)
				_exit(1);
			_exit(0);
		}
	}
	ASSERT_EQ(1, read(ends[0], &byte, 1));
	EXPECT_EQ(1, byte);
}
