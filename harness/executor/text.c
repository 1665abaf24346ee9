// SPDX-License-Identifier: GPL-2.0-only
// Text without stdio: formatting, escaping, names of errors.
#include "executor.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

struct text {
	char *at, *end;	// end: the last byte, kept for the terminator
};

static void add_bytes(struct text *t, const char *from, size_t n)
{
	size_t room = t->end - t->at;

	if (n > room)
		n = room;
	memcpy(t->at, from, n);
	t->at += n;
}

static void add_unsigned(struct text *t, unsigned long value)
{
	char digits[24], *at = digits + sizeof(digits);

	do
		*--at = '0' + value % 10;
	while (value /= 10);
	add_bytes(t, at, digits + sizeof(digits) - at);
}

static void add_signed(struct text *t, long value)
{
	if (value < 0)
		add_bytes(t, "-", 1);
	add_unsigned(t, value < 0 ? -(unsigned long)value : value);
}

static void add_hex(struct text *t, unsigned int value)
{
	for (int shift = 28; shift >= 0; shift -= 4)
		add_bytes(t, &"0123456789abcdef"[value >> shift & 15], 1);
}

size_t text_vformat(char *to, size_t size, const char *format, va_list values)
{
	struct text t = { to, to + size - 1 };

	while (*format) {
		size_t plain = strcspn(format, "%");

		add_bytes(&t, format, plain);
		format += plain;
		if (!strncmp(format, "%s", 2)) {
			const char *s = va_arg(values, const char *);

			add_bytes(&t, s, strlen(s));
			format += 2;
		} else if (!strncmp(format, "%d", 2)) {
			add_signed(&t, va_arg(values, int));
			format += 2;
		} else if (!strncmp(format, "%ld", 3)) {
			add_signed(&t, va_arg(values, long));
			format += 3;
		} else if (!strncmp(format, "%u", 2)) {
			add_unsigned(&t, va_arg(values, unsigned int));
			format += 2;
		} else if (!strncmp(format, "%08x", 4)) {
			add_hex(&t, va_arg(values, unsigned int));
			format += 4;
		} else if (*format) {
			add_bytes(&t, format++, 1);
		}
	}
	*t.at = 0;
	return t.at - to;
}

size_t text_format(char *to, size_t size, const char *format, ...)
{
	va_list values;
	size_t n;

	va_start(values, format);
	n = text_vformat(to, size, format, values);
	va_end(values);
	return n;
}

static size_t escape_byte(char to[4], unsigned char c)
{
	if ((c >= ' ' || c == '\t') && c < 0x7f && c != '\\') {
		to[0] = c;
		return 1;
	}
	to[0] = '\\';
	to[1] = 'x';
	to[2] = "0123456789abcdef"[c >> 4];
	to[3] = "0123456789abcdef"[c & 15];
	return 4;
}

size_t text_escape(char to[TEXT_SIZE], const char *from, size_t n, bool more)
{
	size_t length = 0;

	for (size_t i = 0; i < n; i++) {
		char escaped[4];
		size_t need = escape_byte(escaped, from[i]);

		if (length + need > TEXT_MAX) {
			more = true;
			break;
		}
		memcpy(to + length, escaped, need);
		length += need;
	}
	if (more) {
		memcpy(to + length, "\\...", 4);
		length += 4;
	}
	to[length] = 0;
	return length;
}

// strerrorname_np is glibc's alone; these are what fork, exec, pipes and files answer.
#define NAMED(name) { name, #name }
static const struct { int number; const char *name; } errors[] = {
	NAMED(EPERM), NAMED(ENOENT), NAMED(ESRCH), NAMED(EINTR), NAMED(EIO), NAMED(ENXIO), NAMED(E2BIG),
	NAMED(ENOEXEC), NAMED(EBADF), NAMED(ECHILD), NAMED(EAGAIN), NAMED(ENOMEM), NAMED(EACCES), NAMED(EFAULT),
	NAMED(EBUSY), NAMED(EEXIST), NAMED(EXDEV), NAMED(ENODEV), NAMED(ENOTDIR), NAMED(EISDIR), NAMED(EINVAL),
	NAMED(ENFILE), NAMED(EMFILE), NAMED(ETXTBSY), NAMED(EFBIG), NAMED(ENOSPC), NAMED(ESPIPE), NAMED(EROFS),
	NAMED(EPIPE), NAMED(ERANGE), NAMED(ENAMETOOLONG), NAMED(ENOSYS), NAMED(ENOTEMPTY), NAMED(ELOOP),
	NAMED(EOVERFLOW), NAMED(EOPNOTSUPP), NAMED(ETIMEDOUT), NAMED(EDQUOT), NAMED(ELIBBAD), NAMED(EUSERS),
};

const char *errno_name(int error)
{
	static char number[16];

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].number == error)
			return errors[i].name;
	text_format(number, sizeof(number), "E%d", error);
	return number;
}

void complain(const char *format, ...)
{
	char line[2048] = "executor: ";
	size_t n = strlen(line);
	va_list values;

	va_start(values, format);
	n += text_vformat(line + n, sizeof(line) - 1 - n, format, values);
	va_end(values);
	line[n++] = '\n';
	if (write(2, line, n) < 0)
		return;	// there is nobody left to tell
}
