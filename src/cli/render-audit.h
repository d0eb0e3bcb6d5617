/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What audit verify prints, as pure functions; text as in render.h. */
#pragma once

#include "engine/audit.h"

G_BEGIN_DECLS

typedef struct {
    const char *path; /* of the journal */
    const VrAudit *audit;
    const char *head; /* (nullable) "SEQUENCE:HASH" of the last record of a whole journal */
} VrAuditView;

char *vr_render_audit(const VrAuditView *view);
/* `virt-roll-audit/1` */
char *vr_render_audit_json(const VrAuditView *view);

G_END_DECLS
