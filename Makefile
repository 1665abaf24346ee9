# SPDX-License-Identifier: GPL-2.0-only
# osprim: `make run` checks the running kernel, `make check` tests osprim itself. Every build goes to build/<abi>/.

PYTHON    := /usr/bin/python3
ABIS      ?= x86_64 i386
MATRIX_ABIS ?= $(patsubst arch/%/target.toml,%,$(wildcard arch/*/target.toml))
# A kernel tree, or a folder that holds kselftest_harness.h and kselftest.h; by default they are fetched, once.
KSELFTEST ?= build/kselftest
ARGS      ?=

# Not gcc-multilib: it cannot be installed beside a cross compiler, and all it adds is the include path of CC_i386.
MULTILIB        := gcc-$(or $(firstword $(subst ., ,$(shell gcc -dumpversion 2>/dev/null))),12)-multilib
NEEDED_TO_RUN   := libc6-dev $(MULTILIB) python3 python3-pytest xz-utils
NEEDED_TO_LIE   := $(NEEDED_TO_RUN) libseccomp-dev
NEEDED_TO_CHECK  = $(NEEDED_TO_LIE) python3-hypothesis python3-jinja2 python3-jsonschema python3-tap perl cpio chromium \
	$(call fact,x86_64,qemu_package)
NEEDED_TO_MATRIX = $(NEEDED_TO_RUN) $(sort $(foreach abi,$(MATRIX_ABIS),$(call fact,$(abi),qemu_package)) \
	$(foreach abi,$(filter-out x86_64 i386,$(MATRIX_ABIS)),qemu-user-static libc6-dev-$(call fact,$(abi),debian)-cross \
		gcc-$(subst _,-,$(call fact,$(abi),triplet))))

CC_x86_64 := gcc -m64
CC_i386   := gcc -m32 -idirafter /usr/include/x86_64-linux-gnu

# No stack protector: a raw thread with a thread pointer of its own would look for the canary there.
CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Werror -fno-pie -fno-stack-protector -MMD -MP
LDFLAGS := -static -no-pie

HARNESS_C   := $(wildcard harness/*.c)
SUITES_C    := $(wildcard suites/*/*.c)
EXECUTOR_C  := $(wildcard harness/executor/*.c)
LIAR_C      := $(wildcard harness/liar/*.c)
KSELFTEST_D := $(firstword $(wildcard $(KSELFTEST)/tools/testing/selftests) $(KSELFTEST))
KSELFTEST_H := $(KSELFTEST_D)/kselftest_harness.h

.PHONY: all programs liars run check check-long lies matrix reference install bench clean distclean
.SECONDARY:
.DELETE_ON_ERROR:

all: programs

# The main job. ARGS goes to runner.py: make run ARGS='-k futex -x'
run:
	@harness/setup.sh $(NEEDED_TO_RUN)
	@$(MAKE) -s --no-print-directory -j$$(nproc) programs
	@./runner.py run $(ARGS)

# osprim's own tests, then the suites on this machine.
check:
	@harness/setup.sh $(NEEDED_TO_CHECK)
	@$(MAKE) -s --no-print-directory -j$$(nproc) programs liars
	@./runner.py run
	@$(PYTHON) -m pytest -q -p no:cacheprovider tests

# What takes minutes: real kernels are built out of LINUX, a source tree of 6.12, and bisected.
check-long:
	@test -n "$(LINUX)" || { echo "make check-long LINUX=DIR: which source tree of Linux 6.12?" >&2; exit 2; }
	@harness/setup.sh $(NEEDED_TO_CHECK) git make flex bison bc libelf-dev
	@$(MAKE) -s --no-print-directory -j$$(nproc) programs
	@OSPRIM_LINUX="$(abspath $(LINUX))" $(PYTHON) -m pytest -q -p no:cacheprovider tests/test_bisect_kernel.py

# Many kernels side by side, in QEMU: MATRIX_ABIS names the architectures, ARGS goes to runner.py matrix.
matrix:
	@harness/setup.sh $(NEEDED_TO_MATRIX)
	@$(MAKE) -s --no-print-directory -j$$(nproc) ABIS="$(MATRIX_ABIS)" programs
	@./runner.py matrix $(ARGS)

# The verdicts of published kernels, results/reference: REFERENCE_TARGETS are run, and kept if every verdict is there.
# Runs of its own: half an hour is long enough for another run to become results/latest.
REFERENCE_RUNS := results/of-reference
REFERENCE_TARGETS ?= debian:all:x86_64:cloud debian:all:i386@x86_64:cloud
reference: MATRIX_ABIS = $(ABIS)
reference:
	@harness/setup.sh $(NEEDED_TO_MATRIX)
	@$(MAKE) -s --no-print-directory -j$$(nproc) ABIS="$(MATRIX_ABIS)" programs
	@./runner.py run $(REFERENCE_TARGETS) --results $(REFERENCE_RUNS) $(ARGS) || case $$? in 1|3) ;; *) exit 1 ;; esac
	@./runner.py reference $(REFERENCE_RUNS)/latest

# An install tree of kselftest's shape: kselftest-list.txt, run_kselftest.sh, a folder for each suite.
install: programs
	@harness/kselftest/install.sh "$(INSTALL_PATH)" $(ABIS)

# Whether each clause can fail: every lie of fixtures/lies, to those that must notice. ARGS as for runner.py lies.
lies:
	@harness/setup.sh $(NEEDED_TO_LIE)
	@$(MAKE) -s --no-print-directory -j$$(nproc) programs liars
	@./runner.py lies $(ARGS)

# Where the time of a run goes.
bench:
	@harness/setup.sh $(NEEDED_TO_RUN)
	@$(MAKE) -s --no-print-directory -j$$(nproc) programs
	@$(PYTHON) -m harness.driver.bench

# One set of rules per ABI. A suite may be named after an architecture: it is then built for that one alone.
OTHER_ABIS = $(filter-out $(1) generic,$(notdir $(wildcard arch/*)))
# The compiler is the one of the triplet in target.toml, unless CC_<abi> says otherwise: a cross compiler, or the native one.
fact = $(shell sed -n 's/^$(2) *= *"\([^"]*\)".*/\1/p' arch/$(1)/target.toml)
define abi_rules
CC_$(1) ?= $(call fact,$(1),triplet)-gcc
INCLUDES_$(1) := -Iharness -Iarch/$(1) -Iarch/generic -isystem $(KSELFTEST_D)
LIBRARY_$(1)  := $(HARNESS_C:%.c=build/$(1)/%.o) build/$(1)/arch.o
PROGRAMS_$(1) := $(patsubst %.c,build/$(1)/%,$(filter-out $(foreach o,$(call OTHER_ABIS,$(1)),suites/$(o)/%),$(SUITES_C)))
programs: $$(PROGRAMS_$(1)) build/$(1)/executor

build/$(1)/compiler:
	@command -v $$(firstword $$(CC_$(1))) >/dev/null || { echo "$(1) needs a compiler:  apt-get install -y" \
		"gcc-$(subst _,-,$(call fact,$(1),triplet)) libc6-dev-$(call fact,$(1),debian)-cross" >&2; exit 1; }
	@mkdir -p $$(@D) && touch $$@

build/$(1)/arch.o: arch/$(1)/arch.S Makefile | build/$(1)/compiler
	@mkdir -p $$(@D)
	$$(CC_$(1)) $$(INCLUDES_$(1)) -MMD -MP -c -o $$@ $$<

build/$(1)/harness/%.o: harness/%.c Makefile | build/$(1)/compiler
	@mkdir -p $$(@D)
	$$(CC_$(1)) $$(CFLAGS) $$(INCLUDES_$(1)) -c -o $$@ $$<

build/$(1)/suites/%.o: suites/%.c Makefile | $(KSELFTEST_H) build/$(1)/compiler
	@mkdir -p $$(@D)
	$$(CC_$(1)) $$(CFLAGS) $$(INCLUDES_$(1)) -c -o $$@ $$<

build/$(1)/suites/%: build/$(1)/suites/%.o $$(LIBRARY_$(1))
	$$(CC_$(1)) $$(LDFLAGS) -o $$@ $$^

build/$(1)/executor: $(EXECUTOR_C:%.c=build/$(1)/%.o)
	$$(CC_$(1)) $$(LDFLAGS) -o $$@ $$^
endef
$(foreach abi,$(ABIS),$(eval $(call abi_rules,$(abi))))

# The lying kernel: a 64-bit one lies to 32-bit programs too, so only ABIs that have arch_trace.h build one.
define liar_rules
liars: build/$(1)/liar
build/$(1)/liar: $(LIAR_C:%.c=build/$(1)/%.o)
	$$(CC_$(1)) $$(LDFLAGS) -o $$@ $$^ -lseccomp
endef
$(foreach abi,$(filter $(ABIS),$(patsubst arch/%/arch_trace.h,%,$(wildcard arch/*/arch_trace.h))),$(eval $(call liar_rules,$(abi))))

define liar_victims
build/$(1)/tests/liar_%: tests/programs/liar_%.c $$(LIBRARY_$(1))
	@mkdir -p $$(@D)
	$$(CC_$(1)) $$(CFLAGS) $$(INCLUDES_$(1)) $$(LDFLAGS) -o $$@ $$< $$(LIBRARY_$(1))
endef
$(foreach abi,$(ABIS),$(eval $(call liar_victims,$(abi))))
-include $(foreach abi,$(ABIS),$(wildcard build/$(abi)/*.d build/$(abi)/harness/*.d build/$(abi)/harness/*/*.d build/$(abi)/suites/*/*.d))

$(KSELFTEST_H):
ifeq ($(KSELFTEST),build/kselftest)
	@$(PYTHON) -m harness.driver.kselftest $(@D)
else
	$(error $(KSELFTEST) holds no kselftest_harness.h: name a kernel tree or the folder of its two headers)
endif

# The fetched headers stay: they are the same for every build.
clean:
	rm -rf $(ABIS:%=build/%)

distclean:
	rm -rf build
