// SPDX-License-Identifier: GPL-2.0-only
// mmap(2): what it refuses, with which error, and that nothing is mapped then.
#include "clause.h"

#include <fcntl.h>

#include "mm.h"

// A flag that means nothing to any kernel and is none of the legacy ones that MAP_SHARED has always ignored.
#define UNKNOWN_FLAG 0x1000000

// A memfd of so many pages, page i marked with 'f' + i, opened once more with `flags` where they are not O_RDWR.
static int file_of(size_t n, int flags)
{
	int fd = memfd_create("osprim-mm", MFD_CLOEXEC), other;
	char path[32];

	for (size_t i = 0; i < n; i++) {
		char mark = 'f' + i;

		if (pwrite(fd, &mark, 1, i * page_size()) != 1 ||
		    pwrite(fd, &mark, 1, (i + 1) * page_size() - 1) != 1)
			abort();
	}
	if (flags == O_RDWR)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	other = open(path, flags | O_CLOEXEC);
	close(fd);
	return other;
}

CLAUSE(length_zero_is_einval,
       "mmap(2) ERRORS EINVAL: length was 0, whatever was to be mapped and wherever", .needed_by = "go:mmap")
{
	char *p = pages(1);
	int fd = file_of(1, O_RDWR);

	mark_pages(p, 1, 'a');
	EXPECT_ERR(EINVAL, mmap_raw(NULL, 0, RW, ANONYMOUS, -1, 0));
	EXPECT_ERR(EINVAL, mmap_raw(p, 0, RW, ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_ERR(EINVAL, mmap_raw(NULL, 0, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_TRUE(are_marked(p, 1, 'a'));
}

CLAUSE(length_that_no_address_space_has_is_enomem,
       "mmap(2) ERRORS ENOMEM: no memory is available; mm/mmap.c do_mmap (5.10, 7.2): a length that overflows included"
       " [MAP-8] [incident 97]", .needed_by = "go:sysAlloc musl:expand_heap")
{
	const size_t lengths[] = {
		SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - page_size() + 2, SIZE_MAX - page_size() + 1,
		SIZE_MAX - 2 * page_size() + 1, SIZE_MAX - 100 * page_size(),
	};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		EXPECT_ERR(ENOMEM, mmap_raw(NULL, lengths[i], RW, ANONYMOUS, -1, 0)) TH_LOG("length %#zx", lengths[i]);
		EXPECT_ERR(ENOMEM, mmap_raw(NULL, lengths[i], PROT_NONE, ANONYMOUS | MAP_NORESERVE, -1, 0));
	}
}

CLAUSE(length_is_rounded_up_to_whole_pages,
       "mmap(2) NOTES: the remaining bytes of a last page that is not filled are there and zeroed")
{
	char *p = pages_of(4, PROT_NONE);

	EXPECT_RET(p, mmap_raw(p, 1, RW, ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_TRUE(are_zero(p, 1));
	EXPECT_EQ(FORBIDDEN, touch(p + page_size(), READ));
	EXPECT_RET(p, mmap_raw(p, page_size() + 1, RW, ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_TRUE(are_zero(p, 2));
	EXPECT_EQ(FORBIDDEN, touch(p + 2 * page_size(), READ));
}

CLAUSE(a_fixed_address_that_is_not_aligned_is_einval,
       "mmap(2) ERRORS EINVAL: addr is not aligned on a page boundary, with MAP_FIXED or MAP_FIXED_NOREPLACE")
{
	char *p = pages(3);
	const size_t offsets[] = { 1, 8, page_size() / 2, page_size() - 1 };

	mark_pages(p, 3, 'a');
	for (int i = 0; i < 4; i++) {
		EXPECT_ERR(EINVAL, mmap_raw(p + offsets[i], page_size(), RW, ANONYMOUS | MAP_FIXED, -1, 0));
		EXPECT_ERR(EINVAL, mmap_raw(p + offsets[i], 1, RW, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	}
	EXPECT_TRUE(are_marked(p, 3, 'a'));
}

CLAUSE(an_offset_that_is_not_aligned_is_einval,
       "mmap(2) ERRORS EINVAL: offset is not aligned on a page boundary")
{
	int fd = file_of(3, O_RDWR);

	if (MMAP_OFFSET_UNIT >= page_size())
		SKIP(return, "this ABI counts offsets in pages");
	EXPECT_ERR(EINVAL, mmap_raw(NULL, page_size(), PROT_READ, MAP_PRIVATE, fd, page_size() / 2));
	if (MMAP_OFFSET_UNIT == 1) {
		EXPECT_ERR(EINVAL, mmap_raw(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 1));
		EXPECT_ERR(EINVAL, mmap_raw(NULL, page_size(), PROT_READ, MAP_PRIVATE, fd, page_size() - 1));
	}
}

CLAUSE(flags_without_a_type_are_einval,
       "mmap(2) ERRORS EINVAL: flags contained none of MAP_PRIVATE, MAP_SHARED, or MAP_SHARED_VALIDATE")
{
	int fd = file_of(1, O_RDWR);

	EXPECT_ERR(EINVAL, mmap_raw(NULL, page_size(), RW, MAP_ANONYMOUS, -1, 0));
	EXPECT_ERR(EINVAL, mmap_raw(NULL, page_size(), PROT_READ, 0, fd, 0));
	EXPECT_ERR(EINVAL, mmap_raw(NULL, page_size(), RW, MAP_ANONYMOUS | MAP_SHARED | MAP_PRIVATE, -1, 0));
}

CLAUSE(a_descriptor_that_is_none_is_ebadf,
       "mmap(2) ERRORS EBADF: fd is not a valid file descriptor, and MAP_ANONYMOUS was not set; open(2) O_PATH: other"
       " file operations fail with EBADF")
{
	int path = open("/", O_PATH | O_CLOEXEC);

	EXPECT_ERR(EBADF, mmap_raw(NULL, page_size(), PROT_READ, MAP_PRIVATE, -1, 0));
	EXPECT_ERR(EBADF, mmap_raw(NULL, page_size(), PROT_READ, MAP_SHARED, 1000000, 0));
	EXPECT_ERR(EBADF, mmap_raw(NULL, page_size(), PROT_READ, MAP_PRIVATE, path, 0));
	EXPECT_ERR(EBADF, mmap_raw(NULL, 0, PROT_READ, MAP_PRIVATE, -1, 0));
}

CLAUSE(the_descriptor_of_anonymous_memory_is_ignored,
       "mmap(2) MAP_ANONYMOUS: the fd argument is ignored")
{
	const int fds[] = { 0, 1000000, -2, file_of(1, O_RDWR) };

	for (int i = 0; i < 4; i++) {
		char *p = (char *)mmap_raw(NULL, page_size(), RW, ANONYMOUS, fds[i], 0);

		ASSERT_OK((long)p);
		EXPECT_TRUE(are_zero(p, 1));
	}
}

CLAUSE(files_that_have_no_memory_are_enodev,
       "mmap(2) ERRORS ENODEV: the underlying filesystem of the file does not support memory mapping")
{
	int ends[2], directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ASSERT_EQ(0, pipe(ends));
	EXPECT_ERR(ENODEV, mmap_raw(NULL, page_size(), PROT_READ, MAP_PRIVATE, ends[0], 0));
	EXPECT_ERR(ENODEV, mmap_raw(NULL, page_size(), PROT_READ, MAP_SHARED, ends[0], 0));
	EXPECT_ERR(ENODEV, mmap_raw(NULL, page_size(), PROT_READ, MAP_PRIVATE, directory, 0));
}

CLAUSE(a_file_opened_for_writing_alone_is_eacces,
       "mmap(2) ERRORS EACCES: a file mapping was requested, but fd is not open for reading")
{
	int fd = file_of(1, O_WRONLY);

	ASSERT_GE(fd, 0);
	EXPECT_ERR(EACCES, mmap_raw(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_ERR(EACCES, mmap_raw(NULL, page_size(), PROT_WRITE, MAP_SHARED, fd, 0));
	EXPECT_ERR(EACCES, mmap_raw(NULL, page_size(), RW, MAP_PRIVATE, fd, 0));
	EXPECT_ERR(EACCES, mmap_raw(NULL, page_size(), PROT_NONE, MAP_PRIVATE, fd, 0));
}

CLAUSE(shared_writing_to_a_file_opened_for_reading_is_eacces,
       "mmap(2) ERRORS EACCES: MAP_SHARED was requested and PROT_WRITE is set, but fd is not open in read/write mode")
{
	int fd = file_of(1, O_RDONLY);
	char *p;

	ASSERT_GE(fd, 0);
	EXPECT_ERR(EACCES, mmap_raw(NULL, page_size(), RW, MAP_SHARED, fd, 0));
	EXPECT_ERR(EACCES, mmap_raw(NULL, page_size(), PROT_WRITE, MAP_SHARED_VALIDATE, fd, 0));
	p = (char *)mmap_raw(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_OK((long)p);
	EXPECT_EQ('f', *p);
	EXPECT_ERR(EACCES, mprotect_raw(p, page_size(), RW));
	EXPECT_EQ(FORBIDDEN, touch(p, WRITE));
}

CLAUSE(a_private_mapping_of_a_file_opened_for_reading_can_be_written,
       "mmap(2) MAP_PRIVATE: updates are not carried through to the file, so it need not be open for writing")
{
	int fd = file_of(2, O_RDONLY);
	char *p = (char *)mmap_raw(NULL, 2 * page_size(), RW, MAP_PRIVATE, fd, 0), in_file = 0;

	ASSERT_OK((long)p);
	EXPECT_EQ(NO_FAULT, touch(p, WRITE));
	EXPECT_EQ('w', *p);
	EXPECT_EQ('g', p[page_size()]);
	ASSERT_EQ(1, pread(fd, &in_file, 1, 0));
	EXPECT_EQ('f', in_file);
}

CLAUSE(unknown_flags_are_refused_to_those_who_ask_for_it,
       "mmap(2) MAP_SHARED_VALIDATE: the kernel verifies all passed flags are known and fails with EOPNOTSUPP for"
       " unknown flags; MAP_SHARED ignores them")
{
	int fd = file_of(1, O_RDWR);

	EXPECT_ERR(EOPNOTSUPP, mmap_raw(NULL, page_size(), RW, MAP_SHARED_VALIDATE | UNKNOWN_FLAG, fd, 0));
#ifdef MAP_SYNC
	EXPECT_ERR(EOPNOTSUPP, mmap_raw(NULL, page_size(), RW, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0));
#endif
	EXPECT_OK(mmap_raw(NULL, page_size(), RW, MAP_SHARED_VALIDATE, fd, 0));
	EXPECT_OK(mmap_raw(NULL, page_size(), RW, MAP_SHARED | UNKNOWN_FLAG, fd, 0));
	EXPECT_OK(mmap_raw(NULL, page_size(), RW, ANONYMOUS | UNKNOWN_FLAG, -1, 0));
}

CLAUSE(an_offset_beyond_what_a_file_can_have_is_eoverflow,
       "mmap(2) ERRORS EOVERFLOW: the number of pages used for length plus those used for offset would overflow;"
       " mm/mmap.c file_mmap_ok (5.10, 7.2): or pass the largest file", .needs = "native")
{
	int fd = file_of(1, O_RDWR);
	unsigned long last = -(unsigned long)(MMAP_OFFSET_UNIT == 1 ? page_size() : page_size() / MMAP_OFFSET_UNIT);

	EXPECT_ERR(EOVERFLOW, raw_syscall(NR_MMAP, NULL, 2 * page_size(), PROT_READ, MAP_SHARED, fd, last));
	EXPECT_ERR(EOVERFLOW, raw_syscall(NR_MMAP, NULL, 2 * page_size(), PROT_READ, MAP_PRIVATE, fd, last));
}

CLAUSE(shared_memory_cannot_grow_down,
       "mmap(2) MAP_GROWSDOWN: is used for stacks; mm/mmap.c do_mmap (5.10, 7.2): EINVAL for shared memory and files")
{
	int fd = file_of(1, O_RDWR);

	EXPECT_ERR(EINVAL, mmap_raw(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
	EXPECT_ERR(EINVAL, mmap_raw(NULL, page_size(), RW, MAP_PRIVATE | MAP_GROWSDOWN, fd, 0));
}

CLAUSE(the_lowest_addresses_are_eperm_for_users,
       "Documentation/admin-guide/sysctl/vm.rst mmap_min_addr: the amount of address space which a user process will be"
       " restricted from mmapping; mmap(2) ERRORS EPERM", .as_nobody = 1, .needs = "file=/proc/sys/vm/mmap_min_addr")
{
	unsigned long last;
	char text[32];
	long result;

	ASSERT_GT(read_text("/proc/sys/vm/mmap_min_addr", text, sizeof(text)), 0);
	if (geteuid() == 0 || strtoul(text, NULL, 10) < page_size())
		SKIP(return, "the lowest page is not kept from this user");
	last = (strtoul(text, NULL, 10) - 1) & -page_size();
	if (last) {
		EXPECT_ERR(EPERM, mmap_raw((void *)last, page_size(), RW, ANONYMOUS | MAP_FIXED, -1, 0));
		EXPECT_ERR(EPERM, mmap_raw((void *)last, page_size(), PROT_NONE, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
		EXPECT_EQ(NOT_THERE, touch((void *)last, READ));
	}
	// The first page: EINVAL where not even root may map it (arch/arm arch_mmap_check).
	for (int i = 0; i < 2; i++) {
		result = mmap_raw(NULL, page_size(), RW, ANONYMOUS | (i ? MAP_FIXED : MAP_FIXED_NOREPLACE), -1, 0);
		EXPECT_TRUE(result == -EPERM || result == -EINVAL) {
			TH_LOG("the first page: %ld", result);
		}
	}
	EXPECT_EQ(NOT_THERE, touch(NULL, READ));
}
