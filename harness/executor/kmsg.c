// SPDX-License-Identifier: GPL-2.0-only
// The kernel's log, from the start of the executor on: its own records, not those that programs wrote into it.
#include "executor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD_SIZE 8192	// CONSOLE_EXT_LOG_MAX of include/linux/printk.h: a smaller buffer is EINVAL
#define LINES_MAX 512		// between two events of a job

static int fd = -1;
static int lines, dropped;
static bool has_overrun;

void kmsg_open(void)
{
	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && lseek(fd, 0, SEEK_END) < 0) {
		close(fd);
		fd = -1;
	}
}

int kmsg_fd(void)
{
	return fd;
}

static int digit(char c)
{
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= '0' && c <= '9' ? c - '0' : -1;
}

// Undoes the kernel's own \xNN, which are the stream's as well, so that they are not escaped twice; returns the length.
static size_t unescape(char *text, size_t n)
{
	size_t to = 0;

	for (size_t i = 0; i < n; i++) {
		if (i + 3 < n && text[i] == '\\' && text[i + 1] == 'x' && digit(text[i + 2]) >= 0 && digit(text[i + 3]) >= 0) {
			text[to++] = digit(text[i + 2]) << 4 | digit(text[i + 3]);
			i += 3;
		} else {
			text[to++] = text[i];
		}
	}
	return to;
}

// "priority,sequence,time,flags...;text\n KEY=value\n" of Documentation/ABI/testing/dev-kmsg.
static void pass_on_record(char *record, size_t size)
{
	char text[TEXT_SIZE], *from = memchr(record, ';', size), *end;

	if (!from || strtoul(record, NULL, 10) >> 3 != 0)	// a facility other than the kernel's
		return;
	from++;
	end = memchr(from, '\n', record + size - from);
	if (!end)
		end = record + size;
	if (lines == LINES_MAX) {
		dropped++;
		return;
	}
	lines++;
	text_escape(text, from, unescape(from, end - from), false);
	stream_line("kmsg", "%s", text);
}

void kmsg_pass_on(void)
{
	static char record[RECORD_SIZE];

	for (int i = 0; fd >= 0 && i < 4096; i++) {
		ssize_t n = read(fd, record, sizeof(record) - 1);

		if (n > 0) {
			record[n] = 0;
			pass_on_record(record, n);
		} else if (n < 0 && errno == EPIPE) {
			has_overrun = true;	// the next read goes on with the oldest record that is left
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else {
			if (n == 0 || errno != EAGAIN) {
				close(fd);
				fd = -1;
			}
			return;
		}
	}
}

void kmsg_refill_budget(void)
{
	if (dropped)
		stream_line("error", "%d lines of the kernel's log were not passed on", dropped);
	if (has_overrun)
		stream_line("error", "the kernel's log ran over: records were lost");
	lines = dropped = 0;
	has_overrun = false;
}
