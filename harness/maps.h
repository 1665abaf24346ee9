// SPDX-License-Identifier: GPL-2.0-only
// What the kernel tells of a mapping: /proc/<pid>/smaps, one mapping at a time. No stdio, no allocation.
#ifndef MAPS_H
#define MAPS_H

#include <stdbool.h>
#include <stddef.h>

#define MAPPING_TEXT 2048

struct mapping {
	unsigned long start, end;	// its addresses, [start, end)
	char text[MAPPING_TEXT];	// its line of /proc/<pid>/maps, then its "Name: value" lines
};

// Finds the mapping that holds the address, in process pid or, for 0, in this one.
// False if there is none, or no smaps (.needs = "file=/proc/self/smaps").
bool find_mapping(int pid, const void *address, struct mapping *m);

// "Rss", "THPeligible" ...: amounts in bytes, other numbers as they stand, -1 where this kernel has no such field.
long long mapping_field(const struct mapping *m, const char *name);

// Whether its VmFlags hold the two letters, e.g. "hg".
bool mapping_has_flag(const struct mapping *m, const char *flag);

// A field of the mapping at an address of this process; -1 also if nothing is mapped there.
long long field_at(const void *address, const char *name);

// The same summed over each mapping that overlaps [from, from + size); 0 if none does.
long long field_of_range(const void *from, size_t size, const char *name);

// Whether a page table of this process has a page at the address now, by /proc/self/pagemap; the page of zeros counts.
bool has_page(const void *address);

// Whether VmFlags at an address of this process hold the two letters.
bool flag_at(const void *address, const char *flag);

#endif
