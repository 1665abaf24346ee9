// SPDX-License-Identifier: GPL-2.0-only
// mincore(2) tells nothing of the page cache of files that the caller could not write anyway (since 5.2).
#include "clause.h"

#include <linux/capability.h>
#include <sys/fsuid.h>

#include "mincore.h"
#include "nobody.h"
#include "own_file.h"

#define SOMEBODY 65533
#define HIDDEN "1111"
#define SEEN "0000"
#define OWNER_RULE "mm/mincore.c can_do_mincore (7.2): "
#define OWNER_FIX "134fca9063ad mm/mincore.c: make mincore() more conservative"

// A sparse file that was never read, owned as told; -1 if there can be none.
static int file_of(uid_t uid, gid_t gid, mode_t mode)
{
	int fd = own_file(4), read_only = -1;

	if (fd >= 0 && !fchown(fd, uid, gid) && !fchmod(fd, mode))
		read_only = reopened_read_only(fd);
	close(fd);
	return read_only;
}

#define NOBODY_OR_SKIP()									\
	if (!can_become(NOBODY, NOBODY))							\
		SKIP(return, "this user namespace has no uid and gid 65534")

#define FILE_OF_OR_SKIP(fd, uid, gid, mode)							\
	NOBODY_OR_SKIP();									\
	int fd = file_of(uid, gid, mode);							\
	if (fd < 0)										\
		SKIP(return, "no file that goes through the page cache can be made in the temporary directory")

static char *mapping(int fd, int flags)
{
	return small_pages_of(4, PROT_READ, flags, fd, 0);
}

CLAUSE(the_cache_of_a_file_that_one_may_only_read_is_hidden,
       OWNER_RULE "every page of a file that the caller neither owns nor could open for writing is reported resident"
       " [MINC-7] [incident 98]", .needs = "root", .commit = OWNER_FIX)
{
	FILE_OF_OR_SKIP(fd, 0, 0, 0644);
	EXPECT_RESIDENT(SEEN, mapping(fd, MAP_SHARED));
	IN_CHILD {
		become(NOBODY, NOBODY);
		EXPECT_RESIDENT(HIDDEN, mapping(fd, MAP_SHARED));
		EXPECT_RESIDENT(HIDDEN, mapping(fd, MAP_PRIVATE));
		EXPECT_RESIDENT(HIDDEN, small_pages_of(4, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
		EXPECT_RESIDENT(HIDDEN, small_pages_of(4, PROT_NONE, MAP_PRIVATE, fd, 0));
	}
}

CLAUSE(who_sees_the_cache_follows_owner_group_and_mode,
       OWNER_RULE "the owner sees it whatever the mode, others where the mode lets them write, by group or as others;"
       " the mode for reading does not matter [MINC-7] [incident 98]", .needs = "root", .commit = OWNER_FIX)
{
	const struct { uid_t uid; gid_t gid; mode_t mode; const char *wanted; } row[] = {
		{ NOBODY, NOBODY, 0600, SEEN },		{ NOBODY, NOBODY, 0400, SEEN },
		{ NOBODY, 0, 0000, SEEN },		{ NOBODY, 0, 0444, SEEN },
		{ 0, 0, 0666, SEEN },			{ 0, 0, 0602, SEEN },
		{ 0, NOBODY, 0664, SEEN },		{ 0, NOBODY, 0620, SEEN },
		{ 0, NOBODY, 0644, HIDDEN },		{ 0, NOBODY, 0606, HIDDEN },
		{ 0, 0, 0664, HIDDEN },			{ 0, 0, 0600, HIDDEN },
		{ 0, 0, 0444, HIDDEN },			{ 0, 0, 0755, HIDDEN },
		{ SOMEBODY, SOMEBODY, 0644, HIDDEN },	{ SOMEBODY, SOMEBODY, 0666, SEEN },
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		FILE_OF_OR_SKIP(fd, row[i].uid, row[i].gid, row[i].mode);
		char *shared = mapping(fd, MAP_SHARED), *private = mapping(fd, MAP_PRIVATE);
		char seen[VEC_TEXT];
		unsigned char vec[4];

		IN_CHILD {
			become(NOBODY, NOBODY);
			EXPECT_RET(0, mincore_raw(shared, sizeof(vec) * page_size(), vec));
			EXPECT_STREQ(row[i].wanted, vec_text(vec, sizeof(vec), seen)) TH_LOG("row %zu", i);
			EXPECT_RET(0, mincore_raw(private, sizeof(vec) * page_size(), vec));
			EXPECT_STREQ(row[i].wanted, vec_text(vec, sizeof(vec), seen)) TH_LOG("row %zu", i);
		}
		munmap(shared, 4 * page_size());
		munmap(private, 4 * page_size());
		close(fd);
	}
}

CLAUSE(it_is_the_caller_of_now_that_counts,
       OWNER_RULE "the credentials are those of the call, not of the open or of the mapping [MINC-7]",
       .needs = "root", .commit = OWNER_FIX)
{
	FILE_OF_OR_SKIP(fd, 0, 0, 0600);
	char *p = mapping(fd, MAP_SHARED);

	IN_CHILD {
		EXPECT_RESIDENT(SEEN, p);
		become(NOBODY, NOBODY);
		EXPECT_RESIDENT(HIDDEN, p);
	}
}

CLAUSE(the_file_system_uid_decides_ownership,
       "setfsuid(2) DESCRIPTION: the file system uid is the one that file permissions are checked against;"
       " mm/mincore.c: as for a file opened for writing [MINC-7]", .needs = "root", .commit = OWNER_FIX)
{
	FILE_OF_OR_SKIP(fd, NOBODY, NOBODY, 0600);
	char *p = mapping(fd, MAP_SHARED);

	IN_CHILD {
		setfsgid(SOMEBODY);
		setfsuid(SOMEBODY);
		EXPECT_RESIDENT(HIDDEN, p);
		setfsuid(NOBODY);
		EXPECT_RESIDENT(SEEN, p);
	}
}

CLAUSE(uid_zero_without_capabilities_is_no_owner_of_others_files,
       "capabilities(7) CAP_FOWNER, CAP_DAC_OVERRIDE: what root may do with files of others, it may by these [MINC-7]",
       .needs = "root cap=fowner", .commit = OWNER_FIX)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	FILE_OF_OR_SKIP(fd, NOBODY, NOBODY, 0644);
	char *p = mapping(fd, MAP_SHARED);

	IN_CHILD {
		EXPECT_RESIDENT(SEEN, p);
		ASSERT_OK(raw_syscall(__NR_capset, &header, none));
		EXPECT_RESIDENT(HIDDEN, p);
	}
}

CLAUSE(cap_fowner_alone_shows_the_cache,
       "capabilities(7) CAP_FOWNER: bypass permission checks on operations that want the file's owner [MINC-7]",
       .needs = "root cap=fowner", .commit = OWNER_FIX)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct fowner[2] = { { .effective = 1 << CAP_FOWNER, .permitted = 1 << CAP_FOWNER } };

	FILE_OF_OR_SKIP(fd, NOBODY, NOBODY, 0444);
	char *p = mapping(fd, MAP_SHARED);

	IN_CHILD {
		ASSERT_OK(raw_syscall(__NR_capset, &header, fowner));
		EXPECT_RESIDENT(SEEN, p);
	}
}

CLAUSE(hidden_files_take_any_length_and_start,
       OWNER_RULE "of a hidden mapping each page asked for is written, no more and no less [MINC-2] [MINC-7]",
       .needs = "root", .commit = OWNER_FIX)
{
	FILE_OF_OR_SKIP(fd, 0, 0, 0644);
	size_t page = page_size();

	IN_CHILD {
		unsigned char *vec = guarded(4);
		char *p;

		become(NOBODY, NOBODY);
		p = mapping(fd, MAP_SHARED);
		EXPECT_RET(0, mincore_raw(p + page, 1, vec));
		EXPECT_VEC("1...", vec, 4);
		EXPECT_RET(0, mincore_raw(p, page + 1, vec));
		EXPECT_VEC("11..", vec, 4);
		EXPECT_RESIDENT("111", p + page);
		EXPECT_RESIDENT("1", p + 3 * page);
		EXPECT_ERR(EINVAL, mincore_raw(p + 1, page, vec));
		EXPECT_ERR(EFAULT, mincore_raw(p, page, forbidden_page()));
		munmap(p + 2 * page, page);
		EXPECT_ERR(ENOMEM, mincore_raw(p, 4 * page, vec));
		EXPECT_VEC("11..", vec, 4);
		EXPECT_INTACT(vec);
	}
}

CLAUSE(anonymous_memory_beside_a_hidden_file_is_reported_as_it_is,
       OWNER_RULE "the rule is each mapping's own: anonymous memory is the caller's and never hidden [MINC-6] [MINC-7]",
       .needs = "root", .commit = OWNER_FIX)
{
	FILE_OF_OR_SKIP(fd, 0, 0, 0644);

	IN_CHILD {
		char *p = small_pages(6);

		become(NOBODY, NOBODY);
		ASSERT_NE(MAP_FAILED, mmap(p + 2 * page_size(), 2 * page_size(), PROT_READ, MAP_FIXED | MAP_PRIVATE,
					   fd, 0));
		touch_pages(p, "010010");
		EXPECT_RESIDENT("011110", p);
	}
}

CLAUSE(shared_anonymous_memory_is_never_hidden,
       "mm/shmem.c shmem_zero_setup (7.2): the file behind it may be written by everyone, so also who gave up root"
       " sees it [MINC-7]",
       .needs = "root", .commit = OWNER_FIX)
{
	char *p = small_pages_of(4, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	NOBODY_OR_SKIP();
	ASSERT_NE(NULL, p);
	touch_pages(p, "01");
	IN_CHILD {
		become(NOBODY, NOBODY);
		EXPECT_RESIDENT("0100", p);
		touch_pages(p, "0001");
		EXPECT_RESIDENT("0101", p);
	}
}

CLAUSE(a_memfd_is_hidden_by_its_mode_like_any_file,
       "memfd_create(2) NOTES: the file has owner and mode like another; " OWNER_RULE "and is hidden by them [MINC-7]",
       .needs = "root", .commit = OWNER_FIX)
{
	int fd = memfd_create("osprim-mincore", MFD_CLOEXEC);
	char *p;

	NOBODY_OR_SKIP();
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ftruncate(fd, 4 * page_size()));
	p = mapping(fd, MAP_SHARED);
	for (int mode = 0666; mode >= 0600; mode -= 066) {
		ASSERT_EQ(0, fchmod(fd, mode));
		IN_CHILD {
			become(NOBODY, NOBODY);
			EXPECT_RESIDENT(mode == 0666 ? SEEN : HIDDEN, p);
		}
	}
}

CLAUSE(nobodys_own_file_is_seen_by_nobody,
       OWNER_RULE "no privilege is needed for one's own files [MINC-7]", .needs = "root", .commit = OWNER_FIX)
{
	NOBODY_OR_SKIP();
	IN_CHILD {
		int fd;

		become(NOBODY, NOBODY);
		fd = memfd_create("osprim-mincore", MFD_CLOEXEC);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(0, fchmod(fd, 0));
		ASSERT_EQ(0, ftruncate(fd, 4 * page_size()));
		EXPECT_RESIDENT(SEEN, mapping(fd, MAP_SHARED));
	}
}
