/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Facts, form and summary. */
#include <stdarg.h>
#include <string.h>

#include "plan-check-private.h"

void
check_breaks(Check *self, guint step, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    if (self->broken == NULL)
        self->broken = step > 0 ? g_strdup_printf("step %u: %s", step, text) : g_strdup(text);
}

guint
check_pick(Check *self, guint bound)
{
    self->random = self->random * 1664525u + 1013904223u;
    return (guint)(((guint64)(self->random >> 4) * bound) >> 28);
}

static GArray **
new_lists(guint count)
{
    GArray **lists = g_new(GArray *, count + 1);

    for (guint i = 0; i < count; i++)
        lists[i] = g_array_new(FALSE, FALSE, sizeof(guint));
    return lists;
}

static void
free_lists(GArray **lists, guint count)
{
    for (guint i = 0; i < count; i++)
        g_array_unref(lists[i]);
    g_free(lists);
}

static int
find_host(const Check *self, const char *name)
{
    return name != NULL ? vr_inventory_find_host(self->inventory, name) : -1;
}

static int
find_vm(const Check *self, const char *uuid)
{
    return uuid != NULL ? vr_inventory_find_vm(self->inventory, uuid) : -1;
}

static int
compare_texts(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(*(const char *const *)a, *(const char *const *)b);
}

/* Place of `text` in the sorted list. */
static int
place_of(const GPtrArray *sorted, const char *text)
{
    guint low = 0;

    for (guint high = sorted->len; low < high;) {
        guint middle = (low + high) / 2;
        if (strcmp(g_ptr_array_index(sorted, middle), text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return (int)low;
}

static void
know_hosts(Check *self)
{
    const VrLimits *limits = &self->policy->limits;
    g_autoptr(GPtrArray) domains = g_ptr_array_new();

    for (guint i = 0; i < self->host_count; i++) {
        const VrHost *host = vr_inventory_host(self->inventory, i);
        if (host->failure_domain != NULL)
            g_ptr_array_add(domains, host->failure_domain);
    }
    g_ptr_array_sort(domains, compare_texts);
    for (guint i = 0; i < self->host_count; i++) {
        const VrHost *host = vr_inventory_host(self->inventory, i);
        gint64 share = 1000 - limits->headroom_permille;
        self->hosts[i] = (HostFacts){
            .self = host,
            .room_mib = host->memory_mib / 1000 * share + host->memory_mib % 1000 * share / 1000,
            .room_cpu = limits->target_cpu_permille_max * host->vcpus,
            .domain = host->failure_domain != NULL ? place_of(domains, host->failure_domain) : -1,
            .updated_at_start = host->updated == VR_UPDATED_YES};
    }
    self->domain_count = domains->len;
}

/* A VM's use of CPU: scaled up, so that the VMs of a host add up to what was measured on it. */
static void
know_cpu(Check *self)
{
    g_autofree gint64 *sums = g_new0(gint64, self->host_count + 1);

    for (guint i = 0; i < self->vm_count; i++) {
        VmFacts *vm = &self->vms[i];
        gint64 used = vm->self->cpu_used_permille;
        if (used < 0)
            used = MAX(self->hosts[vm->host].self->cpu_used_permille, 0);
        vm->cpu = used * vm->self->vcpus;
        sums[vm->host] += vm->takes_room ? vm->cpu : 0;
    }
    for (guint i = 0; i < self->vm_count; i++) {
        VmFacts *vm = &self->vms[i];
        const VrHost *host = self->hosts[vm->host].self;
        gint64 measured = host->cpu_used_permille * host->vcpus, sum = sums[vm->host];
        if (sum > 0 && measured > sum)
            vm->cpu = (gint64)((__int128)vm->cpu * measured / sum);
    }
}

static void
know_vms(Check *self)
{
    g_autoptr(GPtrArray) names = g_ptr_array_sized_new(self->vm_count + 1);

    for (guint i = 0; i < self->vm_count; i++)
        g_ptr_array_add(names, vr_inventory_vm(self->inventory, i)->name);
    g_ptr_array_sort(names, compare_texts);
    for (guint i = 0; i < self->vm_count; i++) {
        const VrVm *vm = vr_inventory_vm(self->inventory, i);
        VmFacts *own = &self->vms[i];
        *own = (VmFacts){.self = vm,
                         .host = find_host(self, vm->host),
                         .name = place_of(names, vm->name),
                         .takes_room = vm->state != VR_VM_SHUT_OFF};
        g_array_append_val(self->by_name[own->name], i);
        if (vm->group_index >= 0 && own->takes_room)
            g_array_append_val(self->by_group[vm->group_index], i);
        if (!own->takes_room &&
            (vm->autostart || self->policy->offline_vms == VR_OFFLINE_VMS_BLOCK))
            self->hosts[own->host].has_stale_definition = TRUE;
    }
    know_cpu(self);
}

static void
know_skipped(Check *self)
{
    static const char *const reasons[] = {
        "unmovable-vm", "offline-autostart-vm", "offline-vm", "no-room",
        "excluded",     "not-selected",         NULL};
    const char *last = "";

    for (guint i = 0; i < self->plan->skipped->len; i++) {
        const VrPlanSkip *skip = g_ptr_array_index(self->plan->skipped, i);
        int host = find_host(self, skip->host);
        if (host < 0 || self->hosts[host].updated_at_start || strcmp(last, skip->host) >= 0)
            check_breaks(self, 0, "%s is skipped: unknown, updated, or out of order", skip->host);
        else
            self->hosts[host].skipped = TRUE;
        if (!g_strv_contains(reasons, skip->reason) || skip->detail == NULL)
            check_breaks(self, 0, "%s is skipped for no known reason", skip->host);
        if (strcmp(skip->reason, "no-room") == 0 && !self->policy->partial)
            check_breaks(self, 0, "%s is skipped for lack of room, not refused", skip->host);
        last = skip->host;
    }
}

static gint64
full_rate(const Check *self, const StepFacts *step)
{
    const VrLimits *limits = &self->policy->limits;
    gint64 link = MIN(self->hosts[step->source].self->link_mib_per_s,
                      self->hosts[step->target].self->link_mib_per_s);
    __int128 share = (__int128)link * limits->stream_link_permille / 1000;

    return MAX((gint64)MIN(share, limits->stream_mib_per_s), 1);
}

static gboolean
is_whole(const StepFacts *step)
{
    switch (step->self->kind) {
    case VR_STEP_MIGRATE:
        return step->vm >= 0 && step->source >= 0 && step->target >= 0;
    case VR_STEP_GATE:
        return step->host >= 0 && step->source >= 0;
    case VR_STEP_UPDATE:
        return step->host >= 0;
    case VR_STEP_QUARANTINE:
    case VR_STEP_REOPEN: /* of a way back, which nobody plans */
        return FALSE;
    }
    return FALSE;
}

static void
know_step(Check *self, guint index)
{
    const VrPlanStep *step = vr_plan_step(self->plan, index);
    StepFacts *own = &self->steps[index];
    guint last = 0;

    *own =
        (StepFacts){step,
                    find_host(self, step->host),
                    find_host(self, step->source),
                    find_vm(self, step->vm_uuid),
                    find_host(self, step->target),
                    .is_canary_gate = step->kind == VR_STEP_GATE && self->canary_gate_s > 0 &&
                                      step->end_ms - step->start_ms == self->canary_gate_s * 1000};
    if (step->id != index + 1 || step->start_ms < 0 || step->end_ms < step->start_ms)
        check_breaks(self, step->id, "its id or its times are out of order");
    for (guint i = 0; i < step->after->len; i++) {
        guint id = g_array_index(step->after, guint, i);
        if (id <= last || id > index)
            check_breaks(self, step->id, "`after` does not ascend to below it");
        else
            g_array_append_val(self->followers[id - 1], index);
        last = id;
    }
    if (!is_whole(own)) {
        check_breaks(self, step->id, "is incomplete or names what is not there");
        return;
    }
    if (step->kind == VR_STEP_UPDATE && self->hosts[own->host].update != 0)
        check_breaks(self, step->id, "%s is updated twice", step->host);
    if (step->kind == VR_STEP_UPDATE)
        self->hosts[own->host].update = step->id;
    if (step->kind != VR_STEP_MIGRATE)
        return;
    own->rate_full = full_rate(self, own);
    g_array_append_val(self->leaving[own->source], index);
    if (g_strcmp0(step->vm, vr_inventory_vm(self->inventory, (guint)own->vm)->name) != 0)
        check_breaks(self, step->id, "the VM's name is another");
}

static void
know_steps(Check *self)
{
    for (guint i = 0; i < self->step_count && self->broken == NULL; i++)
        know_step(self, i);
    for (guint i = 0; i < self->host_count && self->broken == NULL; i++) {
        const HostFacts *host = &self->hosts[i];
        if ((host->update != 0) != (!host->updated_at_start && !host->skipped))
            check_breaks(self, host->update, "%s is not updated, or for nothing", host->self->name);
    }
    for (guint i = 0; i < self->vm_count; i++) {
        VmFacts *vm = &self->vms[i];
        vm->required = vm->takes_room && self->hosts[vm->host].update != 0;
    }
}

/* Numbers that need no replay. */
static void
check_summary(Check *self)
{
    const VrPlanSummary *summary = &self->plan->summary;
    const VrLimits *limits = &self->policy->limits;
    gint64 updates = 0, migrations = 0, extras = 0, makespan_ms = 0, active = 0, required = 0;

    for (guint i = 0; i < self->step_count; i++) {
        const VrPlanStep *step = self->steps[i].self;
        updates += step->kind == VR_STEP_UPDATE;
        migrations += step->kind == VR_STEP_MIGRATE;
        extras += step->kind == VR_STEP_MIGRATE && step->extra;
        makespan_ms = MAX(makespan_ms, step->end_ms);
    }
    for (guint i = 0; i < self->vm_count; i++) {
        active += vr_vm_is_active(self->vms[i].self);
        required += self->vms[i].required;
    }
    if (summary->hosts != self->host_count || summary->hosts_to_update != updates ||
        summary->hosts_skipped != self->plan->skipped->len || summary->vms != active)
        check_breaks(self, 0, "the summary counts hosts or VMs wrongly");
    if (summary->migrations != migrations || summary->extra_migrations != extras ||
        migrations != required + extras)
        check_breaks(self, 0, "the summary counts migrations wrongly");
    if (summary->makespan_ms != makespan_ms)
        check_breaks(self, 0, "the makespan is another");
    gint64 budget = required * limits->extra_migrations_permille / 1000;
    if (extras > budget && limits->extra_migrations_needed == VR_EXTRA_NEEDED_REFUSE)
        check_breaks(self, 0, "more extra migrations than the budget");
    if (summary->migrations_lower_bound > migrations || summary->migrations_lower_bound < required)
        check_breaks(self, 0, "the bound of migrations is none");
    if (summary->makespan_lower_bound_ms > makespan_ms ||
        summary->makespan_lower_bound_within_budget_ms > makespan_ms ||
        (extras == 0 && summary->makespan_lower_bound_one_migration_ms > makespan_ms))
        check_breaks(self, 0, "a bound of the makespan is above it");
    if (summary->makespan_lower_bound_one_migration_ms <
            summary->makespan_lower_bound_within_budget_ms ||
        summary->makespan_lower_bound_within_budget_ms < summary->makespan_lower_bound_ms)
        check_breaks(self, 0, "fewer plans have a lower bound that is less");
}

static void
know_all(Check *self)
{
    const VrLimits *limits = &self->policy->limits;

    self->canary_gate_s = MAX(limits->gate_s, limits->gate_canary_s);
    self->down_max = limits->hosts_down_max;
    if (self->down_max == 0)
        self->down_max = MAX(1, (gint64)self->host_count * limits->hosts_down_max_permille / 1000);
    know_hosts(self);
    know_vms(self);
    know_skipped(self);
    know_steps(self);
}

char *
plan_check(const VrInventory *inventory, const VrPolicy *policy, const VrPlan *plan, guint32 seed,
           guint runs)
{
    Check self = {.inventory = inventory, .policy = policy, .plan = plan, .random = seed};

    self.host_count = inventory->hosts->len;
    self.vm_count = inventory->vms->len;
    self.step_count = plan->steps->len;
    self.group_count = inventory->groups->len;
    g_autofree HostFacts *hosts = self.hosts = g_new0(HostFacts, self.host_count + 1);
    g_autofree VmFacts *vms = self.vms = g_new0(VmFacts, self.vm_count + 1);
    g_autofree StepFacts *steps = self.steps = g_new0(StepFacts, self.step_count + 1);
    g_autofree HostNow *hosts_now = self.hosts_now = g_new0(HostNow, self.host_count + 1);
    g_autofree VmNow *vms_now = self.vms_now = g_new0(VmNow, self.vm_count + 1);
    g_autofree guint8 *done = self.done = g_new0(guint8, self.step_count + 1);
    g_autofree guint *downs = self.downs = g_new0(guint, self.host_count + 1);
    self.by_group = new_lists(self.group_count);
    self.by_name = new_lists(self.vm_count);
    self.leaving = new_lists(self.host_count);
    self.followers = new_lists(self.step_count);
    self.covers = new_lists(self.step_count);

    know_all(&self);
    if (self.broken == NULL)
        check_summary(&self);
    if (self.broken == NULL)
        check_proofs(&self);
    if (self.broken == NULL)
        check_forecast(&self);
    for (guint i = 0; i < runs && self.broken == NULL; i++)
        check_replay(&self, i);

    free_lists(self.by_group, self.group_count);
    free_lists(self.by_name, self.vm_count);
    free_lists(self.leaving, self.host_count);
    free_lists(self.followers, self.step_count);
    free_lists(self.covers, self.step_count);
    return self.broken;
}
