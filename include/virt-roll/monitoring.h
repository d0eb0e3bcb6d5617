/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What fleet file and policy say about the operator's monitoring. Where something is asked or run
 * (URLs, probes) stands in the fleet file, which only the operator of the controller writes; what
 * it means for a rollout (alerts, queries) in the policy. References: docs/reference/alerts.md,
 * fleet.md, policy.md.
 */
#pragma once

#include <virt-roll/enum.h>

G_BEGIN_DECLS

/* What a received alert means for its host, from the mildest to the strongest. */
#define VR_ALERT_MEANINGS(X)                                                                       \
    X(VR_ALERT_MEANING_IGNORE, "ignore")             /* nothing */                                 \
    X(VR_ALERT_MEANING_WAIT, "wait")                 /* while it fires nothing new begins there */ \
    X(VR_ALERT_MEANING_CLOSE_INTAKE, "close-intake") /* and no VM comes onto the host */           \
    X(VR_ALERT_MEANING_MIGRATE_BACK, "migrate-back") /* and its VMs leave it */
VR_DECLARE_ENUM(VrAlertMeaning, vr_alert_meaning, VR_ALERT_MEANINGS);

#define VR_ALERT_RULES_MAX 1000
#define VR_LABEL_MATCHES_MAX 16 /* of one rule */

/* A label that an alert lacks has the value "". */
typedef struct {
    char *label;
    char *pattern; /* `*`: any text, `?`: any one character, all else is itself */
} VrLabelMatch;

typedef struct {
    GPtrArray *matches; /* (element-type VrLabelMatch) by label; at least one, all must match */
    VrAlertMeaning meaning;
} VrAlertRule;

/* When the answer to a query says that a host is healthy. No data is never healthy. */
#define VR_HEALTHY_WHENS(X)                                                                        \
    X(VR_HEALTHY_WHEN_EMPTY, "empty") /* nothing is found, though `present` finds something */     \
    X(VR_HEALTHY_WHEN_AT_LEAST, "at-least") /* every value found is at least the limit */          \
    X(VR_HEALTHY_WHEN_AT_MOST, "at-most")   /* every value found is at most the limit */
VR_DECLARE_ENUM(VrHealthyWhen, vr_healthy_when, VR_HEALTHY_WHENS);

#define VR_QUERIES_MAX 64
#define VR_QUERY_LENGTH_MAX 4096

/* A Prometheus query about one host; ${host} in the texts stands for its name. */
typedef struct {
    char *name;
    char *query;
    char *present; /* empty only, else NULL: finds something if the data are there at all */
    VrHealthyWhen healthy;
    gint64 limit; /* at-least and at-most */
} VrQueryRule;

#define VR_PROBE_KINDS(X)                                                                          \
    X(VR_PROBE_KIND_TCP, "tcp")         /* takes a connection */                                   \
    X(VR_PROBE_KIND_HTTP, "http")       /* answers GET with 2xx or 3xx */                          \
    X(VR_PROBE_KIND_COMMAND, "command") /* the operator's command ends with 0 */                   \
    X(VR_PROBE_KIND_AGENT, "agent")     /* the guest agent answers a ping (through libvirt) */
VR_DECLARE_ENUM(VrProbeKind, vr_probe_kind, VR_PROBE_KINDS);

#define VR_PROBES_MAX 1000

/* How it is seen that a VM's service answers. */
typedef struct {
    char *name;
    char **vms;  /* patterns as above, of VM names; NULL-terminated, may be empty */
    char *group; /* (nullable) or all VMs of this group */
    VrProbeKind kind;
    char *address;     /* tcp, http: {vm} stands for the VM's name */
    gint64 port;       /* tcp, http */
    char *path;        /* http */
    char **argv;       /* command: argv[0] is an absolute path; NULL for the others */
    gint64 timeout_s;  /* of one try */
    gint64 interval_s; /* between tries */
    gint64 within_s;   /* after a migration, in which it must have answered */
} VrProbeRule;

/* Of the fleet. */
typedef struct {
    char *alertmanager_url; /* (nullable) without a slash at its end */
    char *prometheus_url;   /* (nullable) the same */
    char **host_labels;     /* [instance, host, nodename] labels that name a host, first wins */
    gint64 timeout_s;       /* [10] of one call */
} VrMonitoring;

/* Of the policy. */
typedef struct {
    gboolean silence;     /* [FALSE] silence the alerts of a host while it is updated */
    gboolean post_alerts; /* [FALSE] what needs a person becomes an alert in Alertmanager */
} VrMonitoringPolicy;

/* Does the probe concern this VM? `group` is nullable. */
gboolean vr_probe_rule_selects(const VrProbeRule *self, const char *vm_name, const char *group);

/* (transfer full) The query, or its `present`, asked about a host. */
char *vr_query_rule_expand(const char *query, const char *host);

/* Free functions as elements of arrays have them. */
void vr_alert_rule_free(gpointer rule);
void vr_query_rule_free(gpointer rule);
void vr_probe_rule_free(gpointer rule);

void vr_monitoring_clear(VrMonitoring *self);

G_END_DECLS
