// SPDX-License-Identifier: GPL-2.0-only
// Time namespaces: made by unshare(2), shifted through /proc/self/timens_offsets, entered by the next child.
#ifndef TIMENS_H
#define TIMENS_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

#define DAY 86400LL

// In effect for children that are created later; the caller stays where it is.
static inline long new_time_namespace(void)
{
	return raw_syscall(__NR_unshare, CLONE_NEWTIME);
}

#define TIMENS .config = "TIME_NS", .probe = new_time_namespace, .absent_errno = EINVAL, .needs = "cap=sys_admin"

// One write of this text: its length, or -errno.
static inline long write_offsets(const char *text)
{
	long fd = raw_syscall(__NR_openat, AT_FDCWD, "/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC), result;

	if (is_error(fd))
		return fd;
	result = raw_syscall(__NR_write, fd, text, strlen(text));
	raw_syscall(__NR_close, fd);
	return result;
}

// Shifts both clocks of a new namespace by so many seconds and nanoseconds; false if that cannot be done here.
static inline bool shift_clocks(long long monotonic, long long boottime, long nsec)
{
	char text[128];

	snprintf(text, sizeof(text), "monotonic %lld %ld\nboottime %lld %ld\n", monotonic, nsec, boottime, nsec);
	return new_time_namespace() == 0 && write_offsets(text) == (long)strlen(text);
}

#define SHIFT_OR_SKIP(monotonic, boottime, nsec)			\
	if (!shift_clocks(monotonic, boottime, nsec))			\
		SKIP(return, "cannot write /proc/self/timens_offsets")

#endif
