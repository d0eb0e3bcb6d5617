/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A journal, looked at from its first record to its last: is it whole, and what is in it? */
#pragma once

#include <virt-roll/ports.h>
#include <virt-roll/rollout.h>

G_BEGIN_DECLS

typedef struct {
    char *rollout;
    VrRolloutPhase phase;
    guint64 first; /* sequences of its records */
    guint64 last;
    gint64 begun_us;
    gint64 last_us;
} VrAuditedRollout;

typedef struct {
    guint64 records;     /* good ones: 1 to this number */
    GPtrArray *rollouts; /* (element-type VrAuditedRollout) */
    GError *problem;     /* (nullable) what is wrong with the record after the good ones */
} VrAudit;

/*
 * Reads all of it as a restart would. VR_ERROR_CORRUPT as the problem: that record is not what was
 * written, does not read, or does not follow from those before it. Never NULL.
 */
VrAudit *vr_audit_new(const VrJournal *journal);
void vr_audit_free(VrAudit *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrAudit, vr_audit_free)

G_END_DECLS
