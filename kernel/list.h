/* SPDX-License-Identifier: Apache-2.0 */
/* list.h: lists through a member of what is listed. A head is one pointer, NULL when the list is empty. */
#ifndef CL_KERNEL_LIST_H
#define CL_KERNEL_LIST_H

#include <stddef.h>

struct link {
    struct link *next;
    struct link **at; /* what points here: the head, or the `next` before; NULL: in no list */
};

static inline void list_push(struct link **head, struct link *link)
{
    link->next = *head;
    link->at = head;
    if (link->next != NULL)
        link->next->at = &link->next;
    *head = link;
}

/* Take it out of the list that it is in, if it is in one. */
static inline void list_remove(struct link *link)
{
    if (link->at != NULL)
        *link->at = link->next;
    if (link->next != NULL)
        link->next->at = link->at;
    *link = (struct link){ NULL, NULL };
}

#endif
