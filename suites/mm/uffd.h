// SPDX-License-Identifier: GPL-2.0-only
// userfaultfd(2) by raw calls: a descriptor, ranges it watches, and faults that it tells.
#ifndef UFFD_H
#define UFFD_H

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include "mm.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1	/* 5.11 */
#endif
#ifndef UFFDIO_MOVE
#define UFFD_FEATURE_MOVE (1 << 16)	/* 6.8 */
struct uffdio_move {
	__u64 dst, src, len, mode;
	__s64 move;
};
#define UFFDIO_MOVE _IOWR(UFFDIO, 5, struct uffdio_move)
#endif

#define ioctl_raw(fd, request, arg) raw_syscall(__NR_ioctl, fd, request, arg)

static inline long uffd_probe(void)
{
	return raw_syscall(__NR_userfaultfd, 0x1234 | UFFD_USER_MODE_ONLY);	// or users would be told EPERM first
}

// A descriptor on which nobody has agreed on anything, or -errno; without privilege for user mode alone.
static inline long new_uffd(void)
{
	long fd = raw_syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	return fd == -EPERM ? raw_syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY) : fd;
}

// One that speaks of the features; *have is what the kernel offers. Or -errno.
static inline long agreed_uffd(uint64_t features, uint64_t *have)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	long fd = new_uffd(), result = fd < 0 ? fd : ioctl_raw(fd, UFFDIO_API, &api);

	if (have)
		*have = api.features;
	return result < 0 ? result : fd;
}

static inline long watch(int fd, const void *at, size_t size, uint64_t mode)
{
	struct uffdio_register r = { .range = { (uintptr_t)at, size }, .mode = mode };

	return ioctl_raw(fd, UFFDIO_REGISTER, &r);
}

static inline long copy_in(int fd, void *to, const void *from, size_t size, int64_t *copied)
{
	struct uffdio_copy c = { .dst = (uintptr_t)to, .src = (uintptr_t)from, .len = size, .copy = 77 };
	long result = ioctl_raw(fd, UFFDIO_COPY, &c);

	if (copied)
		*copied = c.copy;
	return result;
}

static inline long zero_in(int fd, void *to, size_t size)
{
	struct uffdio_zeropage z = { .range = { (uintptr_t)to, size } };

	return ioctl_raw(fd, UFFDIO_ZEROPAGE, &z);
}

static inline long protect(int fd, void *at, size_t size, uint64_t mode)
{
	struct uffdio_writeprotect w = { .range = { (uintptr_t)at, size }, .mode = mode };

	return ioctl_raw(fd, UFFDIO_WRITEPROTECT, &w);
}

// Asks the other thread to touch and waits for the fault to be told; false if it is not.
static inline bool fault_is_told(int fd, struct toucher *t, const void *at, enum touch how, struct uffd_msg *msg)
{
	memset(msg, 0, sizeof(*msg));
	t->at = at;
	t->how = how;
	__atomic_store_n(&t->asked, t->asked + 1, __ATOMIC_RELEASE);
	return wait_until(read(fd, msg, sizeof(*msg)) == sizeof(*msg));
}

static inline bool touch_is_over(struct toucher *t)
{
	return wait_until(__atomic_load_n(&t->answered, __ATOMIC_ACQUIRE) == t->asked);
}

#define UFFD .config = "USERFAULTFD", .probe = uffd_probe, .needed_by = "jvm:ZGC criu:lazy_pages"

// Where a policy keeps userfaultfd from this user there is nothing to show.
#define AGREE(fd, features, have)								\
	long fd = agreed_uffd(features, have);							\
	if (fd == -EPERM)									\
		SKIP(return, "vm.unprivileged_userfaultfd or a policy keeps it from this user");	\
	ASSERT_GE(fd, 0)

#endif
