// SPDX-License-Identifier: GPL-2.0-only
// The vDSO as a part of an address space: protection, exec, fork, moving, unmapping, dropping, other processes' eyes.
#include "clause.h"

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "calls.h"
#include "maps.h"
#include "sigaction.h"

#define USERS_OF_THE_MAPPING "go:vdsoauxv criu:parasite glibc:setup_vdso"

// A mapping that the kernel made for the vDSO's code or data, by the name in /proc/pid/maps.
struct part {
	char name[32], flags[8];
	unsigned long start, end;
};

#define MOST_PARTS 8

// Every [vdso] and [vvar...], lowest address first; how many there are.
static int find_parts(struct part *parts)
{
	char line[512];
	int n = 0;
	FILE *f = fopen("/proc/self/maps", "re");

	while (f && n < MOST_PARTS && fgets(line, sizeof(line), f)) {
		struct part *p = &parts[n];

		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s [%31[a-z_]]", &p->start, &p->end, p->flags, p->name) == 4)
			n += !strcmp(p->name, "vdso") || !strncmp(p->name, "vvar", 4);
	}
	if (f)
		fclose(f);
	return n;
}

#define PARTS_OR_ABSENT(parts, n)			\
	struct part parts[MOST_PARTS];			\
	int n = find_parts(parts);			\
	if (!n)						\
		ABSENT("this kernel gives the program no vDSO")

CLAUSE(its_pages_are_readable_and_executable_and_never_writable,
       "vdso(7), arch/x86/entry/vdso/vma.c map_vdso (5.10): [vdso] is private, VM_READ and VM_EXEC, not VM_WRITE; the "
       "kernel"
       " refuses to write there for the process", .needs = "file=/proc/self/maps", .needed_by = USERS_OF_THE_MAPPING)
{
	PARTS_OR_ABSENT(parts, n);
	int seen = 0;

	for (int i = 0; i < n; i++) {
		if (strcmp(parts[i].name, "vdso"))
			continue;
		seen++;
		EXPECT_STREQ("r-xp", parts[i].flags);
		EXPECT_EQ(0, (parts[i].start | parts[i].end) % getauxval(AT_PAGESZ));
		EXPECT_EQ(getauxval(AT_SYSINFO_EHDR), parts[i].start);
		EXPECT_ERR(EFAULT, slow_gettime(CLOCK_MONOTONIC, parts[i].start + 64));
		EXPECT_ERR(EFAULT, slow_gettime(CLOCK_MONOTONIC, parts[i].end - 64));
	}
	EXPECT_EQ(1, seen);
}

CLAUSE(its_data_can_be_neither_written_nor_executed,
       "arch/x86/entry/vdso/vma.c map_vdso (5.10), lib/vdso/datastore.c (7.2): [vvar] and its kin are read-only, "
       "mprotect(2) does"
       " not change that, and the kernel refuses to write there for the process",
       .needs = "file=/proc/self/maps", .needed_by = USERS_OF_THE_MAPPING)
{
	PARTS_OR_ABSENT(parts, n);
	int seen = 0;

	for (int i = 0; i < n; i++) {
		unsigned long size = parts[i].end - parts[i].start;

		if (!strcmp(parts[i].name, "vdso"))
			continue;
		seen++;
		EXPECT_EQ('r', parts[i].flags[0]);
		EXPECT_EQ('-', parts[i].flags[1]) TH_LOG("[%s] is %s", parts[i].name, parts[i].flags);
		EXPECT_EQ('-', parts[i].flags[2]) TH_LOG("[%s] is %s", parts[i].name, parts[i].flags);
		EXPECT_ERR(EFAULT, slow_gettime(CLOCK_MONOTONIC, parts[i].start + 64));
		EXPECT_TRUE(is_error(raw_syscall(__NR_mprotect, parts[i].start, size, PROT_READ | PROT_WRITE)));
		EXPECT_TRUE(is_error(raw_syscall(__NR_mprotect, parts[i].start, size, PROT_READ | PROT_EXEC)));
	}
	if (!seen)
		ABSENT("this vDSO has no data of its own");
}

CLAUSE(the_bytes_are_the_same_by_every_way_to_read_them,
       "ptrace(2), process_vm_readv(2): a tracer reads the image of another process as that process does itself: "
       "debuggers and"
       " profilers take its symbols from there",
       .needs = "file=/proc/self/mem", .needed_by = "criu:parasite")
{
	VDSO_OR_ABSENT(v);
	unsigned long size = (v.end - v.start) & -sizeof(long);
	char *copy = malloc(size);
	struct iovec here = { copy, size }, there = { (void *)v.start, size };
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC), status;
	long copied;
	pid_t child;

	ASSERT_LE(0, fd);
	EXPECT_RET(size, pread64(fd, copy, size, v.start));
	EXPECT_EQ(0, memcmp(copy, (void *)v.start, size));
	close(fd);
	child = fork();
	ASSERT_LE(0, child);
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	if (WIFSTOPPED(status)) {
		memset(copy, 0, size);
		copied = raw_syscall(__NR_process_vm_readv, child, &here, 1, &there, 1, 0);
		EXPECT_TRUE(copied == size || copied == -ENOSYS);	// CONFIG_CROSS_MEMORY_ATTACH
		EXPECT_TRUE(copied < 0 || !memcmp(copy, (void *)v.start, size));
		errno = 0;
		EXPECT_EQ(*(long *)v.start, ptrace(PTRACE_PEEKTEXT, child, (void *)v.start, NULL));
		EXPECT_EQ(0, errno);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
	}
	free(copy);
}

AFTER_EXEC(tell_address)
{
	unsigned long at = getauxval(AT_SYSINFO_EHDR);
	long now = 0;
	struct vdso v;

	// The address, and that what is there can be called.
	if (vdso_read(&v, NULL) && vdso_function(&v, VDSO_CLOCK_GETTIME))
		now = fast_ns(vdso_function(&v, VDSO_CLOCK_GETTIME), CLOCK_MONOTONIC) > 0;
	return write(atoi(argv[0]), (unsigned long[]){ at, now }, 2 * sizeof(long)) != 2 * sizeof(long);
}

static bool addresses_are_random(void)
{
	char text[16];

	return read_text("/proc/sys/kernel/randomize_va_space", text, sizeof(text)) > 0 && atoi(text) >= 1;
}

CLAUSE(each_exec_has_a_vdso_that_works_and_another_address,
       "vdso(7) DESCRIPTION, Documentation/admin-guide/sysctl/kernel.rst randomize_va_space: the address of the vDSO "
       "page is"
       " randomized, for each execve(2) anew, and what is there can be called", .needed_by = USERS_OF_THE_MAPPING)
{
	unsigned long seen[12][2];
	int pipes[2], distinct = 0;
	char fd[16];

	if (!function_named(VDSO_CLOCK_GETTIME))
		ABSENT("this kernel gives the program no vDSO");
	ASSERT_EQ(0, pipe(pipes));
	snprintf(fd, sizeof(fd), "%d", pipes[1]);
	for (unsigned int i = 0; i < ARRAY_SIZE(seen); i++) {
		IN_CHILD { execute_self(tell_address, fd); _exit(KSFT_FAIL); }
		ASSERT_EQ(sizeof(seen[i]), read(pipes[0], seen[i], sizeof(seen[i])));
		ASSERT_NE(0, seen[i][0]);
		EXPECT_EQ(1, seen[i][1]);
		distinct += i > 0 && seen[i][0] != seen[0][0];
	}
	if (addresses_are_random()) {
		EXPECT_GT(distinct, 0) TH_LOG("at %#lx twelve times", seen[0][0]);
	}
}

CLAUSE(a_forked_child_has_it_where_its_parent_has_it,
       "fork(2), vdso(7): the child's address space is a copy: addresses of functions that the parent has looked up "
       "stay good",
       .needs = "file=/proc/self/maps", .needed_by = USERS_OF_THE_MAPPING)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	PARTS_OR_ABSENT(here, n);

	IN_CHILD {
		struct part there[MOST_PARTS];
		struct sandwich s;

		EXPECT_EQ(n, find_parts(there));
		for (int i = 0; i < n; i++) {
			EXPECT_EQ(here[i].start, there[i].start);
			EXPECT_EQ(here[i].end, there[i].end);
			EXPECT_STREQ(here[i].flags, there[i].flags);
		}
		EXPECT_TRUE(is_in_order(f, CLOCK_MONOTONIC, &s)) LOG_SANDWICH(CLOCK_MONOTONIC, s);
	}
}

// Space for the span of all parts, and each of them moved there; -errno if one of them cannot be.
static long move_parts(const struct part *parts, int n, unsigned long *by)
{
	unsigned long first = parts[0].start, size = parts[n - 1].end - first;
	char *room = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (room == MAP_FAILED)
		return -ENOMEM;
	*by = (unsigned long)room - first;
	for (int i = 0; i < n; i++) {
		unsigned long length = parts[i].end - parts[i].start;
		long at = raw_syscall(__NR_mremap, parts[i].start, length, length, MREMAP_MAYMOVE | MREMAP_FIXED,
				      parts[i].start + *by);

		if (is_error(at))
			return at;
	}
	return 0;
}

// No libc in the child once the old place is gone: on some ABIs its system calls go through the vDSO.
CLAUSE(it_can_be_moved_with_its_data_and_goes_on_working,
       "arch/x86/entry/vdso/vma.c vdso_mremap (5.10), mremap(2): what restores processes moves the mappings to where "
       "they were:"
       " the functions then work at the new address, and signals are delivered",
       .needs = "file=/proc/self/maps", .needed_by = "criu:vdso_do_park")
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	PARTS_OR_ABSENT(parts, n);
	int status;
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (child == 0) {
		unsigned long by = 0;
		long long before, fast;
		long moved;

		arch_leave_vdso();
		moved = move_parts(parts, n, &by);
		if (moved == -EPERM)
			raw_syscall(__NR_exit_group, 77);
		if (moved)
			raw_syscall(__NR_exit_group, 1);
		before = slow_ns(CLOCK_MONOTONIC);
		fast = fast_ns((const char *)f + by, CLOCK_MONOTONIC);
		raw_syscall(__NR_exit_group, before <= fast && fast <= slow_ns(CLOCK_MONOTONIC) ? 0 : 2);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFEXITED(status)) TH_LOG("killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) == 77)
		ABSENT("the kernel seals its own mappings here");
	EXPECT_EQ(0, WEXITSTATUS(status)) {
		TH_LOG("%s", WEXITSTATUS(status) == 1 ? "mremap(2) refused" : "not the time of the system calls");
	}
}

static volatile int caught;

static void note_signal(int sig, siginfo_t *info, void *ucontext)
{
	caught++;
}

// Where the restorer is in the vDSO the kernel takes its own stack trampoline or kills: no signals are sent then.
CLAUSE(a_process_may_give_it_up_and_live_on_with_system_calls,
       "munmap(2), vdso(7): the vDSO is a mapping like others; a process that unmaps it has the system calls, and "
       "signals where"
       " its handlers bring their own return [VDS-8]",
       .needs = "file=/proc/self/maps", .needed_by = "criu:parasite go:walltime")
{
	PARTS_OR_ABSENT(parts, n);
	int status;
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (child == 0) {
		long long before = slow_ns(CLOCK_MONOTONIC), after;
		long result = raw_sigaction(SIGUSR1, note_signal, 0);

		arch_leave_vdso();
		for (int i = 0; i < n; i++) {
			long gone = raw_syscall(__NR_munmap, parts[i].start, parts[i].end - parts[i].start);

			if (gone)
				raw_syscall(__NR_exit_group, gone == -EPERM ? 77 : 1);
		}
		after = slow_ns(CLOCK_MONOTONIC);
#ifdef ARCH_SA_RESTORER
		if (ARCH_SA_RESTORER)
			raw_syscall(__NR_tgkill, raw_syscall(__NR_getpid), raw_syscall(__NR_gettid), SIGUSR1);
		else
#endif
			caught = 1;
		raw_syscall(__NR_exit_group, result == 0 && before <= after && before > 0 && caught == 1 ? 0 : 2);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFEXITED(status)) TH_LOG("killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) == 77)
		ABSENT("the kernel seals its own mappings here");
	EXPECT_EQ(0, WEXITSTATUS(status));
}

CLAUSE(pages_that_are_dropped_come_back,
       "madvise(2) MADV_DONTNEED: the pages of [vdso] and [vvar] may be refused or dropped; those dropped come back "
       "with the"
       " next access, and time goes on", .needs = "file=/proc/self/maps", .needed_by = USERS_OF_THE_MAPPING)
{
	FUNCTION_OR_ABSENT(f, VDSO_CLOCK_GETTIME);
	PARTS_OR_ABSENT(parts, n);
	struct sandwich s;

	for (int i = 0; i < n; i++) {
		raw_syscall(__NR_madvise, parts[i].start, parts[i].end - parts[i].start, MADV_DONTNEED);
		EXPECT_TRUE(is_in_order(f, CLOCK_MONOTONIC, &s)) LOG_SANDWICH(CLOCK_MONOTONIC, s);
	}
	EXPECT_EQ(0, memcmp((void *)getauxval(AT_SYSINFO_EHDR), ELFMAG, SELFMAG));
}

// The last bytes of the mapping are behind the image, so that whoever runs there meets nothing of it.
CLAUSE(a_change_by_a_debugger_stays_in_its_process,
       "arch/x86/entry/vdso/vma.c map_vdso (5.10) VM_MAYWRITE: a breakpoint set in one process is a copy of the page, "
       "and no"
       " other process has it", .needs = "file=/proc/self/mem", .needed_by = "criu:parasite")
{
	PARTS_OR_ABSENT(parts, n);
	unsigned char *last = NULL, was, other;
	bool written = false;

	for (int i = 0; i < n; i++) {
		if (!strcmp(parts[i].name, "vdso"))
			last = (unsigned char *)parts[i].end - 1;
	}
	ASSERT_NE(NULL, last);
	was = *last;
	other = was ^ 0x5a;
	bool *told = mmap(NULL, getauxval(AT_PAGESZ), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)told);
	IN_CHILD {
		int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

		*told = fd >= 0 && pwrite64(fd, &other, 1, (unsigned long)last) == 1;
		if (*told) {
			EXPECT_EQ(other, *last);
		}
		EXPECT_EQ(was, other ^ 0x5a);
	}
	written = *told;
	EXPECT_EQ(was, *last);
	IN_CHILD {
		EXPECT_EQ(was, *last);
	}
	if (!written)
		SKIP(return, "memory that is read-only cannot be written through /proc/self/mem here");
}
