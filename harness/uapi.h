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

// Linux 6.13
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

// Linux 6.18
#ifndef PR_THP_DISABLE_EXCEPT_ADVISED
#define PR_THP_DISABLE_EXCEPT_ADVISED (1 << 1)
#endif

#endif
