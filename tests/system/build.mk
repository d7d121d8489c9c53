# SPDX-License-Identifier: Apache-2.0
# build.mk of tests/system/: system images of their own for tests that take init's place.

RING3_TEST := build/tests/system/ring3
RING3_TEST_OBJECTS := $(patsubst tests/system/ring3/%.c,$(RING3_TEST)/%.o,$(wildcard tests/system/ring3/*.c))

$(eval $(call COMPILE,$(RING3_TEST),tests/system/ring3,USER))
$(eval $(call program,$(RING3_TEST)/init.elf,$(RING3_TEST_OBJECTS)))

$(RING3_TEST)/system.img: $(RING3_TEST)/init.elf $(KERNEL) tools/image
	@tools/image system -o $@ kernel.elf=$(KERNEL) init.elf=$<

$(RING3_TEST)/disk.img: $(RING3_TEST)/system.img $(BOOT_EFI)
	@tools/image disk -o $@ --loader $(BOOT_EFI) --system $<

.PHONY: test-images
test-images: $(RING3_TEST)/disk.img
