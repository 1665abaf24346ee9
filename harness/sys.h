// SPDX-License-Identifier: GPL-2.0-only
// Raw system calls for suites: no errno, no cancellation, no libc between the clause and the kernel.
#ifndef SYS_H
#define SYS_H

#include <linux/time_types.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "arch.h"
#include "result.h"

// raw_syscall(__NR_x, args...): up to six arguments of word size or less; returns a value or -errno.
#define raw_syscall(...) RAW_SYSCALL_N_(__VA_ARGS__, 6, 5, 4, 3, 2, 1, 0)(__VA_ARGS__)
#define RAW_SYSCALL_N_(nr, a, b, c, d, e, f, n, ...) raw_syscall_##n##_
#define raw_syscall_0_(nr) raw_syscall6(nr, 0, 0, 0, 0, 0, 0)
#define raw_syscall_1_(nr, a) raw_syscall6(nr, (long)(a), 0, 0, 0, 0, 0)
#define raw_syscall_2_(nr, a, b) raw_syscall6(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define raw_syscall_3_(nr, a, b, c) raw_syscall6(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define raw_syscall_4_(nr, a, b, c, d) raw_syscall6(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define raw_syscall_5_(nr, a, b, c, d, e) \
	raw_syscall6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define raw_syscall_6_(nr, a, b, c, d, e, f) \
	raw_syscall6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

// The 64-bit-time call of each ABI under one name: 32-bit ABIs have it under another number since 5.1.
#ifdef __NR_futex_time64
#define NR_FUTEX __NR_futex_time64
#else
#define NR_FUTEX __NR_futex
#endif
#ifdef __NR_clock_gettime64
#define NR_CLOCK_GETTIME __NR_clock_gettime64
#else
#define NR_CLOCK_GETTIME __NR_clock_gettime
#endif
#ifdef __NR_clock_settime64
#define NR_CLOCK_SETTIME __NR_clock_settime64
#else
#define NR_CLOCK_SETTIME __NR_clock_settime
#endif
#ifdef __NR_clock_getres_time64
#define NR_CLOCK_GETRES __NR_clock_getres_time64
#else
#define NR_CLOCK_GETRES __NR_clock_getres
#endif
#ifdef __NR_clock_nanosleep_time64
#define NR_CLOCK_NANOSLEEP __NR_clock_nanosleep_time64
#else
#define NR_CLOCK_NANOSLEEP __NR_clock_nanosleep
#endif
#ifdef __NR_timer_gettime64
#define NR_TIMER_GETTIME __NR_timer_gettime64
#else
#define NR_TIMER_GETTIME __NR_timer_gettime
#endif
#ifdef __NR_timer_settime64
#define NR_TIMER_SETTIME __NR_timer_settime64
#else
#define NR_TIMER_SETTIME __NR_timer_settime
#endif
#ifdef __NR_timerfd_gettime64
#define NR_TIMERFD_GETTIME __NR_timerfd_gettime64
#else
#define NR_TIMERFD_GETTIME __NR_timerfd_gettime
#endif
#ifdef __NR_timerfd_settime64
#define NR_TIMERFD_SETTIME __NR_timerfd_settime64
#else
#define NR_TIMERFD_SETTIME __NR_timerfd_settime
#endif
#ifdef __NR_ppoll_time64
#define NR_PPOLL __NR_ppoll_time64
#else
#define NR_PPOLL __NR_ppoll
#endif
#ifdef __NR_pselect6_time64
#define NR_PSELECT6 __NR_pselect6_time64
#else
#define NR_PSELECT6 __NR_pselect6
#endif
#ifdef __NR_rt_sigtimedwait_time64
#define NR_RT_SIGTIMEDWAIT __NR_rt_sigtimedwait_time64
#else
#define NR_RT_SIGTIMEDWAIT __NR_rt_sigtimedwait
#endif

// mmap with its offset as the last argument; 32-bit ABIs have it under this name, counted in units of 4096 bytes.
#ifdef __NR_mmap2
#define NR_MMAP __NR_mmap2
#else
#define NR_MMAP __NR_mmap
#endif

#endif
