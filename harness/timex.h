// SPDX-License-Identifier: GPL-2.0-only
// What clock_adjtime(2) reads and writes, with 64-bit times on every ABI: linux/timex.h cannot stand beside time.h.
#ifndef TIMEX_H
#define TIMEX_H

#include <sys/timex.h>

#include "sys.h"

#ifdef __NR_clock_adjtime64
#define NR_CLOCK_ADJTIME __NR_clock_adjtime64
#else
#define NR_CLOCK_ADJTIME __NR_clock_adjtime
#endif

// struct __kernel_timex; the gaps are the kernel's.
struct kernel_timex {
	unsigned int modes, gap1;
	long long offset, freq, maxerror, esterror;
	int status, gap2;
	long long constant, precision, tolerance, sec, usec, tick, ppsfreq, jitter;
	int shift, gap3;
	long long stabil, jitcnt, calcnt, errcnt, stbcnt;
	int tai, gap4[11];
};

#define clock_adjust(clock, t) raw_syscall(NR_CLOCK_ADJTIME, clock, t)

#endif
