# SPDX-License-Identifier: Apache-2.0
# build.mk of services/: init, console and switch for the image, and the configuration checker for the host.

SERVICES_COMMON := words.c link.c
SERVICES_CONFIG := config.c rules.c schema.c values.c
SERVICES_INIT := main.c console.c host_end.c image.c operator.c program.c service.c supervisor.c switch.c vm.c vm_end.c \
	vm_setup.c wiring.c wishes.c
SERVICES_CONSOLE := main.c commands.c command_table.c input.c line_editor.c log.c print.c scrollback.c streams.c trace.c trace_ring.c uart.c
SERVICES_SWITCH := main.c bridge.c ports.c

SERVICES_COMMON_OBJECTS := $(SERVICES_COMMON:%.c=build/services/common/%.o)
SERVICES_CONFIG_OBJECTS := $(SERVICES_CONFIG:%.c=build/services/config/%.o)

$(eval $(call program,build/services/init.elf,$(SERVICES_INIT:%.c=build/services/init/%.o) \
	$(SERVICES_CONFIG_OBJECTS) $(SERVICES_COMMON_OBJECTS),$(THIRD_PARTY_LIB)/libcjson.a))
$(eval $(call program,build/services/console.elf,$(SERVICES_CONSOLE:%.c=build/services/console/%.o) \
	$(SERVICES_COMMON_OBJECTS)))
$(eval $(call program,build/services/switch.elf,$(SERVICES_SWITCH:%.c=build/services/switch/%.o) \
	$(SERVICES_COMMON_OBJECTS)))

IMAGE_MEMBERS += init.elf=build/services/init.elf console.elf=build/services/console.elf \
	switch.elf=build/services/switch.elf

# The same checker on the building machine: tools/check hands it the configuration.
CONFIG_CHECKER := build/tools/check

$(CONFIG_CHECKER): $(SERVICES_CONFIG:%.c=build/host/services/config/%.o) build/host/services/config/check_main.o \
	build/host/services/common/words.o $(THIRD_PARTY_LIB)/host/libcjson.a
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) $(HOST_CFLAGS) -o $@ $^ -lm

all: $(CONFIG_CHECKER)
build/system.img: $(CONFIG_CHECKER)
