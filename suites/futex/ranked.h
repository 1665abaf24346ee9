// SPDX-License-Identifier: GPL-2.0-only
// Waiters with a realtime priority or a nice value of their own.
#ifndef RANKED_H
#define RANKED_H

#include <sched.h>
#include <sys/resource.h>

#include "waiter.h"

struct ranked {
	struct waiter w;
	int priority;		// of SCHED_FIFO; 0 for an ordinary thread
	int nice;		// of an ordinary thread
	volatile long scheduler, niceness;
};

static int ranked_main(void *arg)
{
	struct ranked *r = arg;
	struct sched_param param = { .sched_priority = r->priority };

	r->scheduler = raw_syscall(__NR_sched_setscheduler, 0, r->priority ? SCHED_FIFO : SCHED_OTHER, &param);
	r->niceness = r->nice ? raw_syscall(__NR_setpriority, PRIO_PROCESS, 0, r->nice) : 0;
	return waiter_main(&r->w);
}

// n threads sleep on word, in the order of the array. 1, 0 where something is wrong, or -EPERM: a realtime group without
// a budget lets not even root have a priority.
static int ranked_sleep_on(struct ranked *r, int n, uint32_t *word, int op)
{
	for (int i = 0; i < n; i++) {
		r[i].w = waiter_on(word, op);
		if (is_error(r[i].w.tid = thread_start(&r[i].w.thread, ranked_main, &r[i])) ||
		    !wait_until(is_asleep(r[i].w.tid) || r[i].w.returned))
			return 0;
		if (r[i].scheduler == -EPERM)
			return -EPERM;
		if (r[i].scheduler || r[i].niceness || r[i].w.returned)
			return 0;
	}
	return 1;
}

#endif
