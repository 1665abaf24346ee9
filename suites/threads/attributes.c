// SPDX-License-Identifier: GPL-2.0-only
// prctl(2) and others: which attributes are of each thread and which of the process.
#include "clause.h"
#include "hand.h"
#include "sigaction.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define USERS .needed_by = THREADS_USERS

#define my_prctl(...)       raw_syscall(__NR_prctl, __VA_ARGS__)
#define its_prctl(h, ...)   hand_does(h, __NR_prctl, __VA_ARGS__)

CLAUSE(a_name_is_of_the_thread,
       "prctl(2) PR_SET_NAME: sets the name of the calling thread, up to 15 bytes of it; siblings keep theirs, and a "
       "new thread has its "
       "creator's", USERS)
{
	char name[17] = "", mine[17] = "";
	struct hand a, b;

	ASSERT_RET(0, my_prctl(PR_SET_NAME, "creator", 0, 0, 0));
	ASSERT_TRUE(hand_start(&a) && hand_start(&b));
	EXPECT_RET(0, its_prctl(&a, PR_SET_NAME, (long)"a name that is too long"));
	EXPECT_RET(0, its_prctl(&a, PR_GET_NAME, (long)name));
	EXPECT_STREQ("a name that is ", name);
	EXPECT_RET(0, its_prctl(&b, PR_GET_NAME, (long)name));
	EXPECT_STREQ("creator", name);
	EXPECT_RET(0, my_prctl(PR_GET_NAME, mine, 0, 0, 0));
	EXPECT_STREQ("creator", mine);
	EXPECT_TRUE(hand_ends(&a));
	EXPECT_TRUE(hand_ends(&b));
}

CLAUSE(a_siblings_name_is_written_and_read_by_proc,
       "proc_pid_comm(5), pthread_setname_np(3): what a thread writes to /proc/self/task/TID/comm names thread TID of "
       "its process, up to 15 bytes of it, and no other thread; PR_GET_NAME and comm tell the same", USERS)
{
	char path[64], name[17] = "", line[64];
	struct hand a, b;

	ASSERT_RET(0, my_prctl(PR_SET_NAME, "writer", 0, 0, 0));
	ASSERT_TRUE(hand_start(&a) && hand_start(&b));
	for (int long_one = 0; long_one < 2; long_one++) {
		const char *given = long_one ? "a name that is too long" : "short", *wanted = long_one ? "a name that is " : "short";
		int fd;

		snprintf(path, sizeof(path), "/proc/self/task/%d/comm", a.thread.known_as);
		fd = open(path, O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, fd);
		EXPECT_EQ(strlen(given), write(fd, given, strlen(given)));
		close(fd);
		EXPECT_RET(0, its_prctl(&a, PR_GET_NAME, (long)name));
		EXPECT_STREQ(wanted, name);
		ASSERT_LT(0, read_text(path, line, sizeof(line)));
		EXPECT_EQ('\n', line[strlen(line) - 1]);
		line[strlen(line) - 1] = 0;
		EXPECT_STREQ(wanted, line);
		EXPECT_RET(0, its_prctl(&b, PR_GET_NAME, (long)name));
		EXPECT_STREQ("writer", name);
		EXPECT_RET(0, my_prctl(PR_GET_NAME, name, 0, 0, 0));
		EXPECT_STREQ("writer", name);
	}
	EXPECT_TRUE(hand_ends(&a));
	EXPECT_TRUE(hand_ends(&b));
}

// Attributes that one prctl sets and another tells.
static const struct {
	const char *name;
	int set, get;
	long value;
	bool by_address;	// the old value comes through a pointer
} of_threads[] = {
	{ "PR_SET_KEEPCAPS",   PR_SET_KEEPCAPS,   PR_GET_KEEPCAPS,   1,        false },
	{ "PR_SET_TIMERSLACK", PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, 54321,    false },
	{ "PR_SET_PDEATHSIG",  PR_SET_PDEATHSIG,  PR_GET_PDEATHSIG,  SIGURG,   true },
};

static long told(struct hand *h, int get, bool by_address)
{
	int value = -1;
	long result = h ? its_prctl(h, get, by_address ? (long)&value : 0) : my_prctl(get, by_address ? &value : 0, 0, 0, 0);

	return is_error(result) || !by_address ? result : value;
}

CLAUSE(what_prctl_sets_for_a_thread_stays_there,
       "prctl(2) PR_SET_KEEPCAPS, PR_SET_TIMERSLACK, PR_SET_PDEATHSIG: attributes of the calling thread: those of its "
       "siblings do not change "
       "[ATS-1]", USERS)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(of_threads); i++) {
		long before = told(NULL, of_threads[i].get, of_threads[i].by_address);
		struct hand a, b;

		ASSERT_TRUE(hand_start(&a) && hand_start(&b));
		EXPECT_RET(0, its_prctl(&a, of_threads[i].set, of_threads[i].value)) TH_LOG("%s", of_threads[i].name);
		EXPECT_RET(of_threads[i].value, told(&a, of_threads[i].get, of_threads[i].by_address));
		EXPECT_NE(of_threads[i].value, before);
		EXPECT_RET(before, told(NULL, of_threads[i].get, of_threads[i].by_address)) TH_LOG("%s", of_threads[i].name);
		EXPECT_RET(told(&b, of_threads[i].get, of_threads[i].by_address), before) TH_LOG("%s", of_threads[i].name);
		EXPECT_TRUE(hand_ends(&a));
		EXPECT_TRUE(hand_ends(&b));
	}
}

CLAUSE(a_slack_of_zero_is_the_one_the_thread_began_with,
       "prctl(2) PR_SET_TIMERSLACK: 0 sets the current slack back to the default one of the thread, which is the "
       "current slack "
       "of the thread that made it", USERS)
{
	static const long slacks[] = { 60000, 70001 };

	for (int i = 0; i < 2; i++) {
		struct hand a;

		ASSERT_RET(0, my_prctl(PR_SET_TIMERSLACK, slacks[i], 0, 0, 0));
		ASSERT_TRUE(hand_start(&a));
		EXPECT_RET(slacks[i], its_prctl(&a, PR_GET_TIMERSLACK));
		EXPECT_RET(0, its_prctl(&a, PR_SET_TIMERSLACK, 1));
		EXPECT_RET(1, its_prctl(&a, PR_GET_TIMERSLACK));
		EXPECT_RET(0, its_prctl(&a, PR_SET_TIMERSLACK, 0));
		EXPECT_RET(slacks[i], its_prctl(&a, PR_GET_TIMERSLACK));
		EXPECT_TRUE(hand_ends(&a));
	}
}

CLAUSE(attributes_take_no_other_values_than_they_have,
       "prctl(2) ERRORS EINVAL: PR_SET_DUMPABLE takes 0 and 1, not 2 (since Linux 2.6.17), PR_SET_KEEPCAPS 0 and 1, "
       "PR_SET_PDEATHSIG 0 or a signal; what is refused changes nothing", USERS)
{
	static const struct { int set, get; long before, wrong[4]; bool by_address; } cases[] = {
		{ PR_SET_DUMPABLE,  PR_GET_DUMPABLE,  1,      { 2, 3, -1, 1 << 30 }, false },
		{ PR_SET_DUMPABLE,  PR_GET_DUMPABLE,  0,      { 2, 3, -1, 1 << 30 }, false },
		{ PR_SET_KEEPCAPS,  PR_GET_KEEPCAPS,  1,      { 2, 3, -1, 1 << 30 }, false },
		{ PR_SET_KEEPCAPS,  PR_GET_KEEPCAPS,  0,      { 2, 3, -1, 1 << 30 }, false },
		{ PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, SIGURG, { 300, 1000, -1, 1 << 30 }, true },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_RET(0, my_prctl(cases[i].set, cases[i].before, 0, 0, 0));
		for (int k = 0; k < 4; k++) {
			EXPECT_ERR(EINVAL, my_prctl(cases[i].set, cases[i].wrong[k], 0, 0, 0))
				TH_LOG("prctl %d, value %ld", cases[i].set, cases[i].wrong[k]);
			EXPECT_RET(cases[i].before, told(NULL, cases[i].get, cases[i].by_address));
		}
	}
	ASSERT_RET(0, my_prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

CLAUSE(what_prctl_sets_for_the_process_holds_for_all,
       "prctl(2) PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER: attributes of the process: one thread sets them and every "
       "other sees them", USERS)
{
	int reaper = -1;
	struct hand a, b;

	ASSERT_TRUE(hand_start(&a) && hand_start(&b));
	EXPECT_RET(0, its_prctl(&a, PR_SET_DUMPABLE, 0));
	EXPECT_RET(0, its_prctl(&b, PR_GET_DUMPABLE, 0));
	EXPECT_RET(0, my_prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	EXPECT_RET(0, its_prctl(&a, PR_SET_DUMPABLE, 1));
	EXPECT_RET(1, my_prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	EXPECT_RET(0, its_prctl(&a, PR_SET_CHILD_SUBREAPER, 1));
	EXPECT_RET(0, my_prctl(PR_GET_CHILD_SUBREAPER, &reaper, 0, 0, 0));
	EXPECT_EQ(1, reaper);
	EXPECT_TRUE(hand_ends(&a));
	EXPECT_TRUE(hand_ends(&b));
}

CLAUSE(securebits_and_the_bounding_set_are_of_the_thread,
       "capabilities(7) The securebits flags, Capability bounding set: per-thread: PR_SET_SECUREBITS and "
       "PR_CAPBSET_DROP change the caller's "
       "alone [ATS-1]", .needs = "cap=setpcap", USERS)
{
	long bits = my_prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
	struct hand a;

	ASSERT_OK(bits);
	ASSERT_TRUE(hand_start(&a));
	EXPECT_RET(0, its_prctl(&a, PR_SET_SECUREBITS, bits ^ 4 /* no setuid fixup */));
	EXPECT_RET(bits ^ 4, its_prctl(&a, PR_GET_SECUREBITS));
	EXPECT_RET(bits, my_prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
	ASSERT_RET(1, my_prctl(PR_CAPBSET_READ, 10 /* net_bind_service */, 0, 0, 0));
	EXPECT_RET(0, its_prctl(&a, PR_CAPBSET_DROP, 10));
	EXPECT_RET(0, its_prctl(&a, PR_CAPBSET_READ, 10));
	EXPECT_RET(1, my_prctl(PR_CAPBSET_READ, 10, 0, 0, 0));
	EXPECT_TRUE(hand_ends(&a));
}

CLAUSE(nice_and_policy_are_of_the_thread,
       "setpriority(2) BUGS, sched(7): the nice value and the scheduling policy are per-thread: PRIO_PROCESS and "
       "sched_setscheduler(2) with a "
       "thread's id change that thread alone", USERS)
{
	struct sched_param none = { 0 };
	struct hand a, b;
	long before = raw_syscall(__NR_getpriority, PRIO_PROCESS, 0), policy = raw_syscall(__NR_sched_getscheduler, 0);

	ASSERT_TRUE(hand_start(&a) && hand_start(&b));
	EXPECT_RET(0, raw_syscall(__NR_setpriority, PRIO_PROCESS, a.thread.known_as, 20 - before + 3));
	EXPECT_RET(before - 3, raw_syscall(__NR_getpriority, PRIO_PROCESS, a.thread.known_as));
	EXPECT_RET(before - 3, hand_does(&a, __NR_getpriority, PRIO_PROCESS, 0));
	EXPECT_RET(before, raw_syscall(__NR_getpriority, PRIO_PROCESS, b.thread.known_as));
	EXPECT_RET(before, raw_syscall(__NR_getpriority, PRIO_PROCESS, 0));
	EXPECT_RET(0, raw_syscall(__NR_sched_setscheduler, a.thread.known_as, SCHED_BATCH, &none));
	EXPECT_RET(SCHED_BATCH, hand_does(&a, __NR_sched_getscheduler, 0));
	EXPECT_RET(policy, hand_does(&b, __NR_sched_getscheduler, 0));
	EXPECT_RET(policy, raw_syscall(__NR_sched_getscheduler, 0));
	EXPECT_TRUE(hand_ends(&a));
	EXPECT_TRUE(hand_ends(&b));
}

CLAUSE(limits_are_of_the_process,
       "getrlimit(2) NOTES, prlimit(2): resource limits are shared by all threads of a process: what one sets, each "
       "has", USERS)
{
	struct { uint64_t soft, hard; } before, lower, seen = { 0 };
	struct hand a, b;

	ASSERT_TRUE(hand_start(&a) && hand_start(&b));
	ASSERT_RET(0, raw_syscall(__NR_prlimit64, 0, RLIMIT_NOFILE, NULL, &before));
	lower.soft = before.soft - 1;
	lower.hard = before.hard;
	EXPECT_RET(0, hand_does(&a, __NR_prlimit64, 0, RLIMIT_NOFILE, (long)&lower, 0));
	EXPECT_RET(0, raw_syscall(__NR_prlimit64, 0, RLIMIT_NOFILE, NULL, &seen));
	EXPECT_EQ(lower.soft, seen.soft);
	seen.soft = 0;
	EXPECT_RET(0, hand_does(&b, __NR_prlimit64, a.thread.known_as, RLIMIT_NOFILE, 0, (long)&seen));
	EXPECT_EQ(lower.soft, seen.soft);
	EXPECT_TRUE(hand_ends(&a));
	EXPECT_TRUE(hand_ends(&b));
}

CLAUSE(the_directory_is_shared_until_a_thread_leaves,
       "unshare(2) CLONE_FS: threads share working directory and umask; one that unshares them has copies, and neither "
       "side sees the other's "
       "changes", USERS)
{
	char path[256] = "", mine[256] = "";
	struct hand a, b;

	ASSERT_TRUE(hand_start(&a) && hand_start(&b));
	EXPECT_RET(0, hand_does(&a, __NR_chdir, (long)"/proc"));
	EXPECT_OK(raw_syscall(__NR_getcwd, mine, sizeof(mine)));
	EXPECT_STREQ("/proc", mine);
	EXPECT_OK(hand_does(&a, __NR_umask, 027));
	EXPECT_RET(027, raw_syscall(__NR_umask, 027));
	EXPECT_RET(0, hand_does(&a, __NR_unshare, CLONE_FS));
	EXPECT_RET(0, hand_does(&a, __NR_chdir, (long)"/"));
	EXPECT_OK(hand_does(&a, __NR_umask, 077));
	EXPECT_OK(hand_does(&b, __NR_getcwd, (long)path, sizeof(path)));
	EXPECT_STREQ("/proc", path);
	EXPECT_RET(027, raw_syscall(__NR_umask, 027));
	EXPECT_OK(hand_does(&a, __NR_getcwd, (long)path, sizeof(path)));
	EXPECT_STREQ("/", path);
	EXPECT_TRUE(hand_ends(&a));
	EXPECT_TRUE(hand_ends(&b));
}

CLAUSE(descriptors_are_shared_until_a_thread_leaves,
       "unshare(2) CLONE_FILES: threads share the table of descriptors; one that unshares it has a copy, and neither "
       "side sees what the other "
       "opens or closes then", USERS)
{
	struct hand a, b;
	long shared, own;

	ASSERT_TRUE(hand_start(&a) && hand_start(&b));
	shared = hand_does(&a, __NR_openat, AT_FDCWD, (long)"/dev/null", O_RDONLY);
	ASSERT_OK(shared);
	EXPECT_OK(raw_syscall(__NR_fcntl, shared, F_GETFD));
	EXPECT_RET(0, hand_does(&a, __NR_unshare, CLONE_FILES));
	own = hand_does(&a, __NR_openat, AT_FDCWD, (long)"/dev/null", O_RDONLY);
	ASSERT_OK(own);
	EXPECT_ERR(EBADF, raw_syscall(__NR_fcntl, own, F_GETFD));
	EXPECT_RET(0, hand_does(&a, __NR_close, shared));
	EXPECT_OK(hand_does(&b, __NR_fcntl, shared, F_GETFD));
	EXPECT_RET(0, raw_syscall(__NR_close, shared));
	EXPECT_RET(-EBADF, hand_does(&b, __NR_fcntl, shared, F_GETFD));
	EXPECT_OK(hand_does(&a, __NR_fcntl, own, F_GETFD));
	EXPECT_TRUE(hand_ends(&a));
	EXPECT_TRUE(hand_ends(&b));
}

CLAUSE(a_namespace_can_be_of_one_thread,
       "unshare(2) CLONE_NEWUTS, namespaces(7): a namespace that a thread enters is that thread's: its host name is "
       "its own, and /proc shows "
       "another namespace for it", .needs = "cap=sys_admin", .config = "UTS_NS", USERS)
{
	char mine[64] = "", its[64] = "", path[64], before[65] = "", now[65] = "";
	struct hand a;

	ASSERT_TRUE(hand_start(&a));
	gethostname(before, sizeof(before));
	EXPECT_RET(0, hand_does(&a, __NR_unshare, CLONE_NEWUTS));
	EXPECT_RET(0, hand_does(&a, __NR_sethostname, (long)"of-one-thread", 13));
	gethostname(now, sizeof(now));
	EXPECT_STREQ(before, now);
	ASSERT_GT(readlink("/proc/thread-self/ns/uts", mine, sizeof(mine) - 1), 0);
	snprintf(path, sizeof(path), "/proc/self/task/%d/ns/uts", a.thread.known_as);
	ASSERT_GT(readlink(path, its, sizeof(its) - 1), 0);
	EXPECT_STRNE(mine, its);
	EXPECT_TRUE(hand_ends(&a));
}

CLAUSE(threads_are_one_process_to_the_world,
       "getpid(2), gettid(2), clone(2) CLONE_THREAD: every thread has the process's id, parent, group and session, and "
       "an id of its own that "
       "only the first shares with the process", USERS)
{
	struct hand a, b;

	ASSERT_TRUE(hand_start(&a) && hand_start(&b));
	EXPECT_RET(getpid(), hand_does(&a, __NR_getpid));
	EXPECT_RET(getppid(), hand_does(&a, __NR_getppid));
	EXPECT_RET(getpgrp(), hand_does(&a, __NR_getpgid, 0));
	EXPECT_RET(getsid(0), hand_does(&a, __NR_getsid, 0));
	EXPECT_RET(a.thread.known_as, hand_does(&a, __NR_gettid));
	EXPECT_RET(b.thread.known_as, hand_does(&b, __NR_gettid));
	EXPECT_RET(getpid(), raw_syscall(__NR_gettid));
	EXPECT_NE(a.thread.known_as, b.thread.known_as);
	EXPECT_EQ(getpid(), status_number(a.thread.known_as, "Tgid"));
	EXPECT_EQ(a.thread.known_as, status_number(a.thread.known_as, "Pid"));
	EXPECT_TRUE(hand_ends(&a));
	EXPECT_TRUE(hand_ends(&b));
}
