// SPDX-License-Identifier: GPL-2.0-only
// getrandom(2): lengths, flags, errors, interruption, and that no two calls give the same bytes.
#include "clause.h"
#include "guard.h"
#include "sigaction.h"
#include "sync.h"
#include "thread.h"

#include <sys/mman.h>
#include <sys/random.h>

#define USERS "go:crypto_rand glibc:arc4random rust:HashMap musl:getentropy"

#define get_random(buffer, length, flags) raw_syscall(__NR_getrandom, buffer, length, flags)

CLAUSE(every_length_up_to_256_is_filled_to_its_last_byte,
       "getrandom(2): reads of up to 256 bytes always return as many bytes as requested, and write none beyond [RND-2]",
       .needed_by = USERS)
{
	for (size_t length = 1; length <= 256; length++) {
		unsigned char *buffer = guarded(length), *again = guarded(length);
		bool changed = false;

		ASSERT_RET(length, get_random(buffer, length, 0));
		ASSERT_TRUE(guard_is_intact(buffer));
		// A byte that keeps the pattern by chance differs within a few draws, all but one time in 2^160.
		for (int draw = 0; draw < 20 && !changed; draw++) {
			changed = buffer[length - 1] != GUARD_BYTE;
			ASSERT_RET(length, get_random(buffer, length, 0));
		}
		ASSERT_TRUE(changed);
		if (length >= 16) {
			ASSERT_RET(length, get_random(again, length, 0));
			ASSERT_NE(0, memcmp(buffer, again, length));
		}
		guard_free(buffer);
		guard_free(again);
	}
}

CLAUSE(no_bytes_may_be_asked_for,
       "drivers/char/random.c get_random_bytes_user (7.2): a length of 0 returns 0 and touches nothing, a null buffer "
       "included "
       "[RND-3]", .needed_by = USERS)
{
	unsigned char *buffer = guarded(16);

	EXPECT_RET(0, get_random(buffer, 0, 0));
	EXPECT_UNTOUCHED(buffer, 0, 16);
	EXPECT_RET(0, get_random(NULL, 0, 0));
}

CLAUSE(flags_choose_the_source_and_not_the_length,
       "getrandom(2) flags: GRND_NONBLOCK, GRND_RANDOM and GRND_INSECURE each give what was asked for once the pool is "
       "ready",
       .needed_by = USERS)
{
	static const unsigned int flags[] = {
		0, GRND_NONBLOCK, GRND_RANDOM, GRND_RANDOM | GRND_NONBLOCK, GRND_INSECURE, GRND_INSECURE | GRND_NONBLOCK,
	};
	unsigned char *buffer = guarded(32), zero[32] = { 0 };

	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		memset(buffer, 0, 32);
		EXPECT_RET(32, get_random(buffer, 32, flags[i])) TH_LOG("flags %#x", flags[i]);
		EXPECT_NE(0, memcmp(buffer, zero, 32));
		EXPECT_INTACT(buffer);
	}
}

CLAUSE(unknown_flags_are_refused,
       "getrandom(2) ERRORS EINVAL: an invalid flag was specified; GRND_RANDOM and GRND_INSECURE exclude each other",
       .needed_by = USERS)
{
	unsigned char *buffer = guarded(32);

	EXPECT_ERR(EINVAL, get_random(buffer, 32, GRND_RANDOM | GRND_INSECURE));
	EXPECT_ERR(EINVAL, get_random(buffer, 32, GRND_RANDOM | GRND_INSECURE | GRND_NONBLOCK));
	for (int bit = 3; bit < 32; bit++) {
		EXPECT_ERR(EINVAL, get_random(buffer, 32, 1U << bit));
		EXPECT_ERR(EINVAL, get_random(buffer, 0, 1U << bit));
	}
	EXPECT_UNTOUCHED(buffer, 0, 32);
}

CLAUSE(a_buffer_that_cannot_be_written_is_efault,
       "getrandom(2) ERRORS EFAULT: the address referred to by buf is outside the accessible address "
       "space", .needed_by = USERS)
{
	EXPECT_ERR(EFAULT, get_random(NULL, 16, 0));
	EXPECT_ERR(EFAULT, get_random(forbidden_page(), 16, 0));
	EXPECT_ERR(EFAULT, get_random(unmapped_page(), 256, 0));
}

CLAUSE(large_requests_are_filled_when_no_signal_comes,
       "getrandom(2): without an interrupting signal a large request is filled whole", .needed_by = USERS)
{
	size_t length = 1 << 20;
	unsigned char *buffer = guarded(length);
	size_t kept = 0;

	ASSERT_RET(length, get_random(buffer, length, 0));
	for (size_t i = 0; i < length; i++)
		kept += buffer[i] == GUARD_BYTE;
	// One byte in 256 keeps the pattern by chance: 4096 +- 64 (a standard deviation).
	EXPECT_LT(kept, 5200);
	EXPECT_GT(kept, 3000);
	EXPECT_INTACT(buffer);
}

static int compares(const void *a, const void *b)
{
	const uint64_t *one = a, *two = b;

	return *one < *two ? -1 : *one > *two;
}

CLAUSE(no_bytes_of_a_large_request_come_twice,
       "random(4), getrandom(2): the output of a cryptographically secure generator: no eight bytes of a large "
       "request are those "
       "of another place of it, or of another request", .needed_by = USERS)
{
	enum { PART = 16 * 1024, PARTS = 2 };
	uint64_t *values = malloc(PART * PARTS * sizeof(*values));
	int equal = 0;

	ASSERT_NE(NULL, values);
	for (int i = 0; i < PARTS; i++)
		ASSERT_RET(PART * sizeof(*values), get_random(values + i * PART, PART * sizeof(*values), 0));
	qsort(values, PART * PARTS, sizeof(*values), compares);
	for (int i = 1; i < PART * PARTS; i++)
		equal += values[i] == values[i - 1];
	EXPECT_EQ(0, equal);	// by chance once in 2^35 runs
	free(values);
}

static volatile int caught;

static void count_signal(int sig, siginfo_t *info, void *ucontext)
{
	caught++;
}

struct storm {
	volatile int stop;
	int process, target;
};

static int send_signals(void *arg)
{
	struct storm *s = arg;

	while (!s->stop) {
		raw_syscall(__NR_tgkill, s->process, s->target, SIGUSR1);
		raw_syscall(__NR_sched_yield);
	}
	return 0;
}

CLAUSE(signals_never_shorten_a_small_request,
       "getrandom(2): a request of up to 256 bytes is not interrupted by signals, with or without SA_RESTART [RND-2]",
       .needed_by = USERS)
{
	struct storm s = { .process = getpid(), .target = raw_syscall(__NR_gettid) };
	struct wait_until_state patience = { 0 };
	unsigned char buffer[256];
	struct thread t;

	ASSERT_RET(0, raw_sigaction(SIGUSR1, count_signal, 0));
	ASSERT_OK(thread_start(&t, send_signals, &s));
	while (caught < 100 && wait_a_little(&patience))
		for (int i = 0; i < 20; i++)
			ASSERT_RET(256, get_random(buffer, 256, 0));
	s.stop = 1;
	ASSERT_TRUE(thread_join(&t));
	EXPECT_GE(caught, 100);
}

CLAUSE(a_signal_shortens_a_large_request_and_keeps_what_it_has,
       "getrandom(2): a request of more than 256 bytes that a handler interrupts returns the number of bytes it has "
       "filled; "
       "get_random_bytes_user (5.10, 7.2) looks for signals after each page", .needed_by = USERS)
{
	struct storm s = { .process = getpid(), .target = raw_syscall(__NR_gettid) };
	struct wait_until_state patience = { 0 };
	size_t length = 16 << 20, shortest = length;
	unsigned char *buffer = guarded(length);
	struct thread t;
	long n;

	ASSERT_RET(0, raw_sigaction(SIGUSR1, count_signal, SA_RESTART));
	ASSERT_OK(thread_start(&t, send_signals, &s));
	do {
		n = get_random(buffer, length, 0);
		ASSERT_OK(n);
		ASSERT_GT(n, 0);
		shortest = n;
	} while (shortest == length && wait_a_little(&patience));
	s.stop = 1;
	ASSERT_TRUE(thread_join(&t));
	EXPECT_LT(shortest, length);
	EXPECT_EQ(0, shortest % page_size());
	EXPECT_INTACT(buffer);
}

CLAUSE(a_blocked_signal_does_not_shorten_a_request,
       "signal(7): a blocked signal interrupts no system call until it is unblocked", .needed_by = USERS)
{
	size_t length = 64 * page_size();
	unsigned char *buffer = guarded(length);

	ASSERT_RET(0, raw_sigaction(SIGUSR1, count_signal, 0));
	ASSERT_RET(0, raw_sigprocmask(SIG_BLOCK, SIGSET(SIGUSR1)));
	ASSERT_RET(0, raw_syscall(__NR_tgkill, getpid(), raw_syscall(__NR_gettid), SIGUSR1));
	EXPECT_RET(length, get_random(buffer, length, 0));
	EXPECT_EQ(0, caught);
	ASSERT_RET(0, raw_sigprocmask(SIG_UNBLOCK, SIGSET(SIGUSR1)));
	EXPECT_EQ(1, caught);
	EXPECT_INTACT(buffer);
}

static int fill(void *arg)
{
	raw_syscall(__NR_getrandom, arg, 32, 0);
	return 0;
}

CLAUSE(parent_child_and_threads_draw_different_bytes,
       "random(4): the generator is the kernel's alone, so that no state of it is copied by fork(2) or shared by "
       "threads",
       .needed_by = USERS)
{
	unsigned char (*draw)[32] = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct thread t;

	ASSERT_NE(MAP_FAILED, (void *)draw);
	ASSERT_RET(32, get_random(draw[0], 32, 0));
	IN_CHILD { EXPECT_RET(32, get_random(draw[1], 32, 0)); }
	IN_CHILD { EXPECT_RET(32, get_random(draw[2], 32, 0)); }
	ASSERT_OK(thread_start(&t, fill, draw[3]));
	ASSERT_TRUE(thread_join(&t));
	ASSERT_RET(32, get_random(draw[4], 32, 0));
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < i; j++)
			EXPECT_NE(0, memcmp(draw[i], draw[j], 32));
}
