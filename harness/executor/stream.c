// SPDX-License-Identifier: GPL-2.0-only
// The stream: numbered lines with a checksum on standard output, each one write(2).
#include "executor.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static char nonce[9];
static unsigned int sequence;
static bool is_lost;

// zlib's CRC-32 (reflected 0xedb88320), half a byte at a time.
static unsigned int crc32(const char *at, size_t n)
{
	static const unsigned int table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	unsigned int crc = ~0u;

	for (size_t i = 0; i < n; i++) {
		crc ^= (unsigned char)at[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

// Waits for room, so that write() does not block where a stop could not be noticed. A reader that stands still holds
// everything up; once the run is to stop, it is given three seconds.
static bool wait_for_room(void)
{
	struct pollfd out = { .fd = 1, .events = POLLOUT };
	long stopped = -1;

	while (poll(&out, 1, 250) <= 0) {
		if (!stop_is_requested())
			continue;
		if (stopped < 0)
			stopped = now_ms();
		is_lost = now_ms() - stopped >= 3000;
		if (is_lost)
			return false;
	}
	return true;
}

static void write_all(const char *at, size_t n)
{
	while (n && !is_lost && wait_for_room()) {
		ssize_t written = write(1, at, n);

		if (written >= 0) {
			at += written;
			n -= written;
		} else if (errno != EINTR && errno != EAGAIN) {
			is_lost = true;
			complain("cannot write the stream: %s", errno_name(errno));
		}
	}
}

void stream_start(const char *plan_nonce)
{
	memcpy(nonce, plan_nonce, 8);
	write_all("\n", 1);
}

void stream_line(const char *kind, const char *format, ...)
{
	// Shorter than PIPE_BUF: a pipe takes it whole or not at all.
	char checked[32 + TEXT_SIZE + 256], line[sizeof(checked) + 32], *rest;
	size_t n, digits;
	va_list values;

	digits = text_format(checked, sizeof(checked), "%u ", sequence++);
	n = digits + text_format(checked + digits, sizeof(checked) - digits, "%s ", kind);
	va_start(values, format);
	n += text_vformat(checked + n, sizeof(checked) - n, format, values);
	va_end(values);

	rest = checked + digits;
	checked[digits - 1] = 0;
	n = text_format(line, sizeof(line) - 1, "@%s %s ", nonce, checked);
	checked[digits - 1] = ' ';
	n += text_format(line + n, sizeof(line) - 1 - n, "%08x %s", crc32(checked, strlen(checked)), rest);
	line[n++] = '\n';
	write_all(line, n);
}

bool stream_is_lost(void)
{
	return is_lost;
}
