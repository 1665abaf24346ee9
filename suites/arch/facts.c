// SPDX-License-Identifier: GPL-2.0-only
// Constants of the ABI, as the running kernel has them.
#include "clause.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <link.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "guard.h"

CLAUSE(the_page_size_is_what_mappings_are_made_of,
       "getauxval(3) AT_PAGESZ: the system page size, a power of two: mappings start at multiples of it and can be"
       " split at each, and nowhere else", .needed_by = "go:mincore glibc:_dl_pagesize musl:libc.page_size")
{
	unsigned long page = getauxval(AT_PAGESZ);
	char *p = mmap(NULL, 3 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(0, page);
	EXPECT_EQ(0, page & (page - 1));
	EXPECT_EQ(0, (unsigned long)p % page);
	EXPECT_ERR(EINVAL, raw_syscall(__NR_mprotect, p + page / 2, page, PROT_READ | PROT_WRITE));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_munmap, p + page / 2, page));
	EXPECT_OK(raw_syscall(__NR_mprotect, p + page, 1, PROT_READ | PROT_WRITE));
	p[page] = p[2 * page - 1] = 1;
	EXPECT_OK(raw_syscall(__NR_munmap, p + page, 1));
	EXPECT_EQ(0, p[page - 1] + p[2 * page]);
}

CLAUSE(the_platform_string_names_the_processor_of_the_abi,
       "getauxval(3) AT_PLATFORM: a pointer to a string that identifies the hardware platform, for $PLATFORM of the"
       " dynamic linker", .needed_by = "glibc:_dl_platform")
{
	const char *platform = (const char *)getauxval(AT_PLATFORM);

	if (!ARCH_PLATFORM)
		SKIP(return, "the ABI has none");
	ASSERT_NE(NULL, platform);
	EXPECT_STREQ(ARCH_PLATFORM, platform);
}

CLAUSE(the_running_program_is_of_the_class_and_machine_of_the_abi,
       "elf(5) e_machine: proc(5) /proc/pid/exe is an ELF file of the ABI that the kernel runs it with")
{
	int fd = open("/proc/self/exe", O_RDONLY);
	ElfW(Ehdr) header = { .e_machine = 0 };

	ASSERT_LE(0, fd);
	ASSERT_EQ(sizeof(header), read(fd, &header, sizeof(header)));
	EXPECT_EQ(ARCH_ELF_CLASS, header.e_ident[EI_CLASS]);
	EXPECT_EQ(ARCH_ELF_MACHINE, header.e_machine);
	close(fd);
}

CLAUSE(a_filter_sees_the_architecture_of_the_abi,
       "seccomp(2) struct seccomp_data: arch is the AUDIT_ARCH_* value of the calling convention that the system call"
       " used", .config = "SECCOMP_FILTER")
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_sched_yield, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH_AUDIT, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_SIZE(filter), filter };

	IN_CHILD {
		ASSERT_OK(raw_syscall(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		ASSERT_OK(raw_syscall(__NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
		EXPECT_ERR(EXDEV, raw_syscall(__NR_sched_yield));
	}
}

CLAUSE(a_signal_stack_smaller_than_the_constant_is_refused,
       "sigaltstack(2) ERRORS ENOMEM: the specified size of the new alternate signal stack was less than MINSIGSTKSZ",
       .needed_by = "go:sigaltstack glibc:sigaltstack")
{
	char *memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t s = { .ss_sp = memory, .ss_size = ARCH_MINSIGSTKSZ - 1 }, was = { .ss_size = 0 };

	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_ERR(ENOMEM, raw_syscall(__NR_sigaltstack, &s, NULL));
	s.ss_size = 65536;
	EXPECT_OK(raw_syscall(__NR_sigaltstack, &s, NULL));
	EXPECT_OK(raw_syscall(__NR_sigaltstack, NULL, &was));
	EXPECT_EQ(memory, was.ss_sp);
	EXPECT_EQ(65536, was.ss_size);
}
