// SPDX-License-Identifier: GPL-2.0-only
// getcpu(2), by the vDSO and by the system call: the CPU and the node that the caller runs on.
#include "clause.h"

#include <dirent.h>

#include "calls.h"
#include "cpus.h"
#include "guard.h"

#define USERS_OF_GETCPU "glibc:sched_getcpu tcmalloc:GetCurrentCpu jvm:os_getcpu musl:getcpu"

#define slow_getcpu(cpu, node) raw_syscall(__NR_getcpu, cpu, node, NULL)

CLAUSE(the_system_call_tells_the_one_cpu_that_the_caller_may_use,
       "getcpu(2), sched_setaffinity(2): a thread that may run on one CPU alone runs there from the call on, and is "
       "told so",
       .needed_by = USERS_OF_GETCPU)
{
	int cpus[16], n = allowed_cpus(cpus, 16);

	for (int turn = 0; turn < 2 * n; turn++) {
		unsigned int *cpu = guarded(sizeof(*cpu));

		ASSERT_TRUE(bind_to_cpu(cpus[turn % n]));
		EXPECT_RET(0, slow_getcpu(cpu, NULL));
		EXPECT_EQ(cpus[turn % n], *cpu);
		EXPECT_INTACT(cpu);
		guard_free(cpu);
	}
}

CLAUSE(the_vdso_tells_the_one_cpu_that_the_caller_may_use,
       "getcpu(2), vdso(7): the CPU by the vDSO is the one that the thread was bound to, at once after each move",
       .needed_by = USERS_OF_GETCPU)
{
	FUNCTION_OR_ABSENT(f, VDSO_GETCPU);
	int cpus[16], n = allowed_cpus(cpus, 16);

	for (int turn = 0; turn < 10 * n; turn++) {
		unsigned int *cpu = guarded(sizeof(*cpu));

		ASSERT_TRUE(bind_to_cpu(cpus[turn % n]));
		EXPECT_EQ(0, fast_getcpu(f, cpu, NULL, NULL));
		EXPECT_EQ(cpus[turn % n], *cpu);
		EXPECT_INTACT(cpu);
		guard_free(cpu);
	}
}

CLAUSE(the_node_is_the_same_by_vdso_and_system_call,
       "getcpu(2): the node is that of the CPU: the same by either way, for each CPU that the caller may use",
       .needed_by = USERS_OF_GETCPU)
{
	FUNCTION_OR_ABSENT(f, VDSO_GETCPU);
	int cpus[16], n = allowed_cpus(cpus, 16);

	for (int i = 0; i < n; i++) {
		unsigned int *fast = guarded(sizeof(*fast)), *slow = guarded(sizeof(*slow));

		ASSERT_TRUE(bind_to_cpu(cpus[i]));
		EXPECT_RET(0, slow_getcpu(NULL, slow));
		EXPECT_EQ(0, fast_getcpu(f, NULL, fast, NULL));
		EXPECT_EQ(*slow, *fast) TH_LOG("CPU %d", cpus[i]);
		EXPECT_INTACT(fast);
		EXPECT_INTACT(slow);
		guard_free(fast);
		guard_free(slow);
	}
}

// The folder of each CPU links to its node, where the kernel knows nodes at all; -1 if it does not.
static int node_in_sysfs(int cpu)
{
	char path[64];
	struct dirent *entry;
	int node = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d", cpu);
	dir = opendir(path);
	while (dir && node < 0 && (entry = readdir(dir)))
		sscanf(entry->d_name, "node%d", &node);
	if (dir)
		closedir(dir);
	return node;
}

CLAUSE(the_node_is_the_one_that_sysfs_shows,
       "getcpu(2), Documentation/ABI/stable/sysfs-devices-node: /sys/devices/system/cpu/cpuN has a link to nodeM, and "
       "M is the node"
       " that a thread on that CPU is told; without nodes it is 0", .needed_by = USERS_OF_GETCPU)
{
	int cpus[16], n = allowed_cpus(cpus, 16);
	const void *f = function_named(VDSO_GETCPU);

	for (int i = 0; i < n; i++) {
		unsigned int node = -1, by_vdso = -1, wanted = node_in_sysfs(cpus[i]) < 0 ? 0 : node_in_sysfs(cpus[i]);

		ASSERT_TRUE(bind_to_cpu(cpus[i]));
		EXPECT_RET(0, slow_getcpu(NULL, &node));
		EXPECT_EQ(wanted, node);
		if (f) {
			EXPECT_EQ(0, fast_getcpu(f, NULL, &by_vdso, NULL));
			EXPECT_EQ(wanted, by_vdso);
		}
	}
}

CLAUSE(every_argument_may_be_null,
       "getcpu(2): cpu or node may be NULL, and then nothing is stored there; both may; the third argument is not used "
       "since"
       " Linux 2.6.24, so that what it points to does not matter", .needed_by = USERS_OF_GETCPU)
{
	const void *f = function_named(VDSO_GETCPU);
	unsigned int *cpu = guarded(sizeof(*cpu)), *node = guarded(sizeof(*node));
	int first;

	ASSERT_EQ(1, allowed_cpus(&first, 1));
	ASSERT_TRUE(bind_to_cpu(first));
	EXPECT_RET(0, raw_syscall(__NR_getcpu, NULL, NULL, NULL));
	EXPECT_RET(0, raw_syscall(__NR_getcpu, cpu, node, forbidden_page()));
	EXPECT_EQ(first, *cpu);
	EXPECT_FALSE(is_untouched(node, 0, sizeof(*node)));
	if (!f)
		return;
	memset(cpu, GUARD_BYTE, sizeof(*cpu));
	EXPECT_EQ(0, fast_getcpu(f, NULL, NULL, NULL));
	EXPECT_EQ(0, fast_getcpu(f, cpu, node, forbidden_page()));
	EXPECT_EQ(first, *cpu);
	EXPECT_EQ(0, fast_getcpu(f, cpu, NULL, unmapped_page()));
	EXPECT_INTACT(cpu);
	EXPECT_INTACT(node);
}

CLAUSE(a_pointer_that_cannot_be_written_is_efault,
       "getcpu(2) ERRORS EFAULT: arguments that point outside the address space", .needed_by = USERS_OF_GETCPU)
{
	unsigned int node;

	EXPECT_ERR(EFAULT, raw_syscall(__NR_getcpu, unmapped_page(), NULL, NULL));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_getcpu, NULL, forbidden_page(), NULL));
	EXPECT_ERR(EFAULT, raw_syscall(__NR_getcpu, unmapped_page(), &node, NULL));
}

CLAUSE(a_thread_that_is_not_bound_is_told_a_cpu_that_it_may_use,
       "getcpu(2), sched_setaffinity(2): whatever the scheduler does, the CPU is one of the affinity mask",
       .needed_by = USERS_OF_GETCPU)
{
	FUNCTION_OR_ABSENT(f, VDSO_GETCPU);
	struct cpu_mask mask = { { 0 } };

	ASSERT_OK(raw_syscall(__NR_sched_getaffinity, 0, sizeof(mask), &mask));
	for (int turn = 0; turn < 200; turn++) {
		unsigned int cpu = -1;

		ASSERT_EQ(0, fast_getcpu(f, &cpu, NULL, NULL));
		ASSERT_LT(cpu, MOST_CPUS);
		ASSERT_EQ(1, mask.word[cpu / CPU_WORD_BITS] >> cpu % CPU_WORD_BITS & 1) TH_LOG("CPU %u", cpu);
		if (turn % 20 == 0)
			raw_syscall(__NR_sched_yield);
	}
}
