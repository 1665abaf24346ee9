// SPDX-License-Identifier: GPL-2.0-only
// Code that a program writes and then runs: mprotect(2) with PROT_EXEC, in one thread and across threads.
#include "clause.h"

#include <fcntl.h>
#include <linux/mount.h>

#include "maps.h"
#include "mm.h"

// The two instructions that a port knows as bytes; which of them ran shows in the signal.
enum code { TRAPS = ARCH_TRAP_SIGNAL, UNDEFINED = SIGILL };

static void write_code(char *at, enum code code)
{
	if (code == TRAPS)
		memcpy(at, (const void *)arch_trap, ARCH_TRAP_LENGTH);
	else
		memcpy(at, (const void *)arch_undefined, ARCH_UNDEFINED_LENGTH);
	__builtin___clear_cache(at, at + 64);
}

// The signal that ends an attempt to run what is there.
static int run(const char *at)
{
	return touch(at, EXECUTE) >> 16;
}

CLAUSE(code_that_was_written_runs_once_it_may,
       "mprotect(2) PROT_EXEC: the memory can be used to store instructions which can then be executed",
       .needed_by = "jvm:CodeCache v8:CodeRange dotnet:ExecutableAllocator")
{
	char *p = pages(2);

	write_code(p + 128, UNDEFINED);
	write_code(p + page_size(), TRAPS);
	ASSERT_OK(mprotect_raw(p, 2 * page_size(), PROT_READ | PROT_EXEC));
	EXPECT_EQ(UNDEFINED, run(p + 128));
	EXPECT_EQ(TRAPS, run(p + page_size()));
	EXPECT_EQ(FORBIDDEN, touch(p, WRITE));
}

CLAUSE(memory_without_the_permission_does_not_run,
       "mprotect(2) PROT_EXEC: without it execution ends in SIGSEGV, SEGV_ACCERR, where the hardware can tell",
       .needs = "cpu=nx", .needed_by = "jvm:CodeCache v8:CodeRange")
{
	char *p = pages(1);

	write_code(p, UNDEFINED);
	EXPECT_EQ(FORBIDDEN, touch(p, EXECUTE));
	ASSERT_OK(mprotect_raw(p, page_size(), PROT_READ));
	EXPECT_EQ(FORBIDDEN, touch(p, EXECUTE));
	ASSERT_OK(mprotect_raw(p, page_size(), PROT_NONE));
	EXPECT_EQ(FORBIDDEN, touch(p, EXECUTE));
}

CLAUSE(flips_between_writing_and_running_take_effect_each_time,
       "mprotect(2) DESCRIPTION: each change holds at once, so that memory is either written or run",
       .needed_by = "dotnet:ExecutableWriterHolder v8:CodePageMemoryModificationScope", .needs = "cpu=nx")
{
	char *p = pages(1);

	for (int i = 0; i < 50; i++) {
		enum code code = i % 2 ? TRAPS : UNDEFINED;

		write_code(p, code);
		EXPECT_EQ(FORBIDDEN, touch(p, EXECUTE));
		ASSERT_OK(mprotect_raw(p, page_size(), PROT_READ | PROT_EXEC));
		EXPECT_EQ(code, run(p));
		EXPECT_EQ(FORBIDDEN, touch(p, WRITE));
		ASSERT_OK(mprotect_raw(p, page_size(), RW));
	}
}

CLAUSE(code_written_by_one_thread_runs_in_another,
       "mprotect(2) DESCRIPTION: the memory and its protection are the process's; a thread that never saw the page runs"
       " what another one wrote", .needed_by = "jvm:CompileBroker v8:ConcurrentSparkplug")
{
	struct toucher t = { 0 };
	char *p = pages(1);

	ASSERT_TRUE(toucher_start(&t));
	for (int i = 0; i < 20; i++) {
		enum code code = i % 2 ? TRAPS : UNDEFINED;

		write_code(p + 64 * i, code);
		ASSERT_OK(mprotect_raw(p, page_size(), PROT_READ | PROT_EXEC));
		EXPECT_EQ(code, other_touches(&t, p + 64 * i, EXECUTE) >> 16);
		ASSERT_OK(mprotect_raw(p, page_size(), RW));
	}
	EXPECT_TRUE(toucher_stop(&t));
}

CLAUSE(other_threads_may_not_run_what_has_become_data,
       "mprotect(2) DESCRIPTION: no thread's CPU goes by the old protection once the call has returned",
       .needs = "cpu=nx", .needed_by = "v8:CodeRange")
{
	struct toucher t = { 0 };
	char *p = pages(1);

	write_code(p, UNDEFINED);
	ASSERT_TRUE(toucher_start(&t));
	for (int i = 0; i < 20; i++) {
		ASSERT_OK(mprotect_raw(p, page_size(), PROT_READ | PROT_EXEC));
		EXPECT_EQ(UNDEFINED, other_touches(&t, p, EXECUTE) >> 16);
		ASSERT_OK(mprotect_raw(p, page_size(), RW));
		EXPECT_EQ(FORBIDDEN, other_touches(&t, p, EXECUTE));
	}
	EXPECT_TRUE(toucher_stop(&t));
}

CLAUSE(code_that_may_only_be_run_runs,
       "mmap(2) PROT_EXEC: pages may be executed, whether or not they can then be read")
{
	char *p = pages(1);

	// Not what is undefined: a kernel may read that, to emulate it, and cannot (powerpc emulate_instruction).
	write_code(p, TRAPS);
	ASSERT_OK(mprotect_raw(p, page_size(), PROT_EXEC));
	EXPECT_EQ(TRAPS, run(p));
	// SEGV_PKUERR where a protection key keeps it from being read, SEGV_ACCERR elsewhere.
	EXPECT_EQ(SIGSEGV, touch(p, WRITE) >> 16);
}

CLAUSE(code_written_through_one_view_of_a_memfd_runs_through_another,
       "mmap(2) MAP_SHARED: updates are visible to all mappings of the region, one that may be written and one that may"
       " be run [NET-3]", .needed_by = "dotnet:ExecutableAllocator jvm:CodeCache")
{
	int fd = memfd_create("osprim-mm", MFD_CLOEXEC);
	char *data, *code;

	ASSERT_EQ(0, ftruncate(fd, page_size()));
	data = (char *)mmap_raw(NULL, page_size(), RW, MAP_SHARED, fd, 0);
	code = (char *)mmap_raw(NULL, page_size(), PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	if (code == (char *)-EACCES || code == (char *)-EPERM)
		SKIP(return, "vm.memfd_noexec or a policy keeps memfds from being run");
	ASSERT_OK((long)data);
	ASSERT_OK((long)code);
	for (int i = 0; i < 8; i++) {
		write_code(data + 64 * i, i % 2 ? TRAPS : UNDEFINED);
		__builtin___clear_cache(code, code + page_size());
		EXPECT_EQ(i % 2 ? TRAPS : UNDEFINED, run(code + 64 * i));
	}
	EXPECT_EQ(FORBIDDEN, touch(code, WRITE));
}

#define READ_IS_EXECUTE 0x400000	/* READ_IMPLIES_EXEC of personality(2) */

CLAUSE(what_can_be_read_can_be_run_by_those_of_old,
       "personality(2) READ_IMPLIES_EXEC: with this flag set, PROT_READ implies PROT_EXEC for mmap(2), and for"
       " mprotect(2); memory that cannot be read stays as it is", .needs = "file=/proc/self/smaps")
{
	char *p = pages(1), *q, *none;
	struct mapping m;

	if (is_error(raw_syscall(__NR_personality, READ_IS_EXECUTE)))
		SKIP(return, "personality(2) is not allowed here");
	q = (char *)mmap_raw(NULL, page_size(), RW, ANONYMOUS, -1, 0);
	none = (char *)mmap_raw(NULL, page_size(), PROT_NONE, ANONYMOUS, -1, 0);
	ASSERT_OK((long)q);
	write_code(q, UNDEFINED);
	EXPECT_EQ(UNDEFINED, run(q));
	ASSERT_TRUE(find_mapping(0, q, &m));
	EXPECT_NE(NULL, strstr(m.text, " rwxp ")) TH_LOG("%.60s", m.text);
	ASSERT_TRUE(find_mapping(0, none, &m));
	EXPECT_NE(NULL, strstr(m.text, " ---p ")) TH_LOG("%.60s", m.text);
	write_code(p, UNDEFINED);
	ASSERT_OK(mprotect_raw(p, page_size(), PROT_READ));
	EXPECT_EQ(UNDEFINED, run(p));
	ASSERT_RET(READ_IS_EXECUTE, raw_syscall(__NR_personality, 0));
	q = (char *)mmap_raw(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(find_mapping(0, q, &m));
	EXPECT_NE(NULL, strstr(m.text, " rw-s ")) TH_LOG("%.60s", m.text);
}

// A file of a tmpfs that nobody sees and from which nothing may be run: its descriptor or -errno, a page long.
static long file_without_exec(void)
{
	long fs = raw_syscall(__NR_fsopen, "tmpfs", FSOPEN_CLOEXEC), mount, fd;

	if (fs < 0)
		return fs;
	fd = raw_syscall(__NR_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	mount = fd < 0 ? fd : raw_syscall(__NR_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOEXEC);
	if (mount < 0)
		return mount;
	fd = raw_syscall(__NR_openat, mount, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0755);
	return fd >= 0 && ftruncate(fd, page_size()) ? -errno : fd;
}

CLAUSE(a_file_of_a_mount_without_exec_is_not_made_executable,
       "mmap(2) ERRORS EPERM: PROT_EXEC, and the file is on a filesystem that was mounted no-exec; mprotect(2) EACCES:"
       " memory cannot be given the access; execve(2) EACCES, also where reading implies executing",
       .needs = "file=/proc/self/smaps cap=sys_admin", .needed_by = "v8:CodeRange dotnet:ExecutableAllocator")
{
	const int kinds[] = { MAP_PRIVATE, MAP_SHARED };
	long fd = file_without_exec();
	char path[48];

	if (fd == -EPERM || fd == -ENODEV || fd == -ENOSYS)
		SKIP(return, "no tmpfs can be mounted here");
	ASSERT_GE(fd, 0);
	for (int i = 0; i < 2; i++) {
		struct mapping m;
		char *p = (char *)mmap_raw(NULL, page_size(), RW, kinds[i], fd, 0);

		ASSERT_OK((long)p);
		EXPECT_ERR(EPERM, mmap_raw(NULL, page_size(), PROT_READ | PROT_EXEC, kinds[i], fd, 0));
		EXPECT_ERR(EACCES, mprotect_raw(p, page_size(), PROT_READ | PROT_EXEC));
		EXPECT_ERR(EACCES, mprotect_raw(p, page_size(), PROT_EXEC));
		EXPECT_OK(mprotect_raw(p, page_size(), PROT_READ));
		IN_CHILD {
			if (is_error(raw_syscall(__NR_personality, READ_IS_EXECUTE)))
				_exit(0);
			EXPECT_OK(mprotect_raw(p, page_size(), RW));
			p = (char *)mmap_raw(NULL, page_size(), PROT_READ, kinds[i], fd, 0);
			ASSERT_OK((long)p);
			ASSERT_TRUE(find_mapping(0, p, &m));
			EXPECT_EQ(NULL, strstr(m.text, " r-x")) TH_LOG("%.60s", m.text);
		}
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%ld", fd);
	EXPECT_ERR(EACCES, raw_syscall(__NR_execve, path, ((char *[]){ "x", NULL }), environ));
}
