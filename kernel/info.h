/* SPDX-License-Identifier: Apache-2.0 */
/* info.h: the page of facts that every domain can read (abi/info_page.h). */
#ifndef CL_KERNEL_INFO_H
#define CL_KERNEL_INFO_H

#include "abi/info_page.h"

extern struct info_page *info_page; /* in the pool */

#endif
