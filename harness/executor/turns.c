// SPDX-License-Identifier: GPL-2.0-only
// Runs on one machine take turns: what must be alone in one of them waits for all that run in another.
#include "executor.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int folder = -1;		// that the runs have in common

// Who waits to be alone holds a name. A lock has no queue: without the name, runs that share it would take it in turns
// for as long as there are two of them. Returns a descriptor that holds the name until it is closed; -1 if another run
// has it, or there are no such sockets.
static int take_gate(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = offsetof(struct sockaddr_un, sun_path) + 1;
	struct stat common = { 0 };

	fstat(folder, &common);
	text_format(name.sun_path + 1, sizeof(name.sun_path) - 1, "osprim-alone-in-%ld-%ld", (long)common.st_dev,
		    (long)common.st_ino);
	size += strlen(name.sun_path + 1);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&name, size)) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

// Whether another run waits to be alone.
static bool gate_is_taken(void)
{
	int fd = take_gate();
	bool taken = fd < 0 && errno == EADDRINUSE;

	if (fd >= 0)
		close(fd);
	return taken;
}

// The lock is on the folder that the runs have in common, and ends with the executor; no file is left behind by it.
bool turn_has_come(bool alone, bool busy)
{
	static int held, own_gate = -1;
	int want = alone ? LOCK_EX : LOCK_SH;

	if (folder < 0)
		folder = open(scratch_base(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (alone && held != LOCK_EX && own_gate < 0)
		own_gate = take_gate();
	if (!alone && gate_is_taken()) {
		if (!busy && held)
			held = flock(folder, LOCK_UN);
		return false;
	}
	if (held != want)	// a change that fails loses the lock; where there is none to be had, nobody waits
		held = !flock(folder, want | LOCK_NB) || errno != EWOULDBLOCK ? want : 0;
	if (held == want && own_gate >= 0) {
		close(own_gate);
		own_gate = -1;
	}
	return held == want;
}
