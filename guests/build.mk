# SPDX-License-Identifier: Apache-2.0
# build.mk: the payloads: micro-guests (build/guests/micro/NAME.elf) and the demo Linux (build/guests/linux).
#
# A micro-guest is a folder guests/micro/NAME with C and NASM files; a list.json entry tells what it must say.

MICRO_SOURCE := guests/micro
MICRO_BUILD  := build/guests/micro
MICRO_NAMES  := $(filter-out runtime,$(notdir $(patsubst %/,%,$(dir $(wildcard $(MICRO_SOURCE)/*/*.c)))))
MICRO_NAMES  := $(sort $(MICRO_NAMES))
MICRO_ELFS   := $(MICRO_NAMES:%=$(MICRO_BUILD)/%.elf)

MICRO_CC     ?= gcc
MICRO_CFLAGS := -std=gnu17 -Wall -Wextra -Werror -Wconversion -Wshadow -Wstrict-prototypes -O2 -g \
                -ffreestanding -fno-pic -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables \
                -fcf-protection=none -fno-builtin -fno-tree-loop-distribute-patterns -mno-red-zone \
                -mgeneral-regs-only -mcmodel=small -Wno-array-bounds \
                -I$(MICRO_SOURCE)/runtime -I.

MICRO_RUNTIME_OBJECTS := $(patsubst $(MICRO_SOURCE)/%,$(MICRO_BUILD)/%.o, \
                           $(wildcard $(MICRO_SOURCE)/runtime/*.c $(MICRO_SOURCE)/runtime/*.asm))

.PHONY: guests guests-micro guests-linux
guests: guests-micro guests-linux
guests-micro: $(MICRO_ELFS)

$(MICRO_BUILD)/%.c.o: $(MICRO_SOURCE)/%.c guests/build.mk
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(MICRO_CC) $(MICRO_CFLAGS) -MMD -MP -c $< -o $@

$(MICRO_BUILD)/%.asm.o: $(MICRO_SOURCE)/%.asm guests/build.mk
	@mkdir -p $(@D)
	@echo "  NASM    $<"
	@nasm -f elf64 -I$(MICRO_SOURCE)/runtime/ -MD $(@:.o=.d) -o $@ $<

# The name is the only thing that differs in the runtime, so it is linked in as an object of its own.
$(MICRO_BUILD)/%/name.o: guests/build.mk
	@mkdir -p $(@D)
	@echo 'const char micro_name[] = "$*";' | $(MICRO_CC) $(MICRO_CFLAGS) -x c -c - -o $@

# Boot loaders of multiboot 1 want ELF32; the code in it is 64-bit all the same. A guest with a linker script of its own
# is loaded in another way, and stays ELF64.
micro_link = $(firstword $(wildcard $(MICRO_SOURCE)/$(1)/link.ld) $(MICRO_SOURCE)/runtime/link.ld)
micro_output = $(if $(wildcard $(MICRO_SOURCE)/$(1)/link.ld),elf64-x86-64,elf32-i386)

define micro_rule
$(MICRO_BUILD)/$(1).elf: $(MICRO_RUNTIME_OBJECTS) $(MICRO_BUILD)/$(1)/name.o $(call micro_link,$(1)) \
    $(patsubst $(MICRO_SOURCE)/%,$(MICRO_BUILD)/%.o,$(wildcard $(MICRO_SOURCE)/$(1)/*.c $(MICRO_SOURCE)/$(1)/*.asm))
	@echo "  LD      $$@"
	@ld -m elf_x86_64 -static -nostdlib -z noexecstack --no-warn-rwx-segments -T $(call micro_link,$(1)) \
	    -o $$(@:.elf=.elf64) $$(filter %.o,$$^)
	@objcopy -O $(call micro_output,$(1)) --strip-debug $$(@:.elf=.elf64) $$@
endef
$(foreach name,$(MICRO_NAMES),$(eval $(call micro_rule,$(name))))

-include $(wildcard $(MICRO_BUILD)/*/*.d)

# The demo Linux. tools/setup extracts Debian's kernel package; LINUX_TREE says where.
LINUX_SOURCE := guests/linux
LINUX_BUILD  := build/guests/linux
LINUX_TREE   ?= build/third-party/linux
BUSYBOX      ?= /bin/busybox

guests-linux: $(LINUX_BUILD)/initramfs.cpio.gz

$(LINUX_BUILD)/vmlinuz: $(LINUX_BUILD)/initramfs.cpio.gz
$(LINUX_BUILD)/initramfs.cpio.gz: $(wildcard $(LINUX_SOURCE)/* $(LINUX_SOURCE)/tests/*) $(BUSYBOX) \
    $(wildcard $(LINUX_TREE)/boot/vmlinuz-*)
	$(LINUX_SOURCE)/build_initramfs.py --tree $(LINUX_TREE) --busybox $(BUSYBOX) --source $(LINUX_SOURCE) --out $(@D)
