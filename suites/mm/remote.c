// SPDX-License-Identifier: GPL-2.0-only
// The memory of another process: process_vm_readv(2), /proc/pid/mem, process_madvise(2), process_mrelease(2).
#include "clause.h"

#include <fcntl.h>
#include <sys/uio.h>

#include "mm.h"

#define readv_raw(pid, to, n, from, m, flags)  raw_syscall(__NR_process_vm_readv, pid, to, n, from, m, flags)
#define writev_raw(pid, from, n, to, m, flags) raw_syscall(__NR_process_vm_writev, pid, from, n, to, m, flags)

// A child that waits for its end; -1 if there is none. It ends with its parent's end of the pipe too.
static pid_t waiting_child(void)
{
	int ends[2];
	pid_t child;
	char byte;

	if (pipe(ends))
		return -1;
	child = fork();
	if (child == 0) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) != 0);
	}
	close(ends[0]);
	return child;
}

static void end_child(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static long vm_probe(void)
{
	return readv_raw(getpid(), NULL, 0, NULL, 0, 0);
}

CLAUSE(another_process_can_be_read_and_written,
       "process_vm_readv(2) DESCRIPTION: transfers data between the address spaces, as the two vectors say, and"
       " returns the bytes; the caller's own memory does not change where both have the address",
       .config = "CROSS_MEMORY_ATTACH",
       .probe = vm_probe, .needed_by = "dotnet:createdump rust:remoteprocess")
{
	char *p = pages(4), *buffer = guarded(2 * page_size());
	struct iovec local = { buffer, 2 * page_size() }, remote = { p, 2 * page_size() };
	pid_t child;

	mark_pages(p, 4, 'a');
	child = waiting_child();
	ASSERT_GT(child, 0);
	mark_pages(p, 4, 'k');
	EXPECT_RET(2 * page_size(), readv_raw(child, &local, 1, &remote, 1, 0));
	EXPECT_TRUE(buffer[0] == 'a' && buffer[page_size()] == 'b' && buffer[2 * page_size() - 1] == 'b');
	EXPECT_INTACT(buffer);
	memset(buffer, 'z', 2 * page_size());
	EXPECT_RET(2 * page_size(), writev_raw(child, &local, 1, &remote, 1, 0));
	EXPECT_TRUE(are_marked(p, 4, 'k'));
	memset(buffer, 0, 2 * page_size());
	EXPECT_RET(2 * page_size(), readv_raw(child, &local, 1, &remote, 1, 0));
	EXPECT_TRUE(buffer[0] == 'z' && buffer[2 * page_size() - 1] == 'z');
	end_child(child);
}

CLAUSE(vectors_of_different_shape_are_filled_in_order,
       "process_vm_readv(2) DESCRIPTION: buffers are processed in array order; one is completely filled before"
       " proceeding to the next", .config = "CROSS_MEMORY_ATTACH", .probe = vm_probe)
{
	char *p = pages(2), to[12] = "";
	struct iovec local[] = { { to, 3 }, { to + 3, 0 }, { to + 3, 6 } };
	struct iovec remote[] = { { p, 2 }, { p + page_size() - 2, 4 }, { p + 1, 3 } };

	memcpy(p, "abcd", 4);
	memcpy(p + page_size() - 2, "WXYZ", 4);
	EXPECT_RET(9, readv_raw(getpid(), local, 3, remote, 3, 0));
	EXPECT_STREQ("abWXYZbcd", to);
}

CLAUSE(a_hole_in_the_other_process_ends_the_transfer_before_it,
       "process_vm_readv(2) RETURN VALUE: partial transfers apply at the granularity of iovec elements and pages;"
       " EFAULT if nothing could be transferred", .config = "CROSS_MEMORY_ATTACH", .probe = vm_probe)
{
	char *p = island(2, 1), *to = pages(4);
	struct iovec remote[] = { { p, page_size() }, { p + page_size(), 2 * page_size() } };
	struct iovec local = { to, 3 * page_size() };
	struct iovec hole = { p + 2 * page_size(), 8 };

	mark_pages(p, 2, 'a');
	EXPECT_RET(2 * page_size(), readv_raw(getpid(), &local, 1, remote, 2, 0));
	EXPECT_TRUE(are_marked(to, 2, 'a'));
	EXPECT_TRUE(are_zero(to + 2 * page_size(), 2));
	EXPECT_ERR(EFAULT, readv_raw(getpid(), &local, 1, &hole, 1, 0));
}

CLAUSE(what_the_other_process_may_not_do_is_not_done_for_it,
       "process_vm_writev(2) ERRORS EFAULT: the memory of remote_iov is outside the accessible address space;"
       " protection holds", .config = "CROSS_MEMORY_ATTACH", .probe = vm_probe)
{
	char *p = pages(2), from[8] = "written";
	struct iovec local = { from, 8 }, remote = { p, 8 };

	mark_pages(p, 2, 'a');
	ASSERT_OK(mprotect_raw(p, page_size(), PROT_READ));
	EXPECT_ERR(EFAULT, writev_raw(getpid(), &local, 1, &remote, 1, 0));
	EXPECT_RET(8, readv_raw(getpid(), &local, 1, &remote, 1, 0));
	ASSERT_OK(mprotect_raw(p, page_size(), PROT_NONE));
	EXPECT_ERR(EFAULT, readv_raw(getpid(), &local, 1, &remote, 1, 0));
	ASSERT_OK(mprotect_raw(p, page_size(), RW));
	EXPECT_TRUE(are_marked(p, 2, 'a'));
}

CLAUSE(transfers_that_make_no_sense_are_refused,
       "process_vm_readv(2) ERRORS: EINVAL for flags, lengths that overflow and more than IOV_MAX elements, EFAULT for"
       " vectors that are not there, ESRCH for no process", .config = "CROSS_MEMORY_ATTACH", .probe = vm_probe)
{
	char *p = pages(2);
	struct iovec own = { p, 8 }, too_long = { p, SIZE_MAX };
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	EXPECT_ERR(EINVAL, readv_raw(getpid(), &own, 1, &own, 1, 1));
	EXPECT_ERR(EINVAL, readv_raw(getpid(), &too_long, 1, &own, 1, 0));
	EXPECT_ERR(EINVAL, readv_raw(getpid(), &own, 1025, &own, 1, 0));
	EXPECT_ERR(EINVAL, writev_raw(getpid(), &own, 1, &own, 1025, 0));
	EXPECT_ERR(EFAULT, readv_raw(getpid(), forbidden_page(), 1, &own, 1, 0));
	EXPECT_ERR(EFAULT, writev_raw(getpid(), &own, 1, forbidden_page(), 1, 0));
	EXPECT_ERR(ESRCH, readv_raw(child, &own, 1, &own, 1, 0));
	EXPECT_RET(0, readv_raw(getpid(), &own, 0, &own, 1, 0));
}

CLAUSE(users_cannot_read_those_of_others,
       "process_vm_readv(2) ERRORS EPERM: the caller does not have permission to access the address space of the"
       " process",
       .config = "CROSS_MEMORY_ATTACH", .probe = vm_probe, .as_nobody = 1)
{
	char *p = pages(1);
	struct iovec own = { p, 8 };

	if (geteuid() == 0)
		SKIP(return, "root reads whom it likes");
	EXPECT_ERR(EPERM, readv_raw(1, &own, 1, &own, 1, 0));
	EXPECT_ERR(EPERM, writev_raw(1, &own, 1, &own, 1, 0));
}

CLAUSE(proc_mem_is_the_memory_itself,
       "proc(5) /proc/pid/mem: can be used to access the pages of a process's memory through open, read, and lseek;"
       " what is not mapped is EIO", .needs = "file=/proc/self/mem", .needed_by = "go:debug_core jvm:SA")
{
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	char *p = island(2, 1), *to = guarded(8);

	ASSERT_GE(fd, 0);
	memcpy(p + page_size() - 4, "fourbyte", 8);
	EXPECT_EQ(8, pread64(fd, to, 8, (uintptr_t)p + page_size() - 4));
	EXPECT_EQ(0, memcmp(to, "fourbyte", 8));
	EXPECT_INTACT(to);
	EXPECT_EQ(4, pread64(fd, to, 8, (uintptr_t)p + 2 * page_size() - 4));
	EXPECT_EQ(-1, pread64(fd, to, 8, (uintptr_t)p + 2 * page_size()));
	EXPECT_EQ(EIO, errno);
}

#ifdef __NR_process_madvise
#define madvise_of(pidfd, vec, n, advice, flags) raw_syscall(__NR_process_madvise, pidfd, vec, n, advice, flags)

static long madvise_of_probe(void)
{
	return madvise_of(-1, NULL, 0, MADV_COLD, 0);
}

CLAUSE(advice_for_a_process_keeps_its_memory_and_counts_the_bytes,
       "process_madvise(2) RETURN VALUE: the number of bytes advised; MADV_COLD and MADV_PAGEOUT are nondestructive",
       .config = "ADVISE_SYSCALLS", .probe = madvise_of_probe, .needs = "cap=sys_nice", .needed_by = "v8:MemoryPurge")
{
	char *p = pages(8);
	struct iovec vec[] = { { p, 2 * page_size() }, { p + 4 * page_size(), 3 * page_size() } };
	int pidfd = raw_syscall(__NR_pidfd_open, getpid(), 0), other;
	pid_t child;

	mark_pages(p, 8, 'a');
	EXPECT_RET(5 * page_size(), madvise_of(pidfd, vec, 2, MADV_COLD, 0));
	EXPECT_RET(5 * page_size(), madvise_of(pidfd, vec, 2, MADV_PAGEOUT, 0));
	EXPECT_TRUE(are_marked(p, 8, 'a'));
	child = waiting_child();
	other = raw_syscall(__NR_pidfd_open, child, 0);
	EXPECT_RET(2 * page_size(), madvise_of(other, vec, 1, MADV_COLD, 0));
	end_child(child);
	EXPECT_ERR(ESRCH, madvise_of(other, vec, 1, MADV_COLD, 0));
}

CLAUSE(advice_for_a_process_that_destroys_is_refused,
       "process_madvise(2) ERRORS: EINVAL for advice that is not for other processes and for flags, EBADF for a"
       " descriptor that is no pidfd, ENOMEM for what is not mapped",
       .config = "ADVISE_SYSCALLS", .probe = madvise_of_probe,
       .needs = "cap=sys_nice")
{
	char *p = island(2, 1);
	struct iovec vec = { p, page_size() }, hole = { p + 2 * page_size(), page_size() };
	pid_t child;
	int pidfd;

	mark_pages(p, 2, 'a');
	child = waiting_child();
	pidfd = raw_syscall(__NR_pidfd_open, child, 0);
	ASSERT_GE(pidfd, 0);
	EXPECT_ERR(EINVAL, madvise_of(pidfd, &vec, 1, MADV_DONTNEED, 0));
	EXPECT_ERR(EINVAL, madvise_of(pidfd, &vec, 1, MADV_REMOVE, 0));
	EXPECT_ERR(EINVAL, madvise_of(pidfd, &vec, 1, MADV_COLD, 1));
	EXPECT_ERR(ENOMEM, madvise_of(pidfd, &hole, 1, MADV_COLD, 0));
	EXPECT_ERR(EBADF, madvise_of(-1, &vec, 1, MADV_COLD, 0));
	EXPECT_ERR(EBADF, madvise_of(memfd_create("x", 0), &vec, 1, MADV_COLD, 0));
	end_child(child);
	EXPECT_TRUE(are_marked(p, 2, 'a'));
}
#endif

#ifdef __NR_process_mrelease
static long release_probe(void)
{
	return raw_syscall(__NR_process_mrelease, -1, 0);
}

CLAUSE(only_the_memory_of_the_dying_can_be_released,
       "process_mrelease(2), mm/oom_kill.c (5.15, 7.2): frees the memory of a process that is dying; EINVAL if it is"
       " not and for flags, EBADF for no pidfd, ESRCH once it is gone", .since = KERNEL(5, 15), .probe = release_probe)
{
	pid_t child = waiting_child();
	int pidfd = raw_syscall(__NR_pidfd_open, child, 0);

	ASSERT_GE(pidfd, 0);
	EXPECT_ERR(EINVAL, raw_syscall(__NR_process_mrelease, pidfd, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_process_mrelease, pidfd, 1));
	EXPECT_ERR(EBADF, raw_syscall(__NR_process_mrelease, -1, 0));
	EXPECT_EQ(0, waitpid(child, NULL, WNOHANG));
	end_child(child);
	EXPECT_ERR(ESRCH, raw_syscall(__NR_process_mrelease, pidfd, 0));
}
#endif
