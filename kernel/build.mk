# SPDX-License-Identifier: Apache-2.0
# build.mk of kernel/: one image of kernel/, svm/ and vmx/, linked twice so that it knows its own functions by name.

KERNEL := build/kernel/cloison.elf
KERNEL_OBJECTS := $(patsubst %.c,build/%.o,$(wildcard kernel/*.c svm/*.c vmx/*.c)) \
	$(patsubst %.asm,build/%.asm.o,$(wildcard kernel/*.asm svm/*.asm vmx/*.asm))

# A C file and an assembly file may be two halves of one thing, of one name.
build/%.asm.o: %.asm build/flags.NASM
	@mkdir -p $(@D)
	@echo "  NASM    $<"
	@$(NASM) $(NASMFLAGS) -o $@ $<

build/kernel/no-symbols.asm: tools/symbols
	@mkdir -p $(@D)
	@tools/symbols - >$@

build/kernel/symbols.asm: build/kernel/unnamed.elf tools/symbols
	@tools/symbols $< >$@

build/kernel/symbols.asm.o build/kernel/no-symbols.asm.o: %.o: %
	@$(NASM) -f elf64 -o $@ $<

build/kernel/unnamed.elf: $(KERNEL_OBJECTS) build/kernel/no-symbols.asm.o kernel/kernel.ld
	@$(LD) $(KERNEL_LDFLAGS) -T kernel/kernel.ld -o $@ $(filter %.o,$^)

$(KERNEL): $(KERNEL_OBJECTS) build/kernel/symbols.asm.o kernel/kernel.ld
	@echo "  LD      $@"
	@$(LD) $(KERNEL_LDFLAGS) -T kernel/kernel.ld -o $@ $(filter %.o,$^)

IMAGE_MEMBERS += kernel.elf=$(KERNEL)
