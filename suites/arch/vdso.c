// SPDX-License-Identifier: GPL-2.0-only
// The port's names in the vDSO: they resolve, by each table, and what they lead to keeps the registers of a function.
#include "clause.h"

#include <sys/auxv.h>
#include <time.h>

#include "regs.h"
#include "vdso.h"

static const char *const names[] = {
	VDSO_CLOCK_GETTIME, VDSO_CLOCK_GETTIME32, VDSO_CLOCK_GETRES, VDSO_GETTIMEOFDAY, VDSO_TIME, VDSO_GETCPU, VDSO_GETRANDOM,
};

// Functions that every kernel of the ABI has had since 5.10, where the ABI has them at all.
static const char *const old_names[] = { VDSO_CLOCK_GETTIME, VDSO_CLOCK_GETTIME32, VDSO_GETTIMEOFDAY, VDSO_TIME };

CLAUSE(the_image_is_an_elf_object_of_this_abi,
       "vdso(7) DESCRIPTION: AT_SYSINFO_EHDR is the address of an ELF image; its headers, tables, symbols and versions"
       " lie in it [VDS-2] [VDS-3] [VDS-5]", .needed_by = "go:vdsoauxv glibc:setup_vdso musl:__vdsosym")
{
	struct vdso v;

	if (!getauxval(AT_SYSINFO_EHDR))
		ABSENT("no AT_SYSINFO_EHDR");
	EXPECT_TRUE(vdso_read(&v, NULL)) {
		TH_LOG("the vDSO is %s", v.fault);
	}
}

CLAUSE(each_name_of_the_abi_is_found_by_every_table,
       "vdso(7) ARCHITECTURE-SPECIFIC NOTES: the functions of the table have that name and that version, by whichever"
       " hash table a loader looks them up [VDS-1] [VDS-5] [VDS-6] [VGR-7] [MUS-6]",
       .needed_by = "go:vdsoauxv glibc:setup_vdso_pointers musl:__vdsosym")
{
	struct vdso v;

	if (!getauxval(AT_SYSINFO_EHDR))
		ABSENT("no AT_SYSINFO_EHDR");
	ASSERT_TRUE(vdso_read(&v, NULL));
	EXPECT_TRUE(v.sysv || !VDSO_HASH_SYSV);
	EXPECT_TRUE(v.gnu || !VDSO_HASH_GNU);
	for (const char *const *name = names; name < names + ARRAY_SIZE(names); name++) {
		const ElfW(Sym) *symbol = *name ? vdso_symbol(&v, *name, NULL, VDSO_BY_SCAN) : NULL;

		if (!symbol)
			continue;
		EXPECT_STREQ(VDSO_VERSION, vdso_version(&v, symbol));
		EXPECT_TRUE(!v.sysv || symbol == vdso_symbol(&v, *name, VDSO_VERSION, VDSO_BY_SYSV));
		EXPECT_TRUE(!v.gnu || symbol == vdso_symbol(&v, *name, VDSO_VERSION, VDSO_BY_GNU));
		EXPECT_EQ(v.bias + symbol->st_value, (unsigned long)vdso_function(&v, *name));
		EXPECT_EQ(NULL, vdso_symbol(&v, *name, "LINUX_0.0", VDSO_BY_SCAN));
	}
	EXPECT_EQ(NULL, vdso_function(&v, "__vdso_no_such_function"));
	for (const char *const *name = old_names; name < old_names + ARRAY_SIZE(old_names); name++) {
		EXPECT_TRUE(!*name || vdso_function(&v, *name)) {
			TH_LOG("no %s", *name);
		}
	}
}

// On each clock the fast path, a clock that has none, and an error.
CLAUSE(a_function_changes_no_register_that_a_function_keeps,
       "vdso(7) DESCRIPTION: a function of the vDSO is called as any C function; callee-saved registers, stack"
       " pointer, direction flag and floating-point control are as before [VDS-13]",
       .needed_by = "go:vdsoauxv glibc:INLINE_VSYSCALL")
{
	static const long clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_PROCESS_CPUTIME_ID, 12345 };
	struct vdso v;

	if (!getauxval(AT_SYSINFO_EHDR))
		ABSENT("no AT_SYSINFO_EHDR");
	ASSERT_TRUE(vdso_read(&v, NULL));
	for (unsigned int seed = 0; seed < ARRAY_SIZE(clocks); seed++) {
		long long time[2] = { -1, -1 };
		struct arch_regs in, out;
		unsigned int control;

		regs_fill(&in, seed);
		in.r[ARCH_REG_ARG(0)] = clocks[seed];
		in.r[ARCH_REG_ARG(1)] = (unsigned long)time;
		in.r[ARCH_REG_FLAGS] &= ~ARCH_FLAGS_ENTRY_CLEAR;
		ASSERT_NE(NULL, vdso_function(&v, VDSO_CLOCK_GETTIME));
		arch_fp_control_set(ARCH_FP_CONTROL_OTHER);
		arch_call_regs(&in, &out, NULL, vdso_function(&v, VDSO_CLOCK_GETTIME));
		control = arch_fp_control();
		arch_fp_control_set(ARCH_FP_CONTROL_DEFAULT);
		EXPECT_EQ(clocks[seed] < 100 ? 0 : -EINVAL, (int)arch_call_result(&out));
		EXPECT_EQ(clocks[seed] < 100, time[0] >= 0);
		EXPECT_REGS(&in, &out, ARCH_CALL_CLOBBERS);
		EXPECT_EQ(0, out.r[ARCH_REG_FLAGS] & ARCH_FLAGS_ENTRY_CLEAR);
		EXPECT_EQ(ARCH_FP_CONTROL_OTHER, control);
	}
}
