// SPDX-License-Identifier: GPL-2.0-only
// AT_RANDOM: sixteen random bytes for each program that is started.
#include "clause.h"

#include "auxv.h"
#include "launch.h"

#define BYTES 16
#define STARTS 48	/* a bit that is random is the same in all of them once in 2^47 runs */
#define FEW_STARTS 20

static unsigned char *own_random(void)
{
	return (unsigned char *)own_aux(AT_RANDOM);
}

CLAUSE(random_bytes_are_there_and_neither_half_is_zero,
       "getauxval(3) AT_RANDOM: the address of sixteen bytes containing a random value [AUX-4] [AUX-5]",
       .needed_by = "go:startupRandomData glibc:_dl_setup_stack_chk_guard musl:__init_ssp")
{
	const unsigned char zero[BYTES / 2] = { 0 };

	ASSERT_NE(NULL, own_random());
	EXPECT_NE(0, memcmp(own_random(), zero, BYTES / 2));
	EXPECT_NE(0, memcmp(own_random() + BYTES / 2, zero, BYTES / 2));
}

CLAUSE(random_bytes_are_on_the_stack_of_the_process,
       "fs/binfmt_elf.c create_elf_tables (7.2): the bytes stand on the initial stack, above the vector [AUX-4]",
       .needs = "file=/proc/self/maps", .needed_by = "go:startupRandomData")
{
	unsigned long at = own_aux(AT_RANDOM), start, end;
	char name[256];

	end = mapping_end(getpid(), at, &start, name);
	EXPECT_STREQ("[stack]", name);
	EXPECT_LE(at + BYTES, end);
	EXPECT_GT(at, (unsigned long)aux_on_stack());
}

CLAUSE(random_bytes_may_be_overwritten,
       "fs/binfmt_elf.c create_elf_tables (7.2): they are the program's own memory, for it to change [AUX-4]",
       .needed_by = "go:startupRandomData")
{
	unsigned char *bytes = own_random();

	ASSERT_NE(NULL, bytes);
	IN_CHILD {
		for (int i = 0; i < BYTES; i++)
			((volatile unsigned char *)bytes)[i] = 0x5a ^ i;
		for (int i = 0; i < BYTES; i++)
			EXPECT_EQ(0x5a ^ i, bytes[i]);
	}
}

// The bytes of one new program.
static bool random_of(struct launch *l, unsigned char bytes[BYTES])
{
	const void *there = launch_at(l, aux_value(l->aux, AT_RANDOM));

	if (there)
		memcpy(bytes, there, BYTES);
	return there;
}

CLAUSE(every_bit_differs_from_start_to_start,
       "getauxval(3) AT_RANDOM: a random value: no bit of the sixteen bytes is the same in every program [AUX-5]",
       .timeout = 40, .needed_by = "go:startupRandomData")
{
	unsigned char set[BYTES] = { 0 }, clear[BYTES] = { 0 }, bytes[BYTES];

	for (int i = 0; i < STARTS; i++) {
		LAUNCH_OR_SKIP(l, .argv = NULL);
		ASSERT_TRUE(random_of(&l, bytes));
		for (int j = 0; j < BYTES; j++) {
			set[j] |= bytes[j];
			clear[j] |= ~bytes[j];
		}
		launch_end(&l);
	}
	for (int j = 0; j < BYTES; j++) {
		EXPECT_EQ(0xff, set[j] & clear[j]) TH_LOG("byte %d", j);
	}
}

CLAUSE(no_part_of_the_bytes_comes_twice,
       "fs/binfmt_elf.c create_elf_tables (7.2): get_random_bytes for each program: no eight bytes of it are seen"
       " again, in another program or in the same one [AUX-5]", .timeout = 20)
{
	static uint64_t halves[2 * FEW_STARTS];
	unsigned char bytes[BYTES];

	for (int i = 0; i < FEW_STARTS; i++) {
		LAUNCH_OR_SKIP(l, .argv = NULL);
		ASSERT_TRUE(random_of(&l, bytes));
		memcpy(&halves[2 * i], bytes, BYTES);
		launch_end(&l);
	}
	for (int i = 0; i < 2 * FEW_STARTS; i++) {
		EXPECT_NE(0, halves[i]);
		for (int j = 0; j < i; j++)
			EXPECT_NE(halves[j], halves[i]);
	}
}

CLAUSE(a_new_program_does_not_inherit_the_bytes,
       "execve(2): the memory of the calling program is gone; AT_RANDOM's bytes are the new program's own [AUX-6]",
       .needed_by = "go:startupRandomData")
{
	unsigned char bytes[BYTES];

	LAUNCH_OR_SKIP(l, .argv = NULL);
	ASSERT_TRUE(random_of(&l, bytes));
	EXPECT_NE(0, memcmp(bytes, own_random(), BYTES / 2));
	EXPECT_NE(0, memcmp(bytes + BYTES / 2, own_random() + BYTES / 2, BYTES / 2));
	launch_end(&l);
}

// argv[0]: the bytes of the program before, in hexadecimal, or "" ; argv[1]: how many programs more.
AFTER_EXEC(chain)
{
	char text[2 * BYTES + 1], left[8];

	for (int i = 0; i < BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", own_random()[i]);
	if (!strncmp(text, argv[0], BYTES) || !strcmp(text + BYTES, argv[0] + strnlen(argv[0], BYTES)))
		return 1;
	if (argv[1][0] == '0')
		return 0;
	snprintf(left, sizeof(left), "%d", argv[1][0] - '0' - 1);
	execute_self(chain, text, left);
	return 2;
}

CLAUSE(one_process_gets_new_bytes_with_each_program,
       "execve(2): a process that executes itself again and again has other bytes each time [AUX-6]")
{
	IN_CHILD {
		execute_self(chain, "", "5");
		abort();
	}
}

CLAUSE(a_child_has_its_parents_bytes,
       "fork(2): the child is a copy, AT_RANDOM's bytes too; only a new program gets new ones [AUX-6]")
{
	unsigned char bytes[BYTES];

	memcpy(bytes, own_random(), BYTES);
	IN_CHILD
		EXPECT_EQ(0, memcmp(bytes, own_random(), BYTES));
}

CLAUSE(random_bytes_do_not_hang_on_address_randomisation,
       "personality(2) ADDR_NO_RANDOMIZE: addresses are the same in every program; AT_RANDOM's bytes are not"
       " addresses [AUX-5]")
{
	unsigned char one[BYTES], other[BYTES];

	LAUNCH_OR_SKIP(l, .personality = ADDR_NO_RANDOMIZE);
	LAUNCH_OR_SKIP(m, .personality = ADDR_NO_RANDOMIZE);
	ASSERT_TRUE(random_of(&l, one));
	ASSERT_TRUE(random_of(&m, other));
	EXPECT_NE(0, memcmp(one, other, BYTES / 2));
	EXPECT_NE(0, memcmp(one + BYTES / 2, other + BYTES / 2, BYTES / 2));
	launch_end(&l);
	launch_end(&m);
}
