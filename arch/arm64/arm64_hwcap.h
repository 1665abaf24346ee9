// SPDX-License-Identifier: GPL-2.0-only
// AT_HWCAP against the ID registers, which the kernel emulates for programs since 4.11 and says so in HWCAP_CPUID.
#ifndef ARM64_HWCAP_H
#define ARM64_HWCAP_H

#include <sys/auxv.h>

#define ARM64_FP      (1UL << 0)
#define ARM64_ASIMD   (1UL << 1)
#define ARM64_AES     (1UL << 3)
#define ARM64_SHA2    (1UL << 6)
#define ARM64_CRC32   (1UL << 7)
#define ARM64_ATOMICS (1UL << 8)
#define ARM64_CPUID   (1UL << 11)
#define ARM64_SVE     (1UL << 22)

#define ARM64_ID(name) ({ unsigned long id_; __asm__("mrs %0, " name : "=r"(id_)); id_; })

static inline const char *arch_hwcap_mismatch(unsigned long hwcap, unsigned long hwcap2)
{
	unsigned long isar0, pfr0;

	if (!(hwcap & ARM64_CPUID))
		return NULL;
	isar0 = ARM64_ID("id_aa64isar0_el1");
	pfr0 = ARM64_ID("id_aa64pfr0_el1");
	const struct {
		unsigned long bit;
		bool is_there;
	} named[] = {
		{ ARM64_FP,      (pfr0 >> 16 & 15) != 15 },
		{ ARM64_ASIMD,   (pfr0 >> 20 & 15) != 15 },
		{ ARM64_SVE,     (pfr0 >> 32 & 15) != 0 },
		{ ARM64_AES,     (isar0 >> 4 & 15) != 0 },
		{ ARM64_SHA2,    (isar0 >> 12 & 15) != 0 },
		{ ARM64_CRC32,   (isar0 >> 16 & 15) != 0 },
		{ ARM64_ATOMICS, (isar0 >> 20 & 15) != 0 },
	};

	for (unsigned int i = 0; i < sizeof(named) / sizeof(*named); i++)
		if (!!(hwcap & named[i].bit) != named[i].is_there)
			return "AT_HWCAP is not what the ID registers say";
	return NULL;
}

#define ARM64_USE(name, instruction)								\
	static inline void arm64_use_##name(void)						\
	{											\
		unsigned long word = 0;								\
												\
		__asm__ volatile(instruction : : "r"(&word) : "x1", "v0", "v1", "memory");	\
	}
ARM64_USE(fp, "fmov d0, #1.0")
ARM64_USE(asimd, "add v0.4s, v0.4s, v1.4s")
ARM64_USE(aes, ".inst 0x4e284820 // aese v0.16b, v1.16b")
ARM64_USE(sha2, ".inst 0x5e282820 // sha256su0 v0.4s, v1.4s")
ARM64_USE(crc32, ".inst 0x1ac14021 // crc32b w1, w1, w1")
ARM64_USE(atomics, "mov x1, %0; .inst 0xf8210021 // ldadd x1, x1, [x1]")
ARM64_USE(cpuid, "mrs x1, midr_el1")
ARM64_USE(sve, ".inst 0x04bf5021 // rdvl x1, #1")

static inline const struct arch_hwcap_use *arch_hwcap_uses(void)
{
	static const struct arch_hwcap_use uses[] = {
		{ "fp", AT_HWCAP, ARM64_FP, false, arm64_use_fp },
		{ "asimd", AT_HWCAP, ARM64_ASIMD, false, arm64_use_asimd },
		{ "aes", AT_HWCAP, ARM64_AES, false, arm64_use_aes },
		{ "sha2", AT_HWCAP, ARM64_SHA2, false, arm64_use_sha2 },
		{ "crc32", AT_HWCAP, ARM64_CRC32, false, arm64_use_crc32 },
		{ "atomics", AT_HWCAP, ARM64_ATOMICS, false, arm64_use_atomics },
		{ "cpuid", AT_HWCAP, ARM64_CPUID, true, arm64_use_cpuid },
		{ "sve", AT_HWCAP, ARM64_SVE, true, arm64_use_sve },
		{ 0 },
	};

	return uses;
}

// Names as /proc/cpuinfo has them.
static inline bool arch_has_cpu_feature(const char *name)
{
	for (const struct arch_hwcap_use *u = arch_hwcap_uses(); u->name; u++)
		if (!strcmp(name, u->name))
			return getauxval(u->type) & u->bits;
	return false;
}

#endif
