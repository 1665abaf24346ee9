// SPDX-License-Identifier: GPL-2.0-only
// The vDSO as a strict reader of ELF finds it: header, segments, dynamic section, notes.
#include "clause.h"

#include "calls.h"
#include "maps.h"

#define USERS_OF_THE_IMAGE "go:vdsoInitFromSysinfoEhdr glibc:setup_vdso musl:__vdsosym"

static const ElfW(Phdr) *segments(const struct vdso *v)
{
	return (const void *)((uintptr_t)v->ehdr + v->ehdr->e_phoff);
}

// The first segment of a type behind p (NULL: from the start), or NULL.
static const ElfW(Phdr) *next_segment(const struct vdso *v, const ElfW(Phdr) *p, unsigned int type)
{
	const ElfW(Phdr) *end = segments(v) + v->ehdr->e_phnum;

	for (p = p ? p + 1 : segments(v); p < end; p++)
		if (p->p_type == type)
			return p;
	return NULL;
}

static const ElfW(Dyn) *dynamic_entries(const struct vdso *v)
{
	return (const void *)(v->start + next_segment(v, NULL, PT_DYNAMIC)->p_offset);
}

// The value of an entry of the dynamic section; -1 if there is none.
static unsigned long dynamic_value(const struct vdso *v, long tag)
{
	for (const ElfW(Dyn) *d = dynamic_entries(v); d->d_tag != DT_NULL; d++)
		if (d->d_tag == tag)
			return d->d_un.d_val;
	return -1UL;
}

CLAUSE(the_header_is_that_of_a_whole_shared_object,
       "ELF e_ident, e_version, e_ehsize, e_phentsize: version 1, the System V or GNU ABI, headers of the ABI's sizes, "
       "at"
       " least a segment to load and one that is dynamic [VDS-2]",
       .needed_by = USERS_OF_THE_IMAGE)
{
	VDSO_OR_ABSENT(v);
	const unsigned char *ident = v.ehdr->e_ident;

	EXPECT_EQ(EV_CURRENT, ident[EI_VERSION]);
	EXPECT_EQ(EV_CURRENT, v.ehdr->e_version);
	EXPECT_TRUE(ident[EI_OSABI] == ELFOSABI_SYSV || ident[EI_OSABI] == ELFOSABI_GNU);
	EXPECT_EQ(0, ident[EI_ABIVERSION]);
	for (int i = EI_PAD; i < EI_NIDENT; i++) {
		EXPECT_EQ(0, ident[i]);
	}
	EXPECT_EQ(ET_DYN, v.ehdr->e_type);
	EXPECT_EQ(sizeof(ElfW(Ehdr)), v.ehdr->e_ehsize);
	EXPECT_EQ(sizeof(ElfW(Phdr)), v.ehdr->e_phentsize);
	EXPECT_GE(v.ehdr->e_phnum, 2);
	EXPECT_EQ(0, v.ehdr->e_phoff % sizeof(long));
}

CLAUSE(one_segment_is_loaded_and_it_begins_with_the_header,
       "vdso(7), ELF PT_LOAD: the image is one segment that is loaded from offset 0, so that what is p_offset into it "
       "lies as"
       " far behind AT_SYSINFO_EHDR; it is as long in memory as in the file [VDS-3] [VDS-4]",
       .needed_by = USERS_OF_THE_IMAGE)
{
	VDSO_OR_ABSENT(v);
	const ElfW(Phdr) *load = next_segment(&v, NULL, PT_LOAD);

	ASSERT_NE(NULL, load);
	EXPECT_EQ(NULL, next_segment(&v, load, PT_LOAD));
	EXPECT_EQ(0, load->p_offset);
	EXPECT_EQ(load->p_filesz, load->p_memsz);
	EXPECT_GE(load->p_filesz, v.ehdr->e_phoff + v.ehdr->e_phnum * sizeof(ElfW(Phdr)));
	EXPECT_EQ(v.start, v.bias + load->p_vaddr);
	EXPECT_EQ(0, load->p_align & (load->p_align - 1));
}

CLAUSE(the_segment_may_be_read_and_executed_and_not_written,
       "arch/x86/entry/vdso/vdso-layout.lds.S PHDRS (5.10), vdso(7): the loaded segment is PF_R and PF_X, never PF_W, "
       "and no"
       " other one asks for an executable stack [VDS-4]", .needed_by = USERS_OF_THE_IMAGE)
{
	VDSO_OR_ABSENT(v);
	const ElfW(Phdr) *load = next_segment(&v, NULL, PT_LOAD), *stack = next_segment(&v, NULL, PT_GNU_STACK);

	ASSERT_NE(NULL, load);
	EXPECT_EQ(PF_R | PF_X, load->p_flags);
	if (stack) {
		EXPECT_EQ(0, stack->p_flags & PF_X);
	}
}

CLAUSE(every_segment_lies_in_the_loaded_one_and_in_the_mapping,
       "vdso(7) DESCRIPTION: all of the image is mapped: each segment lies in the loaded one, and that in the pages "
       "that"
       " /proc/pid/maps calls [vdso] [VDS-3]",
       .needs = "file=/proc/self/smaps", .needed_by = USERS_OF_THE_IMAGE)
{
	VDSO_OR_ABSENT(v);
	const ElfW(Phdr) *load = next_segment(&v, NULL, PT_LOAD);
	struct mapping m;

	ASSERT_NE(NULL, load);
	ASSERT_TRUE(find_mapping(0, v.ehdr, &m));
	EXPECT_NE(NULL, strstr(m.text, "[vdso]"));
	EXPECT_EQ(m.start, v.start);
	EXPECT_LE(v.end, m.end);
	for (const ElfW(Phdr) *p = segments(&v); p < segments(&v) + v.ehdr->e_phnum; p++) {
		if (p->p_type == PT_NULL || p->p_type == PT_GNU_STACK)
			continue;
		EXPECT_LE(p->p_offset + p->p_filesz, load->p_filesz) TH_LOG("segment of type %#x", p->p_type);
		EXPECT_EQ(p->p_vaddr - load->p_vaddr, p->p_offset) TH_LOG("segment of type %#x", p->p_type);
	}
}

CLAUSE(the_dynamic_section_ends_in_its_segment_and_names_each_table_once,
       "ELF PT_DYNAMIC: the entries end with DT_NULL within the segment; string and symbol table and their sizes are "
       "there"
       " once each, and at least one hash table [VDS-3] [VDS-5]", .needed_by = USERS_OF_THE_IMAGE)
{
	static const long once[] = { DT_STRTAB, DT_STRSZ, DT_SYMTAB, DT_SYMENT, DT_SONAME };
	VDSO_OR_ABSENT(v);
	const ElfW(Phdr) *segment = next_segment(&v, NULL, PT_DYNAMIC);
	const ElfW(Dyn) *d = dynamic_entries(&v);
	unsigned long room = segment->p_filesz / sizeof(*d), used = 0;

	EXPECT_EQ(NULL, next_segment(&v, segment, PT_DYNAMIC));
	while (used < room && d[used].d_tag != DT_NULL)
		used++;
	ASSERT_LT(used, room);
	for (unsigned int i = 0; i < ARRAY_SIZE(once); i++) {
		int seen = 0;

		for (unsigned long j = 0; j < used; j++)
			seen += d[j].d_tag == once[i];
		EXPECT_EQ(1, seen) TH_LOG("entry %ld of the dynamic section", once[i]);
	}
	EXPECT_EQ(sizeof(ElfW(Sym)), dynamic_value(&v, DT_SYMENT));
	EXPECT_TRUE(v.sysv || v.gnu);
}

CLAUSE(the_image_is_complete_without_a_dynamic_linker,
       "lib/vdso/Makefile cmd_vdso_check (6.6), vdso(7): nobody relocates the image: it has no relocations, needs no "
       "other"
       " object, and runs no code when it is loaded [VDS-3]", .needed_by = USERS_OF_THE_IMAGE)
{
	static const long linkers[] = { DT_NEEDED, DT_TEXTREL, DT_INIT, DT_FINI, DT_INIT_ARRAY, DT_PREINIT_ARRAY };
	VDSO_OR_ABSENT(v);

	for (unsigned int i = 0; i < ARRAY_SIZE(linkers); i++) {
		EXPECT_EQ(-1UL, dynamic_value(&v, linkers[i])) TH_LOG("entry %ld", linkers[i]);
	}
	for (int i = 0; i < 3; i++) {
		unsigned long size = dynamic_value(&v, ((const long[]){ DT_RELASZ, DT_RELSZ, DT_PLTRELSZ })[i]);

		EXPECT_TRUE(size == 0 || size == -1UL);
	}
	EXPECT_EQ(NULL, next_segment(&v, NULL, PT_INTERP));
	EXPECT_EQ(NULL, next_segment(&v, NULL, PT_TLS));
}

CLAUSE(the_image_has_the_name_that_debuggers_know,
       "vdso(7) ARCHITECTURE-SPECIFIC NOTES, vDSO names: DT_SONAME is linux-vdso.so.1, linux-vdso32.so.1, "
       "linux-vdso64.so.1"
       " or linux-gate.so.1; the string table begins and ends with a NUL", .needed_by = "glibc:setup_vdso")
{
	static const char *const names[] = { "linux-vdso.so.1", "linux-vdso32.so.1", "linux-vdso64.so.1", "linux-gate.so.1" };
	VDSO_OR_ABSENT(v);
	unsigned long at = dynamic_value(&v, DT_SONAME);
	bool known = false;

	ASSERT_LT(at, v.strings_size);
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		known |= !strcmp(v.strings + at, names[i]);
	EXPECT_TRUE(known) TH_LOG("the vDSO calls itself %s", v.strings + at);
	EXPECT_EQ(0, v.strings[0]);
	EXPECT_EQ(0, v.strings[v.strings_size - 1]);
}

// Every port gives its vDSO the note of linux/elfnote.h with the kernel's version, most a build id too.
CLAUSE(the_notes_can_be_walked_to_their_end,
       "elf(5) Nhdr: each note is name size, descriptor size, type, name, descriptor, padded to four bytes, and the "
       "last"
       " one ends with the segment; one of the owner Linux has the version as its descriptor",
       .needed_by = "glibc:_dl_discover_osversion")
{
	VDSO_OR_ABSENT(v);
	const ElfW(Phdr) *segment = next_segment(&v, NULL, PT_NOTE);
	int versions = 0;

	if (!segment)
		ABSENT("this vDSO has no notes");
	for (; segment; segment = next_segment(&v, segment, PT_NOTE)) {
		unsigned long at = 0;

		ASSERT_LE(segment->p_offset + segment->p_filesz, v.end - v.start);
		while (at + sizeof(ElfW(Nhdr)) <= segment->p_filesz) {
			const ElfW(Nhdr) *note = (const void *)(v.start + segment->p_offset + at);
			const char *owner = (const char *)(note + 1);

			at += sizeof(*note) + ((note->n_namesz + 3ul) & -4ul) + ((note->n_descsz + 3ul) & -4ul);
			ASSERT_LE(at, segment->p_filesz);
			if (note->n_type == 0 && note->n_namesz == 6 && !memcmp(owner, "Linux", 6)) {
				EXPECT_EQ(4, note->n_descsz);
				versions++;
			}
		}
		EXPECT_EQ(at, segment->p_filesz);
	}
	EXPECT_EQ(1, versions);
}

// Section headers may be missing altogether (3.16 dropped them), but not half of them.
CLAUSE(section_headers_are_optional_and_lie_in_the_mapping_where_they_are_told,
       "ELF e_shoff, e_shnum, e_shentsize: a loader works from the segments alone; a table of sections that the header "
       "names"
       " lies in the mapped pages, or the header names none [incident 74]",
       .needs = "file=/proc/self/smaps", .needed_by = "go:vdsoInitFromSysinfoEhdr")
{
	VDSO_OR_ABSENT(v);
	const ElfW(Ehdr) *e = v.ehdr;
	struct mapping m;

	ASSERT_TRUE(find_mapping(0, e, &m));
	if (e->e_shnum) {
		EXPECT_EQ(sizeof(ElfW(Shdr)), e->e_shentsize);
		EXPECT_LE(v.start + e->e_shoff + e->e_shnum * sizeof(ElfW(Shdr)), m.end);
		EXPECT_LT(e->e_shstrndx, e->e_shnum);
	} else {
		EXPECT_EQ(0, e->e_shstrndx);
	}
}

CLAUSE(the_unwind_table_is_in_the_image_and_of_the_version_that_unwinders_read,
       "LSB ELF .eh_frame_hdr: PT_GNU_EH_FRAME, where the image has one, begins with version 1 and lies in it, so that "
       "a"
       " signal handler can unwind through the vDSO",
       .needed_by = "glibc:_dl_find_object rust:backtrace")
{
	VDSO_OR_ABSENT(v);
	const ElfW(Phdr) *segment = next_segment(&v, NULL, PT_GNU_EH_FRAME);

	if (!segment || !segment->p_filesz)
		ABSENT("this vDSO has no table for unwinders");
	ASSERT_LE(segment->p_offset + segment->p_filesz, v.end - v.start);
	ASSERT_GE(segment->p_filesz, 4);
	EXPECT_EQ(1, *(const unsigned char *)(v.start + segment->p_offset));
}
