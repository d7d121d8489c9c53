/* SPDX-License-Identifier: Apache-2.0 */
/* volume.c: the system image, from the volume that the firmware started the loader from (UEFI 2.10 §13.4, §13.5). */
#include "boot/firmware.h"

#define IMAGE_PATH L"\\cloison\\system.img"
#define IMAGE_PATH_TEXT "\\cloison\\system.img"
#define PIECE_BYTES 0x100000u
#define IMAGE_MAX (UINT64_C(4) << 30) /* the archive's own sizes have 32 bits */

static EFI_GUID loaded_image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
static EFI_GUID file_system_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;

static enum cl_status open_volume(EFI_FILE_HANDLE *root)
{
    EFI_BOOT_SERVICES *boot = firmware->BootServices;
    EFI_LOADED_IMAGE *self;
    EFI_FILE_IO_INTERFACE *file_system;

    if (boot->HandleProtocol(firmware_self, &loaded_image_guid, (void **)&self) != EFI_SUCCESS ||
        boot->HandleProtocol(self->DeviceHandle, &file_system_guid, (void **)&file_system) != EFI_SUCCESS ||
        file_system->OpenVolume(file_system, root) != EFI_SUCCESS)
        return refuse(CL_NOT_FOUND, "The volume that the loader was started from cannot be read. Start it from a FAT "
                                    "volume that also holds " IMAGE_PATH_TEXT ".");
    return CL_OK;
}

/* The size of an open file: the position after a seek to its end. */
static EFI_STATUS file_size(EFI_FILE_HANDLE file, uint64_t *size_bytes)
{
    EFI_STATUS status = file->SetPosition(file, UINT64_MAX);

    if (status == EFI_SUCCESS)
        status = file->GetPosition(file, size_bytes);
    if (status == EFI_SUCCESS)
        status = file->SetPosition(file, 0);
    return status;
}

static enum cl_status read_all(EFI_FILE_HANDLE file, uint64_t address, uint64_t size_bytes)
{
    unsigned dots = 0;

    for (uint64_t done = 0; done < size_bytes;) {
        UINTN piece = size_bytes - done < PIECE_BYTES ? size_bytes - done : PIECE_BYTES;
        EFI_STATUS status = file->Read(file, &piece, (void *)(address + done));

        if (status != EFI_SUCCESS || piece == 0) {
            say("\n");
            return refuse(CL_CORRUPT,
                          "Reading " IMAGE_PATH_TEXT " failed after %lu of %lu bytes (UEFI status %lx). "
                          "Check the disk and write the image to it again.",
                          (unsigned long)done, (unsigned long)size_bytes, (unsigned long)status);
        }
        done += piece;
        say_progress(&dots, done, size_bytes);
    }
    return CL_OK;
}

static enum cl_status read_file(EFI_FILE_HANDLE file, uint64_t *address, uint64_t *size_bytes)
{
    EFI_STATUS status = file_size(file, size_bytes);

    if (status != EFI_SUCCESS || *size_bytes == 0 || *size_bytes > IMAGE_MAX)
        return refuse(CL_CORRUPT, IMAGE_PATH_TEXT " is empty, too large, or no file. Write the image to the disk "
                                                  "again.");
    say("Cloison loader: system image %lu KiB, reading ", (unsigned long)((*size_bytes + 1023) / 1024));
    enum cl_status result = pages_allocate(EFI_MEMORY_CLOISON_IMAGE, *size_bytes, 0, 0, "the system image", address);
    if (result != CL_OK) {
        say("\n");
        return result;
    }
    return read_all(file, *address, *size_bytes);
}

enum cl_status volume_read_image(uint64_t *address, uint64_t *size_bytes)
{
    EFI_FILE_HANDLE root, file;

    TRY(open_volume(&root));
    EFI_STATUS status = root->Open(root, &file, (CHAR16 *)IMAGE_PATH, EFI_FILE_MODE_READ, 0);
    root->Close(root);
    if (status != EFI_SUCCESS)
        return refuse(CL_NOT_FOUND,
                      "There is no " IMAGE_PATH_TEXT " on the volume that the loader was started from "
                      "(UEFI status %lx). Write the image to the disk again.",
                      (unsigned long)status);
    enum cl_status result = read_file(file, address, size_bytes);
    file->Close(file);
    return result;
}
