/* SPDX-License-Identifier: Apache-2.0 */
/* config.c: from a tree of JSON to struct config, as the schema says. */
#include "services/config/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cJSON.h>

#include "services/common/words.h"
#include "services/config/schema.h"
#include "services/config/values.h"

#define PATH_MAX_BYTES 160
#define FOUND_MAX 72
#define KEYS_MAX 40

/* Where in the tree we are, for messages; "" at the root. */
struct place {
    char path[PATH_MAX_BYTES];
    struct config_error *error;
};

static enum cl_status read_table(const cJSON *node, const struct schema_table *table, void *target,
                                 const struct place *place);

__attribute__((format(printf, 3, 4))) static enum cl_status refuse(const struct place *place, const char *key,
                                                                   const char *format, ...)
{
    struct config_error *error = place->error;
    va_list arguments;
    int length = snprintf(error->text, sizeof(error->text), "%s%s%s: ", place->path,
                          place->path[0] != '\0' && key[0] != '\0' ? "." : "", key);

    if (length < 0 || (size_t)length >= sizeof(error->text))
        return CL_BAD_ARGUMENT;
    va_start(arguments, format);
    vsnprintf(error->text + length, sizeof(error->text) - (size_t)length, format, arguments);
    va_end(arguments);
    return CL_BAD_ARGUMENT;
}

/* The value as it was written, shortened, with the name of its type. */
static const char *found(const cJSON *node, char text[FOUND_MAX])
{
    char *printed;

    if (cJSON_IsObject(node))
        return "a table";
    if (cJSON_IsArray(node))
        return "a list";
    printed = cJSON_PrintUnformatted(node);
    if (printed == NULL)
        return "a value";
    if (strlen(printed) < FOUND_MAX)
        snprintf(text, FOUND_MAX, "%s", printed);
    else
        snprintf(text, FOUND_MAX, "%.*s...", FOUND_MAX - 8, printed);
    cJSON_free(printed);
    return text;
}

static enum cl_status refuse_value(const struct place *place, const struct schema_key *key, const cJSON *node,
                                   const char *right)
{
    char text[FOUND_MAX];

    return refuse(place, key->name, "found %s; right would be %s", found(node, text), right);
}

/* "restart", "destroy" or "preserve" */
static void list_choices(const char *const *choices, char *text, size_t size)
{
    size_t length = 0;

    text[0] = '\0';
    for (size_t i = 0; choices[i] != NULL && length < size; i++) {
        const char *before = i == 0 ? "" : choices[i + 1] == NULL ? " or " : ", ";
        int wrote = snprintf(text + length, size - length, "%s\"%s\"", before, choices[i]);
        length += wrote > 0 ? (size_t)wrote : 0;
    }
}

static enum cl_status read_choice(const cJSON *node, const struct schema_key *key, uint32_t *value,
                                  const struct place *place)
{
    char right[160];

    for (uint32_t i = 0; cJSON_IsString(node) && key->choices[i] != NULL; i++) {
        if (strcmp(node->valuestring, key->choices[i]) == 0) {
            *value = i;
            return CL_OK;
        }
    }
    for (const struct schema_refusal *refusal = key->refusals;
         cJSON_IsString(node) && refusal != NULL && refusal->word != NULL; refusal++) {
        if (strcmp(node->valuestring, refusal->word) == 0)
            return refuse(place, key->name, "\"%s\" is not possible: %s", refusal->word, refusal->why);
    }
    list_choices(key->choices, right, sizeof(right));
    return refuse_value(place, key, node, right);
}

/* A whole number that fits. */
static bool whole_number(const cJSON *node, uint64_t max, uint64_t *value)
{
    double number = node->valuedouble;

    if (!cJSON_IsNumber(node) || !(number >= 0) || number > 9007199254740992.0)
        return false;
    *value = (uint64_t)number;
    return (double)*value == number && *value <= max;
}

static enum cl_status read_number(const cJSON *node, const struct schema_key *key, uint32_t *value,
                                  const struct place *place)
{
    uint64_t number;
    char right[160];

    if (whole_number(node, key->max, &number) && number >= key->min) {
        *value = (uint32_t)number;
        return CL_OK;
    }
    snprintf(right, sizeof(right), "%s, from %llu to %llu", key->right, (unsigned long long)key->min,
             (unsigned long long)key->max);
    return refuse_value(place, key, node, right);
}

static enum cl_status read_memory(const cJSON *node, const struct schema_key *key, uint64_t *value,
                                  const struct place *place)
{
    bool good = cJSON_IsString(node) && value_size(node->valuestring, value);

    if (!good && whole_number(node, key->max >> 20, value)) {
        *value <<= 20;
        good = true;
    }
    if (good && *value >= key->min && *value <= key->max && *value % (UINT64_C(2) << 20) == 0)
        return CL_OK;
    if (good && *value % (UINT64_C(2) << 20) != 0)
        return refuse_value(place, key, node, "a multiple of 2 MiB");
    return refuse_value(place, key, node, key->right);
}

static enum cl_status read_text(const cJSON *node, const struct schema_key *key, char *value, const struct place *place)
{
    if (!cJSON_IsString(node) || strlen(node->valuestring) < key->min)
        return refuse_value(place, key, node, key->right);
    if (strlen(node->valuestring) >= key->size)
        return refuse(place, key->name, "%zu bytes of text are too many; %zu are possible", strlen(node->valuestring),
                      key->size - 1);
    if (key->kind == SCHEMA_NAME && !value_is_name(node->valuestring, key->size))
        return refuse_value(place, key, node, key->right);
    memcpy(value, node->valuestring, strlen(node->valuestring) + 1);
    return CL_OK;
}

/* A path for what lies below `key`; `index` CONFIG_NO_VALUE: it is no list. */
static void go_down(struct place *down, const struct place *place, const char *key, uint32_t index)
{
    int length =
        snprintf(down->path, sizeof(down->path), "%.120s%s%s", place->path, place->path[0] != '\0' ? "." : "", key);

    down->error = place->error;
    if (index != CONFIG_NO_VALUE && length > 0 && (size_t)length < sizeof(down->path))
        snprintf(down->path + length, sizeof(down->path) - (size_t)length, "[%u]", index);
}

static enum cl_status read_tables(const cJSON *node, const struct schema_key *key, uint8_t *base,
                                  const struct place *place)
{
    uint32_t *count = (uint32_t *)(base + key->count_offset);
    const cJSON *child;

    if (!cJSON_IsArray(node))
        return refuse_value(place, key, node, key->right);
    *count = 0;
    cJSON_ArrayForEach(child, node)
    {
        uint8_t *entry = base + key->offset + *count * key->size;
        struct place down;
        if (*count == key->max)
            return refuse(place, key->name, "found more than %llu; that many are possible",
                          (unsigned long long)key->max);
        go_down(&down, place, key->name, *count);
        memcpy(entry, key->defaults, key->size);
        TRY(read_table(child, key->table, entry, &down));
        (*count)++;
    }
    return CL_OK;
}

static enum cl_status read_value(const cJSON *node, const struct schema_key *key, uint8_t *base,
                                 const struct place *place)
{
    void *field = base + key->offset;
    struct place down;

    switch (key->kind) {
    case SCHEMA_TEXT:
    case SCHEMA_NAME:
        return read_text(node, key, field, place);
    case SCHEMA_BOOL:
        if (!cJSON_IsBool(node))
            return refuse_value(place, key, node, "true or false");
        *(bool *)field = cJSON_IsTrue(node);
        return CL_OK;
    case SCHEMA_NUMBER:
        return read_number(node, key, field, place);
    case SCHEMA_MEMORY:
        return read_memory(node, key, field, place);
    case SCHEMA_CHOICE:
        return read_choice(node, key, field, place);
    case SCHEMA_MAC: {
        uint8_t *mac = field;
        bool good = cJSON_IsString(node) && value_mac(node->valuestring, mac) && (mac[0] & 1) == 0;
        return good ? CL_OK : refuse_value(place, key, node, key->right);
    }
    case SCHEMA_ADDRESS:
        if (!cJSON_IsString(node) || !value_address(node->valuestring, field))
            return refuse_value(place, key, node, key->right);
        return CL_OK;
    case SCHEMA_TABLE:
        go_down(&down, place, key->name, CONFIG_NO_VALUE);
        return read_table(node, key->table, field, &down);
    case SCHEMA_TABLES:
        return read_tables(node, key, base, place);
    case SCHEMA_REFUSED:
        break;
    }
    return refuse(place, key->name, "is not possible: %s", key->right);
}

static enum cl_status refuse_unknown(const struct schema_table *table, const struct place *place, const char *name)
{
    const char *names[KEYS_MAX];
    const char *nearest;
    char all[240];
    size_t length = 0;

    for (size_t i = 0; i < table->count; i++)
        names[i] = table->keys[i].name;
    nearest = words_nearest(name, names, table->count);
    if (nearest != NULL)
        return refuse(place, name, "there is no such key; did you mean \"%s\"?", nearest);
    all[0] = '\0';
    for (size_t i = 0; i < table->count && length < sizeof(all); i++) {
        int wrote = snprintf(all + length, sizeof(all) - length, "%s%s", i == 0 ? "" : ", ", names[i]);
        length += wrote > 0 ? (size_t)wrote : 0;
    }
    return refuse(place, name, "there is no such key; there are %s", all);
}

static enum cl_status read_table(const cJSON *node, const struct schema_table *table, void *target,
                                 const struct place *place)
{
    bool seen[KEYS_MAX] = { false };
    const cJSON *child;
    size_t i;

    if (!cJSON_IsObject(node))
        return refuse(place, "", "found something that is no table of keys and values");
    cJSON_ArrayForEach(child, node)
    {
        for (i = 0; i < table->count; i++) {
            if (strcmp(child->string, table->keys[i].name) == 0)
                break;
        }
        if (i == table->count)
            return refuse_unknown(table, place, child->string);
        if (seen[i])
            return refuse(place, child->string, "is given twice");
        seen[i] = true;
        TRY(read_value(child, &table->keys[i], target, place));
    }
    for (i = 0; i < table->count; i++) {
        if (table->keys[i].required && !seen[i])
            return refuse(place, table->keys[i].name, "is missing; right would be %s", table->keys[i].right);
    }
    return CL_OK;
}

/* cJSON looks one byte behind a text that breaks off inside an object, so it gets a copy with a NUL there. */
static cJSON *parse(const char *json, size_t length)
{
    char *copy = malloc(length + 1);
    cJSON *tree;

    if (copy == NULL)
        return NULL;
    memcpy(copy, json, length);
    copy[length] = '\0';
    tree = cJSON_ParseWithLength(copy, length);
    free(copy);
    return tree;
}

/* Of a configuration that is refused only [host] is left, if that is right by itself: a machine that was to run without
 * anybody watching still knows it. */
static void keep_host(const cJSON *tree, struct config *config)
{
    const cJSON *host = cJSON_GetObjectItemCaseSensitive(tree, "host");
    struct config_error ignored;
    const struct place place = { .path = "host", .error = &ignored };
    struct config_host kept = schema_host_defaults;

    if (host == NULL || read_table(host, &schema_host, &kept, &place) != CL_OK)
        kept = schema_host_defaults;
    memset(config, 0, sizeof(*config));
    config->host = kept;
}

enum cl_status config_read(const char *json, size_t length, struct config *config, struct config_error *error)
{
    struct place root = { .path = "", .error = error };
    cJSON *tree = parse(json, length);
    enum cl_status status;

    memset(config, 0, sizeof(*config));
    config->host = schema_host_defaults;
    snprintf(error->text, sizeof(error->text), "%s", "");
    if (tree == NULL)
        return refuse(&root, "configuration", "this is not JSON, or there is too little memory to read it");
    status = read_table(tree, &schema_config, config, &root);
    if (status == CL_OK)
        status = config_check_rules(config, error);
    if (status != CL_OK)
        keep_host(tree, config);
    cJSON_Delete(tree);
    return status;
}
