/* SPDX-License-Identifier: Apache-2.0 */
/* acpi_tables.h: the ACPI tables of the machine, written into guest memory. */
#ifndef CL_VMM_ACPI_TABLES_H
#define CL_VMM_ACPI_TABLES_H

#include "vmm/guest_memory.h"

/* Write RSDP, XSDT, FADT, FACS, MADT, MCFG and DSDT at PLATFORM_ACPI_RSDP for a VM with `cpus` vCPUs (1 to 64).
 * CL_BAD_ARGUMENT: too many vCPUs; CL_NO_MEMORY: less than 1 MiB of RAM. */
enum cl_status acpi_tables_write(const struct guest_memory *memory, unsigned cpus) CL_MUST_CHECK;

#endif
