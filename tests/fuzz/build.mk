# SPDX-License-Identifier: Apache-2.0
# build.mk: libFuzzer programs, one for each parser and each party that is not trusted. `make fuzz` runs each for
# FUZZ_SECONDS; its corpus and what it finds stay in build/tests/fuzz/. `make test` gives each a few thousand inputs.
#
# The libraries below build/third-party were built by another compiler, so their variables are seen twice: hence ASAN_OPTIONS.
# What is fuzzed stands in the SOURCES comment of each, as for unit tests.

FUZZ_SECONDS ?= 60
FUZZ_CC := clang
FUZZ_SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_CFLAGS = $(COMMON_CFLAGS) -O1 -DCL_HOST_TEST=1 $(FUZZ_SANITIZERS) -fsanitize=fuzzer-no-link $(THIRD_PARTY_CFLAGS)
FUZZ_TESTS := $(patsubst %.c,build/%,$(wildcard tests/fuzz/fuzz_*.c))

ifneq ($(and $(filter-out $(PLAIN_VERBS),$(GOALS)),$(wildcard $(PYTHON))),)
$(shell tools/unit-rules build/tests/fuzz/rules.mk build/fuzz $(wildcard tests/fuzz/fuzz_*.c))
-include build/tests/fuzz/rules.mk
endif

build/fuzz/%.o: CC := $(FUZZ_CC)
$(foreach room,boot lib vmm services tests,$(eval $(call COMPILE,build/fuzz/$(room),$(room),FUZZ)))
$(call same-as,build/flags.FUZZ,$(FUZZ_CC) $(FUZZ_CFLAGS))
build/fuzz/vmm/acpi_tables.o: build/vmm/dsdt.h

$(FUZZ_TESTS):
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(FUZZ_CC) $(FUZZ_SANITIZERS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka -lm

.PHONY: fuzz
fuzz: $(FUZZ_TESTS)
	@for test in $(FUZZ_TESTS); do \
		echo "  RUN     $$test"; mkdir -p $$test.corpus; \
		ASAN_OPTIONS=detect_odr_violation=0 $$test -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -artifact_prefix=$$test. $$test.corpus || exit 1; done
