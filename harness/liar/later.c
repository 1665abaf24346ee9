// SPDX-License-Identifier: GPL-2.0-only
// What is to happen after a delay or once another lie has been told, and the signals that the liar itself sends.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "liar.h"

#define SENT 256
#define SENT_MARK 0x6c69617200000000ULL		// above the slot, in si_value

struct pending {
	struct pending *next;
	enum act act;
	pid_t tid, tgid;
	int64_t due;
	const char *until;
	int sig;
	siginfo_t info;
};

static struct pending *pending;
static siginfo_t sent[SENT];
static unsigned int n_sent;

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

void later(enum act act, const struct task *task, struct delay delay, int sig, const siginfo_t *info)
{
	struct pending *p = need_memory(sizeof(*p));

	p->act = act;
	p->tid = task->tid;
	p->tgid = task->process->tgid;
	p->due = now() + delay.ms * 1000000;
	p->until = delay.until;
	p->sig = sig;
	if (info)
		p->info = *info;
	p->next = pending;
	pending = p;
}

// Marks only: the caller is in the middle of an event.
void lie_was_told(const struct lie *lie)
{
	for (struct pending *p = pending; p; p = p->next)
		if (p->until && !strcmp(p->until, lie->id))
			p->due = 0;
}

// A signal yet to be sent outlives the thread it was taken from only if its process does: the kernel will tell.
void forget_later(pid_t tid)
{
	for (struct pending **link = &pending; *link;) {
		struct pending *p = *link;

		if (p->tid == tid) {
			*link = p->next;
			free(p);
		} else {
			link = &p->next;
		}
	}
}

static void act_on(const struct pending *p)
{
	struct task *task = find_task(p->tid);

	if (p->act == SEND) {
		send_as(p->tgid, p->tid, p->sig, &p->info);
	} else if (task && p->act == INTERRUPT && task->call.active) {
		task->call.interrupted = true;
		ptrace(PTRACE_INTERRUPT, task->tid, 0, 0);
	} else if (task && p->act == UNPARK && task->state == PARKED) {
		task_starts(task, NULL);
	} else if (task && p->act == RESUME && task->state == HELD) {
		resume(task, task->signal_due);
	}
}

void do_what_is_due(void)
{
	int64_t time = pending ? now() : 0;

	for (struct pending **link = &pending; *link;) {
		struct pending *p = *link;

		if (p->due > time) {
			link = &p->next;
			continue;
		}
		*link = p->next;
		act_on(p);
		free(p);
		link = &pending;	// what was done may have changed the list
	}
}

int64_t time_until_due(void)
{
	int64_t first = INT64_MAX, left;

	for (struct pending *p = pending; p; p = p->next)
		if (p->due < first)
			first = p->due;
	if (!pending)
		return -1;
	left = first - now();
	return left > 0 ? left : 0;
}

// Sends a signal that will be delivered with a siginfo of anybody's: the kernel lets a process queue only SI_QUEUE and
// the like, so that one carries a mark by which signal_arrives() knows which siginfo to put in its place.
void send_as(pid_t tgid, pid_t tid, int sig, const siginfo_t *info)
{
	unsigned int slot = n_sent++ % SENT;
	siginfo_t marked = { .si_signo = sig, .si_code = SI_QUEUE };

	sent[slot] = *info;
	sent[slot].si_signo = sig;
	marked.si_ptr = (void *)(SENT_MARK | slot);
	syscall(SYS_rt_tgsigqueueinfo, tgid, tid, sig, &marked);
}

bool take_sent(const siginfo_t *seen, siginfo_t *real)
{
	uint64_t mark = (uint64_t)seen->si_ptr;

	if (seen->si_code != SI_QUEUE || (mark & ~0xffffffffULL) != SENT_MARK || (mark & 0xffffffff) >= SENT)
		return false;
	*real = sent[mark & 0xffffffff];
	return true;
}
