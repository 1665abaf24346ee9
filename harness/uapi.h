// SPDX-License-Identifier: GPL-2.0-only
// Numbers and structures of the kernel's interface that the headers of Debian 12 (Linux 6.1) do not have yet.
#ifndef UAPI_H
#define UAPI_H

// Linux 6.3
#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#define AT_RSEQ_ALIGN 28
#endif

// Linux 6.4
#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif

// Linux 6.7; the numbers follow those of futex_waitv on every architecture
#ifndef __NR_futex_wake
#define __NR_futex_wake (__NR_futex_waitv + 5)
#define __NR_futex_wait (__NR_futex_waitv + 6)
#define __NR_futex_requeue (__NR_futex_waitv + 7)
#endif
#ifndef FUTEX2_SIZE_MASK
#define FUTEX2_SIZE_U8 0x00
#define FUTEX2_SIZE_U16 0x01
#define FUTEX2_SIZE_U32 0x02
#define FUTEX2_SIZE_U64 0x03
#define FUTEX2_NUMA 0x04
#define FUTEX2_PRIVATE 0x80
#define FUTEX2_SIZE_MASK 0x03
#endif

// Linux 6.13
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

// Linux 6.16
#ifndef FUTEX2_MPOL
#define FUTEX2_MPOL 0x08
#define FUTEX_NO_NODE (-1)
#define PR_FUTEX_HASH 78
#define PR_FUTEX_HASH_SET_SLOTS 1
#define PR_FUTEX_HASH_GET_SLOTS 2
#endif

// Linux 6.18
#ifndef PR_THP_DISABLE_EXCEPT_ADVISED
#define PR_THP_DISABLE_EXCEPT_ADVISED (1 << 1)
#endif

// Linux 7.0
#ifndef PR_RSEQ_SLICE_EXTENSION
#define PR_RSEQ_SLICE_EXTENSION 79
#define PR_RSEQ_SLICE_EXTENSION_GET 1
#define PR_RSEQ_SLICE_EXTENSION_SET 2
#endif
#ifndef __NR_rseq_slice_yield
#define __NR_rseq_slice_yield (__NR_futex_waitv + 22)
#endif

// Linux 7.2
#ifndef FUTEX_ROBUST_UNLOCK
#define FUTEX_ROBUST_UNLOCK 512
#define FUTEX_ROBUST_LIST32 1024
#endif

#endif
