/* SPDX-License-Identifier: Apache-2.0 */
/* values.h: the kinds of text that settings are written in: names, sizes, addresses. */
#ifndef CL_SERVICES_CONFIG_VALUES_H
#define CL_SERVICES_CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/config/config.h"

/* A name for VMs, networks and hosts: letters, digits and hyphens (RFC 1123 label), shorter than `size`. */
bool value_is_name(const char *text, size_t size);

/* "256M", "1G", "1048576K": a size in bytes. */
bool value_size(const char *text, uint64_t *bytes);

/* "02:00:00:00:00:01" */
bool value_mac(const char *text, uint8_t mac[6]);

/* "10.0.0.1" or "10.0.0.1/24" */
bool value_address(const char *text, struct config_address *address);

#endif
