// SPDX-License-Identifier: GPL-2.0-only
// The auxiliary vector of this process, found as a runtime's start code finds it: above envp on the initial stack.
#ifndef AUXV_H
#define AUXV_H

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "sys.h"
#include "uapi.h"

#define AUX_MOST 64	// pairs, AT_NULL included: what Go keeps

struct aux {
	unsigned long type, value;
};

// The linker's name for the start of the program's own image.
extern const ElfW(Ehdr) __ehdr_start;

// Where sp pointed at when the program began: at argc. The words in front of envp are argv's, its NULL and argc, which
// alone is as small as the number of words passed.
static inline unsigned long *initial_stack(void)
{
	unsigned long *word = (unsigned long *)environ - 2, passed = 0;

	while (*word != passed && *word != (unsigned long)(word + 1)) {	// glibc of arm puts that in argc's place
		word--;
		passed++;
	}
	return word;
}

static inline const struct aux *aux_on_stack(void)
{
	char **end = environ;

	while (*end)
		end++;
	return (const struct aux *)(end + 1);
}

// Number of pairs with AT_NULL; most + 1 if it does not come by then.
static inline size_t aux_pairs(const struct aux *aux, size_t most)
{
	size_t n = 0;

	while (n < most && aux[n].type != AT_NULL)
		n++;
	return n + 1;
}

static inline const struct aux *aux_find(const struct aux *aux, unsigned long type)
{
	for (; aux->type != AT_NULL; aux++)
		if (aux->type == type)
			return aux;
	return NULL;
}

// The value, or 0 if there is no such entry.
static inline unsigned long aux_value(const struct aux *aux, unsigned long type)
{
	aux = aux_find(aux, type);
	return aux ? aux->value : 0;
}

// Of this process.
static inline unsigned long own_aux(unsigned long type)
{
	return aux_value(aux_on_stack(), type);
}

// Ids as 32-bit numbers, by the calls that have them.
#ifdef __NR_getuid32
#define NR_GETUID  __NR_getuid32
#define NR_GETEUID __NR_geteuid32
#define NR_GETGID  __NR_getgid32
#define NR_GETEGID __NR_getegid32
#else
#define NR_GETUID  __NR_getuid
#define NR_GETEUID __NR_geteuid
#define NR_GETGID  __NR_getgid
#define NR_GETEGID __NR_getegid
#endif

#endif
