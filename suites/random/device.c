// SPDX-License-Identifier: GPL-2.0-only
// random(4): /dev/urandom and /dev/random as the fallback of runtimes that have no getrandom(2).
#include "clause.h"
#include "guard.h"

#include <fcntl.h>
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
