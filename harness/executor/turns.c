// SPDX-License-Identifier: GPL-2.0-only
// Runs on one machine take turns: what must be alone in one of them waits for all that run in another.
#include "executor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

// The lock is on the folder that the runs have in common, and ends with the executor; no file is left behind by it.
bool turn_has_come(bool alone)
{
	static int folder = -1, held;
	int want = alone ? LOCK_EX : LOCK_SH;

	if (folder < 0)
		folder = open(scratch_base(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (held != want)	// a change that fails loses the lock; where there is none to be had, nobody waits
		held = !flock(folder, want | LOCK_NB) || errno != EWOULDBLOCK ? want : 0;
	return held == want;
}
