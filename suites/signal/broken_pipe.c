// SPDX-License-Identifier: GPL-2.0-only
// SIGPIPE: every call that writes where nobody can read any more, and the flag that keeps the signal off.
#include "signals.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "nameless.h"

#define USERS "go:sigpipe go:net.sendfile rust:MSG_NOSIGNAL dotnet:SystemNative_SendMessage libuv:uv__write"

static char bytes[16];
static struct iovec piece = { bytes, sizeof(bytes) };

/* ---- Ends that nobody reads ---------------------------------------------------------------------------------- */

static bool unread_pipe(int fds[2])
{
	if (pipe2(fds, O_CLOEXEC))
		return false;
	close(fds[0]);
	fds[0] = -1;
	return true;
}

static bool unread_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return false;
	close(fds[0]);
	fds[0] = -1;
	return true;
}

static bool shut_pair(int fds[2])
{
	return !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) && !shutdown(fds[1], SHUT_WR);
}

static bool new_tcp(int fds[2])
{
	return (fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0;
}

// False where there is no loopback.
static bool connected_tcp(int fds[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool done;

	done = new_tcp(fds) && listener >= 0 && !bind(listener, (void *)&at, sizeof(at)) && !listen(listener, 1) &&
	       !getsockname(listener, (void *)&at, &size) && !connect(fds[1], (void *)&at, sizeof(at)) &&
	       (fds[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;
	close(listener);
	return done;
}

static bool shut_tcp(int fds[2])
{
	return connected_tcp(fds) && !shutdown(fds[1], SHUT_WR);
}

// The other side resets the connection; the first write learns that, and those after it are the subject.
static bool reset_tcp(int fds[2])
{
	struct linger at_once = { .l_onoff = 1 };
	struct pollfd hung_up;

	if (!connected_tcp(fds) || setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)))
		return false;
	close(fds[0]);
	fds[0] = -1;
	hung_up = (struct pollfd){ .fd = fds[1] };
	return poll(&hung_up, 1, -1) == 1 && send(fds[1], bytes, 1, MSG_NOSIGNAL) < 0;
}

static const struct unread {
	const char *name;
	bool (*make)(int fds[2]);
	bool is_socket, may_be_missing;
} unread[] = {
	{ "a pipe without a reader",		unread_pipe, false, false },
	{ "a Unix socket without a peer",	unread_pair, true, false },
	{ "a Unix socket shut for writing",	shut_pair, true, false },
	{ "a TCP socket without a connection",	new_tcp, true, true },
	{ "a TCP socket shut for writing",	shut_tcp, true, true },
	{ "a TCP socket that was reset",	reset_tcp, true, true },
};

static void close_both(int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

/* ---- Ways of writing ----------------------------------------------------------------------------------------- */

static long by_write(int fd, int flags)
{
	return raw_syscall(__NR_write, fd, bytes, sizeof(bytes));
}

static long by_writev(int fd, int flags)
{
	return raw_syscall(__NR_writev, fd, &piece, 1);
}

static long by_sendto(int fd, int flags)
{
	return raw_syscall(__NR_sendto, fd, bytes, sizeof(bytes), flags, NULL, 0);
}

static long by_sendmsg(int fd, int flags)
{
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

	return raw_syscall(__NR_sendmsg, fd, &message, flags);
}

static long by_sendmmsg(int fd, int flags)
{
	struct mmsghdr message = { .msg_hdr = { .msg_iov = &piece, .msg_iovlen = 1 } };

	return raw_syscall(__NR_sendmmsg, fd, &message, 1, flags);
}

static int full_file(void)
{
	int fd = nameless_file();

	return write(fd, bytes, sizeof(bytes)) == sizeof(bytes) && lseek(fd, 0, SEEK_SET) == 0 ? fd : -1;
}

static long by_sendfile(int fd, int flags)
{
	int from = full_file();
	long result = raw_syscall(__NR_sendfile, fd, from, NULL, sizeof(bytes));

	close(from);
	return result;
}

static long by_splice_of_a_file(int fd, int flags)
{
	int from = full_file();
	long result = raw_syscall(__NR_splice, from, NULL, fd, NULL, sizeof(bytes), 0);

	close(from);
	return result;
}

// Of splice(2) and tee(2), from a pipe that holds bytes.
static long from_a_full_pipe(int fd, bool tees)
{
	int fds[2];
	long result = -ENODATA;

	if (!pipe2(fds, O_CLOEXEC) && write(fds[1], bytes, sizeof(bytes)) == sizeof(bytes))
		result = tees ? raw_syscall(__NR_tee, fds[0], fd, sizeof(bytes), 0) :
			 raw_syscall(__NR_splice, fds[0], NULL, fd, NULL, sizeof(bytes), 0);
	close_both(fds);
	return result;
}

static long by_splice_of_a_pipe(int fd, int flags)
{
	return from_a_full_pipe(fd, false);
}

static long by_tee(int fd, int flags)
{
	return from_a_full_pipe(fd, true);
}

static long by_vmsplice(int fd, int flags)
{
	return raw_syscall(__NR_vmsplice, fd, &piece, 1, 0);
}

enum { PIPE = 1, SOCKET = 2, FLAGS = 4 };	// what it writes to, and whether it has flags of messages

static const struct writer {
	const char *name;
	int kinds;
	long (*write)(int fd, int flags);
} writers[] = {
	{ "write",		PIPE | SOCKET,	by_write },
	{ "writev",		PIPE | SOCKET,	by_writev },
	{ "sendto",		SOCKET | FLAGS,	by_sendto },
	{ "sendmsg",		SOCKET | FLAGS,	by_sendmsg },
	{ "sendmmsg",		SOCKET | FLAGS,	by_sendmmsg },
	{ "sendfile",		PIPE | SOCKET,	by_sendfile },
	{ "splice of a file",	PIPE,		by_splice_of_a_file },
	{ "splice of a pipe",	PIPE,		by_splice_of_a_pipe },
	{ "tee",		PIPE,		by_tee },
	{ "vmsplice",		PIPE,		by_vmsplice },
};

// Writes twice; what the calls said, and whether SIGPIPE came each time: 0 or 1, -1 where it is told of one alone.
static int sigpipe_of(const struct writer *w, int fd, int flags, long result[2])
{
	int before = arrivals, first;

	result[0] = w->write(fd, flags);
	first = arrivals - before;
	result[1] = w->write(fd, flags);
	return arrivals - before == 2 * first ? first : -1;
}

#define EXPECT_WRITES(flags, wanted_kinds, signals) do {						\
	ASSERT_RET(0, catch_signal(SIGPIPE));								\
	FOR_EACH(u, unread) {										\
		FOR_EACH(w, writers) {									\
			long result_[2];								\
			int fds_[2] = { -1, -1 };							\
													\
			if ((writers[w].kinds & (wanted_kinds)) != (wanted_kinds) ||			\
			    !(writers[w].kinds & (unread[u].is_socket ? SOCKET : PIPE)))		\
				continue;								\
			if (!unread[u].make(fds_)) {							\
				ASSERT_TRUE(unread[u].may_be_missing)					\
					TH_LOG("%s cannot be made", unread[u].name);			\
				continue;								\
			}										\
			forget_arrivals();								\
			EXPECT_EQ(signals, sigpipe_of(&writers[w], fds_[1], flags, result_))		\
				TH_LOG("signals of %s to %s", writers[w].name, unread[u].name);		\
			EXPECT_EQ(-EPIPE, result_[0])							\
				TH_LOG("%s to %s", writers[w].name, unread[u].name);			\
			EXPECT_EQ(-EPIPE, result_[1]);							\
			if (signals) {									\
				EXPECT_EQ(SIGPIPE, arrival[0].signo);					\
				EXPECT_EQ(own_tid(), arrival[0].tid);					\
			}										\
			close_both(fds_);								\
		}											\
	}												\
} while (0)

CLAUSE(every_call_that_writes_to_nobody_is_epipe_with_sigpipe,
       "pipe(7), write(2), send(2), sendfile(2), splice(2), tee(2), vmsplice(2) ERRORS EPIPE: where the reading end "
       "is closed, or the socket is shut for writing, the calling thread gets SIGPIPE, once for each call",
       .needed_by = USERS)
{
	EXPECT_WRITES(0, 0, 1);
}

CLAUSE(msg_nosignal_keeps_sigpipe_off_and_epipe_stays,
       "send(2) MSG_NOSIGNAL: no SIGPIPE where the peer of a stream has closed the connection, and EPIPE all the "
       "same: of send, sendmsg and sendmmsg, Unix and TCP",
       .needed_by = USERS)
{
	EXPECT_WRITES(MSG_NOSIGNAL, FLAGS, 0);
}

CLAUSE(sigpipe_that_is_ignored_leaves_epipe,
       "write(2), send(2) ERRORS EPIPE: a program sees the error if it ignores, blocks or handles SIGPIPE",
       .needed_by = USERS)
{
	ASSERT_RET(0, raw_sigaction(SIGPIPE, SIGNAL_IGNORE, 0));
	FOR_EACH(u, unread) {
		FOR_EACH(w, writers) {
			int fds[2] = { -1, -1 };

			if (!(writers[w].kinds & (unread[u].is_socket ? SOCKET : PIPE)) || !unread[u].make(fds))
				continue;
			EXPECT_ERR(EPIPE, writers[w].write(fds[1], 0))
				TH_LOG("%s to %s", writers[w].name, unread[u].name);
			close_both(fds);
		}
	}
	ASSERT_RET(0, raw_sigaction(SIGPIPE, SIGNAL_DEFAULT, 0));
	EXPECT_FALSE(is_pending(SIGPIPE));
}
