// SPDX-License-Identifier: GPL-2.0-only
// The settings of transparent huge pages: reading, writing and putting back the files of their sysfs directory.
#ifndef SETTING_H
#define SETTING_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "need.h"
#include "size.h"
#include "sync.h"
#include "sys.h"

#define SETTING_TEXT 256
#define SETTING_PATH 640
#define SETTING_NAME 576	// of a directory and a file in it, below THP_DIR

// The kernel moves its reserve of free memory along with the setting, and does not always move it back.
#define RESERVE_FILE "/proc/sys/vm/min_free_kbytes"

static inline long probe_thp_sysfs(void)
{
	return raw_syscall(__NR_faccessat, AT_FDCWD, THP_DIR, F_OK);
}

static inline long probe_shmem_enabled(void)
{
	return raw_syscall(__NR_faccessat, AT_FDCWD, THP_DIR "/shmem_enabled", F_OK);
}

static inline long probe_shrink_underused(void)
{
	return raw_syscall(__NR_faccessat, AT_FDCWD, THP_DIR "/shrink_underused", F_OK);
}

#define THP_SYSFS .config = "TRANSPARENT_HUGEPAGE SYSFS", .probe = probe_thp_sysfs, .absent_errno = ENOENT
#define SHMEM_ENABLED .config = "TRANSPARENT_HUGEPAGE SYSFS SHMEM", .probe = probe_shmem_enabled, .absent_errno = ENOENT

#define COUNT(array) (sizeof(array) / sizeof(*array))

// Settings are named by their path below THP_DIR, or by a whole path.
static inline const char *setting_path(const char *name, char path[SETTING_PATH])
{
	snprintf(path, SETTING_PATH, "%s%s", *name == '/' ? "" : THP_DIR "/", name);
	return path;
}

// The whole text, terminated; its length or -errno.
static inline long setting_text(const char *name, char text[SETTING_TEXT])
{
	char path[SETTING_PATH];

	*text = 0;
	return read_text(setting_path(name, path), text, SETTING_TEXT);
}

// What would be written to get this value again: the word in brackets, or the text without its newline.
static inline const char *setting_value(const char *name, char value[64])
{
	char text[SETTING_TEXT], *from = text;

	*value = 0;
	if (setting_text(name, text) <= 0)
		return value;
	if (strchr(text, '['))
		from = strchr(text, '[') + 1;
	snprintf(value, 64, "%.*s", (int)strcspn(from, "]\n"), from);
	return value;
}

static inline bool setting_is(const char *name, const char *wanted)
{
	char value[64];

	return !strcmp(setting_value(name, value), wanted);
}

// One write(2) of exactly these bytes; what open(2) or write(2) returned.
static inline long setting_write(const char *name, const void *bytes, size_t length)
{
	char path[SETTING_PATH];
	long fd, result;

	fd = raw_syscall(__NR_openat, AT_FDCWD, setting_path(name, path), O_WRONLY | O_CLOEXEC);
	if (is_error(fd))
		return fd;
	result = raw_syscall(__NR_write, fd, bytes, length);
	raw_syscall(__NR_close, fd);
	return result;
}

// As a shell's `echo value >name` does it. 0 or -errno.
static inline long setting_set(const char *name, const char *value)
{
	char line[80];
	long length = snprintf(line, sizeof(line), "%s\n", value), result = setting_write(name, line, length);

	return result == length ? 0 : is_error(result) ? result : -EIO;
}

// Becomes nobody where this is root; false if that cannot be.
static inline bool drop_privilege(void)
{
	return geteuid() != 0 || raw_syscall(__NR_setresuid, 65534, 65534, 65534) == 0;
}

// True where root's writes can reach the setting (sysfs may be mounted read-only).
static inline bool setting_is_writable(const char *name)
{
	char path[SETTING_PATH];

	return raw_syscall(__NR_faccessat, AT_FDCWD, setting_path(name, path), W_OK) == 0;
}

// The size in a directory's name hugepages-<N>kB, in bytes; 0 if it is none.
static inline unsigned long long size_of_directory(const char *name)
{
	unsigned long long kilobytes;
	char again[64];

	if (sscanf(name, "hugepages-%llukB", &kilobytes) != 1)
		return 0;
	snprintf(again, sizeof(again), "hugepages-%llukB", kilobytes);
	return strcmp(name, again) ? 0 : kilobytes * 1024;
}

// Calls visit(directory, arg) for each hugepages-<N>kB; returns how many there are.
static inline int each_size(void (*visit)(const char *directory, void *arg), void *arg)
{
	DIR *dir = opendir(THP_DIR);
	struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "hugepages-", 10))
			continue;
		count++;
		visit(entry->d_name, arg);
	}
	if (dir)
		closedir(dir);
	return count;
}

// Since 6.8 each size of THP has a directory of its own.
static inline long probe_size_directories(void)
{
	char path[SETTING_PATH];

	snprintf(path, sizeof(path), THP_DIR "/hugepages-%zukB", huge_page_size() / 1024);
	return raw_syscall(__NR_faccessat, AT_FDCWD, path, F_OK);
}

#define SIZE_DIRECTORIES(major, minor) .since = KERNEL(major, minor), .config = "TRANSPARENT_HUGEPAGE SYSFS", \
	.probe = probe_size_directories, .absent_errno = ENOENT

// Whether the settings allow a huge page where MADV_HUGEPAGE was given, or no advice.
static inline bool size_allows(const char *directory, bool advised)
{
	char name[SETTING_NAME], value[64], global[64];

	setting_value("enabled", global);
	snprintf(name, sizeof(name), "%s/enabled", directory);
	setting_value(name, value);
	if (!strcmp(value, "inherit"))
		strcpy(value, global);
	return !strcmp(value, "always") || (advised && !strcmp(value, "madvise"));
}

static inline bool huge_page_is_allowed(bool advised)
{
	char directory[64];

	if (probe_size_directories() != 0)
		return setting_is("enabled", "always") || (advised && setting_is("enabled", "madvise"));
	snprintf(directory, sizeof(directory), "hugepages-%zukB", huge_page_size() / 1024);
	return size_allows(directory, advised);
}

struct allowed_sizes {
	bool advised;
	int count;
};

static inline void count_allowed_size(const char *directory, void *arg)
{
	struct allowed_sizes *sizes = arg;

	sizes->count += size_allows(directory, sizes->advised);
}

// The same for a block of any size, as THPeligible in smaps says it.
static inline bool any_size_is_allowed(bool advised)
{
	struct allowed_sizes sizes = { .advised = advised };

	return each_size(count_allowed_size, &sizes) ? sizes.count : huge_page_is_allowed(advised);
}

// All settings as they were, for SETUP and TEARDOWN of a fixture. Where a clause is killed, .writes has them put back.
struct saved_settings {
	int count;
	struct {
		char name[64];
		char value[64];
	} file[64];
};

static inline void save_setting(struct saved_settings *all, const char *name)
{
	const int i = all->count;

	if (i == 64 || strlen(name) >= sizeof(all->file[i].name))
		return;
	strcpy(all->file[i].name, name);
	all->count += *setting_value(name, all->file[i].value) != 0;
}

static inline void save_settings_of_size(const char *directory, void *arg)
{
	char name[SETTING_NAME];

	snprintf(name, sizeof(name), "%s/enabled", directory);
	save_setting(arg, name);
	snprintf(name, sizeof(name), "%s/shmem_enabled", directory);
	save_setting(arg, name);
}

static inline void settings_save(struct saved_settings *all)
{
	static const char *const names[] = { "enabled", "defrag", "shmem_enabled", "use_zero_page", "shrink_underused",
		"khugepaged/defrag", "khugepaged/pages_to_scan", "khugepaged/scan_sleep_millisecs",
		"khugepaged/alloc_sleep_millisecs", "khugepaged/max_ptes_none", "khugepaged/max_ptes_swap",
		"khugepaged/max_ptes_shared" };

	all->count = 0;
	each_size(save_settings_of_size, all);
	for (unsigned int i = 0; i < COUNT(names); i++)
		save_setting(all, names[i]);
	save_setting(all, RESERVE_FILE);
}

// Writes only what differs: a write of the same value may have effects too. Twice, because shmem_enabled takes force,
// and sizes take inherit, only while the others allow it.
static inline void settings_restore(const struct saved_settings *all)
{
	for (int i = 0; i < 2 * all->count; i++) {
		const char *name = all->file[i % all->count].name, *value = all->file[i % all->count].value;

		if (!setting_is(name, value))
			setting_set(name, value);
	}
}

static inline void disable_size(const char *directory, void *arg)
{
	char name[SETTING_NAME];

	snprintf(name, sizeof(name), "%s/enabled", directory);
	if (!setting_is(name, "") && !setting_is(name, "never"))
		setting_set(name, "never");
}

// Makes the word that enabled holds the only thing that counts. 0 or -errno.
static inline long settings_follow_enabled_alone(void)
{
	char name[SETTING_NAME];

	if (probe_size_directories() != 0)
		return 0;
	each_size(disable_size, NULL);
	snprintf(name, sizeof(name), "hugepages-%zukB/enabled", huge_page_size() / 1024);
	return setting_set(name, "inherit");
}

static inline void disable_shmem_size(const char *directory, void *arg)
{
	char name[SETTING_NAME];

	snprintf(name, sizeof(name), "%s/shmem_enabled", directory);
	if (!setting_is(name, "") && !setting_is(name, "never"))
		setting_set(name, "never");
}

// The same for shmem_enabled. 0 or -errno.
static inline long shmem_settings_follow_global_alone(void)
{
	char name[SETTING_NAME], path[SETTING_PATH];

	each_size(disable_shmem_size, NULL);
	snprintf(name, sizeof(name), "hugepages-%zukB/shmem_enabled", huge_page_size() / 1024);
	return access(setting_path(name, path), F_OK) ? 0 : setting_set(name, "inherit");
}

static inline void inherit_for_size(const char *directory, void *arg)
{
	char name[SETTING_NAME], path[SETTING_PATH];

	snprintf(name, sizeof(name), "%s/enabled", directory);
	if (!access(setting_path(name, path), F_OK))
		setting_set(name, "inherit");
}

// Makes the word that enabled holds count for every size.
static inline void settings_let_every_size_inherit(void)
{
	each_size(inherit_for_size, NULL);
}

// The files that these restore, for .writes: names of sizes that a machine does not have do no harm.
#define WRITES_SIZE_(kilobytes) \
	"," THP_DIR "/hugepages-" #kilobytes "kB/enabled," THP_DIR "/hugepages-" #kilobytes "kB/shmem_enabled"
#define EACH_SIZE_ \
	WRITES_SIZE_(8) WRITES_SIZE_(16) WRITES_SIZE_(32) WRITES_SIZE_(64) WRITES_SIZE_(128) WRITES_SIZE_(256) \
	WRITES_SIZE_(512) WRITES_SIZE_(1024) WRITES_SIZE_(2048) WRITES_SIZE_(4096) WRITES_SIZE_(8192) \
	WRITES_SIZE_(16384) WRITES_SIZE_(32768) WRITES_SIZE_(65536) WRITES_SIZE_(131072) WRITES_SIZE_(262144) \
	WRITES_SIZE_(524288)
#define SKIP_UNLESS_WRITABLE(name)							\
	if (!setting_is_writable(name))							\
		SKIP(return, "sysfs cannot be written here")
#define WRITES_SETTINGS(files) .needs = "thp root", .writes = files "," RESERVE_FILE, .exclusive = 1
#define WRITES_SIZES .writes = THP_DIR "/enabled," THP_DIR "/shmem_enabled" EACH_SIZE_ "," RESERVE_FILE, .exclusive = 1

#endif
