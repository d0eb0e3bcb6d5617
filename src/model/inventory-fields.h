/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The members of an inventory's JSON, in one table for both directions. */
#pragma once

#include <virt-roll/inventory.h>

#define VR_INVENTORY_FORMAT "virt-roll-inventory/1"

typedef enum {
    VR_FIELD_TEXT,
    VR_FIELD_HOST, /* a text that is shared */
    VR_FIELD_UUID,
    VR_FIELD_INTEGER, /* not negative; VR_UNKNOWN is left out */
    VR_FIELD_BOOLEAN,
    VR_FIELD_STATE,
    VR_FIELD_UPDATED,
    VR_FIELD_RULE,
    VR_FIELD_TEXTS,
} VrFieldKind;

/* A member of a JSON object and of the struct that it fills. */
typedef struct {
    const char *name;
    gsize offset;
    VrFieldKind kind;
    gboolean required;
} VrField;

/* The arrays of an inventory. */
typedef struct {
    const char *name;
    const VrField *fields;
    guint field_count;
    gpointer (*add)(VrInventory *inventory);
} VrInventoryKind;

/* For VrVm.host: the name as a GRefString, that of the VM before if it is the same. */
char *vr_inventory_share_host(const VrInventory *self, const char *name);

extern const VrInventoryKind vr_inventory_group_kind;
extern const VrInventoryKind vr_inventory_host_kind;
extern const VrInventoryKind vr_inventory_vm_kind;
