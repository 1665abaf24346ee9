// SPDX-License-Identifier: GPL-2.0-only
// Raw results of system calls: -4095..-1 is an error, anything else a value.
#ifndef RESULT_H
#define RESULT_H

#include <stdbool.h>

#define RESULT_TEXT 64

static inline bool is_error(long result)
{
	return (unsigned long)result >= -4095UL;
}

// Writes "-EAGAIN", "3" or "0x7f0000000000" into text[RESULT_TEXT] and returns it.
const char *result_text(char *text, long result);

#endif
