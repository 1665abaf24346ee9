// SPDX-License-Identifier: GPL-2.0-only
// What a clause needs from the machine (else: skip) and from the kernel (else: absent), found at run time.
#ifndef NEED_H
#define NEED_H

#include <stdbool.h>

#define NEED_TEXT 512

// The words of .needs, separated by spaces: all unmet ones are reported at once in why[NEED_TEXT].
//	root          effective uid 0
//	own_machine   a machine of osprim's own, which ends with the run: what is changed for all is nobody else's
//	cap=NAME      an effective capability, by its lower-case name without cap_
//	cpus=N        at least N CPUs in the affinity mask
//	cpu=NAME      a register file or instruction set that arch_has_cpu_feature() knows
//	file=PATH     PATH exists and can be opened for what the clause does (write where uid 0)
//	thp           page tables that can map huge pages (taken for granted where THP is not known to be compiled in)
//	64bit, 32bit  width of the ABI
//	compat        a 32-bit ABI on a 64-bit kernel
//	native        an ABI as wide as its kernel
bool needs_are_met(const char *needs, char *why);

// True if a mainline kernel of this release and configuration may lack the feature; why[NEED_TEXT] says so.
// since: KERNEL(a,b) or 0; config: options without CONFIG_, or NULL. An option that cannot be looked up counts
// as off, and why says that the configuration is unknown.
bool feature_may_be_absent(unsigned int since, const char *config, char *why);

// 1: set to y or m, 0: not set, -1: no configuration at hand (OSPRIM_CONFIG names a plain-text .config).
int config_is_set(const char *option);

// The running kernel's release as KERNEL(major, minor).
unsigned int kernel_release(void);

// How many times slower than an ordinary machine this target is (OSPRIM_SLOW, at least 1): scales deadlines.
int slowness(void);

// A limit in seconds, or OSPRIM_PATIENCE if that is shorter: who runs a broken kernel on purpose waits less for it.
int within_patience(int seconds);

#endif
