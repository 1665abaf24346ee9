// SPDX-License-Identifier: GPL-2.0-only
// Which waits for time, signals, children and events a signal interrupts and which go on.
#include "clause.h"

#include <linux/futex.h>
#include <mqueue.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <time.h>

#include "restart.h"

static const struct __kernel_timespec an_hour = { 3600, 0 };

/* ---- Children and futexes ------------------------------------------------------------------------------------ */

// The child's own child, which waits until the onlooker writes a byte or has gone.
static long with_a_child(struct stage *s, long (*wait)(int pid))
{
	int pid = fork();

	if (pid == 0) {
		char byte;

		raw_sigprocmask(SIG_SETMASK, SIGSET_FULL);
		raw_syscall(__NR_close, s->fd[1]);
		while (raw_syscall(__NR_read, s->fd[0], &byte, 1) == -EINTR)
			;
		_exit(0);
	}
	return wait(pid);
}

static long wait4_for(int pid)
{
	return raw_syscall(__NR_wait4, pid, NULL, 0, NULL) == pid ? 0 : -EINTR;
}

static long waitid_for(int pid)
{
	return raw_syscall(__NR_waitid, 1 /* P_PID */, pid, NULL, WEXITED, NULL);
}

static long wait4_child(struct stage *s)
{
	return with_a_child(s, wait4_for);
}

static long waitid_child(struct stage *s)
{
	return with_a_child(s, waitid_for);
}

RESTART_CLAUSE(wait4_is_restarted_after_signals, "wait4(2)" AFTER_RESTART, RESTARTS, __NR_wait4, open_pipe, wait4_child, write_byte, 0)

RESTART_CLAUSE(waitid_is_restarted_after_signals, "waitid(2)" AFTER_RESTART, RESTARTS, __NR_waitid, open_pipe, waitid_child, write_byte, 0)

static bool clear_word(struct stage *s)
{
	s->word = 0;
	return true;
}

static long wait_on_word(struct stage *s)
{
	return raw_syscall(NR_FUTEX, &s->word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static long wait_on_word_for_long(struct stage *s)
{
	return raw_syscall(NR_FUTEX, &s->word, FUTEX_WAIT, 0, &an_hour, NULL, 0);
}

static void wake_word(struct stage *s)
{
	raw_syscall(NR_FUTEX, &s->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

RESTART_CLAUSE(futex_wait_is_restarted_without_a_timeout, "futex(2) FUTEX_WAIT without a timeout (since 2.6.22)" AFTER_RESTART,
	       RESTARTS, NR_FUTEX, clear_word, wait_on_word, wake_word, 0)

RESTART_CLAUSE(futex_wait_is_not_restarted_with_a_timeout, "futex(2) FUTEX_WAIT with a timeout" EINTR_AFTER_HANDLER,
	       NOT_AFTER_A_HANDLER, NR_FUTEX, clear_word, wait_on_word_for_long, wake_word, 0)

/* ---- Time ---------------------------------------------------------------------------------------------------- */

// Nobody can end a sleep but a handler, here that of another signal. What counts is that it had gone on until then.
static void end_sleep(struct stage *s)
{
	kill(s->child, SIGUSR2);
}

static long sleep_for_long(struct stage *s)
{
	raw_sigaction(SIGUSR2, count_in_stage, 0);
	return raw_syscall(NR_CLOCK_NANOSLEEP, CLOCK_MONOTONIC, 0, &an_hour, NULL);
}

static long sleep_until_late(struct stage *s)
{
	struct __kernel_timespec late = { monotonic_ns() / 1000000000 + 3600, 0 };

	raw_sigaction(SIGUSR2, count_in_stage, 0);
	return raw_syscall(NR_CLOCK_NANOSLEEP, CLOCK_MONOTONIC, TIMER_ABSTIME, &late, NULL);
}

// ABIs that began with 32-bit time may have lost it.
static bool has_old_sleep(struct stage *s)
{
	struct { long sec, nsec; } time = { 0, 0 };

	return raw_syscall(__NR_nanosleep, &time, NULL) != -ENOSYS;
}

static long old_sleep_for_long(struct stage *s)
{
	struct { long sec, nsec; } time = { 3600, 0 };

	raw_sigaction(SIGUSR2, count_in_stage, 0);
	return raw_syscall(__NR_nanosleep, &time, NULL);
}

RESTART_CLAUSE(nanosleep_is_not_restarted, "nanosleep(2)" EINTR_AFTER_HANDLER,
	       NOT_AFTER_A_HANDLER, __NR_nanosleep, has_old_sleep, old_sleep_for_long, end_sleep, -EINTR)

RESTART_CLAUSE(clock_nanosleep_is_not_restarted, "clock_nanosleep(2) for an interval" EINTR_AFTER_HANDLER,
	       NOT_AFTER_A_HANDLER, NR_CLOCK_NANOSLEEP, NULL, sleep_for_long, end_sleep, -EINTR)

RESTART_CLAUSE(clock_nanosleep_until_a_time_is_not_restarted, "clock_nanosleep(2) TIMER_ABSTIME" EINTR_AFTER_HANDLER,
	       NOT_AFTER_A_HANDLER, NR_CLOCK_NANOSLEEP, NULL, sleep_until_late, end_sleep, -EINTR)

/* ---- Signals ------------------------------------------------------------------------------------------------- */

static long suspend(struct stage *s)
{
	struct kernel_sigset none = SIGSET_EMPTY;

	raw_sigaction(SIGUSR2, count_in_stage, 0);
	return raw_syscall(__NR_rt_sigsuspend, &none, ARCH_SIGSET_BYTES);
}

RESTART_CLAUSE(sigsuspend_is_not_restarted, "sigsuspend(2)" EINTR_AFTER_HANDLER,
	       NOT_AFTER_A_HANDLER, __NR_rt_sigsuspend, NULL, suspend, end_sleep, -EINTR)

static long take_usr2(struct stage *s)
{
	struct kernel_sigset set = SIGSET(SIGUSR2);

	raw_sigprocmask(SIG_BLOCK, set);
	return sigtimedwait_raw(&set, NULL, NULL);
}

RESTART_CLAUSE(sigtimedwait_is_never_restarted, "sigtimedwait(2)" EINTR_ALWAYS,
	       NEVER_RESTARTS, NR_RT_SIGTIMEDWAIT, NULL, take_usr2, end_sleep, SIGUSR2)

/* ---- Polling ------------------------------------------------------------------------------------------------- */

static long poll_pipe(struct stage *s)
{
	struct pollfd file = { .fd = s->fd[0], .events = POLLIN };

	return raw_syscall(NR_PPOLL, &file, 1, NULL, NULL, 0);
}

static long poll_pipe_for_long(struct stage *s)
{
	struct pollfd file = { .fd = s->fd[0], .events = POLLIN };
	struct __kernel_timespec time = an_hour;

	return raw_syscall(NR_PPOLL, &file, 1, &time, NULL, 0);
}

static long select_pipe(struct stage *s)
{
	unsigned long files[1024 / 8 / sizeof(long)] = { 0 };

	files[s->fd[0] / (8 * sizeof(long))] |= 1UL << s->fd[0] % (8 * sizeof(long));
	return raw_syscall(NR_PSELECT6, s->fd[0] + 1, files, NULL, NULL, NULL, NULL);
}

RESTART_CLAUSE(ppoll_is_not_restarted, "ppoll(2)" EINTR_AFTER_HANDLER,
	       NOT_AFTER_A_HANDLER, NR_PPOLL, open_pipe, poll_pipe, write_byte, 1)

RESTART_CLAUSE(ppoll_with_a_timeout_is_not_restarted, "ppoll(2) with a timeout" EINTR_AFTER_HANDLER,
	       NOT_AFTER_A_HANDLER, NR_PPOLL, open_pipe, poll_pipe_for_long, write_byte, 1)

RESTART_CLAUSE(pselect_is_not_restarted, "pselect(2)" EINTR_AFTER_HANDLER,
	       NOT_AFTER_A_HANDLER, NR_PSELECT6, open_pipe, select_pipe, write_byte, 1)

#ifdef __NR_poll
static long old_poll_pipe(struct stage *s)
{
	struct pollfd file = { .fd = s->fd[0], .events = POLLIN };

	return raw_syscall(__NR_poll, &file, 1, 3600000);
}

RESTART_CLAUSE(poll_is_not_restarted, "poll(2)" EINTR_AFTER_HANDLER,
	       NOT_AFTER_A_HANDLER, __NR_poll, open_pipe, old_poll_pipe, write_byte, 1)
#endif

static bool open_epoll(struct stage *s)
{
	struct epoll_event e = { .events = EPOLLIN };

	if (!open_pipe(s))
		return false;
	s->fd[2] = raw_syscall(__NR_epoll_create1, 0);
	return raw_syscall(__NR_epoll_ctl, s->fd[2], EPOLL_CTL_ADD, s->fd[0], &e) == 0;
}

static long epoll_pipe(struct stage *s)
{
	struct epoll_event e;

	return raw_syscall(__NR_epoll_pwait, s->fd[2], &e, 1, -1, NULL, 0);
}

static long epoll_pipe_for_long(struct stage *s)
{
	struct epoll_event e;

	return raw_syscall(__NR_epoll_pwait, s->fd[2], &e, 1, 3600000, NULL, 0);
}

RESTART_CLAUSE(epoll_wait_is_never_restarted, "epoll_pwait(2)" EINTR_ALWAYS,
	       NEVER_RESTARTS, __NR_epoll_pwait, open_epoll, epoll_pipe, write_byte, 1)

RESTART_CLAUSE(epoll_wait_with_a_timeout_is_never_restarted, "epoll_pwait(2) with a timeout" EINTR_ALWAYS,
	       NEVER_RESTARTS, __NR_epoll_pwait, open_epoll, epoll_pipe_for_long, write_byte, 1)

/* ---- Messages and semaphores --------------------------------------------------------------------------------- */

#ifdef __NR_semop
#define NR_SEMOP __NR_semop
#elif defined(__NR_semtimedop_time64)
#define NR_SEMOP __NR_semtimedop_time64
#else
#define NR_SEMOP __NR_semtimedop
#endif

// What is made in an IPC namespace of its own is gone with the process, however that ends.
static bool make_semaphore(struct stage *s)
{
	if (unshare(CLONE_NEWIPC))
		return false;
	s->id = semget(IPC_PRIVATE, 1, 0600);
	return s->id >= 0;
}

static long lower_semaphore(struct stage *s)
{
	struct sembuf lower = { 0, -1, 0 };

	return raw_syscall(NR_SEMOP, s->id, &lower, 1, NULL);
}

static void raise_semaphore(struct stage *s)
{
	struct sembuf higher = { 0, 1, 0 };

	raw_syscall(NR_SEMOP, s->id, &higher, 1, NULL);
}

CLAUSE(semop_is_never_restarted,
       "signal(7) Interruption of system calls and library functions: semop(2) and "
       "semtimedop(2)" EINTR_ALWAYS " [SIG-7]",
       .config = "SYSVIPC IPC_NS", .needs = "cap=sys_admin", .needed_by = USERS_OF_RESTART)
{
	static const struct blocking row = { NEVER_RESTARTS, NR_SEMOP, make_semaphore, lower_semaphore, raise_semaphore, 0 };

	GOES_THROUGH(&row);
}

static bool make_queue(struct stage *s)
{
	if (unshare(CLONE_NEWIPC))
		return false;
	s->id = msgget(IPC_PRIVATE, 0600);
	return s->id >= 0;
}

static long receive_message(struct stage *s)
{
	struct { long type; char text[1]; } message;

	return raw_syscall(__NR_msgrcv, s->id, &message, 1, 0, 0);
}

static void send_message(struct stage *s)
{
	struct { long type; char text[1]; } message = { 1, "x" };

	msgsnd(s->id, &message, 1, 0);
}

CLAUSE(msgrcv_is_not_restarted,
       "signal(7) Interruption of system calls and library functions: msgrcv(2)" EINTR_AFTER_HANDLER " [SIG-7]",
       .config = "SYSVIPC IPC_NS", .needs = "cap=sys_admin", .needed_by = USERS_OF_RESTART)
{
	static const struct blocking row = { NOT_AFTER_A_HANDLER, __NR_msgrcv, make_queue, receive_message, send_message, 1 };

	GOES_THROUGH(&row);
}

#ifdef __NR_mq_timedreceive_time64
#define NR_MQ_RECEIVE __NR_mq_timedreceive_time64
#define NR_MQ_SEND __NR_mq_timedsend_time64
#else
#define NR_MQ_RECEIVE __NR_mq_timedreceive
#define NR_MQ_SEND __NR_mq_timedsend
#endif

static bool open_mq(struct stage *s)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 1 };
	char name[32];

	snprintf(name, sizeof(name), "osprim-%d", getpid());
	s->fd[0] = raw_syscall(__NR_mq_open, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attr);
	raw_syscall(__NR_mq_unlink, name);
	return s->fd[0] >= 0;
}

static long receive_from_mq(struct stage *s)
{
	char byte;

	return raw_syscall(NR_MQ_RECEIVE, s->fd[0], &byte, 1, NULL, NULL);
}

static void send_to_mq(struct stage *s)
{
	raw_syscall(NR_MQ_SEND, s->fd[0], "x", 1, 0, NULL);
}

CLAUSE(mq_receive_is_restarted,
       "signal(7) Interruption of system calls and library functions: mq_receive(3)" AFTER_RESTART " [SIG-7]",
       .config = "POSIX_MQUEUE", .needed_by = USERS_OF_RESTART)
{
	static const struct blocking row = { RESTARTS, NR_MQ_RECEIVE, open_mq, receive_from_mq, send_to_mq, 1 };

	GOES_THROUGH(&row);
}

CLAUSE(ignored_signals_leave_alone_what_is_never_restarted,
       "signal(7) Interruption of system calls and library functions: only a handler, a stop or the end of the process "
       "interrupts: an ignored signal "
       "leaves alone the calls that would fail with EINTR", .needed_by = USERS_OF_RESTART)
{
	static const struct blocking *const rows[] = {
		&sigtimedwait_is_never_restarted_row,
		&epoll_wait_is_never_restarted_row,
		&epoll_wait_with_a_timeout_is_never_restarted_row,
	};

	stage = common_memory(sizeof(*stage));
	FOR_EACH(i, rows)
		MEETS(rows[i], IGNORED);
}
