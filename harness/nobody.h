// SPDX-License-Identifier: GPL-2.0-only
// Becoming an ordinary user in a forked child, for what the kernel keeps from those without privilege.
#ifndef NOBODY_H
#define NOBODY_H

#include <grp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

// Gives up all groups, ids and with them the capabilities. False where the ids do not exist (user namespaces).
static inline bool become(uid_t uid, gid_t gid)
{
	return !setgroups(0, NULL) && !setresgid(gid, gid, gid) && !setresuid(uid, uid, uid);
}

// As a user whose id nobody else has here, so that what the kernel counts for each user starts at 0.
static inline bool become_someone_new(void)
{
	return become((1 << 20) + getpid(), (1 << 20) + getpid());
}

static inline bool can_become(uid_t uid, gid_t gid)
{
	pid_t child = fork();
	int status = 1;

	if (child == 0)
		_exit(!become(uid, gid));
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

#endif
