// SPDX-License-Identifier: GPL-2.0-only
// seccomp_unotify(2): a supervisor decides about another process's system calls.
#include "clause.h"
#include "guard.h"
#include "target.h"
#include "thread.h"

#include <poll.h>

static volatile int target_signals;

static void counts_signals(int sig, siginfo_t *info, void *ucontext)
{
	target_signals++;
}

CLAUSE(a_notification_tells_the_call,
       "seccomp_unotify(2) SECCOMP_IOCTL_NOTIF_RECV: id names the notification, pid the caller, and data is what the "
       "filter saw: number, "
       "architecture, address and six arguments", SECCOMP)
{
	static const long args[6] = { 0x11, 0x22, -3, 0x44, 0x55, 0x66 };
	struct seccomp_notif *n = guarded(sizeof(*n));
	struct target t;

	ASSERT_TRUE(target_start(&t, 0));
	target_makes(&t, CALL, 0x11, 0x22, -3, 0x44, 0x55, 0x66);
	ASSERT_RET(0, notif_receive(&t, n));
	EXPECT_INTACT(n);
	EXPECT_EQ(t.pid, n->pid);
	EXPECT_EQ(0, n->flags);
	EXPECT_EQ(CALL, n->data.nr);
	EXPECT_EQ(ARCH_AUDIT, n->data.arch);
	EXPECT_NE(0, n->data.instruction_pointer);
	for (int i = 0; i < 6; i++)
		EXPECT_EQ((unsigned long)args[i], n->data.args[i]);
	EXPECT_RET(0, notif_answer(&t, n->id, 0, 0, 0));
	EXPECT_RET(0, target_result(&t));
	EXPECT_TRUE(target_ends(&t));
}

CLAUSE(the_answer_is_the_result,
       "seccomp_unotify(2) SECCOMP_IOCTL_NOTIF_SEND: with error 0 val is what the call returns, else error, a negative "
       "errno; the call itself is "
       "not executed, and each notification has an id of its own", SECCOMP)
{
	static const struct { long value; int error; } answers[] = {
		{ 0, 0 }, { 12345, 0 }, { 0x7fffffff, 0 }, { 0, -EPERM }, { 0, -ENOSYS }, { 99, -EXDEV }, { 0, -1000 },
	};
	struct seccomp_notif n;
	struct target t;
	uint64_t last = 0;

	ASSERT_TRUE(target_start(&t, 0));
	for (unsigned int i = 0; i < ARRAY_SIZE(answers); i++) {
		target_makes(&t, CALL, 0);
		ASSERT_RET(0, notif_receive(&t, &n));
		EXPECT_NE(last, n.id);
		last = n.id;
		EXPECT_RET(0, notif_answer(&t, n.id, answers[i].value, answers[i].error, 0));
		EXPECT_RET(answers[i].error ?: answers[i].value, target_result(&t));
	}
	EXPECT_TRUE(target_ends(&t));
}

CLAUSE(continue_executes_the_call,
       "seccomp_unotify(2) SECCOMP_USER_NOTIF_FLAG_CONTINUE: the call is executed as if there were no filter; val and "
       "error must be 0, other "
       "flags are EINVAL, and after a refused answer the call still waits", SECCOMP)
{
	struct seccomp_notif n;
	struct target t;

	ASSERT_TRUE(target_start(&t, 0));
	target_makes(&t, CALL, 0);
	ASSERT_RET(0, notif_receive(&t, &n));
	EXPECT_ERR(EINVAL, notif_answer(&t, n.id, 1, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
	EXPECT_ERR(EINVAL, notif_answer(&t, n.id, 0, -1, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
	for (int bit = 1; bit < 32; bit++)
		EXPECT_ERR(EINVAL, notif_answer(&t, n.id, 0, 0, 1U << bit));
	EXPECT_NE(t.request, t.done);
	EXPECT_RET(0, notif_answer(&t, n.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
	EXPECT_RET(call_result(), target_result(&t));
	EXPECT_TRUE(target_ends(&t));
}

CLAUSE(a_buffer_that_is_not_zero_is_refused,
       "seccomp_unotify(2) SECCOMP_IOCTL_NOTIF_RECV EINVAL: the structure must be zeroed; one that cannot be written "
       "is EFAULT, and the "
       "notification can then still be received", SECCOMP)
{
	struct seccomp_notif n = { .flags = 1 };
	struct target t;

	ASSERT_TRUE(target_start(&t, 0));
	target_makes(&t, CALL, 0);
	EXPECT_ERR(EINVAL, notif_ioctl(&t, SECCOMP_IOCTL_NOTIF_RECV, &n));
	n = (struct seccomp_notif){ .id = 1 };
	EXPECT_ERR(EINVAL, notif_ioctl(&t, SECCOMP_IOCTL_NOTIF_RECV, &n));
	EXPECT_ERR(EFAULT, notif_ioctl(&t, SECCOMP_IOCTL_NOTIF_RECV, forbidden_page()));
	EXPECT_ERR(EFAULT, notif_ioctl(&t, SECCOMP_IOCTL_NOTIF_SEND, forbidden_page()));
	EXPECT_ERR(EFAULT, notif_ioctl(&t, SECCOMP_IOCTL_NOTIF_ID_VALID, forbidden_page()));
	EXPECT_ERR(EINVAL, notif_ioctl(&t, _IO('!', 77), &n));
	ASSERT_RET(0, notif_receive(&t, &n));
	EXPECT_RET(0, notif_answer(&t, n.id, 5, 0, 0));
	EXPECT_RET(5, target_result(&t));
	EXPECT_TRUE(target_ends(&t));
}

CLAUSE(an_id_is_valid_while_the_call_waits,
       "seccomp_unotify(2) SECCOMP_IOCTL_NOTIF_ID_VALID: 0 while the caller waits for the answer, ENOENT once it was "
       "answered, and for any "
       "other id; an answer to such an id is ENOENT as well", SECCOMP)
{
	struct seccomp_notif n;
	struct target t;
	uint64_t other;

	ASSERT_TRUE(target_start(&t, 0));
	target_makes(&t, CALL, 0);
	ASSERT_RET(0, notif_receive(&t, &n));
	other = n.id + 1;
	EXPECT_RET(0, notif_ioctl(&t, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
	EXPECT_ERR(ENOENT, notif_ioctl(&t, SECCOMP_IOCTL_NOTIF_ID_VALID, &other));
	EXPECT_ERR(ENOENT, notif_answer(&t, other, 0, 0, 0));
	EXPECT_RET(0, notif_ioctl(&t, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
	EXPECT_RET(0, notif_answer(&t, n.id, 1, 0, 0));
	EXPECT_RET(1, target_result(&t));
	EXPECT_ERR(ENOENT, notif_ioctl(&t, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
	EXPECT_ERR(ENOENT, notif_answer(&t, n.id, 2, 0, 0));
	EXPECT_TRUE(target_ends(&t));
}

CLAUSE(the_id_of_a_killed_caller_is_gone,
       "seccomp_unotify(2) ERRORS ENOENT: the target was killed: its id is no longer valid, and no answer can be "
       "given", SECCOMP)
{
	struct seccomp_notif n;
	struct target t;

	ASSERT_TRUE(target_start(&t, 0));
	target_makes(&t, CALL, 0);
	ASSERT_RET(0, notif_receive(&t, &n));
	ASSERT_TRUE(target_is_killed(&t));
	EXPECT_ERR(ENOENT, notif_ioctl(&t, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
	EXPECT_ERR(ENOENT, notif_answer(&t, n.id, 0, 0, 0));
}

// The events of a listener, without waiting.
static int events_of(struct target *t)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN | POLLOUT };
	struct __kernel_timespec now = { 0 };

	return raw_syscall(NR_PPOLL, &p, 1, &now, NULL, 0) >= 0 ? p.revents : -1;
}

CLAUSE(a_listener_can_be_polled,
       "seccomp_unotify(2): the descriptor is readable (POLLIN) when a notification can be received, writable "
       "(POLLOUT) when one was received "
       "and waits for its answer, and POLLHUP when no process has the filter any more", SECCOMP)
{
	struct seccomp_notif n;
	struct target t;

	ASSERT_TRUE(target_start(&t, 0));
	EXPECT_EQ(0, events_of(&t));
	target_makes(&t, CALL, 0);
	EXPECT_TRUE(wait_until(events_of(&t) == POLLIN));
	ASSERT_RET(0, notif_receive(&t, &n));
	EXPECT_EQ(POLLOUT, events_of(&t));
	EXPECT_RET(0, notif_answer(&t, n.id, 0, 0, 0));
	EXPECT_RET(0, target_result(&t));
	EXPECT_EQ(0, events_of(&t));
	ASSERT_TRUE(target_is_killed(&t));
	EXPECT_TRUE(wait_until(events_of(&t) & POLLHUP));
}

CLAUSE(closing_the_listener_ends_the_wait,
       "seccomp_unotify(2): when the last descriptor of the listener is closed, waiting calls fail with ENOSYS, "
       "received or not, and so do "
       "later ones", SECCOMP)
{
	struct seccomp_notif n;
	struct target t;

	for (int received = 0; received < 2; received++) {
		ASSERT_TRUE(target_start(&t, 0));
		target_makes(&t, CALL, 0);
		if (received)
			ASSERT_RET(0, notif_receive(&t, &n));
		EXPECT_TRUE(wait_until_blocked_in(t.pid, CALL));
		close(t.fd);
		EXPECT_ERR(ENOSYS, target_result(&t));
		target_makes(&t, CALL, 0);
		EXPECT_ERR(ENOSYS, target_result(&t));
		ASSERT_TRUE(target_is_killed(&t));
	}
}

CLAUSE(there_is_one_listener,
       "seccomp(2) ERRORS EBUSY: a thread whose filters have a listener already gets no second one; the descriptor of "
       "the one is "
       "close-on-exec", SECCOMP)
{
	long fd = load_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER, ON_CALL(CALL, SECCOMP_RET_USER_NOTIF), ALLOW);

	ASSERT_OK(fd);
	EXPECT_RET(FD_CLOEXEC, raw_syscall(__NR_fcntl, fd, F_GETFD));
	EXPECT_ERR(EBUSY, load_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER, ALLOW));
	EXPECT_RET(0, load_filter(0, ALLOW));
}

CLAUSE(a_signal_ends_the_wait,
       "seccomp_unotify(2) NOTES: a signal handler interrupts the waiting call: EINTR without SA_RESTART, and the "
       "notification's id is gone",
       SECCOMP)
{
	struct seccomp_notif n;
	struct target t;

	ASSERT_RET(0, raw_sigaction(SIGUSR1, counts_signals, 0));
	ASSERT_TRUE(target_start(&t, 0));
	target_makes(&t, CALL, 0);
	ASSERT_RET(0, notif_receive(&t, &n));
	ASSERT_TRUE(wait_until_blocked_in(t.pid, CALL));
	EXPECT_RET(0, raw_syscall(__NR_kill, t.pid, SIGUSR1));
	EXPECT_ERR(EINTR, target_result(&t));
	EXPECT_EQ(1, target_signals);
	EXPECT_ERR(ENOENT, notif_answer(&t, n.id, 0, 0, 0));
	EXPECT_TRUE(target_ends(&t));
}

CLAUSE(a_restarting_signal_makes_a_new_notification,
       "seccomp_unotify(2) NOTES: with SA_RESTART the interrupted call is made anew, which is another notification "
       "with another id",
       SECCOMP)
{
	struct seccomp_notif n, again;
	struct target t;

	ASSERT_RET(0, raw_sigaction(SIGUSR1, counts_signals, SA_RESTART));
	ASSERT_TRUE(target_start(&t, 0));
	target_makes(&t, CALL, 0x31);
	ASSERT_RET(0, notif_receive(&t, &n));
	ASSERT_TRUE(wait_until_blocked_in(t.pid, CALL));
	EXPECT_RET(0, raw_syscall(__NR_kill, t.pid, SIGUSR1));
	ASSERT_RET(0, notif_receive(&t, &again));
	EXPECT_EQ(1, target_signals);
	EXPECT_NE(n.id, again.id);
	EXPECT_EQ(0x31, again.data.args[0]);
	EXPECT_ERR(ENOENT, notif_answer(&t, n.id, 1, 0, 0));
	EXPECT_RET(0, notif_answer(&t, again.id, 2, 0, 0));
	EXPECT_RET(2, target_result(&t));
	EXPECT_TRUE(target_ends(&t));
}

CLAUSE(a_received_call_can_be_spared_signals,
       "seccomp(2) SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: once received, the call ends by its answer or a fatal "
       "signal alone: other signals "
       "are handled after the answer; the flag goes with NEW_LISTENER "
       "only", .since = KERNEL(5, 19), .config = "SECCOMP_FILTER", .needed_by = SECCOMP_USERS)
{
	struct seccomp_notif n;
	struct target t;

	ASSERT_RET(0, raw_sigaction(SIGUSR1, counts_signals, 0));
	ASSERT_TRUE(target_start(&t, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV));
	target_makes(&t, CALL, 0);
	ASSERT_RET(0, notif_receive(&t, &n));
	ASSERT_TRUE(wait_until_blocked_in(t.pid, CALL));
	EXPECT_RET(0, raw_syscall(__NR_kill, t.pid, SIGUSR1));
	// It wakes up for the signal, and goes on waiting for what is fatal alone.
	EXPECT_TRUE(wait_until(task_state(t.pid) == 'D' || t.done == t.request));
	EXPECT_EQ(0, target_signals);
	EXPECT_RET(0, notif_ioctl(&t, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
	EXPECT_RET(0, notif_answer(&t, n.id, 6, 0, 0));
	EXPECT_RET(6, target_result(&t));
	EXPECT_EQ(1, target_signals);
	target_makes(&t, CALL, 0);
	ASSERT_RET(0, notif_receive(&t, &n));
	EXPECT_TRUE(target_is_killed(&t));
	EXPECT_ERR(EINVAL, load_filter(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, ALLOW));
}

struct maker {
	volatile long fd, result;
};

// Gives itself, and no other thread, a filter with a listener.
static int makes_the_call(void *arg)
{
	struct maker *m = arg;

	m->fd = load_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER, ON_CALL(CALL, SECCOMP_RET_USER_NOTIF), ALLOW);
	if (m->fd > 0)
		m->result = call(0);
	return 0;
}

CLAUSE(a_notification_names_the_thread,
       "seccomp_unotify(2) struct seccomp_notif pid: the thread id of the caller, which is not that of its process, "
       "for "
       "every thread but the first", SECCOMP)
{
	struct seccomp_notif n = { 0 };
	struct seccomp_notif_resp answer = { .val = 17 };
	struct maker m = { 0 };
	struct thread t;

	ASSERT_OK(thread_start(&t, makes_the_call, &m));
	ASSERT_TRUE(wait_until(m.fd));
	ASSERT_OK(m.fd);
	ASSERT_RET(0, raw_syscall(__NR_ioctl, m.fd, SECCOMP_IOCTL_NOTIF_RECV, &n));
	EXPECT_EQ(t.known_as, n.pid);
	EXPECT_NE(getpid(), n.pid);
	answer.id = n.id;
	EXPECT_RET(0, raw_syscall(__NR_ioctl, m.fd, SECCOMP_IOCTL_NOTIF_SEND, &answer));
	EXPECT_TRUE(thread_join(&t));
	EXPECT_RET(17, m.result);
}

struct receiver {
	struct target *target;
	struct seccomp_notif n;
	volatile long result;
	struct thread thread;
};

static int receives(void *arg)
{
	struct receiver *r = arg;

	r->result = notif_ioctl(r->target, SECCOMP_IOCTL_NOTIF_RECV, &r->n);
	return 0;
}

CLAUSE(whoever_waits_for_a_notification_is_told_that_none_can_come,
       "seccomp_unotify(2) SECCOMP_IOCTL_NOTIF_RECV ENOENT, kernel/seccomp.c recv_wait_event (6.12): when the last "
       "task "
       "that has the filter is gone, every wait for a notification ends, and later ones do not begin",
       .since = KERNEL(6, 11), .config = "SECCOMP_FILTER",
       .commit = "95036a79e7bf seccomp: interrupt SECCOMP_IOCTL_NOTIF_RECV when all users have exited",
       .needed_by = SECCOMP_USERS)
{
	struct receiver r[2];
	struct seccomp_notif n;
	struct target t;

	ASSERT_TRUE(target_start(&t, 0));
	for (int i = 0; i < 2; i++) {
		r[i] = (struct receiver){ .target = &t };
		ASSERT_OK(thread_start(&r[i].thread, receives, &r[i]));
		ASSERT_TRUE(wait_until_blocked_in(r[i].thread.known_as, __NR_ioctl));
	}
	ASSERT_TRUE(target_is_killed(&t));
	for (int i = 0; i < 2; i++) {
		ASSERT_TRUE(thread_join(&r[i].thread));
		EXPECT_ERR(ENOENT, r[i].result);
	}
	EXPECT_ERR(ENOENT, notif_receive(&t, &n));
}

static int lowest_free_number(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

CLAUSE(a_refused_listener_takes_no_number,
       "seccomp(2) ERRORS EBUSY, EINVAL, EFAULT: where no listener is given no descriptor is taken, nor is the filter "
       "installed", SECCOMP)
{
	struct sock_filter deny[] = { ON_CALL(CALL, FAILS_WITH(EXDEV)), ALLOW }, endless[] = { LOAD_NR };
	struct sock_fprog nowhere = { .len = 1, .filter = forbidden_page() };
	int before = lowest_free_number();
	long fd;

	EXPECT_ERR(EFAULT, raw_seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, forbidden_page()));
	ASSERT_RET(0, no_new_privs());
	EXPECT_ERR(EFAULT, raw_seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &nowhere));
	EXPECT_ERR(EINVAL, load_filter_(SECCOMP_FILTER_FLAG_NEW_LISTENER, endless, 1));
	EXPECT_ERR(EINVAL, load_filter_(SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC,
					deny, ARRAY_SIZE(deny)));
	EXPECT_EQ(before, lowest_free_number());
	fd = load_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER, ALLOW);
	EXPECT_RET(before, fd);
	before = lowest_free_number();
	for (int i = 0; i < 3; i++) {
		EXPECT_ERR(EBUSY, load_filter_(SECCOMP_FILTER_FLAG_NEW_LISTENER, deny, ARRAY_SIZE(deny)));
		EXPECT_EQ(before, lowest_free_number());
	}
	EXPECT_RET(call_result(), call(0));
	EXPECT_RET(FD_CLOEXEC, raw_syscall(__NR_fcntl, fd, F_GETFD));
}
