// SPDX-License-Identifier: GPL-2.0-only
// Raw threads over the port's raw_clone().
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <linux/sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sync.h"
#include "sys.h"
#include "thread.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

long thread_start(struct thread *t, int (*fn)(void *), void *arg)
{
	return thread_start_with(t, 0, fn, arg);
}

long thread_start_with(struct thread *t, unsigned long flags, int (*fn)(void *), void *arg)
{
	size_t page = sysconf(_SC_PAGESIZE), frame = (getauxval(AT_MINSIGSTKSZ) + page - 1) & -page;
	long tid;

	t->stack_size = page + THREAD_STACK + 2 * frame;
	t->stack = mmap(NULL, t->stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->stack == MAP_FAILED)
		return -errno;
	mprotect(t->stack, page, PROT_NONE);
	tid = raw_clone(THREAD_FLAGS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | flags,
			t->stack + t->stack_size, fn, arg, (int *)&t->tid, NULL, (int *)&t->tid);
	t->known_as = tid;
	if (is_error(tid))
		munmap(t->stack, t->stack_size);
	return tid;
}

// Two witnesses, so that neither clear_child_tid nor tgkill alone carries the harness.
bool thread_is_gone(const struct thread *t)
{
	return t->tid == 0 || raw_syscall(__NR_tgkill, getpid(), t->known_as, 0) == -ESRCH;
}

bool thread_join(struct thread *t)
{
	if (is_error(t->known_as))
		return true;
	if (!wait_until(thread_is_gone(t)))
		return false;
	munmap(t->stack, t->stack_size);
	return true;
}
