// SPDX-License-Identifier: GPL-2.0-only
// sched_getaffinity(2) and sched_setaffinity(2) while a CPU is taken out of service and put back.
#include "clause.h"
#include "sync.h"
#include "thread.h"

#include <fcntl.h>
#include <sched.h>

#define ONLINE "/sys/devices/system/cpu/cpu1/online"
#define HOTPLUG .needs = "own_machine root cpus=2 file=" ONLINE, .config = "HOTPLUG_CPU",	\
	.writes = ONLINE, .exclusive = 1, .needed_by = "go:getproccount jvm:os_processor_count"

static cpu_set_t affinity_of(int tid)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	raw_syscall(__NR_sched_getaffinity, tid, sizeof(cpus), &cpus);
	return cpus;
}

static bool has_cpu(int tid, int cpu)
{
	cpu_set_t cpus = affinity_of(tid);

	return CPU_ISSET(cpu, &cpus);
}

static long pin(int tid, int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return raw_syscall(__NR_sched_setaffinity, tid, sizeof(one), &one);
}

// Takes CPU 1 out of service or puts it back. Returns 0 or -errno.
static long put_online(bool on)
{
	int fd = open(ONLINE, O_WRONLY | O_CLOEXEC);
	long n = raw_syscall(__NR_write, fd, on ? "1" : "0", 1);

	close(fd);
	return n == 1 ? 0 : n;
}

struct pinned {
	struct thread thread;
	volatile int stop, turns;
	volatile unsigned int cpu;
};

static int tells_its_cpu(void *arg)
{
	struct pinned *p = arg;
	unsigned int cpu = -1;

	while (!p->stop) {
		raw_syscall(__NR_getcpu, &cpu, NULL, NULL);
		p->cpu = cpu;
		p->turns++;
		raw_syscall(__NR_sched_yield);
	}
	return 0;
}

CLAUSE(affinity_shows_the_cpus_that_are_in_service,
       "sched_getaffinity(2) NOTES, Documentation/core-api/cpu_hotplug.rst: a CPU that is offline is in no thread's "
       "mask, and "
       "nothing can be pinned to it; what was goes on elsewhere; back online it is there for all that may use it "
       "[AFF-4]",
       .timeout = 30, HOTPLUG)
{
	struct pinned free = { 0 }, bound = { 0 };
	int before;

	if (!has_cpu(0, 0) || !has_cpu(0, 1))
		SKIP(return, "not both CPUs 0 and 1 may be used");
	ASSERT_OK(thread_start(&free.thread, tells_its_cpu, &free));
	ASSERT_OK(thread_start(&bound.thread, tells_its_cpu, &bound));
	ASSERT_RET(0, pin(bound.thread.known_as, 1));
	ASSERT_TRUE(wait_until(bound.turns > 0 && bound.cpu == 1));

	ASSERT_RET(0, put_online(false));
	EXPECT_FALSE(has_cpu(0, 1));
	EXPECT_FALSE(has_cpu(free.thread.known_as, 1));
	EXPECT_FALSE(has_cpu(bound.thread.known_as, 1));
	EXPECT_ERR(EINVAL, pin(0, 1));
	IN_CHILD
		EXPECT_FALSE(has_cpu(0, 1));
	before = bound.turns;
	EXPECT_TRUE(wait_until(bound.turns > before + 1));
	EXPECT_NE(1, bound.cpu);

	ASSERT_RET(0, put_online(true));
	EXPECT_TRUE(has_cpu(0, 1));
	EXPECT_TRUE(has_cpu(free.thread.known_as, 1));
	EXPECT_RET(0, pin(bound.thread.known_as, 1));
	EXPECT_TRUE(wait_until(bound.cpu == 1));
	free.stop = bound.stop = 1;
	EXPECT_TRUE(thread_join(&free.thread));
	EXPECT_TRUE(thread_join(&bound.thread));
}
