// SPDX-License-Identifier: GPL-2.0-only
// credentials(7): user, groups and capabilities are of each thread, so a runtime must tell every one of them.
#include "clause.h"
#include "guard.h"
#include "hand.h"
#include "nameless.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define OTHER 31337

#define USERS .needed_by = THREADS_USERS

struct ids {
	unsigned int real, effective, saved;
};

static struct ids users_of(struct hand *h)
{
	struct ids i = { -1, -1, -1 };

	if (h)
		hand_does(h, NR_GETRESUID, (long)&i.real, (long)&i.effective, (long)&i.saved);
	else
		raw_syscall(NR_GETRESUID, &i.real, &i.effective, &i.saved);
	return i;
}

static struct ids groups_of(struct hand *h)
{
	struct ids i = { -1, -1, -1 };

	if (h)
		hand_does(h, NR_GETRESGID, (long)&i.real, (long)&i.effective, (long)&i.saved);
	else
		raw_syscall(NR_GETRESGID, &i.real, &i.effective, &i.saved);
	return i;
}

#define EXPECT_IDS(a, b, c, ids_) do {			\
	struct ids i_ = ids_;				\
							\
	EXPECT_EQ(a, i_.real);				\
	EXPECT_EQ(b, i_.effective);			\
	EXPECT_EQ(c, i_.saved);				\
} while (0)

// A line of the status file of a thread, as text to compare.
static bool line_is(int tid, const char *key, const char *want)
{
	static char seen[STATUS_TEXT];

	return status_line(tid, key, seen) && !strcmp(seen, want);
}

CLAUSE(setresuid_changes_the_calling_thread_alone,
       "nptl(7), setresuid(2) C library/kernel differences: at the kernel level user ids are a per-thread attribute: "
       "the call changes those "
       "of the caller, and /proc shows it for that thread alone [ATS-1]", .needs = "cap=setuid", USERS)
{
	struct hand a, b;
	struct ids before = users_of(NULL);

	ASSERT_TRUE(hand_start(&a) && hand_start(&b));
	EXPECT_RET(0, hand_does(&a, NR_SETRESUID, OTHER, OTHER + 1, OTHER + 2));
	EXPECT_IDS(OTHER, OTHER + 1, OTHER + 2, users_of(&a));
	EXPECT_IDS(before.real, before.effective, before.saved, users_of(&b));
	EXPECT_IDS(before.real, before.effective, before.saved, users_of(NULL));
	EXPECT_TRUE(line_is(a.thread.known_as, "Uid", "31337\t31338\t31339\t31338"));
	EXPECT_EQ(before.real, status_number(b.thread.known_as, "Uid"));
	EXPECT_EQ(before.real, status_number(0, "Uid"));
	EXPECT_TRUE(hand_ends(&a));
	EXPECT_TRUE(hand_ends(&b));
}

CLAUSE(setresgid_changes_the_calling_thread_alone,
       "setresgid(2) C library/kernel differences: at the kernel level group ids are a per-thread attribute "
       "[ATS-1]", .needs = "cap=setgid",
       USERS)
{
	struct hand a, b;
	struct ids before = groups_of(NULL);

	ASSERT_TRUE(hand_start(&a) && hand_start(&b));
	EXPECT_RET(0, hand_does(&a, NR_SETRESGID, OTHER, OTHER + 1, OTHER + 2));
	EXPECT_IDS(OTHER, OTHER + 1, OTHER + 2, groups_of(&a));
	EXPECT_IDS(before.real, before.effective, before.saved, groups_of(&b));
	EXPECT_IDS(before.real, before.effective, before.saved, groups_of(NULL));
	EXPECT_TRUE(line_is(a.thread.known_as, "Gid", "31337\t31338\t31339\t31338"));
	EXPECT_EQ(before.real, status_number(0, "Gid"));
	EXPECT_TRUE(hand_ends(&a));
	EXPECT_TRUE(hand_ends(&b));
}

CLAUSE(setgroups_changes_the_calling_thread_alone,
       "setgroups(2) C library/kernel differences: at the kernel level supplementary groups are a per-thread attribute "
       "[ATS-1]",
       .needs = "cap=setgid", USERS)
{
	static const unsigned int groups[] = { 7, OTHER, 100000 };
	unsigned int seen[64] = { 0 };
	long before = raw_syscall(NR_GETGROUPS, 0, NULL);
	struct hand a;

	ASSERT_TRUE(hand_start(&a));
	EXPECT_RET(0, hand_does(&a, NR_SETGROUPS, 3, (long)groups));
	EXPECT_RET(3, hand_does(&a, NR_GETGROUPS, 64, (long)seen));
	EXPECT_EQ(0, memcmp(groups, seen, sizeof(groups)));
	EXPECT_RET(before, raw_syscall(NR_GETGROUPS, 0, NULL));
	EXPECT_TRUE(line_is(a.thread.known_as, "Groups", "7 31337 100000 "));
	EXPECT_TRUE(hand_ends(&a));
}

CLAUSE(the_same_call_has_the_same_result_in_each_thread,
       "setresuid(2), setresgid(2): threads with equal credentials get equal results of one call, successes and errors "
       "alike, after which "
       "they are equal again [ATS-1] [GLC-8]", .needs = "cap=setuid cap=setgid", USERS)
{
	enum { THREADS = 4 };
	static const struct { long nr, args[3], result; } calls[] = {
		{ NR_SETRESGID, { OTHER, OTHER, OTHER }, 0 },
		{ NR_SETRESUID, { -1, OTHER, -1 }, 0 },		// the saved id stays
		{ NR_SETRESGID, { 1, 1, 1 }, -EPERM },
		{ NR_SETRESUID, { OTHER, OTHER, OTHER }, 0 },
		{ NR_SETRESUID, { 1, 1, 1 }, -EPERM },
		{ NR_SETGROUPS, { 0, 0, 0 }, -EPERM },
	};
	struct hand h[THREADS];

	if (users_of(NULL).real != users_of(NULL).saved)
		SKIP(return, "the user ids differ already");
	for (int i = 0; i < THREADS; i++)
		ASSERT_TRUE(hand_start(&h[i]));
	for (unsigned int c = 0; c < ARRAY_SIZE(calls); c++) {
		for (int i = 0; i < THREADS; i++) {
			EXPECT_RET(calls[c].result, hand_does(&h[i], calls[c].nr, calls[c].args[0], calls[c].args[1], calls[c].args[2]))
				TH_LOG("call %u in thread %d", c, i);
		}
	}
	for (int i = 0; i < THREADS; i++) {
		EXPECT_IDS(OTHER, OTHER, OTHER, users_of(&h[i]));
		EXPECT_IDS(OTHER, OTHER, OTHER, groups_of(&h[i]));
		EXPECT_TRUE(hand_ends(&h[i]));
	}
}

CLAUSE(a_new_thread_has_its_creators_credentials,
       "credentials(7), clone(2): a thread inherits the ids, groups and capabilities of the thread that creates it, "
       "not of the process; later "
       "changes of the creator do not reach it [ATS-2]", .needs = "cap=setuid cap=setgid", USERS)
{
	static const unsigned int group = OTHER;
	struct hand before, after;
	char mine[STATUS_TEXT], its[STATUS_TEXT];
	struct ids users = users_of(NULL);

	ASSERT_TRUE(hand_start(&before));
	ASSERT_RET(0, raw_syscall(NR_SETGROUPS, 1, &group));
	ASSERT_RET(0, raw_syscall(NR_SETRESGID, OTHER, OTHER + 1, OTHER + 2));
	ASSERT_RET(0, raw_syscall(NR_SETRESUID, -1, OTHER, -1));
	ASSERT_TRUE(hand_start(&after));
	EXPECT_IDS(users.real, OTHER, users.saved, users_of(&after));
	EXPECT_IDS(OTHER, OTHER + 1, OTHER + 2, groups_of(&after));
	EXPECT_TRUE(line_is(after.thread.known_as, "Groups", "31337 "));
	EXPECT_IDS(users.real, users.effective, users.saved, users_of(&before));
	for (int i = 0; i < 4; i++) {
		static const char *const keys[] = { "CapEff", "CapPrm", "CapInh", "CapBnd" };

		ASSERT_TRUE(status_line(0, keys[i], mine) && status_line(after.thread.known_as, keys[i], its));
		EXPECT_STREQ(mine, its);
	}
	EXPECT_TRUE(hand_ends(&before));
	EXPECT_TRUE(hand_ends(&after));
}

CLAUSE(privilege_is_given_up_by_one_thread_alone,
       "capabilities(7) Effect of user ID changes on capabilities: a thread that gives up user id 0 loses its "
       "capabilities, and cannot get the "
       "id back; its siblings keep theirs [ATS-1]", .needs = "root cap=setuid", USERS)
{
	char before[STATUS_TEXT], now[STATUS_TEXT];
	struct hand a, b;

	if (users_of(NULL).real || users_of(NULL).saved)
		SKIP(return, "not all user ids are 0");
	ASSERT_TRUE(hand_start(&a) && hand_start(&b));
	ASSERT_TRUE(status_line(0, "CapEff", before));
	EXPECT_RET(0, hand_does(&a, NR_SETRESUID, OTHER, OTHER, OTHER));
	EXPECT_TRUE(line_is(a.thread.known_as, "CapEff", "0000000000000000"));
	EXPECT_TRUE(line_is(a.thread.known_as, "CapPrm", "0000000000000000"));
	EXPECT_RET(-EPERM, hand_does(&a, NR_SETRESUID, 0, 0, 0));
	ASSERT_TRUE(status_line(b.thread.known_as, "CapEff", now));
	EXPECT_STREQ(before, now);
	EXPECT_RET(0, hand_does(&b, NR_SETRESUID, 0, 0, 0));
	EXPECT_TRUE(hand_ends(&a));
	EXPECT_TRUE(hand_ends(&b));
}

CLAUSE(capset_changes_the_calling_thread_alone,
       "capset(2): sets the capabilities of the calling thread; those of another thread, of the same process too, "
       "cannot be set (EPERM) [ATS-1]",
       .needs = "cap=setuid", USERS)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 }, other = header;
	struct __user_cap_data_struct none[2] = { { 0 } };
	char before[STATUS_TEXT], now[STATUS_TEXT];
	struct hand a, b;

	ASSERT_TRUE(hand_start(&a) && hand_start(&b));
	ASSERT_TRUE(status_line(0, "CapEff", before));
	other.pid = a.thread.known_as;
	EXPECT_ERR(EPERM, raw_syscall(__NR_capset, &other, none));
	EXPECT_RET(0, hand_does(&a, __NR_capset, (long)&header, (long)none));
	EXPECT_TRUE(line_is(a.thread.known_as, "CapEff", "0000000000000000"));
	ASSERT_TRUE(status_line(0, "CapEff", now));
	EXPECT_STREQ(before, now);
	ASSERT_TRUE(status_line(b.thread.known_as, "CapEff", now));
	EXPECT_STREQ(before, now);
	EXPECT_RET(-EPERM, hand_does(&a, NR_SETRESUID, OTHER, OTHER, OTHER));
	EXPECT_TRUE(hand_ends(&a));
	EXPECT_TRUE(hand_ends(&b));
}

CLAUSE(permission_is_that_of_the_thread_that_asks,
       "credentials(7), path_resolution(7): access is checked against the credentials of the calling thread: a file of "
       "one user opens for the "
       "thread that has its id, and not for the other [ATS-1]", .needs = "root cap=setuid", USERS)
{
	int fd = nameless_file();
	char path[64];
	struct hand a;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, fchmod(fd, 0600));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ASSERT_TRUE(hand_start(&a));
	EXPECT_OK(hand_does(&a, __NR_openat, AT_FDCWD, (long)path, O_RDONLY));
	EXPECT_RET(0, hand_does(&a, NR_SETRESUID, OTHER, OTHER, OTHER));
	EXPECT_RET(-EACCES, hand_does(&a, __NR_openat, AT_FDCWD, (long)path, O_RDONLY));
	EXPECT_OK(raw_syscall(__NR_openat, AT_FDCWD, path, O_RDONLY));
	EXPECT_TRUE(hand_ends(&a));
}

CLAUSE(every_group_grants_access_in_whatever_order_they_were_given,
       "setgroups(2), path_resolution(7) step 3: a file's group permission is for who has its group among the "
       "supplementary ones, "
       "each of them, however setgroups was told them, and for nobody else",
       .commit = "bdcf0a423ea1 kernel: make groups_sort calling a responsibility group_info allocators",
       .needs = "root cap=setuid cap=setgid cap=chown", USERS)
{
	enum { GROUPS = 23 };
	static const unsigned int steps[] = { 1, 22, 7, 11 };	// up, down, two ways across; 23 is a prime
	int fd = nameless_file();
	char path[64];

	ASSERT_GE(fd, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		unsigned int groups[GROUPS], seen[GROUPS] = { 0 }, sum = 0, want = 0;
		struct hand a;

		for (unsigned int k = 0; k < GROUPS; k++) {
			groups[k] = OTHER + k * steps[i] % GROUPS * 1000;
			want += groups[k];
		}
		ASSERT_TRUE(hand_start(&a));
		EXPECT_RET(0, hand_does(&a, NR_SETGROUPS, GROUPS, (long)groups));
		EXPECT_RET(GROUPS, hand_does(&a, NR_GETGROUPS, GROUPS, (long)seen));
		for (unsigned int k = 0; k < GROUPS; k++)
			sum += seen[k];
		EXPECT_EQ(want, sum);
		EXPECT_RET(0, hand_does(&a, NR_SETRESGID, OTHER - 1, OTHER - 1, OTHER - 1));
		EXPECT_RET(0, hand_does(&a, NR_SETRESUID, OTHER, OTHER, OTHER));
		for (unsigned int k = 0; k < GROUPS; k++) {
			long opened;

			ASSERT_EQ(0, fchown(fd, 0, groups[k]));
			ASSERT_EQ(0, fchmod(fd, 0040));
			opened = hand_does(&a, __NR_openat, AT_FDCWD, (long)path, O_RDONLY);
			EXPECT_OK(opened) TH_LOG("group %u of order %u", groups[k], i);
			raw_syscall(__NR_close, opened);
			ASSERT_EQ(0, fchown(fd, 0, groups[k] + 1));
			EXPECT_RET(-EACCES, hand_does(&a, __NR_openat, AT_FDCWD, (long)path, O_RDONLY));
		}
		EXPECT_TRUE(hand_ends(&a));
	}
}

CLAUSE(groups_are_told_whole_or_not_at_all,
       "getgroups(2) ERRORS EINVAL: size is less than the number of groups and not 0: nothing is written; 0 returns "
       "the number "
       "alone", .needs = "cap=setgid", USERS)
{
	static const unsigned int groups[] = { 5, 6, 7, OTHER };
	unsigned int *seen = guarded(sizeof(groups));
	struct hand a;

	ASSERT_TRUE(hand_start(&a));
	EXPECT_RET(0, hand_does(&a, NR_SETGROUPS, 4, (long)groups));
	EXPECT_RET(4, hand_does(&a, NR_GETGROUPS, 0, 0));
	for (int size = 1; size < 4; size++)
		EXPECT_RET(-EINVAL, hand_does(&a, NR_GETGROUPS, size, (long)seen));
	EXPECT_RET(-EINVAL, hand_does(&a, NR_GETGROUPS, -1, (long)seen));
	EXPECT_RET(4, hand_does(&a, NR_GETGROUPS, 0, (long)seen));
	EXPECT_UNTOUCHED(seen, 0, sizeof(groups));
	EXPECT_RET(-EFAULT, hand_does(&a, NR_GETGROUPS, 4, (long)forbidden_page()));
	EXPECT_RET(4, hand_does(&a, NR_GETGROUPS, 5, (long)seen));
	EXPECT_EQ(0, memcmp(groups, seen, sizeof(groups)));
	EXPECT_INTACT(seen);
	EXPECT_RET(0, hand_does(&a, NR_SETGROUPS, 0, 0));
	EXPECT_RET(0, hand_does(&a, NR_GETGROUPS, 0, 0));
	EXPECT_RET(-EINVAL, hand_does(&a, NR_SETGROUPS, -1, (long)groups));
	EXPECT_RET(-EINVAL, hand_does(&a, NR_SETGROUPS, 65537, (long)groups));
	EXPECT_TRUE(hand_ends(&a));
}

// What a thread is told of its parent's death, and calls that change who it is, or do not.
static const struct { const char *what; long nr, args[3]; bool clears; } changes[] = {
	{ "the real user id",       NR_SETRESUID, { OTHER, -1, -1 }, false },
	{ "the saved group id",     NR_SETRESGID, { -1, -1, OTHER }, false },
	{ "nothing",                NR_SETRESUID, { -1, -1, -1 }, false },
	{ "the effective group id", NR_SETRESGID, { -1, OTHER, -1 }, true },
	{ "the group id of files",  NR_SETFSGID, { OTHER, 0, 0 }, true },
	{ "the user id of files",   NR_SETFSUID, { OTHER, 0, 0 }, true },
	{ "the effective user id",  NR_SETRESUID, { -1, OTHER, -1 }, true },
};

CLAUSE(the_parents_death_is_not_told_to_who_became_another,
       "prctl(2) PR_SET_PDEATHSIG, credentials(7): the signal is cleared when the effective user or group id or that "
       "of files "
       "changes, of the thread that changes it alone, and stays with other changes",
       .needs = "root cap=setuid cap=setgid", USERS)
{
	struct hand a, b;

	if (users_of(NULL).real || users_of(NULL).effective || users_of(NULL).saved || groups_of(NULL).effective)
		SKIP(return, "not all ids are 0");
	for (unsigned int i = 0; i < ARRAY_SIZE(changes); i++) {
		int told = -1, others = -1;

		ASSERT_TRUE(hand_start(&a) && hand_start(&b));
		ASSERT_RET(0, hand_does(&a, __NR_prctl, PR_SET_PDEATHSIG, SIGURG));
		ASSERT_RET(0, hand_does(&b, __NR_prctl, PR_SET_PDEATHSIG, SIGURG));
		EXPECT_RET(0, hand_does(&a, changes[i].nr, changes[i].args[0], changes[i].args[1], changes[i].args[2]));
		ASSERT_RET(0, hand_does(&a, __NR_prctl, PR_GET_PDEATHSIG, (long)&told));
		ASSERT_RET(0, hand_does(&b, __NR_prctl, PR_GET_PDEATHSIG, (long)&others));
		EXPECT_EQ(changes[i].clears ? 0 : SIGURG, told) TH_LOG("%s changed", changes[i].what);
		EXPECT_EQ(SIGURG, others);
		EXPECT_TRUE(hand_ends(&a));
		EXPECT_TRUE(hand_ends(&b));
	}
}
