// SPDX-License-Identifier: GPL-2.0-only
// seccomp(2), prctl(2) PR_SET_SECCOMP: who may load which filter, and what the other operations answer.
#include "clause.h"
#include "filter.h"
#include "guard.h"
#include "nobody.h"

static const struct sock_filter allow[] = { ALLOW };
static const struct sock_fprog allows = { 1, (struct sock_filter *)allow };

#define load_as_it_is(flags) raw_seccomp(SECCOMP_SET_MODE_FILTER, flags, &allows)
#define prctl_load(program)  raw_syscall(__NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)
#define mode()               raw_syscall(__NR_prctl, PR_GET_SECCOMP, 0, 0, 0, 0)

CLAUSE(an_ordinary_user_needs_no_new_privs,
       "seccomp(2) ERRORS EACCES: without CAP_SYS_ADMIN and with no_new_privs unset a filter is refused, and nothing "
       "is loaded; with "
       "no_new_privs set anyone may load one", .needs = "root", SECCOMP)
{
	if (raw_syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) || !can_become(NOBODY, NOBODY))
		SKIP(return, "no_new_privs is set already, or there is no ordinary user");
	IN_CHILD {
		ASSERT_TRUE(become(NOBODY, NOBODY));
		EXPECT_ERR(EACCES, load_as_it_is(0));
		EXPECT_ERR(EACCES, prctl_load(&allows));
		EXPECT_RET(0, mode());
		EXPECT_RET(0, status_number(0, "Seccomp"));
		ASSERT_RET(0, no_new_privs());
		EXPECT_RET(0, load_as_it_is(0));
		EXPECT_RET(0, prctl_load(&allows));
	}
}

CLAUSE(cap_sys_admin_needs_no_no_new_privs,
       "seccomp(2) SECCOMP_SET_MODE_FILTER: with CAP_SYS_ADMIN in its user namespace a thread loads filters without "
       "no_new_privs, which "
       "stays unset", .needs = "cap=sys_admin", SECCOMP)
{
	if (raw_syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0))
		SKIP(return, "no_new_privs is set already");
	EXPECT_RET(0, load_as_it_is(0));
	EXPECT_RET(0, prctl_load(&allows));
	EXPECT_RET(0, raw_syscall(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

CLAUSE(prctl_and_seccomp_are_two_ways_in,
       "prctl(2) PR_SET_SECCOMP: SECCOMP_MODE_FILTER does what seccomp(2) does with no flags; PR_GET_SECCOMP tells the "
       "mode, 2, and so do "
       "/proc's Seccomp and Seccomp_filters, which counts them", SECCOMP)
{
	long before = status_number(0, "Seccomp_filters");

	ASSERT_RET(0, no_new_privs());
	EXPECT_RET(0, prctl_load(&allows));
	EXPECT_RET(SECCOMP_MODE_FILTER, mode());
	EXPECT_RET(SECCOMP_MODE_FILTER, status_number(0, "Seccomp"));
	EXPECT_RET(before + 1, status_number(0, "Seccomp_filters"));
	EXPECT_RET(0, load_as_it_is(0));
	EXPECT_RET(before + 2, status_number(0, "Seccomp_filters"));
}

#define BAD(...) { { __VA_ARGS__ }, sizeof((struct sock_filter[]){ __VA_ARGS__ }) / sizeof(struct sock_filter), #__VA_ARGS__ }
static const struct { struct sock_filter insns[3]; int length; const char *text; } bad[] = {
	BAD(BPF_STMT(BPF_LD | BPF_IMM, 0)),					// runs off its end
	BAD(LOAD(1), ALLOW),
	BAD(LOAD(2), ALLOW),
	BAD(LOAD(sizeof(struct seccomp_data)), ALLOW),
	BAD(LOAD(-4), ALLOW),
	BAD(BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), ALLOW),
	BAD(BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), ALLOW),
	BAD(BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), ALLOW),
	BAD(BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), ALLOW),
	BAD(BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), ALLOW),
	BAD(BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), ALLOW),
	BAD(BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), ALLOW),
	BAD(BPF_STMT(BPF_ST, 16), ALLOW),
	BAD(BPF_STMT(BPF_LD | BPF_MEM, 0), ALLOW),				// never stored
	BAD(BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), ALLOW),
	BAD(BPF_JUMP(BPF_JMP | BPF_JA, -2, 0, 0), ALLOW),
	BAD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), ALLOW),
	BAD(BPF_STMT(BPF_RET | BPF_X, 0)),
	BAD(BPF_STMT(0xffff, 0), ALLOW),
};

CLAUSE(a_filter_that_cannot_be_is_refused,
       "seccomp(2) ERRORS EINVAL: a filter that is empty, longer than BPF_MAXINSNS (4096), or has an invalid "
       "instruction, jump or offset is "
       "refused, and nothing is loaded", SECCOMP)
{
	static struct sock_filter many[BPF_MAXINSNS + 1];

	ASSERT_RET(0, no_new_privs());
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_ERR(EINVAL, load_program(0, bad[i].insns, bad[i].length)) TH_LOG("%s", bad[i].text);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct sock_filter)ALLOW;
	EXPECT_ERR(EINVAL, load_program(0, many, 0));
	EXPECT_ERR(EINVAL, load_program(0, NULL, 1));
	EXPECT_ERR(EINVAL, load_program(0, many, BPF_MAXINSNS + 1));
	EXPECT_RET(0, mode());
	EXPECT_RET(0, load_program(0, many, BPF_MAXINSNS));
}

CLAUSE(a_filter_that_cannot_be_read_is_refused,
       "seccomp(2) ERRORS EFAULT: args, or the filter that it points at, is not a valid address; nothing is "
       "loaded", SECCOMP)
{
	ASSERT_RET(0, no_new_privs());
	EXPECT_ERR(EFAULT, raw_seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL));
	EXPECT_ERR(EFAULT, raw_seccomp(SECCOMP_SET_MODE_FILTER, 0, forbidden_page()));
	EXPECT_ERR(EFAULT, prctl_load(unmapped_page()));
	EXPECT_ERR(EFAULT, load_program(0, forbidden_page(), 1));
	EXPECT_RET(0, mode());
}

CLAUSE(all_filters_together_have_a_limit,
       "seccomp(2) ERRORS ENOMEM: the filters of a thread may not have more than MAX_INSNS_PER_PATH (32768) "
       "instructions together; the one "
       "that is too many is refused and changes nothing", SECCOMP)
{
	static struct sock_filter many[BPF_MAXINSNS];
	long before = status_number(0, "Seccomp_filters"), result = 0;
	int loaded = 0;

	ASSERT_RET(0, no_new_privs());
	for (unsigned int i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct sock_filter)ALLOW;
	// The kernel counts them as it has translated them: up to three for one.
	while (loaded < 9 && !(result = load_program(0, many, BPF_MAXINSNS)))
		loaded++;
	EXPECT_ERR(ENOMEM, result);
	EXPECT_GE(loaded, 2);
	EXPECT_LE(loaded, 7);
	EXPECT_RET(before + loaded, status_number(0, "Seccomp_filters"));
	EXPECT_RET(call_result(), call(0));
	EXPECT_RET(0, load_as_it_is(0));
}

CLAUSE(unknown_operations_and_flags_are_refused,
       "seccomp(2) ERRORS EINVAL: an unknown operation, an unknown flag, and flags or arguments of an operation that "
       "has none are refused",
       SECCOMP)
{
	uint32_t action = SECCOMP_RET_ALLOW;

	ASSERT_RET(0, no_new_privs());
	for (unsigned int op = 4; op < 40; op++)
		EXPECT_ERR(EINVAL, raw_seccomp(op, 0, &allows));
	EXPECT_ERR(EINVAL, raw_seccomp(~0U, 0, &allows));
	for (int bit = 6; bit < 32; bit++)
		EXPECT_ERR(EINVAL, load_as_it_is(1U << bit));
	EXPECT_ERR(EINVAL, raw_seccomp(SECCOMP_SET_MODE_STRICT, 1, NULL));
	EXPECT_ERR(EINVAL, raw_seccomp(SECCOMP_SET_MODE_STRICT, 0, &allows));
	EXPECT_ERR(EINVAL, raw_seccomp(SECCOMP_GET_ACTION_AVAIL, 1, &action));
	EXPECT_ERR(EINVAL, raw_seccomp(SECCOMP_GET_NOTIF_SIZES, 1, &action));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_SET_SECCOMP, 3, &allows, 0, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_DISABLED, NULL, 0, 0));
	EXPECT_RET(0, mode());
}

CLAUSE(flags_that_only_go_together_are_refused_alone,
       "seccomp(2) ERRORS EINVAL: SECCOMP_FILTER_FLAG_TSYNC and NEW_LISTENER go together only with TSYNC_ESRCH, since "
       "one result cannot be "
       "both a thread and a descriptor", SECCOMP)
{
	ASSERT_RET(0, no_new_privs());
	EXPECT_ERR(EINVAL, load_as_it_is(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_NEW_LISTENER));
	EXPECT_RET(0, mode());
	EXPECT_OK(load_as_it_is(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC_ESRCH));
	EXPECT_RET(0, load_as_it_is(SECCOMP_FILTER_FLAG_LOG));
	EXPECT_RET(0, load_as_it_is(SECCOMP_FILTER_FLAG_SPEC_ALLOW));
	EXPECT_RET(0, load_as_it_is(SECCOMP_FILTER_FLAG_TSYNC));
}

CLAUSE(the_actions_that_there_are_can_be_asked_for,
       "seccomp(2) SECCOMP_GET_ACTION_AVAIL: 0 for each action of the kernel, EOPNOTSUPP for any other value, EFAULT "
       "where the action "
       "cannot be read", SECCOMP)
{
	static const uint32_t actions[] = {
		SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO, SECCOMP_RET_USER_NOTIF,
		SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW,
	};
	static const uint32_t others[] = { 1, 0x10000, 0x7ffe0000, 0x50001, 0xffffffff };

	for (unsigned int i = 0; i < ARRAY_SIZE(actions); i++) {
		EXPECT_RET(0, raw_seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &actions[i])) TH_LOG("action %#x", actions[i]);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(others); i++) {
		EXPECT_ERR(EOPNOTSUPP, raw_seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &others[i])) TH_LOG("action %#x", others[i]);
	}
	EXPECT_ERR(EFAULT, raw_seccomp(SECCOMP_GET_ACTION_AVAIL, 0, NULL));
}

CLAUSE(the_sizes_of_notifications_can_be_asked_for,
       "seccomp(2) SECCOMP_GET_NOTIF_SIZES: fills in three 16-bit sizes, no smaller than those of 5.0, and writes "
       "nothing beyond", SECCOMP)
{
	struct seccomp_notif_sizes *sizes = guarded(sizeof(*sizes));

	EXPECT_RET(0, raw_seccomp(SECCOMP_GET_NOTIF_SIZES, 0, sizes));
	EXPECT_INTACT(sizes);
	EXPECT_LE(80, sizes->seccomp_notif);
	EXPECT_LE(24, sizes->seccomp_notif_resp);
	EXPECT_LE(64, sizes->seccomp_data);
	EXPECT_GE(4096, sizes->seccomp_notif);
	EXPECT_ERR(EFAULT, raw_seccomp(SECCOMP_GET_NOTIF_SIZES, 0, forbidden_page()));
}

CLAUSE(strict_mode_leaves_read_write_and_exit,
       "seccomp(2) SECCOMP_SET_MODE_STRICT: only read, write, exit and sigreturn are left, anything else ends in "
       "SIGKILL; a thread that has a "
       "filter cannot enter it", SECCOMP)
{
	int status;

	if (mode() != 0)
		SKIP(return, "there are filters already");
	status = STATUS_OF(if (!raw_seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL)) raw_syscall(__NR_exit, raw_syscall(__NR_write, -1, "", 0) == -EBADF ? 9 : 8));
	EXPECT_EQ(9 << 8, status);
	status = STATUS_OF(if (!raw_seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL)) call(0));
	EXPECT_EQ(SIGKILL, status & 0x7f);
	ASSERT_RET(0, no_new_privs());
	ASSERT_RET(0, load_as_it_is(0));
	EXPECT_ERR(EINVAL, raw_seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL));
}
