/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What Prometheus answers to an instant query. Pure. */
#pragma once

#include <virt-roll/monitor.h>

G_BEGIN_DECLS

typedef struct {
    double value; /* may be infinite, or no number */
    char *text;   /* "node_load5{instance="h3"} 43.2", one line */
} VrFoundValue;

/*
 * The values of a vector or scalar. (transfer full) (element-type VrFoundValue) NULL: it is an
 * error, a warning (part of the data is missing), or no such answer; the error says what.
 */
GPtrArray *vr_prometheus_parse(const char *text, gsize length,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * `present` (nullable): what the rule's `present` found, for rules that have it. The detail begins
 * with the rule's name. (transfer full)
 */
VrQueryAnswer vr_prometheus_judge(const VrQueryRule *rule, const GPtrArray *present,
                                  const GPtrArray *found, char **out_detail);

G_END_DECLS
