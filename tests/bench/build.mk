# SPDX-License-Identifier: Apache-2.0
# build.mk of tests/bench/: what bench.py boots beside the programs of the image.

BENCH_DOORBELL := build/tests/bench/doorbell

$(eval $(call COMPILE,$(BENCH_DOORBELL),tests/bench/doorbell,USER))
$(eval $(call program,$(BENCH_DOORBELL)/init.elf,$(BENCH_DOORBELL)/main.o))

bench: $(BENCH_DOORBELL)/init.elf $(MICRO_BUILD)/bench_exits.elf $(LINUX_BUILD)/initramfs.cpio.gz
