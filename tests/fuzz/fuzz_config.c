/* SPDX-License-Identifier: Apache-2.0 */
/* SOURCES: services/config/config.c services/config/rules.c services/config/schema.c services/config/values.c
 *          services/common/words.c */
/* LIBS: cjson */
/* fuzz_config.c: the input is edits to a whole configuration. It is read, or refused with a sentence; what was read
 * gives every VM a command line or a refusal. */
#include <stdlib.h>
#include <string.h>

#include "services/config/config.h"

#define TEXT_MAX 8192u
#define RECORD_BYTES 4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char sample[] =
    "{\"host\": {\"hostname\": \"box\", \"loglevel\": \"debug\", \"headless\": true}, \"network\": [{\"name\": \"lan\", "
    "\"subnet\": \"10.0.0.0/24\"}], \"vm\": [{\"name\": \"alpha\", \"memory\": \"1G\", \"vcpus\": 1, \"kernel\": \"k\", "
    "\"initrd\": \"i\", \"cmdline\": \"quiet\", \"nics\": [{\"network\": \"lan\", \"mac\": \"02:00:00:00:00:0A\", \"ip\": "
    "\"10.0.0.7\"}], \"disks\": [{\"image\": \"d\", \"readonly\": true}], \"console\": \"serial\", \"autostart\": false, "
    "\"local_apic\": \"hardware\", "
    "\"weight\": 2048, \"on_crash\": \"restart\", \"on_reboot\": \"destroy\", \"on_poweroff\": \"preserve\"}, {\"name\": "
    "\"beta\", \"memory\": 64, \"kernel\": \"k\", \"debug_exit\": 17, \"disk\": \"d2\", \"module\": \"m\"}]}";

static const char *const tokens[] = { "null",
                                      "true",
                                      "-1",
                                      "1e99",
                                      "18446744073709551616",
                                      "\"\"",
                                      "\"lan\"",
                                      "\"4T\"",
                                      "[]",
                                      "{}",
                                      "{\"a\":",
                                      "]",
                                      "}",
                                      ",",
                                      "\"",
                                      "\\u00",
                                      "\xff\xfe",
                                      "/32",
                                      "255.255.255.255",
                                      "0x7f",
                                      "\\",
                                      "[[[[",
                                      "ff:ff",
                                      "alpha",
                                      "beta",
                                      "\"vm\":",
                                      "\"nic\"",
                                      "%s%n" };

struct text {
    char bytes[TEXT_MAX];
    size_t length;
};

static void replace(struct text *text, size_t at, size_t old, const char *new, size_t length)
{
    if (old > text->length - at)
        old = text->length - at;
    if (text->length - old + length > TEXT_MAX)
        return;
    memmove(text->bytes + at + length, text->bytes + at + old, text->length - at - old);
    memcpy(text->bytes + at, new, length);
    text->length += length - old;
}

static void edit(struct text *text, const uint8_t *record)
{
    size_t at = (record[0] | (size_t)record[1] << 8) % (text->length + 1);
    const char *token = tokens[record[3] % (sizeof(tokens) / sizeof(*tokens))];

    switch (record[2] % 4) {
    case 0:
        replace(text, at, 1, (const char *)record + 3, 1);
        break;
    case 1:
        replace(text, at, record[3], "", 0);
        break;
    case 2:
        replace(text, at, record[2] / 4 % 8, token, strlen(token));
        break;
    default: /* from elsewhere in the text */
        replace(text, at, 0, sample + record[3] * 4u % (sizeof(sample) - 64), record[2] / 4);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config config;
    static struct text text;
    struct config_error error = { .text = "" };
    char line[2048];

    text.length = sizeof(sample) - 1;
    memcpy(text.bytes, sample, text.length);
    for (size_t at = 0; at + RECORD_BYTES <= size; at += RECORD_BYTES)
        edit(&text, data + at);
    char *copy = malloc(text.length + 1); /* of its exact size: a read behind it is caught */
    if (copy == NULL)
        return 0;
    memcpy(copy, text.bytes, text.length);
    copy = realloc(copy, text.length == 0 ? 1 : text.length);
    if (config_read(copy, text.length, &config, &error) != CL_OK) {
        if (memchr(error.text, '\0', sizeof(error.text)) == NULL || error.text[0] == '\0')
            __builtin_trap();
    } else {
        for (uint32_t vm = 0; vm < config.vm_count; vm++)
            if (config_command_line(&config, vm, line, sizeof(line)) == CL_OK &&
                memchr(line, '\0', sizeof(line)) == NULL)
                __builtin_trap();
    }
    free(copy);
    return 0;
}
