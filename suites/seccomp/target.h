// SPDX-License-Identifier: GPL-2.0-only
// A process that is supervised: it shares memory with the clause, has a listener on CALL, and makes calls when told to.
#ifndef TARGET_H
#define TARGET_H

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "filter.h"
#include "sigaction.h"
#include "sync.h"

#define TARGET_STACK (256 * 1024)

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)	// Linux 5.19
#endif

struct target {
	volatile int fd;		// the listener, or -errno; 0 as long as there is none
	volatile int request, done, stop;	// request publishes nr and args, done publishes result
	long nr, args[6];
	long result;
	unsigned int flags;
	long pid;
	char *stack;
};

// Descriptors are its own once the listener is there, whose copy it closes.
static int target_runs(void *arg)
{
	struct target *t = arg;
	long fd = load_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER | t->flags, ON_CALL(CALL, SECCOMP_RET_USER_NOTIF), ALLOW);

	raw_syscall(__NR_unshare, CLONE_FILES);
	raw_syscall(__NR_close, fd);
	t->fd = fd;
	while (!t->stop && fd > 0) {
		int request = __atomic_load_n(&t->request, __ATOMIC_ACQUIRE);

		if (request == t->done) {
			raw_syscall(__NR_sched_yield);
			continue;
		}
		t->result = raw_syscall6(t->nr, t->args[0], t->args[1], t->args[2], t->args[3], t->args[4], t->args[5]);
		__atomic_store_n(&t->done, request, __ATOMIC_RELEASE);
	}
	return 0;
}

// Starts it with further filter flags; false if it has no listener.
static inline bool target_start(struct target *t, unsigned int flags)
{
	*t = (struct target){ .flags = flags };
	t->stack = mmap(NULL, TARGET_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t->stack == MAP_FAILED)
		return false;
	t->pid = raw_clone(CLONE_VM | CLONE_FILES | SIGCHLD, t->stack + TARGET_STACK, target_runs, t, NULL, NULL, NULL);
	return t->pid > 0 && wait_until(t->fd) && t->fd > 0;
}

// Has it make a system call; target_result() waits for what that returns.
#define target_makes(t, nr_, ...) do {						\
	(t)->nr = nr_;								\
	memcpy((t)->args, (long[6]){ __VA_ARGS__ }, sizeof((t)->args));		\
	__atomic_store_n(&(t)->request, (t)->request + 1, __ATOMIC_RELEASE);	\
} while (0)

static inline long target_result(struct target *t)
{
	return wait_until(t->done == t->request) ? t->result : -4000;
}

static inline bool target_ends(struct target *t)
{
	t->stop = 1;
	close(t->fd);
	return raw_syscall(__NR_wait4, t->pid, NULL, 0, NULL) == t->pid;
}

static inline bool target_is_killed(struct target *t)
{
	raw_syscall(__NR_kill, t->pid, SIGKILL);
	return raw_syscall(__NR_wait4, t->pid, NULL, 0, NULL) == t->pid;
}

#define notif_ioctl(t, request, arg) raw_syscall(__NR_ioctl, (t)->fd, request, arg)

// The next notification; blocks until there is one.
static inline long notif_receive(struct target *t, struct seccomp_notif *n)
{
	memset(n, 0, sizeof(*n));
	return notif_ioctl(t, SECCOMP_IOCTL_NOTIF_RECV, n);
}

static inline long notif_answer(struct target *t, uint64_t id, long value, int error, unsigned int flags)
{
	struct seccomp_notif_resp resp = { .id = id, .val = value, .error = error, .flags = flags };

	return notif_ioctl(t, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

#endif
