# SPDX-License-Identifier: Apache-2.0
# build.mk of tests/system/: system images of their own, in which a test program takes init's place.

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
