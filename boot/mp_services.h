/* SPDX-License-Identifier: Apache-2.0 */
/* mp_services.h: EFI_MP_SERVICES_PROTOCOL (PI 1.8 Vol. 2 §13.3), as far as it is used: counting CPUs. */
#ifndef CL_BOOT_MP_SERVICES_H
#define CL_BOOT_MP_SERVICES_H

#include <efi.h>

#define EFI_MP_SERVICES_PROTOCOL_GUID                                                                                  \
    {                                                                                                                  \
        0x3fdda605, 0xa76e, 0x4f46,                                                                                    \
        {                                                                                                              \
            0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08                                                             \
        }                                                                                                              \
    }

/* StatusFlag of EFI_PROCESSOR_INFORMATION */
#define PROCESSOR_AS_BSP_BIT 0x1u
#define PROCESSOR_ENABLED_BIT 0x2u
#define PROCESSOR_HEALTH_STATUS_BIT 0x4u

typedef struct {
    UINT64 ProcessorId; /* the local APIC ID */
    UINT32 StatusFlag;
    UINT32 Location[3];         /* package, core, thread */
    UINT32 ExtendedLocation[6]; /* only filled when asked for */
} EFI_PROCESSOR_INFORMATION;

typedef struct EFI_MP_SERVICES_PROTOCOL EFI_MP_SERVICES_PROTOCOL;
struct EFI_MP_SERVICES_PROTOCOL {
    EFI_STATUS(EFIAPI *GetNumberOfProcessors)(EFI_MP_SERVICES_PROTOCOL *This, UINTN *Number, UINTN *Enabled);
    EFI_STATUS(EFIAPI *GetProcessorInfo)(EFI_MP_SERVICES_PROTOCOL *This, UINTN Index, EFI_PROCESSOR_INFORMATION *Info);
};

#endif
