# SPDX-License-Identifier: Apache-2.0
# build.mk: the UEFI loader, build/boot/BOOTX64.EFI. Needs Debian's gnu-efi.

BOOT_OUT := build/boot
BOOT_EFI := $(BOOT_OUT)/BOOTX64.EFI
BOOT_OBJECTS := $(patsubst boot/%.c,$(BOOT_OUT)/%.o,$(wildcard boot/*.c)) $(BOOT_OUT)/elf_check.o \
	$(patsubst boot/%.asm,$(BOOT_OUT)/%.asm.o,$(wildcard boot/*.asm))

BOOT_CFLAGS := -std=gnu17 -O2 -g -Wall -Wextra -Werror -Wconversion -Wshadow -Wstrict-prototypes \
	-ffreestanding -fpic -fshort-wchar -fno-stack-protector -fno-strict-aliasing -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -mno-red-zone -mgeneral-regs-only \
	-isystem /usr/include/efi -isystem /usr/include/efi/x86_64 -DGNU_EFI_USE_MS_ABI -I.
BOOT_LDFLAGS := -shared -Bsymbolic -nostdlib -znocombreloc --no-undefined --warn-common --build-id=none \
	-T /usr/lib/elf_x86_64_efi.lds
BOOT_SECTIONS := .text .sdata .data .dynamic .dynsym .rel .rela '.rel.*' '.rela.*' .reloc

.PHONY: boot
boot: $(BOOT_EFI)

$(BOOT_OUT)/%.o: boot/%.c boot/build.mk
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(BOOT_CFLAGS) -MMD -MP -c $< -o $@

# init is checked as init checks all other programs.
$(BOOT_OUT)/elf_check.o: lib/elf_check.c boot/build.mk
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(BOOT_CFLAGS) -MMD -MP -c $< -o $@

$(BOOT_OUT)/loader.so: $(BOOT_OBJECTS)
	@echo "  LD      $@"
	@$(LD) $(BOOT_LDFLAGS) /usr/lib/crt0-efi-x86_64.o $^ /usr/lib/libgnuefi.a -o $@

$(BOOT_EFI): $(BOOT_OUT)/loader.so
	@echo "  EFI     $@"
	@$(OBJCOPY) $(addprefix -j ,$(BOOT_SECTIONS)) --target efi-app-x86_64 --subsystem=10 $< $@

# The files that need no firmware are also compiled for the host, where tests/unit/boot/ tries them.
$(eval $(call COMPILE,build/host/boot,boot,HOST))
