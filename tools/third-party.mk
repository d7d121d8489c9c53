# SPDX-License-Identifier: Apache-2.0
# third-party.mk: static libraries made of the sources that tools/setup fetched, for ring 3 and for unit tests.
#
#   build/third-party/lib/libNAME.a        for ring 3
#   build/third-party/lib/host/libNAME.a   for unit tests, with sanitizers
#
# Their headers are found through THIRD_PARTY_CFLAGS, as system headers: our warnings are for our code. The C library
# is built by lib/build.mk.

THIRD_PARTY := build/third-party
THIRD_PARTY_LIB := $(THIRD_PARTY)/lib

# Zydis: the decoder alone. Formatter and encoder are most of its size, and nobody here prints or writes instructions.
ZYDIS_SRC := $(THIRD_PARTY)/src/zydis
ZYDIS_CFLAGS := -DZYAN_NO_LIBC -DZYDIS_STATIC_BUILD -DZYCORE_STATIC_BUILD -DZYDIS_DISABLE_FORMATTER \
	-DZYDIS_DISABLE_ENCODER -isystem $(ZYDIS_SRC)/include -isystem $(THIRD_PARTY)/zycore/usr/include
ZYDIS_FILES := Decoder DecoderData MetaInfo Mnemonic Register Segment SharedData String Utils Zydis

CJSON_SRC := $(THIRD_PARTY)/src/cjson

THIRD_PARTY_CFLAGS := $(ZYDIS_CFLAGS) -isystem $(CJSON_SRC)

# Not ours to correct: no warnings, and C aliasing rules as loose as they like.
FOREIGN_CFLAGS := -std=gnu17 -w -O2 -g -fno-strict-aliasing -fno-omit-frame-pointer
FOREIGN_USER_CFLAGS = $(FOREIGN_CFLAGS) -fno-pic -fno-pie -mcmodel=small -fstack-protector-strong \
	-fcf-protection=none -ffunction-sections -fdata-sections -nostdinc
FOREIGN_HOST_CFLAGS := $(FOREIGN_CFLAGS) -fsanitize=address

ZYDIS_USER_OBJECTS := $(ZYDIS_FILES:%=$(THIRD_PARTY)/obj/zydis/%.o)
ZYDIS_HOST_OBJECTS := $(ZYDIS_FILES:%=$(THIRD_PARTY)/obj/host/zydis/%.o)

$(THIRD_PARTY)/obj/zydis/%.o: $(ZYDIS_SRC)/src/%.c tools/third-party.mk
	@mkdir -p $(@D)
	@$(CC) $(FOREIGN_USER_CFLAGS) -ffreestanding -isystem $(GCC_INCLUDE) $(ZYDIS_CFLAGS) -I$(ZYDIS_SRC)/src -c -o $@ $<

$(THIRD_PARTY)/obj/host/zydis/%.o: $(ZYDIS_SRC)/src/%.c tools/third-party.mk
	@mkdir -p $(@D)
	@$(CC) $(FOREIGN_HOST_CFLAGS) $(ZYDIS_CFLAGS) -I$(ZYDIS_SRC)/src -c -o $@ $<

$(THIRD_PARTY)/obj/cjson/cJSON.o: $(CJSON_SRC)/cJSON.c tools/third-party.mk $(MUSL_LIB)
	@mkdir -p $(@D)
	@$(CC) $(FOREIGN_USER_CFLAGS) -isystem $(MUSL_INCLUDE) -isystem $(GCC_INCLUDE) -c -o $@ $<

$(THIRD_PARTY)/obj/host/cjson/cJSON.o: $(CJSON_SRC)/cJSON.c tools/third-party.mk
	@mkdir -p $(@D)
	@$(CC) $(FOREIGN_HOST_CFLAGS) -c -o $@ $<

$(THIRD_PARTY_LIB)/libzydis.a: $(ZYDIS_USER_OBJECTS)
	$(archive)

$(THIRD_PARTY_LIB)/host/libzydis.a: $(ZYDIS_HOST_OBJECTS)
	$(archive)

$(THIRD_PARTY_LIB)/libcjson.a: $(THIRD_PARTY)/obj/cjson/cJSON.o
	$(archive)

$(THIRD_PARTY_LIB)/host/libcjson.a: $(THIRD_PARTY)/obj/host/cjson/cJSON.o
	$(archive)
