# SPDX-License-Identifier: Apache-2.0
# build.mk of tests/system/: system images of their own, in which a test program takes init's place; and a kernel with a
# hole in it.

# $(call init-image,NAME): build/tests/system/NAME/disk.img of the sources in tests/system/NAME/
define init-image
$(eval $(call COMPILE,build/tests/system/$(1),tests/system/$(1),USER))
$(eval $(call program,build/tests/system/$(1)/init.elf,$(patsubst %.c,build/%.o,$(wildcard tests/system/$(1)/*.c))))

build/tests/system/$(1)/system.img: build/tests/system/$(1)/init.elf $(KERNEL) tools/image
	@tools/image system -o $$@ kernel.elf=$(KERNEL) init.elf=$$<

build/tests/system/$(1)/disk.img: build/tests/system/$(1)/system.img $(BOOT_EFI)
	@tools/image disk -o $$@ --loader $(BOOT_EFI) --system $$<

test-images: build/tests/system/$(1)/disk.img
endef

.PHONY: test-images
$(eval $(call init-image,ring3))
$(eval $(call init-image,crash))

# A kernel with a hole in its walls, for test_walls.py: breach.c stands between everybody and memory_map().
BREACH := build/tests/system/breach

$(eval $(call COMPILE,$(BREACH),tests/system/breach,KERNEL))

$(BREACH)/cloison.elf: $(KERNEL_OBJECTS) $(BREACH)/breach.o build/kernel/no-symbols.asm.o kernel/kernel.ld
	@echo "  LD      $@"
	@$(LD) $(KERNEL_LDFLAGS) --wrap=memory_map -T kernel/kernel.ld -o $@ $(filter %.o,$^)

test-images: $(BREACH)/cloison.elf
