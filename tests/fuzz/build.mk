# SPDX-License-Identifier: Apache-2.0
# build.mk: libFuzzer programs. `make fuzz` runs each for FUZZ_SECONDS; what it finds stays in build/tests/fuzz/.

FUZZ_SECONDS ?= 60
FUZZ_CFLAGS = $(COMMON_CFLAGS) -O1 -DCL_HOST_TEST=1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZ_TESTS := $(patsubst %.c,build/%,$(wildcard tests/fuzz/fuzz_*.c))

FUZZ_VMM := $(addprefix vmm/,capsule.c bus.c machine.c irq.c pic8259.c ioapic.c uart16550.c pit8254.c rtc.c pm.c \
	i8042.c pvpanic.c debug_exit.c delay_ports.c pci.c pci_function.c pci_msix.c virtio.c virtio_pci.c \
	virtio_channel.c virtio_net.c virtio_console.c virtio_block.c virtio_rng.c virtqueue.c) lib/channel.c \
	tests/unit/vmm/crash_harness.c tests/unit/vmm/virtio_fixture.c

build/tests/fuzz/fuzz_virtio: $(FUZZ_VMM)
build/tests/fuzz/fuzz_virtqueue: vmm/virtqueue.c vmm/capsule.c

build/tests/fuzz/%: tests/fuzz/%.c
	@mkdir -p $(@D)
	@echo "  FUZZ    $@"
	@clang $(FUZZ_CFLAGS) -o $@ $(filter %.c,$^) -lcmocka

.PHONY: fuzz
fuzz: $(FUZZ_TESTS)
	@for test in $(FUZZ_TESTS); do \
		echo "  RUN     $$test"; mkdir -p $$test.corpus; \
		$$test -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -artifact_prefix=$$test. $$test.corpus || exit 1; done
