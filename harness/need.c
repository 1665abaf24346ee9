// SPDX-License-Identifier: GPL-2.0-only
// Run-time answers to what a clause needs: the machine's side (skip) and the kernel's side (absent).
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "arch.h"
#include "need.h"

static const char *const capability_names[] = {
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
	"linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
	"sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
	"sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
	"mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
	"checkpoint_restore",
};

static bool has_capability(const char *name)
{
	unsigned long long effective = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "re");

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &effective) == 1)
			break;
	fclose(f);
	for (unsigned int i = 0; i < sizeof(capability_names) / sizeof(*capability_names); i++)
		if (!strcmp(capability_names[i], name))
			return effective >> i & 1;
	return false;
}

static int cpus_allowed(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
}

static bool is_compat(void)
{
	struct utsname u;

	return sizeof(long) == 4 && !uname(&u) && strstr(u.machine, "64");
}

static bool need_is_met(const char *need)
{
	const char *value = strchr(need, '=');

	value = value ? value + 1 : "";
	if (!strcmp(need, "root"))
		return geteuid() == 0;
	if (!strcmp(need, "own_machine"))
		return getenv("OSPRIM_OWN_MACHINE");
	if (!strncmp(need, "cap=", 4))
		return has_capability(value);
	if (!strncmp(need, "cpus=", 5))
		return cpus_allowed() >= atoi(value);
	if (!strncmp(need, "cpu=", 4))
		return arch_has_cpu_feature(value);
	if (!strncmp(need, "file=", 5))
		return access(value, F_OK) == 0;
	if (!strcmp(need, "thp"))
		return access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0 ||
		       config_is_set("TRANSPARENT_HUGEPAGE") != 1;
	if (!strcmp(need, "64bit"))
		return sizeof(long) == 8;
	if (!strcmp(need, "32bit"))
		return sizeof(long) == 4;
	if (!strcmp(need, "compat"))
		return is_compat();
	if (!strcmp(need, "native"))
		return !is_compat();
	return false;
}

bool needs_are_met(const char *needs, char *why)
{
	char words[NEED_TEXT], *rest = words, *need;
	bool met = true;

	if (!needs)
		return true;
	snprintf(words, sizeof(words), "%s", needs);
	snprintf(why, NEED_TEXT, "needs");
	while ((need = strsep(&rest, " "))) {
		if (!*need || need_is_met(need))
			continue;
		met = false;
		strncat(why, " ", NEED_TEXT - strlen(why) - 1);
		strncat(why, need, NEED_TEXT - strlen(why) - 1);
	}
	return met;
}

unsigned int kernel_release(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname u;

	if (!uname(&u))
		sscanf(u.release, "%u.%u", &major, &minor);
	return major << 16 | minor;
}

static int open_config(void)
{
	const char *named = getenv("OSPRIM_CONFIG");
	char path[128];
	struct utsname u;

	if (named)
		return open(named, O_RDONLY | O_CLOEXEC);
	if (uname(&u))
		return -1;
	snprintf(path, sizeof(path), "/boot/config-%s", u.release);
	return open(path, O_RDONLY | O_CLOEXEC);
}

// Maps the kernel's configuration, which stays; NULL if there is none. Not read: each clause is a process of its own, and
// an emulated CPU takes milliseconds to copy 150 kB, of which the search touches a few pages.
static const char *config_text(size_t *size)
{
	static const char *text;
	static struct stat file;
	void *map;
	int fd;

	if (!text && (fd = open_config()) >= 0) {
		map = fstat(fd, &file) ? MAP_FAILED : mmap(NULL, file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		text = map == MAP_FAILED ? NULL : map;
		close(fd);
	}
	*size = file.st_size;
	return text;
}

int config_is_set(const char *option)
{
	size_t size;
	const char *text = config_text(&size), *at = text;
	char words[NEED_TEXT];
	int length = snprintf(words, sizeof(words), "CONFIG_%s=", option);

	if (!text)
		return -1;
	while ((at = memmem(at, text + size - at, words, length)) && at > text && at[-1] != '\n')
		at += length;
	return at && at + length < text + size && at[length] != 'n';
}

// "7.3:OPTION" is an option that came with 7.3: a kernel before it lacks nothing for want of it. Leaves the name alone.
static bool is_of_a_later_kernel(char **option)
{
	unsigned int major, minor;
	int end = 0;

	if (sscanf(*option, "%u.%u:%n", &major, &minor, &end) != 2 || !end)
		return false;
	*option += end;
	return kernel_release() < (major << 16 | minor);
}

bool feature_may_be_absent(unsigned int since, const char *config, char *why)
{
	char words[NEED_TEXT], *rest = words, *option;
	int set;

	if (since && kernel_release() < since) {
		snprintf(why, NEED_TEXT, "promised since Linux %u.%u", since >> 16, since & 0xffff);
		return true;
	}
	snprintf(words, sizeof(words), "%s", config ? config : "");
	while ((option = strsep(&rest, " "))) {
		if (is_of_a_later_kernel(&option) || !*option || (set = config_is_set(option)) == 1)
			continue;
		snprintf(why, NEED_TEXT, "CONFIG_%s is %s", option, set ? "unknown (no kernel configuration at hand)" : "off");
		return true;
	}
	return false;
}

int slowness(void)
{
	const char *slow = getenv("OSPRIM_SLOW");
	int times = slow ? atoi(slow) : 1;

	return times > 1 ? times : 1;
}

int within_patience(int seconds)
{
	const char *text = getenv("OSPRIM_PATIENCE");
	int patience = text ? atoi(text) : 0;

	return patience > 0 && patience < seconds ? patience : seconds;
}
