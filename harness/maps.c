// SPDX-License-Identifier: GPL-2.0-only
// A reader of /proc/<pid>/smaps over raw system calls.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guard.h"
#include "maps.h"
#include "sys.h"

#define LINE 512

struct reader {
	int fd;
	int have, at;
	char bytes[4096];
	char line[LINE];
};

static bool reader_open(struct reader *r, int pid)
{
	char path[32] = "/proc/self/smaps";

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	r->have = r->at = 0;
	r->fd = raw_syscall(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	return r->fd >= 0;
}

static void reader_close(struct reader *r)
{
	raw_syscall(__NR_close, r->fd);
}

// Fills r->line, cut where it is too long, with its newline; false at the end.
static bool next_line(struct reader *r)
{
	int length = 0;

	for (;;) {
		char c;

		if (r->at == r->have) {
			r->have = raw_syscall(__NR_read, r->fd, r->bytes, sizeof(r->bytes));
			r->at = 0;
			if (r->have <= 0) {
				r->have = 0;
				return false;
			}
		}
		c = r->bytes[r->at++];
		if (length < LINE - 2 || c == '\n')
			r->line[length++] = c;
		if (c == '\n')
			break;
	}
	r->line[length] = 0;
	return true;
}

static const char *hex(const char *s, unsigned long *value)
{
	for (*value = 0; ; s++) {
		if (*s >= '0' && *s <= '9')
			*value = *value << 4 | (*s - '0');
		else if (*s >= 'a' && *s <= 'f')
			*value = *value << 4 | (*s - 'a' + 10);
		else
			return s;
	}
}

// A mapping begins with "start-end rwxp ..."; names of fields begin with a capital.
static bool is_header(const char *line, unsigned long *start, unsigned long *end)
{
	const char *p = hex(line, start);

	if (p == line || *p != '-')
		return false;
	return *hex(p + 1, end) == ' ';
}

// The next mapping, given that r->line is its header; leaves r->line at the header after it, or empty.
static bool next_mapping(struct reader *r, struct mapping *m)
{
	unsigned long start, end;
	size_t length = 0;

	if (!is_header(r->line, &m->start, &m->end))
		return false;
	m->text[0] = 0;
	do {
		size_t n = strlen(r->line);

		if (length + n < sizeof(m->text)) {
			memcpy(m->text + length, r->line, n + 1);
			length += n;
		}
		if (!next_line(r)) {
			r->line[0] = 0;
			break;
		}
	} while (!is_header(r->line, &start, &end));
	return true;
}

bool find_mapping(int pid, const void *address, struct mapping *m)
{
	unsigned long wanted = (unsigned long)address;
	struct reader r;
	bool found = false;

	if (!reader_open(&r, pid))
		return false;
	if (next_line(&r))
		while (!found && next_mapping(&r, m))
			found = wanted >= m->start && wanted < m->end;
	reader_close(&r);
	return found;
}

// The rest of the line "name:", or NULL.
static const char *find_field(const struct mapping *m, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = strchr(m->text, '\n'); line && line[1]; line = strchr(line + 1, '\n'))
		if (!strncmp(line + 1, name, n) && line[1 + n] == ':')
			return line + 2 + n;
	return NULL;
}

long long mapping_field(const struct mapping *m, const char *name)
{
	const char *p = find_field(m, name);
	long long value = 0;

	if (!p)
		return -1;
	while (*p == ' ')
		p++;
	if (*p < '0' || *p > '9')
		return -1;
	while (*p >= '0' && *p <= '9')
		value = value * 10 + (*p++ - '0');
	return !strncmp(p, " kB", 3) ? value * 1024 : value;
}

bool mapping_has_flag(const struct mapping *m, const char *flag)
{
	const char *p = find_field(m, "VmFlags");

	for (; p && *p && *p != '\n'; p++)
		if (p[0] == ' ' && p[1] == flag[0] && p[2] == flag[1] && (p[3] == ' ' || p[3] == '\n'))
			return true;
	return false;
}

long long field_at(const void *address, const char *name)
{
	struct mapping m;

	return find_mapping(0, address, &m) ? mapping_field(&m, name) : -1;
}

long long field_of_range(const void *from, size_t size, const char *name)
{
	unsigned long start = (unsigned long)from, end = start + size;
	struct mapping m;
	struct reader r;
	long long sum = 0;

	if (!reader_open(&r, 0))
		return -1;
	if (next_line(&r)) {
		while (next_mapping(&r, &m) && m.start < end) {
			long long value = m.end > start ? mapping_field(&m, name) : 0;

			if (value < 0) {
				sum = -1;
				break;
			}
			sum += value;
		}
	}
	reader_close(&r);
	return sum;
}

bool flag_at(const void *address, const char *flag)
{
	struct mapping m;

	return find_mapping(0, address, &m) && mapping_has_flag(&m, flag);
}

bool has_page(const void *address)
{
	off64_t place = (off64_t)((unsigned long)address / page_size()) * sizeof(unsigned long long);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	unsigned long long entry = 0;

	if (fd < 0 || pread64(fd, &entry, sizeof(entry), place) != sizeof(entry))
		entry = 0;
	if (fd >= 0)
		close(fd);
	return entry >> 63;
}
