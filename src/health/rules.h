/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rules, on evidence alone: so a recorded verdict can be made again. */
#pragma once

#include <virt-roll/health.h>

G_BEGIN_DECLS

/* What must hold at this sample for the rules that ask it of several in a row. */
gboolean vr_rule_steal_holds(const VrHealthEvidence *evidence, const VrHealthWindow *window,
                             gint64 wall_min_permille);
gboolean vr_rule_io_holds(const VrHealthEvidence *evidence, const VrHealthWindow *window);

/* A finding that was made is still half there. */
gboolean vr_rule_lingers(const VrHealthEvidence *evidence, VrHealthRule rule);

/* The first of the rules that fits; tier and cause belong to it. */
VrHealthFinding vr_rules_find(const VrHealthEvidence *evidence);

G_END_DECLS
