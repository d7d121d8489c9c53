# SPDX-License-Identifier: Apache-2.0
# build.mk of tests/bench/: a system image whose init rings doorbells; the micro-guest that measures the rest.

BENCH_DOORBELL := build/tests/bench/doorbell

$(eval $(call COMPILE,$(BENCH_DOORBELL),tests/bench/doorbell,USER))
$(eval $(call program,$(BENCH_DOORBELL)/init.elf,$(BENCH_DOORBELL)/main.o))

$(BENCH_DOORBELL)/system.img: $(BENCH_DOORBELL)/init.elf $(KERNEL) tools/image
	@tools/image system -o $@ kernel.elf=$(KERNEL) init.elf=$<

$(BENCH_DOORBELL)/disk.img: $(BENCH_DOORBELL)/system.img $(BOOT_EFI)
	@tools/image disk -o $@ --loader $(BOOT_EFI) --system $<

bench: $(BENCH_DOORBELL)/disk.img $(MICRO_BUILD)/bench_exits.elf $(LINUX_BUILD)/initramfs.cpio.gz
