// SPDX-License-Identifier: GPL-2.0-only
// A thread that enters the port's critical section when asked to, and stays in it until its word changes.
#ifndef WORKER_H
#define WORKER_H

#include "rseq.h"
#include "thread.h"

struct worker {
	volatile struct rseq *area;
	volatile uint32_t *entered, *word;
	volatile int request, done, result, stop;
	int cpu;
	struct thread thread;
};

// Words far enough apart for a cache line each.
static inline volatile uint32_t *rseq_words(void)
{
	return memset(guarded(512), 0, 512);
}

static int worker_runs(void *arg)
{
	struct worker *w = arg;
	struct rseq_cs cs = rseq_section();
	uint32_t before;

	w->result = rseq_register(w->area) || rseq_pin(0, w->cpu) ? -1 : 0;
	w->done = 1;
	while (w->result >= 0 && !w->stop) {
		if (w->done == w->request) {
			raw_syscall(__NR_sched_yield);
			continue;
		}
		before = *w->entered;
		do	// a preemption may abort it before it says that it has begun
			w->result = arch_rseq_spin(w->area, &cs, w->entered, w->word);
		while (*w->entered == before && !w->stop);
		w->done = w->request;
	}
	return 0;
}

// On the n-th CPU of the process; false if it cannot register.
static inline bool worker_start(struct worker *w, int n)
{
	*w = (struct worker){ .area = rseq_area(), .word = rseq_words(), .request = 1, .cpu = rseq_cpu(n) };
	w->entered = w->word + 64;
	return !is_error(thread_start(&w->thread, worker_runs, w)) && wait_until(w->done) && w->result == 0;
}

// Returns when the worker has been in a section; it still is unless it was aborted.
static inline bool worker_enters(struct worker *w)
{
	uint32_t before = *w->entered;

	w->request++;
	return wait_until(*w->entered != before);
}

// How the section ended: 0 at its end, 1 at its abort; -1 if it does not end.
static inline int worker_result(struct worker *w)
{
	return wait_until(w->done == w->request) ? w->result : -1;
}

static inline bool worker_stop(struct worker *w)
{
	w->stop = 1;
	return thread_join(&w->thread);
}

#endif
