// SPDX-License-Identifier: GPL-2.0-only
// memfd_create(2), its seals (fcntl(2)) and memfd_secret(2).
#include "clause.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "mm.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10	/* 5.1 */
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20		/* 6.3 */
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U		/* 6.3 */
#define MFD_EXEC 0x10U
#endif

#define memfd_raw(name, flags) raw_syscall(__NR_memfd_create, name, flags)
#define add_seals(fd, seals)   raw_syscall(NR_FCNTL, fd, F_ADD_SEALS, seals)
#define get_seals(fd)          raw_syscall(NR_FCNTL, fd, F_GET_SEALS)

#ifdef __NR_fcntl64
#define NR_FCNTL __NR_fcntl64
#else
#define NR_FCNTL __NR_fcntl
#endif

// A memfd of two pages that can be sealed.
static int sealable(void)
{
	int fd = memfd_raw("osprim-mm", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, 2 * page_size()) || pwrite(fd, "f", 1, 0) != 1)
		abort();
	return fd;
}

CLAUSE(a_memfd_is_an_empty_file_without_a_name,
       "memfd_create(2) DESCRIPTION: creates an anonymous file, initially of size 0, that behaves as a regular one"
       " and is named memfd: in /proc/self/fd", .needed_by = "dotnet:ExecutableAllocator jvm:ZGC")
{
	int fd = memfd_raw("osprim name", 0);
	char path[32], target[64] = "", byte = 0;

	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	EXPECT_EQ(O_RDWR, fcntl(fd, F_GETFL) & O_ACCMODE);
	ASSERT_EQ(1, pwrite(fd, "x", 1, 3 * page_size()));
	EXPECT_EQ(3 * page_size() + 1, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(1, pread(fd, &byte, 1, page_size()));
	EXPECT_EQ(0, byte);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ASSERT_GT(readlink(path, target, sizeof(target) - 1), 0);
	EXPECT_EQ(0, strncmp(target, "/memfd:osprim name", 18)) TH_LOG("%s", target);
}

CLAUSE(two_memfds_of_one_name_are_two_files,
       "memfd_create(2) name: names do not affect the behavior, and several files can have the same name")
{
	int first = memfd_raw("osprim-mm", MFD_CLOEXEC), second = memfd_raw("osprim-mm", MFD_CLOEXEC);

	ASSERT_EQ(1, pwrite(first, "x", 1, 0));
	EXPECT_EQ(0, lseek(second, 0, SEEK_END));
	EXPECT_EQ(FD_CLOEXEC, fcntl(first, F_GETFD));
}

CLAUSE(memfds_that_cannot_be_are_refused,
       "memfd_create(2) ERRORS: EINVAL for unknown flags and names longer than 249 bytes, EFAULT for an address that"
       " is none")
{
	char name[251];

	memset(name, 'n', 250);
	name[250] = 0;
	EXPECT_ERR(EINVAL, memfd_raw("x", 0x8000));
	EXPECT_ERR(EINVAL, memfd_raw("x", 0x80000000));
	EXPECT_ERR(EINVAL, memfd_raw(name, 0));
	name[249] = 0;
	EXPECT_OK(memfd_raw(name, 0));
	EXPECT_OK(memfd_raw("", 0));
	EXPECT_ERR(EFAULT, memfd_raw(NULL, 0));
	EXPECT_ERR(EFAULT, memfd_raw(forbidden_page(), 0));
}

CLAUSE(a_memfd_that_may_not_be_sealed_is_sealed_against_seals,
       "memfd_create(2) MFD_ALLOW_SEALING: without it the initial set of seals is F_SEAL_SEAL; fcntl(2) F_ADD_SEALS"
       " EPERM")
{
	int fd = memfd_raw("osprim-mm", MFD_CLOEXEC), other = sealable();

	EXPECT_RET(F_SEAL_SEAL, get_seals(fd) & ~F_SEAL_EXEC);
	EXPECT_ERR(EPERM, add_seals(fd, F_SEAL_WRITE));
	EXPECT_RET(0, get_seals(other) & ~F_SEAL_EXEC);
	EXPECT_EQ(1, pwrite(fd, "x", 1, 0));
}

CLAUSE(seals_add_up_until_they_are_sealed,
       "fcntl(2) F_ADD_SEALS, F_GET_SEALS: add seals, which cannot be removed; F_SEAL_SEAL: further ones fail with"
       " EPERM")
{
	int fd = sealable();

	EXPECT_RET(0, add_seals(fd, F_SEAL_SHRINK));
	EXPECT_RET(0, add_seals(fd, F_SEAL_GROW));
	EXPECT_RET(F_SEAL_SHRINK | F_SEAL_GROW, get_seals(fd) & 0x1f);
	EXPECT_ERR(EINVAL, add_seals(fd, 0x4000));
	EXPECT_RET(0, add_seals(fd, F_SEAL_SEAL));
	EXPECT_ERR(EPERM, add_seals(fd, F_SEAL_WRITE));
	EXPECT_RET(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, get_seals(fd) & 0x1f);
}

CLAUSE(only_who_may_write_can_seal,
       "fcntl(2) F_ADD_SEALS: the file descriptor must be open for writing, else EPERM; the seals of the file can be"
       " read through any; EINVAL for what cannot be sealed")
{
	char path[32];
	int fd = sealable(), reader, ends[2];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(reader, 0);
	EXPECT_ERR(EPERM, add_seals(reader, F_SEAL_SHRINK));
	EXPECT_ERR(EPERM, add_seals(reader, F_SEAL_SEAL));
	EXPECT_RET(0, get_seals(fd) & 0x1f);
	EXPECT_EQ(0, ftruncate(fd, page_size()));
	EXPECT_RET(0, add_seals(fd, F_SEAL_GROW));
	EXPECT_RET(F_SEAL_GROW, get_seals(reader) & 0x1f);
	ASSERT_EQ(0, pipe(ends));
	EXPECT_ERR(EINVAL, add_seals(ends[1], F_SEAL_GROW));
	EXPECT_ERR(EINVAL, get_seals(ends[0]));
}

CLAUSE(a_seal_against_shrinking_keeps_the_size_from_falling,
       "fcntl(2) F_SEAL_SHRINK: the size cannot be reduced, EPERM, by ftruncate or open with"
       " O_TRUNC; it can still grow", .needed_by = "v8:SharedMemory")
{
	int fd = sealable();
	char path[32];

	ASSERT_RET(0, add_seals(fd, F_SEAL_SHRINK));
	EXPECT_ERR(EPERM, raw_syscall(__NR_ftruncate, fd, page_size(), 0, 0));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_EQ(-1, open(path, O_RDWR | O_TRUNC | O_CLOEXEC));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(2 * page_size(), lseek(fd, 0, SEEK_END));
	EXPECT_EQ(1, pwrite(fd, "x", 1, 3 * page_size()));
}

CLAUSE(a_seal_against_growing_keeps_the_size_from_rising,
       "fcntl(2) F_SEAL_GROW: the size cannot be increased, by write, ftruncate or fallocate, EPERM; it can"
       " still shrink")
{
	int fd = sealable();

	ASSERT_RET(0, add_seals(fd, F_SEAL_GROW));
	EXPECT_ERR(EPERM, raw_syscall(__NR_ftruncate, fd, 3 * page_size(), 0, 0));
	EXPECT_EQ(-1, pwrite(fd, "x", 1, 2 * page_size()));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, fallocate(fd, 0, 0, 3 * page_size()));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, fallocate(fd, 0, 2 * page_size(), 1));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(2 * page_size(), lseek(fd, 0, SEEK_END));
	EXPECT_EQ(0, fallocate(fd, 0, 0, 2 * page_size()));
	EXPECT_EQ(1, pwrite(fd, "x", 1, page_size()));
	EXPECT_EQ(0, ftruncate(fd, page_size()));
}

CLAUSE(a_seal_against_writing_keeps_the_contents,
       "fcntl(2) F_SEAL_WRITE: contents cannot be modified: write and shared writable mappings fail with EPERM, and a"
       " mapping cannot be made writable; private ones can be written")
{
	int fd = sealable();
	char *p;

	ASSERT_RET(0, add_seals(fd, F_SEAL_WRITE));
	EXPECT_EQ(-1, pwrite(fd, "x", 1, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_ERR(EPERM, mmap_raw(NULL, page_size(), RW, MAP_SHARED, fd, 0));
	EXPECT_EQ(-1, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, page_size()));
	p = (char *)mmap_raw(NULL, page_size(), RW, MAP_PRIVATE, fd, 0);
	ASSERT_OK((long)p);
	EXPECT_EQ('f', *p);
	EXPECT_EQ(NO_FAULT, touch(p, WRITE));
	EXPECT_EQ(1, pread(fd, p + 1, 1, 0));
	EXPECT_EQ('f', p[1]);
}

CLAUSE(a_file_that_is_mapped_for_writing_cannot_be_sealed_against_it,
       "fcntl(2) ERRORS EBUSY: F_SEAL_WRITE, and there exists a writable, shared mapping of the file")
{
	int fd = sealable();
	char *p = (char *)mmap_raw(NULL, page_size(), RW, MAP_SHARED, fd, 0);

	ASSERT_OK((long)p);
	EXPECT_ERR(EBUSY, add_seals(fd, F_SEAL_WRITE));
	EXPECT_RET(0, get_seals(fd) & 0x1f);
	ASSERT_OK(munmap_raw(p, page_size()));
	EXPECT_RET(0, add_seals(fd, F_SEAL_WRITE));
}

CLAUSE(a_seal_against_future_writing_leaves_old_mappings,
       "fcntl(2) F_SEAL_FUTURE_WRITE: as F_SEAL_WRITE, but shared writable mappings that exist can still be written")
{
	int fd = sealable();
	char *p = (char *)mmap_raw(NULL, page_size(), RW, MAP_SHARED, fd, 0), *later;

	ASSERT_OK((long)p);
	EXPECT_RET(0, add_seals(fd, F_SEAL_FUTURE_WRITE));
	EXPECT_EQ(NO_FAULT, touch(p, WRITE));
	EXPECT_EQ(-1, pwrite(fd, "x", 1, 0));
	EXPECT_ERR(EPERM, mmap_raw(NULL, page_size(), RW, MAP_SHARED, fd, 0));
	later = (char *)mmap_raw(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_OK((long)later);
	EXPECT_EQ('w', *later);
	EXPECT_ERR(EACCES, mprotect_raw(later, page_size(), RW));
}

// Whether a memfd can be created as not executable: its descriptor, which stays open.
static long noexec_probe(void)
{
	return memfd_raw("osprim-mm", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
}

CLAUSE(a_memfd_not_to_be_run_is_sealed_so,
       "memfd_create(2), Documentation/userspace-api/mfd_noexec.rst: MFD_NOEXEC_SEAL creates it without execute bits"
       " and with F_SEAL_EXEC; with MFD_EXEC it is EINVAL [NET-3]", .since = KERNEL(6, 3), .probe = noexec_probe,
       .absent_errno = EINVAL)
{
	int fd = noexec_probe();
	struct stat st;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(0, st.st_mode & 0111);
	EXPECT_TRUE(get_seals(fd) & F_SEAL_EXEC);
	EXPECT_EQ(-1, fchmod(fd, 0777));
	EXPECT_EQ(EPERM, errno);
	EXPECT_ERR(EINVAL, memfd_raw("osprim-mm", MFD_NOEXEC_SEAL | MFD_EXEC));
}

static long new_secret(void)
{
	long fd;

#ifdef __NR_memfd_secret
	fd = raw_syscall(__NR_memfd_secret, 0);
#else
	fd = -ENOSYS;
#endif
	return fd;
}

CLAUSE(a_file_of_secret_memory_is_absent_or_works,
       "memfd_secret(2): creates a file whose pages are visible to those who map it alone: not to read(2), and not to"
       " system calls that would pin them")
{
	int fd = new_secret();
	char *p;

	// CONFIG_SECRETMEM since 5.14, but off until 6.5 unless the command line says secretmem.enable=1, and not for
	// CPUs whose direct map cannot be changed page by page.
	if (fd == -ENOSYS)
		ABSENT("no secret memory, or it is not enabled");
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ftruncate(fd, page_size()));
	p = (char *)mmap_raw(NULL, page_size(), RW, MAP_SHARED, fd, 0);
	if (is_error((long)p))
		SKIP(return, "RLIMIT_MEMLOCK does not let a page be secret");
	EXPECT_TRUE(are_zero(p, 1));
	mark_pages(p, 1, 's');
	EXPECT_TRUE(are_marked(p, 1, 's'));
	EXPECT_EQ(-1, read(fd, pages(1), 1));
	EXPECT_ERR(EINVAL, mmap_raw(NULL, page_size(), RW, MAP_PRIVATE, fd, 0));
}
