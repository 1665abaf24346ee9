// SPDX-License-Identifier: GPL-2.0-only
// setuid(2), setreuid(2), setresuid(2), setfsuid(2) and those of groups: who may become whom, and what goes with a change.
#include "clause.h"
#include "hand.h"

#include <sys/prctl.h>

#define USERS "go:credentials go:AllThreadsSyscall glibc:setxid musl:synccall"
#define NEEDS .needs = "root cap=setuid cap=setgid"

// The calls with 32-bit ids.
#ifdef __NR_setuid32
#define NR_SETUID   __NR_setuid32
#define NR_SETREUID __NR_setreuid32
#define NR_SETFSUID __NR_setfsuid32
#define NR_SETGID   __NR_setgid32
#define NR_SETREGID __NR_setregid32
#define NR_SETFSGID __NR_setfsgid32
#else
#define NR_SETUID   __NR_setuid
#define NR_SETREUID __NR_setreuid
#define NR_SETFSUID __NR_setfsuid
#define NR_SETGID   __NR_setgid
#define NR_SETREGID __NR_setregid
#define NR_SETFSGID __NR_setfsgid
#endif

enum { A = 31001, B, C, D, KEEP = -1 };

struct triple {
	unsigned int real, effective, saved;
};

// The same calls for both kinds of ids.
static const struct kind {
	const char *name;
	long get, set, set_both, set_all, set_file;
} kinds[] = {
	{ "user",  NR_GETRESUID, NR_SETUID, NR_SETREUID, NR_SETRESUID, NR_SETFSUID },
	{ "group", NR_GETRESGID, NR_SETGID, NR_SETREGID, NR_SETRESGID, NR_SETFSGID },
};

enum call { SET, SET_BOTH, SET_ALL };

struct rule {
	enum call call;
	int args[3];
	long result;
	struct triple after;	// of a call that fails: as before
};

// From real A, effective B, saved C, without privilege.
static const struct rule of_anyone[] = {
	{ SET,      { A },                0,       { A, A, C } },
	{ SET,      { C },                0,       { A, C, C } },
	{ SET,      { B },                -EPERM,  { A, B, C } },	// the effective one alone is no right
	{ SET,      { D },                -EPERM,  { A, B, C } },
	{ SET,      { 0 },                -EPERM,  { A, B, C } },
	{ SET,      { KEEP },             -EINVAL, { A, B, C } },
	{ SET_BOTH, { KEEP, KEEP },       0,       { A, B, C } },
	{ SET_BOTH, { KEEP, A },          0,       { A, A, C } },	// to the real one: the saved one stays
	{ SET_BOTH, { KEEP, B },          0,       { A, B, B } },
	{ SET_BOTH, { KEEP, C },          0,       { A, C, C } },
	{ SET_BOTH, { A, KEEP },          0,       { A, B, B } },
	{ SET_BOTH, { B, A },             0,       { B, A, A } },
	{ SET_BOTH, { B, C },             0,       { B, C, C } },
	{ SET_BOTH, { C, KEEP },          -EPERM,  { A, B, C } },	// the saved one is no real one
	{ SET_BOTH, { D, KEEP },          -EPERM,  { A, B, C } },
	{ SET_BOTH, { KEEP, D },          -EPERM,  { A, B, C } },
	{ SET_BOTH, { A, D },             -EPERM,  { A, B, C } },	// and nothing is half done
	{ SET_ALL,  { KEEP, KEEP, KEEP }, 0,       { A, B, C } },
	{ SET_ALL,  { C, A, B },          0,       { C, A, B } },
	{ SET_ALL,  { KEEP, KEEP, A },    0,       { A, B, A } },
	{ SET_ALL,  { KEEP, A, KEEP },    0,       { A, A, C } },
	{ SET_ALL,  { B, KEEP, KEEP },    0,       { B, B, C } },
	{ SET_ALL,  { D, KEEP, KEEP },    -EPERM,  { A, B, C } },
	{ SET_ALL,  { KEEP, D, KEEP },    -EPERM,  { A, B, C } },
	{ SET_ALL,  { KEEP, KEEP, D },    -EPERM,  { A, B, C } },
	{ SET_ALL,  { A, A, D },          -EPERM,  { A, B, C } },
};

// From 0, 0, 0 with the capability.
static const struct rule of_root[] = {
	{ SET,      { A },                0,       { A, A, A } },
	{ SET,      { KEEP },             -EINVAL, { 0, 0, 0 } },
	{ SET_BOTH, { A, KEEP },          0,       { A, 0, 0 } },
	{ SET_BOTH, { KEEP, A },          0,       { 0, A, A } },
	{ SET_BOTH, { A, B },             0,       { A, B, B } },
	{ SET_ALL,  { A, B, C },          0,       { A, B, C } },
	{ SET_ALL,  { KEEP, KEEP, A },    0,       { 0, 0, A } },
};

static long call(const struct kind *k, const struct rule *r)
{
	const long numbers[] = { k->set, k->set_both, k->set_all };

	return raw_syscall(numbers[r->call], r->args[0], r->args[1], r->args[2]);
}

// Both kinds of ids are A, B and C, and the capabilities are gone with the user 0.
static bool become_three(void)
{
	return !raw_syscall(NR_SETGROUPS, 0, NULL) && !raw_syscall(NR_SETRESGID, A, B, C) &&
	       !raw_syscall(NR_SETRESUID, A, B, C);
}

static void check_rule(struct __test_metadata *_metadata, const struct kind *k, const struct rule *r)
{
	struct triple now = { -1, -1, -1 };

	EXPECT_RET(r->result, call(k, r))
		TH_LOG("%s: call %d of %d %d %d", k->name, r->call, r->args[0], r->args[1], r->args[2]);
	ASSERT_RET(0, raw_syscall(k->get, &now.real, &now.effective, &now.saved));
	EXPECT_EQ(r->after.real, now.real);
	EXPECT_EQ(r->after.effective, now.effective);
	EXPECT_EQ(r->after.saved, now.saved)
		TH_LOG("%s: call %d of %d %d %d", k->name, r->call, r->args[0], r->args[1], r->args[2]);
	EXPECT_EQ(r->after.effective, (unsigned int)raw_syscall(k->set_file, -1));	// for files: the effective one
}

CLAUSE(without_privilege_one_may_be_whom_one_is_already,
       "setuid(2), setreuid(2), setresuid(2), setgid(2), setregid(2), setresgid(2): without the capability setuid goes "
       "to the real or the saved ID, setreuid and setresuid to those their pages name, all else is EPERM and changes "
       "nothing; setreuid that sets the real ID, or an effective one that is not the real one, saves the effective one; "
       "the file-system ID follows the effective one",
       NEEDS, .needed_by = USERS)
{
	for (unsigned int k = 0; k < ARRAY_SIZE(kinds); k++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(of_anyone); i++) {
			IN_CHILD {
				ASSERT_TRUE(become_three());
				check_rule(_metadata, &kinds[k], &of_anyone[i]);
			}
		}
	}
}

CLAUSE(root_becomes_anyone_and_with_setuid_for_ever,
       "setuid(2), setreuid(2), setresuid(2), setgid(2), setregid(2), setresgid(2): with the capability any ID may be "
       "taken; setuid and setgid set all three",
       NEEDS, .needed_by = USERS)
{
	for (unsigned int k = 0; k < ARRAY_SIZE(kinds); k++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(of_root); i++) {
			IN_CHILD {
				ASSERT_RET(0, raw_syscall(kinds[k].set_all, 0, 0, 0));
				check_rule(_metadata, &kinds[k], &of_root[i]);
			}
		}
	}
}

CLAUSE(the_id_for_files_is_told_as_it_was_before,
       "setfsuid(2), setfsgid(2) RETURN VALUE: on success and failure alike the previous file-system ID; one that is "
       "none of the caller's is not taken without the capability, and none at all changes nothing",
       NEEDS, .needed_by = USERS)
{
	static const struct { int to; unsigned int before; } calls[] = {
		{ -1, B }, { A, B }, { -1, A }, { D, A }, { 0, A }, { C, A }, { B, C }, { -1, B },
	};

	for (unsigned int k = 0; k < ARRAY_SIZE(kinds); k++) {
		IN_CHILD {
			ASSERT_TRUE(become_three());
			for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
				EXPECT_EQ(calls[i].before, (unsigned int)raw_syscall(kinds[k].set_file, calls[i].to))
					TH_LOG("%s: call %u", kinds[k].name, i);
			}
		}
		IN_CHILD {
			ASSERT_RET(0, raw_syscall(kinds[k].set_all, 0, 0, 0));
			EXPECT_RET(0, raw_syscall(kinds[k].set_file, D));	// with the capability: anyone
			EXPECT_RET(D, raw_syscall(kinds[k].set_file, -1));
			EXPECT_RET(0, raw_syscall(kinds[k].set_all, KEEP, 0, KEEP));
			EXPECT_RET(0, raw_syscall(kinds[k].set_file, -1));
		}
	}
}

static long suid_dumpable(void)
{
	char text[16];

	return read_text("/proc/sys/fs/suid_dumpable", text, sizeof(text)) > 0 ? atol(text) : 0;
}

CLAUSE(a_change_of_the_effective_id_ends_what_was_granted,
       "prctl(2) PR_SET_DUMPABLE, PR_SET_PDEATHSIG: when the effective or the file-system user or group ID changes, "
       "the process is dumpable as /proc/sys/fs/suid_dumpable says and the parent-death signal is cleared; a call that "
       "changes none of them changes neither",
       NEEDS, .needed_by = USERS)
{
	static const struct { long nr; int args[3]; bool ends; const char *name; } calls[] = {
		{ NR_SETRESUID, { KEEP, A, KEEP },    true,  "effective user" },
		{ NR_SETRESUID, { A, A, A },          true,  "all users" },
		{ NR_SETUID,    { A },                true,  "user" },
		{ NR_SETFSUID,  { A },                true,  "user for files" },
		{ NR_SETRESGID, { KEEP, A, KEEP },    true,  "effective group" },
		{ NR_SETGID,    { A },                true,  "group" },
		{ NR_SETFSGID,  { A },                true,  "group for files" },
		{ NR_SETRESUID, { KEEP, 0, KEEP },    false, "the same user" },
		{ NR_SETRESUID, { A, KEEP, KEEP },    false, "real user" },
		{ NR_SETRESGID, { A, KEEP, KEEP },    false, "real group" },
		{ NR_SETRESGID, { KEEP, KEEP, A },    false, "saved group" },
		{ NR_SETFSUID,  { -1 },               false, "no user for files" },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		IN_CHILD {
			int sig = -1;

			ASSERT_RET(0, raw_syscall(NR_SETRESGID, 0, 0, 0));
			ASSERT_RET(0, raw_syscall(NR_SETRESUID, 0, 0, 0));
			ASSERT_RET(0, raw_syscall(__NR_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0));
			ASSERT_RET(0, raw_syscall(__NR_prctl, PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0));
			EXPECT_RET(0, raw_syscall(calls[i].nr, calls[i].args[0], calls[i].args[1], calls[i].args[2]));
			EXPECT_RET(calls[i].ends ? suid_dumpable() : 1, raw_syscall(__NR_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0))
				TH_LOG("%s", calls[i].name);
			ASSERT_RET(0, raw_syscall(__NR_prctl, PR_GET_PDEATHSIG, &sig, 0, 0, 0));
			EXPECT_EQ(calls[i].ends ? 0 : SIGUSR1, sig)
				TH_LOG("%s", calls[i].name);
		}
	}
}
