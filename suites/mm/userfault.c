// SPDX-License-Identifier: GPL-2.0-only
// userfaultfd(2) as concurrent collectors use it: faults of one thread are answered by another.
#include "clause.h"

#include "uffd.h"

CLAUSE(a_descriptor_does_nothing_before_it_was_agreed_on,
       "userfaultfd(2), ioctl_userfaultfd(2) UFFDIO_API: EINVAL for unknown flags, another API and unknown features,"
       " with the structure zeroed; no other operation before it", UFFD)
{
	struct uffdio_api wrong = { .api = 0x1234 }, unknown = { .api = UFFD_API, .features = 1ull << 60 };
	char *p = pages(1);
	struct uffd_msg msg;
	long fd;

	EXPECT_ERR(EINVAL, raw_syscall(__NR_userfaultfd, 0x1234));
	fd = new_uffd();
	if (fd == -EPERM)
		SKIP(return, "vm.unprivileged_userfaultfd or a policy keeps it from this user");
	ASSERT_GE(fd, 0);
	EXPECT_ERR(EINVAL, watch(fd, p, page_size(), UFFDIO_REGISTER_MODE_MISSING));
	EXPECT_ERR(EINVAL, raw_syscall(__NR_read, fd, &msg, sizeof(msg)));
	EXPECT_ERR(EINVAL, ioctl_raw(fd, UFFDIO_API, &wrong));
	EXPECT_EQ(0, wrong.api);
	EXPECT_ERR(EINVAL, ioctl_raw(fd, UFFDIO_API, &unknown));
	EXPECT_EQ(0, unknown.features);
	close(fd);
}

CLAUSE(the_kernel_says_what_it_offers,
       "ioctl_userfaultfd(2) UFFDIO_API: features and ioctls are what this kernel has; a second handshake is refused",
       UFFD)
{
	struct uffdio_api api = { .api = UFFD_API }, again = { .api = UFFD_API };
	uint64_t have;
	long fd = new_uffd();

	AGREE(other, 0, &have);
	EXPECT_TRUE(have & UFFD_FEATURE_SIGBUS);
	EXPECT_TRUE(have & UFFD_FEATURE_THREAD_ID);
	EXPECT_RET(0, ioctl_raw(fd, UFFDIO_API, &api));
	EXPECT_EQ(1u << _UFFDIO_REGISTER | 1u << _UFFDIO_UNREGISTER, api.ioctls & 3);
	EXPECT_TRUE(api.ioctls & 1ull << _UFFDIO_API);
	EXPECT_RET(-1, ioctl_raw(fd, UFFDIO_API, &again) < 0 ? -1 : 0);
	close(fd);
	close(other);
}

CLAUSE(a_missing_page_is_told_and_the_thread_waits_for_it,
       "userfaultfd(2) DESCRIPTION: a fault at a page that is missing is read as a message with its address; the"
       " faulting thread goes on when UFFDIO_COPY has filled the page", UFFD)
{
	struct toucher t = { 0 };
	char *p = pages(4), *from = pages(1);
	struct uffd_msg msg;
	int64_t copied;

	AGREE(fd, 0, NULL);
	ASSERT_RET(0, watch(fd, p, 4 * page_size(), UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_TRUE(toucher_start(&t));
	mark_pages(from, 1, 'c');
	for (int i = 0; i < 4; i++) {
		ASSERT_TRUE(fault_is_told(fd, &t, p + i * page_size(), i % 2 ? WRITE : READ, &msg));
		EXPECT_EQ(UFFD_EVENT_PAGEFAULT, msg.event);
		EXPECT_EQ((uintptr_t)p / page_size() + i, msg.arg.pagefault.address / page_size());
		EXPECT_EQ(i % 2 ? UFFD_PAGEFAULT_FLAG_WRITE : 0, msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE);
		EXPECT_NE(t.asked, t.answered);
		EXPECT_RET(0, copy_in(fd, p + i * page_size(), from, page_size(), &copied));
		EXPECT_EQ((int64_t)page_size(), copied);
		ASSERT_TRUE(touch_is_over(&t));
		EXPECT_EQ(NO_FAULT, t.fault);
		EXPECT_EQ(i % 2 ? 'w' : 'c', p[i * page_size()]);
		EXPECT_EQ('c', p[(i + 1) * page_size() - 1]);
	}
	EXPECT_TRUE(toucher_stop(&t));
}

CLAUSE(a_missing_page_can_be_filled_with_zeros,
       "ioctl_userfaultfd(2) UFFDIO_ZEROPAGE: zero out a part of a registered range, and wake who waits for it", UFFD)
{
	struct toucher t = { .byte = 1 };
	char *p = pages(2);
	struct uffd_msg msg;

	AGREE(fd, 0, NULL);
	ASSERT_RET(0, watch(fd, p, 2 * page_size(), UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_TRUE(toucher_start(&t));
	ASSERT_TRUE(fault_is_told(fd, &t, p, READ, &msg));
	EXPECT_RET(0, zero_in(fd, p, 2 * page_size()));
	ASSERT_TRUE(touch_is_over(&t));
	EXPECT_EQ(0, t.byte);
	EXPECT_TRUE(are_zero(p, 2));
	EXPECT_TRUE(toucher_stop(&t));
}

CLAUSE(a_page_that_is_there_is_not_overwritten,
       "ioctl_userfaultfd(2) ERRORS EEXIST: UFFDIO_COPY, UFFDIO_ZEROPAGE to a page that exists, which stays; EINVAL"
       " for what is not aligned or empty", UFFD)
{
	char *p = pages(2), *from = pages(1);
	int64_t copied;

	*from = 'n';
	AGREE(fd, 0, NULL);
	*p = 'o';
	ASSERT_RET(0, watch(fd, p, 2 * page_size(), UFFDIO_REGISTER_MODE_MISSING));
	EXPECT_ERR(EEXIST, copy_in(fd, p, from, page_size(), &copied));
	EXPECT_EQ(-EEXIST, copied);
	EXPECT_ERR(EEXIST, zero_in(fd, p, page_size()));
	EXPECT_EQ('o', *p);
	EXPECT_ERR(EINVAL, copy_in(fd, p + 1, from, page_size(), NULL));
	EXPECT_ERR(EINVAL, copy_in(fd, p + page_size(), from, 0, NULL));
	EXPECT_ERR(EINVAL, zero_in(fd, p + page_size(), page_size() / 2));
	EXPECT_ERR(EFAULT, copy_in(fd, p + page_size(), forbidden_page(), page_size(), NULL));
	EXPECT_RET(0, copy_in(fd, p + page_size(), from, page_size(), NULL));
	EXPECT_EQ('n', p[page_size()]);
}

CLAUSE(ranges_that_cannot_be_watched_are_refused,
       "ioctl_userfaultfd(2) UFFDIO_REGISTER ERRORS: EINVAL for no mode, a range that is not aligned, empty or not"
       " mapped; EBUSY where another descriptor watches", UFFD)
{
	char *p = pages(2);

	AGREE(fd, 0, NULL);
	AGREE(other, 0, NULL);
	EXPECT_ERR(EINVAL, watch(fd, p, page_size(), 0));
	EXPECT_ERR(EINVAL, watch(fd, p, page_size(), 1ull << 40));
	EXPECT_ERR(EINVAL, watch(fd, p + 1, page_size(), UFFDIO_REGISTER_MODE_MISSING));
	EXPECT_ERR(EINVAL, watch(fd, p, 0, UFFDIO_REGISTER_MODE_MISSING));
	EXPECT_ERR(EINVAL, watch(fd, unmapped_page(), page_size(), UFFDIO_REGISTER_MODE_MISSING));
	EXPECT_RET(0, watch(fd, p, page_size(), UFFDIO_REGISTER_MODE_MISSING));
	EXPECT_ERR(EBUSY, watch(other, p, 2 * page_size(), UFFDIO_REGISTER_MODE_MISSING));
	EXPECT_ERR(EAGAIN, raw_syscall(__NR_read, fd, pages(1), sizeof(struct uffd_msg)));
}

CLAUSE(a_range_that_is_not_watched_any_more_faults_as_ever,
       "ioctl_userfaultfd(2) UFFDIO_UNREGISTER: unregister a range and wake who waits; then its pages are zero on"
       " demand, as after close(2)", UFFD)
{
	struct toucher t = { .byte = 1 };
	char *p = pages(2);
	struct uffdio_range range = { (uintptr_t)p, page_size() };
	struct uffd_msg msg;

	AGREE(fd, 0, NULL);
	ASSERT_RET(0, watch(fd, p, 2 * page_size(), UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_TRUE(toucher_start(&t));
	ASSERT_TRUE(fault_is_told(fd, &t, p, READ, &msg));
	EXPECT_RET(0, ioctl_raw(fd, UFFDIO_UNREGISTER, &range));
	ASSERT_TRUE(touch_is_over(&t));
	EXPECT_EQ(0, t.byte);
	ASSERT_TRUE(fault_is_told(fd, &t, p + page_size(), WRITE, &msg));
	close(fd);
	ASSERT_TRUE(touch_is_over(&t));
	EXPECT_EQ('w', p[page_size()]);
	EXPECT_TRUE(toucher_stop(&t));
}

CLAUSE(with_the_sigbus_feature_a_fault_is_a_signal,
       "ioctl_userfaultfd(2) UFFD_FEATURE_SIGBUS: no page-fault event is delivered, instead a SIGBUS is sent to the"
       " faulting process; system calls get EFAULT", UFFD)
{
	char *p = pages(2), *from = pages(1);
	struct uffd_msg msg;

	*from = 'c';
	AGREE(fd, UFFD_FEATURE_SIGBUS, NULL);
	ASSERT_RET(0, watch(fd, p, 2 * page_size(), UFFDIO_REGISTER_MODE_MISSING));
	EXPECT_EQ(NO_FILE, touch(p, READ));
	EXPECT_EQ(NO_FILE, touch(p + page_size() + 5, WRITE));
	EXPECT_ERR(EFAULT, try_read(p));
	EXPECT_ERR(EAGAIN, raw_syscall(__NR_read, fd, &msg, sizeof(msg)));
	EXPECT_RET(0, copy_in(fd, p, from, page_size(), NULL));
	EXPECT_EQ(NO_FAULT, touch(p, READ));
	EXPECT_EQ('c', *p);
}

CLAUSE(a_write_to_a_protected_page_is_told_and_waits,
       "ioctl_userfaultfd(2) UFFDIO_WRITEPROTECT: a write to the range is a message with UFFD_PAGEFAULT_FLAG_WP, and"
       " goes on when the protection is taken away; reads are free", UFFD)
{
	struct toucher t = { 0 };
	char *p = pages(2);
	struct uffd_msg msg;
	uint64_t have;

	AGREE(fd, 0, &have);
	if (!(have & UFFD_FEATURE_PAGEFAULT_FLAG_WP))
		ABSENT("no write protection by userfaultfd on this architecture");
	mark_pages(p, 2, 'a');
	ASSERT_RET(0, watch(fd, p, 2 * page_size(), UFFDIO_REGISTER_MODE_WP));
	ASSERT_RET(0, protect(fd, p, page_size(), UFFDIO_WRITEPROTECT_MODE_WP));
	ASSERT_TRUE(toucher_start(&t));
	ASSERT_EQ(NO_FAULT, other_touches(&t, p, READ));
	ASSERT_EQ(NO_FAULT, other_touches(&t, p + page_size(), WRITE));
	ASSERT_TRUE(fault_is_told(fd, &t, p, WRITE, &msg));
	EXPECT_TRUE(msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP);
	EXPECT_EQ('a', *p);
	EXPECT_RET(0, protect(fd, p, page_size(), 0));
	ASSERT_TRUE(touch_is_over(&t));
	EXPECT_EQ('w', *p);
	EXPECT_TRUE(toucher_stop(&t));
}

// Whether the kernel offers UFFDIO_MOVE: 0, or -EINVAL.
static long move_probe(void)
{
	uint64_t have = 0;
	long fd = agreed_uffd(0, &have);

	if (fd >= 0)
		close(fd);
	return fd == -EPERM || have & UFFD_FEATURE_MOVE ? 0 : -EINVAL;
}

CLAUSE(a_page_can_be_moved_in,
       "ioctl_userfaultfd(2) UFFDIO_MOVE (6.8): moves pages from one range to another, which wakes who waits; the"
       " source is missing then [V8-2]", .since = KERNEL(6, 8),
       .config = "USERFAULTFD", .probe = move_probe, .absent_errno = EINVAL, .needed_by = "jvm:ZGC")
{
	struct toucher t = { 0 };
	char *p = pages(2), *from = pages(2);
	struct uffd_msg msg;
	uint64_t have;

	AGREE(fd, 0, &have);
	ASSERT_TRUE(have & UFFD_FEATURE_MOVE);
	mark_pages(from, 2, 'm');
	ASSERT_RET(0, watch(fd, p, 2 * page_size(), UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_TRUE(toucher_start(&t));
	ASSERT_TRUE(fault_is_told(fd, &t, p, READ, &msg));
	struct uffdio_move m = { .dst = (uintptr_t)p, .src = (uintptr_t)from, .len = page_size() };
	// A page that is in use elsewhere for a moment, EBUSY or EAGAIN, can be tried again.
	EXPECT_TRUE(wait_until(ioctl_raw(fd, UFFDIO_MOVE, &m) == 0));
	EXPECT_EQ((int64_t)page_size(), m.move);
	ASSERT_TRUE(touch_is_over(&t));
	EXPECT_EQ('m', t.byte);
	EXPECT_TRUE(are_marked(p, 1, 'm'));
	EXPECT_TRUE(are_zero(from, 1));
	EXPECT_TRUE(are_marked(from + page_size(), 1, 'n'));
	EXPECT_TRUE(toucher_stop(&t));
}

CLAUSE(without_privilege_it_is_eperm_or_for_user_mode_alone,
       "userfaultfd(2) UFFD_USER_MODE_ONLY, Documentation/admin-guide/sysctl/vm.rst unprivileged_userfaultfd: 0 lets"
       " users handle faults of user mode alone", .since = KERNEL(5, 11), UFFD, .as_nobody = 1)
{
	char text[16];
	long all, user;

	if (geteuid() == 0 || read_text("/proc/sys/vm/unprivileged_userfaultfd", text, sizeof(text)) <= 0 ||
	    text[0] != '0')
		SKIP(return, "vm.unprivileged_userfaultfd is not 0, or this is root");
	all = raw_syscall(__NR_userfaultfd, O_CLOEXEC);
	EXPECT_ERR(EPERM, all);
	user = raw_syscall(__NR_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	EXPECT_OK(user);
}

CLAUSE(a_child_is_not_watched,
       "ioctl_userfaultfd(2) UFFD_FEATURE_EVENT_FORK: without it the memory of a child is not registered, and is as"
       " after any fork", UFFD)
{
	char *p = pages(2), *from = pages(1);

	*from = 'c';
	AGREE(fd, 0, NULL);
	ASSERT_RET(0, watch(fd, p, 2 * page_size(), UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_RET(0, copy_in(fd, p, from, page_size(), NULL));
	IN_CHILD {
		EXPECT_EQ('c', *p);
		EXPECT_TRUE(are_zero(p + page_size(), 1));
		mark_pages(p, 2, 'k');
	}
	EXPECT_EQ('c', *p);
}

CLAUSE(the_thread_that_faulted_is_named_where_that_was_agreed,
       "ioctl_userfaultfd(2) UFFD_FEATURE_THREAD_ID: the message of a page fault has the ID of the thread that faulted"
       " in feat.ptid, and 0 without the feature", UFFD)
{
	const uint64_t features[] = { UFFD_FEATURE_THREAD_ID, 0 };

	for (int i = 0; i < 2; i++) {
		struct toucher t = { 0 };
		char *p = pages(1);
		struct uffd_msg msg;

		AGREE(fd, features[i], NULL);
		ASSERT_RET(0, watch(fd, p, page_size(), UFFDIO_REGISTER_MODE_MISSING));
		ASSERT_TRUE(toucher_start(&t));
		ASSERT_NE(getpid(), t.thread.known_as);
		ASSERT_TRUE(fault_is_told(fd, &t, p, WRITE, &msg));
		EXPECT_EQ(i == 0 ? t.thread.known_as : 0, (int)msg.arg.pagefault.feat.ptid);
		EXPECT_RET(0, zero_in(fd, p, page_size()));
		ASSERT_TRUE(touch_is_over(&t));
		EXPECT_TRUE(toucher_stop(&t));
		close(fd);
	}
}

CLAUSE(a_page_can_be_filled_now_and_its_thread_woken_later,
       "ioctl_userfaultfd(2) UFFDIO_COPY_MODE_DONTWAKE, UFFDIO_ZEROPAGE_MODE_DONTWAKE, UFFDIO_WAKE: the thread that"
       " waits for a page that was filled so goes on when its range is woken, and finds the page", UFFD)
{
	struct toucher t = { 0 };
	char *p = pages(4), *from = pages(1);
	struct uffd_msg msg;

	AGREE(fd, 0, NULL);
	ASSERT_RET(0, watch(fd, p, 4 * page_size(), UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_TRUE(toucher_start(&t));
	mark_pages(from, 1, 'c');
	for (int i = 0; i < 4; i++) {
		char *at = p + i * page_size();
		struct uffdio_range range = { (uintptr_t)at, page_size() };
		struct uffdio_copy copy = {
			.dst = (uintptr_t)at, .src = (uintptr_t)from, .len = page_size(),
			.mode = UFFDIO_COPY_MODE_DONTWAKE,
		};
		struct uffdio_zeropage zero = { .range = range, .mode = UFFDIO_ZEROPAGE_MODE_DONTWAKE };

		ASSERT_TRUE(fault_is_told(fd, &t, at, READ, &msg));
		ASSERT_TRUE(wait_until_blocked_in(t.thread.known_as, NO_CALL));	// it looks once more after it has told
		EXPECT_RET(0, i % 2 ? ioctl_raw(fd, UFFDIO_ZEROPAGE, &zero) : ioctl_raw(fd, UFFDIO_COPY, &copy));
		EXPECT_NE(t.asked, t.answered);
		EXPECT_RET(0, ioctl_raw(fd, UFFDIO_WAKE, &range));
		ASSERT_TRUE(touch_is_over(&t));
		EXPECT_EQ(NO_FAULT, t.fault);
		EXPECT_EQ(i % 2 ? 0 : 'c', t.byte);
	}
	EXPECT_TRUE(toucher_stop(&t));
}

CLAUSE(waking_wants_a_range_that_can_be,
       "ioctl_userfaultfd(2) UFFDIO_WAKE ERRORS EINVAL: a range that is not aligned or is empty; a range in which"
       " nobody waits is none to complain about", UFFD)
{
	char *p = pages(1);
	struct uffdio_range row[] = {
		{ (uintptr_t)p + 1, page_size() }, { (uintptr_t)p, page_size() - 1 }, { (uintptr_t)p, 0 },
		{ (uintptr_t)p, page_size() },
	};

	AGREE(fd, 0, NULL);
	for (int i = 0; i < 3; i++)
		EXPECT_ERR(EINVAL, ioctl_raw(fd, UFFDIO_WAKE, &row[i]));
	EXPECT_RET(0, ioctl_raw(fd, UFFDIO_WAKE, &row[3]));
}

#define WP_SHMEM UFFD_FEATURE_WP_HUGETLBFS_SHMEM

// The features of a userfaultfd, or with none to be had those that are asked for below.
static uint64_t features_offered(void)
{
	uint64_t have = 0;
	long fd = agreed_uffd(0, &have);

	if (fd >= 0)
		close(fd);
	return fd == -EPERM ? WP_SHMEM | UFFD_FEATURE_PAGEFAULT_FLAG_WP : have;
}

// Whether the kernel protects pages of shared memory too, those that are not there included: 0, or -EINVAL. Where it
// protects none, whatever the configuration says (pgtable_supports_uffd_wp(), 7.2), that is for the clause to say.
static long protect_shared_probe(void)
{
	uint64_t have = features_offered();

	return have & WP_SHMEM || !(have & UFFD_FEATURE_PAGEFAULT_FLAG_WP) ? 0 : -EINVAL;
}

static int residency(const void *page)
{
	unsigned char entry = 0xa5;

	return raw_syscall(__NR_mincore, page, 1, &entry) ? -1 : entry & 1;
}

CLAUSE(protection_of_a_page_that_is_not_there_does_not_make_it_resident,
       "mm/mincore.c mincore_pte_range (5.19, 7.2): whether a page that was only write-protected by userfaultfd is"
       " resident is for the page cache to say [MINC-6]", .since = KERNEL(5, 19), .config = "PTE_MARKER_UFFD_WP",
       .probe = protect_shared_probe, .absent_errno = EINVAL, .needed_by = "criu:pagemap")
{
	int memfd = memfd_create("osprim-mm", MFD_CLOEXEC);
	char *p;

	if (!(features_offered() & (WP_SHMEM | UFFD_FEATURE_PAGEFAULT_FLAG_WP)))
		ABSENT("no write protection by userfaultfd on this machine");
	AGREE(fd, WP_SHMEM, NULL);
	ASSERT_EQ(0, ftruncate(memfd, 4 * page_size()));
	p = (char *)mmap_raw(NULL, 4 * page_size(), RW, MAP_SHARED, memfd, 0);
	ASSERT_OK((long)p);
	ASSERT_RET(0, watch(fd, p, 4 * page_size(), UFFDIO_REGISTER_MODE_WP));
	ASSERT_RET(0, protect(fd, p, 4 * page_size(), UFFDIO_WRITEPROTECT_MODE_WP));
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(0, residency(p + i * page_size()));
	ASSERT_EQ(1, pwrite(memfd, "x", 1, page_size()));
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(i == 1, residency(p + i * page_size()));
	ASSERT_RET(0, protect(fd, p, 4 * page_size(), 0));
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(i == 1, residency(p + i * page_size()));
}
