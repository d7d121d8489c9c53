/* SPDX-License-Identifier: Apache-2.0 */
/* check_main.c: the host's checker: reads a configuration as JSON from standard input. tools/check hands it the TOML. */
#include <stdio.h>
#include <stdlib.h>

#include "services/config/config.h"

#define JSON_BYTES_MAX (1u << 20)

static void print_summary(const struct config *config)
{
    char line[2048];

    for (uint32_t i = 0; i < config->vm_count; i++) {
        const struct config_vm *vm = &config->vm[i];
        printf("vm %s: %llu MiB, %u CPU, %u network cards, %u disks\n", vm->name,
               (unsigned long long)(vm->memory_bytes >> 20), vm->vcpus, vm->nic_count, vm->disk_count);
        if (config_command_line(config, i, line, sizeof(line)) == CL_OK)
            printf("   command line: %s\n", line);
    }
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "configuration";
    static struct config config;
    static char json[JSON_BYTES_MAX];
    struct config_error error;
    size_t length = fread(json, 1, sizeof(json), stdin);

    if (ferror(stdin) || length == sizeof(json)) {
        fprintf(stderr, "%s: could not be read, or is longer than %u bytes\n", name, JSON_BYTES_MAX - 1);
        return EXIT_FAILURE;
    }
    if (config_read(json, length, &config, &error) != CL_OK) {
        fprintf(stderr, "%s: %s\n", name, error.text);
        return EXIT_FAILURE;
    }
    print_summary(&config);
    return EXIT_SUCCESS;
}
