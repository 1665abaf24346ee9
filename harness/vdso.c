// SPDX-License-Identifier: GPL-2.0-only
// Reading the vDSO: headers, dynamic section, both hash tables, versions; nothing is trusted before it was checked.
#include <string.h>
#include <sys/auxv.h>

#include "vdso.h"

#define WORD_BITS (8 * sizeof(ElfW(Addr)))

static bool wrong(struct vdso *v, const char *what)
{
	v->fault = what;
	return false;
}

static bool is_inside(const struct vdso *v, const void *p, unsigned long size)
{
	uintptr_t at = (uintptr_t)p;

	return at >= v->start && at <= v->end && size <= v->end - at;
}

static bool read_header(struct vdso *v)
{
	static const uint16_t one = 1;
	const ElfW(Ehdr) *e = v->ehdr;

	if (memcmp(e->e_ident, ELFMAG, SELFMAG))
		return wrong(v, "not an ELF image");
	if (e->e_ident[EI_CLASS] != ARCH_ELF_CLASS || e->e_machine != ARCH_ELF_MACHINE)
		return wrong(v, "made for another ABI");
	if (e->e_ident[EI_DATA] != (*(const uint8_t *)&one ? ELFDATA2LSB : ELFDATA2MSB))
		return wrong(v, "of the other byte order");
	if (e->e_type != ET_DYN)
		return wrong(v, "not a shared object");
	if (e->e_phentsize != sizeof(ElfW(Phdr)) || !e->e_phnum)
		return wrong(v, "program headers of a wrong size, or none");
	return true;
}

// The first PT_LOAD is mapped at the header; the segments' ends bound everything else.
static bool read_segments(struct vdso *v, const ElfW(Dyn) **dynamic)
{
	const ElfW(Phdr) *first = (const void *)((uintptr_t)v->ehdr + v->ehdr->e_phoff);
	int loads = 0;

	v->start = (uintptr_t)v->ehdr;
	for (const ElfW(Phdr) *p = first; p < first + v->ehdr->e_phnum; p++) {
		if (p->p_type != PT_LOAD)
			continue;
		if (!loads++)
			v->bias = v->start + p->p_offset - p->p_vaddr;
		if (v->bias + p->p_vaddr + p->p_memsz > v->end)
			v->end = v->bias + p->p_vaddr + p->p_memsz;
		if (!(p->p_flags & PF_X))
			continue;
		if (v->code)
			return wrong(v, "more than one executable segment");
		v->code = v->bias + p->p_vaddr;
		v->code_end = v->code + p->p_memsz;
	}
	if (!v->code)
		return wrong(v, "no executable segment");
	if (!is_inside(v, first, v->ehdr->e_phnum * sizeof(*first)))
		return wrong(v, "program headers outside of the image");
	for (const ElfW(Phdr) *p = first; p < first + v->ehdr->e_phnum; p++)
		if (p->p_type == PT_DYNAMIC)
			*dynamic = (const void *)(v->start + p->p_offset);
	if (!*dynamic || !is_inside(v, *dynamic, sizeof(**dynamic)))
		return wrong(v, "no dynamic section in the image");
	return true;
}

static bool read_dynamic(struct vdso *v, const ElfW(Dyn) *d)
{
	for (; is_inside(v, d, sizeof(*d)) && d->d_tag != DT_NULL; d++) {
		const void *p = (const void *)(v->bias + d->d_un.d_ptr);

		switch (d->d_tag) {
		case DT_STRTAB:    v->strings = p; break;
		case DT_STRSZ:     v->strings_size = d->d_un.d_val; break;
		case DT_SYMTAB:    v->symbols = p; break;
		case DT_HASH:      v->sysv = p; break;
		case DT_GNU_HASH:  v->gnu = p; break;
		case DT_VERSYM:    v->versions = p; break;
		case DT_VERDEF:    v->version_list = p; break;
		case DT_VERDEFNUM: v->version_count = d->d_un.d_val; break;
		}
	}
	if (!is_inside(v, d, sizeof(*d)))
		return wrong(v, "a dynamic section without end");
	if (!v->strings || !v->strings_size || !is_inside(v, v->strings, v->strings_size))
		return wrong(v, "no string table in the image");
	if (v->strings[v->strings_size - 1])
		return wrong(v, "a string table without end");
	if (!v->sysv && !v->gnu)
		return wrong(v, "no hash table");
	return true;
}

// DT_GNU_HASH: four words, the bloom filter, the buckets, then one word for each symbol from the first that is hashed.
static const uint32_t *gnu_buckets(const struct vdso *v)
{
	return v->gnu + 4 + v->gnu[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
}

// Returns how many symbols the table speaks of, 0 if it leaves the image.
static unsigned long count_gnu(const struct vdso *v)
{
	const uint32_t *buckets = gnu_buckets(v), *chain;
	unsigned long last = v->gnu[1];

	if (!is_inside(v, v->gnu, 16) || !v->gnu[2] || v->gnu[2] & (v->gnu[2] - 1) ||
	    !is_inside(v, buckets, v->gnu[0] * 4ul))
		return 0;
	chain = buckets + v->gnu[0];
	for (unsigned long i = 0; i < v->gnu[0]; i++)
		last = buckets[i] > last ? buckets[i] : last;
	if (last < v->gnu[1])
		return 0;
	while (is_inside(v, chain + last - v->gnu[1], 4) && !(chain[last - v->gnu[1]] & 1))
		last++;
	return is_inside(v, chain + last - v->gnu[1], 4) ? last + 1 : 0;
}

static unsigned long count_sysv(const struct vdso *v)
{
	const ARCH_ELF_HASH_WORD *h = v->sysv;

	if (!is_inside(v, h, 2 * sizeof(*h)) || !h[0] || h[0] > v->end - v->start || h[1] > v->end - v->start ||
	    !is_inside(v, h, (2 + h[0] + h[1]) * sizeof(*h)))
		return 0;
	for (unsigned long i = 0; i < h[0] + h[1]; i++)
		if (h[2 + i] >= h[1])
			return 0;
	return h[1];
}

static bool read_symbols(struct vdso *v)
{
	unsigned long sysv = v->sysv ? count_sysv(v) : 0, gnu = v->gnu ? count_gnu(v) : 0;

	if ((v->sysv && !sysv) || (v->gnu && !gnu))
		return wrong(v, "a broken hash table");
	if (v->sysv && v->gnu && sysv != gnu)
		return wrong(v, "hash tables that differ in the number of symbols");
	v->symbol_count = v->sysv ? sysv : gnu;
	if (!v->symbols || !is_inside(v, v->symbols, v->symbol_count * sizeof(*v->symbols)))
		return wrong(v, "no symbol table in the image");
	for (unsigned long i = 0; i < v->symbol_count; i++)
		if (v->symbols[i].st_name >= v->strings_size)
			return wrong(v, "a symbol whose name is outside of the string table");
	return true;
}

static const ElfW(Verdef) *next_version(const ElfW(Verdef) *d)
{
	return (const void *)((uintptr_t)d + d->vd_next);
}

static const ElfW(Verdaux) *version_name(const ElfW(Verdef) *d)
{
	return (const void *)((uintptr_t)d + d->vd_aux);
}

static bool read_versions(struct vdso *v)
{
	const ElfW(Verdef) *d = v->version_list;

	if (!v->versions)
		return true;
	if (!is_inside(v, v->versions, v->symbol_count * sizeof(*v->versions)))
		return wrong(v, "symbol versions outside of the image");
	if (!d || !v->version_count)
		return wrong(v, "symbol versions without definitions");
	for (unsigned long i = 0; i < v->version_count; i++, d = next_version(d)) {
		if (!is_inside(v, d, sizeof(*d)) || d->vd_version != VER_DEF_CURRENT)
			return wrong(v, "a broken version definition");
		if (!is_inside(v, version_name(d), sizeof(*version_name(d))) ||
		    version_name(d)->vda_name >= v->strings_size)
			return wrong(v, "a version definition without a name");
	}
	return true;
}

bool vdso_read(struct vdso *v, const void *ehdr)
{
	const ElfW(Dyn) *dynamic = NULL;

	memset(v, 0, sizeof(*v));
	v->ehdr = ehdr ? ehdr : (const void *)getauxval(AT_SYSINFO_EHDR);
	if (!v->ehdr)
		return wrong(v, "no AT_SYSINFO_EHDR");
	return read_header(v) && read_segments(v, &dynamic) && read_dynamic(v, dynamic) && read_symbols(v) && read_versions(v);
}

const char *vdso_name(const struct vdso *v, const ElfW(Sym) *symbol)
{
	return v->strings + symbol->st_name;
}

const char *vdso_version(const struct vdso *v, const ElfW(Sym) *symbol)
{
	const ElfW(Verdef) *d = v->version_list;

	for (unsigned long i = 0; v->versions && i < v->version_count; i++, d = next_version(d))
		if (!(d->vd_flags & VER_FLG_BASE) && d->vd_ndx == (v->versions[symbol - v->symbols] & 0x7fff))
			return v->strings + version_name(d)->vda_name;
	return "";
}

static bool is_meant(const struct vdso *v, unsigned long i, const char *name, const char *version)
{
	const ElfW(Sym) *s = v->symbols + i;
	unsigned int type = s->st_info & 0xf, bind = s->st_info >> 4;

	return s->st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_NOTYPE) &&
	       (bind == STB_GLOBAL || bind == STB_WEAK) && !strcmp(vdso_name(v, s), name) &&
	       (!version || !v->versions || !strcmp(vdso_version(v, s), version));
}

static uint32_t sysv_hash(const char *name)
{
	uint32_t h = 0;

	for (; *name; name++) {
		h = (h << 4) + (unsigned char)*name;
		h = (h ^ (h >> 24 & 0xf0)) & 0x0fffffff;
	}
	return h;
}

static uint32_t gnu_hash(const char *name)
{
	uint32_t h = 5381;

	for (; *name; name++)
		h = h * 33 + (unsigned char)*name;
	return h;
}

static unsigned long find_sysv(const struct vdso *v, const char *name, const char *version)
{
	const ARCH_ELF_HASH_WORD *bucket = v->sysv + 2, *chain = bucket + v->sysv[0];
	unsigned long i = bucket[sysv_hash(name) % v->sysv[0]];

	for (unsigned long steps = 0; i && steps < v->symbol_count; steps++, i = chain[i])
		if (is_meant(v, i, name, version))
			return i;
	return 0;
}

static unsigned long find_gnu(const struct vdso *v, const char *name, const char *version)
{
	const ElfW(Addr) *bloom = (const void *)(v->gnu + 4);
	const uint32_t *buckets = gnu_buckets(v), *chain = buckets + v->gnu[0];
	uint32_t hash = gnu_hash(name);
	ElfW(Addr) filter = bloom[hash / WORD_BITS & (v->gnu[2] - 1)];
	unsigned long i = buckets[hash % v->gnu[0]];

	if (!(filter >> hash % WORD_BITS & 1) || !(filter >> (hash >> v->gnu[3]) % WORD_BITS & 1))
		return 0;
	for (; i >= v->gnu[1] && i < v->symbol_count; i++) {
		uint32_t seen = chain[i - v->gnu[1]];

		if ((seen | 1) == (hash | 1) && is_meant(v, i, name, version))
			return i;
		if (seen & 1)
			break;
	}
	return 0;
}

static unsigned long find_by_scan(const struct vdso *v, const char *name, const char *version)
{
	unsigned long i = v->symbol_count - 1;

	while (i && !is_meant(v, i, name, version))
		i--;
	return i;
}

// Symbol 0 is never a function: it stands for none.
const ElfW(Sym) *vdso_symbol(const struct vdso *v, const char *name, const char *version, enum vdso_table table)
{
	unsigned long i = table == VDSO_BY_SYSV ? find_sysv(v, name, version) :
			  table == VDSO_BY_GNU ? find_gnu(v, name, version) : find_by_scan(v, name, version);

	return i ? v->symbols + i : NULL;
}

void *vdso_function(const struct vdso *v, const char *name)
{
	const ElfW(Sym) *s = name ? vdso_symbol(v, name, VDSO_VERSION, v->gnu ? VDSO_BY_GNU : VDSO_BY_SYSV) : NULL;
	uintptr_t at = s ? v->bias + s->st_value : 0;

	return at >= v->code && at < v->code_end ? (void *)at : NULL;
}
