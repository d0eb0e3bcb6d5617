/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "health/rules.h"

#define ROW 3              /* samples in a row make what is severe */
#define UNREAD_ROW 3       /* polls without an answer */
#define VMS_MIN 5          /* below: all VMs must show it, for twice as long */
#define CONTROL_VMS_MIN 5  /* below: unknown */
#define JUDGED_SAMPLES 12  /* before, nothing can be said about windows */
#define JUDGED_VMS 2       /* fewer that testify are no host */
#define FLEET_LOAD_Q8 80   /* x1.24 */
#define FLEET_SHIFT_Q8 110 /* x1.35 */
#define FLEET_SLOW_PERMILLE 100
#define VM_RISE_MVCPU 2500
#define CROWDED_STEAL_PERMILLE 40
#define CROWDED_CPU_PERMILLE 50 /* more than the sources had */

static gint64
over_needed(const VrHealthEvidence *evidence, gint64 vms)
{
    return vms < VMS_MIN ? 1000 : evidence->limits.vms_over_permille;
}

static gint64
hold_needed(const VrHealthEvidence *evidence, gint64 vms)
{
    return vms < VMS_MIN ? 2 * evidence->limits.hold_samples : evidence->limits.hold_samples;
}

gboolean
vr_rule_steal_holds(const VrHealthEvidence *evidence, const VrHealthWindow *window,
                    gint64 wall_min_permille)
{
    return window->evaluated && window->cpu_permille >= 0 &&
           window->cpu_permille < evidence->limits.cpu_max_permille &&
           window->steal_limit_permille >= 0 &&
           window->excess_permille >= window->steal_limit_permille &&
           window->steal_over_permille >= over_needed(evidence, window->steal_vms) &&
           window->excess_wall_permille >= wall_min_permille;
}

gboolean
vr_rule_io_holds(const VrHealthEvidence *evidence, const VrHealthWindow *window)
{
    return window->evaluated && window->io_limit_q8 >= 0 &&
           window->shift_q8 >= window->io_limit_q8 &&
           window->io_over_permille >= over_needed(evidence, window->io_vms) &&
           window->latency_us >= evidence->limits.io_floor_us;
}

typedef gboolean (*RuleTest)(const VrHealthEvidence *evidence);

static gboolean
guest_lost(const VrHealthEvidence *evidence)
{
    return evidence->guests_lost > 0;
}

static gboolean
probe_lost(const VrHealthEvidence *evidence)
{
    return evidence->probe_lost_row >= ROW;
}

static gboolean
severe_steal(const VrHealthEvidence *evidence)
{
    return evidence->severe_steal_row >= ROW;
}

static gboolean
severe_io(const VrHealthEvidence *evidence)
{
    return evidence->severe_io_row >= ROW;
}

static gboolean
io_stopped(const VrHealthEvidence *evidence)
{
    return evidence->io_stopped_row >= ROW;
}

static gboolean
critical_steal(const VrHealthEvidence *evidence)
{
    const VrHealthWindow *window = &evidence->critical;

    return evidence->held_critical_steal >= hold_needed(evidence, window->steal_vms) &&
           vr_rule_steal_holds(evidence, window, evidence->limits.steal_critical_wall_permille);
}

static gboolean
critical_io(const VrHealthEvidence *evidence)
{
    const VrHealthWindow *window = &evidence->critical;

    return evidence->held_critical_io >= hold_needed(evidence, window->io_vms) &&
           vr_rule_io_holds(evidence, window);
}

static gboolean
drift_steal(const VrHealthEvidence *evidence)
{
    return evidence->drift_steal_limit_permille >= 0 &&
           evidence->drift_steal_permille >= evidence->drift_steal_limit_permille;
}

static gboolean
drift_io(const VrHealthEvidence *evidence)
{
    return evidence->drift_io_limit_q8 >= 0 && evidence->drift_io_q8 >= evidence->drift_io_limit_q8;
}

static gboolean
has_controls(const VrHealthEvidence *evidence)
{
    return evidence->control_vms >= CONTROL_VMS_MIN;
}

static gboolean
stalls(const VrHealthEvidence *evidence)
{
    return has_controls(evidence) && evidence->stalls >= evidence->limits.stall_samples;
}

static gboolean
relative_steal(const VrHealthEvidence *evidence)
{
    const VrHealthWindow *window = &evidence->relative;

    return evidence->held_relative_steal >= hold_needed(evidence, window->steal_vms) &&
           vr_rule_steal_holds(evidence, window, G_MININT64);
}

static gboolean
relative_io(const VrHealthEvidence *evidence)
{
    const VrHealthWindow *window = &evidence->relative;

    return evidence->held_relative_io >= hold_needed(evidence, window->io_vms) &&
           vr_rule_io_holds(evidence, window);
}

static gboolean
severe_crowding(const VrHealthEvidence *evidence)
{
    return evidence->severe_crowding_row >= ROW;
}

static gboolean
host_unread(const VrHealthEvidence *evidence)
{
    return evidence->unread_row >= UNREAD_ROW;
}

static gboolean
steal_unavailable(const VrHealthEvidence *evidence)
{
    return evidence->steal_unavailable != 0;
}

/* The limits of findings at this part (1: whole, 2: half) of their height. */

static gboolean
fleet_at(const VrHealthEvidence *evidence, gint64 part)
{
    return evidence->control_load_q8 >= FLEET_LOAD_Q8 / part ||
           evidence->control_shift_q8 >= FLEET_SHIFT_Q8 / part ||
           evidence->control_slow_permille >= FLEET_SLOW_PERMILLE / part;
}

static gboolean
vm_load_at(const VrHealthEvidence *evidence, gint64 part)
{
    return evidence->rise_vm_mvcpu >= VM_RISE_MVCPU / part &&
           evidence->rise_vm_mvcpu * 2 >= evidence->rise_all_mvcpu;
}

static gboolean
crowded_at(const VrHealthEvidence *evidence, gint64 part)
{
    const VrHealthWindow *window = &evidence->relative;

    return window->evaluated && window->steal_vms > 0 && window->cpu_felt_permille >= 0 &&
           evidence->cpu_before_permille >= 0 &&
           window->excess_raw_permille >= CROWDED_STEAL_PERMILLE / part &&
           window->cpu_felt_permille >= evidence->cpu_before_permille + CROWDED_CPU_PERMILLE / part;
}

static gboolean
vm_io_at(const VrHealthEvidence *evidence)
{
    return evidence->vms_slow >= 1 && evidence->vms_slow * 3 <= evidence->vms;
}

static gboolean
too_full_at(const VrHealthEvidence *evidence, gint64 part)
{
    const VrHealthWindow *window = &evidence->relative;

    return window->evaluated && window->steal_limit_permille >= 0 &&
           window->excess_permille >= window->steal_limit_permille / part &&
           window->cpu_permille >= evidence->limits.cpu_max_permille;
}

static gboolean
fleet_wide(const VrHealthEvidence *evidence)
{
    return evidence->look_at_findings && fleet_at(evidence, 1);
}

static gboolean
vm_load(const VrHealthEvidence *evidence)
{
    return evidence->look_at_findings && vm_load_at(evidence, 1);
}

static gboolean
crowded(const VrHealthEvidence *evidence)
{
    return evidence->look_at_findings && crowded_at(evidence, 1);
}

static gboolean
vm_io(const VrHealthEvidence *evidence)
{
    return evidence->look_at_findings && vm_io_at(evidence);
}

static gboolean
too_full(const VrHealthEvidence *evidence)
{
    return evidence->look_at_findings && too_full_at(evidence, 1);
}

static gboolean
no_controls(const VrHealthEvidence *evidence)
{
    return evidence->sample >= JUDGED_SAMPLES && !has_controls(evidence);
}

static gboolean
too_few(const VrHealthEvidence *evidence)
{
    return evidence->unread_row == 0 && evidence->sample >= JUDGED_SAMPLES &&
           evidence->critical.steal_vms < JUDGED_VMS && evidence->critical.io_vms < JUDGED_VMS;
}

/* In the order in which they are asked. */
static const struct {
    VrHealthRule rule;
    VrHealthTier tier;
    VrHealthCause cause; /* update: or the host, see blame */
    RuleTest test;
} rules[] = {
    {VR_HEALTH_RULE_GUEST_LOST, VR_HEALTH_TIER_SEVERE, VR_HEALTH_CAUSE_UPDATE, guest_lost},
    {VR_HEALTH_RULE_PROBE_LOST, VR_HEALTH_TIER_SEVERE, VR_HEALTH_CAUSE_UPDATE, probe_lost},
    {VR_HEALTH_RULE_SEVERE_STEAL, VR_HEALTH_TIER_SEVERE, VR_HEALTH_CAUSE_UPDATE, severe_steal},
    {VR_HEALTH_RULE_SEVERE_IO, VR_HEALTH_TIER_SEVERE, VR_HEALTH_CAUSE_UPDATE, severe_io},
    {VR_HEALTH_RULE_IO_STOPPED, VR_HEALTH_TIER_SEVERE, VR_HEALTH_CAUSE_UPDATE, io_stopped},
    {VR_HEALTH_RULE_CRITICAL_STEAL, VR_HEALTH_TIER_CRITICAL, VR_HEALTH_CAUSE_UPDATE,
     critical_steal},
    {VR_HEALTH_RULE_CRITICAL_IO, VR_HEALTH_TIER_CRITICAL, VR_HEALTH_CAUSE_UPDATE, critical_io},
    {VR_HEALTH_RULE_DRIFT_STEAL, VR_HEALTH_TIER_DRIFT, VR_HEALTH_CAUSE_UPDATE, drift_steal},
    {VR_HEALTH_RULE_DRIFT_IO, VR_HEALTH_TIER_DRIFT, VR_HEALTH_CAUSE_UPDATE, drift_io},
    {VR_HEALTH_RULE_STALLS, VR_HEALTH_TIER_STALLS, VR_HEALTH_CAUSE_UPDATE, stalls},
    {VR_HEALTH_RULE_RELATIVE_STEAL, VR_HEALTH_TIER_RELATIVE, VR_HEALTH_CAUSE_UPDATE,
     relative_steal},
    {VR_HEALTH_RULE_RELATIVE_IO, VR_HEALTH_TIER_RELATIVE, VR_HEALTH_CAUSE_UPDATE, relative_io},
    {VR_HEALTH_RULE_SEVERE_CROWDING, VR_HEALTH_TIER_SEVERE, VR_HEALTH_CAUSE_CROWDING,
     severe_crowding},
    {VR_HEALTH_RULE_HOST_UNREAD, VR_HEALTH_TIER_NONE, VR_HEALTH_CAUSE_UNKNOWN, host_unread},
    {VR_HEALTH_RULE_STEAL_UNAVAILABLE, VR_HEALTH_TIER_NONE, VR_HEALTH_CAUSE_UNKNOWN,
     steal_unavailable},
    {VR_HEALTH_RULE_FLEET_WIDE, VR_HEALTH_TIER_FINDING, VR_HEALTH_CAUSE_FLEET, fleet_wide},
    {VR_HEALTH_RULE_VM_LOAD, VR_HEALTH_TIER_FINDING, VR_HEALTH_CAUSE_VM, vm_load},
    {VR_HEALTH_RULE_CROWDED, VR_HEALTH_TIER_FINDING, VR_HEALTH_CAUSE_CROWDING, crowded},
    {VR_HEALTH_RULE_VM_IO, VR_HEALTH_TIER_FINDING, VR_HEALTH_CAUSE_VM, vm_io},
    {VR_HEALTH_RULE_TOO_FULL, VR_HEALTH_TIER_FINDING, VR_HEALTH_CAUSE_CROWDING, too_full},
    {VR_HEALTH_RULE_NO_CONTROLS, VR_HEALTH_TIER_NONE, VR_HEALTH_CAUSE_UNKNOWN, no_controls},
    {VR_HEALTH_RULE_TOO_FEW, VR_HEALTH_TIER_NONE, VR_HEALTH_CAUSE_UNKNOWN, too_few},
};

gboolean
vr_rule_lingers(const VrHealthEvidence *evidence, VrHealthRule rule)
{
    return (rule == VR_HEALTH_RULE_FLEET_WIDE && fleet_at(evidence, 2)) ||
           (rule == VR_HEALTH_RULE_VM_LOAD && vm_load_at(evidence, 2)) ||
           (rule == VR_HEALTH_RULE_CROWDED && crowded_at(evidence, 2)) ||
           (rule == VR_HEALTH_RULE_VM_IO && vm_io_at(evidence)) ||
           (rule == VR_HEALTH_RULE_TOO_FULL && too_full_at(evidence, 2));
}

/* One gate cannot tell the update from the host: only hosts that are well with it, or this one. */
static VrHealthCause
blame(VrHealthCause cause, const VrHealthEvidence *evidence)
{
    const gboolean well_elsewhere = evidence->peer_passed || evidence->aftercare;

    return cause == VR_HEALTH_CAUSE_UPDATE && well_elsewhere ? VR_HEALTH_CAUSE_HOST : cause;
}

VrHealthFinding
vr_rules_find(const VrHealthEvidence *evidence)
{
    for (guint i = 0; i < G_N_ELEMENTS(rules); i++) {
        if (rules[i].test(evidence))
            return (VrHealthFinding){rules[i].tier, blame(rules[i].cause, evidence), rules[i].rule};
    }
    return (VrHealthFinding){VR_HEALTH_TIER_NONE, VR_HEALTH_CAUSE_NONE, VR_HEALTH_RULE_NONE};
}

VrHealthFinding
vr_evidence_replay(const VrHealthEvidence *self)
{
    return vr_rules_find(self);
}

gboolean
vr_health_is_alert(const VrHealthFinding *self)
{
    return self->tier >= VR_HEALTH_TIER_RELATIVE &&
           (self->cause == VR_HEALTH_CAUSE_UPDATE || self->cause == VR_HEALTH_CAUSE_HOST);
}
