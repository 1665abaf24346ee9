// SPDX-License-Identifier: GPL-2.0-only
// The vDSO's symbols: hash tables, versions, what each symbol is and where.
#include "clause.h"

#include "calls.h"

#define USERS_OF_SYMBOLS "go:vdsoParseSymbols glibc:dl_vdso_vsym musl:__vdsosym"

static const char *const port_names[] = {
	VDSO_CLOCK_GETTIME, VDSO_CLOCK_GETTIME32, VDSO_CLOCK_GETRES, VDSO_GETTIMEOFDAY, VDSO_TIME, VDSO_GETCPU, VDSO_GETRANDOM,
};

static unsigned int type_of(const ElfW(Sym) *s)
{
	return s->st_info & 0xf;
}

static unsigned int binding_of(const ElfW(Sym) *s)
{
	return s->st_info >> 4;
}

// Versions are symbols too, absolute and of no size; functions are the others.
static bool is_function(const ElfW(Sym) *s)
{
	return s->st_shndx != SHN_UNDEF && s->st_shndx != SHN_ABS && (type_of(s) == STT_FUNC || type_of(s) == STT_NOTYPE);
}

// Linkers leave symbols of sections: without a name, local, in no hash table.
static unsigned long sections(const struct vdso *v)
{
	unsigned long count = 0;

	for (unsigned long i = 1; i < v->symbol_count; i++)
		count += type_of(v->symbols + i) == STT_SECTION;
	return count;
}

#define EACH_SYMBOL(v, s) \
	for (const ElfW(Sym) *s = (v).symbols + 1; s < (v).symbols + (v).symbol_count; s++) \
		if (type_of(s) == STT_SECTION) \
			; \
		else

static uint32_t elf_hash(const char *name)
{
	uint32_t h = 0;

	for (; *name; name++) {
		h = (h << 4) + (unsigned char)*name;
		h ^= h >> 24 & 0xf0;
		h &= 0x0fffffff;
	}
	return h;
}

CLAUSE(every_function_is_found_by_each_hash_table,
       "ELF DT_HASH, DT_GNU_HASH: whichever table there is leads from the name and version of each function to its "
       "symbol"
       " [VDS-5] [VDS-6]", .needed_by = USERS_OF_SYMBOLS)
{
	VDSO_OR_ABSENT(v);
	int functions = 0;

	EACH_SYMBOL(v, s) {
		const char *name = vdso_name(&v, s), *version = vdso_version(&v, s);

		if (!is_function(s))
			continue;
		functions++;
		if (v.sysv) {
			EXPECT_EQ(s, vdso_symbol(&v, name, version, VDSO_BY_SYSV)) TH_LOG("%s by DT_HASH", name);
		}
		if (v.gnu) {
			EXPECT_EQ(s, vdso_symbol(&v, name, version, VDSO_BY_GNU)) TH_LOG("%s by DT_GNU_HASH", name);
		}
	}
	EXPECT_GT(functions, 0);
}

CLAUSE(names_that_are_not_there_are_found_by_no_hash_table,
       "ELF DT_HASH, DT_GNU_HASH: a name that no symbol has ends at the end of a chain: so that a loader learns that a"
       " function is missing, and calls the kernel [VDS-5] [VDS-8]", .needed_by = USERS_OF_SYMBOLS)
{
	static const char *const forms[] = { "%s_", "_%s", "%s64x", "%.8s", "no_%s", "%s@LINUX_2.6" };
	VDSO_OR_ABSENT(v);
	char name[300];

	EACH_SYMBOL(v, s) {
		for (unsigned int i = 0; i < ARRAY_SIZE(forms); i++) {
			snprintf(name, sizeof(name), forms[i], vdso_name(&v, s));
			if (vdso_symbol(&v, name, NULL, VDSO_BY_SCAN))
				continue;
			if (v.sysv) {
				EXPECT_EQ(NULL, vdso_symbol(&v, name, NULL, VDSO_BY_SYSV)) TH_LOG("%s", name);
			}
			if (v.gnu) {
				EXPECT_EQ(NULL, vdso_symbol(&v, name, NULL, VDSO_BY_GNU)) TH_LOG("%s", name);
			}
		}
	}
}

// The chains of the table together: one turn through each symbol but the null one, and no more.
CLAUSE(the_system_v_table_holds_every_symbol_once_in_its_bucket,
       "System V ABI, Hash Table: a symbol is in the chain of bucket hash % nbucket; the chains end at symbol 0 and "
       "hold each"
       " symbol once [VDS-5]", .needed_by = USERS_OF_SYMBOLS)
{
	VDSO_OR_ABSENT(v);
	unsigned long buckets, chained = 0;

	if (!v.sysv && !VDSO_HASH_SYSV)
		ABSENT("the vDSO has no DT_HASH here");
	ASSERT_NE(NULL, v.sysv);
	buckets = v.sysv[0];
	EXPECT_EQ(v.symbol_count, v.sysv[1]);
	for (unsigned long b = 0; b < buckets; b++) {
		unsigned long i = v.sysv[2 + b];

		for (; i && chained <= v.symbol_count; i = v.sysv[2 + buckets + i]) {
			EXPECT_EQ(b, elf_hash(vdso_name(&v, v.symbols + i)) % buckets);
			chained++;
		}
	}
	EXPECT_EQ(v.symbol_count - 1 - sections(&v), chained);
}

CLAUSE(each_name_is_there_once,
       "ELF DT_SYMTAB: no two symbols have one name and version, or two loaders would call two functions [VDS-6]",
       .needed_by = USERS_OF_SYMBOLS)
{
	VDSO_OR_ABSENT(v);

	EACH_SYMBOL(v, s) {
		EXPECT_NE(0, *vdso_name(&v, s));
		for (const ElfW(Sym) *other = v.symbols + 1; other < s; other++) {
			EXPECT_FALSE(!strcmp(vdso_name(&v, other), vdso_name(&v, s)) &&
				     !strcmp(vdso_version(&v, other), vdso_version(&v, s)))
				TH_LOG("%s twice", vdso_name(&v, s));
		}
	}
}

CLAUSE(functions_are_global_or_weak_and_defined,
       "ELF st_info, st_other, st_shndx: each function is defined, STB_GLOBAL or STB_WEAK, STT_FUNC or STT_NOTYPE, and "
       "of default"
       " visibility: what a loader asks of a symbol before it calls it [VDS-6]",
       .needed_by = USERS_OF_SYMBOLS)
{
	VDSO_OR_ABSENT(v);

	EXPECT_EQ(0, v.symbols[0].st_name);
	EXPECT_EQ(SHN_UNDEF, v.symbols[0].st_shndx);
	EXPECT_EQ(0, v.symbols[0].st_value);
	EACH_SYMBOL(v, s) {
		EXPECT_TRUE(binding_of(s) == STB_GLOBAL || binding_of(s) == STB_WEAK) TH_LOG("%s", vdso_name(&v, s));
		EXPECT_NE(SHN_UNDEF, s->st_shndx) TH_LOG("%s", vdso_name(&v, s));
		EXPECT_EQ(STV_DEFAULT, s->st_other & 3) TH_LOG("%s", vdso_name(&v, s));
		EXPECT_TRUE(is_function(s) || s->st_shndx == SHN_ABS) TH_LOG("%s", vdso_name(&v, s));
	}
}

CLAUSE(every_function_lies_in_the_executable_segment,
       "vdso(7), ELF st_value, st_size: the address of each function, and all of it, lies in the loaded segment: by "
       "that a"
       " runtime knows that a signal interrupted the vDSO [VDS-7] [incident 69]",
       .needed_by = "go:inVDSOPage go:vdsoParseSymbols")
{
	VDSO_OR_ABSENT(v);

	EACH_SYMBOL(v, s) {
		uintptr_t at = v.bias + s->st_value;

		if (!is_function(s))
			continue;
		EXPECT_GE(at, v.code) TH_LOG("%s", vdso_name(&v, s));
		EXPECT_LT(at, v.code_end) TH_LOG("%s", vdso_name(&v, s));
		EXPECT_LE(at + s->st_size, v.code_end) TH_LOG("%s", vdso_name(&v, s));
		if (type_of(s) == STT_FUNC) {
			EXPECT_GT(s->st_size, 0) TH_LOG("%s", vdso_name(&v, s));
		}
	}
}

CLAUSE(different_functions_of_the_port_begin_at_different_addresses,
       "vdso(7) ARCHITECTURE-SPECIFIC NOTES: each name of the table is a function of its own; none lies within another "
       "[VDS-7]",
       .needed_by = USERS_OF_SYMBOLS)
{
	VDSO_OR_ABSENT(v);
	const ElfW(Sym) *found[ARRAY_SIZE(port_names)];

	for (unsigned int i = 0; i < ARRAY_SIZE(port_names); i++)
		found[i] = port_names[i] ? vdso_symbol(&v, port_names[i], NULL, VDSO_BY_SCAN) : NULL;
	for (unsigned int i = 0; i < ARRAY_SIZE(port_names); i++)
		for (unsigned int j = 0; j < ARRAY_SIZE(port_names); j++) {
			if (i == j || !found[i] || !found[j])
				continue;
			EXPECT_FALSE(found[j]->st_value >= found[i]->st_value &&
				     found[j]->st_value < found[i]->st_value + (found[i]->st_size ?: 1))
				TH_LOG("%s lies in %s", port_names[j], port_names[i]);
		}
}

CLAUSE(every_symbol_has_a_version_that_is_defined,
       "ELF DT_VERSYM, DT_VERDEF: the index of each symbol is that of a version definition, and hidden ones are none "
       "of the"
       " port's [VDS-6]", .needed_by = USERS_OF_SYMBOLS)
{
	VDSO_OR_ABSENT(v);

	if (!v.versions)
		ABSENT("the vDSO has no versions");
	EXPECT_EQ(VER_NDX_LOCAL, v.versions[0]);
	EACH_SYMBOL(v, s) {
		EXPECT_NE(0, *vdso_version(&v, s)) TH_LOG("%s has no version", vdso_name(&v, s));
		EXPECT_EQ(0, v.versions[s - v.symbols] & 0x8000) TH_LOG("%s is hidden", vdso_name(&v, s));
	}
}

// Go compares the hash of a definition before its name.
CLAUSE(version_definitions_hold_the_hash_of_their_name,
       "ELF Verdef vd_hash, vd_ndx, vd_next: the hash of the name by the ELF hash function, an index of its own, the "
       "first"
       " definition that of the image, and the last one without a next [VDS-1] [VDS-6]",
       .needed_by = "go:vdsoFindVersion")
{
	VDSO_OR_ABSENT(v);
	const ElfW(Verdef) *d = v.version_list;
	unsigned long seen = 0, named = 0;

	if (!d)
		ABSENT("the vDSO has no versions");
	for (unsigned long i = 0; i < v.version_count; i++, d = (const void *)((uintptr_t)d + d->vd_next)) {
		const ElfW(Verdaux) *aux = (const void *)((uintptr_t)d + d->vd_aux);
		const char *name = v.strings + aux->vda_name;

		EXPECT_EQ(elf_hash(name), d->vd_hash) TH_LOG("version %s", name);
		EXPECT_EQ(i == 0, !!(d->vd_flags & VER_FLG_BASE)) TH_LOG("version %s", name);
		EXPECT_GE(d->vd_cnt, 1);
		ASSERT_LT(d->vd_ndx, 8 * sizeof(seen));
		EXPECT_EQ(0, seen >> d->vd_ndx & 1);
		seen |= 1ul << d->vd_ndx;
		named += !strcmp(name, VDSO_VERSION);
		EXPECT_EQ(i == v.version_count - 1, d->vd_next == 0);
	}
	EXPECT_EQ(1, named);
}

CLAUSE(the_tables_lie_in_the_image_and_not_in_each_other,
       "ELF dynamic section: symbols, strings, versions and hash tables are disjoint parts of the loaded segment "
       "[VDS-3]",
       .needed_by = USERS_OF_SYMBOLS)
{
	VDSO_OR_ABSENT(v);
	const struct { const char *name; uintptr_t from; unsigned long size; } parts[] = {
		{ "headers", (uintptr_t)v.ehdr, sizeof(*v.ehdr) + v.ehdr->e_phnum * sizeof(ElfW(Phdr)) },
		{ "symbols", (uintptr_t)v.symbols, v.symbol_count * sizeof(*v.symbols) },
		{ "strings", (uintptr_t)v.strings, v.strings_size },
		{ "versions", (uintptr_t)v.versions, v.versions ? v.symbol_count * sizeof(*v.versions) : 0 },
		{ "definitions", (uintptr_t)v.version_list, v.version_list ? sizeof(*v.version_list) : 0 },
		{ "DT_HASH", (uintptr_t)v.sysv, v.sysv ? (2 + v.sysv[0] + v.sysv[1]) * sizeof(*v.sysv) : 0 },
		{ "DT_GNU_HASH", (uintptr_t)v.gnu, v.gnu ? 16 + v.gnu[2] * sizeof(ElfW(Addr)) + v.gnu[0] * 4 : 0 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!parts[i].size)
			continue;
		EXPECT_GE(parts[i].from, v.start) TH_LOG("%s", parts[i].name);
		EXPECT_LE(parts[i].from + parts[i].size, v.end) TH_LOG("%s", parts[i].name);
		for (unsigned int j = 0; j < i; j++) {
			EXPECT_TRUE(!parts[j].size || parts[i].from >= parts[j].from + parts[j].size ||
				    parts[j].from >= parts[i].from + parts[i].size)
				TH_LOG("%s and %s overlap", parts[i].name, parts[j].name);
		}
	}
}
