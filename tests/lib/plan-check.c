/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <string.h>

#include "forecast-check.h"
#include "plan-check.h"

typedef struct {
    gboolean updated, skipped, down, leaving; /* leaving: its drain has begun */
    gint64 memory_mib, vcpus;                 /* in use, places for VMs on their way included */
    guint updates;
} Host;

typedef struct {
    int host, target; /* target -1: not in flight */
    gboolean held;    /* a gate must pass before the host that it left is updated */
    guint forward;
    int left; /* the host that it left for an updated one; -1: none */
} Vm;

typedef struct {
    int host, source, vm, target; /* indices; -1 */
    GArray *covers;               /* gate: VMs that had settled when it started */
} Step;

typedef enum { WAITING, RUNNING, DONE } Phase;

typedef struct {
    const VrInventory *inventory;
    const VrPolicy *policy;
    const VrPlan *plan;
    Host *hosts;
    Vm *vms;
    Step *steps;
    Phase *phases;
    guint32 random;
    guint done, down;
    int canary; /* the first updated host that took a VM in this replay; -1 */
    gboolean canary_passed;
    gint64 *idle; /* per host: how many of its pool were empty at the start; -1: none needed */
    char *broken;
} Check;

static void G_GNUC_PRINTF(3, 4) breaks(Check *self, guint step, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    if (self->broken == NULL)
        self->broken = step > 0 ? g_strdup_printf("step %u: %s", step, text) : g_strdup(text);
}

static guint
pick(Check *self, guint bound)
{
    self->random = self->random * 1664525u + 1013904223u;
    return (self->random >> 8) % bound;
}

static const VrHost *
host_at(const Check *self, int index)
{
    return g_ptr_array_index(self->inventory->hosts, (guint)index);
}

static const VrVm *
vm_at(const Check *self, int index)
{
    return g_ptr_array_index(self->inventory->vms, (guint)index);
}

static int
find_host(const Check *self, const char *name)
{
    for (guint i = 0; name != NULL && i < self->inventory->hosts->len; i++) {
        if (strcmp(host_at(self, (int)i)->name, name) == 0)
            return (int)i;
    }
    return -1;
}

static int
find_vm(const Check *self, const char *uuid)
{
    for (guint i = 0; uuid != NULL && i < self->inventory->vms->len; i++) {
        if (strcmp(vm_at(self, (int)i)->uuid, uuid) == 0)
            return (int)i;
    }
    return -1;
}

static gboolean
runs_somewhere(const VrVm *vm)
{
    return vm->state == VR_VM_RUNNING || vm->state == VR_VM_PAUSED;
}

static gboolean
is_at(const Check *self, guint vm, int host)
{
    return self->vms[vm].host == host || self->vms[vm].target == host;
}

static gint64
usable_mib(const Check *self, int host)
{
    return host_at(self, host)->memory_mib * (1000 - self->policy->limits.headroom_permille) / 1000;
}

static void
check_room(Check *self, guint id, int host)
{
    const Host *own = &self->hosts[host];
    gint64 cpu_max = self->policy->limits.target_cpu_permille_max, used = 0;

    if (own->memory_mib > usable_mib(self, host))
        breaks(self, id, "%s holds %" G_GINT64_FORMAT " MiB of %" G_GINT64_FORMAT,
               host_at(self, host)->name, own->memory_mib, usable_mib(self, host));
    if (own->vcpus > host_at(self, host)->vcpus)
        breaks(self, id, "%s holds %" G_GINT64_FORMAT " vCPUs of %" G_GINT64_FORMAT,
               host_at(self, host)->name, own->vcpus, host_at(self, host)->vcpus);
    for (guint i = 0; i < self->inventory->vms->len; i++) {
        const VrVm *vm = vm_at(self, (int)i);
        if (runs_somewhere(vm) && is_at(self, i, host))
            used += MAX(vm->cpu_used_permille, 0) * vm->vcpus;
    }
    if (cpu_max > 0 && used > cpu_max * host_at(self, host)->vcpus)
        breaks(self, id, "%s would be too busy", host_at(self, host)->name);
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

/* All the hosts of a group's VMs, targets included: at most two while it moves, then one again. */
static void
check_together(Check *self, guint id, int group)
{
    int first = -1, second = -1, before = -1;

    for (guint i = 0; i < self->inventory->vms->len; i++) {
        const VrVm *vm = vm_at(self, (int)i);
        if (vm->group_index != group || !runs_somewhere(vm))
            continue;
        if (before >= 0 && before != find_host(self, vm->host))
            return; /* it was apart before we came */
        before = find_host(self, vm->host);
    }
    for (guint i = 0; i < self->inventory->vms->len; i++) {
        if (vm_at(self, (int)i)->group_index != group || !runs_somewhere(vm_at(self, (int)i)))
            continue;
        int places[] = {self->vms[i].host, self->vms[i].target};
        for (guint p = 0; p < G_N_ELEMENTS(places); p++) {
            if (places[p] < 0 || places[p] == first || places[p] == second)
                continue;
            if (second >= 0)
                breaks(self, id, "an affinity group is on three hosts");
            if (first < 0)
                first = places[p];
            else
                second = places[p];
        }
    }
    if (self->done == self->plan->steps->len && second >= 0)
        breaks(self, id, "an affinity group ends apart");
}

static void
check_rules(Check *self, guint id, int index, int target)
{
    const VrVm *vm = vm_at(self, index);
    gint64 members = 0;

    for (guint i = 0; i < self->inventory->vms->len; i++) {
        const VrVm *other = vm_at(self, (int)i);
        if ((int)i == index || !is_at(self, i, target))
            continue;
        if (strcmp(other->name, vm->name) == 0)
            breaks(self, id, "two VMs named %s on %s", vm->name, host_at(self, target)->name);
        members += other->group_index == vm->group_index && runs_somewhere(other);
    }
    if (vm->group_index < 0)
        return;
    const VrGroup *group = g_ptr_array_index(self->inventory->groups, (guint)vm->group_index);
    gboolean listed = is_listed(group, host_at(self, target)->name);
    if (group->rule == VR_GROUP_ANTI_AFFINITY && members + 1 > group->max_per_host)
        breaks(self, id, "too many of group %s on %s", group->name, host_at(self, target)->name);
    if ((group->rule == VR_GROUP_ONLY_HOSTS && !listed) ||
        (group->rule == VR_GROUP_NEVER_HOSTS && listed))
        breaks(self, id, "group %s may not run on %s", group->name, host_at(self, target)->name);
    if (group->rule == VR_GROUP_AFFINITY)
        check_together(self, id, vm->group_index);
}

static gint64
canary_gate_s(const Check *self)
{
    return MAX(self->policy->limits.gate_s, self->policy->limits.gate_canary_s);
}

static void
check_canary(Check *self, guint id, int target)
{
    if (self->canary < 0)
        self->canary = target;
    if (self->canary != target && !self->canary_passed && canary_gate_s(self) > 0)
        breaks(self, id, "%s takes VMs before the canary's gate has passed",
               host_at(self, target)->name);
}

static void
start_migration(Check *self, const VrPlanStep *step, const Step *own)
{
    Vm *vm = &self->vms[own->vm];
    Host *source = &self->hosts[own->source], *target = &self->hosts[own->target];

    if (vm->host != own->source || vm->target >= 0)
        breaks(self, step->id, "the VM is not at rest on its source");
    if (!runs_somewhere(vm_at(self, own->vm)) || !vm_at(self, own->vm)->movable)
        breaks(self, step->id, "the VM cannot be migrated");
    if (source->updated || source->skipped || source->down)
        breaks(self, step->id, "the source has no need to be emptied");
    if (target->skipped || target->down || own->target == own->source)
        breaks(self, step->id, "the target cannot take VMs");
    if (strcmp(host_at(self, own->source)->pool, host_at(self, own->target)->pool) != 0)
        breaks(self, step->id, "the target is in another pool");
    if (!step->extra && !target->updated)
        breaks(self, step->id, "the target is not updated");
    if (step->extra && (target->updated || target->leaving))
        breaks(self, step->id, "an extra onto a host that is closed, or updated");
    source->leaving = TRUE;
    vm->target = own->target;
    target->memory_mib += vm_at(self, own->vm)->memory_mib;
    target->vcpus += vm_at(self, own->vm)->vcpus;
    check_room(self, step->id, own->target);
    check_rules(self, step->id, own->vm, own->target);
    if (step->extra)
        return;
    check_canary(self, step->id, own->target);
    if (++vm->forward > 1)
        breaks(self, step->id, "the VM's second migration onto an updated host");
    vm->left = own->source;
    vm->held = self->policy->limits.gate_s > 0 || (canary_gate_s(self) > 0 && !self->canary_passed);
}

static void
end_migration(Check *self, const Step *own)
{
    Vm *vm = &self->vms[own->vm];

    self->hosts[own->source].memory_mib -= vm_at(self, own->vm)->memory_mib;
    self->hosts[own->source].vcpus -= vm_at(self, own->vm)->vcpus;
    vm->host = own->target;
    vm->target = -1;
}

static void
start_update(Check *self, guint id, int host)
{
    Host *own = &self->hosts[host];

    if (own->updated || own->skipped || own->down)
        breaks(self, id, "%s needs no update", host_at(self, host)->name);
    for (guint i = 0; i < self->inventory->vms->len; i++) {
        const VrVm *vm = vm_at(self, (int)i);
        if (runs_somewhere(vm) && is_at(self, i, host))
            breaks(self, id, "%s is updated with %s on it", host_at(self, host)->name, vm->name);
        if (!runs_somewhere(vm) && self->vms[i].host == host &&
            (vm->autostart || vm->state != VR_VM_SHUT_OFF ||
             self->policy->offline_vms == VR_OFFLINE_VMS_BLOCK))
            breaks(self, id, "%s is updated with %s defined", host_at(self, host)->name, vm->name);
        if (self->vms[i].left == host && self->vms[i].held)
            breaks(self, id, "%s is updated before the gate of %s", host_at(self, host)->name,
                   vm->name);
    }
    own->down = TRUE;
    own->updates++;
    self->down++;
}

static void
start_gate(Check *self, const VrPlanStep *step, Step *own)
{
    if (!self->hosts[own->host].updated || self->hosts[own->source].updated)
        breaks(self, step->id, "a gate between the wrong hosts");
    g_array_set_size(own->covers, 0);
    for (guint i = 0; i < self->inventory->vms->len; i++) {
        const Vm *vm = &self->vms[i];
        if (vm->left == own->source && vm->host == own->host && vm->target < 0)
            g_array_append_val(own->covers, i);
    }
    if (own->covers->len == 0)
        breaks(self, step->id, "a gate for no VM");
}

/* Empty, up, and nothing on its way to it. */
static gint64
count_idle(const Check *self, int of)
{
    gint64 count = 0;

    for (guint i = 0; i < self->inventory->hosts->len; i++)
        count += strcmp(host_at(self, (int)i)->pool, host_at(self, of)->pool) == 0 &&
                 !self->hosts[i].down && self->hosts[i].memory_mib == 0;
    return count;
}

/* Where there were enough spare hosts at the start, there always are, if VMs migrate at all. */
static void
check_spares(Check *self, guint id, int host)
{
    gint64 min = self->policy->limits.spare_hosts_min;

    if (self->idle[host] >= min && count_idle(self, host) < min)
        breaks(self, id, "fewer than %" G_GINT64_FORMAT " hosts are spare", min);
}

static void
start_step(Check *self, guint index)
{
    const VrPlanStep *step = vr_plan_step(self->plan, index);
    Step *own = &self->steps[index];

    self->phases[index] = RUNNING;
    switch (step->kind) {
    case VR_STEP_MIGRATE:
        start_migration(self, step, own);
        check_spares(self, step->id, own->target);
        break;
    case VR_STEP_UPDATE:
        start_update(self, step->id, own->host);
        check_spares(self, step->id, own->host);
        break;
    case VR_STEP_GATE:
        start_gate(self, step, own);
        break;
    }
}

static void
end_step(Check *self, guint index)
{
    const VrPlanStep *step = vr_plan_step(self->plan, index);
    Step *own = &self->steps[index];

    self->phases[index] = DONE;
    self->done++;
    switch (step->kind) {
    case VR_STEP_MIGRATE:
        end_migration(self, own);
        break;
    case VR_STEP_UPDATE:
        self->hosts[own->host].down = FALSE;
        self->hosts[own->host].updated = TRUE;
        self->hosts[own->host].leaving = FALSE;
        self->down--;
        break;
    case VR_STEP_GATE:
        for (guint i = 0; i < own->covers->len; i++)
            self->vms[g_array_index(own->covers, guint, i)].held = FALSE;
        self->canary_passed |= own->host == self->canary;
        break;
    }
}

/* Limits that hold at run time: what they forbid waits. */
static gboolean
may_go_down(const Check *self, int host)
{
    const VrLimits *limits = &self->policy->limits;
    const char *domain = host_at(self, host)->failure_domain;
    gint64 down_max = limits->hosts_down_max, in_domain = 0;

    if (down_max == 0)
        down_max =
            MAX(1, (gint64)self->inventory->hosts->len * limits->hosts_down_max_permille / 1000);
    for (guint i = 0; i < self->inventory->hosts->len; i++)
        in_domain += self->hosts[i].down && domain != NULL &&
                     g_strcmp0(host_at(self, (int)i)->failure_domain, domain) == 0;
    return self->down < down_max && (limits->hosts_down_per_domain_max == 0 ||
                                     in_domain < limits->hosts_down_per_domain_max);
}

static gboolean
is_free(const Check *self, guint index)
{
    const GArray *after = vr_plan_step(self->plan, index)->after;

    for (guint i = 0; i < after->len; i++) {
        if (self->phases[g_array_index(after, guint, i) - 1] != DONE)
            return FALSE;
    }
    return self->phases[index] == WAITING;
}

static void
reset(Check *self)
{
    guint host_count = self->inventory->hosts->len;

    memset(self->hosts, 0, sizeof(Host) * host_count);
    memset(self->phases, 0, sizeof(Phase) * self->plan->steps->len);
    self->done = self->down = 0;
    self->canary = -1;
    self->canary_passed = FALSE;
    for (guint i = 0; i < host_count; i++)
        self->hosts[i].updated = host_at(self, (int)i)->updated == VR_UPDATED_YES;
    for (guint i = 0; i < self->plan->skipped->len; i++) {
        const VrPlanSkip *skip = g_ptr_array_index(self->plan->skipped, i);
        int host = find_host(self, skip->host);
        if (host < 0 || self->hosts[host].skipped || self->hosts[host].updated)
            breaks(self, 0, "%s is skipped, and unknown, skipped twice or updated", skip->host);
        else
            self->hosts[host].skipped = TRUE;
    }
    for (guint i = 0; i < self->inventory->vms->len; i++) {
        const VrVm *vm = vm_at(self, (int)i);
        int host = find_host(self, vm->host);
        self->vms[i] = (Vm){.host = host, .target = -1, .left = -1};
        self->hosts[host].memory_mib += runs_somewhere(vm) ? vm->memory_mib : 0;
        self->hosts[host].vcpus += runs_somewhere(vm) ? vm->vcpus : 0;
    }
}

static void
check_end(Check *self)
{
    for (guint i = 0; i < self->inventory->hosts->len; i++) {
        gboolean wanted = host_at(self, (int)i)->updated != VR_UPDATED_YES;
        if (self->hosts[i].updates != (wanted && !self->hosts[i].skipped))
            breaks(self, 0, "%s was updated %u times", host_at(self, (int)i)->name,
                   self->hosts[i].updates);
    }
    for (guint i = 0; i < self->inventory->vms->len; i++) {
        const VrVm *vm = vm_at(self, (int)i);
        int start = find_host(self, vm->host);
        gboolean wanted = runs_somewhere(vm) && self->hosts[start].updates > 0;
        if (self->vms[i].forward != (guint)wanted)
            breaks(self, 0, "%s migrated %u times onto an updated host", vm->name,
                   self->vms[i].forward);
        if (wanted && !self->hosts[self->vms[i].host].updated)
            breaks(self, 0, "%s ends on a host that is not updated", vm->name);
        if (vm->group_index >= 0 &&
            ((const VrGroup *)g_ptr_array_index(self->inventory->groups, (guint)vm->group_index))
                    ->rule == VR_GROUP_AFFINITY)
            check_together(self, 0, vm->group_index);
    }
}

/*
 * One order: at each turn a step starts or one ends. `haste` in percent is how much rather one
 * starts, `late` prefers the last of those that could: orders far from the forecast.
 */
static void
replay(Check *self, guint haste, gboolean late)
{
    guint count = self->plan->steps->len;
    g_autofree guint *could_start = g_new(guint, count + 1);
    g_autofree guint *could_end = g_new(guint, count + 1);

    reset(self);
    while (self->done < count && self->broken == NULL) {
        guint starts = 0, ends = 0;
        for (guint i = 0; i < count; i++) {
            if (is_free(self, i) && (vr_plan_step(self->plan, i)->kind != VR_STEP_UPDATE ||
                                     may_go_down(self, self->steps[i].host)))
                could_start[starts++] = i;
            if (self->phases[i] == RUNNING)
                could_end[ends++] = i;
        }
        if (starts + ends == 0) {
            breaks(self, 0, "no step can go on after %u of %u", self->done, count);
            return;
        }
        if (starts > 0 && (ends == 0 || pick(self, 100) < haste))
            start_step(self, could_start[late ? starts - 1 : pick(self, starts)]);
        else
            end_step(self, could_end[late ? ends - 1 : pick(self, ends)]);
    }
    if (self->broken == NULL)
        check_end(self);
}

static void
resolve_steps(Check *self)
{
    for (guint i = 0; i < self->plan->steps->len; i++) {
        const VrPlanStep *step = vr_plan_step(self->plan, i);
        Step *own = &self->steps[i];
        guint last = 0;
        *own = (Step){find_host(self, step->host), find_host(self, step->source),
                      find_vm(self, step->vm_uuid), find_host(self, step->target),
                      g_array_new(FALSE, FALSE, sizeof(guint))};
        gboolean complete = own->vm >= 0 && own->source >= 0 && own->target >= 0;
        if (step->kind != VR_STEP_MIGRATE)
            complete = own->host >= 0 && (own->source >= 0 || step->kind == VR_STEP_UPDATE);
        if (!complete || step->id != i + 1)
            breaks(self, step->id, "is incomplete or names what is not there");
        for (guint j = 0; j < step->after->len; j++) {
            guint id = g_array_index(step->after, guint, j);
            if (id <= last || id >= step->id)
                breaks(self, step->id, "`after` does not ascend to below it");
            last = id;
        }
    }
}

static void
note_idle(Check *self)
{
    guint steps = self->plan->steps->len;

    reset(self);
    for (guint h = 0; h < self->inventory->hosts->len; h++) {
        self->idle[h] = -1;
        for (guint i = 0; i < steps && self->idle[h] < 0; i++) {
            int source = self->steps[i].source;
            if (source >= 0 &&
                strcmp(host_at(self, source)->pool, host_at(self, (int)h)->pool) == 0)
                self->idle[h] = count_idle(self, (int)h);
        }
    }
}

char *
plan_check(const VrInventory *inventory, const VrPolicy *policy, const VrPlan *plan, guint32 seed,
           guint runs)
{
    g_autofree Host *hosts = g_new0(Host, inventory->hosts->len);
    g_autofree gint64 *idle = g_new0(gint64, inventory->hosts->len);
    g_autofree Vm *vms = g_new0(Vm, inventory->vms->len + 1);
    g_autofree Step *steps = g_new0(Step, plan->steps->len + 1);
    g_autofree Phase *phases = g_new0(Phase, plan->steps->len + 1);
    Check self = {.inventory = inventory,
                  .policy = policy,
                  .plan = plan,
                  .hosts = hosts,
                  .vms = vms,
                  .steps = steps,
                  .phases = phases,
                  .idle = idle,
                  .random = seed};

    resolve_steps(&self);
    note_idle(&self);
    for (guint i = 0; i < runs && self.broken == NULL; i++)
        replay(&self, i % 4 == 0 ? 100 : 10 + pick(&self, 80), i % 3 == 0);
    if (self.broken == NULL)
        self.broken = forecast_check(inventory, policy, plan);
    for (guint i = 0; i < plan->steps->len; i++)
        g_array_unref(steps[i].covers);
    return self.broken;
}
