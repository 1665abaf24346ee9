// SPDX-License-Identifier: GPL-2.0-only
// What a signal of a fault's kind says when it was sent and not raised: its address, by each way of taking it.
#include "clause.h"

#include "origin.h"

#define USERS "libuv:uv_signal_start jvm:PosixSignals"

static const struct sent {
	int sig, code;
	bool has_lsb;
} sent[] = {
	{ SIGSEGV, SEGV_MAPERR, false },
	{ SIGSEGV, SEGV_ACCERR, false },
	{ SIGBUS,  BUS_ADRALN,  false },
	{ SIGBUS,  BUS_ADRERR,  false },
	{ SIGBUS,  BUS_MCEERR_AO, true },
	{ SIGILL,  ILL_ILLOPC,  false },
	{ SIGFPE,  FPE_INTDIV,  false },
};

#define ADDRESS ((void *)0x12345678)
#define LSB 12

static long send_to_itself(const struct sent *s)
{
	siginfo_t info = info_of(s->sig, s->code);

	info.si_addr = ADDRESS;
	if (s->has_lsb)
		info.si_addr_lsb = LSB;
	return raw_syscall(__NR_rt_tgsigqueueinfo, getpid(), getpid(), s->sig, &info);
}

CLAUSE(a_signal_with_the_code_of_a_fault_has_its_address,
       "sigaction(2) si_addr, si_addr_lsb, signalfd(2) ssi_addr, ssi_addr_lsb: of SIGSEGV, SIGBUS, SIGILL and "
       "SIGFPE with a fault's si_code the handler, sigtimedwait and a signalfd tell the address",
       .needed_by = USERS)
{
	FOR_EACH(i, sent) {
		for (enum way way = 0; way < WAYS; way++) {
			siginfo_t *info = guarded(INFO_BYTES);
			struct signalfd_siginfo *read = (void *)info;
			bool by_file = way == BY_SIGNALFD;

			ASSERT_OK(hold_back(sent[i].sig));
			ASSERT_OK(send_to_itself(&sent[i]));
			ASSERT_RET(sent[i].sig, take(sent[i].sig, way, info));
			EXPECT_EQ(sent[i].code, by_file ? read->ssi_code : info->si_code);
			EXPECT_EQ((unsigned long)ADDRESS, by_file ? read->ssi_addr : (unsigned long)info->si_addr)
				TH_LOG("signal %d, si_code %d by %s", sent[i].sig, sent[i].code, way_names[way]);
			if (sent[i].has_lsb)
				EXPECT_EQ(LSB, by_file ? read->ssi_addr_lsb : info->si_addr_lsb)
					TH_LOG("by %s", way_names[way]);
			EXPECT_INTACT(info);
			guard_free(info);
		}
	}
}
