/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports to the operator's monitoring, after the rules of ports.h: a call only starts something;
 * `done` comes exactly once, from any thread, even before the call returns; what is passed is
 * borrowed and valid only during the call. Every call ends within its timeout, and what cannot be
 * learned is said to be unknown: never healthy, never bad.
 */
#pragma once

#include <virt-roll/error.h>
#include <virt-roll/monitoring.h>

G_BEGIN_DECLS

/* -------------------------------------------------------------------------- monitor */

#define VR_SILENCE_S_MAX (7 * 86400)

/* All alerts of a host, by its name and aliases in any host label, but none of our own. */
typedef struct {
    const char *host; /* as the fleet calls it */
    gint64 from_us;
    gint64 until_us;     /* it ends by itself then; at most VR_SILENCE_S_MAX after `from_us` */
    const char *comment; /* for who reads Alertmanager's list of silences */
} VrSilenceRequest;

/* An alert of our own; posted again before `until_us` it goes on. */
typedef struct {
    const char *name; /* begins with VirtRoll */
    const char *host; /* (nullable) becomes the label `host` */
    const char *severity;
    const char *fleet;
    const char *summary;
    gint64 starts_us;
    gint64 until_us; /* over from then on; in the past: resolved */
} VrPostedAlert;

#define VR_QUERY_ANSWERS(X)                                                                        \
    X(VR_QUERY_ANSWER_HEALTHY, "healthy")                                                          \
    X(VR_QUERY_ANSWER_UNHEALTHY, "unhealthy")                                                      \
    X(VR_QUERY_ANSWER_UNKNOWN, "unknown") /* no data, no answer, or one that makes no sense */
VR_DECLARE_ENUM(VrQueryAnswer, vr_query_answer, VR_QUERY_ANSWERS);

typedef struct {
    VrQueryAnswer answer;
    const char *detail; /* one line for people: what was found, or why nothing is known */
} VrQueryResult;

/* `error` NULL: all is done. An error says nothing about what the other side has done. */
typedef void (*VrMonitorDone)(const GError *error, gpointer data);
/* `ids`: NULL-terminated, to end it with; NULL after an error, and then nothing is silenced. */
typedef void (*VrSilenceDone)(char *const *ids, const GError *error, gpointer data);
typedef void (*VrQueryDone)(const VrQueryResult *result, gpointer data);

typedef struct {
    void (*silence_begin)(gpointer context, const VrSilenceRequest *request, VrSilenceDone done,
                          gpointer data);
    /* One that is over already is no error. */
    void (*silence_end)(gpointer context, char *const *ids, VrMonitorDone done, gpointer data);
    void (*post_alerts)(gpointer context, const VrPostedAlert *alerts, guint count,
                        VrMonitorDone done, gpointer data);
    /* The host as the fleet calls it. */
    void (*query)(gpointer context, const VrQueryRule *rule, const char *host, VrQueryDone done,
                  gpointer data);
} VrMonitorVTable;

typedef struct {
    gpointer context;
    const VrMonitorVTable *vtable;
} VrMonitor;

/* -------------------------------------------------------------------------- probe */

#define VR_PROBE_ENDS(X)                                                                           \
    X(VR_PROBE_END_ANSWERED, "answered")                                                           \
    X(VR_PROBE_END_NOT_ANSWERED,                                                                   \
      "not-answered")                      /* refused, silent, or said that it is not well */      \
    X(VR_PROBE_END_NOT_ASKED, "not-asked") /* says nothing about the service */
VR_DECLARE_ENUM(VrProbeEnd, vr_probe_end, VR_PROBE_ENDS);

typedef struct {
    const VrProbeRule *rule; /* of another kind than agent, which the hypervisor answers */
    const char *vm_name;
    const char *vm_uuid;
    const char *host; /* where it runs, as the fleet calls it */
} VrProbeRequest;

typedef struct {
    VrProbeEnd end;
    const char *detail; /* one line for people */
} VrProbeResult;

typedef void (*VrProbeDone)(const VrProbeResult *result, gpointer data);

typedef struct {
    /* One try. */
    void (*run)(gpointer context, const VrProbeRequest *request, VrProbeDone done, gpointer data);
} VrProbeVTable;

typedef struct {
    gpointer context;
    const VrProbeVTable *vtable;
} VrProbe;

G_END_DECLS
