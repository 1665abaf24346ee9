// SPDX-License-Identifier: GPL-2.0-only
// seccomp(2): a call is judged each time, in whatever way the filter comes to its verdict: no shortcut changes that.
//
// Since 5.11 the kernel runs each filter once for every number when it is loaded, knowing nothing but number and
// architecture, and spares those calls the filter that it allows whatever the rest.
#include "clause.h"
#include "filter.h"

#define DENIED 1000
#define DENY RET(FAILS_WITH(DENIED))

#define JUMP(op, value, yes, no) BPF_JUMP(BPF_JMP | (op) | BPF_K, (uint32_t)(value), yes, no)
#define A(op, value)             BPF_STMT(BPF_ALU | (op) | BPF_K, (uint32_t)(value))

// Ways to deny CALL and no other number.
#define COUNT(...) (sizeof((struct sock_filter[]){ __VA_ARGS__ }) / sizeof(struct sock_filter))
#define WAY(...)   { { __VA_ARGS__ }, COUNT(__VA_ARGS__), #__VA_ARGS__ }
static const struct way { struct sock_filter insns[10]; int length; const char *text; } ways[] = {
	WAY(LOAD_NR, JUMP(BPF_JEQ, CALL, 0, 1), DENY, ALLOW),
	WAY(LOAD_NR, JUMP(BPF_JEQ, CALL, 1, 0), ALLOW, DENY),
	WAY(LOAD_NR, JUMP(BPF_JGE, CALL, 0, 1), JUMP(BPF_JGT, CALL, 0, 1), ALLOW, DENY),
	WAY(LOAD_NR, JUMP(BPF_JGT, CALL, 1, 0), JUMP(BPF_JGE, CALL, 1, 0), ALLOW, DENY),
	WAY(LOAD_NR, JUMP(BPF_JGT, CALL - 1, 0, 1), JUMP(BPF_JGE, CALL + 1, 0, 1), ALLOW, DENY),
	WAY(LOAD_NR, JUMP(BPF_JGE, CALL + 1, 1, 0), JUMP(BPF_JGT, CALL - 1, 1, 0), ALLOW, DENY),
	WAY(LOAD_NR, JUMP(BPF_JSET, ~CALL, 1, 0), JUMP(BPF_JGE, CALL, 1, 0), ALLOW, DENY),
	WAY(LOAD_NR, JUMP(BPF_JGE, CALL, 0, 1), JUMP(BPF_JSET, ~CALL, 0, 1), ALLOW, DENY),
	WAY(LOAD_NR, A(BPF_AND, 0xffff), JUMP(BPF_JEQ, CALL & 0xffff, 0, 1), DENY, ALLOW),
	WAY(LOAD_NR, A(BPF_XOR, CALL), JUMP(BPF_JEQ, 0, 1, 0), ALLOW, DENY),
	WAY(LOAD_NR, A(BPF_SUB, CALL), JUMP(BPF_JGT, 0, 0, 1), ALLOW, DENY),
	WAY(LOAD_NR, BPF_STMT(BPF_LDX | BPF_IMM, CALL), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 1, 0), ALLOW, DENY),
	WAY(LOAD_NR, BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LD | BPF_IMM, 0), BPF_STMT(BPF_LD | BPF_MEM, 3),
	    JUMP(BPF_JEQ, CALL, 1, 0), ALLOW, DENY),
	WAY(LOAD_NR, JUMP(BPF_JEQ, CALL, 0, 3), JUMP(BPF_JA, 1, 0, 0), ALLOW, DENY, ALLOW),
	WAY(LOAD_ARCH, JUMP(BPF_JEQ, ARCH_AUDIT, 1, 0), ALLOW, LOAD_NR, JUMP(BPF_JEQ, CALL, 1, 0), ALLOW, DENY),
	WAY(LOAD_NR, JUMP(BPF_JEQ, CALL, 1, 0), ALLOW, LOAD_ARCH, JUMP(BPF_JEQ, ARCH_AUDIT, 1, 0), ALLOW, DENY),
	WAY(LOAD_ARCH, JUMP(BPF_JGE, ARCH_AUDIT, 0, 4), JUMP(BPF_JGT, ARCH_AUDIT, 3, 0),
	    LOAD_NR, JUMP(BPF_JEQ, CALL, 0, 1), DENY, ALLOW),
};

CLAUSE(a_number_is_denied_however_the_filter_finds_it,
       "seccomp(2) SECCOMP_RET_ERRNO, kernel/seccomp.c seccomp_is_const_allow (6.12): a number that the filter "
       "denies is "
       "denied, the bounds of comparisons included, the first time and later, and the numbers beside it are not",
       .commit = "8e01b51a31a1 seccomp/cache: Add \"emulator\" to check if filter is constant allow",
       .timeout = 30, SECCOMP)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++) {
		IN_CHILD {
			ASSERT_RET(0, load_filter_(0, ways[i].insns, ways[i].length)) TH_LOG("%s", ways[i].text);
			for (int round = 0; round < 3; round++) {
				EXPECT_RET(-DENIED, call(0)) TH_LOG("%s, call %d", ways[i].text, round);
				EXPECT_NE(-DENIED, raw_syscall(CALL - 1, -1, -1, -1, -1)) TH_LOG("%s", ways[i].text);
				EXPECT_NE(-DENIED, raw_syscall(CALL + 1, -1, -1, -1, -1)) TH_LOG("%s", ways[i].text);
			}
		}
	}
}

// The filter denies CALL if its first argument is 1, as the halves, their order and the comparison have it.
static const struct way by_argument[] = {
	WAY(LOAD_NR, JUMP(BPF_JEQ, CALL, 0, 3), LOAD(LOW(args)), JUMP(BPF_JEQ, 1, 0, 1), DENY, ALLOW),
	WAY(LOAD(LOW(args)), JUMP(BPF_JEQ, 1, 0, 3), LOAD_NR, JUMP(BPF_JEQ, CALL, 0, 1), DENY, ALLOW),
	WAY(LOAD(LOW(args)), JUMP(BPF_JGE, 1, 0, 4), JUMP(BPF_JGT, 1, 3, 0), LOAD_NR, JUMP(BPF_JEQ, CALL, 0, 1),
	    DENY, ALLOW),
	WAY(LOAD(HIGH(args)), JUMP(BPF_JEQ, 0, 0, 5), LOAD(LOW(args)), JUMP(BPF_JEQ, 1, 0, 3), LOAD_NR,
	    JUMP(BPF_JEQ, CALL, 0, 1), DENY, ALLOW),
};

CLAUSE(a_verdict_on_arguments_is_found_anew_for_each_call,
       "seccomp(2) struct seccomp_data args: what a filter allows of some arguments it is asked again: the same "
       "number with "
       "others is denied, before and after, in this thread and in its children", .timeout = 30, SECCOMP)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(by_argument); i++) {
		for (int first = 0; first < 2; first++) {
			IN_CHILD {
				ASSERT_RET(0, load_filter_(0, by_argument[i].insns, by_argument[i].length));
				for (int round = first; round < 6; round++) {
					long want = round % 2 ? -DENIED : call_result();

					EXPECT_RET(want, call(round % 2)) TH_LOG("%s", by_argument[i].text);
				}
				IN_CHILD {
					EXPECT_RET(call_result(), call(0));
					EXPECT_RET(-DENIED, call(1));
				}
			}
		}
	}
}

CLAUSE(each_filter_that_is_added_is_asked,
       "seccomp(2): filters add up: a number that earlier filters allowed whatever the arguments is denied by a "
       "later one, "
       "and what one denied no later one allows", SECCOMP)
{
	static const struct way allow = WAY(ALLOW);

	ASSERT_RET(0, load_filter_(0, allow.insns, allow.length));
	for (int round = 0; round < 3; round++)
		EXPECT_RET(call_result(), call(0));
	ASSERT_RET(0, load_filter_(0, ways[2].insns, ways[2].length));
	for (int round = 0; round < 3; round++)
		EXPECT_RET(-DENIED, call(0));
	ASSERT_RET(0, load_filter_(0, allow.insns, allow.length));
	for (int round = 0; round < 3; round++)
		EXPECT_RET(-DENIED, call(0));
}
