# SPDX-License-Identifier: Apache-2.0
# build.mk of tests/system/: system images of their own, in which a test program takes init's place; and kernels with
# something of the test's inside.

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

# $(call wrapped-kernel,NAME,FUNCTIONS): build/tests/system/NAME/cloison.elf, in which the sources of tests/system/NAME/
# stand between everybody and these functions.
define wrapped-kernel
$(eval $(call COMPILE,build/tests/system/$(1),tests/system/$(1),KERNEL))

build/tests/system/$(1)/cloison.elf: $$(KERNEL_OBJECTS) $(patsubst %.c,build/%.o,$(wildcard tests/system/$(1)/*.c)) \
		build/kernel/no-symbols.asm.o kernel/kernel.ld
	@echo "  LD      $$@"
	@$(LD) $(KERNEL_LDFLAGS) $(addprefix --wrap=,$(2)) -T kernel/kernel.ld -o $$@ $$(filter %.o,$$^)

test-images: build/tests/system/$(1)/cloison.elf
endef

# A kernel with a hole in its walls, for test_walls.py; and one that breaks the rules of VM entry, for test_refused.py.
$(eval $(call wrapped-kernel,breach,memory_map))
$(eval $(call wrapped-kernel,refused,svm_vcpu_enter vmx_vcpu_enter))
