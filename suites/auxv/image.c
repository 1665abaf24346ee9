// SPDX-License-Identifier: GPL-2.0-only
// AT_PHDR, AT_ENTRY, AT_BASE of programs of every shape: small images made here, held before their first instruction.
#include "clause.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "auxv.h"
#include "launch.h"
#include "maps.h"

#define HEADERS 40

// An image of two pages. Its headers say where they are: in the file right behind the ELF header or on the second page.
struct image {
	ElfW(Ehdr) elf;
	ElfW(Phdr) headers[HEADERS];
	char interpreter[64];
};

static unsigned long page(void)
{
	return own_aux(AT_PAGESZ);
}

// A header for an image of this ABI whose first page is loaded at address.
static void begin_image(struct image *image, int type, unsigned long address)
{
	memset(image, 0, sizeof(*image));
	image->elf = __ehdr_start;
	image->elf.e_type = type;
	image->elf.e_entry = address + 0x100;
	image->elf.e_phoff = offsetof(struct image, headers);
	image->elf.e_shoff = image->elf.e_shnum = image->elf.e_shstrndx = 0;
	image->elf.e_phnum = 1;
	image->headers[0] = (ElfW(Phdr)){
		.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_align = page(), .p_vaddr = address, .p_paddr = address,
		.p_filesz = page(), .p_memsz = page(),
	};
}

static ElfW(Phdr) *add_header(struct image *image, int type)
{
	ElfW(Phdr) *header = &image->headers[image->elf.e_phnum++];

	header->p_type = type;
	return header;
}

// The image as an executable file, twice behind itself so that its second page holds the headers too; its name.
static int image_file(const struct image *image, char path[64])
{
	int fd = memfd_create("osprim-image", 0);

	if (fd < 0 || ftruncate(fd, 2 * page()) || fchmod(fd, 0755) ||
	    pwrite(fd, image, sizeof(*image), 0) != sizeof(*image) ||
	    pwrite(fd, image, sizeof(*image), page()) != sizeof(*image))
		return -1;
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

// Where the file was mapped from its start, in the held program.
static unsigned long loaded_at(const struct launch *l, int fd)
{
	char path[64], line[512];
	struct stat st;
	unsigned long start = 0, inode, offset;
	bool found = false;
	FILE *f;

	if (fstat(fd, &st))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/maps", l->pid);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%lx-%*x %*s %lx %*s %lu", &start, &offset, &inode) == 3 &&
			inode == st.st_ino && offset == 0;
	if (f)
		fclose(f);
	return found ? start : 0;
}

#define LAUNCH_IMAGE_OR_SKIP(l, fd, image)							\
	char fd##_path[64];									\
	int fd = image_file(image, fd##_path);							\
	struct launch l;									\
	ASSERT_GE(fd, 0);									\
	l = launch((struct launch_how){ .path = fd##_path });					\
	if (l.status == -127 || l.status == -EACCES)						\
		SKIP(return, "tracing, or programs in memory files, are not allowed here");	\
	ASSERT_RET(0, l.status)

#define EXPECT_AUX(value, l, type) EXPECT_EQ((unsigned long)(value), aux_value((l).aux, type))

// An address that a program linked to a fixed one may have: that of this program, far from its own pages' end.
static unsigned long fixed_address(void)
{
	return ((unsigned long)&__ehdr_start & -(64 * 1024UL)) + 0x1000000;
}

CLAUSE(a_program_at_a_fixed_address_has_its_headers_there,
       "fs/binfmt_elf.c load_elf_binary (7.2): of a program of type ET_EXEC AT_PHDR is the address of its first page"
       " plus e_phoff, AT_ENTRY e_entry, AT_BASE 0", .needed_by = "glibc:_dl_aux_init musl:__init_tls")
{
	struct image image;

	begin_image(&image, ET_EXEC, fixed_address());
	LAUNCH_IMAGE_OR_SKIP(l, fd, &image);
	EXPECT_EQ(fixed_address(), loaded_at(&l, fd));
	EXPECT_AUX(fixed_address() + image.elf.e_phoff, l, AT_PHDR);
	EXPECT_AUX(sizeof(ElfW(Phdr)), l, AT_PHENT);
	EXPECT_AUX(1, l, AT_PHNUM);
	EXPECT_AUX(image.elf.e_entry, l, AT_ENTRY);
	EXPECT_AUX(0, l, AT_BASE);
	EXPECT_AUX(0, l, AT_FLAGS);
	EXPECT_STREQ(fd_path, launch_string(&l, aux_value(l.aux, AT_EXECFN)));
	launch_end(&l);
	close(fd);
}

CLAUSE(a_movable_program_has_its_headers_where_it_was_put,
       "fs/binfmt_elf.c load_elf_binary (7.2): of a program of type ET_DYN AT_PHDR and AT_ENTRY are moved by as much"
       " as its pages; without an interpreter AT_BASE is 0",
       .needed_by = "musl:_dlstart_c glibc:_dl_relocate_static_pie")
{
	const unsigned long linked[] = { 0, 16 * page() };

	for (int i = 0; i < 2; i++) {
		unsigned long at;
		struct image image;

		begin_image(&image, ET_DYN, linked[i]);
		LAUNCH_IMAGE_OR_SKIP(l, fd, &image);
		at = loaded_at(&l, fd);
		EXPECT_NE(0, at);
		EXPECT_EQ(0, at % page());
		EXPECT_AUX(at + image.elf.e_phoff, l, AT_PHDR);
		EXPECT_AUX(at - linked[i] + image.elf.e_entry, l, AT_ENTRY);
		EXPECT_AUX(0, l, AT_BASE);
		launch_end(&l);
		close(fd);
	}
}

CLAUSE(the_number_of_headers_is_that_of_the_file,
       "getauxval(3) AT_PHNUM: the number of program headers, empty ones counted")
{
	const int numbers[] = { 2, 3, HEADERS };

	for (int i = 0; i < 3; i++) {
		struct image image;

		begin_image(&image, ET_EXEC, fixed_address());
		while (image.elf.e_phnum < numbers[i])
			add_header(&image, PT_NULL);
		LAUNCH_IMAGE_OR_SKIP(l, fd, &image);
		EXPECT_AUX(numbers[i], l, AT_PHNUM);
		EXPECT_AUX(fixed_address() + image.elf.e_phoff, l, AT_PHDR);
		launch_end(&l);
		close(fd);
	}
}

CLAUSE(with_an_interpreter_the_vector_tells_of_both,
       "getauxval(3) AT_BASE: the base address of the program interpreter; fs/binfmt_elf.c (7.2): AT_PHDR, AT_PHNUM"
       " and AT_ENTRY are the program's own, whoever runs first", .needed_by = "glibc:_dl_start musl:_dlstart_c")
{
	struct image image, interpreter;
	unsigned long base, at;
	char interpreter_path[64];
	ElfW(Phdr) *header;
	int interpreter_fd;

	begin_image(&interpreter, ET_DYN, 0);
	interpreter.elf.e_entry = 0x180;
	add_header(&interpreter, PT_NULL);
	interpreter_fd = image_file(&interpreter, interpreter_path);
	ASSERT_GE(interpreter_fd, 0);
	begin_image(&image, ET_DYN, 0);
	header = add_header(&image, PT_INTERP);
	strcpy(image.interpreter, interpreter_path);
	header->p_offset = offsetof(struct image, interpreter);
	header->p_filesz = strlen(interpreter_path) + 1;
	add_header(&image, PT_NULL);
	LAUNCH_IMAGE_OR_SKIP(l, fd, &image);
	base = loaded_at(&l, interpreter_fd);
	at = loaded_at(&l, fd);
	EXPECT_NE(0, base);
	EXPECT_NE(0, at);
	EXPECT_NE(base, at);
	EXPECT_AUX(base, l, AT_BASE);
	EXPECT_AUX(at + image.elf.e_phoff, l, AT_PHDR);
	EXPECT_AUX(3, l, AT_PHNUM);
	EXPECT_AUX(at + image.elf.e_entry, l, AT_ENTRY);
	launch_end(&l);
	close(fd);
	close(interpreter_fd);
}

CLAUSE(headers_in_a_later_segment_are_found_there,
       "fs/binfmt_elf.c load_elf_binary (5.18): AT_PHDR is the address at which the segment that holds e_phoff was"
       " loaded, wherever the linker put it", .since = KERNEL(5, 18),
       .commit = "0da1d5002745 fs/binfmt_elf: Fix AT_PHDR for unusual ELF files")
{
	for (int type = ET_EXEC; type <= ET_DYN; type++) {
		unsigned long address = type == ET_EXEC ? fixed_address() : 0, at;
		struct image image;
		ElfW(Phdr) *header;

		begin_image(&image, type, address);
		header = add_header(&image, PT_LOAD);
		*header = image.headers[0];
		header->p_flags = PF_R;
		header->p_offset = page();
		header->p_vaddr = header->p_paddr = address + 9 * page();
		image.elf.e_phoff += page();
		LAUNCH_IMAGE_OR_SKIP(l, fd, &image);
		at = loaded_at(&l, fd);
		EXPECT_NE(0, at);
		EXPECT_AUX(at + 9 * page() + offsetof(struct image, headers), l, AT_PHDR);
		EXPECT_AUX(at + 0x100, l, AT_ENTRY);
		launch_end(&l);
		close(fd);
	}
}

CLAUSE(the_stack_is_executable_only_where_the_program_says_so,
       "elf(5) PT_GNU_STACK: is used by the kernel to control the state of the stack via the flags set in p_flags",
       .needs = "file=/proc/self/smaps", .needed_by = "glibc:_dl_make_stack_executable jvm:os_Linux")
{
	const struct { unsigned int flags; const char *seen; } row[] = {
		{ PF_R | PF_W, " rw-p " }, { PF_R | PF_W | PF_X, " rwxp " }, { PF_R, " rw-p " },
	};

	for (int type = ET_EXEC; type <= ET_DYN; type++)
		for (int i = 0; i < 3; i++) {
			struct mapping stack;
			struct image image;

			begin_image(&image, type, type == ET_EXEC ? fixed_address() : 0);
			add_header(&image, PT_GNU_STACK)->p_flags = row[i].flags;
			LAUNCH_IMAGE_OR_SKIP(l, fd, &image);
			ASSERT_TRUE(find_mapping(l.pid, (void *)l.sp, &stack));
			EXPECT_NE(NULL, strstr(stack.text, row[i].seen)) TH_LOG("%.60s", stack.text);
			EXPECT_NE(NULL, strstr(stack.text, "[stack]"));
			launch_end(&l);
			close(fd);
		}
}

#define DATA_PAGES 4	// in front of it there is the first page, which is code, and a gap

// Adds a segment of data: what the file's second page holds up to filesz, and zeros from there to memsz.
static void add_data(struct image *image, size_t filesz, size_t memsz)
{
	ElfW(Phdr) *header = add_header(image, PT_LOAD);

	*header = image->headers[0];
	header->p_flags = PF_R | PF_W;
	header->p_offset = page();
	header->p_vaddr = header->p_paddr += DATA_PAGES * page();
	header->p_filesz = filesz;
	header->p_memsz = memsz;
}

// The held program's data is as add_data() told.
static bool data_is_right(const struct launch *l, unsigned long at, size_t filesz, size_t memsz)
{
	char *seen = malloc(memsz);
	bool right = seen && at && read_memory(l->pid, at + DATA_PAGES * page(), seen, memsz);

	for (size_t i = 0; right && i < memsz; i++)
		right = seen[i] == (i < filesz ? 0x5a : 0);
	free(seen);
	return right;
}

// As image_file(), with nothing but 0x5a on the second page.
static int data_file(const struct image *image, char path[64])
{
	int fd = image_file(image, path);
	char *bytes = malloc(page());

	memset(bytes, 0x5a, page());
	if (fd >= 0 && pwrite(fd, bytes, page(), page()) != (ssize_t)page())
		fd = -1;
	free(bytes);
	return fd;
}

CLAUSE(what_a_file_has_not_of_a_segment_is_zero,
       "elf(5) p_memsz: if the segment's memory size is larger than the file size, the extra bytes are defined to hold"
       " the value 0 and to follow the segment's initialized area, in the file's last page and behind it",
       .needed_by = "glibc:_dl_map_segments musl:__init_libc")
{
	const size_t page_ = page();
	const struct { size_t filesz, memsz; } row[] = {
		{ 16, 64 }, { 16, page_ }, { page_ / 2, page_ / 2 + 1 }, { 100, page_ + 8 }, { 100, 3 * page_ },
		{ page_, page_ + 100 }, { page_ - 1, page_ },
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++)
		for (int what = 0; what < 3; what++) {	// a fixed program, a movable one, the interpreter of one
			char path[64], interpreter_path[64];
			int fd, interpreter_fd = -1;
			struct image image;
			struct launch l;

			begin_image(&image, what == 0 ? ET_EXEC : ET_DYN, what == 0 ? fixed_address() : 0);
			if (what < 2) {
				add_data(&image, row[i].filesz, row[i].memsz);
			} else {
				struct image interpreter = image;
				ElfW(Phdr) *header;

				add_data(&interpreter, row[i].filesz, row[i].memsz);
				interpreter_fd = data_file(&interpreter, interpreter_path);
				ASSERT_GE(interpreter_fd, 0);
				header = add_header(&image, PT_INTERP);
				strcpy(image.interpreter, interpreter_path);
				header->p_offset = offsetof(struct image, interpreter);
				header->p_filesz = strlen(interpreter_path) + 1;
			}
			fd = data_file(&image, path);
			ASSERT_GE(fd, 0);
			l = launch((struct launch_how){ .path = path });
			if (l.status == -127 || l.status == -EACCES)
				SKIP(return, "tracing, or programs in memory files, are not allowed here");
			ASSERT_RET(0, l.status);
			EXPECT_TRUE(data_is_right(&l, loaded_at(&l, what == 2 ? interpreter_fd : fd), row[i].filesz,
						  row[i].memsz))
				TH_LOG("row %zu, kind %d", i, what);
			launch_end(&l);
			close(fd);
			close(interpreter_fd);
		}
}
