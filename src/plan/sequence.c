/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/cost.h"
#include "plan/sequence.h"

typedef struct {
    guint update_id; /* 0: not begun */
    gint64 updated_ms;
    guint vm_count;
    GArray *departures; /* (element-type guint) ids, since its update if it has had one */
    GArray *arrivals;   /* (element-type guint) ids, before its update */
} Place;

typedef struct {
    const VrProblem *problem;
    const VrLimits *limits;
    const GArray *hops;
    VrSchedule *schedule;
    Place *places;     /* per host */
    guint *last_steps; /* per VM: id of its hop before; 0 */
    gint64 now_ms, gate_ms, canary_ms;
    guint canary, canary_source; /* G_MAXUINT: not chosen */
    guint canary_gate;           /* id; 0 */
} Layout;

static gboolean
is_of_pair(const VrHop *hop, guint source, guint target)
{
    return !hop->extra && hop->source == source && hop->target == target;
}

/* ------------------------------------------------------------------ gates and updates */

/* Steps that brought VMs forward from the source to the target. */
static GArray *
list_pair(const Layout *self, guint source, guint target)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = 0; i < self->schedule->entries->len; i++) {
        const VrEntry *entry = &g_array_index(self->schedule->entries, VrEntry, i);
        guint id = i + 1;
        if (entry->kind == VR_STEP_MIGRATE && !entry->extra && entry->source == source &&
            entry->host == target)
            g_array_append_val(ids, id);
    }
    return ids;
}

/* Returns its id. All gates that begin now end before anything else is done. */
static guint
add_gate(Layout *self, guint source, guint target, gint64 length_ms)
{
    g_autoptr(GArray) ids = list_pair(self, source, target);
    VrEntry entry = {.kind = VR_STEP_GATE,
                     .host = target,
                     .source = source,
                     .after = vr_schedule_add_list(self->schedule, ids),
                     .start_ms = self->now_ms,
                     .end_ms = self->now_ms + length_ms};

    return vr_schedule_append(self->schedule, &entry);
}

static void
pass_canary(Layout *self)
{
    self->canary_gate = add_gate(self, self->canary_source, self->canary, self->canary_ms);
    self->now_ms += self->canary_ms;
}

/* The gates of all that went forward from the host. */
static void
add_gates(Layout *self, guint host, GArray *ids)
{
    gboolean any = FALSE;

    if (host == self->canary_source && self->canary_gate == 0)
        pass_canary(self);
    if (host == self->canary_source)
        g_array_append_val(ids, self->canary_gate);
    for (guint target = 0; target < self->problem->host_count && self->gate_ms > 0; target++) {
        g_autoptr(GArray) pair = list_pair(self, host, target);
        if (pair->len == 0 || (host == self->canary_source && target == self->canary))
            continue;
        guint gate = add_gate(self, host, target, self->gate_ms);
        g_array_append_val(ids, gate);
        any = TRUE;
    }
    self->now_ms += any ? self->gate_ms : 0;
}

/* When one host less is down; a failure domain's limit counts for the fleet here. */
static void
await_down_slot(Layout *self)
{
    gint64 max = self->limits->hosts_down_per_domain_max > 0
                     ? 1
                     : vr_policy_hosts_down_max(self->problem->policy, self->problem->host_count);

    for (;;) {
        gint64 down = 1, first_ms = G_MAXINT64;
        for (guint h = 0; h < self->problem->host_count; h++) {
            if (self->places[h].updated_ms <= self->now_ms)
                continue;
            down++;
            first_ms = MIN(first_ms, self->places[h].updated_ms);
        }
        if (down <= max)
            return;
        self->now_ms = first_ms;
    }
}

static void
update(Layout *self, guint host)
{
    Place *place = &self->places[host];
    g_autoptr(GArray) ids = g_array_copy(place->departures);

    add_gates(self, host, ids);
    await_down_slot(self);
    VrEntry entry = {.kind = VR_STEP_UPDATE,
                     .host = host,
                     .after = vr_schedule_add_list(self->schedule, ids),
                     .start_ms = self->now_ms,
                     .end_ms = self->now_ms + self->problem->hosts[host].update_ms};
    place->update_id = vr_schedule_append(self->schedule, &entry);
    place->updated_ms = entry.end_ms;
    g_array_set_size(place->departures, 0);
    g_array_set_size(place->arrivals, 0);
    self->schedule->host_count++;
}

/* ------------------------------------------------------------------ hops */

/* FALSE: VMs of the canary's pair are still to come, so its gate cannot begin. */
static gboolean
keep_canary_rule(Layout *self, guint index)
{
    const VrHop *hop = &g_array_index(self->hops, VrHop, index);

    if (self->canary_ms == 0 || hop->extra || self->canary_gate != 0)
        return TRUE;
    if (self->canary == G_MAXUINT) {
        self->canary = hop->target;
        self->canary_source = hop->source;
    }
    if (is_of_pair(hop, self->canary_source, self->canary))
        return TRUE;
    for (guint i = index; i < self->hops->len; i++) {
        if (is_of_pair(&g_array_index(self->hops, VrHop, i), self->canary_source, self->canary))
            return FALSE;
    }
    pass_canary(self);
    return TRUE;
}

static guint
list_after(Layout *self, const VrHop *hop, guint vm)
{
    const Place *source = &self->places[hop->source], *target = &self->places[hop->target];
    g_autoptr(GArray) ids = g_array_copy(target->departures);

    /* A host may be closed when a VM leaves it: by then what was to come has come. */
    g_array_append_vals(ids, source->arrivals->data, source->arrivals->len);
    if (target->update_id != 0)
        g_array_append_val(ids, target->update_id);
    if (self->last_steps[vm] != 0)
        g_array_append_val(ids, self->last_steps[vm]);
    if (!hop->extra && self->canary_gate != 0)
        g_array_append_val(ids, self->canary_gate);
    return vr_schedule_add_list(self->schedule, ids);
}

static void
migrate(Layout *self, const VrHop *hop, guint vm)
{
    const VrProblemHost *source = &self->problem->hosts[hop->source];
    const VrProblemHost *target = &self->problem->hosts[hop->target];
    gint64 rate = vr_cost_full_rate(self->limits, source->link_mib_per_s, target->link_mib_per_s);
    gint64 length_ms = vr_cost_migration_ms(self->limits, &self->problem->vms[vm].cargo, rate);
    VrEntry entry = {.kind = VR_STEP_MIGRATE,
                     .vm = vm,
                     .host = hop->target,
                     .source = hop->source,
                     .after = list_after(self, hop, vm),
                     .extra = hop->extra,
                     .start_ms = self->now_ms,
                     .end_ms = self->now_ms + length_ms,
                     .rate_mib_per_s = rate,
                     .choice = VR_CHOICE_SEQUENCE};

    guint id = vr_schedule_append(self->schedule, &entry);
    g_array_append_val(self->places[hop->source].departures, id);
    if (self->places[hop->target].update_id == 0)
        g_array_append_val(self->places[hop->target].arrivals, id);
    self->last_steps[vm] = id;
    self->now_ms = entry.end_ms;
    self->places[hop->source].vm_count--;
    self->places[hop->target].vm_count++;
    self->schedule->notes[hop->source].extra_count += hop->extra;
    self->schedule->extra_count += hop->extra;
    self->schedule->exposure_vm_ms += hop->extra ? 0 : entry.end_ms;
}

static gboolean
do_hop(Layout *self, guint index)
{
    const VrHop *hop = &g_array_index(self->hops, VrHop, index);

    if (!keep_canary_rule(self, index))
        return FALSE;
    self->now_ms = MAX(self->now_ms, self->places[hop->target].updated_ms);
    for (guint i = 0; i < hop->block->count; i++)
        migrate(self, hop, hop->block->vms[i]);
    if (self->places[hop->source].vm_count == 0 && self->places[hop->source].update_id == 0 &&
        self->problem->hosts[hop->source].role == VR_ROLE_UPDATE)
        update(self, hop->source);
    return TRUE;
}

static gboolean
lay_out(Layout *self)
{
    for (guint h = 0; h < self->problem->host_count; h++) {
        const VrProblemHost *host = &self->problem->hosts[h];
        self->places[h].departures = g_array_new(FALSE, FALSE, sizeof(guint));
        self->places[h].arrivals = g_array_new(FALSE, FALSE, sizeof(guint));
        self->places[h].vm_count = host->vms->len;
        self->schedule->notes[h].turn = host->vms->len == 0 ? VR_TURN_EMPTY : VR_TURN_SEQUENCE;
    }
    for (guint h = 0; h < self->problem->host_count; h++) {
        if (self->problem->hosts[h].role == VR_ROLE_UPDATE && self->places[h].vm_count == 0)
            update(self, h);
    }
    for (guint i = 0; i < self->hops->len; i++) {
        if (!do_hop(self, i))
            return FALSE;
    }
    return TRUE;
}

VrSchedule *
vr_sequence_lay_out(const VrProblem *problem, const GArray *hops)
{
    const VrLimits *limits = &problem->policy->limits;
    g_autoptr(VrSchedule) schedule = vr_schedule_new(problem->host_count);
    g_autofree Place *places = g_new0(Place, problem->host_count);
    g_autofree guint *last_steps = g_new0(guint, problem->vm_count);
    Layout self = {.problem = problem,
                   .limits = limits,
                   .hops = hops,
                   .schedule = schedule,
                   .places = places,
                   .last_steps = last_steps,
                   .gate_ms = limits->gate_s * 1000,
                   .canary_ms = MAX(limits->gate_s, limits->gate_canary_s) * 1000,
                   .canary = G_MAXUINT,
                   .canary_source = G_MAXUINT};
    gboolean is_sound = lay_out(&self);

    for (guint h = 0; h < problem->host_count; h++) {
        g_array_unref(places[h].departures);
        g_array_unref(places[h].arrivals);
    }
    return is_sound ? g_steal_pointer(&schedule) : NULL;
}
