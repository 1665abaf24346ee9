// SPDX-License-Identifier: GPL-2.0-only
// A strict reader of the vDSO, through program headers alone, as the loaders of language runtimes are.
#ifndef VDSO_H
#define VDSO_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

#include "arch.h"

struct vdso {
	const char *fault;		// what is wrong with it; NULL after vdso_read()
	const ElfW(Ehdr) *ehdr;
	uintptr_t bias;			// what must be added to an address in the image
	uintptr_t start, end;		// all of it as mapped
	uintptr_t code, code_end;	// its executable segment
	const ElfW(Sym) *symbols;
	unsigned long symbol_count;
	const char *strings;
	unsigned long strings_size;
	const ElfW(Half) *versions;	// DT_VERSYM, one a symbol; NULL if it has none
	const ElfW(Verdef) *version_list;
	unsigned long version_count;
	const ARCH_ELF_HASH_WORD *sysv;	// DT_HASH, DT_GNU_HASH: NULL if it has none
	const uint32_t *gnu;
};

// Ways to find a symbol: by either table, or by looking at each.
enum vdso_table { VDSO_BY_SYSV, VDSO_BY_GNU, VDSO_BY_SCAN };

// Reads the image at ehdr, or of AT_SYSINFO_EHDR where that is NULL. False, and v->fault says why, if there is none or
// if anything in it points outside of it, is not there, or is of another ABI.
bool vdso_read(struct vdso *v, const void *ehdr);

// The symbol of a defined, global function of that name and version (NULL: any), or NULL. The table must be there.
const ElfW(Sym) *vdso_symbol(const struct vdso *v, const char *name, const char *version, enum vdso_table table);

// The function, by whichever table there is; NULL if there is none, or name is NULL, or it lies outside of the code.
void *vdso_function(const struct vdso *v, const char *name);

// Name of a symbol, and of its version ("" if it has none).
const char *vdso_name(const struct vdso *v, const ElfW(Sym) *symbol);
const char *vdso_version(const struct vdso *v, const ElfW(Sym) *symbol);

#endif
