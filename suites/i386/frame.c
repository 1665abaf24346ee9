// SPDX-License-Identifier: GPL-2.0-only
// Segment registers across signal handlers: what a frame of i386 holds, a handler starts with, a return restores.
#include "clause.h"

#include <asm/ldt.h>
#include <ucontext.h>

#include "sigaction.h"

#define USERS "glibc:sigaction musl:__init_tls go:sigtramp"

// In the order of gregset_t.
enum { GS, FS, ES, DS };

static int times;
static unsigned int in_context[4], in_handler[4], load_fs, put_fs;
static uint32_t words[2] = { 0x1111, 0x2222 };

static unsigned int selector_of(uint32_t *word)
{
	struct user_desc desc = { .entry_number = -1, .base_addr = (unsigned long)word, .limit = 0xfffff, .seg_32bit = 1,
				  .limit_in_pages = 1, .useable = 1 };

	return raw_syscall(__NR_set_thread_area, &desc) ? 0 : desc.entry_number << 3 | 3;
}

static void look(int sig, siginfo_t *info, void *uc)
{
	unsigned long *gregs = UC_GREGS(uc);

	__asm__ volatile("movl %%gs, %0; movl %%fs, %1; movl %%es, %2; movl %%ds, %3"
			 : "=r"(in_handler[GS]), "=r"(in_handler[FS]), "=r"(in_handler[ES]), "=r"(in_handler[DS]));
	for (int i = 0; i < 4; i++)
		in_context[i] = gregs[i] & 0xffff;
	times++;
	if (load_fs)
		__asm__ volatile("movl %0, %%fs" : : "r"(load_fs));
	if (put_fs)
		gregs[FS] = put_fs;
	if (sig == ARCH_TRAP_SIGNAL)
		ARCH_TRAP_SKIP(uc);
}

// In one piece: while es is not flat no instruction of the compiler's may use it.
#define WITH_SEGMENTS(instructions, fs, es, flat, ...)						\
	__asm__ volatile("movl %%ds, %[flat_]; movl %[fs_], %%fs; movl %[es_], %%es;" instructions	\
			 "movl %%fs, %[fs_]; movl %%es, %[es_]; movl %[flat_], %%es"		\
			 : [fs_] "+&r"(fs), [es_] "+&r"(es), [flat_] "=&r"(flat) : __VA_ARGS__ : "memory")

// Traps, or sends itself a signal, with these selectors; *fs and *es are what they are afterwards.
static void interrupt_with(bool traps, unsigned int *fs, unsigned int *es)
{
	unsigned int flat;

	if (traps)
		WITH_SEGMENTS("int3;", *fs, *es, flat, "i"(0));
	else	// the number of the only thread is that of the process
		WITH_SEGMENTS("pushl %%eax; pushl %%ebx; movl %%ecx, %%ebx; int $0x80; popl %%ebx; popl %%eax;", *fs, *es, flat,
			      "a"(__NR_tgkill), "c"(getpid()), "d"(SIGUSR1));
}

static long look_at_both(void)
{
	times = 0;
	return raw_sigaction(ARCH_TRAP_SIGNAL, look, 0) ?: raw_sigaction(SIGUSR1, look, 0);
}

CLAUSE(the_frame_holds_the_segments_of_the_interrupted_code,
       "arch/x86/kernel/signal_32.c __unsafe_setup_sigcontext32, arch/x86/ia32/ia32_signal.c (5.10): the context "
       "has gs, fs, es and ds as they were",
       .needed_by = USERS)
{
	unsigned int fs = selector_of(&words[0]), es = 0, gs, ds;

	ASSERT_NE(0, fs);
	ASSERT_OK(look_at_both());
	__asm__ volatile("movl %%gs, %0; movl %%ds, %1" : "=r"(gs), "=r"(ds));
	for (int traps = 1; traps >= 0; traps--) {
		unsigned int fs_now = fs, es_now = es;

		interrupt_with(traps, &fs_now, &es_now);
		EXPECT_EQ(gs, in_context[GS]);
		EXPECT_EQ(fs, in_context[FS]);
		EXPECT_EQ(es, in_context[ES]);
		EXPECT_EQ(ds, in_context[DS]);
	}
}

CLAUSE(a_handler_starts_with_flat_segments,
       "arch/x86/kernel/signal_32.c ia32_setup_frame, ia32_setup_rt_frame (7.2) \"Make -mregparm=3 work\" and what "
       "follows: ds and es are the flat data segment, whatever the interrupted code had there, and gs and fs are "
       "still its own",
       .needed_by = USERS)
{
	unsigned int fs = selector_of(&words[0]), gs, ds;

	ASSERT_NE(0, fs);
	ASSERT_OK(look_at_both());
	__asm__ volatile("movl %%gs, %0; movl %%ds, %1" : "=r"(gs), "=r"(ds));
	for (int traps = 1; traps >= 0; traps--) {
		unsigned int fs_now = fs, es_now = 0;

		interrupt_with(traps, &fs_now, &es_now);
		EXPECT_EQ(ds, in_handler[DS]);
		EXPECT_EQ(ds, in_handler[ES]);
		EXPECT_EQ(fs, in_handler[FS]);
		EXPECT_EQ(gs, in_handler[GS]);
	}
	EXPECT_EQ(2, times);
}

CLAUSE(the_return_restores_the_segments,
       "sigreturn(2) DESCRIPTION, arch/x86/kernel/signal_32.c reload_segments (7.2): fs and es are as before, "
       "whatever the handler loaded, and as the context has them where it was written to",
       .needed_by = USERS)
{
	unsigned int fs = selector_of(&words[0]), other = selector_of(&words[1]);

	ASSERT_NE(0, fs);
	ASSERT_NE(0, other);
	ASSERT_OK(look_at_both());
	for (int traps = 1; traps >= 0; traps--) {
		for (int edits = 0; edits < 2; edits++) {
			unsigned int fs_now = fs, es_now = 0;
			uint32_t word;

			load_fs = edits ? fs : other;
			put_fs = edits ? other : 0;
			interrupt_with(traps, &fs_now, &es_now);
			EXPECT_EQ(edits ? other : fs, fs_now);
			EXPECT_EQ(0, es_now);
			__asm__ volatile("movl %%fs:0, %0" : "=r"(word));
			EXPECT_EQ(words[edits], word);
		}
	}
	EXPECT_EQ(4, times);
}
