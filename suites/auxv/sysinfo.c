// SPDX-License-Identifier: GPL-2.0-only
// AT_SYSINFO_EHDR: the vDSO that the kernel mapped for the program, as an ELF image.
#include "clause.h"

#include "auxv.h"
#include "launch.h"

#ifndef AT_SYSINFO
#define AT_SYSINFO 32
#endif

// The start and end of the mapping with this name in /proc/<pid>/maps; 0 if there is none.
static unsigned long named_mapping(int pid, const char *wanted, unsigned long *end)
{
	char path[64], line[512], name[256];
	unsigned long start = 0, found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %*s %*s %*s %*s%*[ ]%255[^\n]", &start, end, name) == 3 &&
		    !strcmp(name, wanted))
			found = start;
	if (f)
		fclose(f);
	return found;
}

CLAUSE(sysinfo_ehdr_is_the_vdso_of_proc_maps,
       "vdso(7), getauxval(3) AT_SYSINFO_EHDR: the address of a page containing the vDSO, the mapping that"
       " /proc/pid/maps calls [vdso]; there is no one without the other [VDS-1]", .needs = "file=/proc/self/maps",
       .needed_by = "go:vdsoauxv glibc:setup_vdso_pointers musl:__vdsosym")
{
	unsigned long end = 0, mapped = named_mapping(getpid(), "[vdso]", &end);

	EXPECT_EQ(mapped, own_aux(AT_SYSINFO_EHDR));
	if (!mapped && !own_aux(AT_SYSINFO_EHDR))
		ABSENT("this kernel gives the program no vDSO");
}

// The vDSO's header, or the end of the clause.
#define VDSO_OR_ABSENT(vdso)						\
	const ElfW(Ehdr) *vdso = (const void *)own_aux(AT_SYSINFO_EHDR);	\
	if (!vdso)							\
		ABSENT("this kernel gives the program no vDSO")

CLAUSE(the_vdso_is_an_elf_image_of_this_abi,
       "vdso(7) DESCRIPTION: the vDSO is a fully formed ELF image, for the ABI of the program, at a page's start"
       " [VDS-1]",
       .needed_by = "go:vdsoParseSymbols glibc:setup_vdso_pointers")
{
	VDSO_OR_ABSENT(vdso);
	EXPECT_EQ(0, (unsigned long)vdso % own_aux(AT_PAGESZ));
	EXPECT_EQ(0, memcmp(vdso->e_ident, ELFMAG, SELFMAG));
	EXPECT_EQ(ARCH_ELF_CLASS, vdso->e_ident[EI_CLASS]);
	EXPECT_EQ(__ehdr_start.e_ident[EI_CLASS], vdso->e_ident[EI_CLASS]);
	EXPECT_EQ(__ehdr_start.e_ident[EI_DATA], vdso->e_ident[EI_DATA]);
	EXPECT_EQ(ARCH_ELF_MACHINE, vdso->e_machine);
	EXPECT_EQ(__ehdr_start.e_machine, vdso->e_machine);
	EXPECT_EQ(ET_DYN, vdso->e_type);
	EXPECT_EQ(sizeof(ElfW(Phdr)), vdso->e_phentsize);
}

CLAUSE(the_headers_of_the_vdso_lie_within_it,
       "vdso(7) DESCRIPTION: the whole image is mapped: its headers and all that they load [VDS-1]",
       .needs = "file=/proc/self/maps", .needed_by = "go:vdsoInitFromSysinfoEhdr")
{
	VDSO_OR_ABSENT(vdso);
	const ElfW(Phdr) *headers = (const void *)((const char *)vdso + vdso->e_phoff);
	unsigned long end = 0, start = named_mapping(getpid(), "[vdso]", &end);
	int loads = 0, dynamics = 0;

	ASSERT_EQ((unsigned long)vdso, start);
	ASSERT_LE((unsigned long)(headers + vdso->e_phnum), end);
	for (int i = 0; i < vdso->e_phnum; i++) {
		loads += headers[i].p_type == PT_LOAD;
		dynamics += headers[i].p_type == PT_DYNAMIC;
		EXPECT_LE(start + headers[i].p_offset + headers[i].p_filesz, end);
	}
	EXPECT_GE(loads, 1);
	EXPECT_EQ(1, dynamics);
}

CLAUSE(every_program_has_its_vdso,
       "vdso(7) DESCRIPTION: the kernel maps it into the address space of all user-space applications, each time anew"
       " [VDS-1]",
       .needs = "file=/proc/self/maps")
{
	VDSO_OR_ABSENT(vdso);
	unsigned long end = 0;
	ElfW(Ehdr) header;

	LAUNCH_OR_SKIP(l, .argv = NULL);
	EXPECT_EQ(named_mapping(l.pid, "[vdso]", &end), aux_value(l.aux, AT_SYSINFO_EHDR));
	ASSERT_TRUE(read_memory(l.pid, aux_value(l.aux, AT_SYSINFO_EHDR), &header, sizeof(header)));
	EXPECT_EQ(0, memcmp(&header, vdso, sizeof(header)));
	launch_end(&l);
}

CLAUSE(the_vdso_cannot_be_written,
       "vdso(7): code that all programs share; its pages are readable and executable, and not writable", .needs =
       "file=/proc/self/maps")
{
	VDSO_OR_ABSENT(vdso);
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(1, write(pipes[1], "x", 1));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_read, pipes[0], vdso, 1));
	EXPECT_EQ(ELFMAG0, vdso->e_ident[0]);
}

CLAUSE(sysinfo_is_an_entry_into_the_vdso,
       "arch/x86/include/asm/elf.h ARCH_DLINFO_IA32 (7.2): AT_SYSINFO, where an ABI has it, is the address of the"
       " vDSO's system call entry", .needs = "file=/proc/self/maps",
       .needed_by = "glibc:INTERNAL_SYSCALL musl:__vsyscall")
{
	unsigned long entry = own_aux(AT_SYSINFO), end = 0, start;

	start = named_mapping(getpid(), "[vdso]", &end);
	if (!entry && (!start || !ARCH_HAS_AT_SYSINFO))
		ABSENT("%s", start ? "this ABI has no such entry" : "this kernel gives the program no vDSO");
	EXPECT_GT(entry, start);
	EXPECT_LT(entry, end);
}
