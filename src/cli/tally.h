/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How far a rollout is, counted, and when it will end. */
#pragma once

#include <virt-roll/rollout.h>

G_BEGIN_DECLS

typedef struct {
    guint hosts_to_update;
    guint hosts_updated;
    guint hosts_left_out; /* skipped for another reason than that the request said so */
    guint vms_to_migrate;
    guint vms_migrated; /* VMs of which every planned migration has settled */
    guint vms_stopped;  /* shut down by their owner: stay where they are */
    guint migrations;   /* issued, further attempts included */
    guint migrations_in_flight;
    guint needs_operator;    /* steps */
    gint64 data_mib;         /* sum of what is known */
    gint64 downtime_ms_max;  /* VR_UNKNOWN: none reported */
    const char *downtime_vm; /* (nullable) of that one; borrowed */
} VrTally;

/* Of a rollout with a basis. */
VrTally vr_tally_count(const VrRollout *rollout);

/* Was the host left out for a reason of its own, and not because the request said so? */
gboolean vr_tally_is_left_out(const VrPlanSkip *skip);

/*
 * The plan's forecast from where things stand: finished steps at their real times, the others as
 * long as planned, none before now.
 */
gint64 vr_tally_forecast_end_us(const VrRollout *rollout, gint64 now_us);

/* From its start to its end, or until now. */
gint64 vr_tally_duration_us(const VrRollout *rollout, gint64 now_us);

/* Exit status of a command that ends with the rollout like this. */
int vr_tally_exit_status(const VrRollout *rollout);

/* Was the migration's call issued at least once, and not only found done? */
gboolean vr_tally_was_issued(const VrStepState *step);

/* Of a migration that has settled: what libvirt says it took, else from the call on. */
gint64 vr_tally_migration_us(const VrStepState *step);

/* The phase of a step, or where it was when it came to need a person. */
VrPhase vr_tally_phase_reached(const VrStepState *step);

/* Why it is where it is, and the word under which docs/reference/failures.md tells more.
 * (transfer full) */
char *vr_tally_reason(const VrStepState *step);

/* Is the host of an update step closed to guests? */
gboolean vr_tally_is_host_closed(const VrStepState *step);

/* May a VM be between its hosts, as far as the journal knows? */
gboolean vr_tally_is_vm_between(const VrStepState *step);

G_END_DECLS
