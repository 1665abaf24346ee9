// SPDX-License-Identifier: GPL-2.0-only
// The frames of i386 are those of x86_64 in this respect.
#include "../x86_64/arch_frame.h"
