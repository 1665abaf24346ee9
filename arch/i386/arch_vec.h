// SPDX-License-Identifier: GPL-2.0-only
// The register files of i386 are those of x86_64, half as long.
#include "../x86_64/arch_vec.h"
