# SPDX-License-Identifier: Apache-2.0
# build.mk: unit tests. Every tests/unit/ROOM/test_X.c is one cmocka program, build/tests/unit/ROOM/test_X.
#
# What is tested with it stands in a comment among its first lines, paths relative to the root:
#
#     /* SOURCES: kernel/frames.c kernel/fake/fake.c */
#     /* LIBS: zydis cjson */
#
# It is compiled with HOST_CFLAGS (address and undefined-behaviour sanitizers, -DCL_HOST_TEST=1); objects are shared
# between tests. tools/unit-rules turns the comments into rules.

UNIT_TESTS := $(patsubst %.c,build/%,$(wildcard tests/unit/*/test_*.c))

# (Before tools/setup has run for the first time there may be no Python; make then starts afresh.)
ifneq ($(and $(filter-out $(PLAIN_VERBS),$(GOALS)),$(wildcard $(PYTHON))),)
$(shell tools/unit-rules build/tests/unit/rules.mk build/host $(wildcard tests/unit/*/test_*.c))
-include build/tests/unit/rules.mk
endif

# The kernel's files are compiled against kernel/fake/include: there the privileged instructions are calls.
build/host/kernel/%.o build/host/vmx/%.o build/host/svm/%.o $(foreach room,kernel vmx svm virt,build/host/tests/unit/$(room)/%.o): HOST_CFLAGS += -iquote kernel/fake/include

# On the fake machine the allocators are wrapped by kernel/fake/fake_allocation.c.
comma := ,
WRAPPED := pool_take pool_give frames_take frames_give

$(UNIT_TESTS):
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(HOST_CFLAGS) $(if $(filter %/fake_allocation.o,$^),$(WRAPPED:%=-Wl$(comma)--wrap=%)) -o $@ $(filter %.o,$^) \
		$(filter %.a,$^) -lcmocka -lm -lpthread
