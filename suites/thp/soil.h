// SPDX-License-Identifier: GPL-2.0-only
// Free memory that is not clean, so that memory which the kernel forgets to clear shows.
#ifndef SOIL_H
#define SOIL_H

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "setting.h"
#include "size.h"
#include "sync.h"
#include "sys.h"

// A counter of /proc/vmstat, or -1.
static inline long long vmstat(const char *name)
{
	static char text[65536];
	size_t n = strlen(name);

	if (read_text("/proc/vmstat", text, sizeof(text)) <= 0)
		return -1;
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (!strncmp(line, name, n) && line[n] == ' ')
			return strtoll(line + n, NULL, 10);
	return -1;
}

// Goes on on a CPU other than the present one, if there is one.
static inline void change_cpu(const cpu_set_t *allowed)
{
	unsigned int present = 0;
	cpu_set_t others = *allowed;

	raw_syscall(__NR_getcpu, &present, NULL, NULL);
	if (present < CPU_SETSIZE)
		CPU_CLR(present, &others);
	if (CPU_COUNT(&others))
		sched_setaffinity(0, sizeof(others), &others);
}

static inline void stay_on_this_cpu(void)
{
	unsigned int present = 0;
	cpu_set_t one;

	raw_syscall(__NR_getcpu, &present, NULL, NULL);
	CPU_ZERO(&one);
	CPU_SET(present, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

// Leaves free memory full of rubbish: memory that processes had, and memory that the kernel had for itself, from which
// the page of zeros that all readers share is taken when the first of them comes.
static inline void soil_free_memory(void)
{
	static char rubbish[65536];
	const size_t huge = huge_page_size(), size = huge <= LARGEST_TOUCHED ? 4 * huge : LARGEST_TOUCHED;
	int pipes[16][2];
	cpu_set_t allowed;
	char *memory;

	memset(rubbish, 0xa5, sizeof(rubbish));
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory != MAP_FAILED) {
		raw_syscall(__NR_madvise, memory, size, MADV_HUGEPAGE);
		memset(memory, 0xa5, size);
		munmap(memory, size);
	}
	for (unsigned int i = 0; i < COUNT(pipes); i++) {
		if (pipe2(pipes[i], O_NONBLOCK | O_CLOEXEC)) {
			pipes[i][0] = pipes[i][1] = -1;
			continue;
		}
		fcntl(pipes[i][1], F_SETPIPE_SZ, 1 << 20);
		while (write(pipes[i][1], rubbish, sizeof(rubbish)) > 0)
			;
	}
	// What is freed where it was allocated waits there, page by page, instead of growing into huge pages again.
	sched_getaffinity(0, sizeof(allowed), &allowed);
	change_cpu(&allowed);
	for (unsigned int i = 0; i < COUNT(pipes); i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	sched_setaffinity(0, sizeof(allowed), &allowed);
}

// Leaves rubbish in the free block of a huge page's size that the kernel gives next to itself: on this CPU, so that the
// caller must stay here. Such a block holds the slots of a large pipe, and is free at once when the pipe ends.
static inline void soil_next_block(void)
{
	const size_t slot = 40;	// struct pipe_buffer of a 64-bit kernel
	size_t slots = 1;
	int ends[2];

	while (2 * slots * slot <= huge_page_size())
		slots *= 2;
	if (pipe2(ends, O_DIRECT | O_NONBLOCK | O_CLOEXEC))
		return;
	if (fcntl(ends[1], F_SETPIPE_SZ, slots * page_size()) > 0)
		for (int i = 0; i < 64 && write(ends[1], "x", 1) == 1; i++)	// a slot each, by O_DIRECT
			;
	close(ends[0]);
	close(ends[1]);
}

// The first read of untouched memory since the machine was started makes the page of zeros, for all times; whichever
// clause it is that reads first, free memory must not be clean then.
static inline void soil_before_the_first_read(void)
{
	if (vmstat("thp_zero_page_alloc") == 0)
		soil_free_memory();
}

#endif
