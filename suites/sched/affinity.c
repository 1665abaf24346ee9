// SPDX-License-Identifier: GPL-2.0-only
// sched_getaffinity(2) and sched_setaffinity(2): lengths, masks, whose they are and who inherits them.
#include "clause.h"
#include "guard.h"
#include "sync.h"
#include "thread.h"

#define WORD sizeof(unsigned long)
#define LARGE 8192	// what Go asks with: room for 65536 CPUs

#define USERS "go:getproccount go:sched_getaffinity glibc:sysconf jvm:os_processor_count dotnet:GetCpuCount"

struct mask {
	unsigned long word[LARGE / WORD];
};

#define get_affinity(pid, length, mask) raw_syscall(__NR_sched_getaffinity, pid, length, mask)
#define set_affinity(pid, length, mask) raw_syscall(__NR_sched_setaffinity, pid, length, mask)

static struct mask mask_of(int cpu)
{
	struct mask m = { { 0 } };

	m.word[cpu / (8 * WORD)] = 1UL << cpu % (8 * WORD);
	return m;
}

static bool has_cpu(const struct mask *m, int cpu)
{
	return m->word[cpu / (8 * WORD)] >> cpu % (8 * WORD) & 1;
}

static int count_cpus(const struct mask *m)
{
	int n = 0;

	for (int cpu = 0; cpu < 8 * LARGE; cpu++)
		n += has_cpu(m, cpu);
	return n;
}

// The n-th CPU of the mask, from 0; -1 if it has fewer.
static int nth_cpu(const struct mask *m, int n)
{
	for (int cpu = 0; cpu < 8 * LARGE; cpu++)
		if (has_cpu(m, cpu) && n-- == 0)
			return cpu;
	return -1;
}

static struct mask affinity_of(int pid)
{
	struct mask m = { { 0 } };

	get_affinity(pid, LARGE, &m);
	return m;
}

static bool same(const struct mask *a, const struct mask *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static int current_cpu(void)
{
	unsigned int cpu = -1;

	raw_syscall(__NR_getcpu, &cpu, NULL, NULL);
	return cpu;
}

CLAUSE(getaffinity_returns_the_number_of_bytes_it_wrote,
       "sched_getaffinity(2) C library/kernel differences: on success the raw system call returns the number of bytes "
       "placed in the mask, not 0, and writes none beyond them [AFF-1] [AFF-4] [incident 100]"
       " [NET-5]", .needed_by = USERS)
{
	unsigned char *mask = guarded(LARGE);
	long n = get_affinity(0, LARGE, mask);

	ASSERT_OK(n);
	EXPECT_GT(n, 0);
	EXPECT_LE(n, LARGE);
	EXPECT_EQ(0, n % WORD);
	EXPECT_UNTOUCHED(mask, n, LARGE);
	EXPECT_FALSE(is_untouched(mask, 0, n));
	EXPECT_INTACT(mask);
}

CLAUSE(getaffinity_refuses_a_mask_too_short_for_the_kernels_cpus,
       "sched_getaffinity(2) ERRORS EINVAL: cpusetsize is smaller than the size of the affinity mask used by the "
       "kernel; "
       "every longer multiple of the word size is accepted and 8 KiB always is enough [AFF-3]", .needed_by = USERS)
{
	struct mask whole = affinity_of(0);
	size_t shortest = 0;

	for (size_t length = 0; length <= LARGE; length += WORD) {
		unsigned char *mask = guarded(length ? length : WORD);
		long n = get_affinity(0, length, mask);

		if (!shortest && !is_error(n))
			shortest = length;
		if (shortest) {
			ASSERT_OK(n);
			ASSERT_LE(n, length);
			ASSERT_EQ(0, memcmp(mask, &whole, n));
		} else {
			ASSERT_ERR(EINVAL, n);
			ASSERT_TRUE(is_untouched(mask, 0, length));
		}
		ASSERT_TRUE(guard_is_intact(mask));
		guard_free(mask);
	}
	ASSERT_GT(shortest, 0);
	// The shortest length that is accepted has room for every CPU that the longest shows.
	for (int cpu = 8 * shortest; cpu < 8 * LARGE; cpu++)
		ASSERT_FALSE(has_cpu(&whole, cpu));
}

CLAUSE(getaffinity_refuses_a_length_that_is_no_multiple_of_a_word,
       "kernel/sched/syscalls.c sched_getaffinity (6.12): a length that is not a multiple of sizeof(unsigned long) is "
       "EINVAL "
       "[AFF-3] [incident 100]", .needed_by = USERS)
{
	unsigned char *mask = guarded(LARGE);

	for (size_t odd = 1; odd < WORD; odd++)
		EXPECT_ERR(EINVAL, get_affinity(0, LARGE - odd, mask));
	EXPECT_UNTOUCHED(mask, 0, LARGE);
}

CLAUSE(getaffinity_refuses_memory_that_cannot_be_written,
       "sched_getaffinity(2) ERRORS EFAULT: a supplied memory address was invalid", .needed_by = USERS)
{
	EXPECT_ERR(EFAULT, get_affinity(0, LARGE, NULL));
	EXPECT_ERR(EFAULT, get_affinity(0, LARGE, forbidden_page()));
	EXPECT_ERR(EFAULT, get_affinity(0, LARGE, unmapped_page()));
}

CLAUSE(affinity_of_nobody_is_esrch,
       "sched_getaffinity(2) ERRORS ESRCH: the thread whose ID is pid could not be found", .needed_by = USERS)
{
	struct mask m = affinity_of(0);
	int nobody = 0x3fffffff;	// above the largest pid_max, 2^22

	EXPECT_ERR(ESRCH, get_affinity(nobody, LARGE, &m));
	EXPECT_ERR(ESRCH, set_affinity(nobody, LARGE, &m));
	EXPECT_ERR(ESRCH, get_affinity(-1, LARGE, &m));
	EXPECT_ERR(ESRCH, set_affinity(-1, LARGE, &m));
}

CLAUSE(setaffinity_is_read_back_and_moves_the_thread_at_once,
       "sched_setaffinity(2): sets the mask of the thread; if it runs on a CPU not in the mask, it is migrated to one "
       "of them "
       "before the call returns [AFF-2]", .needed_by = USERS " erlang:scheduler_bind")
{
	struct mask all = affinity_of(0);

	for (int i = 0, cpu; i < 64 && (cpu = nth_cpu(&all, i)) >= 0; i++) {
		struct mask one = mask_of(cpu), seen;

		ASSERT_RET(0, set_affinity(0, LARGE, &one));
		ASSERT_EQ(cpu, current_cpu());
		seen = affinity_of(0);
		ASSERT_TRUE(same(&one, &seen));
	}
	ASSERT_RET(0, set_affinity(0, LARGE, &all));
	all = affinity_of(0);
	EXPECT_TRUE(has_cpu(&all, current_cpu()));
}

CLAUSE(setaffinity_to_no_cpu_is_refused_and_changes_nothing,
       "sched_setaffinity(2) ERRORS EINVAL: the mask contains no processors that are currently on the system and "
       "permitted to "
       "the thread", .needed_by = USERS)
{
	struct mask before = affinity_of(0), none = { { 0 } }, after;

	EXPECT_ERR(EINVAL, set_affinity(0, LARGE, &none));
	EXPECT_ERR(EINVAL, set_affinity(0, 0, &none));
	after = affinity_of(0);
	EXPECT_TRUE(same(&before, &after));
}

CLAUSE(setaffinity_drops_cpus_that_are_not_there,
       "sched_setaffinity(2) NOTES: the affinity is the intersection of the mask with the CPUs that are present and "
       "permitted "
       "[AFF-2]", .needed_by = USERS)
{
	struct mask before = affinity_of(0), every, after;

	memset(&every, 0xff, sizeof(every));
	ASSERT_RET(0, set_affinity(0, LARGE, &every));
	after = affinity_of(0);
	EXPECT_GE(count_cpus(&after), count_cpus(&before));
	EXPECT_LT(count_cpus(&after), 8 * LARGE);
	EXPECT_TRUE(has_cpu(&after, current_cpu()));
	ASSERT_RET(0, set_affinity(0, LARGE, &before));
}

CLAUSE(setaffinity_takes_a_short_mask_as_padded_with_zeros,
       "kernel/sched/syscalls.c get_user_cpu_mask (6.12): a mask shorter than the kernel's is extended with zero bits, "
       "one longer is cut to it, and it need not be made of words", .needed_by = USERS)
{
	struct mask before = affinity_of(0), after, one;
	int cpu = nth_cpu(&before, 0);
	size_t length = (cpu / (8 * WORD) + 1) * WORD;
	unsigned char *cut = guarded(length);

	one = mask_of(cpu);
	memcpy(cut, &one, length);
	ASSERT_RET(0, set_affinity(0, length, cut));
	after = affinity_of(0);
	EXPECT_TRUE(same(&one, &after));
	EXPECT_ERR(EFAULT, set_affinity(0, LARGE, forbidden_page()));
	after = affinity_of(0);
	EXPECT_TRUE(same(&one, &after));
	for (size_t odd = 1; odd < 4 * WORD; odd++) {
		// In memory beyond its length too: on a 64-bit kernel a 32-bit ABI's mask is read by words of 32 bits.
		EXPECT_RET(0, set_affinity(0, length + odd, &one)) TH_LOG("%zu bytes", length + odd);
		after = affinity_of(0);
		EXPECT_TRUE(same(&one, &after));
	}
	ASSERT_RET(0, set_affinity(0, LARGE, &before));
}

struct peer {
	volatile int command;
	volatile int done;
	int cpu;
	struct mask seen;
};

// Waits for its first command, pins itself to .cpu, waits for the second, and reports its mask.
static int pin_and_report(void *arg)
{
	struct peer *p = arg;
	unsigned long bit = 1UL << p->cpu % (8 * WORD), narrow[LARGE / WORD] = { 0 };

	narrow[p->cpu / (8 * WORD)] = bit;
	while (p->command < 1)
		raw_syscall(__NR_sched_yield);
	raw_syscall(__NR_sched_setaffinity, 0, LARGE, narrow);
	p->done = 1;
	while (p->command < 2)
		raw_syscall(__NR_sched_yield);
	raw_syscall(__NR_sched_getaffinity, 0, LARGE, &p->seen);
	return 0;
}

CLAUSE(affinity_belongs_to_the_thread_alone,
       "sched_setaffinity(2) NOTES: the affinity mask is a per-thread attribute; pid 0 is the calling thread and a "
       "thread ID "
       "names one thread of the process [AFF-2]", .needs = "cpus=2", .needed_by = USERS)
{
	struct mask all = affinity_of(0), after, first = mask_of(nth_cpu(&all, 0)), second = mask_of(nth_cpu(&all, 1));
	struct peer p = { .cpu = nth_cpu(&all, 1) };
	struct thread t;

	ASSERT_OK(thread_start(&t, pin_and_report, &p));
	p.command = 1;
	ASSERT_TRUE(wait_until(p.done));
	after = affinity_of(0);
	EXPECT_TRUE(same(&all, &after));
	after = affinity_of(t.known_as);
	EXPECT_TRUE(same(&second, &after));

	// From outside, by thread ID: the other thread moves, and the caller does not.
	ASSERT_RET(0, set_affinity(t.known_as, LARGE, &first));
	after = affinity_of(0);
	EXPECT_TRUE(same(&all, &after));
	p.command = 2;
	ASSERT_TRUE(thread_join(&t));
	EXPECT_TRUE(same(&first, &p.seen));
}

static int report_affinity(void *arg)
{
	raw_syscall(__NR_sched_getaffinity, 0, LARGE, arg);
	return 0;
}

AFTER_EXEC(exits_with_zero_if_affinity_is_one_cpu)
{
	struct mask seen = affinity_of(0);

	return !(argc == 1 && count_cpus(&seen) == 1 && has_cpu(&seen, atoi(argv[0])));
}

CLAUSE(affinity_is_inherited_by_threads_and_children_and_kept_over_exec,
       "sched_setaffinity(2) NOTES: a child created via fork(2) inherits its parent's CPU affinity mask; the mask is "
       "preserved "
       "across an execve(2) [CLN-10] [AFF-2]", .needs = "cpus=2", .needed_by = USERS)
{
	struct mask all = affinity_of(0);

	for (int i = 0; i < 2; i++) {
		int cpu = nth_cpu(&all, i);
		struct mask one = mask_of(cpu), seen = { { 0 } };
		struct thread t;
		char text[16];

		ASSERT_RET(0, set_affinity(0, LARGE, &one));
		ASSERT_OK(thread_start(&t, report_affinity, &seen));
		ASSERT_TRUE(thread_join(&t));
		EXPECT_TRUE(same(&one, &seen));
		IN_CHILD {
			seen = affinity_of(0);
			EXPECT_TRUE(same(&one, &seen));
		}
		snprintf(text, sizeof(text), "%d", cpu);
		IN_CHILD {
			execute_self(exits_with_zero_if_affinity_is_one_cpu, text);
			_exit(126);
		}
	}
}

CLAUSE(affinity_of_anothers_process_can_be_read_and_not_set,
       "sched_setaffinity(2) ERRORS EPERM: the calling thread does not have appropriate privileges; reading needs none",
       .needs = "root", .needed_by = USERS)
{
	int root = getpid();

	IN_CHILD {
		struct mask mine = affinity_of(0), seen;

		ASSERT_EQ(0, setresuid(65534, 65534, 65534));
		EXPECT_ERR(EPERM, set_affinity(root, LARGE, &mine));
		seen = affinity_of(root);
		EXPECT_GT(count_cpus(&seen), 0);
		EXPECT_RET(0, set_affinity(0, LARGE, &mine));
	}
}

CLAUSE(affinity_agrees_with_proc_status,
       "proc_pid_status(5) Cpus_allowed_list: the CPUs on which this thread may be scheduled, as a "
       "list", .needed_by = USERS)
{
	struct mask mine = affinity_of(0), listed = { { 0 } };
	char status[8192], *at;

	ASSERT_GT(read_text("/proc/self/status", status, sizeof(status)), 0);
	at = strstr(status, "Cpus_allowed_list:");
	ASSERT_NE(NULL, at);
	at += strlen("Cpus_allowed_list:");
	while (*at && *at != '\n') {
		long from = strtol(at, &at, 10), to = *at == '-' ? strtol(at + 1, &at, 10) : from;

		for (; from <= to && from < 8 * LARGE; from++)
			listed.word[from / (8 * WORD)] |= 1UL << from % (8 * WORD);
		at += *at == ',';
	}
	EXPECT_TRUE(same(&mine, &listed));
}
