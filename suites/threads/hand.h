// SPDX-License-Identifier: GPL-2.0-only
// A thread that makes the system calls it is told to, so that a clause can act as several threads of one process.
#ifndef HAND_H
#define HAND_H

#include "status.h"
#include "sync.h"
#include "sys.h"
#include "thread.h"

#define THREADS_USERS "go:syscall_runtime_doAllThreadsSyscall go:runPerThreadSyscall glibc:setxid musl:synccall"

// The calls with 32-bit ids; some 32-bit ABIs have 16-bit ones under the plain names.
#ifdef __NR_setresuid32
#define NR_SETRESUID __NR_setresuid32
#define NR_SETRESGID __NR_setresgid32
#define NR_GETRESUID __NR_getresuid32
#define NR_GETRESGID __NR_getresgid32
#define NR_SETGROUPS __NR_setgroups32
#define NR_GETGROUPS __NR_getgroups32
#define NR_SETFSUID  __NR_setfsuid32
#define NR_SETFSGID  __NR_setfsgid32
#else
#define NR_SETRESUID __NR_setresuid
#define NR_SETRESGID __NR_setresgid
#define NR_GETRESUID __NR_getresuid
#define NR_GETRESGID __NR_getresgid
#define NR_SETGROUPS __NR_setgroups
#define NR_GETGROUPS __NR_getgroups
#define NR_SETFSUID  __NR_setfsuid
#define NR_SETFSGID  __NR_setfsgid
#endif

// Who raises request has written the call; who raises done, its result.
struct hand {
	struct thread thread;
	long nr, args[6], result;
	int request, done;
	volatile int stop;
};

#define HAND_READS(count)        __atomic_load_n(count, __ATOMIC_ACQUIRE)
#define HAND_WRITES(count, to)   __atomic_store_n(count, to, __ATOMIC_RELEASE)

static int hand_works(void *arg)
{
	struct hand *h = arg;

	while (!h->stop) {
		if (HAND_READS(&h->request) == h->done) {
			raw_syscall(__NR_sched_yield);
			continue;
		}
		h->result = raw_syscall6(h->nr, h->args[0], h->args[1], h->args[2], h->args[3], h->args[4], h->args[5]);
		HAND_WRITES(&h->done, h->request);
	}
	return 0;
}

static inline bool hand_start(struct hand *h)
{
	memset(h, 0, sizeof(*h));
	return !is_error(thread_start(&h->thread, hand_works, h));
}

static inline long hand_result(struct hand *h)
{
	HAND_WRITES(&h->request, h->request + 1);
	return wait_until(HAND_READS(&h->done) == h->request) ? h->result : -4000;
}

// The result of a system call that the thread makes; -4000 if it does not return.
#define hand_does(h, nr_, ...) ({						\
	struct hand *h_ = (h);							\
	h_->nr = nr_;								\
	memcpy(h_->args, (long[6]){ __VA_ARGS__ }, sizeof(h_->args));		\
	hand_result(h_);							\
})

static inline bool hand_ends(struct hand *h)
{
	h->stop = 1;
	return thread_join(&h->thread);
}

#endif
