// SPDX-License-Identifier: GPL-2.0-only
// sigaltstack(2): what the call takes, gives back and refuses.
#include "clause.h"

#include "altstack.h"
#include "guard.h"
#include "sync.h"

#define SIZE (64 * 1024)

static char memory[2 * SIZE], *const other = memory + SIZE;

static bool is_set_to(void *sp, size_t size, unsigned int flags)
{
	stack_t now = stack_now();

	return now.ss_sp == sp && now.ss_size == size && (unsigned int)now.ss_flags == flags;
}

// x86 may be told to ask for room for the whole frame, by configuration or on the command line (5.14).
static bool sizes_are_strict(void)
{
	char text[4096];

	return config_is_set("STRICT_SIGALTSTACK_SIZE") == 1 ||
	       (read_text("/proc/cmdline", text, sizeof(text)) > 0 && strstr(text, "strict_sas_size"));
}

CLAUSE(the_stack_that_was_set_is_the_one_that_is_told,
       "sigaltstack(2) DESCRIPTION: old_ss returns the address and the size that were set, and no flag while no handler"
       " runs on it", .needed_by = "go:minit glibc:sigaltstack rust:stack_overflow jvm:os.Linux")
{
	ASSERT_OK(use_stack(memory, SIZE, 0));
	EXPECT_TRUE(is_set_to(memory, SIZE, 0));
	ASSERT_OK(use_stack(other + 1, SIZE - 3, 0));
	EXPECT_TRUE(is_set_to(other + 1, SIZE - 3, 0));
}

CLAUSE(a_program_starts_without_a_signal_stack,
       "sigaltstack(2) DESCRIPTION ss_flags: SS_DISABLE is told where there is no signal stack, address and size are"
       " zero", .needed_by = "go:minit rust:stack_overflow")
{
	EXPECT_TRUE(is_set_to(NULL, 0, SS_DISABLE));
}

CLAUSE(one_call_sets_a_stack_and_tells_the_one_before,
       "sigaltstack(2) DESCRIPTION: with both arguments, old_ss tells what was in effect before the call",
       .needed_by = "go:setsigstack rust:stack_overflow v8:d8")
{
	stack_t first = { .ss_sp = memory, .ss_size = SIZE }, second = { .ss_sp = other, .ss_size = SIZE - 8 }, old;

	memset(&old, 0x77, sizeof(old));
	ASSERT_OK(raw_sigaltstack(&first, &old));
	EXPECT_EQ(SS_DISABLE, old.ss_flags);
	ASSERT_OK(raw_sigaltstack(&second, &old));
	EXPECT_EQ((void *)memory, old.ss_sp);
	EXPECT_EQ(SIZE, old.ss_size);
	EXPECT_EQ(0, old.ss_flags);
	EXPECT_TRUE(is_set_to(other, SIZE - 8, 0));
}

CLAUSE(both_arguments_may_be_one_structure,
       "kernel/signal.c sigaltstack: the new stack is read before the old one is written, so that one structure"
       " exchanges them", .needed_by = "glibc:sigaltstack")
{
	stack_t stack = { .ss_sp = other, .ss_size = SIZE };

	ASSERT_OK(use_stack(memory, SIZE - 16, 0));
	ASSERT_OK(raw_sigaltstack(&stack, &stack));
	EXPECT_EQ((void *)memory, stack.ss_sp);
	EXPECT_EQ(SIZE - 16, stack.ss_size);
	EXPECT_TRUE(is_set_to(other, SIZE, 0));
}

CLAUSE(a_call_without_arguments_does_nothing,
       "sigaltstack(2) DESCRIPTION: either argument may be NULL; with both, the call succeeds and the setting stays")
{
	ASSERT_OK(use_stack(memory, SIZE, 0));
	EXPECT_RET(0, raw_sigaltstack(NULL, NULL));
	EXPECT_TRUE(is_set_to(memory, SIZE, 0));
}

CLAUSE(asking_changes_nothing,
       "sigaltstack(2) DESCRIPTION: ss NULL asks for the current setting \"without changing it\"",
       .needed_by = "go:minit")
{
	ASSERT_OK(use_stack(memory, SIZE, 0));
	for (int i = 0; i < 3; i++)
		EXPECT_TRUE(is_set_to(memory, SIZE, 0));
}

CLAUSE(ss_disable_does_not_look_at_address_and_size,
       "sigaltstack(2) DESCRIPTION: SS_DISABLE turns the stack off, \"any other flags and the other fields are"
       " ignored\", so that a size too small is no error [SAS-3]", .needed_by = "go:unminit rust:stack_overflow")
{
	static const size_t sizes[] = { 0, 1, SIZE };

	for (int i = 0; i < 3; i++) {
		ASSERT_OK(use_stack(memory, SIZE, 0));
		EXPECT_OK(use_stack(i == 1 ? other : NULL, sizes[i], SS_DISABLE));
		EXPECT_TRUE(is_set_to(NULL, 0, SS_DISABLE));
	}
}

CLAUSE(a_disabled_stack_can_be_disabled_again_and_set_again,
       "sigaltstack(2) DESCRIPTION: SS_DISABLE may be given where there is no stack, and a stack may follow [SAS-3]",
       .needed_by = "go:unminit go:minit")
{
	EXPECT_OK(use_stack(NULL, 0, SS_DISABLE));
	EXPECT_OK(use_stack(NULL, 0, SS_DISABLE));
	EXPECT_OK(use_stack(memory, SIZE, 0));
	EXPECT_TRUE(is_set_to(memory, SIZE, 0));
}

CLAUSE(what_a_query_told_can_be_set_again,
       "sigaltstack(2) EXAMPLES, kernel/signal.c do_sigaltstack: the structure that a query filled is accepted as a"
       " setting, a stack or SS_DISABLE", .needed_by = "go:unminit rust:stack_overflow")
{
	stack_t none = stack_now(), some;

	ASSERT_OK(use_stack(memory, SIZE, 0));
	some = stack_now();
	EXPECT_OK(raw_sigaltstack(&none, NULL));
	EXPECT_TRUE(is_set_to(NULL, 0, SS_DISABLE));
	EXPECT_OK(raw_sigaltstack(&some, NULL));
	EXPECT_TRUE(is_set_to(memory, SIZE, 0));
}

CLAUSE(ss_onstack_is_accepted_and_means_nothing,
       "kernel/signal.c do_sigaltstack, sigaltstack(2) BUGS: a stack may be set with SS_ONSTACK in its flags, as with"
       " none, and it is not told while no handler runs", .needed_by = "glibc:sigaltstack musl:sigaltstack")
{
	EXPECT_OK(use_stack(memory, SIZE, SS_ONSTACK));
	EXPECT_TRUE(is_set_to(memory, SIZE, 0));
}

CLAUSE(an_unknown_flag_is_refused,
       "sigaltstack(2) ERRORS EINVAL: ss is not NULL and its flags contain an invalid flag, or two that exclude each"
       " other; the setting stays [SAS-6]", .needed_by = "glibc:sigaltstack")
{
	static const unsigned int modes[] = { 3, 4, 5, 6, 7, 8, 0x10, 0x100, 1 << 16, 1 << 29, 1 << 30, 0x7fffffff };

	ASSERT_OK(use_stack(memory, SIZE, 0));
	for (unsigned int i = 0; i < 2 * sizeof(modes) / sizeof(*modes); i++) {
		unsigned int flags = modes[i / 2] | (i % 2 ? SS_AUTODISARM : 0);

		EXPECT_ERR(EINVAL, use_stack(other, SIZE, flags)) {
			TH_LOG("ss_flags are 0x%x", flags);
		}
	}
	EXPECT_TRUE(is_set_to(memory, SIZE, 0));
}

CLAUSE(a_bad_flag_is_told_before_a_bad_size,
       "kernel/signal.c do_sigaltstack: flags are looked at first, so that EINVAL tells a kernel without a flag from a"
       " stack that is too small [SAS-4]", .needed_by = "glibc:sigaltstack")
{
	EXPECT_ERR(EINVAL, use_stack(memory, 1, 0x40));
}

CLAUSE(a_stack_smaller_than_the_minimum_is_refused,
       "sigaltstack(2) ERRORS ENOMEM: the specified size is less than MINSIGSTKSZ; the setting stays [SAS-4]"
       " [incident 12]", .needed_by = "go:sigaltstack glibc:sysconf")
{
	static const size_t sizes[] = { 0, 1, ARCH_MINSIGSTKSZ / 2, ARCH_MINSIGSTKSZ - 1 };

	ASSERT_OK(use_stack(memory, SIZE, 0));
	for (int i = 0; i < 4; i++) {
		EXPECT_ERR(ENOMEM, use_stack(other, sizes[i], 0)) {
			TH_LOG("the size is %zu", sizes[i]);
		}
		EXPECT_ERR(ENOMEM, use_stack(other, sizes[i], SS_AUTODISARM));
	}
	EXPECT_TRUE(is_set_to(memory, SIZE, 0));
}

CLAUSE(a_stack_of_the_minimum_is_accepted,
       "sigaltstack(2) ERRORS ENOMEM, Documentation/admin-guide/kernel-parameters.txt strict_sas_size: MINSIGSTKSZ"
       " bytes are enough for the call, unless the kernel was told to be strict [SAS-4] [incident 12]",
       .needed_by = "glibc:sysconf rust:stack_overflow")
{
	if (sizes_are_strict())
		SKIP(return, "this kernel was told to ask for more");
	EXPECT_OK(use_stack(memory, ARCH_MINSIGSTKSZ, 0));
	EXPECT_TRUE(is_set_to(memory, ARCH_MINSIGSTKSZ, 0));
}

CLAUSE(the_size_of_the_auxiliary_vector_is_accepted,
       "getauxval(3) AT_MINSIGSTKSZ: a stack with a little more than the minimal size that the kernel names is accepted"
       " by every kernel, a strict one too [SAS-4] [incident 9]", .needed_by = "go:sigaltstack glibc:sysconf")
{
	size_t size = frame_bound();

	if (!size)
		ABSENT("no AT_MINSIGSTKSZ");
	if (size < ARCH_MINSIGSTKSZ)
		size = ARCH_MINSIGSTKSZ;
	ASSERT_LT(size + 64, sizeof(memory));
	EXPECT_OK(use_stack(memory, size + 64, 0));
	if (!sizes_are_strict())
		EXPECT_OK(use_stack(memory, size, 0));
}

CLAUSE(a_failed_call_does_not_write_the_old_stack,
       "kernel/signal.c sigaltstack: old_ss is written only if the new setting was accepted")
{
	stack_t *old = guarded(sizeof(*old)), wrong = { .ss_sp = memory, .ss_size = 1 };

	EXPECT_ERR(ENOMEM, raw_sigaltstack(&wrong, old));
	EXPECT_UNTOUCHED(old, 0, sizeof(*old));
	wrong.ss_flags = 0x40;
	EXPECT_ERR(EINVAL, raw_sigaltstack(&wrong, old));
	EXPECT_UNTOUCHED(old, 0, sizeof(*old));
	EXPECT_ERR(EFAULT, raw_sigaltstack(unmapped_page(), old));
	EXPECT_UNTOUCHED(old, 0, sizeof(*old));
}

CLAUSE(exactly_one_structure_is_written,
       "sigaltstack(2) DESCRIPTION: old_ss points to a stack_t, and neither what is in front of it nor what is behind"
       " is touched", .needed_by = "go:minit")
{
	stack_t *old = guarded(sizeof(*old));

	ASSERT_OK(use_stack(memory, SIZE, 0));
	ASSERT_OK(raw_sigaltstack(NULL, old));
	EXPECT_INTACT(old);
	EXPECT_EQ((void *)memory, old->ss_sp);
	EXPECT_EQ(SIZE, old->ss_size);
	EXPECT_EQ(0, old->ss_flags);
}

CLAUSE(a_new_stack_that_cannot_be_read_is_an_error,
       "sigaltstack(2) ERRORS EFAULT: ss is not NULL and points to an area outside of the process's address space, or"
       " that may not be read, or ends there; the setting stays")
{
	char *cut = (char *)guarded(sizeof(stack_t)) + 1;
	void *const bad[] = { unmapped_page(), forbidden_page(), cut + sizeof(long) - 1, (void *)-sizeof(stack_t) };

	ASSERT_OK(use_stack(memory, SIZE, 0));
	for (int i = 0; i < 4; i++) {
		EXPECT_ERR(EFAULT, raw_sigaltstack(bad[i], NULL)) {
			TH_LOG("ss is %p", bad[i]);
		}
	}
	EXPECT_TRUE(is_set_to(memory, SIZE, 0));
}

CLAUSE(an_old_stack_that_cannot_be_written_is_an_error,
       "sigaltstack(2) ERRORS EFAULT: old_ss is not NULL and points to an area outside of the process's address space,"
       " or that may not be written")
{
	void *constant = mmap(NULL, page_size(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *const bad[] = { unmapped_page(), forbidden_page(), constant, (void *)-sizeof(stack_t) };

	for (int i = 0; i < 4; i++) {
		EXPECT_ERR(EFAULT, raw_sigaltstack(NULL, bad[i])) {
			TH_LOG("old_ss is %p", bad[i]);
		}
	}
}

CLAUSE(the_memory_is_not_looked_at_when_it_is_set,
       "sigaltstack(2) NOTES: the call does not allocate, check or touch the stack's memory, and takes any address and"
       " any size that is large enough [SAS-9]", .needed_by = "go:mpreinit rust:stack_overflow")
{
	char *lazy = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	void *const addresses[] = { unmapped_page(), forbidden_page(), memory + 1, lazy };
	unsigned char resident[SIZE / 4096];

	for (int i = 0; i < 4; i++) {
		EXPECT_OK(use_stack(addresses[i], SIZE, 0));
		EXPECT_TRUE(is_set_to(addresses[i], SIZE, 0));
	}
	EXPECT_OK(use_stack(memory, 1UL << 30, 0));
	EXPECT_TRUE(is_set_to(memory, 1UL << 30, 0));
	ASSERT_OK(raw_syscall(__NR_mincore, lazy, SIZE, resident));
	for (unsigned int i = 0; i < SIZE / page_size(); i++)
		EXPECT_EQ(0, resident[i] & 1);
}
