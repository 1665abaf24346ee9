// SPDX-License-Identifier: GPL-2.0-only
// Programs that write what nobody expects; -r chooses.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

static void flood(const char *line)
{
	static char lines[65536];
	size_t n = strlen(line), size = 0;

	while (size + n <= sizeof(lines)) {
		memcpy(lines + size, line, n);
		size += n;
	}
	while (write(1, lines, size) > 0)
		;
}

static void every_byte(void)
{
	for (int i = 0; i < 256; i++)
		putchar(i);
	printf("\nlast line without an end");
}

// 600 lines, one of them 1500 bytes long, and results among them.
static void more_than_its_budget(void)
{
	printf("%01500d\n", 7);
	for (int i = 1; i < 600; i++)
		printf("line %d\n", i);
	printf("ok 1 after_the_budget\n#  RUN           global.next ...\nnot ok 2 next\n");
}

static void long_lines(void)
{
	for (int i = 0; i < 300; i++)
		printf("%01000d\n", i);
}

static void results_in_time(void)
{
	struct timespec pause = { .tv_nsec = 400000000 };	// time is the subject: less than the limit, nine times more

	for (int i = 1; i <= 9; i++) {
		nanosleep(&pause, NULL);
		printf("ok %d result\n", i);
		fflush(stdout);
	}
}

static void same_result_again_and_again(void)
{
	struct timespec pause = { .tv_nsec = 100000000 };	// time is the subject: a tenth of the limit

	while (nanosleep(&pause, NULL) == 0) {
		printf("ok 1 result\n");
		fflush(stdout);
	}
}

static void kernel_speaks(void)
{
	int fd = open("/dev/kmsg", O_WRONLY);

	if (fd < 0 || write(fd, "<4>osprim words of a program\n", 29) != 29)
		printf("cannot write to /dev/kmsg\n");
	mount("osprim", "/", "tmpfs", 0, "osprim_words_of_the_kernel");	// an unknown option, and a line about it
	printf("after the kernel\n");
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";

	if (!strcmp(what, "one_result"))
		printf("ok 1 one_result\n");
	else if (!strcmp(what, "flood"))
		flood("a line of a flood\n");
	else if (!strcmp(what, "flood_of_results"))
		flood("ok 1 flood_of_results\n");
	else if (!strcmp(what, "line_without_end"))
		flood("without end ");
	else if (!strcmp(what, "every_byte"))
		every_byte();
	else if (!strcmp(what, "closed_output"))
		_exit(close(1) | close(2) | 7);
	else if (!strcmp(what, "more_than_its_budget"))
		more_than_its_budget();
	else if (!strcmp(what, "long_lines"))
		long_lines();
	else if (!strcmp(what, "results_in_time"))
		results_in_time();
	else if (!strcmp(what, "same_result_again_and_again"))
		same_result_again_and_again();
	else if (!strcmp(what, "kernel_speaks"))
		kernel_speaks();
	else
		return 99;
	return 0;
}
