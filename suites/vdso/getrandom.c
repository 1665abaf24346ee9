// SPDX-License-Identifier: GPL-2.0-only
// getrandom by the vDSO: its parameters, its states, lengths, flags and errors, fork, threads, signals.
#include "clause.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/random.h>

#include "calls.h"
#include "guard.h"
#include "maps.h"
#include "sigaction.h"
#include "thread.h"

#define USERS_OF_RANDOM "go:vgetrandom glibc:getrandom_vdso"

// Since 6.11 on the first of them and 6.12 on others. An ABI without one says so in its clauses.
static long has_getrandom(void)
{
	return VDSO_GETRANDOM && !function_named(VDSO_GETRANDOM) ? -ENOSYS : 0;
}

#define VGR .since = KERNEL(6,12), .config = "VDSO_GETRANDOM", .probe = has_getrandom, .needed_by = USERS_OF_RANDOM

struct parameters {
	uint32_t size, prot, flags, reserved[13];
};

#define fast_getrandom(buffer, length, flags, state, size) \
	arch_vdso_call(random_function, (long)(buffer), length, flags, (long)(state), size)

static const void *random_function;
static struct parameters parameters;

static bool learn(void)
{
	random_function = function_named(VDSO_GETRANDOM);
	return random_function && fast_getrandom(NULL, 0, 0, &parameters, ~0ul) == 0 && parameters.size > 0 &&
	       parameters.size <= page_size();
}

// A page of states, mapped as the parameters say; NULL if that fails.
static char *new_states(void)
{
	void *page = mmap(NULL, page_size(), parameters.prot, parameters.flags, -1, 0);

	return page == MAP_FAILED ? NULL : page;
}

#define STATES_OR_ABSENT(states)					\
	char *states;							\
	if (!VDSO_GETRANDOM)						\
		ABSENT("no vDSO of this ABI has such a function");	\
	ASSERT_TRUE(learn());						\
	states = new_states();						\
	ASSERT_NE(NULL, states)

#define draw(buffer, length, state) fast_getrandom(buffer, length, 0, state, parameters.size)

static bool differ(const void *a, const void *b, size_t length)
{
	return memcmp(a, b, length) != 0;
}

CLAUSE(the_parameters_tell_how_to_map_a_state,
       "lib/vdso/getrandom.c __cvdso_getrandom_data (6.12): with no buffer, length 0, flags 0 and a state size of ~0UL "
       "the call"
       " stores the size of a state, its mmap protection and flags, and reserved words that are 0 [VGR-1] [VGR-7]", VGR)
{
	struct parameters *p = guarded(sizeof(*p));

	if (!VDSO_GETRANDOM)
		ABSENT("no vDSO of this ABI has such a function");
	random_function = function_named(VDSO_GETRANDOM);
	EXPECT_EQ(0, fast_getrandom(NULL, 0, 0, p, ~0ul));
	EXPECT_INTACT(p);
	EXPECT_GT(p->size, 32);
	EXPECT_LE(p->size, page_size());
	EXPECT_EQ(PROT_READ | PROT_WRITE, p->prot);
	EXPECT_EQ(MAP_ANONYMOUS, p->flags & MAP_ANONYMOUS);
	EXPECT_EQ(0, p->flags & MAP_FIXED);
	for (int i = 0; i < 13; i++) {
		EXPECT_EQ(0, p->reserved[i]);
	}
}

CLAUSE(every_length_is_filled_to_its_last_byte,
       "getrandom(2), lib/vdso/getrandom.c (6.12): as many bytes as were asked for, none beyond, from the first draw "
       "of a state to"
       " those that its batch, or half of it, serves [VGR-2]", VGR)
{
	STATES_OR_ABSENT(state);

	for (size_t length = 1; length <= 300; length++) {
		unsigned char *buffer = guarded(length);
		bool changed = false;

		ASSERT_RET(length, draw(buffer, length, state));
		ASSERT_TRUE(guard_is_intact(buffer));
		for (int again = 0; again < 20 && !changed; again++) {
			changed = buffer[length - 1] != GUARD_BYTE && buffer[length - 1] != 0;
			ASSERT_RET(length, draw(buffer, length, state));
		}
		ASSERT_TRUE(changed);
		guard_free(buffer);
	}
}

CLAUSE(long_requests_are_filled_whole_and_evenly,
       "lib/vdso/getrandom.c (6.12): what is longer than a batch comes from the generator in blocks: all of it, every "
       "bit of each"
       " byte set half of the time [VGR-2]", VGR)
{
	STATES_OR_ABSENT(state);
	size_t length = 1 << 18;
	unsigned char *buffer = guarded(length + 13);
	unsigned long ones[8] = { 0 };

	ASSERT_RET(length + 13, draw(buffer, length + 13, state));
	EXPECT_INTACT(buffer);
	for (size_t i = 0; i < length; i++)
		for (int bit = 0; bit < 8; bit++)
			ones[bit] += buffer[i] >> bit & 1;
	// 131072 +- 256: eight deviations are one in 10^15.
	for (int bit = 0; bit < 8; bit++) {
		EXPECT_GT(ones[bit], 131072 - 2048);
		EXPECT_LT(ones[bit], 131072 + 2048);
	}
	EXPECT_FALSE(is_untouched(buffer, length, length + 13));
}

CLAUSE(no_two_draws_are_the_same,
       "lib/vdso/getrandom.c (6.12): each draw is new: of one state, of two states in one page, of the system call "
       "[VGR-2]", VGR)
{
	static unsigned char seen[192][16];
	STATES_OR_ABSENT(state);
	char *second = state + page_size() - parameters.size;
	int n = 0;

	for (; n < 192; n++) {
		ASSERT_RET(16, n % 3 == 0 ? draw(seen[n], 16, state) : n % 3 == 1 ? draw(seen[n], 16, second) :
			       raw_syscall(__NR_getrandom, seen[n], 16, 0));
		for (int i = 0; i < n; i++) {
			ASSERT_TRUE(differ(seen[i], seen[n], 16)) TH_LOG("draws %d and %d", i, n);
		}
	}
}

CLAUSE(no_bytes_may_be_drawn,
       "lib/vdso/getrandom.c (6.12): length 0 returns 0 and touches nothing, a null buffer included [VGR-2]", VGR)
{
	STATES_OR_ABSENT(state);
	unsigned char *buffer = guarded(16);

	EXPECT_RET(0, draw(buffer, 0, state));
	EXPECT_RET(0, draw(NULL, 0, state));
	EXPECT_UNTOUCHED(buffer, 0, 16);
}

CLAUSE(flags_are_those_of_the_system_call,
       "getrandom(2) flags, ERRORS EINVAL: GRND_NONBLOCK, GRND_RANDOM and GRND_INSECURE are taken; an unknown flag "
       "gets the system"
       " call's answer, and the buffer is not touched [VGR-2]", VGR)
{
	static const unsigned int good[] = { 0, GRND_NONBLOCK, GRND_RANDOM, GRND_RANDOM | GRND_NONBLOCK, GRND_INSECURE };
	STATES_OR_ABSENT(state);
	unsigned char *buffer = guarded(32), zero[32] = { 0 };

	for (int bit = 3; bit < 32; bit++) {
		EXPECT_ERR(EINVAL, fast_getrandom(buffer, 32, 1u << bit, state, parameters.size)) TH_LOG("flag %d", bit);
	}
	EXPECT_UNTOUCHED(buffer, 0, 32);
	for (unsigned int i = 0; i < ARRAY_SIZE(good); i++) {
		memset(buffer, 0, 32);
		EXPECT_RET(32, fast_getrandom(buffer, 32, good[i], state, parameters.size)) TH_LOG("flags %#x", good[i]);
		EXPECT_TRUE(differ(buffer, zero, 32)) TH_LOG("flags %#x", good[i]);
	}
	EXPECT_INTACT(buffer);
}

CLAUSE(a_state_of_another_size_is_left_alone_and_the_kernel_is_asked,
       "lib/vdso/getrandom.c (6.12): an opaque_len that is not the size of a state, as after a restore on another "
       "kernel, falls"
       " back on the system call [VGR-6]", VGR)
{
	STATES_OR_ABSENT(state);
	const long sizes[] = { 0, 1, parameters.size - 1, parameters.size + 1, page_size(), ~0ul };
	char *copy = malloc(page_size());
	unsigned char buffer[2][32];

	memset(state, 0, page_size());
	memcpy(copy, state, page_size());
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		memset(buffer, 0, sizeof(buffer));
		EXPECT_RET(32, fast_getrandom(buffer[0], 32, 0, state, sizes[i])) TH_LOG("a state of %ld bytes", sizes[i]);
		EXPECT_TRUE(differ(buffer[0], buffer[1], 32));
		EXPECT_FALSE(differ(copy, state, page_size()));
	}
	free(copy);
}

CLAUSE(a_state_that_lies_in_two_pages_is_efault,
       "lib/vdso/getrandom.c (6.12): a state must not straddle pages, for one of them may be dropped alone: -EFAULT, "
       "and neither"
       " state nor buffer is touched [VGR-1]", VGR)
{
	STATES_OR_ABSENT(state);
	char *pages = mmap(NULL, 2 * page_size(), parameters.prot, parameters.flags, -1, 0);
	unsigned char *buffer = guarded(32);

	ASSERT_NE(MAP_FAILED, (void *)pages);
	for (unsigned int before = 1; before < parameters.size; before += 13) {
		EXPECT_ERR(EFAULT, draw(buffer, 32, pages + page_size() - before)) TH_LOG("%u bytes before the page", before);
	}
	EXPECT_UNTOUCHED(buffer, 0, 32);
	EXPECT_RET(32, draw(buffer, 32, pages + page_size() - parameters.size));
	EXPECT_RET(32, draw(buffer, 32, pages + page_size()));
	EXPECT_RET(32, draw(buffer, 32, state));
}

CLAUSE(a_child_finds_its_states_wiped_and_draws_other_bytes,
       "include/uapi/linux/random.h struct vgetrandom_opaque_params, mm/mmap.c MAP_DROPPABLE (6.12): states are wiped "
       "on fork(2), so"
       " that parent and children never draw the same bytes [VGR-3] [incident 78] [GLC-10]", VGR)
{
	STATES_OR_ABSENT(state);
	unsigned char (*drawn)[48] = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, (void *)drawn);
	ASSERT_RET(48, draw(drawn[0], 48, state));
	for (int child = 1; child < 4; child++) {
		IN_CHILD {
			size_t set = 0;

			for (unsigned int i = 0; i < parameters.size; i++)
				set += state[i] != 0;
			EXPECT_EQ(0, set);
			EXPECT_RET(48, draw(drawn[child], 48, state));
		}
	}
	ASSERT_RET(48, draw(drawn[4], 48, state));
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < i; j++) {
			EXPECT_TRUE(differ(drawn[i], drawn[j], 48)) TH_LOG("draws %d and %d", i, j);
			EXPECT_TRUE(differ(drawn[i] + 16, drawn[j], 32)) TH_LOG("draws %d and %d", i, j);
		}
}

CLAUSE(a_state_that_the_kernel_drops_is_a_new_one,
       "lib/vdso/getrandom.c (6.12): pages of states may be zeroed under memory pressure at any time: the next draw "
       "begins anew, and"
       " repeats nothing [VGR-3]", VGR)
{
	STATES_OR_ABSENT(state);
	unsigned char drawn[24][32];

	for (int i = 0; i < 24; i++) {
		ASSERT_RET(32, draw(drawn[i], 32, state));
		for (int j = 0; j < i; j++) {
			ASSERT_TRUE(differ(drawn[i], drawn[j], 32)) TH_LOG("draws %d and %d", i, j);
		}
		if (i % 3 == 0) {
			ASSERT_RET(0, raw_syscall(__NR_madvise, state, page_size(), MADV_DONTNEED));
		} else if (i % 3 == 1) {
			memset(state, 0, page_size());
		}
	}
}

CLAUSE(drawn_bytes_are_not_kept_in_the_state,
       "lib/vdso/getrandom.c memcpy_and_zero_src (6.12): what has been handed out is erased from the state at once, so "
       "that who reads"
       " it later learns nothing of it [VGR-2]", VGR)
{
	STATES_OR_ABSENT(state);
	unsigned char drawn[16];

	for (int turn = 0; turn < 40; turn++) {
		ASSERT_RET(16, draw(drawn, 16, state));
		EXPECT_EQ(NULL, memmem(state, page_size(), drawn, 16)) TH_LOG("draw %d", turn);
	}
}

struct drawer {
	char *state;
	unsigned char drawn[64][16];
	volatile int failed;
};

static int draw_many(void *arg)
{
	struct drawer *d = arg;

	for (int i = 0; i < 64; i++)
		d->failed |= draw(d->drawn[i], 16, d->state) != 16;
	return 0;
}

CLAUSE(threads_with_states_of_their_own_draw_different_bytes,
       "include/uapi/linux/random.h (6.12): one state a thread: threads that draw at once, and one after another with "
       "the same"
       " state, never draw the same [VGR-5] [incident 77]", VGR)
{
	static struct drawer drawers[6];
	STATES_OR_ABSENT(states);
	struct thread t[3];

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 3; i++) {
			drawers[3 * round + i].state = states + i * ((parameters.size + 63) & -64);
			ASSERT_OK(thread_start(&t[i], draw_many, &drawers[3 * round + i]));
		}
		for (int i = 0; i < 3; i++) {
			ASSERT_TRUE(thread_join(&t[i]));
			EXPECT_EQ(0, drawers[3 * round + i].failed);
		}
	}
	for (int i = 0; i < 6 * 64; i++)
		for (int j = 0; j < i; j++) {
			ASSERT_TRUE(differ(drawers[i / 64].drawn[i % 64], drawers[j / 64].drawn[j % 64], 16));
		}
}

static char *shared_state;
static unsigned char in_handler[4096][16];
static volatile int handled, failed;

static void draw_too(int sig, siginfo_t *info, void *ucontext)
{
	if (handled < 4096)
		failed |= draw(in_handler[handled++], 16, shared_state) != 16;
}

static int send_signals(void *stop)
{
	long process = raw_syscall(__NR_getpid);

	while (!*(volatile int *)stop) {
		raw_syscall(__NR_tgkill, process, process, SIGUSR1);
		for (int i = 0; i < 50; i++)
			arch_pause();
	}
	return 0;
}

CLAUSE(a_handler_may_draw_from_the_state_that_it_interrupted,
       "lib/vdso/getrandom.c in_use (6.12): a handler that interrupts a draw may draw from the same state: both get "
       "bytes, and"
       " different ones [VGR-5]", .needs = "cpus=2", VGR)
{
	static unsigned char drawn[2000][16];
	struct wait_until_state patience = { 0 };
	STATES_OR_ABSENT(state);
	volatile int stop = 0;
	struct thread t;
	int n = 0;

	shared_state = state;
	ASSERT_RET(0, raw_sigaction(SIGUSR1, draw_too, SA_RESTART));
	ASSERT_OK(thread_start(&t, send_signals, (void *)&stop));
	do {
		for (int i = 0; i < 100; i++) {
			ASSERT_RET(16, draw(drawn[n % 2000], 16, state));
			n++;
		}
	} while (handled < 200 && wait_a_little(&patience));
	stop = 1;
	ASSERT_TRUE(thread_join(&t));
	EXPECT_EQ(0, failed);
	EXPECT_GT(handled, 0);
	for (int i = 0; i < handled && i < 200; i++) {
		for (int j = 0; j < i; j++) {
			ASSERT_TRUE(differ(in_handler[i], in_handler[j], 16));
		}
		for (int j = 0; j < (n < 2000 ? n : 2000); j++) {
			ASSERT_TRUE(differ(in_handler[i], drawn[j], 16));
		}
	}
}

// Where the kernel renews its generator between the first draw and the second the second needs the call: once in a minute.
CLAUSE(a_state_that_has_been_seeded_makes_no_system_call,
       "lib/vdso/getrandom.c (6.12): a draw of a state whose key is of the kernel's generation takes no system call: "
       "it works where"
       " a filter denies getrandom(2) [VGR-2]", VGR)
{
	static const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getrandom, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 133),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = (struct sock_filter *)code };
	STATES_OR_ABSENT(state);
	int status = -1;

	for (int attempt = 0; attempt < 4 && status != 0; attempt++) {
		pid_t child = fork();

		ASSERT_LE(0, child);
		if (child == 0) {
			unsigned char drawn[2][64];

			if (draw(drawn[0], 64, state) != 64)
				_exit(1);
			if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
				_exit(77);
			_exit(draw(drawn[1], 64, state) == 64 && differ(drawn[0], drawn[1], 64) ? 0 : 2);
		}
		ASSERT_EQ(child, waitpid(child, &status, 0));
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
			SKIP(return, "there is no seccomp filter here");
	}
	EXPECT_EQ(0, status);
}

CLAUSE(a_buffer_that_cannot_be_written_faults_or_is_efault,
       "lib/vdso/getrandom.c (6.12), getrandom(2) ERRORS EFAULT: a bad buffer is SIGSEGV, or EFAULT where the kernel "
       "was asked; never"
       " success [VGR-2]", VGR)
{
	STATES_OR_ABSENT(state);
	void *bad[] = { NULL, forbidden_page(), unmapped_page() };
	int status;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(draw(bad[i], 16, state) == -EFAULT ? 0 : 1);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_TRUE(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)) TH_LOG("buffer %p", bad[i]);
		EXPECT_ERR(EFAULT, fast_getrandom(bad[i], 16, 0, state, 0)) TH_LOG("buffer %p", bad[i]);
	}
}
