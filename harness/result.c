// SPDX-License-Identifier: GPL-2.0-only
// Names for raw results of system calls.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <string.h>

#include "result.h"

const char *result_text(char *text, long result)
{
	const char *name = is_error(result) ? strerrorname_np(-result) : NULL;

	if (name)
		snprintf(text, RESULT_TEXT, "-%s", name);
	else if (result > 0xfffff || result < -4095)
		snprintf(text, RESULT_TEXT, "%#lx", result);
	else
		snprintf(text, RESULT_TEXT, "%ld", result);
	return text;
}
