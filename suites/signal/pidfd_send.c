// SPDX-License-Identifier: GPL-2.0-only
// pidfd_send_signal(2): signals by a descriptor of the process.
#include "signals.h"

#include <fcntl.h>

#include "nobody.h"

#define USERS "go:pidfdSendSignal go:checkPidfd rust:PidFd glibc:pidfd_send_signal"

// Linux 6.9
#define PIDFD_THREAD_FLAG  O_EXCL
#define SCOPE_THREAD       1
#define SCOPE_PROCESS      2
#define SCOPE_GROUP        4
// Linux 6.17
#define SELF_THREAD        (-10000)
#define SELF_PROCESS       (-10001)

#define SIG (RT_FIRST + 2)

#define pidfd_open_raw(pid, flags) ((int)raw_syscall(__NR_pidfd_open, pid, flags))
#define pidfd_send(fd, sig, info, flags) raw_syscall(__NR_pidfd_send_signal, fd, sig, info, flags)

CLAUSE(it_sends_as_kill_does,
       "pidfd_send_signal(2): the signal goes to the process that the descriptor refers to; with info NULL it "
       "arrives as one of kill: SI_USER and the sender's IDs",
       .needed_by = USERS)
{
	struct process *p = shared_memory(2 * sizeof(*p));
	int fd;

	ASSERT_TRUE(process_starts(&p[0], NULL));
	ASSERT_TRUE(process_starts(&p[1], NULL));
	fd = pidfd_open_raw(p[0].pid, 0);
	ASSERT_OK(fd);
	for (int i = 1; i <= 3; i++) {
		ASSERT_RET(0, pidfd_send(fd, i == 2 ? SIG : SIGUSR1, NULL, 0));
		ASSERT_EQ(i, received(&p[0]));
		ASSERT_EQ(i == 2 ? SIG : SIGUSR1, p[0].last.signo);
		ASSERT_EQ(SI_USER, p[0].last.code);
		ASSERT_EQ(own_pid(), p[0].last.pid);
		ASSERT_EQ(getuid(), p[0].last.uid);
	}
	EXPECT_EQ(0, received(&p[1]));
	EXPECT_RET(0, pidfd_send(fd, SIGTERM, NULL, 0));
	EXPECT_EQ(SIGTERM, end_of(p[0].pid));
	process_ends(&p[1]);
}

CLAUSE(it_passes_information_on_and_checks_its_number,
       "pidfd_send_signal(2) info: as rt_sigqueueinfo(2) but that si_signo must be the signal, else EINVAL",
       .needed_by = USERS)
{
	struct process *p = shared_memory(sizeof(*p));
	siginfo_t info = info_of(SIG, SI_QUEUE, 0x123456);
	int fd;

	ASSERT_TRUE(process_starts(p, NULL));
	fd = pidfd_open_raw(p->pid, 0);
	EXPECT_ERR(EINVAL, pidfd_send(fd, SIGUSR1, &info, 0));
	EXPECT_ERR(EINVAL, pidfd_send(fd, 0, &info, 0));
	EXPECT_EQ(0, received(p));
	EXPECT_RET(0, pidfd_send(fd, SIG, &info, 0));
	EXPECT_EQ(1, received(p));
	EXPECT_EQ(SI_QUEUE, p->last.code);
	EXPECT_EQ(0x123456, p->last.value);
	process_ends(p);
}

CLAUSE(information_of_the_kernel_is_eperm_but_to_oneself,
       "pidfd_send_signal(2) ERRORS EPERM, kernel/signal.c (5.10, 7.2): an si_code of zero or more, or SI_TKILL, may "
       "be given to oneself alone",
       .needed_by = USERS)
{
	static const int codes[] = { SI_USER, SI_KERNEL, 1, SI_TKILL };
	struct process *p = shared_memory(sizeof(*p));
	int fd, own;

	ASSERT_TRUE(process_starts(p, NULL));
	ASSERT_RET(0, catch_signal(SIG));
	fd = pidfd_open_raw(p->pid, 0);
	own = pidfd_open_raw(own_pid(), 0);
	FOR_EACH(c, codes) {
		siginfo_t info = info_of(SIG, codes[c], 1);

		ASSERT_ERR(EPERM, pidfd_send(fd, SIG, &info, 0));
		forget_arrivals();
		ASSERT_RET(0, pidfd_send(own, SIG, &info, 0));
		ASSERT_EQ(1, arrivals);
		ASSERT_EQ(codes[c], arrival[0].code);
	}
	EXPECT_EQ(0, received(p));
	process_ends(p);
}

CLAUSE(flags_that_mean_nothing_are_einval,
       "pidfd_send_signal(2) ERRORS EINVAL: flags is not 0, nor one of the scopes of Linux 6.9; two scopes together "
       "are none",
       .needed_by = USERS)
{
	static const unsigned int two[] = { 3, 5, 6, 7 };
	int own = pidfd_open_raw(own_pid(), 0);

	ASSERT_RET(0, catch_signal(SIG));
	for (int bit = 3; bit < 32; bit++) {
		ASSERT_ERR(EINVAL, pidfd_send(own, SIG, NULL, 1U << bit));
		ASSERT_ERR(EINVAL, pidfd_send(own, 0, NULL, 1U << bit));
		ASSERT_ERR(EINVAL, pidfd_send(-1, 0, NULL, 1U << bit));
	}
	FOR_EACH(i, two)
		ASSERT_ERR(EINVAL, pidfd_send(own, SIG, NULL, two[i]));
	EXPECT_EQ(0, arrivals);
}

CLAUSE(a_descriptor_of_something_else_is_ebadf,
       "pidfd_send_signal(2) ERRORS EBADF: pidfd is not a valid PID file descriptor: closed, or of a file",
       .needed_by = USERS)
{
	int fds[2], closed;

	ASSERT_EQ(0, pipe(fds));
	closed = dup(fds[0]);
	close(closed);
	EXPECT_ERR(EBADF, pidfd_send(-1, 0, NULL, 0));
	EXPECT_ERR(EBADF, pidfd_send(closed, 0, NULL, 0));
	EXPECT_ERR(EBADF, pidfd_send(fds[0], 0, NULL, 0));
	EXPECT_ERR(EBADF, pidfd_send(fds[1], SIGUSR1, NULL, 0));
}

CLAUSE(a_folder_of_proc_will_do,
       "pidfd_send_signal(2) NOTES: a descriptor of /proc/[pid] refers to the process too; one of a file in it or of "
       "/proc itself does not",
       .needs = "file=/proc/self/status", .config = "PROC_FS")
{
	struct process *p = shared_memory(sizeof(*p));
	char path[64];
	int fd;

	ASSERT_TRUE(process_starts(p, NULL));
	snprintf(path, sizeof(path), "/proc/%d", p->pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_RET(0, pidfd_send(fd, SIGUSR1, NULL, 0));
	EXPECT_EQ(1, received(p));
	EXPECT_ERR(EBADF, pidfd_send(open("/proc/self/status", O_RDONLY | O_CLOEXEC), 0, NULL, 0));
	EXPECT_ERR(EBADF, pidfd_send(open("/proc", O_RDONLY | O_CLOEXEC), 0, NULL, 0));
	process_ends(p);
	EXPECT_ERR(ESRCH, pidfd_send(fd, 0, NULL, 0));
}

CLAUSE(a_zombie_is_there_and_a_reaped_process_is_esrch,
       "pidfd_send_signal(2) ERRORS ESRCH: the target process does not exist: it has terminated and been waited for "
       "[PFD-2]",
       .needed_by = USERS)
{
	static const int sigs[] = { 0, SIGUSR1, SIGKILL };
	int pid = fork(), fd;

	if (pid == 0)
		_exit(5);
	fd = pidfd_open_raw(pid, 0);
	ASSERT_OK(fd);
	ASSERT_TRUE(is_zombie(pid));
	FOR_EACH(s, sigs)
		ASSERT_RET(0, pidfd_send(fd, sigs[s], NULL, 0));
	EXPECT_EQ(5 << 8, end_of(pid));
	FOR_EACH(s, sigs)
		ASSERT_ERR(ESRCH, pidfd_send(fd, sigs[s], NULL, 0));
}

CLAUSE(signal_zero_only_asks,
       "pidfd_send_signal(2), kill(2): signal 0 checks existence and permission, of oneself too [PFD-1]",
       .needed_by = USERS)
{
	struct process *p = shared_memory(sizeof(*p));
	int fd, own = pidfd_open_raw(own_pid(), 0);

	ASSERT_TRUE(process_starts(p, NULL));
	fd = pidfd_open_raw(p->pid, 0);
	EXPECT_RET(0, pidfd_send(own, 0, NULL, 0));
	EXPECT_RET(0, pidfd_send(fd, 0, NULL, 0));
	EXPECT_EQ(0, received(p));
	process_ends(p);
}

CLAUSE(a_number_or_information_that_is_none_is_refused,
       "pidfd_send_signal(2) ERRORS EINVAL: sig is not a valid signal; info that cannot be read is EFAULT",
       .needed_by = USERS)
{
	void *bad[] = { forbidden_page(), unmapped_page(), (void *)8 };
	int own = pidfd_open_raw(own_pid(), 0);

	ASSERT_RET(0, catch_signal(SIG));
	FOR_EACH(i, no_signals)
		ASSERT_ERR(EINVAL, pidfd_send(own, no_signals[i], NULL, 0));
	FOR_EACH(i, bad)
		ASSERT_ERR(EFAULT, pidfd_send(own, SIG, bad[i], 0));
	EXPECT_EQ(0, arrivals);
}

CLAUSE(permission_is_that_of_kill,
       "pidfd_send_signal(2) ERRORS EPERM: the calling process has no permission to send the signal to the target",
       .needs = "root", .needed_by = USERS)
{
	struct process *p = shared_memory(sizeof(*p));
	int fd;

	if (!can_become(60001, 60001))
		SKIP(return, "user ids are few here");
	ASSERT_TRUE(process_starts(p, NULL));
	fd = pidfd_open_raw(p->pid, 0);
	IN_CHILD {
		ASSERT_TRUE(become(60001, 60001));
		ASSERT_ERR(EPERM, pidfd_send(fd, 0, NULL, 0));
		ASSERT_ERR(EPERM, pidfd_send(fd, SIGUSR1, NULL, 0));
		ASSERT_RET(0, pidfd_send(fd, SIGCONT, NULL, 0));
	}
	EXPECT_EQ(0, received(p));
	process_ends(p);
}

/* ---- Scopes --------------------------------------------------------------------------------------------------- */

static long has_scopes(void)
{
	int own = pidfd_open_raw(own_pid(), 0);
	long result = pidfd_send(own, 0, NULL, SCOPE_THREAD);

	close(own);
	return result;
}

static struct process *p;

static bool joins_the_first_ones_group(void)
{
	return setpgid(0, p[0].pid) == 0;
}

CLAUSE(the_scope_of_a_thread_is_one_thread,
       "pidfd_send_signal(2) PIDFD_SIGNAL_THREAD (since Linux 6.9): the signal goes to the thread that the descriptor "
       "refers to, as tgkill's; without a scope the kind of the descriptor decides",
       .since = KERNEL(6, 9), .probe = has_scopes, .absent_errno = EINVAL, .needed_by = "glibc:pidfd_send_signal")
{
	static struct mate mate;
	int process = pidfd_open_raw(own_pid(), 0), thread;

	ASSERT_RET(0, catch_signal(SIGUSR1));
	ASSERT_TRUE(mate_sleeps(&mate, SIGSET_EMPTY));
	ASSERT_RET(0, block(SIGUSR1));
	thread = pidfd_open_raw(mate.tid, PIDFD_THREAD_FLAG);
	ASSERT_OK(thread);
	for (int i = 0; i < 2; i++) {
		forget_arrivals();
		ASSERT_RET(0, pidfd_send(thread, SIGUSR1, NULL, i ? SCOPE_THREAD : 0));
		ASSERT_TRUE(wait_until(arrivals == 1));
		ASSERT_EQ(mate.tid, arrival[0].tid);
		ASSERT_EQ(SI_TKILL, arrival[0].code);
	}
	// For the main thread, which blocks it; for the process, in which the other does not.
	EXPECT_RET(0, pidfd_send(process, SIGUSR1, NULL, SCOPE_THREAD));
	EXPECT_TRUE(is_pending(SIGUSR1));
	forget_arrivals();
	EXPECT_RET(0, pidfd_send(thread, SIGUSR1, NULL, SCOPE_PROCESS));
	ASSERT_TRUE(wait_until(arrivals == 1));
	EXPECT_EQ(mate.tid, arrival[0].tid);
	EXPECT_EQ(SI_USER, arrival[0].code);
	ASSERT_RET(0, unblock(SIGUSR1));
	EXPECT_EQ(2, arrivals);
	EXPECT_EQ(own_tid(), arrival[1].tid);
	ASSERT_TRUE(mate_ends(&mate));
	EXPECT_TRUE(wait_until(pidfd_send(thread, SIGUSR1, NULL, 0) == -ESRCH));
}

CLAUSE(the_scope_of_a_group_is_all_its_processes,
       "pidfd_send_signal(2) PIDFD_SIGNAL_PROCESS_GROUP (since Linux 6.9): the signal goes to the process group "
       "whose ID is that of the process; ESRCH if it leads none",
       .since = KERNEL(6, 9), .probe = has_scopes, .absent_errno = EINVAL)
{
	int fd;

	p = shared_memory(3 * sizeof(*p));
	ASSERT_TRUE(process_starts(&p[0], has_own_group));
	ASSERT_TRUE(process_starts(&p[1], joins_the_first_ones_group));
	ASSERT_TRUE(process_starts(&p[2], has_own_group));
	fd = pidfd_open_raw(p[0].pid, 0);
	EXPECT_RET(0, pidfd_send(fd, SIGUSR1, NULL, SCOPE_GROUP));
	EXPECT_EQ(1, received(&p[0]));
	EXPECT_EQ(1, received(&p[1]));
	EXPECT_EQ(0, received(&p[2]));
	EXPECT_RET(0, pidfd_send(fd, SIGUSR1, NULL, SCOPE_PROCESS));
	EXPECT_EQ(2, received(&p[0]));
	EXPECT_EQ(1, received(&p[1]));
	EXPECT_ERR(ESRCH, pidfd_send(pidfd_open_raw(p[1].pid, 0), SIGUSR1, NULL, SCOPE_GROUP));
	for (int i = 0; i < 3; i++)
		process_ends(&p[i]);
}

static long has_self(void)
{
	return pidfd_send(SELF_PROCESS, 0, NULL, 0);
}

CLAUSE(oneself_needs_no_descriptor,
       "include/uapi/linux/fcntl.h PIDFD_SELF_THREAD, PIDFD_SELF_THREAD_GROUP (7.2): these two numbers stand for the "
       "calling thread and its process",
       .since = KERNEL(6, 17), .probe = has_self, .absent_errno = EBADF)
{
	static struct mate mate;

	ASSERT_RET(0, catch_signal(SIGUSR1));
	ASSERT_TRUE(mate_sleeps(&mate, SIGSET_EMPTY));
	ASSERT_RET(0, block(SIGUSR1));
	EXPECT_RET(0, pidfd_send(SELF_THREAD, SIGUSR1, NULL, 0));
	EXPECT_TRUE(is_pending(SIGUSR1));
	EXPECT_RET(0, pidfd_send(SELF_PROCESS, SIGUSR1, NULL, 0));
	ASSERT_TRUE(wait_until(arrivals == 1));
	EXPECT_EQ(mate.tid, arrival[0].tid);
	EXPECT_EQ(SI_USER, arrival[0].code);
	ASSERT_RET(0, unblock(SIGUSR1));
	ASSERT_EQ(2, arrivals);
	EXPECT_EQ(SI_TKILL, arrival[1].code);
	ASSERT_TRUE(mate_ends(&mate));
}
