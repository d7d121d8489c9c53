# SPDX-License-Identifier: Apache-2.0
# Makefile: every verb of the project, and the flags of the three worlds its code is compiled for.
#
# One non-recursive make: each room lists its own files in ROOM/build.mk, which is included below, and every object
# goes to build/ROOM/. A room compiles for one world, given by the rules at COMPILE below:
#   kernel  ring 0: kernel/ vmx/ svm/                 (KERNEL_CFLAGS)
#   user    ring 3: lib/ vmm/ services/ drivers/      (USER_CFLAGS, musl, static)
#   host    unit tests on the building machine        (HOST_CFLAGS, sanitizers)
# boot/ and guests/ have rules of their own in their build.mk.
#
# Programs and files for the system image are added to IMAGE_MEMBERS as name=path.

NPROC := $(shell nproc)
MAKEFLAGS += -j$(NPROC) --no-builtin-rules --no-builtin-variables
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

PYTHON := /usr/bin/python3
CC := gcc
AR := ar
LD := ld
OBJCOPY := objcopy
NASM := nasm
ROOMS := boot kernel vmx svm lib vmm services drivers guests

# What a person may set on the command line.
EMULATOR ?= qemu
CPU ?=
SMP ?= 2
MEMORY ?= 2048
CONFIG ?= $(wildcard guests/demo.toml)

# ---------------------------------------------------------------------------------------------- the three worlds

WARNINGS := -Wall -Wextra -Werror -Wconversion -Wshadow -Wstrict-prototypes
COMMON_CFLAGS := -std=gnu17 $(WARNINGS) -g -I.

# The canary is the global __stack_chk_guard: ring 0 has no thread-local storage to keep it in.
KERNEL_CFLAGS = $(COMMON_CFLAGS) -O2 -ffreestanding -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone \
	-mgeneral-regs-only -fno-omit-frame-pointer -fstack-protector-strong -mstack-protector-guard=global \
	-fno-asynchronous-unwind-tables -fcf-protection=none -fno-strict-aliasing -fno-common
KERNEL_LDFLAGS := -nostdlib -static -no-pie -z noexecstack -z max-page-size=4096 --build-id=none

# musl's headers come first, then those of the compiler that a C library does not have (cpuid.h and the like).
MUSL_INCLUDE ?= build/third-party/musl/include
MUSL_LIB ?= build/third-party/musl/lib/libc.a
USER_CFLAGS = $(COMMON_CFLAGS) -O2 -nostdinc -isystem $(MUSL_INCLUDE) -isystem $(GCC_INCLUDE) -fno-pic -fno-pie \
	-static -mcmodel=small -fno-omit-frame-pointer -fstack-protector-strong -fcf-protection=none -fno-common \
	$(THIRD_PARTY_CFLAGS)

HOST_CFLAGS = $(COMMON_CFLAGS) -O1 -DCL_HOST_TEST=1 -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -fno-common $(THIRD_PARTY_CFLAGS)

NASMFLAGS := -f elf64 -g -F dwarf -w+all -I ./

GCC_INCLUDE := $(shell $(CC) -print-file-name=include 2>/dev/null)

# ------------------------------------------------------------------------------------- what has to be there first

# Verbs that need neither packages nor a build; every other one has tools/setup run before anything is read that
# depends on it. ready.mk changes only when setup had something to do, and make then starts afresh.
PLAIN_VERBS := help setup clean distclean loc format matrix
GOALS := $(or $(MAKECMDGOALS),all)

ifneq ($(filter-out $(PLAIN_VERBS),$(GOALS)),)
include build/third-party/ready.mk
build/third-party/ready.mk: FORCE
	@tools/setup
endif

.PHONY: FORCE
FORCE:

# $(call same-as,FILE,TEXT): FILE holds TEXT; it is rewritten, and what depends on it rebuilt, only when TEXT changed.
same-as = $(if $(or $(call differs,$(strip $(file <$(1))),$(strip $(2))),$(if $(wildcard $(1)),,new)),$(shell mkdir -p $(dir $(1)))$(file >$(1),$(strip $(2))))
differs = $(or $(subst x$(1),,x$(2)),$(subst x$(2),,x$(1)))

# ------------------------------------------------------------------------------------------------- compiling rules

# $(call COMPILE,OBJECTS,SOURCES,WORLD): C and assembly below SOURCES/ become objects below OBJECTS/.
define COMPILE
$(1)/%.o: $(2)/%.c build/flags.$(3)
	@mkdir -p $$(@D)
	@echo "  CC      $$<"
	@$$(CC) $$($(3)_CFLAGS) $$(CFLAGS_$$<) -MMD -MP -c -o $$@ $$<

$(1)/%.o: $(2)/%.asm build/flags.NASM
	@mkdir -p $$(@D)
	@echo "  NASM    $$<"
	@$$(NASM) $$(NASMFLAGS) -MD $$(@:.o=.d) -MP -o $$@ $$<
endef

$(foreach room,kernel vmx svm,$(eval $(call COMPILE,build/$(room),$(room),KERNEL)))
$(foreach room,lib vmm services drivers,$(eval $(call COMPILE,build/$(room),$(room),USER)))
$(foreach room,boot kernel vmx svm lib vmm services drivers guests tests tools,$(eval $(call COMPILE,build/host/$(room),$(room),HOST)))

# $(call archive): the recipe of a static library.
archive = @mkdir -p $(@D); echo "  AR      $@"; rm -f $@; $(AR) rcsD $@ $(filter %.o,$^)

include tools/third-party.mk
include $(wildcard $(ROOMS:=/build.mk) tests/build.mk tests/*/build.mk)

$(foreach world,KERNEL USER HOST,$(call same-as,build/flags.$(world),$(CC) $($(world)_CFLAGS)))
$(call same-as,build/flags.NASM,$(NASM) $(NASMFLAGS))
build/flags.%: ;

-include $(shell find build -name '*.d' -not -path 'build/third-party/src/*' 2>/dev/null)

# ------------------------------------------------------------------------------------------------------- the image

LOADER := build/boot/BOOTX64.EFI
IMAGE := build/cloison.img
member_files = $(foreach member,$(IMAGE_MEMBERS),$(lastword $(subst =, ,$(member))))
config_files := $(if $(CONFIG),$(CONFIG) $(shell $(PYTHON) tools/image files --config $(CONFIG) 2>/dev/null))
$(call same-as,build/config.path,$(CONFIG))
$(call same-as,build/members.list,$(IMAGE_MEMBERS))

build/system.img: $(member_files) $(config_files) build/config.path build/members.list tools/image
	@echo "  IMAGE   $@"
	$(if $(CONFIG),@tools/check $(CONFIG) >/dev/null)
	@tools/image system -o $@ $(if $(CONFIG),--config $(CONFIG)) $(IMAGE_MEMBERS)

$(IMAGE): build/system.img $(LOADER) tools/image
	@echo "  DISK    $@"
	@tools/image disk -o $@ --loader $(LOADER) --system build/system.img

build/config.path build/members.list: ;

# ----------------------------------------------------------------------------------------------------------- verbs

.PHONY: help setup all test-programs image run test unit system matrix bench soak fuzz mutate lint format loc clean distclean

help: ## this list
	@echo "make VERB [VARIABLE=value]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile
	@echo "Variables: EMULATOR=qemu|bochs CPU=model SMP=count MEMORY=MiB CONFIG=file.toml"

setup: ## install what is missing (Debian packages, third-party sources); done by the other verbs by themselves
	@tools/setup

all: image ## build everything that a machine needs (default)

test-programs: $(UNIT_TESTS) $(FUZZ_TESTS) $(IMAGE)

image: $(IMAGE) ## the disk image, build/cloison.img: copy it to a USB stick with dd, or boot it in an emulator

run: $(IMAGE) ## boot the image in an emulator, its console in this terminal (Ctrl-A x leaves)
	@tools/run --emulator $(EMULATOR) $(if $(CPU),--cpu $(CPU)) --smp $(SMP) --memory $(MEMORY) --image $(IMAGE)

test: $(UNIT_TESTS) $(FUZZ_TESTS) $(IMAGE) test-images guests ## all tests, on the host and in emulators; ends with "N passed, N failed"
	@tools/test unit $(UNIT_TESTS) tools tests/tools system tests/system

unit: $(UNIT_TESTS) $(FUZZ_TESTS) ## the tests that run on the host
	@tools/test unit $(UNIT_TESTS) tools tests/tools

system: $(IMAGE) test-images guests ## the tests that boot the image in emulators; prints which pass on which machine
	@tools/test system tests/system

matrix: ## put what the last run of system tests found, machine by machine, into README.md
	@tools/matrix --readme

bench: $(IMAGE) ## instructions and expensive operations of the paths that matter; writes build/bench.json
	@$(PYTHON) tests/bench/bench.py

soak: $(IMAGE) ## boot 20 times in a row, with 1 and with 4 CPUs
	@CLOISON_BOOTS=20 tools/test system tests/system/test_boot.py

fuzz: ## run each fuzzer for FUZZ_SECONDS; what it finds stays in build/tests/fuzz/

mutate: $(UNIT_TESTS) ## remove each flush and kick in turn: a named unit test has to fail
	@tools/mutate

lint: $(MUSL_LIB) build/lib/posix_names.h build/vmm/dsdt.h ## formatting, static analysis, scripts
	@tools/lint

format: ## rewrite all C files in the project's format
	@tools/lint --fix

loc: ## lines of code per room; fails over the kernel's budget
	@tools/loc

clean: ## remove what was built, but not what was fetched
	@tools/clean

distclean: ## remove everything that is not in the repository
	@rm -rf build
