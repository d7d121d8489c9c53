# SPDX-License-Identifier: Apache-2.0
# build.mk: the machine monitor, one program for all VMs (build/vmm/vmm.elf).

VMM_SOURCES := $(wildcard vmm/*.c)
VMM_OBJECTS := $(VMM_SOURCES:%.c=build/%.o)
VMM_ELF := build/vmm/vmm.elf

# The AML of the machine as a C array.
build/vmm/dsdt.h: vmm/dsdt.asl
	@mkdir -p $(@D)
	@echo "  IASL    $<"
	@iasl -p build/vmm/dsdt -tc $< >build/vmm/dsdt.log || { cat build/vmm/dsdt.log; exit 1; }
	@sed 's/unsigned char/static const unsigned char/' build/vmm/dsdt.hex >$@

build/vmm/acpi_tables.o build/host/vmm/acpi_tables.o: build/vmm/dsdt.h

$(eval $(call program,$(VMM_ELF),$(VMM_OBJECTS),$(THIRD_PARTY_LIB)/libzydis.a $(THIRD_PARTY_LIB)/libcjson.a))

IMAGE_MEMBERS += vmm.elf=$(VMM_ELF)
