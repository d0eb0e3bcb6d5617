/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DIR/journal.head: the last record that was durable when this file was written. The chain cannot
 * tell that its newest records are gone, this can. It is never newer than the journal, and older
 * only if the machine died: it is not synced.
 */
#pragma once

#include "adapters/sqlite/chain.h"

G_BEGIN_DECLS

/* FALSE: nothing is known, because it is not there or does not read as a whole. */
gboolean vr_sqlite_head_read(const char *directory, VrSqliteChain *out_head);

/* For vr_sqlite_head_write; -1 and VR_ERROR_IO. */
int vr_sqlite_head_open(const char *directory, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* In place. Failure leaves an older head or none, and both are harmless. */
void vr_sqlite_head_write(int fd, const VrSqliteChain *head);

/* Another one in its place, by rename and durable. */
gboolean vr_sqlite_head_replace(const char *directory, const VrSqliteChain *head,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
