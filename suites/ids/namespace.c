// SPDX-License-Identifier: GPL-2.0-only
// pid_namespaces(7): inside a namespace every call speaks of the same numbers.
#include "clause.h"
#include "sigaction.h"
#include "sync.h"
#include "thread.h"

#include <sched.h>
#include <sys/mman.h>

#define USERS "go:gettid go:tgkill jvm:container"

#define IN_NEW_PID_NAMESPACE .config = "PID_NS", .needs = "root cap=sys_admin", .probe = new_pid_namespace, .absent_errno = EINVAL

struct inside {
	long pid, tid, ppid;
	long thread, thread_tid, thread_pid, tgkill_result, kill_result;
	volatile int sent, signals, sender, code;
};

static int leave(void *arg)
{
	return 0;
}

// Runs fn(arg) as the first process of a new pid namespace; returns its pid out here or -errno.
static long start_inside(int (*fn)(void *), void *arg)
{
	static char stack[THREAD_STACK] __attribute__((aligned(16)));

	return raw_clone(CLONE_NEWPID | SIGCHLD, stack + sizeof(stack), fn, arg, NULL, NULL, NULL);
}

static long new_pid_namespace(void)
{
	long child = start_inside(leave, NULL);

	if (child > 0)
		waitpid(child, NULL, 0);
	return child;
}

static struct inside *shared_page(void)
{
	return mmap(NULL, sizeof(struct inside), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static int report_thread(void *arg)
{
	struct inside *in = arg;

	in->thread_tid = raw_syscall(__NR_gettid);
	in->thread_pid = raw_syscall(__NR_getpid);
	in->tgkill_result = raw_syscall(__NR_tgkill, in->thread_pid, in->thread_tid, 0);
	return 0;
}

static int report_identity(void *arg)
{
	struct inside *in = arg;
	struct thread t;

	in->pid = raw_syscall(__NR_getpid);
	in->tid = raw_syscall(__NR_gettid);
	in->ppid = raw_syscall(__NR_getppid);
	in->kill_result = raw_syscall(__NR_kill, 2, 0);
	in->thread = thread_start(&t, report_thread, in);
	return !thread_join(&t);
}

CLAUSE(every_identity_is_counted_from_the_namespace,
       "pid_namespaces(7): getpid, gettid, clone and tgkill of a process in the namespace speak of its IDs there; the "
       "first has "
       "ID 1, and a parent outside is 0 [TID-2]", IN_NEW_PID_NAMESPACE, .needed_by = USERS)
{
	struct inside *in = shared_page();
	int status = -1;
	long child = start_inside(report_identity, in);

	ASSERT_OK(child);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_GT(child, 1);	// out here it has an ordinary number
	EXPECT_EQ(1, in->pid);
	EXPECT_EQ(1, in->tid);
	EXPECT_EQ(0, in->ppid);
	EXPECT_ERR(ESRCH, in->kill_result);
	EXPECT_EQ(2, in->thread);
	EXPECT_EQ(in->thread, in->thread_tid);
	EXPECT_EQ(1, in->thread_pid);
	EXPECT_RET(0, in->tgkill_result);
}

static struct inside *receiver;

static void note_sender(int sig, siginfo_t *info, void *ucontext)
{
	receiver->sender = info->si_pid;
	receiver->code = info->si_code;
	receiver->signals++;
}

static int receive_from_outside_and_inside(void *arg)
{
	receiver = arg;
	raw_sigaction(SIGUSR1, note_sender, 0);
	receiver->sent = 1;
	if (!wait_until(receiver->signals == 1) || receiver->sender != 0)
		return 1;
	raw_syscall(__NR_kill, raw_syscall(__NR_getpid), SIGUSR1);
	return !(receiver->signals == 2 && receiver->sender == 1);
}

CLAUSE(si_pid_is_the_senders_id_in_the_receivers_namespace,
       "pid_namespaces(7): a signal from an ancestor namespace is accompanied by si_pid 0; from within, by the "
       "sender's ID there "
       "[TID-2]", IN_NEW_PID_NAMESPACE, .needed_by = USERS)
{
	struct inside *in = shared_page();
	int status = -1;
	long child = start_inside(receive_from_outside_and_inside, in);

	ASSERT_OK(child);
	ASSERT_TRUE(wait_until(in->sent));
	EXPECT_RET(0, raw_syscall(__NR_kill, child, SIGUSR1));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

static int wait_to_be_killed(void *arg)
{
	struct inside *in = arg;

	// Its own signals do not reach it without a handler, not even SIGKILL: it would end here.
	raw_syscall(__NR_kill, 1, SIGTERM);
	raw_syscall(__NR_kill, 1, SIGKILL);
	in->sent = 1;
	for (;;)
		raw_syscall(NR_PPOLL, NULL, 0, NULL, NULL, 0);
	return 0;
}

CLAUSE(the_first_process_is_shielded_from_within_and_not_from_without,
       "pid_namespaces(7) The namespace init process: signals it has no handler for are ignored when sent from within; "
       "SIGKILL "
       "from an ancestor namespace is enforced", IN_NEW_PID_NAMESPACE, .needed_by = USERS)
{
	struct inside *in = shared_page();
	int status = -1;
	long child = start_inside(wait_to_be_killed, in);

	ASSERT_OK(child);
	EXPECT_TRUE(wait_until(in->sent));
	EXPECT_RET(0, raw_syscall(__NR_kill, child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static int comes_too_late(void *unused)
{
	static const unsigned long kinds[] = { SIGCHLD, CLONE_VM | SIGCHLD, CLONE_VM | CLONE_VFORK | SIGCHLD };
	static char stack[THREAD_STACK] __attribute__((aligned(16)));
	long first;

	if (raw_syscall(__NR_unshare, CLONE_NEWPID))
		return 1;
	first = raw_clone(SIGCHLD, stack + sizeof(stack), leave, NULL, NULL, NULL, NULL);
	if (is_error(first) || raw_syscall(__NR_wait4, first, NULL, 0, NULL) != first)
		return 2;
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++)
		for (int again = 0; again < 3; again++)
			if (raw_clone(kinds[i], stack + sizeof(stack), leave, NULL, NULL, NULL, NULL) != -ENOMEM)
				return 3 + i;
	return raw_syscall(__NR_wait4, -1, NULL, 0, NULL) != -ECHILD;
}

CLAUSE(nobody_is_made_in_a_namespace_whose_first_process_has_ended,
       "pid_namespaces(7) The namespace init process, fork(2) ERRORS ENOMEM: once the first process of the namespace has "
       "ended no other can be made there: ENOMEM, which is no error to try again", IN_NEW_PID_NAMESPACE, .needed_by = USERS)
{
	IN_CHILD {
		_exit(comes_too_late(NULL));
	}
}
