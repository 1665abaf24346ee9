// SPDX-License-Identifier: GPL-2.0-only
// Calls that wait with another signal mask: rt_sigsuspend(2), ppoll(2), pselect6(2), epoll_pwait(2), epoll_pwait2(2)
// and io_pgetevents(2), with the time of both widths.
#ifndef WAITS_H
#define WAITS_H

#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/epoll.h>

#include "sigaction.h"

static long empty_epoll(void)
{
	return raw_syscall(__NR_epoll_create1, 0);
}

static long by_sigsuspend(const struct kernel_sigset *mask, size_t size, int fd)
{
	return raw_syscall(__NR_rt_sigsuspend, mask, size);
}

static long by_ppoll(const struct kernel_sigset *mask, size_t size, int fd)
{
	struct pollfd file = { .fd = fd, .events = POLLIN };

	return raw_syscall(NR_PPOLL, &file, fd >= 0, NULL, mask, size);
}

static long by_pselect_of(long nr, const struct kernel_sigset *mask, size_t size, int fd)
{
	struct { const void *set; size_t size; } sixth = { mask, size };
	unsigned long files[1024 / 8 / sizeof(long)] = { 0 };

	if (fd >= 0)
		files[fd / (8 * sizeof(long))] |= 1UL << fd % (8 * sizeof(long));
	return raw_syscall(nr, fd + 1, files, NULL, NULL, NULL, &sixth);
}

static long by_pselect(const struct kernel_sigset *mask, size_t size, int fd)
{
	return by_pselect_of(NR_PSELECT6, mask, size, fd);
}

// The calls of 32-bit time, which ABIs that began with it have kept under the old numbers.
#if defined(__NR_ppoll_time64) && defined(__NR_ppoll)
static long by_ppoll_time32(const struct kernel_sigset *mask, size_t size, int fd)
{
	struct pollfd file = { .fd = fd, .events = POLLIN };

	return raw_syscall(__NR_ppoll, &file, fd >= 0, NULL, mask, size);
}
#endif

#if defined(__NR_pselect6_time64) && defined(__NR_pselect6)
static long by_pselect_time32(const struct kernel_sigset *mask, size_t size, int fd)
{
	return by_pselect_of(__NR_pselect6, mask, size, fd);
}
#endif

static long epoll_of(int fd)
{
	struct epoll_event e = { .events = EPOLLIN };
	long ep = empty_epoll();

	if (fd >= 0)
		raw_syscall(__NR_epoll_ctl, ep, EPOLL_CTL_ADD, fd, &e);
	return ep;
}

static long by_epoll_pwait(const struct kernel_sigset *mask, size_t size, int fd)
{
	struct epoll_event e;
	long ep = epoll_of(fd), result = raw_syscall(__NR_epoll_pwait, ep, &e, 1, -1, mask, size);

	raw_syscall(__NR_close, ep);
	return result;
}

#ifdef __NR_epoll_pwait2
static long by_epoll_pwait2(const struct kernel_sigset *mask, size_t size, int fd)
{
	struct epoll_event e;
	long ep = epoll_of(fd), result = raw_syscall(__NR_epoll_pwait2, ep, &e, 1, NULL, mask, size);

	raw_syscall(__NR_close, ep);
	return result;
}
#endif

#ifdef __NR_io_pgetevents_time64
#define NR_IO_PGETEVENTS __NR_io_pgetevents_time64
#else
#define NR_IO_PGETEVENTS __NR_io_pgetevents
#endif

// The queue of asynchronous requests of this process: one for all waits, as its end takes a while.
static long aio_context(aio_context_t *context)
{
	static aio_context_t made;
	static int owner;
	long result = 0;

	if (owner != raw_syscall(__NR_getpid)) {	// what was made before a fork is the other's
		made = 0;
		result = raw_syscall(__NR_io_setup, 4, &made);
		owner = result ? 0 : raw_syscall(__NR_getpid);
	}
	*context = made;
	return result;
}

// Waits for a request that polls the file; without one, for a request that never completes by itself: its pipe has a
// writer that writes nothing.
static long by_io_pgetevents_of(long nr, const struct kernel_sigset *mask, size_t size, int fd)
{
	struct { const void *set; size_t size; } sixth = { mask, size };
	struct iocb request = { .aio_lio_opcode = IOCB_CMD_POLL, .aio_buf = POLLIN }, *requests = &request;
	int silent[2] = { -1, -1 };
	struct io_event event;
	aio_context_t context;
	long result = aio_context(&context);

	if (result)
		return result;
	if (fd < 0)
		raw_syscall(__NR_pipe2, silent, 0);
	request.aio_fildes = fd < 0 ? silent[0] : fd;
	result = raw_syscall(__NR_io_submit, context, 1, &requests);
	if (result == 1) {
		result = raw_syscall(nr, context, 1, 1, &event, NULL, &sixth);
		if (result != 1) {	// nothing is left for the next wait
			raw_syscall(__NR_io_cancel, context, &request, &event);
			while (raw_syscall(NR_IO_PGETEVENTS, context, 1, 1, &event, NULL, NULL) == -EINTR)
				;
		}
	}
	if (fd < 0) {
		raw_syscall(__NR_close, silent[0]);
		raw_syscall(__NR_close, silent[1]);
	}
	return result;
}

static long by_io_pgetevents(const struct kernel_sigset *mask, size_t size, int fd)
{
	return by_io_pgetevents_of(NR_IO_PGETEVENTS, mask, size, fd);
}

#if defined(__NR_io_pgetevents_time64) && defined(__NR_io_pgetevents)
static long by_io_pgetevents_time32(const struct kernel_sigset *mask, size_t size, int fd)
{
	return by_io_pgetevents_of(__NR_io_pgetevents, mask, size, fd);
}
#endif

// Waits with the mask for fd (none: -1) to be readable, and for signals.
static const struct wait {
	const char *name;
	long nr;
	long (*wait)(const struct kernel_sigset *mask, size_t size, int fd);
} waits[] = {
	{ "rt_sigsuspend", __NR_rt_sigsuspend, by_sigsuspend },	// must be the first: it waits for no file
	{ "ppoll",         NR_PPOLL,           by_ppoll },
	{ "pselect6",      NR_PSELECT6,        by_pselect },
#if defined(__NR_ppoll_time64) && defined(__NR_ppoll)
	{ "ppoll of 32-bit time", __NR_ppoll,  by_ppoll_time32 },
#endif
#if defined(__NR_pselect6_time64) && defined(__NR_pselect6)
	{ "pselect6 of 32-bit time", __NR_pselect6, by_pselect_time32 },
#endif
	{ "epoll_pwait",   __NR_epoll_pwait,   by_epoll_pwait },
	{ "io_pgetevents", NR_IO_PGETEVENTS,   by_io_pgetevents },
#if defined(__NR_io_pgetevents_time64) && defined(__NR_io_pgetevents)
	{ "io_pgetevents of 32-bit time", __NR_io_pgetevents, by_io_pgetevents_time32 },
#endif
#ifdef __NR_epoll_pwait2
	{ "epoll_pwait2",  __NR_epoll_pwait2,  by_epoll_pwait2 },
#endif
};

#define FOR_EACH_WAIT(w)						\
	for (const struct wait *w = waits; w < waits + sizeof(waits) / sizeof(*waits); w++)	\
		if (is_there(w))

// epoll_pwait2 came in 5.11; calls of 32-bit time and asynchronous requests may be left out of a kernel.
static bool is_there(const struct wait *w)
{
	struct kernel_sigset none = SIGSET_EMPTY;

	return w->wait(&none, 1, -1) != -ENOSYS;
}

#endif
