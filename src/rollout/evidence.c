/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rollout/decide.h"

/*
 * The guest on the source is the one that was there at begin: same libvirt id, and its CPU time has
 * not gone back (ids start again after a reboot of the host).
 */
static gboolean
is_same_instance(const VrStepState *step, const VrReading *source)
{
    /* Before a migration there is nothing to compare with; a person may have restarted it. */
    if (!step->recorded || step->phase == VR_PHASE_CHECKING || step->vouched)
        return TRUE;
    return source->libvirt_id == step->libvirt_id &&
           source->cpu_time_ns >= step->source_cpu_time_ns;
}

VrEvidence
vr_evidence(const VrStepState *step, const VrObservation *observation)
{
    return (VrEvidence){
        .elsewhere = observation->elsewhere,
        .source = observation->source.side,
        .target = observation->target.side,
        .same_instance = is_same_instance(step, &observation->source),
        .target_persistent = observation->target.persistent,
        .paused_before = step->recorded && step->paused,
    };
}
