// SPDX-License-Identifier: GPL-2.0-only
// Signal stacks in memory that the kernel lays out in ways of its own: mappings that grow, huge pages.
#include "clause.h"

#include "altstack.h"
#include "guard.h"
#include "sync.h"

#define USERS "go:malg glibc:sigaltstack jvm:stack_banging rust:stack_overflow"

static int times;
static unsigned long on;

static void note(int sig, siginfo_t *info, void *uc)
{
	times++;
	on = (unsigned long)uc;
}

static bool is_on(const char *stack)
{
	return on - (unsigned long)stack < ROOMY;
}

CLAUSE(a_signal_stack_grows_where_its_mapping_does,
       "mmap(2) MAP_GROWSDOWN, sigaltstack(2) DESCRIPTION: a frame makes a mapping that grows downwards grow, as a store of the"
       " program would: only its last page need be there", .needed_by = USERS)
{
	size_t page = page_size();
	// The lowest page stays without access, so that no gap is kept from what lies below.
	char *all = mmap(NULL, 2 * ROOMY, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *top = all + 2 * ROOMY;

	ASSERT_NE(MAP_FAILED, (void *)all);
	ASSERT_OK(raw_syscall(__NR_munmap, all + page, 2 * ROOMY - page));
	ASSERT_EQ(top - page, mmap(top - page, page, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0));
	ASSERT_OK(use_stack(all + ROOMY, ROOMY - page, 0));
	ASSERT_OK(raw_sigaction(SIGUSR1, note, SA_ONSTACK));
	for (int i = 1; i <= 3; i++) {
		ASSERT_OK(hit(SIGUSR1));
		ASSERT_EQ(i, times);
		EXPECT_TRUE(is_on(all + ROOMY));
	}
	EXPECT_GT(top - page, (char *)on);
}

static size_t huge_page(void)
{
	char text[32];

	if (read_text("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", text, sizeof(text)) <= 0)
		return 0;
	return strtoul(text, NULL, 10);
}

// A byte of [from, to) that is not zero and not the stack's; NULL if there is none.
static const char *written_beside(const char *stack, const char *from, const char *to)
{
	for (const char *at = from; at < to; at += 1024)
		if ((at < stack || at >= stack + ROOMY) && *at)
			return at;
	return NULL;
}

CLAUSE(a_signal_stack_may_lie_in_a_huge_page,
       "sigaltstack(2) DESCRIPTION, madvise(2) MADV_HUGEPAGE: any memory that can be written will do: a huge page that the frame is"
       " the first to touch, one that was given back, one that was taken apart; nothing beside the stack is written [SAS-9]",
       .needs = "thp", .needed_by = USERS)
{
	size_t size = huge_page(), page = page_size();
	char *all, *huge, *stack;

	if (size < 4 * ROOMY || size > 64 << 20)
		SKIP(return, "no huge pages here, or too large ones");
	all = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)all);
	huge = (char *)(((unsigned long)all + size - 1) & -size);
	stack = huge + ROOMY;
	raw_syscall(__NR_madvise, huge, size, MADV_HUGEPAGE);
	ASSERT_OK(use_stack(stack, ROOMY, 0));
	ASSERT_OK(raw_sigaction(SIGUSR1, note, SA_ONSTACK));
	for (int i = 1; i <= 6; i++) {
		ASSERT_OK(hit(SIGUSR1));
		ASSERT_EQ(i, times);
		EXPECT_TRUE(is_on(stack));
		EXPECT_EQ(NULL, written_beside(stack, huge, huge + size));
		if (i % 3 == 1)
			ASSERT_OK(raw_syscall(__NR_madvise, huge, size, MADV_DONTNEED));
		if (i % 3 == 2)
			ASSERT_OK(raw_syscall(__NR_mprotect, stack - page, page, i == 2 ? PROT_READ : PROT_READ | PROT_WRITE));
	}
}
