/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hash chain over the records; docs/internals/journal.md gives the recipe. */
#pragma once

#include <virt-roll/ports.h>

G_BEGIN_DECLS

#define VR_SQLITE_HASH_LENGTH 64
#define VR_SQLITE_HASH_SIZE (VR_SQLITE_HASH_LENGTH + 1)

/* The last record so far. */
typedef struct {
    guint64 sequence;
    char hash[VR_SQLITE_HASH_SIZE]; /* "": not known */
} VrSqliteChain;

/* Before the first record. */
void vr_sqlite_chain_init(VrSqliteChain *self);

/* `out_hash` has room for VR_SQLITE_HASH_SIZE. */
void vr_sqlite_chain_hash(const VrRecord *record, const char *previous_hash, char *out_hash);

G_END_DECLS
