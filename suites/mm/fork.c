// SPDX-License-Identifier: GPL-2.0-only
// Memory across fork(2): copies that are exact and private, what is shared, wiped or left out by madvise(2).
#include "clause.h"
#include "maps.h"
#include "mm.h"

CLAUSE(a_child_has_an_exact_copy_of_its_own,
       "fork(2) DESCRIPTION: the memory spaces have the same content at the time of fork; writes by one of the"
       " processes do not affect the other")
{
	char *p = pages(32);
	int ends[2];

	mark_pages(p, 32, 'A');
	ASSERT_EQ(0, pipe(ends));
	IN_CHILD {
		EXPECT_TRUE(are_marked(p, 32, 'A'));
		mark_pages(p, 16, 'a');
		EXPECT_TRUE(are_marked(p, 16, 'a'));
		EXPECT_TRUE(are_marked(p + 16 * page_size(), 16, 'A' + 16));
	}
	EXPECT_TRUE(are_marked(p, 32, 'A'));
}

CLAUSE(what_a_parent_writes_after_fork_its_child_does_not_see,
       "fork(2) DESCRIPTION: memory writes performed by one of the processes do not affect the other")
{
	char *p = pages(8);
	volatile int *written = (void *)mmap_raw(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;
	int status = -1;

	mark_pages(p, 8, 'a');
	child = fork();
	ASSERT_GE(child, 0);
	if (child == 0)
		_exit(!wait_until(*written) || !are_marked(p, 8, 'a'));
	mark_pages(p, 8, 'k');
	*written = 1;
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(are_marked(p, 8, 'k'));
}

struct ticker {
	volatile unsigned long *private, *shared;
	volatile int stop;
};

static int tick(void *arg)
{
	struct ticker *t = arg;

	while (!t->stop) {
		++*t->private;
		++*t->shared;
	}
	return 0;
}

CLAUSE(what_another_thread_writes_after_fork_the_child_does_not_see,
       "fork(2); mm/memory.c copy_present_ptes, kernel/fork.c dup_mmap (7.2): when the child runs, no CPU can write"
       " to the pages by a translation from before")
{
	struct ticker t = {
		.private = (void *)pages(1),
		.shared = (void *)mmap_raw(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
	};
	struct thread thread;

	ASSERT_OK(thread_start(&thread, tick, &t));
	for (int i = 0; i < 5; i++) {
		ASSERT_TRUE(wait_until(*t.private > 100));
		IN_CHILD {
			unsigned long then = *t.private, shared = *t.shared;

			EXPECT_TRUE(wait_until(*t.shared > shared + 1000));
			EXPECT_EQ(then, *t.private);
		}
	}
	t.stop = 1;
	EXPECT_TRUE(thread_join(&thread));
}

CLAUSE(generations_keep_apart,
       "fork(2) DESCRIPTION: each process has a copy of its own, however many share the pages until they are written")
{
	char *p = pages(8);

	mark_pages(p, 8, 'a');
	IN_CHILD {
		mark_pages(p + 2 * page_size(), 2, 'k');
		IN_CHILD {
			EXPECT_TRUE(are_marked(p, 2, 'a'));
			EXPECT_TRUE(are_marked(p + 2 * page_size(), 2, 'k'));
			mark_pages(p, 8, 'p');
		}
		EXPECT_TRUE(are_marked(p, 2, 'a'));
		EXPECT_TRUE(are_marked(p + 2 * page_size(), 2, 'k'));
		EXPECT_TRUE(are_marked(p + 4 * page_size(), 4, 'e'));
	}
	EXPECT_TRUE(are_marked(p, 8, 'a'));
}

CLAUSE(a_child_gives_back_only_its_own_copy,
       "fork(2), madvise(2) MADV_DONTNEED, munmap(2): the pages of the parent stay, whatever the child drops")
{
	char *p = pages(8);

	mark_pages(p, 8, 'a');
	IN_CHILD {
		ASSERT_RET(0, madvise_raw(p, 4 * page_size(), MADV_DONTNEED));
		ASSERT_RET(0, munmap_raw(p + 4 * page_size(), 2 * page_size()));
		ASSERT_OK(mprotect_raw(p + 6 * page_size(), page_size(), PROT_NONE));
		EXPECT_TRUE(are_zero(p, 4));
	}
	EXPECT_TRUE(are_marked(p, 8, 'a'));
	EXPECT_EQ(NO_FAULT, touch(p + 6 * page_size(), WRITE));
}

// Takes advice for its own copy, and has what may go reclaimed.
static void drop_lazily(char *p, size_t n, int advice)
{
	madvise_raw(p, n * page_size(), advice);
	madvise_raw(p, n * page_size(), MADV_PAGEOUT);
}

CLAUSE(what_one_process_gives_up_the_other_keeps,
       "fork(2), madvise(2) MADV_FREE, MADV_DONTNEED, MADV_COLD, MADV_PAGEOUT: pages that parent and child share until"
       " one of them writes go for the one that gave the advice, and hold their contents for the other [MAD-2]",
       .needed_by = "go:sysUnused jemalloc:pages_purge_lazy")
{
	const int advice[] = { MADV_FREE, MADV_DONTNEED, MADV_COLD, MADV_PAGEOUT };
	char *p = pages(16);

	for (int i = 0; i < 4; i++) {
		int ends[2], status = -1;
		pid_t child;
		char byte;

		mark_pages(p, 16, 'a');
		IN_CHILD
			drop_lazily(p, 16, advice[i]);
		madvise_raw(p, 16 * page_size(), MADV_PAGEOUT);
		EXPECT_TRUE(are_marked(p, 16, 'a')) TH_LOG("the child's advice %d", advice[i]);

		ASSERT_EQ(0, pipe(ends));
		child = fork();
		if (child == 0) {
			close(ends[1]);
			byte = raw_syscall(__NR_read, ends[0], &byte, 1);
			madvise_raw(p, 16 * page_size(), MADV_PAGEOUT);
			_exit(byte || !are_marked(p, 16, 'a'));
		}
		ASSERT_GT(child, 0);
		drop_lazily(p, 16, advice[i]);
		close(ends[0]);
		close(ends[1]);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(0, status) TH_LOG("the parent's advice %d", advice[i]);
	}
}

CLAUSE(shared_memory_stays_shared,
       "fork(2), mmap(2) MAP_SHARED: updates to the mapping are visible to other processes mapping the same region",
       .needed_by = "cpython:multiprocessing jvm:perfMemory")
{
	char *p = (char *)mmap_raw(NULL, 4 * page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	mark_pages(p, 2, 'a');
	IN_CHILD {
		EXPECT_TRUE(are_marked(p, 2, 'a'));
		EXPECT_TRUE(are_zero(p + 2 * page_size(), 2));
		mark_pages(p + page_size(), 3, 'k');
	}
	EXPECT_TRUE(are_marked(p, 1, 'a'));
	EXPECT_TRUE(are_marked(p + page_size(), 3, 'k'));
}

CLAUSE(memory_to_be_wiped_is_zero_in_the_child,
       "madvise(2) MADV_WIPEONFORK: present the child process with zero-filled memory in this range after a fork; the"
       " parent keeps what it has", .needed_by = "glibc:arc4random go:vgetrandom v8:BoringSSL")
{
	char *p = pages(6);

	mark_pages(p, 6, 'a');
	ASSERT_RET(0, madvise_raw(p + page_size(), 4 * page_size(), MADV_WIPEONFORK));
	for (int i = 0; i < 2; i++) {
		IN_CHILD {
			EXPECT_TRUE(are_zero(p + page_size(), 4));
			EXPECT_TRUE(are_marked(p, 1, 'a'));
			EXPECT_TRUE(are_marked(p + 5 * page_size(), 1, 'a' + 5));
			mark_pages(p + page_size(), 4, 'k');
			EXPECT_TRUE(are_marked(p + page_size(), 4, 'k'));
		}
	}
	EXPECT_TRUE(are_marked(p, 6, 'a'));
}

CLAUSE(wiping_goes_on_in_the_generations_after,
       "madvise(2) MADV_WIPEONFORK: in the child the setting remains in place on subsequent fork")
{
	char *p = pages(2);

	mark_pages(p, 2, 'a');
	ASSERT_RET(0, madvise_raw(p, 2 * page_size(), MADV_WIPEONFORK));
	IN_CHILD {
		mark_pages(p, 2, 'k');
		IN_CHILD
			EXPECT_TRUE(are_zero(p, 2));
		EXPECT_TRUE(are_marked(p, 2, 'k'));
	}
	EXPECT_TRUE(are_marked(p, 2, 'a'));
}

CLAUSE(memory_that_is_kept_again_is_not_wiped,
       "madvise(2) MADV_KEEPONFORK: undo the effect of an earlier MADV_WIPEONFORK")
{
	char *p = pages(4);

	mark_pages(p, 4, 'a');
	ASSERT_RET(0, madvise_raw(p, 4 * page_size(), MADV_WIPEONFORK));
	ASSERT_RET(0, madvise_raw(p + page_size(), 2 * page_size(), MADV_KEEPONFORK));
	IN_CHILD {
		EXPECT_TRUE(are_zero(p, 1));
		EXPECT_TRUE(are_marked(p + page_size(), 2, 'b'));
		EXPECT_TRUE(are_zero(p + 3 * page_size(), 1));
	}
}

CLAUSE(only_private_anonymous_memory_can_be_wiped,
       "madvise(2) MADV_WIPEONFORK, ERRORS EINVAL: can be applied only to private anonymous pages")
{
	int fd = memfd_create("osprim-mm", MFD_CLOEXEC);
	char *file, *private, *shared = (char *)mmap_raw(NULL, page_size(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_EQ(0, ftruncate(fd, page_size()));
	file = (char *)mmap_raw(NULL, page_size(), RW, MAP_SHARED, fd, 0);
	private = (char *)mmap_raw(NULL, page_size(), RW, MAP_PRIVATE, fd, 0);
	*private = 'p';
	*shared = 's';
	EXPECT_ERR(EINVAL, madvise_raw(file, page_size(), MADV_WIPEONFORK));
	EXPECT_ERR(EINVAL, madvise_raw(private, page_size(), MADV_WIPEONFORK));
	EXPECT_ERR(EINVAL, madvise_raw(shared, page_size(), MADV_WIPEONFORK));
	IN_CHILD {
		EXPECT_EQ('p', *private);
		EXPECT_EQ('s', *shared);
	}
}

static int read_first_byte(void *arg)
{
	return *(volatile char *)arg;
}

CLAUSE(memory_to_be_wiped_stays_for_those_who_share_it,
       "madvise(2) MADV_WIPEONFORK, clone(2) CLONE_VM: a task that shares the memory got no copy, and nothing is wiped")
{
	char *p = pages(1);
	int status;
	long child;

	*p = 42;
	ASSERT_RET(0, madvise_raw(p, page_size(), MADV_WIPEONFORK));
	child = raw_vfork(0, read_first_byte, p);
	ASSERT_GT(child, 0);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(42, WEXITSTATUS(status));
	EXPECT_EQ(42, *p);
}

CLAUSE(memory_that_is_not_for_children_is_not_there,
       "madvise(2) MADV_DONTFORK: do not make the pages in this range available to the child after a fork; MADV_DOFORK:"
       " undo the effect [V8-2] [NET-6]", .needed_by = "v8:PartitionAlloc dotnet:GCVirtualReserve")
{
	char *p = pages(6);

	mark_pages(p, 6, 'a');
	ASSERT_RET(0, madvise_raw(p + page_size(), 4 * page_size(), MADV_DONTFORK));
	ASSERT_RET(0, madvise_raw(p + 3 * page_size(), page_size(), MADV_DOFORK));
	IN_CHILD {
		EXPECT_TRUE(are_marked(p, 1, 'a'));
		EXPECT_EQ(NOT_THERE, touch(p + page_size(), READ));
		EXPECT_EQ(NOT_THERE, touch(p + 2 * page_size(), WRITE));
		EXPECT_TRUE(are_marked(p + 3 * page_size(), 1, 'a' + 3));
		EXPECT_EQ(NOT_THERE, touch(p + 4 * page_size(), READ));
		EXPECT_TRUE(are_marked(p + 5 * page_size(), 1, 'a' + 5));
		EXPECT_FALSE(is_mapped(p + page_size()));
	}
	EXPECT_TRUE(are_marked(p, 6, 'a'));
}

CLAUSE(a_system_call_that_writes_gets_a_copy_too,
       "fork(2) DESCRIPTION: a page that both have until one writes is copied for a write by a system call as well")
{
	char *p = pages(4);
	int ends[2];

	mark_pages(p, 4, 'a');
	ASSERT_EQ(0, pipe(ends));
	IN_CHILD {
		ASSERT_RET(5, raw_syscall(__NR_write, ends[1], "other", 5));
		EXPECT_RET(5, raw_syscall(__NR_read, ends[0], p + page_size(), 5));
		EXPECT_EQ('o', p[page_size()]);
		EXPECT_EQ('b', p[2 * page_size() - 1]);
	}
	EXPECT_TRUE(are_marked(p, 4, 'a'));
}
