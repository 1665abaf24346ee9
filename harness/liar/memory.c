// SPDX-License-Identifier: GPL-2.0-only
// Memory of a stopped task, through /proc/<tid>/mem: also of one that the program traces itself.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "liar.h"

#define CHUNK 256		// of strings; a multiple of it ends at each page's end

static int transfer(pid_t tid, uint64_t address, void *buffer, size_t size, bool writing)
{
	char path[64];
	ssize_t done;
	int fd, error = 0;

	snprintf(path, sizeof(path), "/proc/%d/mem", tid);
	fd = open(path, (writing ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	done = writing ? pwrite64(fd, buffer, size, address) : pread64(fd, buffer, size, address);
	if (done != (ssize_t)size)
		error = done < 0 ? -errno : -EIO;
	close(fd);
	return error;
}

int read_memory(pid_t tid, uint64_t address, void *buffer, size_t size)
{
	return transfer(tid, address, buffer, size, false);
}

int write_memory(pid_t tid, uint64_t address, const void *buffer, size_t size)
{
	return transfer(tid, address, (void *)buffer, size, true);
}

long read_string(pid_t tid, uint64_t address, char *text, size_t size)
{
	for (size_t length = 0; length < size;) {
		size_t part = CHUNK - (address + length) % CHUNK;
		char *end;
		int error;

		if (part > size - length)
			part = size - length;
		error = read_memory(tid, address + length, text + length, part);
		if (error)
			return error;
		end = memchr(text + length, 0, part);
		if (end)
			return end - text;
		length += part;
	}
	return -ENAMETOOLONG;
}

// Writes, and notes in the task's call what was there, unless the edit is meant to stay.
int edit_memory(struct moment *m, uint64_t address, const void *buffer, size_t size)
{
	struct undo *undo;
	int error;

	if (m->stays)
		return write_memory(m->task->tid, address, buffer, size);
	undo = need_memory(sizeof(*undo) + 2 * size);
	undo->address = address;
	undo->size = size;
	undo->before = (unsigned char *)(undo + 1);
	undo->after = undo->before + size;
	memcpy(undo->after, buffer, size);
	error = read_memory(m->task->tid, address, undo->before, size) ?:
		write_memory(m->task->tid, address, buffer, size);
	if (error) {
		free(undo);
		return error;
	}
	undo->next = m->task->call.undo;
	m->task->call.undo = undo;
	return 0;
}

// Bytes that somebody has changed since are left alone: they are the kernel's answer, or another thread's work.
static void put_one_back(pid_t tid, const struct undo *undo, unsigned char *now)
{
	if (read_memory(tid, undo->address, now, undo->size))
		return;
	for (size_t from = 0, to; from < undo->size; from = to + 1) {
		for (to = from; to < undo->size && now[to] == undo->after[to] && now[to] != undo->before[to]; to++)
			;
		if (to > from)
			write_memory(tid, undo->address + from, undo->before + from, to - from);
	}
}

void put_back(pid_t tid, const struct undo *undo)
{
	for (; undo; undo = undo->next) {
		unsigned char *now = need_memory(undo->size);

		put_one_back(tid, undo, now);
		free(now);
	}
}

void forget_undo(struct call *call)
{
	while (call->undo) {
		struct undo *next = call->undo->next;

		free(call->undo);
		call->undo = next;
	}
}
