// SPDX-License-Identifier: GPL-2.0-only
// futex(2): which words are the same futex: private and shared, two mappings, two processes, fork and copy-on-write.
#include "clause.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sys/stat.h>

#include "guard.h"
#include "waiter.h"

static const int private_or_not[] = { FUTEX_PRIVATE_FLAG, 0 };

// Each operation that wakes, from the word or, for the last, as second word; on a waiter of the word each returns 1.
enum { WAKE, WAKE_BITSET, REQUEUE, CMP_REQUEUE, WAKE_OP, WAKE_OP_SECOND, WAYS };

static long wake_by(int way, int flag, uint32_t *word)
{
	static uint32_t nobody;

	switch (way) {
	case WAKE:
		return futex_call(word, FUTEX_WAKE | flag, 1, NULL, NULL, 0);
	case WAKE_BITSET:
		return futex_call(word, FUTEX_WAKE_BITSET | flag, 1, NULL, NULL, FUTEX_BITSET_MATCH_ANY);
	case REQUEUE:
		return futex_call(word, FUTEX_REQUEUE | flag, 1, 0, &nobody, 0);
	case CMP_REQUEUE:
		return futex_call(word, FUTEX_CMP_REQUEUE | flag, 1, 0, &nobody, *word);
	case WAKE_OP:
		return futex_call(word, FUTEX_WAKE_OP | flag, 1, 1, &nobody, FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_NE, 0));
	default:
		return futex_call(&nobody, FUTEX_WAKE_OP | flag, 1, 1, word, FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0));
	}
}

// The same in a child process: its result, or -1 if that was an error.
static int child_wakes(int way, int flag, uint32_t *word)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		long woken = wake_by(way, flag, word);

		_exit(woken < 0 ? 255 : woken);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) == 255)
		return -1;
	return WEXITSTATUS(status);
}

static void *map_file(int fd, int flags, size_t offset, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, offset);

	if (p == MAP_FAILED)
		abort();
	return p;
}

static int file_of(size_t size)
{
	int fd = memfd_create("words", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, size))
		abort();
	return fd;
}

CLAUSE(private_and_shared_never_meet,
       "futex(2) FUTEX_PRIVATE_FLAG: a private wake does not find the waiter of a shared wait on the same word, nor "
       "a shared wake that of a private one [FUT-9]",
       .needed_by = "go:futexwakeup glibc:pthread_mutex_unlock")
{
	uint32_t *words[] = { private_memory(page_size()), shared_memory(page_size()) };

	FOR_EACH(m, words)
		FOR_EACH(p, private_or_not)
			for (int way = 0; way < WAYS; way++) {
				int flag = private_or_not[p], other = flag ^ FUTEX_PRIVATE_FLAG;
				struct waiter w;

				ASSERT_TRUE(sleeps_on(&w, words[m], FUTEX_WAIT | flag));
				EXPECT_RET(0, wake_by(way, other, words[m]));
				EXPECT_TRUE(is_asleep(w.tid));
				EXPECT_RET(1, wake_by(way, flag, words[m]));
				EXPECT_RET(0, waiter_result(&w));
			}
}

CLAUSE(private_words_of_two_processes_never_meet,
       "futex(2) FUTEX_PRIVATE_FLAG: the word is not shared with another process: a private wake at the same address "
       "in another process, even of the same memory, finds nobody [FUT-8]",
       .needed_by = "go:futexwakeup")
{
	uint32_t *words[] = { private_memory(page_size()), shared_memory(page_size()) };

	FOR_EACH(m, words)
		for (int way = 0; way < WAYS; way++) {
			struct waiter *here = shared_memory(2 * sizeof(*here)), *there = here + 1;

			*there = waiter_on(words[m], FUTEX_WAIT_PRIVATE);
			ASSERT_TRUE(waiter_sleeps_in_child(there));
			EXPECT_RET(0, wake_by(way, FUTEX_PRIVATE_FLAG, words[m]));
			EXPECT_TRUE(is_asleep(there->tid));
			ASSERT_EQ(0, kill(there->tid, SIGKILL));
			ASSERT_EQ(there->tid, waitpid(there->tid, NULL, 0));

			ASSERT_TRUE(sleeps_on(here, words[m], FUTEX_WAIT_PRIVATE));
			EXPECT_EQ(0, child_wakes(way, FUTEX_PRIVATE_FLAG, words[m]));
			EXPECT_TRUE(is_asleep(here->tid));
			EXPECT_RET(1, wake_by(way, FUTEX_PRIVATE_FLAG, words[m]));
			EXPECT_RET(0, waiter_result(here));
		}
}

CLAUSE(a_shared_word_in_private_memory_is_of_one_process,
       "kernel/futex/core.c get_futex_key (7.2): the key of anonymous private memory is its process and address, so "
       "after fork parent and child do not meet, while the threads of each do",
       .needed_by = "musl:pthread_join")
{
	uint32_t *word = private_memory(page_size());

	for (int way = 0; way < WAYS; way++) {
		struct waiter w;

		ASSERT_TRUE(sleeps_on(&w, word, FUTEX_WAIT));
		EXPECT_EQ(0, child_wakes(way, 0, word));
		EXPECT_TRUE(is_asleep(w.tid));
		EXPECT_RET(1, wake_by(way, 0, word));
		EXPECT_RET(0, waiter_result(&w));
	}
}

CLAUSE(shared_memory_is_one_futex_across_fork,
       "futex(2) DESCRIPTION: the word lies in memory shared between the processes, made with MAP_SHARED | "
       "MAP_ANONYMOUS: parent and children wake each other",
       .needed_by = "glibc:pthread_mutexattr_setpshared glibc:sem_post")
{
	struct waiter *w = shared_memory(4 * sizeof(*w) + sizeof(uint32_t));
	uint32_t *word = (uint32_t *)(w + 4);

	for (int way = 0; way < WAYS; way++) {
		w[0] = waiter_on(word, FUTEX_WAIT);
		ASSERT_TRUE(waiter_sleeps_in_child(&w[0]));
		EXPECT_RET(1, wake_by(way, 0, word));
		EXPECT_RET(0, waiter_result(&w[0]));
		ASSERT_TRUE(sleeps_on(&w[0], word, FUTEX_WAIT));
		EXPECT_EQ(1, child_wakes(way, 0, word));
		EXPECT_RET(0, waiter_result(&w[0]));
	}
	for (int i = 0; i < 4; i++) {
		w[i] = waiter_on(word, FUTEX_WAIT);
		ASSERT_TRUE(i & 1 ? waiter_sleeps(&w[i]) : waiter_sleeps_in_child(&w[i]));
	}
	EXPECT_RET(3, futex_wake_shared(word, 3));
	EXPECT_RET(1, futex_wake_shared(word, INT_MAX));
	EXPECT_TRUE(all_returned(w, 4, 0));
}

CLAUSE(one_page_of_a_file_is_one_futex_at_any_address,
       "futex(2) NOTES, kernel/futex/core.c get_futex_key (7.2): a shared word is the same futex in all mappings of "
       "its file, wherever they lie, in one process or several",
       .needed_by = "glibc:sem_open jvm:ZGC")
{
	int fd = file_of(2 * page_size()), again;
	char path[64];
	char *one = map_file(fd, MAP_SHARED, 0, 2 * page_size()), *two = map_file(fd, MAP_SHARED, 0, 2 * page_size());
	char *second_page = map_file(fd, MAP_SHARED, page_size(), page_size()), *reopened;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_GE(again, 0);
	reopened = map_file(again, MAP_SHARED, 0, 2 * page_size());
	for (int way = 0; way < WAYS; way++)
		for (unsigned int at = 64; at < 2 * page_size(); at += page_size()) {
			char *places[] = { one, two, reopened, second_page - page_size() };

			FOR_EACH(i, places) {
				struct waiter w;

				if (at < page_size() && places[i] == second_page - page_size())
					continue;
				ASSERT_TRUE(sleeps_on(&w, (uint32_t *)(one + at), FUTEX_WAIT));
				EXPECT_RET(1, i == 1 ? child_wakes(way, 0, (uint32_t *)(places[i] + at)) :
						       wake_by(way, 0, (uint32_t *)(places[i] + at)));
				EXPECT_RET(0, waiter_result(&w));
			}
		}
}

CLAUSE(words_of_a_file_are_told_apart_by_file_and_offset,
       "kernel/futex/core.c get_futex_key (7.2): the key of a file's word is the inode and the offset in it: the "
       "same offset in another page or another file is another futex",
       .needed_by = "glibc:sem_open")
{
	static const long long pages[] = {
		1, 2, 3, 255, 256, 511, 512, 0x1000, 0x10000, 0x7ffff, 0xfffff, 0x100000, 0x1000000, 0xffffffff, 0x100000000,
	};
	int fd = file_of(page_size()), other_fd = file_of(page_size());
	uint32_t *word = map_file(fd, MAP_SHARED, 0, page_size()), *other = map_file(other_fd, MAP_SHARED, 0, page_size());
	struct waiter w;

	ASSERT_TRUE(sleeps_on(&w, word, FUTEX_WAIT));
	for (int way = 0; way < WAYS; way++)
		EXPECT_RET(0, wake_by(way, 0, other));
	FOR_EACH(i, pages) {
		uint32_t *far;

		if (ftruncate64(fd, (pages[i] + 1) * page_size()))
			break;		// more than this file system can hold
		far = mmap64(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, pages[i] * page_size());
		if (far == MAP_FAILED)
			break;
		for (int way = 0; way < WAYS; way++)
			EXPECT_RET(0, wake_by(way, 0, far));
		munmap(far, page_size());
	}
	EXPECT_TRUE(is_asleep(w.tid));
	EXPECT_RET(1, futex_wake_shared(word, 1));
	EXPECT_RET(0, waiter_result(&w));
}

// A file of one page on a file system of its own, mounted nowhere; -1 where that cannot be made.
static int file_of_new_filesystem(void)
{
	long context = raw_syscall(__NR_fsopen, "tmpfs", FSOPEN_CLOEXEC), mounted, fd = -1;

	if (is_error(context) || raw_syscall(__NR_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -1;
	mounted = raw_syscall(__NR_fsmount, context, FSMOUNT_CLOEXEC, 0);
	if (!is_error(mounted))
		fd = openat(mounted, "words", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && ftruncate(fd, page_size()))
		return -1;
	return fd;
}

CLAUSE(files_of_two_file_systems_are_two_files,
       "kernel/futex/core.c get_inode_sequence_number (7.2): the key of a file's word is unique in the machine: "
       "equal inode numbers on two file systems do not make one futex",
       .needs = "cap=sys_admin", .needed_by = "glibc:sem_open")
{
	int fd = file_of_new_filesystem(), other_fd = file_of_new_filesystem();
	struct stat one, other;
	uint32_t *word, *other_word;
	struct waiter w;

	if (fd < 0 || other_fd < 0 || fstat(fd, &one) || fstat(other_fd, &other) || one.st_ino != other.st_ino)
		SKIP(return, "no two files with the same inode number are to be had");
	word = map_file(fd, MAP_SHARED, 0, page_size());
	other_word = map_file(other_fd, MAP_SHARED, 0, page_size());
	ASSERT_TRUE(sleeps_on(&w, word, FUTEX_WAIT));
	for (int way = 0; way < WAYS; way++)
		EXPECT_RET(0, wake_by(way, 0, other_word));
	EXPECT_TRUE(is_asleep(w.tid));
	EXPECT_RET(1, futex_wake_shared(word, 1));
	EXPECT_RET(0, waiter_result(&w));
}

CLAUSE(private_words_are_told_apart_by_their_whole_address,
       "kernel/futex/core.c get_futex_key (7.2): the key of a private word is the address, all bits of it",
       .needed_by = "go:futexwakeup")
{
	static const unsigned long long distances[] = {
		1ULL << 16, 1ULL << 20, 1ULL << 21, 1ULL << 24, 1ULL << 28, 1ULL << 30,
		1ULL << 32, 1ULL << 33, 1ULL << 36, 1ULL << 40,
	};
	char *word = private_memory(page_size());
	struct waiter w;

	// A private key needs no memory: only the word that is waited on must be there. What lies below the stack is no less
	// an address of this process.
	ASSERT_TRUE(sleeps_on(&w, (uint32_t *)word, FUTEX_WAIT_PRIVATE));
	FOR_EACH(i, distances) {
		if ((unsigned long)&w > (unsigned long)word && (unsigned long)&w - (unsigned long)word > distances[i])
			EXPECT_RET(0, futex_wake((uint32_t *)(word + distances[i]), INT_MAX));
		if ((unsigned long)word > distances[i])
			EXPECT_RET(0, futex_wake((uint32_t *)(word - distances[i]), INT_MAX));
	}
	EXPECT_RET(1, futex_wake((uint32_t *)word, INT_MAX));
	EXPECT_RET(0, waiter_result(&w));
}

CLAUSE(a_private_mapping_of_a_file_is_not_the_file,
       "kernel/futex/core.c get_futex_key (7.2): a shared wait on a writable MAP_PRIVATE mapping is on the process's "
       "own copy of the page: its threads meet there, the file's other mappings do not",
       .needed_by = "glibc:pthread_mutex_lock")
{
	int fd = file_of(page_size());
	uint32_t *of_file = map_file(fd, MAP_SHARED, 0, page_size()), *copy = map_file(fd, MAP_PRIVATE, 0, page_size());

	for (int way = 0; way < WAYS; way++) {
		struct waiter w;

		ASSERT_TRUE(sleeps_on(&w, copy, FUTEX_WAIT));
		EXPECT_RET(0, wake_by(way, 0, of_file));
		EXPECT_EQ(0, child_wakes(way, 0, of_file));
		EXPECT_EQ(0, child_wakes(way, 0, copy));
		EXPECT_TRUE(is_asleep(w.tid));
		EXPECT_RET(1, wake_by(way, 0, copy));
		EXPECT_RET(0, waiter_result(&w));
	}
}

CLAUSE(private_waits_on_two_mappings_never_meet,
       "kernel/futex/core.c get_futex_key (7.2): a private word is its address, whatever memory is there",
       .needed_by = "go:futexwakeup")
{
	int fd = file_of(page_size());
	uint32_t *one = map_file(fd, MAP_SHARED, 0, page_size()), *two = map_file(fd, MAP_SHARED, 0, page_size());

	for (int way = 0; way < WAYS; way++) {
		struct waiter w;

		ASSERT_TRUE(sleeps_on(&w, one, FUTEX_WAIT_PRIVATE));
		EXPECT_RET(0, wake_by(way, FUTEX_PRIVATE_FLAG, two));
		EXPECT_TRUE(is_asleep(w.tid));
		EXPECT_RET(1, wake_by(way, FUTEX_PRIVATE_FLAG, one));
		EXPECT_RET(0, waiter_result(&w));
	}
}

CLAUSE(a_waiter_is_found_after_copy_on_write,
       "kernel/futex/core.c get_futex_key (7.2): neither a fork nor the copy of the page that a later store makes "
       "loses the waiter of a word in private memory",
       .needed_by = "glibc:fork go:forkExec")
{
	FOR_EACH(p, private_or_not)
		for (int way = 0; way < WAYS; way++) {
			volatile uint32_t *word = private_memory(page_size());
			volatile int *done = shared_memory(sizeof(*done));
			struct waiter w;
			pid_t child;

			*word = 1;
			ASSERT_TRUE(sleeps_on(&w, (uint32_t *)word, FUTEX_WAIT | private_or_not[p]));
			child = fork();
			if (child == 0) {
				wait_until(*done);
				_exit(0);
			}
			*word = 0;	// the child has the page, too: this copies it
			EXPECT_RET(1, wake_by(way, private_or_not[p], (uint32_t *)word));
			EXPECT_RET(0, waiter_result(&w));
			*done = 1;
			ASSERT_EQ(child, waitpid(child, NULL, 0));
		}
}

CLAUSE(a_private_waiter_is_found_when_its_memory_is_gone,
       "kernel/futex/core.c get_futex_key (7.2): a private key is the address: munmap, mprotect and new memory in "
       "the same place lose no waiter [FUT-6]",
       .needed_by = "go:futexwakeup")
{
	for (int what = 0; what < 3; what++) {
		char *page = private_memory(page_size());
		struct waiter w;

		ASSERT_TRUE(sleeps_on(&w, (uint32_t *)page, FUTEX_WAIT_PRIVATE));
		if (what == 0)
			ASSERT_EQ(0, mprotect(page, page_size(), PROT_NONE));
		if (what == 1)
			ASSERT_EQ(page, mmap(page, page_size(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		if (what == 2)
			ASSERT_EQ(0, munmap(page, page_size()));
		EXPECT_TRUE(is_asleep(w.tid));
		EXPECT_RET(1, futex_wake((uint32_t *)page, INT_MAX));
		EXPECT_RET(0, waiter_result(&w));
	}
}

CLAUSE(a_waiter_in_shared_memory_is_found_where_the_memory_has_moved,
       "kernel/futex/core.c get_futex_key (7.2), mremap(2): a shared word moves with its memory, a private one stays "
       "where it was waited on",
       .needed_by = "glibc:sem_post")
{
	FOR_EACH(p, private_or_not) {
		char *room = private_memory(page_size()), *page = shared_memory(page_size());
		struct waiter w;

		ASSERT_TRUE(sleeps_on(&w, (uint32_t *)page, FUTEX_WAIT | private_or_not[p]));
		ASSERT_EQ(room, mremap(page, page_size(), page_size(), MREMAP_MAYMOVE | MREMAP_FIXED, room));
		EXPECT_TRUE(is_asleep(w.tid));
		if (private_or_not[p]) {
			EXPECT_RET(0, futex_wake((uint32_t *)room, INT_MAX));
			EXPECT_RET(1, futex_wake((uint32_t *)page, INT_MAX));
		} else {
			EXPECT_RET(1, futex_wake_shared((uint32_t *)room, INT_MAX));
		}
		EXPECT_RET(0, waiter_result(&w));
	}
}

static int wake_as_other_process(void *arg)
{
	return futex_wake(arg, INT_MAX);
}

CLAUSE(processes_that_share_their_memory_meet_on_private_words,
       "kernel/futex/core.c get_futex_key (7.2): a private key is the address space: clone(2) with CLONE_VM shares "
       "it, thread or not",
       .needed_by = "glibc:posix_spawn go:forkExec")
{
	char *stack = private_memory(64 * 1024);
	uint32_t word = 0;
	struct waiter w;
	int status;
	long pid;

	ASSERT_TRUE(sleeps_on(&w, &word, FUTEX_WAIT_PRIVATE));
	ASSERT_OK(pid = raw_clone(CLONE_VM | SIGCHLD, stack + 64 * 1024, wake_as_other_process, &word, NULL, NULL, NULL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(1, WEXITSTATUS(status));
	EXPECT_RET(0, waiter_result(&w));
}
