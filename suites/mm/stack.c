// SPDX-License-Identifier: GPL-2.0-only
// Memory that grows down, the main thread's stack among it, and the gap that is kept below.
#include "clause.h"
#include "maps.h"
#include "mm.h"

// Pages that stay between a stack and the next mapping that can be accessed, unless the command line says otherwise.
#define GAP 256

static bool gap_is_default(void)
{
	char text[4096];

	return read_text("/proc/cmdline", text, sizeof(text)) <= 0 || !strstr(text, "stack_guard_gap");
}

// Two pages that grow down, over `room` pages that are not mapped, below which there is one of protection `below`.
static char *stack_over(size_t room, int below)
{
	const size_t page = page_size();
	char *p = pages_of(room + 4, PROT_NONE);

	mprotect(p, page, below);
	munmap(p + page, (room + 2) * page);
	p += (1 + room) * page;
	if (mmap_raw(p, 2 * page, RW, ANONYMOUS | MAP_GROWSDOWN | MAP_STACK | MAP_FIXED, -1, 0) != (long)p)
		abort();
	return p;
}

CLAUSE(a_touch_below_makes_it_grow,
       "mmap(2) MAP_GROWSDOWN: touching an address in the guard page below the mapping will cause the mapping to grow"
       " by a page; the new page is zero [JVM-2]")
{
	char *p = stack_over(16, PROT_NONE);

	for (int i = 1; i <= 8; i++) {
		EXPECT_EQ(NO_FAULT, touch(p - i * page_size() + 8, i % 2 ? READ : WRITE));
		p[-i * (long)page_size() + 8] = 0;
		EXPECT_TRUE(are_zero(p - i * page_size(), 1));
	}
	EXPECT_TRUE(is_mapped(p - 8 * page_size()));
	EXPECT_FALSE(is_mapped(p - 9 * page_size()));
}

CLAUSE(a_touch_far_below_makes_it_grow_at_once,
       "mm/mmap.c expand_downwards (5.10), mm/vma.c (7.2): grows down to the address touched, however far the frames"
       " of a function reach [JVM-2]",
       .needed_by = "jvm:bang_stack_with_offset")
{
	char *p = stack_over(64, PROT_NONE);

	EXPECT_EQ(NO_FAULT, touch(p - 40 * page_size(), WRITE));
	EXPECT_TRUE(is_mapped(p - 20 * page_size()));
	EXPECT_TRUE(are_zero(p - 39 * page_size(), 39));
	EXPECT_FALSE(is_mapped(p - 41 * page_size()));
}

CLAUSE(system_calls_make_it_grow,
       "mmap(2) MAP_GROWSDOWN: the kernel's own copies to and from such memory make it grow as well")
{
	char *p = stack_over(16, PROT_NONE);
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	ASSERT_RET(8, raw_syscall(__NR_write, ends[1], "stacked", 8));
	EXPECT_RET(8, raw_syscall(__NR_read, ends[0], p - page_size(), 8));
	EXPECT_STREQ("stacked", p - page_size());
	EXPECT_RET(1, raw_syscall(__NR_write, ends[1], p - 2 * page_size(), 1));
}

CLAUSE(it_does_not_grow_near_what_can_be_accessed,
       "Documentation/admin-guide/kernel-parameters.txt stack_guard_gap: 256 pages, in which no other mapping may"
       " lie; the touch is SIGSEGV and the other mapping untouched [JVM-2] [incident 55]",
       .needed_by = "jvm:stack_guard rust:guard")
{
	char *p = stack_over(GAP + 16, PROT_READ), *other = p - (GAP + 17) * page_size();

	if (!gap_is_default())
		SKIP(return, "stack_guard_gap= is on the command line");
	EXPECT_EQ(NO_FAULT, touch(p - 16 * page_size(), WRITE));
	EXPECT_EQ(NOT_THERE, touch(p - 17 * page_size(), WRITE));
	EXPECT_EQ(NOT_THERE, touch(p - 100 * page_size(), READ));
	EXPECT_EQ(NOT_THERE, touch(other + page_size(), WRITE));
	EXPECT_FALSE(is_mapped(p - 17 * page_size()));
	EXPECT_EQ(0, *other);
}

CLAUSE(it_grows_down_to_what_cannot_be_accessed,
       "mm/mmap.c expand_downwards (5.10), mm/vma.c (7.2): a mapping without access is a guard of its own, and no gap"
       " is kept above it [incident 55]", .needed_by = "jvm:stack_guard rust:guard")
{
	char *p = stack_over(20, PROT_NONE);

	EXPECT_EQ(NO_FAULT, touch(p - 20 * page_size(), WRITE));
	EXPECT_EQ(FORBIDDEN, touch(p - 20 * page_size() - 1, WRITE));
	EXPECT_TRUE(is_mapped(p - 20 * page_size()));
}

CLAUSE(a_mapping_is_not_put_into_the_gap,
       "mm/mmap.c vm_unmapped_area (5.10), mm/vma.c (7.2): the kernel chooses no address in the gap below a stack,"
       " not even where a hint names it; MAP_FIXED does [incident 55]")
{
	char *p = stack_over(2 * GAP, PROT_NONE), *at = p - 8 * page_size();
	long got = mmap_raw(at, page_size(), RW, ANONYMOUS, -1, 0);

	if (!gap_is_default())
		SKIP(return, "stack_guard_gap= is on the command line");
	ASSERT_OK(got);
	EXPECT_NE((long)at, got);
	EXPECT_RET(at, mmap_raw(at, page_size(), RW, ANONYMOUS | MAP_FIXED, -1, 0));
}

CLAUSE(it_does_not_grow_beyond_rlimit_stack,
       "getrlimit(2) RLIMIT_STACK: the maximum size of the process stack; upon reaching this limit, SIGSEGV is"
       " generated")
{
	char *p = stack_over(400, PROT_NONE);

	IN_CHILD {
		ASSERT_TRUE(set_limit(RLIMIT_STACK, 256 * page_size()));
		EXPECT_EQ(NO_FAULT, touch(p - 254 * page_size(), WRITE));
		EXPECT_EQ(NOT_THERE, touch(p - 255 * page_size(), WRITE));
		EXPECT_EQ(NOT_THERE, touch(p - 300 * page_size(), READ));
		EXPECT_EQ('w', p[-254 * (long)page_size()]);
	}
}

CLAUSE(it_does_not_grow_beyond_rlimit_as,
       "getrlimit(2) RLIMIT_AS: automatic stack expansion fails beyond the limit, and generates a SIGSEGV",
       .needs = "file=/proc/self/statm")
{
	char *p = stack_over(400, PROT_NONE), text[128];

	IN_CHILD {
		ASSERT_GT(read_text("/proc/self/statm", text, sizeof(text)), 0);
		// The main stack may have to grow by a few pages too.
		ASSERT_TRUE(set_limit(RLIMIT_AS, (strtoul(text, NULL, 10) + 64) * page_size()));
		EXPECT_EQ(NO_FAULT, touch(p - 32 * page_size(), WRITE));
		EXPECT_EQ(NOT_THERE, touch(p - 200 * page_size(), WRITE));
		EXPECT_EQ(NOT_THERE, touch(p - 200 * page_size(), READ));
		EXPECT_FALSE(is_mapped(p - 100 * page_size()));
		EXPECT_EQ('w', p[-32 * (long)page_size()]);
	}
}

CLAUSE(a_childs_stack_grows_on_its_own,
       "fork(2): mappings are copied with their attributes; the growth of one process is not the other's")
{
	char *p = stack_over(16, PROT_NONE);

	IN_CHILD {
		EXPECT_EQ(NO_FAULT, touch(p - 4 * page_size(), WRITE));
		EXPECT_TRUE(is_mapped(p - 4 * page_size()));
	}
	EXPECT_FALSE(is_mapped(p - page_size()));
}

CLAUSE(grows_down_protects_it_from_its_beginning,
       "mprotect(2) PROT_GROWSDOWN: apply the protection mode down to the beginning of a mapping that grows downward")
{
	char *p = stack_over(16, PROT_NONE);

	EXPECT_EQ(NO_FAULT, touch(p - 4 * page_size(), WRITE));
	EXPECT_RET(0, mprotect_raw(p, page_size(), PROT_READ | PROT_GROWSDOWN));
	EXPECT_EQ(FORBIDDEN, touch(p - 4 * page_size(), WRITE));
	EXPECT_EQ(FORBIDDEN, touch(p, WRITE));
	EXPECT_EQ(NO_FAULT, touch(p + page_size(), WRITE));
}

CLAUSE(the_main_stack_is_in_the_maps_and_holds_its_frames,
       "proc(5) /proc/pid/maps [stack]: the initial process's stack; it contains the frames of the main thread, and"
       " ends above them", .needs = "file=/proc/self/smaps", .needed_by = "glibc:pthread_getattr_np jvm:os_init_2")
{
	struct mapping m;
	char *frame = __builtin_frame_address(0);

	ASSERT_TRUE(find_mapping(0, frame, &m));
	EXPECT_NE(NULL, strstr(m.text, "[stack]"));
	EXPECT_NE(NULL, strstr(m.text, " rw"));
	ASSERT_TRUE(find_mapping(0, environ[0] ?: frame, &m));
	EXPECT_LE(m.start, (unsigned long)frame);
	EXPECT_GT(m.end, (unsigned long)frame);
}

CLAUSE(the_main_stack_can_be_touched_far_below_its_frames,
       "mm/mmap.c expand_stack (5.10), mm/vma.c (7.2): any address down to RLIMIT_STACK makes it grow, however far"
       " below the stack pointer [JVM-2]",
       .needed_by = "jvm:bang_stack_with_offset dotnet:StackGuaranteeCommit")
{
	char *frame = __builtin_frame_address(0);
	struct rlimit limit;

	ASSERT_EQ(0, getrlimit(RLIMIT_STACK, &limit));
	if (limit.rlim_cur < 4u << 20)
		SKIP(return, "RLIMIT_STACK is below 4 MiB");
	for (int i = 1; i <= 20; i++)
		EXPECT_EQ(NO_FAULT, touch(frame - 0x8000 - i * 4096, WRITE));
	EXPECT_EQ(NO_FAULT, touch(frame - (2 << 20), WRITE));
	EXPECT_TRUE(is_mapped((char *)((uintptr_t)(frame - (2 << 20)) & -page_size())));
}

// Its word is a number of bytes: nothing else may be mapped that far below the top of the stack.
AFTER_EXEC(has_room_for_its_stack)
{
	static char text[16384];
	unsigned long last = 0, limit = strtoul(argv[0], NULL, 10);

	if (read_text("/proc/self/maps", text, sizeof(text)) <= 0)
		return 2;
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		unsigned long from, to;
		char *rest;

		*end = 0;
		from = strtoul(line, &rest, 16);
		to = strtoul(rest + 1, NULL, 16);
		if (strstr(line, "[stack]"))
			return !(last <= from && to - last >= limit);
		last = to;
	}
	return 3;
}

#define NO_RANDOMIZE 0x40000	/* ADDR_NO_RANDOMIZE of personality(2) */

CLAUSE(a_program_finds_as_much_room_for_its_stack_as_its_limit_says,
       "setrlimit(2) RLIMIT_STACK: the maximum size of the process stack; mm/util.c mmap_base (5.10, 7.2): what the"
       " kernel maps for a program that is started with a larger limit lies below what that lets the stack grow to",
       .needs = "file=/proc/self/maps", .needed_by = "jvm:os_init_2 go:cgo")
{
	// 128 MiB are kept free whatever the limit is.
	const unsigned long mebibytes[] = { 8, 200, 500 };

	for (int i = 0; i < 3; i++)
		for (int fixed = 0; fixed < 2; fixed++) {
			char text[24];
			int status;
			pid_t child = fork();

			if (child == 0) {
				if (!set_limit(RLIMIT_STACK, mebibytes[i] << 20) ||
				    (fixed && is_error(raw_syscall(__NR_personality, NO_RANDOMIZE))))
					_exit(99);
				snprintf(text, sizeof(text), "%lu", mebibytes[i] << 20);
				execute_self(has_room_for_its_stack, text);
				_exit(98);
			}
			ASSERT_EQ(child, waitpid(child, &status, 0));
			if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
				continue;	// not allowed here
			EXPECT_EQ(0, status) TH_LOG("%lu MiB, %s", mebibytes[i], fixed ? "fixed" : "randomized");
		}
}
