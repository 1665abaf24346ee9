// SPDX-License-Identifier: GPL-2.0-only
// Which blocking calls on sockets a signal interrupts and which go on; with a timeout of the socket none does.
#include "clause.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "restart.h"

static bool open_pair(struct stage *s)
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->fd) == 0;
}

static bool open_datagrams(struct stage *s)
{
	return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, s->fd) == 0;
}

// A listening socket of the kernel's choice of name, and the other's client.
static bool listen_at(struct stage *s, int family, int backlog)
{
	struct sockaddr_storage name = { .ss_family = family };
	socklen_t size = family == AF_UNIX ? sizeof(sa_family_t) : sizeof(struct sockaddr_in);

	if (family == AF_INET)
		((struct sockaddr_in *)&name)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->fd[0] = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	s->fd[1] = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return s->fd[0] >= 0 && !bind(s->fd[0], (struct sockaddr *)&name, size) && !listen(s->fd[0], backlog);
}

static bool listen_locally(struct stage *s)
{
	return listen_at(s, AF_UNIX, 5);
}

static long connect_to(int fd, int listener)
{
	struct sockaddr_storage name;
	socklen_t size = sizeof(name);

	if (getsockname(listener, (struct sockaddr *)&name, &size))
		return -errno;
	return raw_syscall(__NR_connect, fd, &name, size);
}

static void connect_client(struct stage *s)
{
	connect_to(s->fd[1], s->fd[0]);
}

// A machine may have no address at all, not even its own.
static bool listen_on_loopback(struct stage *s)
{
	struct stage trial = { 0 };

	return listen_at(&trial, AF_INET, 5) && connect_to(trial.fd[1], trial.fd[0]) == 0 && listen_at(s, AF_INET, 5);
}

static long accept_one(struct stage *s)
{
	long fd = raw_syscall(__NR_accept4, s->fd[0], NULL, NULL, 0);

	return is_error(fd) ? fd : 0;
}

// The backlog has room for one connection, which is made.
static bool fill_backlog(struct stage *s)
{
	if (!listen_at(s, AF_UNIX, 0))
		return false;
	s->fd[2] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return connect_to(s->fd[2], s->fd[0]) == 0;
}

static long connect_one(struct stage *s)
{
	return connect_to(s->fd[1], s->fd[0]);
}

static void accept_client(struct stage *s)
{
	accept4(s->fd[0], NULL, NULL, SOCK_CLOEXEC);
}

static long read_one(struct stage *s)
{
	char byte;

	return raw_syscall(__NR_read, s->fd[0], &byte, 1);
}

static long recvfrom_one(struct stage *s)
{
	char byte;

	return raw_syscall(__NR_recvfrom, s->fd[0], &byte, 1, 0, NULL, NULL);
}

static long recvmsg_one(struct stage *s)
{
	char byte;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	return raw_syscall(__NR_recvmsg, s->fd[0], &message, 0);
}

static bool fill(struct stage *s)
{
	static char bytes[4096];

	while (send(s->fd[1], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	return true;
}

static bool fill_pair(struct stage *s)
{
	return open_pair(s) && fill(s);
}

static bool fill_datagrams(struct stage *s)
{
	return open_datagrams(s) && fill(s);
}

static long sendto_one(struct stage *s)
{
	return raw_syscall(__NR_sendto, s->fd[1], "x", 1, 0, NULL, 0);
}

static void drain(struct stage *s)
{
	static char bytes[4096];

	while (recv(s->fd[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0 && !stage->returned)
		;
}

RESTART_CLAUSE(read_of_a_socket_is_restarted, "read(2) of a stream socket" AFTER_RESTART,
	       RESTARTS, __NR_read, open_pair, read_one, write_byte, 1)

RESTART_CLAUSE(recvfrom_of_a_stream_is_restarted, "recvfrom(2) of a stream without a timeout" AFTER_RESTART,
	       RESTARTS, __NR_recvfrom, open_pair, recvfrom_one, write_byte, 1)

RESTART_CLAUSE(recvfrom_of_datagrams_is_restarted, "recvfrom(2) of datagrams without a timeout" AFTER_RESTART,
	       RESTARTS, __NR_recvfrom, open_datagrams, recvfrom_one, write_byte, 1)

RESTART_CLAUSE(recvmsg_is_restarted_without_a_timeout, "recvmsg(2) without a timeout [incident 63]" AFTER_RESTART,
	       RESTARTS, __NR_recvmsg, open_pair, recvmsg_one, write_byte, 1)

RESTART_CLAUSE(sendto_a_full_stream_is_restarted, "sendto(2) to a stream whose buffer is full, without a timeout" AFTER_RESTART,
	       RESTARTS, __NR_sendto, fill_pair, sendto_one, drain, 1)

RESTART_CLAUSE(sendto_a_full_queue_is_restarted, "sendto(2) of a datagram to a full queue, without a timeout" AFTER_RESTART,
	       RESTARTS, __NR_sendto, fill_datagrams, sendto_one, drain, 1)

RESTART_CLAUSE(accept_of_a_local_socket_is_restarted, "accept4(2) of a local socket without a timeout" AFTER_RESTART,
	       RESTARTS, __NR_accept4, listen_locally, accept_one, connect_client, 0)

RESTART_CLAUSE(accept_of_tcp_is_restarted, "accept4(2) of a TCP socket without a timeout" AFTER_RESTART,
	       RESTARTS, __NR_accept4, listen_on_loopback, accept_one, connect_client, 0)

RESTART_CLAUSE(connect_to_a_full_backlog_is_restarted, "connect(2) of a local socket without a timeout" AFTER_RESTART,
	       RESTARTS, __NR_connect, fill_backlog, connect_one, accept_client, 0)

static bool has_timeouts(struct stage *s)
{
	struct timeval an_hour = { .tv_sec = 3600 };

	for (int i = 0; i < 2; i++)
		if (setsockopt(s->fd[i], SOL_SOCKET, SO_RCVTIMEO, &an_hour, sizeof(an_hour)) ||
		    setsockopt(s->fd[i], SOL_SOCKET, SO_SNDTIMEO, &an_hour, sizeof(an_hour)))
			return false;
	return true;
}

static bool open_timed_pair(struct stage *s)
{
	return open_pair(s) && has_timeouts(s);
}

static bool open_timed_datagrams(struct stage *s)
{
	return open_datagrams(s) && has_timeouts(s);
}

static bool fill_timed_pair(struct stage *s)
{
	return open_pair(s) && fill(s) && has_timeouts(s);
}

static bool listen_with_a_timeout(struct stage *s)
{
	return listen_locally(s) && has_timeouts(s);
}

static bool fill_timed_backlog(struct stage *s)
{
	return fill_backlog(s) && has_timeouts(s);
}

RESTART_CLAUSE(recvfrom_with_a_timeout_is_not_restarted, "recvfrom(2) of a stream with SO_RCVTIMEO" EINTR_ALWAYS,
	       NEVER_RESTARTS, __NR_recvfrom, open_timed_pair, recvfrom_one, write_byte, 1)

RESTART_CLAUSE(recvmsg_of_datagrams_with_a_timeout_is_not_restarted, "recvmsg(2) of datagrams with SO_RCVTIMEO" EINTR_ALWAYS,
	       NEVER_RESTARTS, __NR_recvmsg, open_timed_datagrams, recvmsg_one, write_byte, 1)

RESTART_CLAUSE(sendto_with_a_timeout_is_not_restarted, "sendto(2) to a full stream with SO_SNDTIMEO" EINTR_ALWAYS,
	       NEVER_RESTARTS, __NR_sendto, fill_timed_pair, sendto_one, drain, 1)

RESTART_CLAUSE(accept_with_a_timeout_is_not_restarted, "accept4(2) with SO_RCVTIMEO" EINTR_ALWAYS,
	       NEVER_RESTARTS, __NR_accept4, listen_with_a_timeout, accept_one, connect_client, 0)

RESTART_CLAUSE(connect_with_a_timeout_is_not_restarted, "connect(2) with SO_SNDTIMEO" EINTR_ALWAYS,
	       NEVER_RESTARTS, __NR_connect, fill_timed_backlog, connect_one, accept_client, 0)

CLAUSE(ignored_signals_leave_alone_what_is_never_restarted,
       "signal(7) Interruption of system calls and library functions: only a handler, a stop or the end of the process "
       "interrupts: an ignored signal "
       "leaves alone the calls that would fail with EINTR", .needed_by = USERS_OF_RESTART)
{
	static const struct blocking *const rows[] = {
		&recvfrom_with_a_timeout_is_not_restarted_row,
		&recvmsg_of_datagrams_with_a_timeout_is_not_restarted_row,
		&sendto_with_a_timeout_is_not_restarted_row,
		&accept_with_a_timeout_is_not_restarted_row,
		&connect_with_a_timeout_is_not_restarted_row,
	};

	stage = common_memory(sizeof(*stage));
	FOR_EACH(i, rows)
		MEETS(rows[i], IGNORED);
}

static long receive_two(struct stage *s)
{
	char two[2];

	return raw_syscall(__NR_recvfrom, s->fd[0], two, 2, MSG_WAITALL, NULL, NULL);
}

static bool open_pair_with_a_byte(struct stage *s)
{
	if (!open_pair(s))
		return false;
	write_byte(s);
	return true;
}

CLAUSE(a_receive_that_was_interrupted_midway_returns_the_count,
       "signal(7), recv(2) MSG_WAITALL: a call that has received data when a handler interrupts it returns the number "
       "of bytes so far, with SA_RESTART "
       "and without [SIG-7]", .needed_by = USERS_OF_RESTART)
{
	static const struct blocking row = { RESTARTS, __NR_recvfrom, NULL, receive_two, NULL, 0 };

	stage = common_memory(sizeof(*stage));
	for (int treatment = HANDLED; treatment <= HANDLED_AND_RESTARTED; treatment++) {
		ASSERT_TRUE(open_pair_with_a_byte(stage));
		ASSERT_TRUE(begins(&row, treatment));
		ASSERT_TRUE(is_treated(&row, treatment));
		ASSERT_TRUE(wait_until(stage->returned));
		EXPECT_RET(1, stage->result);
		ASSERT_TRUE(ends(&row, true));
	}
}
