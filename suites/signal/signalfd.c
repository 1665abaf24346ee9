// SPDX-License-Identifier: GPL-2.0-only
// signalfd(2): signals as a file. What each field holds is siginfo_*.c's; how the file behaves is here.
#include "clause.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

#include "origin.h"
#include "thread.h"

#define USERS "libuv:uv_signal_start erlang:sys_signal_stack"

#define READ(fd, buffer, size) raw_syscall(__NR_read, fd, buffer, size)

static long send_kill(int sig)
{
	return raw_syscall(__NR_kill, getpid(), sig);
}

static long send_tgkill(int tid, int sig)
{
	return raw_syscall(__NR_tgkill, getpid(), tid, sig);
}

static long file_of(struct kernel_sigset set)
{
	return signalfd_raw(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static long read_number(long fd)
{
	struct signalfd_siginfo info;
	long n = READ(fd, &info, sizeof(info));

	return n == sizeof(info) ? (int)info.ssi_signo : n;
}

// The events of the file now, 0 if there are none.
static long events_of(long fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI };
	static const struct __kernel_timespec at_once;
	long n = raw_syscall(NR_PPOLL, &p, 1, &at_once, NULL, 0);

	return n == 1 ? p.revents : n;
}

struct reader {
	long fd;
	volatile long got;
	struct thread thread;
};

static int reader_main(void *arg)
{
	struct reader *r = arg;

	r->got = read_number(r->fd);
	return 0;
}

static bool reader_waits(struct reader *r)
{
	return !is_error(thread_start(&r->thread, reader_main, r)) && wait_until_blocked_in(r->thread.known_as, __NR_read);
}

CLAUSE(the_flags_are_those_asked_for,
       "signalfd(2): SFD_CLOEXEC sets close-on-exec, SFD_NONBLOCK sets O_NONBLOCK, each alone; signalfd(2) without "
       "flags sets neither",
       .needed_by = USERS)
{
	static const int flags[] = { 0, SFD_CLOEXEC, SFD_NONBLOCK, SFD_CLOEXEC | SFD_NONBLOCK };
	struct kernel_sigset set = SIGSET(SIGUSR1);

	FOR_EACH(i, flags) {
		long fd = signalfd_raw(-1, &set, flags[i]);

		ASSERT_OK(fd);
		EXPECT_EQ(flags[i] & SFD_CLOEXEC ? FD_CLOEXEC : 0, fcntl(fd, F_GETFD));
		EXPECT_EQ(flags[i] & SFD_NONBLOCK ? O_NONBLOCK : 0, fcntl(fd, F_GETFL) & O_NONBLOCK);
	}
#ifdef __NR_signalfd
	long fd = raw_syscall(__NR_signalfd, -1, &set, ARCH_SIGSET_BYTES);

	ASSERT_OK(fd);
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	EXPECT_EQ(0, fcntl(fd, F_GETFL) & O_NONBLOCK);
#endif
}

CLAUSE(arguments_that_make_no_sense_are_refused,
       "signalfd(2) ERRORS: EINVAL for unknown flags, a set of another size or a file that is no signalfd; EBADF for "
       "none; EFAULT for a "
       "set that cannot be read", .needed_by = USERS)
{
	struct kernel_sigset set = SIGSET(SIGUSR1);
	int pipe_fds[2];

	ASSERT_EQ(0, pipe(pipe_fds));
	for (int bit = 0; bit < 31; bit++)
		if (!(1 << bit & (SFD_CLOEXEC | SFD_NONBLOCK)))
			EXPECT_ERR(EINVAL, signalfd_raw(-1, &set, 1 << bit));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_signalfd4, -1, &set, ARCH_SIGSET_BYTES - 1, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_signalfd4, -1, &set, 0, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_signalfd4, -1, &set, 2 * ARCH_SIGSET_BYTES, 0));
	EXPECT_ERR(EINVAL, signalfd_raw(pipe_fds[0], &set, 0));
	EXPECT_ERR(EBADF, signalfd_raw(99999, &set, 0));
	EXPECT_ERR(EBADF, signalfd_raw(-2, &set, 0));
	EXPECT_ERR(EFAULT, signalfd_raw(-1, unmapped_page(), 0));
	EXPECT_ERR(EFAULT, signalfd_raw(-1, NULL, 0));
}

CLAUSE(a_signal_that_is_read_is_consumed,
       "signalfd(2): read(2) gives the pending signals of the mask, which are then no longer pending, for a handler or "
       "for sigtimedwait(2)",
       .needed_by = USERS)
{
	for (int sig = 1; sig <= 64; sig++) {
		long fd;

		if (sig == SIGKILL || sig == SIGSTOP)
			continue;
		fd = file_of(SIGSET(sig));
		ASSERT_OK(fd);
		ASSERT_OK(hold_back(sig));
		ASSERT_OK(send_kill(sig));
		ASSERT_OK(send_tgkill(getpid(), sig));
		EXPECT_RET(sig, read_number(fd));
		EXPECT_TRUE(is_pending(sig));
		EXPECT_RET(sig, read_number(fd));
		EXPECT_FALSE(is_pending(sig));
		EXPECT_ERR(EAGAIN, read_number(fd));
		raw_sigprocmask(SIG_UNBLOCK, SIGSET(sig));
		close(fd);
	}
	EXPECT_EQ(0, times_kept);
}

CLAUSE(a_buffer_that_is_too_small_is_refused,
       "signalfd(2) ERRORS, read(2) EINVAL: a buffer of less than 128 bytes; the signal stays pending, the buffer "
       "untouched",
       .needed_by = USERS)
{
	static const int sizes[] = { 0, 1, 64, 127 };
	long fd = file_of(SIGSET(SIGUSR1));
	char *buffer = guarded(INFO_BYTES);

	ASSERT_OK(fd);
	ASSERT_OK(hold_back(SIGUSR1));
	for (int pending = 0; pending < 2; pending++) {
		if (pending)
			ASSERT_OK(send_kill(SIGUSR1));
		FOR_EACH(i, sizes)
			EXPECT_ERR(EINVAL, READ(fd, buffer, sizes[i]));
	}
	EXPECT_UNTOUCHED(buffer, 0, INFO_BYTES);
	EXPECT_TRUE(is_pending(SIGUSR1));
}

CLAUSE(as_many_signals_are_read_as_fit,
       "signalfd(2): the buffer gets as many structures as signals are pending and fit; the result is their size, a "
       "multiple of 128",
       .needed_by = USERS)
{
	static const int sigs[] = { 10, 12, 34, 34, 40 };
	static const struct { int size, got; } reads[] = { { 128, 128 }, { 255, 128 }, { 256, 256 }, { 4096, 128 } };
	struct kernel_sigset set = SIGSET_EMPTY;
	struct signalfd_siginfo *info = guarded(4096);
	long fd;
	int n = 0;

	FOR_EACH(i, sigs) {
		set = sigset_with(set, sigs[i]);
		ASSERT_OK(hold_back(sigs[i]));
		ASSERT_OK(send_kill(sigs[i]));
	}
	fd = file_of(set);
	ASSERT_OK(fd);
	FOR_EACH(i, reads) {
		memset(info, GUARD_BYTE, 4096);
		ASSERT_RET(reads[i].got, READ(fd, info, reads[i].size));
		for (int j = 0; j < reads[i].got / INFO_BYTES; j++)
			EXPECT_EQ(sigs[n++], info[j].ssi_signo);
		EXPECT_UNTOUCHED(info, reads[i].got, 4096);
	}
	EXPECT_ERR(EAGAIN, READ(fd, info, 4096));
}

CLAUSE(a_nonblocking_read_says_eagain,
       "signalfd(2) ERRORS, read(2) EAGAIN: no signal of the mask is pending and the file is nonblocking; others' "
       "signals do not count",
       .needed_by = USERS)
{
	long fd = file_of(SIGSET(SIGUSR1));
	char *buffer = guarded(INFO_BYTES);

	ASSERT_OK(fd);
	ASSERT_OK(hold_back(SIGUSR1));
	ASSERT_OK(hold_back(SIGUSR2));
	EXPECT_ERR(EAGAIN, READ(fd, buffer, INFO_BYTES));
	ASSERT_OK(send_kill(SIGUSR2));
	EXPECT_ERR(EAGAIN, READ(fd, buffer, INFO_BYTES));
	EXPECT_UNTOUCHED(buffer, 0, INFO_BYTES);
	EXPECT_TRUE(is_pending(SIGUSR2));
}

CLAUSE(a_blocking_read_waits_for_a_signal,
       "signalfd(2): if none of the signals in mask is pending, read(2) blocks until one is generated, for the thread "
       "or for the process",
       .needed_by = USERS)
{
	struct kernel_sigset set = SIGSET(SIGUSR1);

	ASSERT_OK(hold_back(SIGUSR1));
	for (int to_process = 0; to_process < 2; to_process++) {
		struct reader r = { .fd = signalfd_raw(-1, &set, 0) };

		ASSERT_OK(r.fd);
		ASSERT_TRUE(reader_waits(&r));
		ASSERT_OK(to_process ? send_kill(SIGUSR1) : send_tgkill(r.thread.known_as, SIGUSR1));
		ASSERT_TRUE(thread_join(&r.thread));
		EXPECT_RET(SIGUSR1, r.got);
		EXPECT_FALSE(is_pending(SIGUSR1));
	}
}

CLAUSE(poll_and_epoll_tell_when_a_signal_is_pending,
       "signalfd(2), poll(2): the file is readable while a signal of the mask is pending for the reader, and not "
       "otherwise; select(2) and "
       "epoll(7) alike", .needed_by = USERS)
{
	long fd = file_of(SIGSET(SIGUSR1)), ep = raw_syscall(__NR_epoll_create1, 0);
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = 7 };

	ASSERT_OK(fd);
	ASSERT_OK(raw_syscall(__NR_epoll_ctl, ep, EPOLL_CTL_ADD, fd, &e));
	ASSERT_OK(hold_back(SIGUSR1));
	ASSERT_OK(hold_back(SIGUSR2));
	for (int to_process = 0; to_process < 2; to_process++) {
		EXPECT_RET(0, events_of(fd));
		EXPECT_RET(0, raw_syscall(__NR_epoll_pwait, ep, &e, 1, 0, NULL, 0));
		ASSERT_OK(send_kill(SIGUSR2));
		EXPECT_RET(0, events_of(fd));
		ASSERT_OK(to_process ? send_kill(SIGUSR1) : send_tgkill(getpid(), SIGUSR1));
		EXPECT_RET(POLLIN, events_of(fd));
		EXPECT_RET(1, raw_syscall(__NR_epoll_pwait, ep, &e, 1, 0, NULL, 0));
		EXPECT_EQ(EPOLLIN, e.events);
		EXPECT_RET(SIGUSR1, read_number(fd));
	}
	EXPECT_RET(0, events_of(fd));
}

struct poller {
	long fd;
	volatile long result;
	struct thread thread;
};

static int poller_main(void *arg)
{
	struct poller *p = arg;
	struct pollfd file = { .fd = p->fd, .events = POLLIN };

	p->result = raw_syscall(NR_PPOLL, &file, 1, NULL, NULL, 0);
	return 0;
}

CLAUSE(a_signal_wakes_who_polls,
       "signalfd(2), poll(2): a poll that waits on the file ends when a signal of the mask arrives", .needed_by = USERS)
{
	ASSERT_OK(hold_back(SIGUSR1));
	for (int to_process = 0; to_process < 2; to_process++) {
		struct poller p = { .fd = file_of(SIGSET(SIGUSR1)) };

		ASSERT_OK(p.fd);
		ASSERT_OK(thread_start(&p.thread, poller_main, &p));
		ASSERT_TRUE(wait_until_blocked_in(p.thread.known_as, NR_PPOLL));
		ASSERT_OK(to_process ? send_kill(SIGUSR1) : send_tgkill(p.thread.known_as, SIGUSR1));
		ASSERT_TRUE(thread_join(&p.thread));
		EXPECT_RET(1, p.result);
		if (to_process)
			EXPECT_RET(SIGUSR1, read_number(p.fd));
	}
}

CLAUSE(the_mask_of_a_file_can_be_replaced,
       "signalfd(2): given an existing file the call replaces its mask and returns the same descriptor; flags are then "
       "not set",
       .needed_by = USERS)
{
	struct kernel_sigset two = SIGSET(SIGUSR2);
	long fd = file_of(SIGSET(SIGUSR1));

	ASSERT_OK(fd);
	ASSERT_OK(hold_back(SIGUSR1));
	ASSERT_OK(hold_back(SIGUSR2));
	ASSERT_OK(send_kill(SIGUSR1));
	ASSERT_OK(send_kill(SIGUSR2));
	EXPECT_RET(fd, signalfd_raw(fd, &two, 0));
	EXPECT_EQ(O_NONBLOCK, fcntl(fd, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_RET(SIGUSR2, read_number(fd));
	EXPECT_ERR(EAGAIN, read_number(fd));
	EXPECT_TRUE(is_pending(SIGUSR1));
}

CLAUSE(a_new_mask_reaches_who_already_reads,
       "fs/signalfd.c do_signalfd4 (7.2): when a mask is replaced, readers that wait look again: one for whom a signal "
       "of the new mask is "
       "pending returns", .needed_by = USERS)
{
	struct kernel_sigset one = SIGSET(SIGUSR1), both = sigset_with(one, SIGUSR2);
	struct reader r = { .fd = signalfd_raw(-1, &one, 0) };

	ASSERT_OK(r.fd);
	ASSERT_OK(hold_back(SIGUSR1));
	ASSERT_OK(hold_back(SIGUSR2));
	ASSERT_OK(send_kill(SIGUSR2));
	ASSERT_TRUE(reader_waits(&r));
	EXPECT_RET(r.fd, signalfd_raw(r.fd, &both, 0));
	ASSERT_TRUE(thread_join(&r.thread));
	EXPECT_RET(SIGUSR2, r.got);
}

CLAUSE(kill_and_stop_in_the_mask_are_ignored,
       "signalfd(2): SIGKILL and SIGSTOP cannot be received by a signalfd; they are silently ignored in the "
       "mask", .needed_by = USERS)
{
	struct kernel_sigset set = sigset_with(SIGSET(SIGKILL), SIGSTOP);
	long fd = signalfd_raw(-1, &set, 0);
	int status;
	pid_t pid;

	ASSERT_OK(fd);
	pid = fork();
	if (pid == 0)
		_exit(read_number(fd) == SIGKILL);
	ASSERT_TRUE(wait_until_blocked_in(pid, __NR_read));
	ASSERT_EQ(0, kill(pid, SIGSTOP));
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	EXPECT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	if (WIFSTOPPED(status))
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

CLAUSE(a_file_shared_by_fork_reads_the_readers_own_signals,
       "signalfd(2) fork(2) semantics: the child's copy returns signals queued to the child, the parent's those of the "
       "parent; poll(2) too",
       .needed_by = USERS)
{
	long fd = file_of(sigset_with(SIGSET(SIGUSR1), SIGUSR2));

	ASSERT_OK(fd);
	ASSERT_OK(hold_back(SIGUSR1));
	ASSERT_OK(hold_back(SIGUSR2));
	ASSERT_OK(send_kill(SIGUSR1));
	IN_CHILD {
		EXPECT_ERR(EAGAIN, read_number(fd));
		EXPECT_RET(0, events_of(fd));
		ASSERT_OK(send_kill(SIGUSR2));
		EXPECT_RET(POLLIN, events_of(fd));
		EXPECT_RET(SIGUSR2, read_number(fd));
	}
	EXPECT_RET(POLLIN, events_of(fd));
	EXPECT_RET(SIGUSR1, read_number(fd));
	EXPECT_ERR(EAGAIN, read_number(fd));
}

CLAUSE(a_thread_reads_its_own_signals_and_the_processes,
       "signalfd(2): a thread reads signals directed to itself and to its process, and cannot read those directed to "
       "other threads",
       .needed_by = USERS)
{
	struct reader r = { .fd = file_of(SIGSET(SIGUSR1)) };

	ASSERT_OK(r.fd);
	ASSERT_OK(hold_back(SIGUSR1));
	ASSERT_OK(send_tgkill(getpid(), SIGUSR1));
	ASSERT_OK(thread_start(&r.thread, reader_main, &r));
	ASSERT_TRUE(thread_join(&r.thread));
	EXPECT_RET(-EAGAIN, r.got);
	EXPECT_RET(SIGUSR1, read_number(r.fd));
	ASSERT_OK(send_kill(SIGUSR1));
	ASSERT_OK(thread_start(&r.thread, reader_main, &r));
	ASSERT_TRUE(thread_join(&r.thread));
	EXPECT_RET(SIGUSR1, r.got);
}

CLAUSE(signals_that_are_not_blocked_go_to_their_handler,
       "signalfd(2): the signals should be blocked; one that is not is handled as it always is and never seen in the "
       "file",
       .needed_by = USERS)
{
	long fd = file_of(SIGSET(SIGUSR1));

	ASSERT_OK(fd);
	ASSERT_OK(raw_sigaction(SIGUSR1, keep_info, 0));
	ASSERT_OK(send_tgkill(getpid(), SIGUSR1));
	EXPECT_EQ(1, times_kept);
	EXPECT_RET(0, events_of(fd));
	EXPECT_ERR(EAGAIN, read_number(fd));
}

CLAUSE(the_file_stays_readable_after_exec,
       "signalfd(2) execve(2) semantics: a signalfd stays open across execve unless marked close-on-exec; pending "
       "signals can be read by "
       "the new program", .needed_by = USERS)
{
	struct kernel_sigset set = SIGSET(SIGUSR1);
	long fd = signalfd_raw(-1, &set, SFD_NONBLOCK);

	ASSERT_OK(fd);
	ASSERT_OK(hold_back(SIGUSR1));
	IN_CHILD {
		char number[16];

		snprintf(number, sizeof(number), "%ld", fd);
		ASSERT_OK(send_kill(SIGUSR1));
		execute_self(read_after_exec, number);
		ASSERT_TRUE(false);
	}
}

AFTER_EXEC(read_after_exec)
{
	return read_number(atoi(argv[0])) != SIGUSR1;
}

CLAUSE(fdinfo_shows_the_mask,
       "proc(5) /proc/pid/fdinfo, Documentation/filesystems/proc.rst Signalfd files: sigmask is the mask in "
       "hex", .needed_by = "criu:signalfd",
       .needs = "file=/proc/self/fdinfo")
{
	char path[64], text[512], want[64];
	long fd = file_of(sigset_with(sigset_with(SIGSET(SIGUSR1), SIGKILL), 64));

	ASSERT_OK(fd);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%ld", fd);
	snprintf(want, sizeof(want), "\nsigmask:\t%s%016llx\n", ARCH_SIGSET_BYTES > 8 ? "0000000000000000" : "",
		 1ULL << 63 | 1ULL << (SIGUSR1 - 1));
	ASSERT_OK(read_text(path, text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, want)) {
		TH_LOG("%s", text);
	}
}
