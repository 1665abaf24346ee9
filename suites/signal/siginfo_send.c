// SPDX-License-Identifier: GPL-2.0-only
// siginfo_t of signals that processes send: who, how, with which value; and nothing else in its 128 bytes.
#include "clause.h"

#include <sched.h>
#include <sys/resource.h>

#include "origin.h"
#include "thread.h"

#define VALUE ((void *)0x12345678)

static long send_kill(int pid, int sig)
{
	return raw_syscall(__NR_kill, pid, sig);
}

static long send_tgkill(int tid, int sig)
{
	return raw_syscall(__NR_tgkill, getpid(), tid, sig);
}

static siginfo_t queued_info(int sig)
{
	siginfo_t info = info_from(sig, SI_QUEUE, 4242, 4343);

	info.si_ptr = VALUE;
	return info;
}

// A call that a thread other than the first makes in the name of the process.
struct errand {
	long nr, args[4];
	volatile long result;
	struct thread thread;
};

static int run_errand(void *arg)
{
	struct errand *e = arg;

	e->result = raw_syscall(e->nr, e->args[0], e->args[1], e->args[2], e->args[3]);
	return 0;
}

static long by_a_thread(struct errand *e)
{
	long tid = thread_start(&e->thread, run_errand, e);

	if (is_error(tid))
		return tid;
	return thread_join(&e->thread) ? e->result : -ETIMEDOUT;
}

CLAUSE(kill_says_which_process_and_user_sent_it,
       "sigaction(2) The siginfo_t argument: signals sent with kill(2) have SI_USER, si_pid and si_uid, the sending "
       "process "
       "and its real user id; nothing else is set [SIGINFO-2]"
       " [SIG-3]", .needed_by = "go:sigFromUser jvm:os::print_siginfo")
{
	uid_t uid = become_somebody();

	EXPECT_ORIGIN(info_from(SIGUSR1, SI_USER, getpid(), uid), OF_KILL, send_kill(getpid(), SIGUSR1));
	EXPECT_ORIGIN(info_from(SIGRTMAX, SI_USER, getpid(), uid), OF_KILL, send_kill(getpid(), SIGRTMAX));
	EXPECT_ORIGIN(info_from(SIGSEGV, SI_USER, getpid(), uid), OF_KILL, send_kill(getpid(), SIGSEGV));
	EXPECT_ORIGIN(info_from(SIGCHLD, SI_USER, getpid(), uid), OF_KILL, send_kill(getpid(), SIGCHLD));
}

CLAUSE(kill_by_a_thread_names_its_process,
       "sigaction(2) The siginfo_t argument: si_pid is the sending process ID, whichever of its threads calls kill(2), "
       "tkill(2), "
       "tgkill(2) or pidfd_send_signal(2) [SIGINFO-2]", .needed_by = "go:sigFromUser jvm:os::print_siginfo")
{
	long pidfd = raw_syscall(__NR_pidfd_open, getpid(), 0);
	struct errand kill = { .nr = __NR_kill, .args = { getpid(), SIGUSR1 } };
	struct errand tkill = { .nr = __NR_tkill, .args = { getpid(), SIGUSR1 } };
	struct errand tgkill = { .nr = __NR_tgkill, .args = { getpid(), getpid(), SIGUSR1 } };
	struct errand pidfd_send = { .nr = __NR_pidfd_send_signal, .args = { pidfd, SIGUSR1 } };

	ASSERT_OK(pidfd);
	EXPECT_ORIGIN(info_from(SIGUSR1, SI_USER, getpid(), getuid()), OF_KILL, by_a_thread(&kill));
	EXPECT_ORIGIN(info_from(SIGUSR1, SI_USER, getpid(), getuid()), OF_KILL, by_a_thread(&pidfd_send));
	EXPECT_ORIGIN(info_from(SIGUSR1, SI_TKILL, getpid(), getuid()), OF_KILL, by_a_thread(&tkill));
	EXPECT_ORIGIN(info_from(SIGUSR1, SI_TKILL, getpid(), getuid()), OF_KILL, by_a_thread(&tgkill));
}

CLAUSE(kill_of_a_group_says_the_same,
       "kill(2): pid 0 and pid less than -1 send to each process of a group; the signal has SI_USER and the sender, as "
       "to one",
       .needed_by = "go:sigFromUser")
{
	ASSERT_OK(raw_syscall(__NR_setpgid, 0, 0));
	EXPECT_ORIGIN(info_from(SIGUSR1, SI_USER, getpid(), getuid()), OF_KILL, send_kill(0, SIGUSR1));
	EXPECT_ORIGIN(info_from(SIGUSR1, SI_USER, getpid(), getuid()), OF_KILL, send_kill(-getpid(), SIGUSR1));
}

CLAUSE(tgkill_and_tkill_are_told_from_kill,
       "sigaction(2) The siginfo_t argument: SI_TKILL for tkill(2) and tgkill(2), with si_pid and si_uid of the sender "
       "[SIGINFO-2] [KIL-4]", .needed_by = "go:sigFromUser go:preemptM")
{
	uid_t uid = become_somebody();

	EXPECT_ORIGIN(info_from(SIGURG, SI_TKILL, getpid(), uid), OF_KILL, send_tgkill(getpid(), SIGURG));
	EXPECT_ORIGIN(info_from(SIGSEGV, SI_TKILL, getpid(), uid), OF_KILL, send_tgkill(getpid(), SIGSEGV));
	EXPECT_ORIGIN(info_from(SIGRTMIN, SI_TKILL, getpid(), uid), OF_KILL, send_tgkill(getpid(), SIGRTMIN));
	EXPECT_ORIGIN(info_from(SIGURG, SI_TKILL, getpid(), uid), OF_KILL, raw_syscall(__NR_tkill, getpid(), SIGURG));
}

CLAUSE(sigqueue_hands_on_value_and_sender_as_given,
       "rt_sigqueueinfo(2): the siginfo is handed on: SI_QUEUE, si_pid, si_uid and si_value, the whole pointer, as the "
       "caller filled "
       "them; what lies behind the fields is not [SIGINFO-2]", .needed_by = "go:sigFromUser glibc:timer_create")
{
	static const int sigs[] = { 10, 34, 64 };

	FOR_EACH(i, sigs) {
		siginfo_t info = queued_info(sigs[i]), soiled = info;

		memset((char *)&soiled + 64, GUARD_BYTE, INFO_BYTES - 64);
		EXPECT_ORIGIN(info, OF_QUEUE, raw_syscall(__NR_rt_sigqueueinfo, getpid(), sigs[i], &soiled));
		EXPECT_ORIGIN(info, OF_QUEUE, raw_syscall(__NR_rt_tgsigqueueinfo, getpid(), getpid(), sigs[i], &soiled));
		info.si_ptr = soiled.si_ptr = (void *)(-3UL >> 1);
		EXPECT_ORIGIN(info, OF_QUEUE, raw_syscall(__NR_rt_sigqueueinfo, getpid(), sigs[i], &soiled));
	}
}

CLAUSE(sigqueue_sets_the_number_itself,
       "rt_sigqueueinfo(2): the si_signo of what is received is the signal that was sent, whatever the caller's "
       "siginfo says",
       .needed_by = "glibc:sigqueue")
{
	siginfo_t info = queued_info(SIGUSR1), other = info;

	other.si_signo = SIGUSR2;
	EXPECT_ORIGIN(info, OF_QUEUE, raw_syscall(__NR_rt_sigqueueinfo, getpid(), SIGUSR1, &other));
	EXPECT_ORIGIN(info, OF_QUEUE, raw_syscall(__NR_rt_tgsigqueueinfo, getpid(), getpid(), SIGUSR1, &other));
}

CLAUSE(message_queue_and_asynchronous_codes_carry_a_value_too,
       "sigaction(2) The siginfo_t argument: SI_MESGQ and SI_ASYNCIO come with si_pid, si_uid and si_value as SI_QUEUE "
       "does; libc "
       "sends the latter with rt_sigqueueinfo(2)", .needed_by = "glibc:aio_read")
{
	static const int codes[] = { SI_ASYNCIO, SI_MESGQ };

	FOR_EACH(i, codes) {
		siginfo_t info = queued_info(SIGRTMIN);

		info.si_code = codes[i];
		EXPECT_ORIGIN(info, OF_QUEUE, raw_syscall(__NR_rt_sigqueueinfo, getpid(), SIGRTMIN, &info));
	}
}

CLAUSE(pidfd_send_signal_says_what_kill_would,
       "pidfd_send_signal(2): with info NULL the siginfo is as implicitly supplied by kill(2): SI_USER, the sender's "
       "process and user",
       .needed_by = "go:os.Process.Signal")
{
	long pidfd = raw_syscall(__NR_pidfd_open, getpid(), 0);
	uid_t uid = become_somebody();

	ASSERT_OK(pidfd);
	EXPECT_ORIGIN(info_from(SIGUSR1, SI_USER, getpid(), uid), OF_KILL,
		      raw_syscall(__NR_pidfd_send_signal, pidfd, SIGUSR1, NULL, 0));
}

CLAUSE(pidfd_send_signal_hands_on_a_siginfo,
       "pidfd_send_signal(2): with info it is handed on as by "
       "rt_sigqueueinfo(2)", .needed_by = "glibc:pidfd_send_signal")
{
	long pidfd = raw_syscall(__NR_pidfd_open, getpid(), 0);
	siginfo_t info = queued_info(SIGRTMIN);

	ASSERT_OK(pidfd);
	EXPECT_ORIGIN(info, OF_QUEUE, raw_syscall(__NR_pidfd_send_signal, pidfd, SIGRTMIN, &info, 0));
}

// A process of its own that sends a signal to its parent's process and exits.
static long sent_by_a_child(pid_t *pid, uid_t uid, int sig)
{
	int status;

	*pid = fork();
	if (*pid == 0) {
		if (getuid() != uid && setresuid(uid, -1, -1))
			_exit(1);
		_exit(is_error(send_kill(getppid(), sig)));
	}
	return waitpid(*pid, &status, 0) == *pid && status == 0 ? 0 : -ECHILD;
}

CLAUSE(the_sender_is_named_even_after_it_has_ended,
       "sigaction(2) The siginfo_t argument: si_pid and si_uid are those of the sender at the time of sending; its "
       "real user id, not "
       "the effective one", .needed_by = "jvm:os::print_siginfo")
{
	uid_t uid = geteuid() ? getuid() : 1717;
	pid_t pid = 0;

	if (geteuid() == 0 && setresuid(getuid(), getuid(), getuid()))
		SKIP(return, "no user ids to change between");
	if (is_error(sent_by_a_child(&pid, uid, SIGURG)))
		SKIP(return, "no user ids to change between");
	EXPECT_ORIGIN(info_from(SIGUSR1, SI_USER, pid, uid), OF_KILL, sent_by_a_child(&pid, uid, SIGUSR1));
}

CLAUSE(each_queued_signal_keeps_its_own_sender,
       "signal(7) Real-time signals: instances of a signal are queued, each with its own siginfo: SI_USER of kill(2), "
       "SI_TKILL and "
       "SI_QUEUE are not mixed up", .needed_by = "glibc:sigqueue")
{
	siginfo_t queued = queued_info(SIGRTMIN), got[3];

	ASSERT_OK(hold_back(SIGRTMIN));
	ASSERT_OK(raw_syscall(__NR_rt_sigqueueinfo, getpid(), SIGRTMIN, &queued));
	ASSERT_OK(send_kill(getpid(), SIGRTMIN));
	queued.si_int = 3;
	ASSERT_OK(raw_syscall(__NR_rt_sigqueueinfo, getpid(), SIGRTMIN, &queued));
	for (int i = 0; i < 3; i++)
		ASSERT_RET(SIGRTMIN, take(SIGRTMIN, BY_SIGTIMEDWAIT, &got[i]));
	EXPECT_EQ(SI_QUEUE, got[0].si_code);
	EXPECT_EQ(VALUE, got[0].si_ptr);
	EXPECT_EQ(SI_USER, got[1].si_code);
	EXPECT_EQ(getpid(), got[1].si_pid);
	EXPECT_EQ(SI_QUEUE, got[2].si_code);
	EXPECT_EQ(3, got[2].si_int);
}

CLAUSE(a_coalesced_signal_keeps_the_first_information,
       "kernel/signal.c __send_signal_locked (7.2): of a standard signal that is pending already further instances are "
       "dropped, and "
       "their siginfo with them", .needed_by = "go:sighandler")
{
	siginfo_t queued = queued_info(SIGUSR1);

	EXPECT_ORIGIN(queued, OF_QUEUE, ({
		long sent_ = raw_syscall(__NR_rt_sigqueueinfo, getpid(), SIGUSR1, &queued);

		sent_ ? sent_ : send_kill(getpid(), SIGUSR1);
	}));
}

CLAUSE(without_room_for_information_a_standard_signal_still_arrives,
       "kernel/signal.c collect_signal (7.2): at RLIMIT_SIGPENDING a standard signal of tgkill(2) or sigqueue(3) is "
       "sent without its "
       "siginfo, which then reads SI_USER of process 0 and user 0, and nothing "
       "else", .needed_by = "go:preemptM go:sigFromUser")
{
	siginfo_t queued = queued_info(SIGUSR1);
	struct rlimit none = { 0, 0 };

	become_somebody();
	ASSERT_EQ(0, setrlimit(RLIMIT_SIGPENDING, &none));
	EXPECT_ORIGIN(info_of(SIGUSR1, SI_USER), OF_KILL, send_tgkill(getpid(), SIGUSR1));
	EXPECT_ORIGIN(info_of(SIGUSR1, SI_USER), OF_KILL, raw_syscall(__NR_rt_sigqueueinfo, getpid(), SIGUSR1, &queued));
	EXPECT_ORIGIN(info_of(SIGRTMIN, SI_USER), OF_KILL, send_kill(getpid(), SIGRTMIN));
}

CLAUSE(kill_of_a_standard_signal_keeps_its_information_beyond_the_limit,
       "kernel/signal.c __send_signal_locked (7.2): standard signals with a si_code from 0 on, those of kill(2) and of "
       "the kernel, may "
       "go beyond RLIMIT_SIGPENDING", .needed_by = "go:sigFromUser")
{
	struct rlimit none = { 0, 0 };

	ASSERT_EQ(0, setrlimit(RLIMIT_SIGPENDING, &none));
	EXPECT_ORIGIN(info_from(SIGUSR1, SI_USER, getpid(), getuid()), OF_KILL, send_kill(getpid(), SIGUSR1));
}

struct namespace_stage {
	volatile int ready, taken;
	siginfo_t got[3];
};

// The first process of a namespace takes one signal after the other.
static void inner_process(struct namespace_stage *s)
{
	hold_back(SIGUSR1);
	s->ready = 1;
	for (int i = 0; i < 3; i++) {
		wait_until(is_pending(SIGUSR1));
		take(SIGUSR1, BY_SIGTIMEDWAIT, &s->got[i]);
		s->taken = i + 1;
	}
	_exit(0);
}

CLAUSE(a_sender_outside_the_pid_namespace_is_process_0,
       "pid_namespaces(7): a signal sent to a process from an ancestor pid namespace has si_pid 0, by kill(2), "
       "tgkill(2) and "
       "pidfd_send_signal(2) [TID-2]", .needs = "cap=sys_admin", .config = "PID_NS", .needed_by = "go:raiseproc")
{
	struct namespace_stage *s = common_memory(sizeof(*s));
	siginfo_t wanted[] = { info_of(SIGUSR1, SI_USER), info_of(SIGUSR1, SI_TKILL), info_of(SIGUSR1, SI_USER) };
	long pid, pidfd;

	if (unshare(CLONE_NEWPID))
		SKIP(return, "no pid namespace: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		inner_process(s);
	ASSERT_TRUE(wait_until(s->ready));
	pidfd = raw_syscall(__NR_pidfd_open, pid, 0);
	FOR_EACH(i, wanted) {
		ASSERT_OK(i == 0 ? send_kill(pid, SIGUSR1) : i == 1 ? raw_syscall(__NR_tgkill, pid, pid, SIGUSR1) :
			  raw_syscall(__NR_pidfd_send_signal, pidfd, SIGUSR1, NULL, 0));
		ASSERT_TRUE(wait_until(s->taken == i + 1));
		wanted[i].si_uid = getuid();
		EXPECT_INFO_BYTES(&wanted[i], &s->got[i], "sigtimedwait");
	}
	EXPECT_EQ(pid, waitpid(pid, NULL, 0));
}
