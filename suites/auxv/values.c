// SPDX-License-Identifier: GPL-2.0-only
// What the entries of the auxiliary vector say, against other witnesses of the same facts.
#include "clause.h"

#include <asm/param.h>		/* HZ: the unit of clock ticks in this ABI */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "auxv.h"
#include "guard.h"
#include "launch.h"

#define MEBIBYTE (1024UL * 1024)
#define SECOND_NS 1000000000ULL

CLAUSE(pagesz_is_a_power_of_two_between_4k_and_512k,
       "getauxval(3) AT_PAGESZ: the system page size; runtimes are built for 4 KiB to 512 KiB [AUX-7]",
       .needed_by = "go:sysauxv glibc:_dl_pagesize")
{
	unsigned long page = own_aux(AT_PAGESZ);

	EXPECT_EQ(0, page & (page - 1));
	EXPECT_GE(page, 4096);
	EXPECT_LE(page, 512 * 1024);
}

static void *map(void *at, size_t size, int flags)
{
	return mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

CLAUSE(pagesz_is_the_granularity_of_mappings,
       "mmap(2) MAP_FIXED, mprotect(2), munmap(2): addresses are multiples of the page size, none smaller will do"
       " [AUX-7]",
       .needed_by = "go:sysauxv")
{
	unsigned long page = own_aux(AT_PAGESZ);
	char *p = map(NULL, MEBIBYTE + page, 0);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, (uintptr_t)p % page);
	for (size_t offset = 1; offset < page; offset *= 2) {
		EXPECT_ERR(EINVAL, raw_syscall(__NR_mprotect, p + offset, page, PROT_READ));
		EXPECT_ERR(EINVAL, raw_syscall(__NR_munmap, p + offset, page));
		EXPECT_ERR(EINVAL, raw_syscall(__NR_madvise, p + offset, page, MADV_NORMAL));
		EXPECT_EQ(MAP_FAILED, map(p + offset, page, MAP_FIXED));
	}
	EXPECT_RET(0, raw_syscall(__NR_mprotect, p + page, page, PROT_READ));
	EXPECT_RET(0, raw_syscall(__NR_madvise, p + page, page, MADV_NORMAL));
	EXPECT_EQ(p + page, map(p + page, page, MAP_FIXED));
	EXPECT_RET(0, raw_syscall(__NR_munmap, p + page, page));
}

CLAUSE(pagesz_is_the_granularity_of_mincore,
       "mincore(2) ERRORS EINVAL: addr is not a multiple of the page size; and one entry is written for each page"
       " [AUX-7] [MINC-1]",
       .needed_by = "go:sysauxv")
{
	unsigned long page = own_aux(AT_PAGESZ);
	unsigned char *vec = guarded(4);
	char *p = map(NULL, 4 * page, 0);

	ASSERT_NE(MAP_FAILED, p);
	for (size_t offset = 1; offset < page; offset *= 2)
		EXPECT_ERR(EINVAL, raw_syscall(__NR_mincore, p + offset, 1, vec));
	EXPECT_UNTOUCHED(vec, 0, 4);
	EXPECT_RET(0, raw_syscall(__NR_mincore, p + page, 2 * page, vec));
	EXPECT_NE(GUARD_BYTE, vec[1]);
	EXPECT_UNTOUCHED(vec, 2, 4);
	EXPECT_INTACT(vec);
}

static bool can_read(const char *p)
{
	int pipes[2];
	bool can;

	if (pipe(pipes))
		return false;
	can = write(pipes[1], p, 1) == 1;
	close(pipes[0]);
	close(pipes[1]);
	return can;
}

CLAUSE(protections_end_exactly_at_page_borders,
       "mprotect(2) DESCRIPTION: changes the protection of the pages that contain any part of the range, and no"
       " other's [AUX-7]")
{
	unsigned long page = own_aux(AT_PAGESZ);
	char *p = map(NULL, 3 * page, 0);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_RET(0, raw_syscall(__NR_mprotect, p + page, 1, PROT_NONE));
	EXPECT_TRUE(can_read(p + page - 1));
	EXPECT_FALSE(can_read(p + page));
	EXPECT_FALSE(can_read(p + 2 * page - 1));
	EXPECT_TRUE(can_read(p + 2 * page));
}

static unsigned long long boottime_ns(void)
{
	struct __kernel_timespec now = { 0 };

	raw_syscall(NR_CLOCK_GETTIME, 7 /* CLOCK_BOOTTIME */, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

CLAUSE(clktck_is_the_unit_of_times_in_proc,
       "getauxval(3) AT_CLKTCK: the frequency with which times(2) counts; proc(5) starttime is in the same ticks"
       " since boot, so a new process's lies between two looks at CLOCK_BOOTTIME", .needs = "file=/proc/self/stat",
       .needed_by = "glibc:sysconf(_SC_CLK_TCK)")
{
	unsigned long long ticks = own_aux(AT_CLKTCK), before = boottime_ns(), after, started;
	int gate[2], status;
	pid_t child;

	ASSERT_EQ(0, pipe(gate));
	child = fork();
	if (child == 0) {
		close(gate[1]);
		_exit(read(gate[0], &status, 1) < 0);
	}
	after = boottime_ns();
	started = stat_field(child, 22);
	EXPECT_GE(started, before / 1000 * ticks / 1000000);
	EXPECT_LE(started, after / 1000 * ticks / 1000000 + 1);
	close(gate[1]);
	EXPECT_EQ(child, waitpid(child, &status, 0));
}

CLAUSE(clktck_is_the_user_hz_of_the_abi,
       "include/uapi/asm-generic/param.h HZ: clock ticks are counted in USER_HZ, a part of the ABI, whatever HZ the"
       " kernel runs with",
       .needed_by = "glibc:sysconf(_SC_CLK_TCK)")
{
	EXPECT_EQ(HZ, own_aux(AT_CLKTCK));
}

CLAUSE(phdr_is_where_the_programs_headers_are,
       "getauxval(3) AT_PHDR, AT_PHENT, AT_PHNUM: address, size and number of the program headers",
       .needed_by = "glibc:_dl_aux_init musl:__init_tls rust:std::backtrace")
{
	const ElfW(Phdr) *headers = (const void *)own_aux(AT_PHDR);

	EXPECT_EQ((const char *)&__ehdr_start + __ehdr_start.e_phoff, (const char *)headers);
	EXPECT_EQ(sizeof(ElfW(Phdr)), own_aux(AT_PHENT));
	EXPECT_EQ(__ehdr_start.e_phentsize, own_aux(AT_PHENT));
	EXPECT_EQ(__ehdr_start.e_phnum, own_aux(AT_PHNUM));
}

CLAUSE(entry_base_and_flags_of_a_static_program,
       "getauxval(3) AT_ENTRY: the entry address of the program; AT_BASE: that of the interpreter, 0 without one;"
       " AT_FLAGS: 0",
       .needed_by = "glibc:_dl_aux_init")
{
	EXPECT_EQ(__ehdr_start.e_entry, own_aux(AT_ENTRY));
	EXPECT_EQ(0, own_aux(AT_BASE));
	EXPECT_EQ(0, own_aux(AT_FLAGS));
}

CLAUSE(ids_are_those_that_the_calls_return,
       "getauxval(3) AT_UID, AT_EUID, AT_GID, AT_EGID: the real and effective user and group ids of the program",
       .needed_by = "glibc:__libc_init_secure")
{
	EXPECT_EQ((unsigned long)raw_syscall(NR_GETUID), own_aux(AT_UID));
	EXPECT_EQ((unsigned long)raw_syscall(NR_GETEUID), own_aux(AT_EUID));
	EXPECT_EQ((unsigned long)raw_syscall(NR_GETGID), own_aux(AT_GID));
	EXPECT_EQ((unsigned long)raw_syscall(NR_GETEGID), own_aux(AT_EGID));
}

CLAUSE(platform_is_the_name_of_the_architecture,
       "getauxval(3) AT_PLATFORM: a string that identifies the hardware platform [AUX-10]", .needed_by = "go:sysauxv")
{
	const char *platform = (const char *)own_aux(AT_PLATFORM);
	unsigned long start, end;
	char name[256];

	if (!ARCH_PLATFORM && !platform)
		ABSENT("this ABI promises no AT_PLATFORM");
	ASSERT_NE(NULL, platform);
	end = mapping_end(getpid(), (unsigned long)platform, &start, name);
	ASSERT_NE(NULL, memchr(platform, 0, end - (unsigned long)platform));
	EXPECT_STREQ("[stack]", name);
	if (ARCH_PLATFORM)
		EXPECT_STREQ(ARCH_PLATFORM, platform);
}

CLAUSE(base_platform_is_a_string_where_there_is_one,
       "getauxval(3) AT_BASE_PLATFORM: a string that identifies the real platform; only some architectures have it"
       " [AUX-10]")
{
	const char *platform = (const char *)own_aux(AT_BASE_PLATFORM);
	unsigned long start, end;
	char name[256];

	if (!platform)
		ABSENT("no AT_BASE_PLATFORM");
	end = mapping_end(getpid(), (unsigned long)platform, &start, name);
	EXPECT_STREQ("[stack]", name);
	EXPECT_NE(NULL, memchr(platform, 0, end - (unsigned long)platform));
}

CLAUSE(hwcaps_are_what_the_cpu_says,
       "getauxval(3) AT_HWCAP, AT_HWCAP2: bit masks of the CPU's features, architecture by architecture [AUX-9]",
       .needed_by = "go:sysauxv glibc:__init_cpu_features")
{
	const char *wrong = arch_hwcap_mismatch(own_aux(AT_HWCAP), own_aux(AT_HWCAP2));

	if (!ARCH_HAS_HWCAP_CHECKS)
		SKIP(return, "the port has no second witness of the CPU's features");
	EXPECT_EQ(NULL, wrong) TH_LOG("AT_HWCAP %#lx AT_HWCAP2 %#lx: %s", own_aux(AT_HWCAP), own_aux(AT_HWCAP2), wrong);
}

CLAUSE(features_that_hwcaps_name_can_be_used,
       "getauxval(3) AT_HWCAP, AT_HWCAP2: a feature whose bit is set is there for programs: its instructions run"
       " [AUX-9] [JVM-8] [incident 23]",
       .needed_by = "go:sysauxv glibc:__init_cpu_features")
{
	int used = 0;

	for (const struct arch_hwcap_use *u = arch_hwcap_uses(); u->name; u++) {
		bool named = (own_aux(u->type) & u->bits) == u->bits;

		if (!named && !u->only_if_named)
			continue;
		used++;
		if (named) {
			IN_CHILD
				u->use();
		} else {
			pid_t child = fork();
			int status;

			if (child == 0) {
				u->use();
				_exit(0);
			}
			EXPECT_EQ(child, waitpid(child, &status, 0));
			EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGILL);
		}
		if (_metadata->exit_code)
			TH_LOG("%s is %s by the vector", u->name, named ? "named" : "not named");
	}
	if (!used)
		SKIP(return, "the port has no instructions for what the vector names");
}

CLAUSE(hwcaps_are_the_same_in_every_program,
       "fs/binfmt_elf.c create_elf_tables (7.2): AT_HWCAP and its kin are the machine's [AUX-9]")
{
	const unsigned long types[] = { AT_HWCAP, AT_HWCAP2, AT_PAGESZ, AT_CLKTCK, AT_MINSIGSTKSZ, AT_RSEQ_FEATURE_SIZE,
					AT_RSEQ_ALIGN };

	LAUNCH_OR_SKIP(l, .argv = NULL);
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		EXPECT_EQ(own_aux(types[i]), aux_value(l.aux, types[i])) TH_LOG("type %lu", types[i]);
		EXPECT_EQ(!aux_find(aux_on_stack(), types[i]), !aux_find(l.aux, types[i])) TH_LOG("type %lu", types[i]);
	}
	launch_end(&l);
}
