// SPDX-License-Identifier: GPL-2.0-only
// The auxiliary vector as a whole: on the initial stack, in /proc/self/auxv and by PR_GET_AUXV it is the same one.
#include "clause.h"

#include <fcntl.h>
#include <sys/prctl.h>

#include "auxv.h"
#include "guard.h"
#include "thread.h"

#define FILE_PAIRS 512

static size_t own_pairs(void)
{
	return aux_pairs(aux_on_stack(), FILE_PAIRS);
}

static size_t own_size(void)
{
	return own_pairs() * sizeof(struct aux);
}

// One read of a file into aux[FILE_PAIRS]; its result.
static long read_vector(const char *path, struct aux *aux)
{
	long fd = raw_syscall(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC), n;

	if (is_error(fd))
		return fd;
	n = raw_syscall(__NR_read, fd, aux, FILE_PAIRS * sizeof(*aux));
	raw_syscall(__NR_close, fd);
	return n;
}

static bool is_zero(const void *bytes, size_t size)
{
	for (const char *p = bytes; size; size--)
		if (*p++)
			return false;
	return true;
}

// The vector read from a file is that of the stack; a 32-bit program's may have zeroes behind AT_NULL (fs/proc/base.c
// auxv_read counts in the kernel's words).
#define EXPECT_OWN_VECTOR(aux, size) do {							\
	EXPECT_GE((long)(size), (long)own_size());						\
	EXPECT_EQ(0, memcmp(aux, aux_on_stack(), own_size()));					\
	EXPECT_TRUE(is_zero((aux) + own_pairs(), (size) - own_size()));				\
} while (0)

CLAUSE(the_vector_ends_in_at_null_within_64_pairs,
       "getauxval(3) NOTES, include/linux/mm_types.h AT_VECTOR_SIZE (7.2): pairs of words, ended by AT_NULL with"
       " value 0; runtimes keep 64 [AUX-1] [AUX-3]", .needed_by = "go:sysargs go:auxvreadbuf")
{
	size_t pairs = own_pairs();

	EXPECT_LE(pairs, AUX_MOST);
	EXPECT_GT(pairs, 10);
	EXPECT_EQ(0, aux_on_stack()[pairs - 1].value);
}

CLAUSE(no_type_comes_twice,
       "fs/binfmt_elf.c create_elf_tables (7.2): one entry a type, but for the padding that AT_IGNORE and its kin are"
       " [AUX-1]",
       .needed_by = "go:sysauxv glibc:_dl_aux_init")
{
	const struct aux *aux = aux_on_stack();

	for (; aux->type != AT_NULL; aux++) {
		if (ARCH_AUX_MAY_REPEAT(aux->type))
			continue;
		EXPECT_EQ(NULL, aux_find(aux + 1, aux->type)) TH_LOG("type %lu", aux->type);
	}
}

CLAUSE(the_entries_of_every_abi_are_there,
       "fs/binfmt_elf.c create_elf_tables (5.10 to 7.2): entries that every program gets [AUX-1] [AUX-4] [AUX-7]",
       .needed_by = "go:sysauxv glibc:_dl_aux_init musl:__init_libc")
{
	const unsigned long types[] = {
		AT_HWCAP, AT_PAGESZ, AT_CLKTCK, AT_PHDR, AT_PHENT, AT_PHNUM, AT_BASE, AT_FLAGS, AT_ENTRY,
		AT_UID, AT_EUID, AT_GID, AT_EGID, AT_SECURE, AT_RANDOM, AT_EXECFN,
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		EXPECT_NE(NULL, aux_find(aux_on_stack(), types[i])) TH_LOG("type %lu", types[i]);
	}
	if (ARCH_PLATFORM)
		EXPECT_NE(NULL, aux_find(aux_on_stack(), AT_PLATFORM));
}

CLAUSE(proc_self_auxv_is_the_vector_of_the_stack,
       "proc(5) /proc/pid/auxv: the contents of the ELF interpreter information passed to the process at exec time"
       " [AUX-1]",
       .needs = "file=/proc/self/auxv", .needed_by = "go:procAuxv")
{
	static struct aux aux[FILE_PAIRS];
	long size = read_vector("/proc/self/auxv", aux);

	ASSERT_OK(size);
	EXPECT_OWN_VECTOR(aux, size);
}

CLAUSE(one_read_returns_the_whole_vector,
       "fs/proc/base.c auxv_read (7.2): a buffer that is big enough is filled by one read, and the next finds the end"
       " [AUX-2]",
       .needs = "file=/proc/self/auxv", .needed_by = "go:procAuxv go:auxvreadbuf")
{
	const size_t room = 4 * AUX_MOST * sizeof(struct aux);
	struct aux *aux = guarded(room);
	int fd = open("/proc/self/auxv", O_RDONLY);
	long n;

	ASSERT_GE(fd, 0);
	n = raw_syscall(__NR_read, fd, aux, room);
	ASSERT_GE(n, (long)own_size());
	EXPECT_EQ(0, memcmp(aux, aux_on_stack(), own_size()));
	EXPECT_EQ(0, n % sizeof(*aux));
	EXPECT_LE(n, (long)(AUX_MOST * sizeof(*aux)));
	EXPECT_UNTOUCHED(aux, n, room);
	EXPECT_RET(0, raw_syscall(__NR_read, fd, (char *)aux + n, room - n));
	EXPECT_UNTOUCHED(aux, n, room);
	EXPECT_INTACT(aux);
	close(fd);
}

CLAUSE(short_reads_go_on_where_they_ended,
       "read(2): the file offset is incremented by the number of bytes read; fs/proc/base.c auxv_read follows it"
       " [AUX-2]",
       .needs = "file=/proc/self/auxv")
{
	const size_t steps[] = { 1, 3, sizeof(long), sizeof(struct aux), 100 };

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		char bytes[FILE_PAIRS * sizeof(struct aux)];
		int fd = open("/proc/self/auxv", O_RDONLY);
		size_t size = 0;
		long n;

		ASSERT_GE(fd, 0);
		while ((n = raw_syscall(__NR_read, fd, bytes + size, steps[i])) > 0)
			size += n;
		EXPECT_RET(0, n);
		EXPECT_OWN_VECTOR((struct aux *)bytes, size);
		close(fd);
	}
}

CLAUSE(reads_at_an_offset_give_that_part,
       "pread(2): reads at an offset; beyond the end there is nothing, and before the start there is none [AUX-2]",
       .needs = "file=/proc/self/auxv")
{
	const char *wanted = (const char *)aux_on_stack();
	size_t size = own_size();
	int fd = open("/proc/self/auxv", O_RDONLY);
	char bytes[40];

	ASSERT_GE(fd, 0);
	for (size_t at = 0; at < size; at += 5) {
		size_t n = size - at < sizeof(bytes) ? size - at : sizeof(bytes);

		EXPECT_EQ((ssize_t)n, pread(fd, bytes, n, at));
		EXPECT_EQ(0, memcmp(bytes, wanted + at, n));
	}
	EXPECT_EQ(0, pread(fd, bytes, sizeof(bytes), FILE_PAIRS * sizeof(struct aux)));
	EXPECT_EQ(-1, pread(fd, bytes, sizeof(bytes), -1));
	EXPECT_EQ((off_t)(2 * sizeof(long)), lseek(fd, 2 * sizeof(long), SEEK_SET));
	EXPECT_RET(sizeof(long), raw_syscall(__NR_read, fd, bytes, sizeof(long)));
	EXPECT_EQ(0, memcmp(bytes, wanted + 2 * sizeof(long), sizeof(long)));
	close(fd);
}

CLAUSE(reading_into_bad_memory_is_efault,
       "read(2) ERRORS EFAULT: buf is outside your accessible address space", .needs = "file=/proc/self/auxv")
{
	char *buffer = guarded(16);
	int fd = open("/proc/self/auxv", O_RDONLY);

	ASSERT_GE(fd, 0);
	EXPECT_ERR(EFAULT, raw_syscall(__NR_read, fd, forbidden_page(), 16));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_read, fd, NULL, 16));
	EXPECT_RET(16, raw_syscall(__NR_read, fd, buffer, 16));
	EXPECT_EQ(0, memcmp(buffer, aux_on_stack(), 16));
	EXPECT_INTACT(buffer);
	close(fd);
}

struct reader {
	struct aux aux[FILE_PAIRS];
	const char *path;
	long size;
};

static int read_it(void *arg)
{
	struct reader *r = arg;

	r->size = read_vector(r->path, r->aux);
	return 0;
}

CLAUSE(threads_read_the_vector_of_their_process,
       "proc(5) /proc/pid/task/tid: for attributes that are shared by all threads the contents are the process's"
       " [AUX-1]",
       .needs = "file=/proc/thread-self/auxv")
{
	const char *const paths[] = { "/proc/self/auxv", "/proc/thread-self/auxv" };
	static struct reader r;

	for (int i = 0; i < 2; i++) {
		struct thread t;

		r.path = paths[i];
		ASSERT_OK(thread_start(&t, read_it, &r));
		ASSERT_TRUE(thread_join(&t));
		ASSERT_OK(r.size);
		EXPECT_OWN_VECTOR(r.aux, r.size);
	}
}

CLAUSE(a_child_has_its_parents_vector,
       "fork(2): the child is a copy; the vector is of the program, which both run [AUX-1]",
       .needs = "file=/proc/self/auxv")
{
	static struct aux aux[FILE_PAIRS];

	IN_CHILD {
		long size = read_vector("/proc/self/auxv", aux);

		ASSERT_OK(size);
		EXPECT_OWN_VECTOR(aux, size);
	}
}

static long get_auxv(void *buffer, unsigned long size)
{
	return raw_syscall(__NR_prctl, PR_GET_AUXV, buffer, size, 0, 0);
}

static long get_auxv_probe(void)
{
	return get_auxv(NULL, 0);
}

#define GET_AUXV .since = KERNEL(6, 4), .probe = get_auxv_probe, .absent_errno = EINVAL, \
		 .commit = "ddc65971bb67 prctl: add PR_GET_AUXV to copy auxv to userspace"

CLAUSE(pr_get_auxv_gives_the_vector_of_the_stack,
       "kernel/sys.c prctl_get_auxv (7.2): copies the vector that the program was started with, and returns the size"
       " of all [AUX-1]",
       GET_AUXV, .needed_by = "go:sysargs")
{
	struct aux *aux = guarded(FILE_PAIRS * sizeof(*aux));
	long size = get_auxv(aux, FILE_PAIRS * sizeof(*aux));

	ASSERT_GE(size, (long)own_size());
	ASSERT_LE(size, (long)(FILE_PAIRS * sizeof(*aux)));
	EXPECT_OWN_VECTOR(aux, size);
	EXPECT_UNTOUCHED(aux, size, FILE_PAIRS * sizeof(*aux));
	EXPECT_INTACT(aux);
}

CLAUSE(pr_get_auxv_cuts_to_the_size_of_the_buffer,
       "kernel/sys.c prctl_get_auxv (7.2): as many bytes as there is room for, and the size of the whole as result",
       GET_AUXV)
{
	long size = get_auxv(NULL, 0);
	const size_t pair = sizeof(struct aux), rooms[] = { 1, pair / 2, pair, pair + 1, own_size() - 1, own_size() };

	ASSERT_GT(size, 0);
	for (size_t i = 0; i < sizeof(rooms) / sizeof(*rooms); i++) {
		char *buffer = guarded(rooms[i]);

		EXPECT_RET(size, get_auxv(buffer, rooms[i]));
		EXPECT_EQ(0, memcmp(buffer, aux_on_stack(), rooms[i]));
		EXPECT_INTACT(buffer);
		guard_free(buffer);
	}
}

CLAUSE(pr_get_auxv_needs_no_buffer_for_the_size,
       "kernel/sys.c prctl_get_auxv (7.2): with length 0 nothing is written, wherever the buffer is", GET_AUXV)
{
	char *buffer = guarded(8);
	long size = get_auxv(buffer, 0);

	EXPECT_GE(size, (long)own_size());
	EXPECT_UNTOUCHED(buffer, 0, 8);
	EXPECT_RET(size, get_auxv(NULL, 0));
	EXPECT_RET(size, get_auxv(forbidden_page(), 0));
	EXPECT_INTACT(buffer);
}

CLAUSE(pr_get_auxv_refuses_bad_buffers_and_spare_arguments,
       "kernel/sys.c prctl (7.2): EFAULT where the copy fails; EINVAL where arg4 or arg5 is not 0", GET_AUXV)
{
	char *buffer = guarded(64);

	EXPECT_ERR(EFAULT, get_auxv(forbidden_page(), 16));
	EXPECT_ERR(EFAULT, get_auxv(NULL, 1));
	EXPECT_ERR(EFAULT, get_auxv(unmapped_page(), 1));
	EXPECT_ERR(EFAULT, get_auxv(buffer + 56, 9));
	EXPECT_INTACT(buffer);
	memset(buffer, GUARD_BYTE, 64);
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_GET_AUXV, buffer, 64, 1, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_GET_AUXV, buffer, 64, 0, 1));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_prctl, PR_GET_AUXV, NULL, 0, 1, 1));
	EXPECT_UNTOUCHED(buffer, 0, 64);
}

CLAUSE(a_vector_set_by_prctl_is_the_one_that_is_read,
       "prctl(2) PR_SET_MM_AUXV: set a new auxiliary vector; /proc/pid/auxv and PR_GET_AUXV show it", .needs =
       "cap=sys_resource file=/proc/self/auxv")
{
	static struct aux set[FILE_PAIRS], aux[FILE_PAIRS];

	IN_CHILD {
		long size, pairs = own_pairs();

		memcpy(set, aux_on_stack(), own_size());
		set[0].value = 0x1234567;
		set[pairs - 2].value = 0x89abcde;
		size = raw_syscall(__NR_prctl, PR_SET_MM, PR_SET_MM_AUXV, set, pairs * sizeof(*set), 0);
		ASSERT_RET(0, size);
		size = read_vector("/proc/self/auxv", aux);
		ASSERT_GE(size, (long)(pairs * sizeof(*aux)));
		EXPECT_EQ(0, memcmp(set, aux, size));
		memset(aux, 0, sizeof(aux));
		if (!is_error(get_auxv(aux, sizeof(aux))))
			EXPECT_EQ(0, memcmp(set, aux, sizeof(aux)));
	}
}
