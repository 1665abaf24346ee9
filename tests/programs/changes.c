// SPDX-License-Identifier: GPL-2.0-only
// Changes files, says so, and ends as told: -r HOW -r FILE=NEW [-r FILE=NEW ...]; FILE= removes the file.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int change(char *argument)
{
	char *value = strchr(argument, '=');
	int fd, n;

	*value++ = 0;
	if (!*value)
		return unlink(argument);
	fd = open(argument, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	n = write(fd, value, strlen(value));
	close(fd);
	return n != (int)strlen(value);
}

// A tree in the private directory that is not easily removed, with a link that leads out of it.
static int fill_directory(const char *outside)
{
	int error = 0;

	for (int i = 0; i < 100; i++) {
		char name[64];

		snprintf(name, sizeof(name), "a_file_with_quite_a_long_name_%d", i);
		error |= mknod(name, S_IFREG | 0600, 0);
	}
	error |= mkdir("a", 0700) | mkdir("a/b", 0700) | mkdir("a/b/c", 0700);
	error |= mkfifo("a/b/fifo", 0);
	error |= symlink(outside, "a/outside") | symlink("loop", "a/b/loop");
	return error | chmod("a/b/c", 0) | chmod("a/b", 0) | chmod("a", 0);
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[2] : "";

	if (!strcmp(how, "mess"))
		return fill_directory(argv[4]);
	if (!strcmp(how, "mount"))
		return mkdir("m", 0700) | mount(argv[4], "m", NULL, MS_BIND, NULL);
	for (int i = 4; i < argc; i += 2)
		if (change(argv[i]))
			return 98;
	printf("changed by %d\n", getpid());
	fflush(stdout);
	if (!strcmp(how, "exit"))
		return 0;
	if (!strcmp(how, "kill_parent"))
		kill(getppid(), SIGKILL);
	if (!strcmp(how, "crash"))
		kill(getpid(), SIGSEGV);
	for (;;)
		pause();
}
