// SPDX-License-Identifier: GPL-2.0-only
// accept4(2), socket(2), socketpair(2): the flags that a new socket has, and which are its own.
#include "io.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define USERS .needed_by = "go:accept4 rust:std::net libuv:uv__accept jvm:sun.nio.ch"

static const int flags[] = { 0, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_CLOEXEC | SOCK_NONBLOCK };

#define is_nonblocking(fd)   (!!(raw_syscall(__NR_fcntl, fd, F_GETFL) & O_NONBLOCK))
#define is_close_on_exec(fd) (raw_syscall(__NR_fcntl, fd, F_GETFD) == FD_CLOEXEC)

#define EXPECT_FLAGS(flags_, fd) do {						\
	EXPECT_EQ(!!((flags_) & SOCK_NONBLOCK), is_nonblocking(fd));		\
	EXPECT_EQ(!!((flags_) & SOCK_CLOEXEC), is_close_on_exec(fd));		\
} while (0)

// A listening socket of such flags and a client that is connected to it; local by an unnamed address, or of loopback.
static bool listens(int family, int with, int *listener, int *client)
{
	struct sockaddr_storage address = { .ss_family = family };
	struct sockaddr_in *in = (struct sockaddr_in *)&address;
	socklen_t length = family == AF_UNIX ? sizeof(sa_family_t) : sizeof(*in);

	if (family == AF_INET)
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*listener = socket(family, SOCK_STREAM | with, 0);
	*client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*listener < 0 || *client < 0 || bind(*listener, (void *)&address, length) || listen(*listener, 8))
		return false;
	length = sizeof(address);
	return !getsockname(*listener, (void *)&address, &length) && !connect(*client, (void *)&address, length);
}

static void check_accept(struct __test_metadata *_metadata, int family)
{
	for (unsigned int of_listener = 0; of_listener < ARRAY_SIZE(flags); of_listener++) {
		for (unsigned int asked = 0; asked < ARRAY_SIZE(flags); asked++) {
			int listener, client;
			long fd;

			if (!listens(family, flags[of_listener], &listener, &client))
				SKIP(return, "no such sockets: %s", strerror(errno));
			// A connection may be there for the client before it is in the listener's queue (PREEMPT_RT).
			ASSERT_EQ(1, poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1, -1));
			fd = raw_syscall(__NR_accept4, listener, NULL, NULL, flags[asked]);
			ASSERT_OK(fd);
			EXPECT_FLAGS(flags[asked], fd);
			EXPECT_FLAGS(flags[of_listener], listener);
			close(fd);
			close(client);
			close(listener);
		}
	}
}

CLAUSE(an_accepted_local_socket_has_the_flags_asked_for,
       "accept(2) accept4: SOCK_NONBLOCK and SOCK_CLOEXEC are set on the new descriptor when asked for; on Linux it "
       "inherits "
       "neither from the listening socket", USERS)
{
	check_accept(_metadata, AF_UNIX);
}

CLAUSE(an_accepted_tcp_socket_has_the_flags_asked_for,
       "accept(2) accept4: SOCK_NONBLOCK and SOCK_CLOEXEC are set on the new descriptor when asked for; on Linux it "
       "inherits "
       "neither from the listening socket: of TCP", .config = "INET", USERS)
{
	check_accept(_metadata, AF_INET);
}

CLAUSE(what_accept_refuses_leaves_the_connection_waiting,
       "accept(2) ERRORS: EINVAL for unknown flags and a socket that does not listen, EBADF, ENOTSOCK, EAGAIN when no "
       "connection is there; one that waits is given to the next call", USERS)
{
	int listener, client, null = open("/dev/null", O_RDONLY);
	long fd;

	ASSERT_TRUE(listens(AF_UNIX, SOCK_NONBLOCK, &listener, &client));
	for (int bit = 0; bit < 32; bit++)
		if (1U << bit != SOCK_NONBLOCK && 1U << bit != SOCK_CLOEXEC)
			EXPECT_ERR(EINVAL, raw_syscall(__NR_accept4, listener, NULL, NULL, 1U << bit));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_accept4, client, NULL, NULL, 0));
	EXPECT_ERR(ENOTSOCK, raw_syscall(__NR_accept4, null, NULL, NULL, 0));
	EXPECT_ERR(EBADF, raw_syscall(__NR_accept4, 900, NULL, NULL, 0));
	fd = raw_syscall(__NR_accept4, listener, NULL, NULL, 0);
	EXPECT_OK(fd);
	EXPECT_RET(1, raw_syscall(__NR_write, fd, "x", 1));
	EXPECT_ERR(EAGAIN, raw_syscall(__NR_accept4, listener, NULL, NULL, 0));
}

CLAUSE(a_new_socket_has_the_flags_asked_for,
       "socket(2) SOCK_NONBLOCK, SOCK_CLOEXEC, socketpair(2): set on each new descriptor when asked for, else not; "
       "unknown "
       "flags are EINVAL", USERS)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		int ends[2] = { -1, -1 };
		long fd = raw_syscall(__NR_socket, AF_UNIX, SOCK_STREAM | flags[i], 0);

		ASSERT_OK(fd);
		EXPECT_FLAGS(flags[i], fd);
		ASSERT_RET(0, raw_syscall(__NR_socketpair, AF_UNIX, SOCK_STREAM | flags[i], 0, ends));
		EXPECT_FLAGS(flags[i], ends[0]);
		EXPECT_FLAGS(flags[i], ends[1]);
	}
	EXPECT_ERR(EINVAL, raw_syscall(__NR_socket, AF_UNIX, SOCK_STREAM | 1 << 30, 0));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_socketpair, AF_UNIX, SOCK_STREAM | 1 << 30, 0, (int[2]){ 0 }));
}
