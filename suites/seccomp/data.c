// SPDX-License-Identifier: GPL-2.0-only
// seccomp(2): what a filter sees of a call, and how it computes.
#include "clause.h"
#include "filter.h"
#include "regs.h"
#include "sigaction.h"

// A filter's answer to a question: 7 for yes, 8 for no, as the error of CALL.
#define YES 7
#define NO 8

CLAUSE(the_number_is_that_of_the_call,
       "seccomp(2) struct seccomp_data nr: the system call number as the ABI has it: only the call named is denied, "
       "numbers that no call "
       "has included", SECCOMP)
{
	ASSERT_RET(0, judge(CALL, FAILS_WITH(YES)));
	ASSERT_RET(0, judge(CALL + 10000, FAILS_WITH(YES + 1)));
	EXPECT_RET(-YES, call(0));
	EXPECT_RET(-(YES + 1), raw_syscall(CALL + 10000));
	EXPECT_ERR(ENOSYS, raw_syscall(CALL + 10001));
	EXPECT_RET(getpid(), raw_syscall(__NR_getpid));
}

CLAUSE(the_architecture_is_that_of_the_abi,
       "seccomp(2) struct seccomp_data arch: an AUDIT_ARCH_* value that names the calling convention: that of the "
       "program, not of the "
       "kernel", SECCOMP)
{
	ASSERT_RET(0, load_filter(0, LOAD_NR, UNLESS(CALL, 3), LOAD_ARCH, UNLESS(ARCH_AUDIT, 2), RET(FAILS_WITH(YES)), ALLOW,
				  RET(FAILS_WITH(NO))));
	EXPECT_RET(-YES, call(0));
}

// Says yes if argument n is the value, all 64 bits of it.
static long argument_is(int n, uint64_t value, const long *args)
{
	long result = -1;

	if (load_filter(0, LOAD_NR, UNLESS(CALL, 5), LOAD(LOW(args) + 8 * n), UNLESS(value, 4), LOAD(HIGH(args) + 8 * n),
			UNLESS(value >> 32, 2), RET(FAILS_WITH(YES)), ALLOW, RET(FAILS_WITH(NO))) == 0)
		result = raw_syscall(CALL, args[0], args[1], args[2], args[3], args[4], args[5]);
	return result;
}

CLAUSE(each_argument_is_there_in_full,
       "seccomp(2) struct seccomp_data args: six arguments of 64 bits: whole registers on a 64-bit ABI, without sign "
       "and with zeros above "
       "on a 32-bit one", .timeout = 30, SECCOMP)
{
	static const long patterns[][6] = {
		{ 1, 2, 3, 4, 5, 6 },
		{ -1, -2, -3, -4, -5, -6 },
		{ (long)0x8000000180000002, (long)0x0123456789abcdef, (long)0xfedcba9876543210, 0x7fffffff, (long)0xffffffff80000000, 0 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(patterns); i++) {
		for (int n = 0; n < 6; n++) {
			IN_CHILD {
				EXPECT_RET(-YES, argument_is(n, (unsigned long)patterns[i][n], patterns[i]))
					TH_LOG("argument %d of pattern %u", n, i);
			}
		}
	}
}

static volatile unsigned long call_address;

static void notes_the_address(int sig, siginfo_t *info, void *ucontext)
{
	call_address = (unsigned long)info->si_call_addr;
}

// One place in the program for the call, whatever its argument, and another one.
static __attribute__((noinline)) long call_from_here(long argument)
{
	return call(argument);
}

static long call_from_elsewhere(long argument)
{
	struct arch_regs in, out;

	regs_fill(&in, 0);
	regs_set_syscall(&in, CALL, argument);
	arch_syscall_regs(&in, &out, NULL);
	return arch_regs_result(&out);
}

CLAUSE(the_instruction_pointer_is_that_of_the_call,
       "seccomp(2) struct seccomp_data instruction_pointer: the address of the call as SIGSYS reports it in "
       "si_call_addr, all 64 bits of it",
       SECCOMP)
{
	enum { IP = offsetof(struct seccomp_data, instruction_pointer) };

	ASSERT_RET(0, raw_sigaction(SIGSYS, notes_the_address, 0));
	ASSERT_RET(0, load_filter(0, LOAD_NR, UNLESS(CALL, 3), LOAD(LOW(args[0])), UNLESS(1, 1), RET(SECCOMP_RET_TRAP), ALLOW));
	call_from_here(1);
	ASSERT_NE(0, call_address);
	ASSERT_RET(0, load_filter(0, LOAD_NR, UNLESS(CALL, 5), LOAD(LOW(instruction_pointer)), UNLESS(call_address, 4),
				  LOAD(HIGH(instruction_pointer)), UNLESS((uint64_t)call_address >> 32, 2), RET(FAILS_WITH(YES)), ALLOW,
				  RET(FAILS_WITH(NO))));
	EXPECT_RET(-YES, call_from_here(0));
	EXPECT_RET(-NO, call_from_elsewhere(0));
}

#define K(class, op, k)  BPF_STMT((class) | (op) | BPF_K, k)
#define X(class, op)     BPF_STMT((class) | (op) | BPF_X, 0)
#define A_IS(k)          BPF_STMT(BPF_LD | BPF_IMM, k)
#define X_IS(k)          BPF_STMT(BPF_LDX | BPF_IMM, k)

// Each leaves 7 in the accumulator, and the filter answers with that.
#define PROGRAM(...) { { __VA_ARGS__ }, sizeof((struct sock_filter[]){ __VA_ARGS__ }) / sizeof(struct sock_filter), #__VA_ARGS__ }
static const struct { struct sock_filter insns[8]; int length; const char *text; } programs[] = {
	PROGRAM(A_IS(3), K(BPF_ALU, BPF_ADD, 4)),
	PROGRAM(A_IS(3), X_IS(4), X(BPF_ALU, BPF_ADD)),
	PROGRAM(A_IS(3), K(BPF_ALU, BPF_SUB, -4)),
	PROGRAM(A_IS(1), X_IS(-6), X(BPF_ALU, BPF_SUB)),
	PROGRAM(A_IS(0x80000007), K(BPF_ALU, BPF_MUL, 0x10000001), K(BPF_ALU, BPF_AND, 0xf)),
	PROGRAM(A_IS(7), X_IS(0x10000001), X(BPF_ALU, BPF_MUL), K(BPF_ALU, BPF_AND, 0xfffffff)),
	PROGRAM(A_IS(0xfffffff9), K(BPF_ALU, BPF_DIV, 0x24924923)),
	PROGRAM(A_IS(0xfffffff9), X_IS(0x24924923), X(BPF_ALU, BPF_DIV)),
	PROGRAM(A_IS(0xff), K(BPF_ALU, BPF_AND, 0xffffff07)),
	PROGRAM(A_IS(0xff), X_IS(7), X(BPF_ALU, BPF_AND)),
	PROGRAM(A_IS(3), K(BPF_ALU, BPF_OR, 6)),
	PROGRAM(A_IS(3), X_IS(4), X(BPF_ALU, BPF_OR)),
	PROGRAM(A_IS(0xfffffff8), K(BPF_ALU, BPF_XOR, 0xffffffff)),
	PROGRAM(A_IS(0xfffffff8), X_IS(0xffffffff), X(BPF_ALU, BPF_XOR)),
	PROGRAM(A_IS(0x80000007), K(BPF_ALU, BPF_LSH, 28), K(BPF_ALU, BPF_RSH, 28)),
	PROGRAM(A_IS(0x70000000), X_IS(28), X(BPF_ALU, BPF_RSH)),
	PROGRAM(A_IS(-7), BPF_STMT(BPF_ALU | BPF_NEG, 0)),
	PROGRAM(A_IS(7), BPF_STMT(BPF_MISC | BPF_TAX, 0), A_IS(1), BPF_STMT(BPF_MISC | BPF_TXA, 0)),
	PROGRAM(A_IS(7), BPF_STMT(BPF_ST, 0), A_IS(8), BPF_STMT(BPF_ST, 15), BPF_STMT(BPF_LD | BPF_MEM, 0)),
	PROGRAM(X_IS(7), BPF_STMT(BPF_STX, 15), X_IS(1), BPF_STMT(BPF_LD | BPF_MEM, 15)),
	PROGRAM(A_IS(5), BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LDX | BPF_MEM, 3), A_IS(2), X(BPF_ALU, BPF_ADD)),
	PROGRAM(BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), K(BPF_ALU, BPF_SUB, sizeof(struct seccomp_data) - 7)),
	PROGRAM(BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0), A_IS((uint32_t)(7 - sizeof(struct seccomp_data))), X(BPF_ALU, BPF_ADD)),
	PROGRAM(A_IS(0xfffffff7), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 1, 0, 1), A_IS(7)),
	PROGRAM(A_IS(7), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 7, 0, 1), A_IS(8)),
	PROGRAM(A_IS(9), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 9, 0, 1), A_IS(7)),
	PROGRAM(A_IS(9), X_IS(9), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1), A_IS(7)),
	PROGRAM(A_IS(6), X_IS(0xfffffff9), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_X, 0, 1, 0), A_IS(7)),
	PROGRAM(A_IS(6), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 9, 1, 0), A_IS(7)),
	PROGRAM(A_IS(7), BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), A_IS(8)),
	PROGRAM(A_IS(7), X_IS(0), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_X, 0, 1, 0), A_IS(8)),
};

static long answer_of(const struct sock_filter *insns, int length)
{
	struct sock_filter filter[16] = { LOAD_NR, UNLESS(CALL, length + 2) };

	memcpy(filter + 2, insns, length * sizeof(*insns));
	filter[length + 2] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO);
	filter[length + 3] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
	filter[length + 4] = (struct sock_filter)ALLOW;
	return load_filter_(0, filter, length + 5) ?: call(0);
}

CLAUSE(filters_compute_in_32_bits_without_sign,
       "Documentation/networking/filter.rst, kernel/seccomp.c seccomp_check_filter (5.10, 7.2): every instruction that "
       "a filter may have "
       "gives what classic BPF says, interpreted or compiled", .timeout = 30, SECCOMP)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(programs); i++) {
		IN_CHILD {
			EXPECT_RET(-YES, answer_of(programs[i].insns, programs[i].length)) TH_LOG("%s", programs[i].text);
		}
	}
}

CLAUSE(division_by_zero_denies_the_call,
       "Documentation/networking/filter.rst, net/core/filter.c bpf_convert_filter (5.10, 7.2): a filter that divides "
       "by a register that is 0 "
       "ends with the value 0, SECCOMP_RET_KILL_THREAD", SECCOMP)
{
	int status = STATUS_OF(load_filter(0, LOAD_NR, UNLESS(CALL, 3), X_IS(0), X(BPF_ALU, BPF_DIV), ALLOW, ALLOW); call(0));

	EXPECT_TRUE(KILLED_BY_SIGSYS(status)) TH_LOG("status %#x", status);
}
