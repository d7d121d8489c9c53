# SPDX-License-Identifier: Apache-2.0
# build.mk of lib/: the C library of ring 3, libcloison.a, and how a program is linked.
#
#   MUSL_INCLUDE, MUSL_LIB   headers and libc.a of musl, built here
#   CLOISON_LIB              libcloison.a: start-up, system calls, threads, channels
#   $(eval $(call program,PATH,OBJECTS[,ARCHIVES[,LDFLAGS]]))
#                            a rule for the ring-3 program PATH (below build/), made of OBJECTS and static libraries;
#                            LDFLAGS for instance --defsym=PROGRAM_STACK_BYTES=0x40000
# A program's main(argc, argv) gets its name and, if the creator gave one, its argument string.

MUSL_DIR := build/third-party/musl
MUSL_INCLUDE := $(MUSL_DIR)/include
MUSL_LIB := $(MUSL_DIR)/lib/libc.a
CLOISON_LIB := build/lib/libcloison.a
PROGRAM_LDSCRIPT := lib/program.ld

$(MUSL_LIB): lib/build-musl $(wildcard lib/musl/*) build/third-party/src/musl/.pin
	@echo "  MUSL    $@ (a minute)"
	@lib/build-musl build/third-party/src/musl build/third-party/obj/musl $(MUSL_DIR)

build/third-party/src/musl/.pin: ;

# Names of Linux system calls, for the log line about one that is not there.
build/lib/posix_names.h: $(MUSL_LIB)
	@mkdir -p $(@D)
	@sed -n 's/^#define[ \t]*__NR_\([a-z0-9_]*\)[ \t]*\([0-9]*\)$$/[\2] = "\1",/p' $(MUSL_INCLUDE)/bits/syscall.h >$@

LIB_SOURCES := channel.c checked.c cpio.c elf_check.c elf_load.c entropy.c futex.c lock.c log.c pages.c posix.c posix_memory.c \
	posix_output.c posix_thread.c posix_time.c refusal.c slots.c start.c start_block.c thread.c time.c
LIB_OBJECTS := $(LIB_SOURCES:%.c=build/lib/%.o) build/lib/entry.o

# Whatever is compiled for ring 3 needs the C library's headers first.
build/flags.USER: | $(MUSL_LIB)
build/lib/posix.o: build/lib/posix_names.h

$(CLOISON_LIB): $(LIB_OBJECTS)
	$(archive)

LIBGCC := $(shell $(CC) -print-libgcc-file-name 2>/dev/null)
USER_LDFLAGS := -nostdlib -static -no-pie -z noexecstack -z max-page-size=4096 --build-id=none --gc-sections \
	-T $(PROGRAM_LDSCRIPT)

define program
$(1): $(2) $(3) $$(CLOISON_LIB) $$(MUSL_LIB) $$(PROGRAM_LDSCRIPT)
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	@ld $$(USER_LDFLAGS) $(4) -o $$@ $(2) --start-group $(3) $$(CLOISON_LIB) $$(MUSL_LIB) $$(LIBGCC) --end-group
endef

# The runtime's own test: a ring-3 program in a Linux process that answers its system calls.
RING3 := build/tests/unit/lib/ring3

$(eval $(call COMPILE,$(RING3),tests/unit/lib/ring3,USER))
$(eval $(call program,$(RING3)/program,$(RING3)/program.o))

$(RING3)/machine: tests/unit/lib/ring3/machine.c lib/elf_check.c lib/start_block.c lib/elf_check.h lib/start_block.h
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(COMMON_CFLAGS) -O1 -fno-stack-protector -static-pie -o $@ $(filter %.c,$^)

build/tests/unit/lib/test_ring3: $(RING3)/machine $(RING3)/program
