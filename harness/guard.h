// SPDX-License-Identifier: GPL-2.0-only
// Buffers for what the kernel writes: filled with a pattern, canaries in front, an unreachable page behind.
#ifndef GUARD_H
#define GUARD_H

#include <stdbool.h>
#include <stddef.h>

#define GUARD_BYTE 0xa5

// size bytes that end exactly at a PROT_NONE page (so the caller picks size for alignment), filled with GUARD_BYTE,
// after a run of canaries. Lives until guard_free() or the clause's end; aborts the clause's process when mmap fails.
void *guarded(size_t size);
void guard_free(void *buffer);

// Nothing was written in front of the buffer.
bool guard_is_intact(const void *buffer);

// Bytes [from, to) of the buffer still hold the pattern.
bool is_untouched(const void *buffer, size_t from, size_t to);

// An address in a page that is mapped and may not be touched; one that is not mapped at all and stays so.
void *forbidden_page(void);
void *unmapped_page(void);

size_t page_size(void);

#define EXPECT_INTACT(buffer)                EXPECT_TRUE(guard_is_intact(buffer))
#define EXPECT_UNTOUCHED(buffer, from, to)   EXPECT_TRUE(is_untouched(buffer, from, to))

#endif
