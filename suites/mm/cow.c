// SPDX-License-Identifier: GPL-2.0-only
// Copies made when a page is written: what looked at the page before, or may look at it still, keeps what it saw.
#include "clause.h"

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "mm.h"

// How a task may lose the right to write to its pages for a while.
static const int protections[] = { PROT_READ, PROT_NONE, PROT_READ | PROT_EXEC };

static bool close_and_open(char *p, size_t n, int protection)
{
	return !mprotect_raw(p, n * page_size(), protection) && !mprotect_raw(p, n * page_size(), RW);
}

CLAUSE(a_protection_that_came_and_went_lets_no_write_through,
       "fork(2) DESCRIPTION: memory writes performed by one of the processes do not affect the other; mprotect(2): that"
       " pages may be written does not make them anybody's own",
       .needed_by = "jvm:SafepointMechanism go:sysFault cpython:multiprocessing")
{
	char *p = pages(8);

	for (int i = 0; i < 3; i++) {
		int ends[2], status = -1;
		pid_t child;

		mark_pages(p, 8, 'a');
		IN_CHILD {	// the child writes, by itself and by a system call
			ASSERT_TRUE(close_and_open(p, 8, protections[i]));
			mark_pages(p, 4, 'k');
			ASSERT_EQ(0, pipe(ends));
			ASSERT_RET(1, raw_syscall(__NR_write, ends[1], "s", 1));
			EXPECT_RET(1, raw_syscall(__NR_read, ends[0], p + 5 * page_size(), 1));
			EXPECT_EQ('s', p[5 * page_size()]);
			EXPECT_TRUE(are_marked(p + 6 * page_size(), 2, 'a' + 6));
		}
		EXPECT_TRUE(are_marked(p, 8, 'a')) TH_LOG("the child's writes, protection %d", protections[i]);

		ASSERT_EQ(0, pipe(ends));
		child = fork();
		if (child == 0) {	// the parent writes
			close(ends[1]);
			_exit(raw_syscall(__NR_read, ends[0], &status, 1) || !are_marked(p, 8, 'a'));
		}
		ASSERT_GT(child, 0);
		ASSERT_TRUE(close_and_open(p + page_size(), 4, protections[i]));
		mark_pages(p, 8, 'k');
		close(ends[0]);
		close(ends[1]);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(0, status) TH_LOG("the parent's writes, protection %d", protections[i]);
	}
}

CLAUSE(a_protection_that_came_and_went_leaves_the_file_alone,
       "mmap(2) MAP_PRIVATE: updates to the mapping are not carried through to the underlying file, whatever"
       " protection the pages had before they were written")
{
	int fd = file_of_pages(4, 'f');

	for (int i = 0; i < 3; i++) {
		char *p = (char *)mmap_raw(NULL, 4 * page_size(), RW, MAP_PRIVATE, fd, 0), *file;

		ASSERT_OK((long)p);
		ASSERT_TRUE(are_marked(p, 4, 'f'));
		ASSERT_TRUE(close_and_open(p, 4, protections[i]));
		mark_pages(p, 2, 'a');
		ASSERT_TRUE(close_and_open(p, 4, protections[i]));
		mark_pages(p, 4, 'k');
		file = (char *)mmap_raw(NULL, 4 * page_size(), PROT_READ, MAP_SHARED, fd, 0);
		EXPECT_TRUE(are_marked(file, 4, 'f')) TH_LOG("protection %d", protections[i]);
		EXPECT_TRUE(are_marked(p, 4, 'k'));
	}
}

CLAUSE(pages_of_zeros_are_nobodys_to_write,
       "mmap(2) MAP_ANONYMOUS: contents are initialized to zero; pages that were only read before their protection"
       " came and went are written by one mapping and one process alone")
{
	char *p = pages(4), *other = pages(4);

	for (int i = 0; i < 3; i++) {
		ASSERT_TRUE(are_zero(p, 4) && are_zero(other, 4));
		ASSERT_TRUE(close_and_open(p, 4, protections[i]));
		IN_CHILD {
			ASSERT_TRUE(close_and_open(p, 4, protections[i]));
			mark_pages(p, 4, 'k');
		}
		EXPECT_TRUE(are_zero(p, 4));
		mark_pages(p, 4, 'a');
		EXPECT_TRUE(are_zero(other, 4));
		EXPECT_TRUE(are_zero(pages_of(4, PROT_READ), 4));
		ASSERT_RET(0, madvise_raw(p, 4 * page_size(), MADV_DONTNEED));
	}
}

CLAUSE(what_a_child_gave_to_a_pipe_does_not_follow_the_parent,
       "fork(2) DESCRIPTION: a page that a child put into a pipe by vmsplice(2), and has no longer, holds what the"
       " child had when the parent writes to its own copy",
       .commit = "17839856fd58 gup: document and work around \"COW can break either way\" issue")
{
	char *p = pages(2), *got = pages(2);
	int ends[2];

	mark_pages(p, 2, 'a');
	ASSERT_EQ(0, pipe(ends));
	IN_CHILD {
		struct iovec part = { p, 2 * page_size() };

		ASSERT_RET(2 * page_size(), raw_syscall(__NR_vmsplice, ends[1], &part, 1, 0));
		EXPECT_RET(0, munmap_raw(p, page_size()));
	}
	mark_pages(p, 2, 'k');
	ASSERT_RET(2 * page_size(), raw_syscall(__NR_read, ends[0], got, 2 * page_size()));
	EXPECT_TRUE(are_marked(got, 2, 'a'));
	EXPECT_TRUE(are_marked(p, 2, 'k'));
}

// Another one who looks: its mapping of the file, read first so that the page is there.
struct forced {
	int fd;
	char *p;
};

static struct forced mapped_for_reading(int protection)
{
	struct forced f = { .fd = file_of_pages(2, 'f') };

	f.p = (char *)mmap_raw(NULL, 2 * page_size(), protection, MAP_PRIVATE, f.fd, 0);
	return f;
}

CLAUSE(a_debuggers_write_to_private_memory_stays_out_of_the_file,
       "ptrace(2) PTRACE_POKEDATA, proc(5) /proc/pid/mem: a write to a private mapping that may not be written makes a"
       " copy as any write to it would; file and other mappings stay",
       .commit = "19be0eaffa3a mm: remove gup_flags FOLL_WRITE games from __get_user_pages()",
       .needs = "file=/proc/self/mem", .needed_by = "go:debug jvm:SA")
{
	const int ways[] = { PROT_READ, PROT_READ | PROT_EXEC, RW };

	for (int i = 0; i < 3; i++) {
		struct forced f = mapped_for_reading(ways[i]);
		int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
		char *file = (char *)mmap_raw(NULL, 2 * page_size(), PROT_READ, MAP_SHARED, f.fd, 0);
		long result;

		ASSERT_OK((long)f.p);
		ASSERT_GE(mem, 0);
		ASSERT_TRUE(are_marked(f.p, 1, 'f'));	// its page is there; the other's is not yet
		for (int page = 0; page < 2; page++) {
			result = pwrite64(mem, "m", 1, (uintptr_t)f.p + page * page_size());
			// proc_mem.force_override= and its configuration may keep all from it.
			EXPECT_TRUE(result == 1 || (result < 0 && ways[i] != RW));
			EXPECT_EQ(result == 1 ? 'm' : 'f' + page, f.p[page * page_size()]);
			EXPECT_EQ('f' + page, f.p[(page + 1) * page_size() - 1]);
		}
		EXPECT_TRUE(are_marked(file, 2, 'f')) TH_LOG("/proc/self/mem, protection %d", ways[i]);
		EXPECT_EQ(ways[i] == RW ? NO_FAULT : FORBIDDEN, touch(f.p, WRITE));
		close(mem);
	}
}

CLAUSE(a_tracers_word_is_its_childs_alone,
       "ptrace(2) PTRACE_POKEDATA: copies the word to the tracee's memory; the tracer, whose child shares the pages"
       " until one of them writes, and the file keep theirs")
{
	struct forced f = mapped_for_reading(PROT_READ);
	char *own = pages(1);
	int status;
	pid_t child;

	mark_pages(own, 1, 'a');
	ASSERT_TRUE(are_marked(f.p, 2, 'f'));
	child = fork();
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(99);
		(void)*(volatile char *)f.p;
		(void)*(volatile char *)own;
		raise(SIGSTOP);
		_exit(!(f.p[0] == 'w' && own[0] == 'w' && f.p[page_size() - 1] == 'f' && own[page_size() - 1] == 'a'));
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	if (WIFEXITED(status))
		SKIP(return, "ptrace(2) is not allowed here");
	long word;

	memset(&word, 'w', sizeof(word));
	EXPECT_RET(0, raw_syscall(__NR_ptrace, PTRACE_POKEDATA, child, f.p, word));
	EXPECT_RET(0, raw_syscall(__NR_ptrace, PTRACE_POKEDATA, child, own, word));
	ASSERT_EQ(0, ptrace(PTRACE_CONT, child, NULL, NULL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(are_marked(f.p, 2, 'f'));
	EXPECT_TRUE(are_marked(own, 1, 'a'));
	EXPECT_TRUE(are_marked((char *)mmap_raw(NULL, page_size(), PROT_READ, MAP_SHARED, f.fd, 0), 1, 'f'));
}
