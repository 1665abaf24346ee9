// SPDX-License-Identifier: GPL-2.0-only
// seccomp(2): what each verdict of a filter does to the call, and which wins where filters disagree.
#include "clause.h"
#include "filter.h"
#include "sigaction.h"
#include "sync.h"
#include "thread.h"

#include <fcntl.h>
#include <sys/ptrace.h>

CLAUSE(errno_fails_the_call_with_the_filters_number,
       "seccomp(2) SECCOMP_RET_ERRNO: the system call is not executed and the 16 bits of SECCOMP_RET_DATA are its "
       "error; above 4095 they "
       "count as 4095, and 0 is success", SECCOMP)
{
	static const struct { int data, error; } cases[] = {
		{ 1, 1 }, { ENOSYS, ENOSYS }, { 133, 133 }, { 1000, 1000 }, { 4094, 4094 }, { 4095, 4095 }, { 4096, 4095 },
		{ 0x7fff, 4095 }, { 0x8000, 4095 }, { 0xffff, 4095 }, { 0, 0 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		IN_CHILD {
			ASSERT_RET(0, judge(CALL, FAILS_WITH(cases[i].data)));
			EXPECT_RET(-cases[i].error, call(0)) TH_LOG("data %d", cases[i].data);
		}
	}
}

CLAUSE(a_call_that_is_denied_does_nothing,
       "seccomp(2) SECCOMP_RET_ERRNO: the system call is not executed, also where the verdict looks like "
       "success", SECCOMP)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ASSERT_GE(fd, 0);
	ASSERT_RET(0, judge(__NR_close, FAILS_WITH(0)));
	EXPECT_RET(0, raw_syscall(__NR_close, fd));
	EXPECT_OK(raw_syscall(__NR_fcntl, fd, F_GETFD));
}

CLAUSE(allow_and_log_execute_the_call,
       "seccomp(2) SECCOMP_RET_ALLOW, SECCOMP_RET_LOG: the system call is executed; data means nothing", SECCOMP)
{
	static const uint32_t verdicts[] = {
		SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW | 0xffff, SECCOMP_RET_LOG, SECCOMP_RET_LOG | EPERM,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(verdicts); i++) {
		IN_CHILD {
			ASSERT_RET(0, judge(CALL, verdicts[i]));
			EXPECT_RET(call_result(), call(0)) TH_LOG("verdict %#x", verdicts[i]);
		}
	}
}

CLAUSE(without_a_tracer_or_listener_the_call_is_not_there,
       "seccomp(2) SECCOMP_RET_TRACE, SECCOMP_RET_USER_NOTIF: where no tracer, or no listener, is attached, the call "
       "is not executed and "
       "fails with ENOSYS", SECCOMP)
{
	IN_CHILD {
		ASSERT_RET(0, judge(CALL, SECCOMP_RET_TRACE | 7));
		EXPECT_ERR(ENOSYS, call(0));
	}
	IN_CHILD {
		ASSERT_RET(0, judge(CALL, SECCOMP_RET_USER_NOTIF | 7));
		EXPECT_ERR(ENOSYS, call(0));
	}
}

static void does_nothing(int sig, siginfo_t *info, void *ucontext)
{
}

static int makes_the_call(void *arg)
{
	call(0);
	return 0;
}

static void calls_in_a_thread(void)
{
	struct thread t;

	if (is_error(thread_start(&t, makes_the_call, NULL)) || !thread_join(&t))
		_exit(1);
}

static void waits_for_the_end(void)
{
	struct thread t;

	thread_start(&t, makes_the_call, NULL);
	for (;;)
		pause();
}

CLAUSE(kill_process_ends_every_thread,
       "seccomp(2) SECCOMP_RET_KILL_PROCESS: the whole process ends at once, killed by SIGSYS for who waits for it, "
       "whichever thread made "
       "the call [incident 45]", SECCOMP)
{
	int status = STATUS_OF(judge(CALL, SECCOMP_RET_KILL_PROCESS); waits_for_the_end());

	EXPECT_TRUE(KILLED_BY_SIGSYS(status)) TH_LOG("status %#x", status);
	status = STATUS_OF(judge(CALL, SECCOMP_RET_KILL_PROCESS); call(0));
	EXPECT_TRUE(KILLED_BY_SIGSYS(status)) TH_LOG("status %#x", status);
}

CLAUSE(a_kill_cannot_be_caught,
       "seccomp(2) SECCOMP_RET_KILL_PROCESS: SIGSYS handled, ignored or blocked, the process ends [incident "
       "45]", SECCOMP)
{
	static const uint32_t verdicts[] = { SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD };

	for (unsigned int i = 0; i < ARRAY_SIZE(verdicts); i++) {
		int handled = STATUS_OF(raw_sigaction(SIGSYS, does_nothing, 0); judge(CALL, verdicts[i]); call(0));
		int ignored = STATUS_OF(raw_sigaction(SIGSYS, SIGNAL_IGNORE, 0); judge(CALL, verdicts[i]); call(0));
		int blocked = STATUS_OF(raw_sigprocmask(SIG_BLOCK, SIGSET_FULL); judge(CALL, verdicts[i]); call(0));

		EXPECT_TRUE(KILLED_BY_SIGSYS(handled)) TH_LOG("handled: status %#x", handled);
		EXPECT_TRUE(KILLED_BY_SIGSYS(ignored)) TH_LOG("ignored: status %#x", ignored);
		EXPECT_TRUE(KILLED_BY_SIGSYS(blocked)) TH_LOG("blocked: status %#x", blocked);
	}
}

CLAUSE(kill_thread_ends_the_thread_alone,
       "seccomp(2) SECCOMP_RET_KILL_THREAD: the thread that made the call ends, its tid is cleared, and the others "
       "live on; no handler "
       "runs", SECCOMP)
{
	int status = STATUS_OF(judge(CALL, SECCOMP_RET_KILL_THREAD); calls_in_a_thread());

	EXPECT_EQ(0, status);
}

CLAUSE(kill_thread_of_the_last_thread_ends_the_process,
       "seccomp(2) SECCOMP_RET_KILL_THREAD: of a process of one thread the parent sees a death by SIGSYS", SECCOMP)
{
	int status = STATUS_OF(judge(CALL, SECCOMP_RET_KILL_THREAD); call(0));

	EXPECT_TRUE(KILLED_BY_SIGSYS(status)) TH_LOG("status %#x", status);
}

CLAUSE(an_unknown_verdict_kills_the_process,
       "seccomp(2): a filter's value that is no known action counts as SECCOMP_RET_KILL_PROCESS", SECCOMP)
{
	static const uint32_t verdicts[] = { 0x00010000, 0x00060000, 0x7ffe0000, 0xffff0000, 0x80010000 };

	for (unsigned int i = 0; i < ARRAY_SIZE(verdicts); i++) {
		int status = STATUS_OF(judge(CALL, verdicts[i]); waits_for_the_end());

		EXPECT_TRUE(KILLED_BY_SIGSYS(status)) TH_LOG("verdict %#x: status %#x", verdicts[i], status);
	}
}

// In the order of precedence, and what a thread of a process that has threads then sees.
enum outcome { PROCESS_KILLED = 1, THREAD_KILLED, TRAPPED, FAILED, NOT_THERE, EXECUTED, STRANGE };
static const struct { uint32_t verdict; enum outcome outcome; } order[] = {
	{ SECCOMP_RET_KILL_PROCESS,          PROCESS_KILLED },
	{ SECCOMP_RET_KILL_THREAD,           THREAD_KILLED },
	{ SECCOMP_RET_TRAP,                  TRAPPED },
	{ FAILS_WITH(EXDEV),                 FAILED },
	{ SECCOMP_RET_USER_NOTIF,            NOT_THERE },
	{ SECCOMP_RET_TRACE,                 NOT_THERE },
	{ SECCOMP_RET_LOG,                   EXECUTED },
	{ SECCOMP_RET_ALLOW,                 EXECUTED },
};
static volatile int trapped;
static volatile long seen;

static void notes_the_trap(int sig, siginfo_t *info, void *ucontext)
{
	trapped = 1;
	UC_RET(ucontext) = 0;
}

static int sees_the_result(void *arg)
{
	seen = call(0);
	return 0;
}

static enum outcome outcome_of_call(void)
{
	long group = call_result();
	struct thread t;

	seen = -4000;
	if (is_error(thread_start(&t, sees_the_result, NULL)) || !thread_join(&t))
		return STRANGE;
	return seen == -4000 ? THREAD_KILLED : trapped ? TRAPPED : seen == -EXDEV ? FAILED : seen == -ENOSYS ? NOT_THERE :
	       seen == group ? EXECUTED : STRANGE;
}

static enum outcome outcome_under(uint32_t first, uint32_t second)
{
	int status = STATUS_OF(raw_sigaction(SIGSYS, notes_the_trap, 0); if (judge(CALL, first) || judge(CALL, second)) _exit(STRANGE);
			       _exit(outcome_of_call()));

	return KILLED_BY_SIGSYS(status) ? PROCESS_KILLED : WIFEXITED(status) ? WEXITSTATUS(status) : STRANGE;
}

CLAUSE(the_most_restrictive_verdict_wins,
       "seccomp(2): every filter is run, and of their values the first in this order counts, whichever filter is "
       "older: KILL_PROCESS, "
       "KILL_THREAD, TRAP, ERRNO, USER_NOTIF, TRACE, LOG, ALLOW", .timeout = 40, SECCOMP)
{
	for (unsigned int strong = 0; strong < ARRAY_SIZE(order); strong++) {
		for (unsigned int weak = strong; weak < ARRAY_SIZE(order); weak++) {
			// Neighbours tell the order; all of them are held against the weakest as well.
			if (weak > strong + 1 && weak + 1 < ARRAY_SIZE(order))
				continue;
			EXPECT_EQ(order[strong].outcome, outcome_under(order[strong].verdict, order[weak].verdict))
				TH_LOG("%#x, then %#x", order[strong].verdict, order[weak].verdict);
			EXPECT_EQ(order[strong].outcome, outcome_under(order[weak].verdict, order[strong].verdict))
				TH_LOG("%#x, then %#x", order[weak].verdict, order[strong].verdict);
		}
	}
}

CLAUSE(among_equal_verdicts_the_newest_filter_counts,
       "seccomp(2): if several filters return the same action, the data of the most recently installed one is "
       "used", SECCOMP)
{
	for (int error = 10; error < 14; error++) {
		ASSERT_RET(0, judge(CALL, FAILS_WITH(error)));
		EXPECT_RET(-error, call(0));
	}
	ASSERT_RET(0, judge(CALL, SECCOMP_RET_ALLOW));
	EXPECT_RET(-13, call(0));
}

CLAUSE(a_tracer_is_told_the_filters_data,
       "seccomp(2) SECCOMP_RET_TRACE, ptrace(2) PTRACE_EVENT_SECCOMP: a tracer that asked for it stops the thread "
       "before the "
       "call, gets the filter's 16 bits of data by PTRACE_GETEVENTMSG, and the call then goes on", SECCOMP)
{
	static const unsigned int data[] = { 1, 0x1234, 0xffff, 0 };
	unsigned long message;
	int status = -1;
	pid_t child;

	for (unsigned int i = 0; i < ARRAY_SIZE(data); i++) {
		child = fork();
		if (child == 0) {
			long want;

			if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
				_exit(errno == EPERM ? 97 : 99);
			if (judge(CALL, SECCOMP_RET_TRACE | data[i]))
				_exit(96);
			raise(SIGSTOP);
			want = call_result();
			_exit(call(0) == want ? 42 : 98);
		}
		ASSERT_EQ(child, waitpid(child, &status, 0));
		if (status == 97 << 8)
			SKIP(return, "it is traced already, or nobody may trace here");
		ASSERT_TRUE(WIFSTOPPED(status)) TH_LOG("status %#x", status);
		ASSERT_EQ(0, ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL));
		ASSERT_EQ(0, ptrace(PTRACE_CONT, child, NULL, NULL));
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(SIGTRAP | PTRACE_EVENT_SECCOMP << 8, status >> 8) TH_LOG("status %#x", status);
		message = ~0UL;
		EXPECT_EQ(0, ptrace(PTRACE_GETEVENTMSG, child, NULL, &message));
		EXPECT_EQ(data[i], message);
		ASSERT_EQ(0, ptrace(PTRACE_CONT, child, NULL, NULL));
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(42 << 8, status);
	}
}
