// SPDX-License-Identifier: GPL-2.0-only
// mincore(2) while another thread changes the very mappings: old or new, never a wrong error and never a hang.
#include "clause.h"
#include "mincore.h"
#include "sync.h"
#include "thread.h"

#define PAGES 8
#define LOOKS 1500

struct churn {
	char *p;
	size_t page;
	volatile int stop;
	volatile int rounds;
	volatile long error;
};

static bool goes_on(struct churn *c)
{
	c->rounds++;
	return !c->stop;
}

static int unmap_and_map(void *arg)
{
	struct churn *c = arg;
	const size_t size = 4 * c->page;

	while (goes_on(c)) {
		long to;

		raw_syscall(__NR_munmap, c->p + 2 * c->page, size);
		to = raw_syscall(NR_MMAP, c->p + 2 * c->page, size, PROT_READ | PROT_WRITE,
				 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (is_error(to))
			c->error = to;
		else
			*(volatile char *)to = 1;
	}
	return 0;
}

static int touch_and_give_back(void *arg)
{
	struct churn *c = arg;

	while (goes_on(c)) {
		for (int i = 2; i < 6; i++)
			*(volatile char *)(c->p + i * c->page) = i;
		raw_syscall(__NR_madvise, c->p + 2 * c->page, 4 * c->page, MADV_DONTNEED);
	}
	return 0;
}

static int change_protection(void *arg)
{
	struct churn *c = arg;

	while (goes_on(c))
		raw_syscall(__NR_mprotect, c->p + (c->rounds % PAGES) * c->page, c->page,
			    c->rounds & 8 ? PROT_NONE : PROT_READ | PROT_WRITE);
	return 0;
}

static int unmap_and_map_vector(void *arg)
{
	struct churn *c = arg;

	while (goes_on(c)) {
		raw_syscall(__NR_munmap, c->p, c->page);
		c->error = raw_syscall(NR_MMAP, c->p, c->page, PROT_READ | PROT_WRITE,
				       MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	return 0;
}

// The other thread is at work before the first look and after the last.
static bool start(struct thread *t, int (*fn)(void *), struct churn *c)
{
	c->page = page_size();
	return !is_error(thread_start(t, fn, c)) && wait_until(c->rounds > 2);
}

static bool stop(struct thread *t, struct churn *c)
{
	c->stop = 1;
	return thread_join(t);
}

CLAUSE(a_range_that_is_unmapped_meanwhile_is_there_or_a_hole,
       "mincore(2) ERRORS: while another thread unmaps and maps pages the answer is 0 or ENOMEM, and entries of pages"
       " left alone are right [MINC-3]", .needed_by = "go:mincore")
{
	struct churn c = { .p = small_pages(PAGES) };
	unsigned char *vec = guarded(PAGES);
	struct thread t;

	ASSERT_NE(NULL, c.p);
	touch_pages(c.p, "10000001");
	ASSERT_TRUE(start(&t, unmap_and_map, &c));
	for (int i = 0; i < LOOKS && !_metadata->exit_code; i++) {
		long result;

		memset(vec, GUARD_BYTE, PAGES);
		result = mincore_raw(c.p, PAGES * page_size(), vec);
		EXPECT_TRUE(result == 0 || result == -ENOMEM) TH_LOG("result %ld", result);
		EXPECT_VEC("10", vec, 2);
		if (result == 0)
			EXPECT_VEC("01", vec + PAGES - 2, 2);
	}
	ASSERT_TRUE(stop(&t, &c));
	EXPECT_RET(0, c.error);
	EXPECT_INTACT(vec);
}

CLAUSE(pages_given_back_meanwhile_are_resident_or_not,
       "mm/mincore.c sys_mincore (7.2): a page's status may change at any time, its mapping does not; the neighbours"
       " keep theirs [MINC-6]")
{
	struct churn c = { .p = small_pages(PAGES) };
	unsigned char *vec = guarded(PAGES);
	struct thread t;

	ASSERT_NE(NULL, c.p);
	touch_pages(c.p, "10000001");
	ASSERT_TRUE(start(&t, touch_and_give_back, &c));
	for (int i = 0; i < LOOKS && !_metadata->exit_code; i++) {
		memset(vec, GUARD_BYTE, PAGES);
		EXPECT_RET(0, mincore_raw(c.p, PAGES * page_size(), vec));
		EXPECT_VEC("10", vec, 2);
		EXPECT_VEC("01", vec + PAGES - 2, 2);
	}
	ASSERT_TRUE(stop(&t, &c));
	EXPECT_INTACT(vec);
}

CLAUSE(protections_that_change_meanwhile_do_not_matter,
       "mm/mincore.c sys_mincore (7.2): mappings that are split and merged during the call are mapped all the time"
       " [MINC-2]")
{
	struct churn c = { .p = small_pages(PAGES) };
	unsigned char *vec = guarded(PAGES);
	struct thread t;

	ASSERT_NE(NULL, c.p);
	touch_pages(c.p, "01100110");
	ASSERT_TRUE(start(&t, change_protection, &c));
	for (int i = 0; i < LOOKS && !_metadata->exit_code; i++) {
		memset(vec, GUARD_BYTE, PAGES);
		EXPECT_RET(0, mincore_raw(c.p, PAGES * page_size(), vec));
		EXPECT_VEC("01100110", vec, PAGES);
	}
	ASSERT_TRUE(stop(&t, &c));
	EXPECT_INTACT(vec);
}

CLAUSE(a_vector_that_is_unmapped_meanwhile_is_written_or_efault,
       "mincore(2) ERRORS EFAULT: vec points to an invalid address; a fault on the vector is an answer and no signal"
       " [MINC-4]")
{
	struct churn c = { .p = small_pages(1) };
	char *p = small_pages(PAGES);
	struct thread t;

	ASSERT_NE(NULL, c.p);
	ASSERT_NE(NULL, p);
	ASSERT_TRUE(start(&t, unmap_and_map_vector, &c));
	for (int i = 0; i < LOOKS && !_metadata->exit_code; i++) {
		long result = mincore_raw(p, PAGES * page_size(), c.p + 100);

		EXPECT_TRUE(result == 0 || result == -EFAULT) TH_LOG("result %ld", result);
	}
	ASSERT_TRUE(stop(&t, &c));
}

struct asker {
	char *p;
	size_t size;
	long result;
	unsigned char vec[PAGES];
};

static int ask(void *arg)
{
	struct asker *a = arg;

	a->result = mincore_raw(a->p, a->size, a->vec);
	return 0;
}

CLAUSE(every_thread_gets_the_same_answer,
       "mincore(2) DESCRIPTION: residency is the calling process's, so any of its threads may ask [MINC-2]")
{
	struct asker a = { .p = small_pages(PAGES), .size = PAGES * page_size() };
	struct thread t;

	ASSERT_NE(NULL, a.p);
	touch_pages(a.p, "01001101");
	ASSERT_OK(thread_start(&t, ask, &a));
	ASSERT_TRUE(thread_join(&t));
	EXPECT_RET(0, a.result);
	EXPECT_VEC("01001101", a.vec, PAGES);
	EXPECT_RESIDENT("01001101", a.p);
}
