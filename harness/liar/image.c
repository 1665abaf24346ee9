// SPDX-License-Identifier: GPL-2.0-only
// Lies about a new image: the auxiliary vector on its stack, and the functions of its vDSO.
#include <elf.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "liar.h"

#define VDSO_PAGES 16
#define MAX_AUXV 128

// Above sp stand argc, the arguments, the environment, each list ended by 0, then pairs of type and value.
static uint64_t auxv_address(struct moment *m)
{
	unsigned int word = trace_abis[m->abi].word;
	int64_t sp = 0;
	uint64_t at, value;

	load_regs(m);
	trace_reg_get(m->task->tid, &m->regs, trace_reg_index("sp"), &sp);
	at = sp + word;
	for (int lists = 0; lists < 2; at += word) {
		value = 0;
		if (m->fault || read_memory(m->task->tid, at, &value, word)) {
			m->fault = true;
			return 0;
		}
		lists += value == 0;
	}
	return at;
}

// Finds the entry in an image that has just begun: its address and value.
bool find_auxv(struct moment *m, int type, uint64_t *entry_address, int64_t *value)
{
	unsigned int word = trace_abis[m->abi].word;
	uint64_t at = auxv_address(m);

	for (int i = 0; i < MAX_AUXV && !m->fault; i++, at += 2 * word) {
		uint64_t entry[2] = { 0 };

		if (read_memory(m->task->tid, at, &entry[0], word) ||
		    read_memory(m->task->tid, at + word, &entry[1], word))
			return false;
		if (entry[0] == (uint64_t)type) {
			*entry_address = at;
			*value = entry[1];
			return true;
		}
		if (entry[0] == AT_NULL)
			return false;
	}
	return false;
}

// Takes an entry out; those behind it move up.
static void drop_auxv(struct moment *m, int type)
{
	unsigned int pair = 2 * trace_abis[m->abi].word;
	uint64_t at, end;
	int64_t value;
	char *rest;

	if (!find_auxv(m, type, &at, &value) || !find_auxv(m, AT_NULL, &end, &value)) {
		m->fault = true;
		return;
	}
	rest = need_memory(end - at + pair);
	if (read_memory(m->task->tid, at + pair, rest, end - at) || write_memory(m->task->tid, at, rest, end - at))
		m->fault = true;
	free(rest);
}

// The fields of an ELF image of either class that finding a function takes.
struct elf {
	const unsigned char *bytes;
	size_t size;
	bool wide;
	uint64_t load, symbols, strings;
};

static uint64_t field(const struct elf *elf, uint64_t at, size_t size)
{
	uint64_t value = 0;

	if (at <= elf->size && size <= elf->size - at)
		memcpy(&value, elf->bytes + at, size);	// the vDSO is of the running kernel's byte order, the liar's
	return value;
}

#define FIELD(elf, at, type, name) ((elf)->wide ?						\
	field(elf, (at) + offsetof(Elf64_##type, name), sizeof(((Elf64_##type *)0)->name)) :	\
	field(elf, (at) + offsetof(Elf32_##type, name), sizeof(((Elf32_##type *)0)->name)))
#define SIZE(elf, type) ((elf)->wide ? sizeof(Elf64_##type) : sizeof(Elf32_##type))

static void read_dynamic(struct elf *elf, uint64_t at)
{
	for (; FIELD(elf, at, Dyn, d_tag) != DT_NULL && at < elf->size; at += SIZE(elf, Dyn)) {
		uint64_t value = FIELD(elf, at, Dyn, d_un);

		if (FIELD(elf, at, Dyn, d_tag) == DT_SYMTAB)
			elf->symbols = value - elf->load;
		if (FIELD(elf, at, Dyn, d_tag) == DT_STRTAB)
			elf->strings = value - elf->load;
	}
}

// Offset of a function in the image, 0 if there is none. The table of symbols ends where the one of strings begins.
static uint64_t find_symbol(struct elf *elf, const char *name)
{
	uint64_t headers = FIELD(elf, 0, Ehdr, e_phoff), dynamic = 0;

	for (unsigned int i = 0; i < FIELD(elf, 0, Ehdr, e_phnum); i++) {
		uint64_t at = headers + i * SIZE(elf, Phdr);

		if (FIELD(elf, at, Phdr, p_type) == PT_LOAD)
			elf->load = FIELD(elf, at, Phdr, p_vaddr) - FIELD(elf, at, Phdr, p_offset);
		if (FIELD(elf, at, Phdr, p_type) == PT_DYNAMIC)
			dynamic = FIELD(elf, at, Phdr, p_offset);
	}
	if (dynamic)
		read_dynamic(elf, dynamic);
	for (uint64_t at = elf->symbols; at && at < elf->strings && at < elf->size; at += SIZE(elf, Sym)) {
		uint64_t string = elf->strings + FIELD(elf, at, Sym, st_name);
		size_t left = string < elf->size ? elf->size - string : 0;

		if (strlen(name) < left && !strcmp((const char *)elf->bytes + string, name))
			return FIELD(elf, at, Sym, st_value) - elf->load;
	}
	return 0;
}

static void patch_vdso(struct moment *m, const struct elf *elf, uint64_t base, const struct patch *patch)
{
	struct process *process = m->task->process;
	unsigned char stub[TRACE_STUB];
	struct elf copy = *elf;
	uint64_t at = find_symbol(&copy, patch->symbol);
	size_t size;

	if (patch->value)
		size = trace_stub_value(stub, &trace_abis[m->abi], evaluate(patch->value, m));
	else
		size = trace_stub_call(stub, &trace_abis[m->abi], patch->number[m->abi]);
	if (!at || (!patch->value && patch->number[m->abi] < 0) || process->n_stubs == MAX_PATCHES ||
	    write_memory(m->task->tid, base + at, stub, size)) {
		m->fault = true;
		return;
	}
	process->stubs[process->n_stubs].from = base + at;
	process->stubs[process->n_stubs++].to = base + at + size;
}

static void patch_all(struct moment *m, const struct lie *lie)
{
	size_t page = sysconf(_SC_PAGESIZE);
	unsigned char *bytes;
	struct elf elf = { 0 };
	uint64_t entry;
	int64_t base;

	if (!find_auxv(m, AT_SYSINFO_EHDR, &entry, &base)) {
		m->fault = true;
		return;
	}
	bytes = need_memory(VDSO_PAGES * page + 1);	// the byte more ends the last string
	while (elf.size < VDSO_PAGES * page && !read_memory(m->task->tid, base + elf.size, bytes + elf.size, page))
		elf.size += page;
	elf.bytes = bytes;
	elf.wide = bytes[EI_CLASS] == ELFCLASS64;
	for (int i = 0; i < lie->n_patches; i++)
		patch_vdso(m, &elf, base, &lie->patch[i]);
	free(bytes);
}

bool image_matches(const struct task *task, const char *pattern)
{
	char link[64], path[4096];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/%d/exe", task->tid);
	length = readlink(link, path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = 0;
	return !fnmatch(pattern, strrchr(path, '/') ? strrchr(path, '/') + 1 : path, 0);
}

void lie_about_image(struct moment *m)
{
	for (struct lie *lie = lies; lie < lies + n_lies; lie++) {
		if (lie->trigger != ON_EXEC || !image_matches(m->task, lie->image) || !is_due(lie, m))
			continue;
		if (lie->n_patches)
			patch_all(m, lie);
		if (!m->fault)
			make_edits(lie, m, BEFORE);
		for (int i = 0; i < lie->n_drops && !m->fault; i++)
			drop_auxv(m, lie->drop[i]);
		count_telling(lie, m, true);
	}
	commit(m);
}

void image_starts(struct task *task)
{
	struct moment m = { .task = task, .number = -1 };

	task->process->n_stubs = 0;
	if (!task->process->begun && !(launcher && image_matches(task, launcher))) {
		task->process->begun = true;
		task->process->depth = 0;
	}
	if (any_lie_on(ON_EXEC)) {
		load_regs(&m);
		m.abi = trace_abi_in_user_mode(&m.regs);
		lie_about_image(&m);
	}
	resume(task, 0);
}
