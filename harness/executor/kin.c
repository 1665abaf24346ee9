// SPDX-License-Identifier: GPL-2.0-only
// Finding and killing descendants, in whatever session or process group they hide.
//
// Nanny and executor are child subreapers: an orphan becomes their child, so that every process a job left behind is a
// descendant, and the parents in /proc lead from it to here.
#include "executor.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROCESSES_MAX 32768	// in one look; what does not fit is seen in the next
#define PIDS_MAX 4194304	// PID_MAX_LIMIT of include/linux/threads.h
#define PF_EXITING 4		// include/linux/sched.h, in /proc/PID/stat since 2.6

static struct process {
	pid_t pid, parent, group, session;
	bool is_dead, is_dying, is_kin;
} table[PROCESSES_MAX];
static int table_size;

// The n-th field of /proc/PID/stat, counted from 1 as in proc(5), n >= 3; `at` points to field 3, behind the name.
static const char *field(const char *at, int n)
{
	for (; n > 3 && at; n--) {
		at = strchr(at, ' ');
		at += at != NULL;
	}
	return at ? at : "0";
}

static bool leader_is_dead(const char *at)
{
	return *at == 'Z' || *at == 'X';
}

static bool is_dead(const char *at)
{
	return leader_is_dead(at) && atoi(field(at, 20)) <= 1;	// else other threads live on
}

// It has a SIGKILL that it has not yet got, or is on its way out.
static bool is_dying(const char *at)
{
	if (leader_is_dead(at))
		return false;
	return strtoul(field(at, 9), NULL, 10) & PF_EXITING || strtoul(field(at, 31), NULL, 10) >> (SIGKILL - 1) & 1;
}

static bool look_at(int proc, const char *pid, struct process *p)
{
	char path[32], stat[1024], *at;
	long n;
	int fd;

	text_format(path, sizeof(path), "%s/stat", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, stat, sizeof(stat) - 1);
	close(fd);
	if (n <= 0)
		return false;
	stat[n] = 0;
	at = strrchr(stat, ')');	// the name in parentheses may hold anything
	if (!at || at[1] != ' ')
		return false;
	at += 2;
	p->pid = atoi(pid);
	p->parent = atoi(field(at, 4));
	p->group = atoi(field(at, 5));
	p->session = atoi(field(at, 6));
	p->is_dead = is_dead(at);
	p->is_dying = is_dying(at);
	p->is_kin = false;
	return true;
}

// Fills the table, in ascending order of pids, as /proc lists them.
static void look_around(void)
{
	static char entries[32768] __attribute__((aligned(8)));
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n;

	table_size = 0;
	if (proc < 0)
		return;
	while ((n = syscall(SYS_getdents64, proc, entries, sizeof(entries))) > 0) {
		for (long at = 0; at < n; at += ((struct listed *)(entries + at))->size) {
			const char *name = ((struct listed *)(entries + at))->name;

			if (*name >= '1' && *name <= '9' && table_size < PROCESSES_MAX)
				table_size += look_at(proc, name, &table[table_size]);
		}
	}
	close(proc);
}

static const struct process *find(pid_t pid)
{
	int from = 0, to = table_size;

	while (from < to) {
		int middle = from + (to - from) / 2;

		if (table[middle].pid == pid)
			return &table[middle];
		if (table[middle].pid < pid)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

static bool is_spared(pid_t pid, const pid_t *spare, int spares)
{
	for (int i = 0; i < spares; i++)
		if (spare[i] == pid)
			return true;
	return false;
}

static void mark_kin(const pid_t *spare, int spares)
{
	pid_t self = getpid();
	bool is_new = true;

	for (int i = 0; i < table_size; i++)
		table[i].is_kin = table[i].parent == self && !is_spared(table[i].pid, spare, spares);
	while (is_new) {	// once more where a child has a lower number than its parent
		is_new = false;
		for (int i = 0; i < table_size; i++) {
			const struct process *parent = table[i].is_kin ? NULL : find(table[i].parent);

			if (parent && parent->is_kin)
				table[i].is_kin = is_new = true;
		}
	}
}

// True the first time for each process.
static bool is_new_victim(pid_t pid)
{
	static unsigned char seen[PIDS_MAX / 8];
	bool is_new = pid < PIDS_MAX && !(seen[pid / 8] >> pid % 8 & 1);

	if (is_new)
		seen[pid / 8] |= 1 << pid % 8;
	return is_new;
}

struct kin kin_kill(const pid_t *spare, int spares, pid_t uncounted)
{
	struct kin kin = { 0 };
	pid_t session = getsid(0), group = getpgrp();

	look_around();
	mark_kin(spare, spares);
	for (int i = 0; i < table_size; i++) {
		const struct process *p = &table[i];

		if (!p->is_kin)
			continue;
		kin.present++;
		if (p->is_dead)
			continue;
		if (!p->is_dying && p->pid != uncounted)
			kin.killed += is_new_victim(p->pid);
		// The group too: it dies at one stroke, with what it forked since the look at it. In a session of the
		// job there are processes of the job alone.
		if (p->session != session && p->group != group && p->group > 1)
			kill(-p->group, SIGKILL);
		kill(p->pid, SIGKILL);
	}
	return kin;
}
