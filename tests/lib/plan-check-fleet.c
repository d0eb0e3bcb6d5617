/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fleet as the steps change it, and the rules that hold at every instant. */
#include <string.h>

#include "plan-check-private.h"

static const char *
name_of(const Check *self, int host)
{
    return self->hosts[host].self->name;
}

static gboolean
is_at(const Check *self, guint vm, int host)
{
    return self->vms_now[vm].host == host || self->vms_now[vm].target == host;
}

/* The VM's place on the host, taken (1) or given back (-1). */
static void
occupy(Check *self, int host, int vm, gint sign)
{
    HostNow *now = &self->hosts_now[host];

    if (!self->vms[vm].takes_room)
        return;
    now->memory_mib += sign * self->vms[vm].self->memory_mib;
    now->vcpus += sign * self->vms[vm].self->vcpus;
    now->cpu += sign * self->vms[vm].cpu;
    self->empty_count -= sign > 0 && now->vm_count == 0;
    now->vm_count += (guint)sign;
    self->empty_count += sign < 0 && now->vm_count == 0;
}

void
check_reset(Check *self)
{
    memset(self->hosts_now, 0, sizeof(HostNow) * self->host_count);
    memset(self->done, 0, self->step_count);
    memset(self->downs, 0, sizeof(guint) * self->host_count);
    self->down_count = self->in_flight = 0;
    self->empty_count = self->host_count;
    self->canary = -1;
    self->canary_passed = FALSE;
    for (guint i = 0; i < self->host_count; i++)
        self->hosts_now[i].updated = self->hosts[i].updated_at_start;
    for (guint i = 0; i < self->vm_count; i++) {
        self->vms_now[i] = (VmNow){.host = self->vms[i].host, .target = -1, .left = -1};
        occupy(self, self->vms[i].host, (int)i, 1);
    }
    self->empty_at_start = self->empty_count;
}

/* Where there were enough at the start. */
static void
check_spare(Check *self, guint id)
{
    gint64 wanted = self->policy->limits.spare_hosts_min;

    if (self->empty_count < wanted && self->empty_at_start >= wanted)
        check_breaks(self, id, "only %" G_GINT64_FORMAT " hosts stay empty", self->empty_count);
}

static void
check_room(Check *self, guint id, int host)
{
    const HostNow *now = &self->hosts_now[host];
    const HostFacts *facts = &self->hosts[host];

    if (now->memory_mib > facts->room_mib)
        check_breaks(self, id, "%s holds %" G_GINT64_FORMAT " MiB of %" G_GINT64_FORMAT,
                     name_of(self, host), now->memory_mib, facts->room_mib);
    if (now->vcpus > facts->self->vcpus)
        check_breaks(self, id, "%s holds %" G_GINT64_FORMAT " vCPUs of %" G_GINT64_FORMAT,
                     name_of(self, host), now->vcpus, facts->self->vcpus);
    if (facts->room_cpu > 0 && now->cpu > facts->room_cpu)
        check_breaks(self, id, "%s would be too busy", name_of(self, host));
}

static gboolean
is_listed(const VrGroup *group, const char *host)
{
    for (guint i = 0; i < group->hosts->len; i++) {
        if (strcmp(g_ptr_array_index(group->hosts, i), host) == 0)
            return TRUE;
    }
    return FALSE;
}

/*
 * An affinity group that was together is on two hosts at most while it moves. `places_max` is 1
 * at the end.
 */
static void
check_together(Check *self, guint id, gint group, guint places_max)
{
    const GArray *members = self->by_group[group];
    int places[2] = {-1, -1};
    guint count = 0;

    for (guint i = 1; i < members->len; i++) {
        if (self->vms[g_array_index(members, guint, i)].host !=
            self->vms[g_array_index(members, guint, 0)].host)
            return;
    }
    for (guint i = 0; i < members->len; i++) {
        const VmNow *vm = &self->vms_now[g_array_index(members, guint, i)];
        int found[] = {vm->host, vm->target};
        for (guint j = 0; j < G_N_ELEMENTS(found); j++) {
            if (found[j] < 0 || (count > 0 && found[j] == places[0]) ||
                (count > 1 && found[j] == places[1]))
                continue;
            if (count == places_max) {
                check_breaks(self, id, "affinity group %s is torn apart",
                             vr_inventory_group(self->inventory, (guint)group)->name);
                return;
            }
            places[count++] = found[j];
        }
    }
}

static void
check_group(Check *self, guint id, int index, int target)
{
    gint group_index = self->vms[index].self->group_index;
    const VrGroup *group = vr_inventory_group(self->inventory, (guint)group_index);
    const GArray *members = self->by_group[group_index];
    gboolean listed = is_listed(group, name_of(self, target));
    gint64 count = 0;

    for (guint i = 0; i < members->len; i++)
        count += is_at(self, g_array_index(members, guint, i), target);
    switch (group->rule) {
    case VR_GROUP_ANTI_AFFINITY:
        if (count > group->max_per_host)
            check_breaks(self, id, "too many of group %s on %s", group->name,
                         name_of(self, target));
        break;
    case VR_GROUP_AFFINITY:
        check_together(self, id, group_index, 2);
        break;
    case VR_GROUP_ONLY_HOSTS:
    case VR_GROUP_NEVER_HOSTS:
        if (listed != (group->rule == VR_GROUP_ONLY_HOSTS))
            check_breaks(self, id, "group %s may not run on %s", group->name,
                         name_of(self, target));
        break;
    }
}

static void
check_name(Check *self, guint id, int index, int target)
{
    const GArray *same = self->by_name[self->vms[index].name];

    for (guint i = 0; i < same->len; i++) {
        guint other = g_array_index(same, guint, i);
        if ((int)other != index && is_at(self, other, target))
            check_breaks(self, id, "two VMs named %s on %s", self->vms[index].self->name,
                         name_of(self, target));
    }
}

static void
check_canary(Check *self, guint id, int target)
{
    if (self->canary < 0)
        self->canary = target;
    if (self->canary != target && !self->canary_passed && self->canary_gate_s > 0)
        check_breaks(self, id, "%s takes VMs before the canary's gate has passed",
                     name_of(self, target));
}

static void
check_ends(Check *self, const StepFacts *step)
{
    const HostNow *source = &self->hosts_now[step->source];
    const HostNow *target = &self->hosts_now[step->target];
    guint id = step->self->id;

    if (self->hosts[step->source].skipped || self->hosts[step->target].skipped)
        check_breaks(self, id, "a host that is left out gives or takes a VM");
    if (source->down || target->down)
        check_breaks(self, id, "a host is down");
    if (step->source == step->target ||
        strcmp(self->hosts[step->source].self->pool, self->hosts[step->target].self->pool) != 0)
        check_breaks(self, id, "the target is the source, or in another pool");
    if (source->updated)
        check_breaks(self, id, "is off a host that is updated");
    if (!step->self->extra && !target->updated)
        check_breaks(self, id, "is no extra and not onto an updated host");
    if (target->held_count > 0)
        check_breaks(self, id, "%s is a refuge and takes a VM", name_of(self, step->target));
    if (target->closed)
        check_breaks(self, id, "%s is closed since a VM left it", name_of(self, step->target));
}

static void
start_migration(Check *self, StepFacts *step)
{
    VmNow *vm = &self->vms_now[step->vm];
    const VmFacts *facts = &self->vms[step->vm];
    guint id = step->self->id;

    if (vm->host != step->source || vm->target >= 0)
        check_breaks(self, id, "the VM is not at rest on its source");
    if (!vr_vm_is_active(facts->self) || !facts->self->movable)
        check_breaks(self, id, "the VM cannot be migrated");
    if (vm->left >= 0)
        check_breaks(self, id, "the VM leaves in its gate");
    check_ends(self, step);
    self->hosts_now[step->source].closed = TRUE;
    vm->target = step->target;
    occupy(self, step->target, step->vm, 1);
    check_spare(self, id);
    check_room(self, id, step->target);
    check_name(self, id, step->vm, step->target);
    if (facts->self->group_index >= 0)
        check_group(self, id, step->vm, step->target);
    if (!step->self->extra && (++vm->forward > 1 || !facts->required))
        check_breaks(self, id, "is one migration too many, or an extra");
    if (!self->hosts_now[step->target].updated)
        return;
    check_canary(self, id, step->target);
    step->needs_gate =
        !self->hosts_now[step->source].updated &&
        (self->policy->limits.gate_s > 0 || (self->canary_gate_s > 0 && !self->canary_passed));
    if (step->needs_gate) {
        vm->left = step->source;
        self->hosts_now[step->source].held_count++;
    }
}

static void
end_migration(Check *self, const StepFacts *step)
{
    occupy(self, step->source, step->vm, -1);
    self->vms_now[step->vm].host = step->target;
    self->vms_now[step->vm].target = -1;
}

static void
start_update(Check *self, const StepFacts *step)
{
    HostNow *now = &self->hosts_now[step->host];
    guint id = step->self->id;

    if (now->updated || now->down)
        check_breaks(self, id, "%s needs no update", name_of(self, step->host));
    if (now->vm_count > 0)
        check_breaks(self, id, "%s is updated with %u VMs on it or on their way",
                     name_of(self, step->host), now->vm_count);
    if (self->hosts[step->host].has_stale_definition)
        check_breaks(self, id, "%s is updated with a VM that may start", name_of(self, step->host));
    if (now->held_count > 0)
        check_breaks(self, id, "%s is updated before the gates of %u VMs",
                     name_of(self, step->host), now->held_count);
    now->down = TRUE;
}

/* Watches the VMs that came from its source and have settled. */
static void
start_gate(Check *self, guint index)
{
    const StepFacts *step = &self->steps[index];
    const GArray *leaving = self->leaving[step->source];

    if (!self->hosts_now[step->host].updated || self->hosts_now[step->source].updated ||
        self->hosts_now[step->source].down)
        check_breaks(self, step->self->id, "a gate between the wrong hosts");
    g_array_set_size(self->covers[index], 0);
    for (guint i = 0; i < leaving->len; i++) {
        guint vm = (guint)self->steps[g_array_index(leaving, guint, i)].vm;
        const VmNow *now = &self->vms_now[vm];
        if (now->left == step->source && now->host == step->host && now->target < 0)
            g_array_append_val(self->covers[index], vm);
    }
    if (self->covers[index]->len == 0)
        check_breaks(self, step->self->id, "a gate for no VM");
}

static void
end_gate(Check *self, guint index)
{
    const StepFacts *step = &self->steps[index];

    for (guint i = 0; i < self->covers[index]->len; i++) {
        VmNow *vm = &self->vms_now[g_array_index(self->covers[index], guint, i)];
        self->hosts_now[step->source].held_count -= vm->left >= 0;
        vm->left = -1;
    }
    self->canary_passed |= step->host == self->canary && step->is_canary_gate;
}

void
check_start_step(Check *self, guint index)
{
    switch (self->steps[index].self->kind) {
    case VR_STEP_MIGRATE:
        start_migration(self, &self->steps[index]);
        break;
    case VR_STEP_UPDATE:
        start_update(self, &self->steps[index]);
        break;
    case VR_STEP_GATE:
        start_gate(self, index);
        break;
    case VR_STEP_QUARANTINE:
    case VR_STEP_REOPEN: /* found not to be whole before */
        break;
    }
}

void
check_end_step(Check *self, guint index)
{
    HostNow *host = &self->hosts_now[MAX(self->steps[index].host, 0)];

    self->done[index] = TRUE;
    switch (self->steps[index].self->kind) {
    case VR_STEP_MIGRATE:
        end_migration(self, &self->steps[index]);
        break;
    case VR_STEP_UPDATE:
        host->down = FALSE;
        host->updated = TRUE;
        host->closed = FALSE;
        break;
    case VR_STEP_GATE:
        end_gate(self, index);
        break;
    case VR_STEP_QUARANTINE:
    case VR_STEP_REOPEN:
        break;
    }
}

void
check_end(Check *self)
{
    for (guint i = 0; i < self->vm_count; i++) {
        const VmNow *now = &self->vms_now[i];
        const VmFacts *vm = &self->vms[i];
        if (now->forward != (guint)vm->required)
            check_breaks(self, 0, "%s migrated %u times onto an updated host", vm->self->name,
                         now->forward);
        if (vm->required && !self->hosts_now[now->host].updated)
            check_breaks(self, 0, "%s ends on a host that is not updated", vm->self->name);
    }
    for (guint i = 0; i < self->group_count; i++) {
        if (vr_inventory_group(self->inventory, i)->rule == VR_GROUP_AFFINITY)
            check_together(self, 0, (gint)i, 1);
    }
}

gboolean
check_limits_allow(const Check *self, guint index, gint64 rate)
{
    const VrLimits *limits = &self->policy->limits;
    const StepFacts *step = &self->steps[index];

    if (step->self->kind == VR_STEP_UPDATE) {
        int domain = self->hosts[step->host].domain;
        return self->down_count < self->down_max &&
               (domain < 0 || limits->hosts_down_per_domain_max == 0 ||
                self->downs[domain] < limits->hosts_down_per_domain_max);
    }
    if (step->self->kind == VR_STEP_GATE)
        return TRUE;
    const HostNow *source = &self->hosts_now[step->source];
    const HostNow *target = &self->hosts_now[step->target];
    return source->out_count < limits->migrations_out_per_host &&
           target->in_count < limits->migrations_in_per_host &&
           (limits->migrations_max == 0 || self->in_flight < limits->migrations_max) &&
           source->out_rate + rate <= self->hosts[step->source].self->link_mib_per_s &&
           target->in_rate + rate <= self->hosts[step->target].self->link_mib_per_s &&
           rate * 2 >= step->rate_full && rate <= step->rate_full;
}

void
check_count(Check *self, guint index, gint64 rate, gint sign)
{
    const StepFacts *step = &self->steps[index];

    if (step->self->kind == VR_STEP_UPDATE) {
        self->down_count += sign;
        if (self->hosts[step->host].domain >= 0)
            self->downs[self->hosts[step->host].domain] += (guint)sign;
    }
    if (step->self->kind != VR_STEP_MIGRATE)
        return;
    self->hosts_now[step->source].out_count += sign;
    self->hosts_now[step->source].out_rate += sign * rate;
    self->hosts_now[step->target].in_count += sign;
    self->hosts_now[step->target].in_rate += sign * rate;
    self->in_flight += sign;
}
