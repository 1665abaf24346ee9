// SPDX-License-Identifier: GPL-2.0-only
// kill(2): whom it reaches, who may send, what it refuses, and who the receiver is told has sent it.
#include "signals.h"

#include <sched.h>

#include "nobody.h"

#define USERS "go:raiseproc go:signalM glibc:raise jvm:os_linux rust:Child"

#define NOT_A_PID 0x3fffffff	// beyond PID_MAX_LIMIT

static struct process *p;

static void begin(void)
{
	p = shared_memory(8 * sizeof(*p));
}

static bool joins_the_first_ones_group(void)
{
	return setpgid(0, p[0].pid) == 0;
}

CLAUSE(a_signal_reaches_the_process_it_is_sent_to_and_no_other,
       "kill(2): if pid is positive the signal is sent to the process with that ID",
       .needed_by = USERS)
{
	begin();
	for (int i = 0; i < 3; i++)
		ASSERT_TRUE(process_starts(&p[i], i == 2 ? has_own_group : NULL));
	for (int i = 0; i < 3; i++) {
		ASSERT_RET(0, raw_kill(p[i].pid, SIGUSR1));
		for (int j = 0; j < 3; j++)
			ASSERT_EQ(j <= i, received(&p[j]));
		ASSERT_EQ(SIGUSR1, p[i].last.signo);
	}
	for (int i = 0; i < 3; i++)
		process_ends(&p[i]);
}

CLAUSE(zero_is_the_callers_group,
       "kill(2): if pid is 0 the signal is sent to every process of the caller's process group, the caller with them",
       .needed_by = USERS)
{
	begin();
	IN_CHILD {
		ASSERT_TRUE(has_own_group());
		ASSERT_RET(0, catch_signal(SIGUSR1));
		for (int i = 0; i < 3; i++)
			ASSERT_TRUE(process_starts(&p[i], i == 2 ? has_own_group : NULL));
		ASSERT_RET(0, raw_kill(0, SIGUSR1));
		ASSERT_EQ(1, arrivals);
		ASSERT_EQ(1, received(&p[0]));
		ASSERT_EQ(1, received(&p[1]));
		ASSERT_EQ(0, received(&p[2]));
		ASSERT_EQ(own_pid(), p[1].last.pid);
		for (int i = 0; i < 3; i++)
			process_ends(&p[i]);
	}
}

CLAUSE(a_negative_number_is_a_group,
       "kill(2): if pid is less than -1 the signal is sent to every process of the group whose ID is -pid",
       .needed_by = USERS)
{
	begin();
	ASSERT_RET(0, catch_signal(SIGUSR1));
	ASSERT_TRUE(process_starts(&p[0], has_own_group));
	ASSERT_TRUE(process_starts(&p[1], joins_the_first_ones_group));
	ASSERT_TRUE(process_starts(&p[2], has_own_group));
	ASSERT_TRUE(process_starts(&p[3], NULL));
	EXPECT_RET(0, raw_kill(-p[0].pid, SIGUSR1));
	EXPECT_EQ(1, received(&p[0]));
	EXPECT_EQ(1, received(&p[1]));
	EXPECT_EQ(0, received(&p[2]));
	EXPECT_EQ(0, received(&p[3]));
	EXPECT_EQ(0, arrivals);
	for (int i = 0; i < 4; i++)
		process_ends(&p[i]);
}

static volatile int *inside;	// what the namespace's processes found out

static int sends_to_all(void *unused)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	raw_sigaction_masked(SIGUSR1, note, 0, SIGSET_FULL);
	inside[0] = raw_kill(-1, SIGUSR1);
	if (!process_starts(&p[0], has_own_group) || !process_starts(&p[1], NULL))
		return 1;
	inside[1] = raw_kill(-1, SIGUSR1);
	inside[2] = received(&p[0]);
	inside[3] = received(&p[1]);
	if (fork() == 0) {
		raw_kill(-1, SIGUSR1);
		_exit(arrivals);
	}
	inside[4] = end_of(-1);
	inside[5] = received(&p[0]);
	inside[6] = received(&p[1]);
	inside[7] = arrivals;
	return 0;
}

CLAUSE(minus_one_is_everyone_but_the_caller_and_the_first_process,
       "kill(2), NOTES: if pid is -1 the signal is sent to every process that the caller may send to, except process 1 "
       "and, on Linux, the caller itself; ESRCH if there is none",
       .needs = "cap=sys_admin", .config = "PID_NS", .needed_by = USERS)
{
	long pid;

	begin();
	inside = shared_memory(4096);
	pid = raw_clone(CLONE_NEWPID | SIGCHLD, NULL, sends_to_all, NULL, NULL, NULL, NULL);
	ASSERT_OK(pid);
	ASSERT_EQ(0, end_of(pid));
	EXPECT_EQ(-ESRCH, inside[0]);
	EXPECT_EQ(0, inside[1]);
	EXPECT_EQ(1, inside[2]);
	EXPECT_EQ(1, inside[3]);
	EXPECT_LT(0, inside[4]);
	EXPECT_EQ(2, inside[5]);
	EXPECT_EQ(2, inside[6]);
	EXPECT_EQ(0, inside[7]);
}

CLAUSE(signal_zero_only_asks,
       "kill(2): if sig is 0 no signal is sent, but existence and permission are checked, of processes as of groups",
       .needed_by = "rust:Child jvm:ProcessHandle go:os.Process")
{
	static const int targets[] = { 1, -1 };

	begin();
	ASSERT_TRUE(process_starts(&p[0], has_own_group));
	FOR_EACH(t, targets)
		for (int i = 0; i < 3; i++)
			ASSERT_RET(0, raw_kill(targets[t] * p[0].pid, 0));
	EXPECT_RET(0, raw_kill(0, 0));
	EXPECT_RET(0, raw_kill(own_pid(), 0));
	EXPECT_EQ(0, received(&p[0]));
	process_ends(&p[0]);
	FOR_EACH(t, targets)
		ASSERT_ERR(ESRCH, raw_kill(targets[t] * p[0].pid, 0));
}

CLAUSE(a_target_that_does_not_exist_is_esrch,
       "kill(2) ERRORS ESRCH: the target process or process group does not exist",
       .needed_by = "go:os.Process rust:Child")
{
	static const int sigs[] = { 0, SIGUSR1, SIGKILL, SIGCONT, SIGNALS };

	begin();
	ASSERT_TRUE(process_starts(&p[0], NULL));
	FOR_EACH(s, sigs) {
		ASSERT_ERR(ESRCH, raw_kill(NOT_A_PID, sigs[s]));
		ASSERT_ERR(ESRCH, raw_kill(-NOT_A_PID, sigs[s]));
		ASSERT_ERR(ESRCH, raw_kill((int)0x80000000, sigs[s]));
		ASSERT_ERR(ESRCH, raw_kill(-p[0].pid, sigs[s]));	// no leader of a group
	}
	process_ends(&p[0]);
	FOR_EACH(s, sigs)
		ASSERT_ERR(ESRCH, raw_kill(p[0].pid, sigs[s]));
}

CLAUSE(a_number_that_is_no_signal_is_einval,
       "kill(2) ERRORS EINVAL: an invalid signal was specified, to a process, to a group, to oneself",
       .needed_by = USERS)
{
	begin();
	ASSERT_TRUE(process_starts(&p[0], has_own_group));
	FOR_EACH(i, no_signals) {
		ASSERT_ERR(EINVAL, raw_kill(p[0].pid, no_signals[i]));
		ASSERT_ERR(EINVAL, raw_kill(-p[0].pid, no_signals[i]));
		ASSERT_ERR(EINVAL, raw_kill(0, no_signals[i]));
		ASSERT_ERR(EINVAL, raw_kill(own_pid(), no_signals[i]));
	}
	EXPECT_EQ(0, received(&p[0]));
	process_ends(&p[0]);
}

CLAUSE(a_zombie_takes_any_signal_to_no_effect,
       "kill(2) NOTES, POSIX kill: a process that has ended and was not waited for exists: the call succeeds, its "
       "status stays, and its group exists as well",
       .needed_by = "go:os.Process rust:Child")
{
	int pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		_exit(37);
	}
	ASSERT_TRUE(is_zombie(pid));
	for (int sig = 0; sig <= SIGNALS; sig++) {
		ASSERT_RET(0, raw_kill(pid, sig));
		ASSERT_RET(0, raw_kill(-pid, sig));
	}
	EXPECT_ERR(EINVAL, raw_kill(pid, SIGNALS + 1));
	EXPECT_EQ(37 << 8, end_of(pid));
	EXPECT_ERR(ESRCH, raw_kill(pid, 0));
	EXPECT_ERR(ESRCH, raw_kill(-pid, 0));
}

/* ---- Permission ----------------------------------------------------------------------------------------------- */

#define A 60001
#define B 60002
#define C 60003

static uid_t target_ids[3];

static bool takes_ids(const uid_t ids[3])
{
	return !setgroups(0, NULL) && !setresgid(A, A, A) && !setresuid(ids[0], ids[1], ids[2]);
}

static bool takes_target_ids(void)
{
	return takes_ids(target_ids);
}

// Every call by which one process can signal another.
static long send_by(int way, int pid, int sig)
{
	siginfo_t info = info_of(sig, SI_QUEUE, 0);

	switch (way) {
	case 0: return raw_kill(pid, sig);
	case 1: return raw_kill(-pid, sig);
	case 2: return raw_tgkill(pid, pid, sig);
	case 3: return raw_tkill(pid, sig);
	case 4: return raw_rt_sigqueueinfo(pid, sig, &info);
	default: return raw_rt_tgsigqueueinfo(pid, pid, sig, &info);
	}
}

CLAUSE(a_sender_needs_an_id_of_the_receiver,
       "kill(2) ERRORS EPERM: without CAP_KILL the sender's real or effective ID must equal the receiver's real or "
       "saved one; so it is for kill, tgkill, tkill and sigqueue, and for signal 0",
       .needs = "root cap=kill", .needed_by = USERS)
{
	static const struct {
		uid_t receiver[3], sender[3];	// real, effective, saved
		bool may;
	} cases[] = {
		{ { A, A, A }, { A, A, A }, true },
		{ { A, A, A }, { B, B, B }, false },
		{ { 0, 0, 0 }, { B, B, B }, false },
		{ { A, B, B }, { A, A, A }, true },
		{ { A, B, C }, { B, B, B }, false },	// only the effective ID is the sender's
		{ { A, B, C }, { C, C, C }, true },
		{ { A, A, A }, { A, B, B }, true },
		{ { A, A, A }, { B, A, B }, true },
		{ { A, A, A }, { B, B, A }, false },	// only the sender's saved ID is the receiver's
		{ { A, A, A }, { 0, 0, 0 }, true },
	};

	if (!can_become(A, A))
		SKIP(return, "user ids are few here");
	begin();
	FOR_EACH(c, cases) {
		memcpy(target_ids, cases[c].receiver, sizeof(target_ids));
		ASSERT_TRUE(process_starts(&p[0], takes_target_ids));
		ASSERT_EQ(0, setpgid(p[0].pid, p[0].pid));
		IN_CHILD {
			ASSERT_TRUE(takes_ids(cases[c].sender));
			for (int way = 0; way < 6; way++) {
				ASSERT_RET(cases[c].may ? 0 : -EPERM, send_by(way, p[0].pid, 0));
				ASSERT_RET(cases[c].may ? 0 : -EPERM, send_by(way, p[0].pid, RT_FIRST + 2))
					TH_LOG("case %u, way %d", c, way);
			}
		}
		ASSERT_EQ(cases[c].may ? 6 : 0, received(&p[0]));
		process_ends(&p[0]);
	}
}

static bool has_own_session(void)
{
	return setsid() > 0;
}

CLAUSE(sigcont_may_be_sent_within_the_session,
       "kill(2) ERRORS EPERM: in the case of SIGCONT it suffices that sender and receiver are of the same session",
       .needs = "root", .needed_by = USERS)
{
	static const int refused[] = { 0, SIGUSR1, SIGTSTP, SIGSTOP, SIGKILL, SIGHUP };

	if (!can_become(B, B))
		SKIP(return, "user ids are few here");
	begin();
	ASSERT_TRUE(process_starts(&p[0], NULL));
	ASSERT_TRUE(process_starts(&p[1], has_own_session));
	IN_CHILD {
		ASSERT_TRUE(become(B, B));
		ASSERT_RET(0, raw_kill(p[0].pid, SIGCONT));
		ASSERT_ERR(EPERM, raw_kill(p[1].pid, SIGCONT));
		FOR_EACH(i, refused)
			ASSERT_ERR(EPERM, raw_kill(p[0].pid, refused[i]));
	}
	EXPECT_EQ(0, received(&p[0]));
	EXPECT_EQ(0, received(&p[1]));
	process_ends(&p[0]);
	process_ends(&p[1]);
}

static bool joins_as_someone(void)
{
	return joins_the_first_ones_group() && become(B, B);
}

CLAUSE(a_group_is_signalled_as_far_as_the_sender_may,
       "kill(2) RETURN VALUE: if the signal is sent to a group, success means that at least one process got it; EPERM "
       "that none could",
       .needs = "root", .needed_by = USERS)
{
	if (!can_become(B, B))
		SKIP(return, "user ids are few here");
	begin();
	ASSERT_TRUE(process_starts(&p[0], has_own_group));
	IN_CHILD {
		ASSERT_TRUE(become(B, B));
		ASSERT_ERR(EPERM, raw_kill(-p[0].pid, SIGUSR1));
	}
	ASSERT_TRUE(process_starts(&p[1], joins_as_someone));
	ASSERT_TRUE(process_starts(&p[2], joins_the_first_ones_group));
	IN_CHILD {
		ASSERT_TRUE(become(B, B));
		ASSERT_RET(0, raw_kill(-p[0].pid, SIGUSR1));
	}
	EXPECT_EQ(0, received(&p[0]));
	EXPECT_EQ(1, received(&p[1]));
	EXPECT_EQ(0, received(&p[2]));
	for (int i = 0; i < 3; i++)
		process_ends(&p[i]);
}

/* ---- Who has sent it ------------------------------------------------------------------------------------------ */

static int kills_the_process(void *result)
{
	return raw_kill(own_pid(), SIGUSR1) != 0;
}

static int sends_in_turn(void *unused)
{
	return raw_tgkill(own_pid(), own_pid(), SIGUSR1) != 0;
}

static int kills_the_group(void *unused)
{
	return raw_kill(0, SIGUSR1) != 0;
}

static int kills_by_tid(void *unused)
{
	return raw_tkill(own_pid(), SIGUSR1) != 0;
}

CLAUSE(the_sender_is_a_process_whichever_of_its_threads_sends,
       "sigaction(2) si_pid: for signals of kill and tgkill it is the sending process's ID, not that of the thread "
       "that made the call [KIL-4] [SIGINFO-2]",
       .needed_by = "go:sigFromUser go:sigsend glibc:SIGCANCEL glibc:SIGSETXID")
{
	int (*const senders[])(void *) = { kills_the_process, kills_the_group, sends_in_turn, kills_by_tid };

	IN_CHILD {
		ASSERT_TRUE(has_own_group());
		ASSERT_RET(0, catch_signal(SIGUSR1));
		FOR_EACH(s, senders) {
			struct thread t;

			forget_arrivals();
			ASSERT_OK(thread_start(&t, senders[s], NULL));
			ASSERT_TRUE(wait_until(arrivals == 1));
			ASSERT_TRUE(thread_join(&t));
			ASSERT_EQ(own_pid(), arrival[0].pid);
			ASSERT_EQ(getuid(), arrival[0].uid);
			ASSERT_EQ(s < 2 ? SI_USER : SI_TKILL, arrival[0].code);
			ASSERT_EQ(0, arrival[0].error);
		}
	}
}

CLAUSE(si_uid_is_the_senders_real_user,
       "sigaction(2) si_uid: the real user ID of the sending process, not the effective or saved one",
       .needs = "root", .needed_by = USERS)
{
	static const uid_t ids[3] = { A, B, C };

	if (!can_become(A, A))
		SKIP(return, "user ids are few here");
	begin();
	ASSERT_TRUE(process_starts(&p[0], NULL));
	IN_CHILD {
		ASSERT_RET(0, catch_signal(SIGUSR1));
		ASSERT_TRUE(takes_ids(ids));
		for (int way = 0; way < 3; way++) {
			forget_arrivals();
			ASSERT_RET(0, send_myself(way, SIGUSR1));
			ASSERT_EQ(1, arrivals);
			ASSERT_EQ(A, arrival[0].uid);
			ASSERT_EQ(own_pid(), arrival[0].pid);
		}
	}
	process_ends(&p[0]);
}

CLAUSE(si_pid_is_the_sender_and_not_the_receiver,
       "sigaction(2) si_pid, si_code: between processes: SI_USER of kill and SI_TKILL of tgkill, with the sender's ID",
       .needed_by = USERS)
{
	begin();
	ASSERT_TRUE(process_starts(&p[0], NULL));
	for (int way = 0; way < 4; way++) {
		if (way == 1)
			continue;	// there is no such group
		IN_CHILD {
			p[1].pid = own_pid();
			ASSERT_RET(0, send_by(way, p[0].pid, RT_FIRST + 2));
		}
		ASSERT_LT(0, received(&p[0]));
		ASSERT_EQ(RT_FIRST + 2, p[0].last.signo);
		ASSERT_EQ(p[1].pid, p[0].last.pid);
		ASSERT_EQ(getuid(), p[0].last.uid);
		ASSERT_EQ(way == 0 ? SI_USER : SI_TKILL, p[0].last.code);
	}
	process_ends(&p[0]);
}
