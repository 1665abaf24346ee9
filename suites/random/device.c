// SPDX-License-Identifier: GPL-2.0-only
// random(4): /dev/urandom and /dev/random as the fallback of runtimes that have no getrandom(2).
#include "clause.h"
#include "guard.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define USERS "go:urandom_dev go:getRandomData rust:fill_bytes"

#define open_device(path, flags) raw_syscall(__NR_openat, AT_FDCWD, path, flags, 0)
#define read_from(fd, buffer, length) raw_syscall(__NR_read, fd, buffer, length)

CLAUSE(urandom_reads_what_was_asked_for,
       "random(4): /dev/urandom never blocks once initialised, and a read of 32 bytes returns 32 [RND-1]",
       .needs = "file=/dev/urandom", .needed_by = USERS)
{
	unsigned char *one = guarded(32), *two = guarded(32);
	long fd = open_device("/dev/urandom", O_RDONLY | O_CLOEXEC);

	ASSERT_OK(fd);
	EXPECT_RET(32, read_from(fd, one, 32));
	EXPECT_RET(32, read_from(fd, two, 32));
	EXPECT_NE(0, memcmp(one, two, 32));
	EXPECT_INTACT(one);
	EXPECT_INTACT(two);
	EXPECT_RET(0, read_from(fd, one, 0));
	EXPECT_ERR(EFAULT, read_from(fd, unmapped_page(), 32));
}

CLAUSE(urandom_is_readable_without_privilege,
       "random(4) Configuring: the devices are readable and writable by everyone [RND-1]",
       .needs = "file=/dev/urandom", .as_nobody = 1, .needed_by = USERS)
{
	unsigned char bytes[16];
	long fd = open_device("/dev/urandom", O_RDONLY | O_CLOEXEC);

	ASSERT_OK(fd);
	EXPECT_RET(16, read_from(fd, bytes, 16));
}

CLAUSE(random_does_not_block_once_initialised,
       "random(4): since Linux 5.6 /dev/random blocks only until the generator is initialised",
       .needs = "file=/dev/random", .needed_by = USERS)
{
	unsigned char bytes[64];
	long fd = open_device("/dev/random", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	ASSERT_OK(fd);
	ASSERT_RET(16, raw_syscall(__NR_getrandom, bytes, 16, 0));	// now it is initialised
	for (int i = 0; i < 64; i++)
		ASSERT_RET(64, read_from(fd, bytes, 64));
}

CLAUSE(the_devices_have_their_fixed_numbers,
       "Documentation/admin-guide/devices.txt: 1:8 is /dev/random and 1:9 "
       "/dev/urandom", .needs = "file=/dev/urandom file=/dev/random",
       .needed_by = USERS)
{
	struct stat st;

	ASSERT_EQ(0, stat("/dev/urandom", &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(makedev(1, 9), st.st_rdev);
	ASSERT_EQ(0, stat("/dev/random", &st));
	EXPECT_EQ(makedev(1, 8), st.st_rdev);
}

CLAUSE(a_large_read_is_filled_when_no_signal_comes,
       "random(4) Usage: a read of /dev/urandom of more than 256 bytes may be cut short by a signal alone, and of up "
       "to 32 MiB "
       "by nothing else; no part of what was asked for is left as it was [RND-1]",
       .needs = "file=/dev/urandom", .needed_by = USERS)
{
	static const size_t lengths[] = { 257, 4095, 4096, 4097, 65536, 100000, 1 << 20 };
	long fd = open_device("/dev/urandom", O_RDONLY | O_CLOEXEC);

	ASSERT_OK(fd);
	for (unsigned int i = 0; i < ARRAY_SIZE(lengths); i++) {
		unsigned char *bytes = guarded(lengths[i]);

		EXPECT_RET(lengths[i], read_from(fd, bytes, lengths[i]));
		// Sixteen bytes keep the pattern by chance once in 2^128.
		for (size_t at = 0; at + 16 <= lengths[i]; at += 16)
			ASSERT_FALSE(is_untouched(bytes, at, at + 16));
		EXPECT_INTACT(bytes);
		guard_free(bytes);
	}
}

CLAUSE(random_is_readable_once_initialised,
       "random(4), poll(2): /dev/random is reported as readable once the generator is initialised: who cannot call "
       "getrandom(2) "
       "waits for that, then reads /dev/urandom", .needs = "file=/dev/random", .needed_by = "rust:getrandom")
{
	struct pollfd p = { .events = POLLIN };
	unsigned char bytes[16];
	long fd = open_device("/dev/random", O_RDONLY | O_CLOEXEC);

	ASSERT_OK(fd);
	ASSERT_RET(16, raw_syscall(__NR_getrandom, bytes, 16, 0));	// now it is
	p.fd = fd;
	EXPECT_RET(1, raw_syscall(NR_PPOLL, &p, 1, NULL, NULL, 0));
	EXPECT_EQ(POLLIN, p.revents);
}
