/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/sqlite/chain.h"

#include <string.h>

void
vr_sqlite_chain_init(VrSqliteChain *self)
{
    *self = (VrSqliteChain){0};
    memset(self->hash, '0', VR_SQLITE_HASH_LENGTH);
}

/* Its length stands before each field, so that no two records have the same bytes. */
static void
hash_text(GChecksum *checksum, const char *text)
{
    g_autofree char *length = g_strdup_printf("%" G_GSIZE_FORMAT ":", strlen(text));
    g_checksum_update(checksum, (const guchar *)length, -1);
    g_checksum_update(checksum, (const guchar *)text, -1);
    g_checksum_update(checksum, (const guchar *)",", 1);
}

static void
hash_number(GChecksum *checksum, gint64 number)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, number);
    hash_text(checksum, text);
}

void
vr_sqlite_chain_hash(const VrRecord *record, const char *previous_hash, char *out_hash)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_checksum_update(checksum, (const guchar *)previous_hash, VR_SQLITE_HASH_LENGTH);
    hash_number(checksum, (gint64)record->sequence);
    hash_number(checksum, record->at_us);
    hash_text(checksum, record->rollout);
    hash_text(checksum, record->kind);
    hash_number(checksum, record->version);
    hash_text(checksum, record->body);
    memcpy(out_hash, g_checksum_get_string(checksum), VR_SQLITE_HASH_SIZE);
}
