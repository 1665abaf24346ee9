// SPDX-License-Identifier: GPL-2.0-only
// seccomp(2) SECCOMP_RET_TRAP: SIGSYS as runtimes that emulate system calls need it.
#include "clause.h"
#include "filter.h"
#include "sigaction.h"
#include "thread.h"

static volatile struct {
	int count, signo, code, error, number, tid;
	unsigned int arch;
	unsigned long address, pc, args[6];
	long result;		// what the handler gives the call
	int result_given;
} trap;

static void notes_the_trap(int sig, siginfo_t *info, void *ucontext)
{
	trap.count++;
	trap.signo = info->si_signo;
	trap.code = info->si_code;
	trap.error = info->si_errno;
	trap.number = info->si_syscall;
	trap.arch = info->si_arch;
	trap.address = (unsigned long)info->si_call_addr;
	trap.pc = UC_PC(ucontext);
	trap.tid = raw_syscall(__NR_gettid);
	for (int i = 0; i < 6; i++)
		trap.args[i] = UC_ARG(ucontext, i);
	if (trap.result_given)
		UC_RET(ucontext) = trap.result;
}

#define ASSERT_TRAPPED(data) do {							\
	ASSERT_RET(0, raw_sigaction(SIGSYS, notes_the_trap, 0));			\
	ASSERT_RET(0, judge(CALL, SECCOMP_RET_TRAP | (data)));				\
} while (0)

CLAUSE(a_trap_is_a_sigsys_that_tells_all,
       "sigaction(2) SYS_SECCOMP, seccomp(2) SECCOMP_RET_TRAP: si_signo is SIGSYS, si_code SYS_SECCOMP (1), si_syscall "
       "the number, si_arch "
       "the AUDIT_ARCH_* of the ABI, si_errno the filter's data [SIGINFO-2] [V8-3]", SECCOMP)
{
	ASSERT_TRAPPED(0x1234);
	call(0);
	EXPECT_EQ(1, trap.count);
	EXPECT_EQ(SIGSYS, trap.signo);
	EXPECT_EQ(1, trap.code);
	EXPECT_EQ(CALL, trap.number);
	EXPECT_EQ(ARCH_AUDIT, trap.arch);
	EXPECT_EQ(0x1234, trap.error);
}

CLAUSE(the_data_of_a_trap_is_not_capped,
       "seccomp(2) SECCOMP_RET_TRAP: si_errno holds the 16 bits of SECCOMP_RET_DATA, above 4095 too", SECCOMP)
{
	static const int data[] = { 0, 1, 4095, 4096, 0xffff };

	for (unsigned int i = 0; i < ARRAY_SIZE(data); i++) {
		IN_CHILD {
			ASSERT_TRAPPED(data[i]);
			call(0);
			EXPECT_EQ(data[i], trap.error);
		}
	}
}

CLAUSE(the_address_of_a_trap_is_where_the_handler_returns_to,
       "seccomp(2) SECCOMP_RET_TRAP: si_call_addr is the address of the call, which is also the interrupted program "
       "counter [V8-3]", SECCOMP)
{
	ASSERT_TRAPPED(0);
	call(0);
	EXPECT_NE(0, trap.address);
	EXPECT_EQ(trap.pc, trap.address);
}

CLAUSE(the_handler_sees_the_arguments,
       "seccomp(2) SECCOMP_RET_TRAP: the registers in the handler's ucontext are those of just before the call: all "
       "six arguments [V8-3]",
       SECCOMP)
{
	ASSERT_TRAPPED(0);
	raw_syscall(CALL, 0x11, 0x12, 0x13, 0, 0x15, 0x16);
	if (ARCH_REG_ARG(0) != ARCH_REG_RET)	// which holds what the architecture likes
		EXPECT_EQ(0x11, trap.args[0]);
	EXPECT_EQ(0x12, trap.args[1]);
	EXPECT_EQ(0x13, trap.args[2]);
	EXPECT_EQ(0, trap.args[3]);
	EXPECT_EQ(0x15, trap.args[4]);
	EXPECT_EQ(0x16, trap.args[5]);
}

CLAUSE(the_handler_sets_the_result,
       "seccomp(2) SECCOMP_RET_TRAP: the call is not executed, and what the handler puts into the result register is "
       "what it returns "
       "[V8-3]", SECCOMP)
{
	static const long results[] = { 0, 1, 12345, 0x7ffff000 };

	ASSERT_TRAPPED(0);
	trap.result_given = 1;
	for (unsigned int i = 0; i < ARRAY_SIZE(results); i++) {
		trap.result = results[i];
		EXPECT_RET(results[i], call(0));
	}
	EXPECT_EQ(ARRAY_SIZE(results), trap.count);
}

CLAUSE(a_trap_with_sigsys_blocked_or_ignored_is_fatal,
       "seccomp(2) SECCOMP_RET_TRAP, kernel/signal.c force_sig_info_to_task (5.10, 7.2): a thread that blocks or "
       "ignores SIGSYS, or has no "
       "handler, is killed by it", SECCOMP)
{
	int status = STATUS_OF(raw_sigaction(SIGSYS, notes_the_trap, 0); raw_sigprocmask(SIG_BLOCK, SIGSET(SIGSYS));
			       judge(CALL, SECCOMP_RET_TRAP); call(0));

	EXPECT_TRUE(KILLED_BY_SIGSYS(status)) TH_LOG("blocked: status %#x", status);
	status = STATUS_OF(raw_sigaction(SIGSYS, SIGNAL_IGNORE, 0); judge(CALL, SECCOMP_RET_TRAP); call(0));
	EXPECT_TRUE(KILLED_BY_SIGSYS(status)) TH_LOG("ignored: status %#x", status);
	status = STATUS_OF(raw_sigaction(SIGSYS, SIGNAL_DEFAULT, 0); judge(CALL, SECCOMP_RET_TRAP); call(0));
	EXPECT_TRUE(KILLED_BY_SIGSYS(status)) TH_LOG("default: status %#x", status);
}

static int makes_the_call(void *arg)
{
	*(long *)arg = call(0);
	return 0;
}

CLAUSE(the_thread_that_made_the_call_gets_the_trap,
       "seccomp(2) SECCOMP_RET_TRAP: SIGSYS goes to the thread that triggered it, and to no other", SECCOMP)
{
	struct thread t;
	long result = -1;

	ASSERT_TRAPPED(0);
	trap.result_given = 1;
	trap.result = 99;
	ASSERT_OK(thread_start(&t, makes_the_call, &result));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(1, trap.count);
	EXPECT_EQ(t.known_as, trap.tid);
	EXPECT_RET(99, result);
}

static void emulates(int sig, siginfo_t *info, void *ucontext)
{
	trap.count++;
	UC_RET(ucontext) = raw_syscall(CALL, 0, 0, 0, 0, 0, 1);
}

CLAUSE(a_handler_may_make_system_calls_itself,
       "seccomp(2) SECCOMP_RET_TRAP: the handler runs under the filter: a call that it allows, such as one marked by "
       "an argument, gives the "
       "emulated result [V8-3]", SECCOMP)
{
	ASSERT_RET(0, raw_sigaction(SIGSYS, emulates, 0));
	ASSERT_RET(0, load_filter(0, LOAD_NR, UNLESS(CALL, 3), LOAD(LOW(args[5])), UNLESS(0, 1), RET(SECCOMP_RET_TRAP), ALLOW));
	for (int round = 1; round <= 3; round++) {
		EXPECT_RET(call_result(), call(0));
		EXPECT_EQ(round, trap.count);
	}
}
