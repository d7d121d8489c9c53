/* SPDX-License-Identifier: Apache-2.0 */
/* values.c: small parsers, each of which takes the whole text or refuses it. */
#include "services/config/values.h"

#include <ctype.h>
#include <string.h>

bool value_is_name(const char *text, size_t size)
{
    size_t length = strlen(text);

    if (length == 0 || length >= size || text[0] == '-' || text[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)text[i]) && text[i] != '-')
            return false;
    }
    return true;
}

/* A decimal number up to `max`, without sign or superfluous zeros; moves *text behind it. */
static bool number(const char **text, uint64_t max, uint64_t *value)
{
    const char *at = *text;

    if (!isdigit((unsigned char)*at) || (at[0] == '0' && isdigit((unsigned char)at[1])))
        return false;
    for (*value = 0; isdigit((unsigned char)*at); at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (*value > (max - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    *text = at;
    return true;
}

bool value_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    const char *unit;

    if (!number(&text, UINT64_MAX >> 40, bytes) || *text == '\0')
        return false;
    unit = strchr(units, toupper((unsigned char)*text));
    if (unit == NULL)
        return false;
    *bytes <<= 10 * (unit - units + 1);
    text++;
    if (strcmp(text, "iB") == 0) /* MiB, GiB mean the same */
        return true;
    return *text == '\0' || strcmp(text, "B") == 0;
}

static int hex_digit(char c)
{
    if (isdigit((unsigned char)c))
        return c - '0';
    if (isxdigit((unsigned char)c))
        return tolower((unsigned char)c) - 'a' + 10;
    return -1;
}

bool value_mac(const char *text, uint8_t mac[6])
{
    if (strlen(text) != 17)
        return false;
    for (unsigned i = 0; i < 6; i++) {
        int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);
        if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
            return false;
        mac[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool value_address(const char *text, struct config_address *address)
{
    uint64_t value = 0;

    address->address = 0;
    address->prefix = CONFIG_NO_VALUE;
    for (unsigned i = 0; i < 4; i++) {
        if (!number(&text, 255, &value))
            return false;
        address->address = address->address << 8 | (uint32_t)value;
        if (i < 3 && *text++ != '.')
            return false;
    }
    if (*text == '\0')
        return true;
    if (*text++ != '/' || !number(&text, 32, &value) || *text != '\0')
        return false;
    address->prefix = (uint32_t)value;
    return true;
}
