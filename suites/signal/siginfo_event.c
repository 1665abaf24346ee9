// SPDX-License-Identifier: GPL-2.0-only
// siginfo_t of signals that the kernel sends on behalf of timers, pipes, files, sockets, limits and terminals.
#include "clause.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <termios.h>
#include <time.h>

#include "nameless.h"
#include "origin.h"
#include "thread.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static int last_timer;

// A timer that expires once, soon; notifies as the way says, with a value of pointer size.
static long start_timer(int notify, int sig)
{
	struct sigevent event;
	struct { struct __kernel_timespec interval, value; } soon = { .value = { 0, 1 } };
	long result;

	memset(&event, 0, sizeof(event));
	event.sigev_notify = notify;
	event.sigev_signo = sig;
	event.sigev_value.sival_ptr = (void *)(-5UL >> 1);
	event.sigev_notify_thread_id = raw_syscall(__NR_gettid);
	result = raw_syscall(__NR_timer_create, CLOCK_MONOTONIC, &event, &last_timer);
	return result ? result : raw_syscall(NR_TIMER_SETTIME, last_timer, 0, &soon, NULL);
}

static siginfo_t info_of_timer(int sig)
{
	siginfo_t info = info_of(sig, SI_TIMER);

	info.si_timerid = last_timer;
	info.si_ptr = (void *)(-5UL >> 1);
	return info;
}

CLAUSE(a_timer_says_which_it_is_and_its_value,
       "sigaction(2) The siginfo_t argument: SI_TIMER comes with si_timerid, si_overrun and the si_value of "
       "timer_create(2); what the kernel keeps for "
       "itself there, si_sys_private, reads 0 [TMR-3] "
       "[SIGINFO-1]", .config = "POSIX_TIMERS", .needed_by = "go:setThreadCPUProfiler glibc:timer_create")
{
	EXPECT_ORIGIN(info_of_timer(SIGRTMIN), OF_TIMER, start_timer(SIGEV_SIGNAL, SIGRTMIN));
	EXPECT_ORIGIN(info_of_timer(SIGRTMIN), OF_TIMER, start_timer(SIGEV_SIGNAL, SIGRTMIN));
	EXPECT_ORIGIN(info_of_timer(SIGPROF), OF_TIMER, start_timer(SIGEV_SIGNAL, SIGPROF));
	EXPECT_ORIGIN(info_of_timer(SIGRTMIN), OF_TIMER, start_timer(SIGEV_THREAD_ID, SIGRTMIN));
}

// CPU clocks go on only while the process runs.
static long expire(int which, int sig)
{
	struct itimerval soon = { .it_value.tv_usec = 1 };
	long result = raw_syscall(__NR_setitimer, which, &soon, NULL);
	struct wait_until_state patience = { 0 };

	while (!result && !is_pending(sig) && wait_a_little(&patience))
		for (volatile int i = 0; i < 500000; i++)
			;
	return result;
}

CLAUSE(an_interval_timer_says_si_kernel,
       "kernel/time/itimer.c it_real_fn, kernel/time/posix-cpu-timers.c check_cpu_itimer (7.2): the signals of "
       "setitimer(2) have SI_KERNEL, and no process "
       "or user [ITM-1] [SIGINFO-1]", .needed_by = "go:validSIGPROF")
{
	EXPECT_ORIGIN(info_of(SIGALRM, SI_KERNEL), OF_KILL, expire(ITIMER_REAL, SIGALRM));
	EXPECT_ORIGIN(info_of(SIGPROF, SI_KERNEL), OF_KILL, expire(ITIMER_PROF, SIGPROF));
	EXPECT_ORIGIN(info_of(SIGVTALRM, SI_KERNEL), OF_KILL, expire(ITIMER_VIRTUAL, SIGVTALRM));
}

static long write_to_nobody(void)
{
	int fds[2];
	long result;

	if (pipe(fds) || close(fds[0]))
		return -errno;
	result = raw_syscall(__NR_write, fds[1], "x", 1);
	close(fds[1]);
	return result == -EPIPE ? 0 : -ENODATA;
}

static long send_to_nobody(void)
{
	int fds[2];
	long result;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) || close(fds[0]))
		return -errno;
	result = raw_syscall(__NR_sendto, fds[1], "x", 1, 0, NULL, 0);
	close(fds[1]);
	return result == -EPIPE ? 0 : -ENODATA;
}

CLAUSE(a_broken_pipe_says_that_the_writer_sent_it,
       "fs/pipe.c pipe_write, net/core/stream.c sk_stream_error, kernel/signal.c send_sig (7.2): SIGPIPE has SI_USER "
       "and the writer's own process and user",
       .needed_by = "go:sigpipe")
{
	uid_t uid = become_somebody();

	EXPECT_ORIGIN(info_from(SIGPIPE, SI_USER, getpid(), uid), OF_KILL, write_to_nobody());
	EXPECT_ORIGIN(info_from(SIGPIPE, SI_USER, getpid(), uid), OF_KILL, send_to_nobody());
}

static int write_in_thread(void *result)
{
	raw_sigprocmask(SIG_BLOCK, SIGSET(SIGPIPE));
	*(volatile int *)result = write_to_nobody() == 0 && is_pending(SIGPIPE) ? 1 : -1;
	return 0;
}

CLAUSE(a_broken_pipe_is_for_the_thread_that_wrote,
       "signal(7), pthreads(7): SIGPIPE is generated as a result of what a thread did and directed to that thread "
       "alone", .needed_by = "go:sigpipe")
{
	struct thread t;
	int result = 0;

	ASSERT_OK(hold_back(SIGPIPE));
	ASSERT_OK(thread_start(&t, write_in_thread, &result));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(1, result);
	EXPECT_FALSE(is_pending(SIGPIPE));
}

static int watched[2];

// A socket whose state the process is told of by sig (0: SIGIO without more).
static bool watch(int sig)
{
	struct f_owner_ex owner = { F_OWNER_PID, getpid() };

	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, watched) == 0 && fcntl(watched[0], F_SETOWN_EX, &owner) == 0 &&
	       fcntl(watched[0], F_SETSIG, sig) == 0 && fcntl(watched[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0;
}

static long write_to_watched(void)
{
	char byte;

	while (read(watched[0], &byte, 1) == 1)
		;
	return raw_syscall(__NR_write, watched[1], "x", 1);
}

static siginfo_t info_of_poll(int sig, int code, long band)
{
	siginfo_t info = info_of(sig, code);

	info.si_band = band;
	info.si_fd = watched[0];
	return info;
}

CLAUSE(input_says_which_file_and_what_happened,
       "fcntl(2) F_SETSIG: with a signal set, even SIGIO, the siginfo tells the file by si_fd and the event by si_code "
       "POLL_IN and si_band as poll(2) does",
       .needed_by = "erlang:poller")
{
	static const int sigs[] = { 34, SIGIO, SIGUSR1 };

	FOR_EACH(i, sigs) {
		ASSERT_OK(hold_back(sigs[i]));
		ASSERT_TRUE(watch(sigs[i]));
		EXPECT_ORIGIN(info_of_poll(sigs[i], POLL_IN, POLLIN | POLLRDNORM), OF_POLL, write_to_watched());
	}
}

CLAUSE(input_without_a_chosen_signal_says_si_kernel,
       "fcntl(2) F_SETSIG: 0 means SIGIO without further information: SI_KERNEL, and no "
       "file", .needed_by = "erlang:poller")
{
	ASSERT_OK(hold_back(SIGIO));
	ASSERT_TRUE(watch(0));
	EXPECT_ORIGIN(info_of(SIGIO, SI_KERNEL), OF_KILL, write_to_watched());
}

CLAUSE(a_hangup_says_poll_hup,
       "fcntl(2) F_SETSIG, include/uapi/asm-generic/siginfo.h POLL_HUP: the end of the other side is POLL_HUP, with "
       "POLLHUP and POLLERR in si_band",
       .needed_by = "erlang:poller")
{
	siginfo_t got;

	ASSERT_OK(hold_back(SIGRTMIN));
	ASSERT_TRUE(watch(SIGRTMIN));
	ASSERT_EQ(0, close(watched[1]));
	ASSERT_TRUE(wait_until(is_pending(SIGRTMIN)));
	ASSERT_RET(SIGRTMIN, take(SIGRTMIN, BY_SIGTIMEDWAIT, &got));
	EXPECT_EQ(POLL_HUP, got.si_code);
	EXPECT_EQ(POLLHUP | POLLERR, got.si_band);
	EXPECT_EQ(watched[0], got.si_fd);
}

CLAUSE(the_descriptor_is_the_one_that_was_prepared,
       "fcntl(2) F_SETSIG: si_fd is the number of the descriptor that F_SETFL O_ASYNC was done on; a duplicate made "
       "later does not change it",
       .needed_by = "erlang:poller")
{
	int copy;

	ASSERT_OK(hold_back(SIGRTMIN));
	ASSERT_TRUE(watch(SIGRTMIN));
	copy = dup(watched[0]);
	ASSERT_GE(copy, 0);
	EXPECT_ORIGIN(info_of_poll(SIGRTMIN, POLL_IN, POLLIN | POLLRDNORM), OF_POLL, write_to_watched());
}

CLAUSE(an_owner_that_is_a_thread_gets_the_signal_alone,
       "fcntl(2) F_SETOWN_EX F_OWNER_TID: the signal is sent to that thread, and not to the "
       "process", .needed_by = "erlang:poller")
{
	struct f_owner_ex owner = { F_OWNER_TID, 0 };
	char text[4096], *line;

	ASSERT_OK(hold_back(SIGRTMIN));
	ASSERT_TRUE(watch(SIGRTMIN));
	owner.pid = raw_syscall(__NR_gettid);
	ASSERT_EQ(0, fcntl(watched[0], F_SETOWN_EX, &owner));
	ASSERT_OK(write_to_watched());
	ASSERT_TRUE(wait_until(is_pending(SIGRTMIN)));
	ASSERT_OK(read_text("/proc/self/status", text, sizeof(text)));
	line = strstr(text, "\nShdPnd:");
	ASSERT_NE(NULL, line);
	EXPECT_EQ(0, strtoull(line + 8, NULL, 16) >> (SIGRTMIN - 1) & 1);
}

static long write_beyond_the_limit(void)
{
	return raw_syscall(__NR_write, watched[0], "xx", 2) == -EFBIG ? 0 : -ENODATA;
}

CLAUSE(a_file_that_grows_too_large_says_that_the_writer_sent_it,
       "setrlimit(2) RLIMIT_FSIZE, kernel/signal.c send_sig (7.2): SIGXFSZ has SI_USER and the writer's own process "
       "and user", .needed_by = "go:sigtable")
{
	struct rlimit limit = { 1, 1 };

	watched[0] = nameless_file();
	ASSERT_GE(watched[0], 0);
	ASSERT_EQ(1, write(watched[0], "x", 1));
	ASSERT_OK(hold_back(SIGXFSZ));
	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &limit));
	EXPECT_ORIGIN(info_from(SIGXFSZ, SI_USER, getpid(), getuid()), OF_KILL, write_beyond_the_limit());
}

static long press(int terminal, char key)
{
	return raw_syscall(__NR_write, terminal, &key, 1);
}

CLAUSE(the_keys_and_size_of_a_terminal_say_si_kernel,
       "drivers/tty/n_tty.c isig, drivers/tty/tty_io.c tty_do_resize (7.2): SIGINT, SIGQUIT and SIGTSTP of a "
       "terminal's keys and SIGWINCH have SI_KERNEL, "
       "and no process or user", .needs = "file=/dev/ptmx", .needed_by = "go:sigtable")
{
	static const struct { char key; int sig; } keys[] = { { 3, SIGINT }, { 28, SIGQUIT }, { 26, SIGTSTP } };
	int unlocked = 0, master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
	struct winsize size = { .ws_row = 5 };

	IN_CHILD {
		setsid();
		if (master < 0 || ioctl(master, TIOCSPTLCK, &unlocked))
			_exit(0);
		slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (slave < 0)
			_exit(0);
		ASSERT_EQ(0, ioctl(slave, TIOCSCTTY, 0));
		FOR_EACH(i, keys)
			EXPECT_ORIGIN(info_of(keys[i].sig, SI_KERNEL), OF_KILL, press(master, keys[i].key));
		EXPECT_ORIGIN(info_of(SIGWINCH, SI_KERNEL), OF_KILL, ({
			size.ws_col++;
			raw_syscall(__NR_ioctl, master, TIOCSWINSZ, &size);
		}));
		raw_sigaction(SIGHUP, SIGNAL_IGNORE, 0);
	}
}
