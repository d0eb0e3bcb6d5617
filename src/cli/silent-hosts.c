/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/silent-hosts.h"

#include <string.h>

#include "cli/json-fields.h"
#include "cli/tally.h"

/* A VM of the inventory, as far as the journal knows. */
typedef struct {
    const char *host;          /* where it was seen last */
    const char *planned;       /* (nullable) target of its next migration */
    const VrStepState *moving; /* (nullable) */
    gboolean runs;
    gboolean autostart;
    gboolean has_definition;
} Place;

/* A host of the inventory, as somewhere to start a VM. */
typedef struct {
    gint64 room_mib;
    gboolean is_closed; /* and nothing else is done to it */
    gboolean is_usable;
    gboolean is_updated;
} Room;

typedef struct {
    const VrRollout *rollout;
    const VrInventory *inventory;
    Place *places; /* per VM of the inventory */
    Room *rooms;   /* per host */
    GPtrArray *hosts;
} Search;

static void
silent_host_free(gpointer data)
{
    VrSilentHost *self = data;

    g_array_unref(self->vms);
    g_free(self);
}

/* ------------------------------------------------------------------ where VMs are */

static void
follow_step(Place *place, const VrStepState *step)
{
    place->has_definition = place->has_definition || step->definition != NULL;
    if (step->recorded)
        place->autostart = step->autostart;
    if (step->phase == VR_PHASE_SETTLED) {
        place->host = step->plan->target;
        place->moving = NULL;
    } else if (step->phase == VR_PHASE_STOPPED && step->left_out) {
        if (step->seen_on_target)
            place->host = step->plan->target;
    } else if (step->phase == VR_PHASE_STOPPED) {
        place->runs = FALSE;
    } else if (vr_tally_is_vm_between(step)) {
        place->moving = step;
        if (step->seen_on_target)
            place->host = step->plan->target;
    } else if (place->planned == NULL) {
        place->planned = step->plan->target;
    }
}

/* In the plan's order, in which the migrations of one VM follow each other. */
static void
find_places(Search *self)
{
    self->places = g_new0(Place, self->inventory->vms->len);
    for (guint i = 0; i < self->inventory->vms->len; i++) {
        const VrVm *vm = vr_inventory_vm(self->inventory, i);
        self->places[i] =
            (Place){.host = vm->host, .runs = vr_vm_is_active(vm), .autostart = vm->autostart};
    }
    for (guint i = 0; i < self->rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self->rollout, i);
        gint vm = step->plan->kind == VR_STEP_MIGRATE
                      ? vr_inventory_find_vm(self->inventory, step->plan->vm_uuid)
                      : -1;
        /* What ended before the inventory was taken is in it already. */
        gboolean is_known = step->ended_us != 0 && step->ended_us <= self->inventory->taken_at_us;
        if (vm >= 0 && !is_known)
            follow_step(&self->places[vm], step);
    }
}

/* ------------------------------------------------------------------ where there is room */

static void
take_room(Search *self, const char *host, gint64 memory_mib)
{
    gint index = vr_inventory_find_host(self->inventory, host);

    if (index >= 0)
        self->rooms[index].room_mib -= memory_mib;
}

static void
find_rooms(Search *self)
{
    const VrPolicy *policy = self->rollout->basis->policy;

    self->rooms = g_new0(Room, self->inventory->hosts->len);
    for (guint i = 0; i < self->inventory->hosts->len; i++) {
        const VrHost *host = vr_inventory_host(self->inventory, i);
        self->rooms[i] = (Room){.room_mib = vr_policy_usable_mib(policy, host->memory_mib),
                                .is_usable = TRUE,
                                .is_updated = host->updated == VR_UPDATED_YES};
    }
    for (guint i = 0; i < self->rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self->rollout, i);
        gint host = step->plan->kind == VR_STEP_UPDATE
                        ? vr_inventory_find_host(self->inventory, step->plan->host)
                        : -1;
        if (host < 0)
            continue;
        self->rooms[host].is_updated = step->phase == VR_PHASE_UPDATED;
        /* A step that has not begun does not open what an earlier one has closed. */
        self->rooms[host].is_closed =
            vr_tally_is_host_closed(step) ||
            (self->rooms[host].is_closed && step->phase == VR_PHASE_PENDING);
        self->rooms[host].is_usable =
            !self->rooms[host].is_closed || step->phase == VR_PHASE_CLOSED;
    }
    for (guint i = 0; i < self->inventory->vms->len; i++) {
        const Place *place = &self->places[i];
        gint64 memory_mib = vr_inventory_vm(self->inventory, i)->memory_mib;
        if (place->moving != NULL) {
            take_room(self, place->moving->plan->source, memory_mib);
            take_room(self, place->moving->plan->target, memory_mib);
        } else if (place->runs) {
            take_room(self, place->host, memory_mib);
        }
    }
}

/* Open ones first, then updated ones, then the planned target, then the one with most room. */
static gint64
rank(const Search *self, const Place *place, guint host)
{
    gboolean is_planned =
        g_strcmp0(place->planned, vr_inventory_host(self->inventory, host)->name) == 0;

    const Room *room = &self->rooms[host];

    return (!room->is_closed * 4 + room->is_updated * 2 + is_planned) * VR_MEMORY_MIB_MAX +
           room->room_mib;
}

static void
propose(const Search *self, const Place *place, VrSilentVm *silent)
{
    const VrVm *vm = silent->vm;
    const char *pool = vr_inventory_host(self->inventory, vm->host_index)->pool;
    gint best = -1;

    for (guint i = 0; i < self->inventory->hosts->len; i++) {
        const Room *room = &self->rooms[i];
        if (!room->is_usable || room->room_mib < vm->memory_mib ||
            strcmp(vr_inventory_host(self->inventory, i)->pool, pool) != 0)
            continue;
        if (best < 0 || rank(self, place, i) > rank(self, place, (guint)best))
            best = (gint)i;
    }
    if (best < 0)
        return;
    self->rooms[best].room_mib -= vm->memory_mib;
    silent->proposed = vr_inventory_host(self->inventory, (guint)best);
    silent->must_be_opened = self->rooms[best].is_closed;
}

/* ------------------------------------------------------------------ hosts */

static VrSilentHost *
find_or_add(GPtrArray *hosts, const char *name)
{
    for (guint i = 0; i < hosts->len; i++) {
        VrSilentHost *host = g_ptr_array_index(hosts, i);
        if (strcmp(host->host, name) == 0)
            return host;
    }
    VrSilentHost *host = g_new0(VrSilentHost, 1);
    host->host = name;
    host->vms = g_array_new(FALSE, FALSE, sizeof(VrSilentVm));
    g_ptr_array_add(hosts, host);
    return host;
}

/* Several steps may wait for one host: the first silence counts, and its reason. */
static void
find_hosts(Search *self)
{
    for (guint i = 0; i < self->rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self->rollout, i);
        if (step->silent == NULL || step->phase == VR_PHASE_RETURNING)
            continue;
        VrSilentHost *host = find_or_add(self->hosts, step->silent);
        gint index = vr_inventory_find_host(self->inventory, step->silent);
        host->asks = host->asks || step->phase == VR_PHASE_NEEDS_OPERATOR;
        host->set_aside = host->set_aside || step->set_aside;
        if (host->since_us == 0 || step->silent_since_us < host->since_us) {
            host->since_us = step->silent_since_us;
            host->reason = step->reason;
        }
        if (index >= 0)
            self->rooms[index].is_usable = FALSE;
    }
}

static gboolean
is_lost(const Place *place, const VrSilentHost *host)
{
    return place->runs && strcmp(place->host, host->host) == 0;
}

/* Not seen there yet: most likely it still runs on its source. */
static gboolean
may_have_arrived(const Place *place, const VrSilentHost *host)
{
    return place->runs && place->moving != NULL && !is_lost(place, host) &&
           strcmp(place->moving->plan->target, host->host) == 0 && !place->moving->seen_on_target;
}

/* What was on its way ends with its host: the room kept for it at its other end is free. */
static void
free_rooms(Search *self, const VrSilentHost *host)
{
    for (guint i = 0; i < self->inventory->vms->len; i++) {
        const Place *place = &self->places[i];
        gint64 memory_mib = vr_inventory_vm(self->inventory, i)->memory_mib;
        if (!is_lost(place, host) || place->moving == NULL)
            continue;
        take_room(self, place->moving->plan->source, -memory_mib);
        take_room(self, place->moving->plan->target, -memory_mib);
    }
}

static void
add_vm(Search *self, VrSilentHost *host, guint vm, gboolean may_have_arrived)
{
    const Place *place = &self->places[vm];
    VrSilentVm silent = {.vm = vr_inventory_vm(self->inventory, vm),
                         .moving = place->moving,
                         .may_have_arrived = may_have_arrived,
                         .has_definition = place->has_definition,
                         .autostart = place->autostart};

    propose(self, place, &silent);
    g_array_append_val(host->vms, silent);
    host->arriving += may_have_arrived;
}

/* Room is given first to what is certainly lost if the host is dead. */
static void
add_vms(Search *self, VrSilentHost *host)
{
    free_rooms(self, host);
    for (guint i = 0; i < self->inventory->vms->len; i++) {
        const Place *place = &self->places[i];
        host->shut_off += !place->runs && strcmp(place->host, host->host) == 0;
        if (is_lost(place, host))
            add_vm(self, host, i, FALSE);
    }
    for (guint i = 0; i < self->inventory->vms->len; i++)
        if (may_have_arrived(&self->places[i], host))
            add_vm(self, host, i, TRUE);
}

static gint
by_name(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const VrSilentHost *const *)a)->host, (*(const VrSilentHost *const *)b)->host);
}

GPtrArray *
vr_silent_hosts_find(const VrRollout *rollout)
{
    GPtrArray *hosts = g_ptr_array_new_with_free_func(silent_host_free);

    if (rollout->basis == NULL)
        return hosts;
    Search search = {.rollout = rollout, .inventory = rollout->basis->inventory, .hosts = hosts};
    find_places(&search);
    find_rooms(&search);
    find_hosts(&search);
    g_ptr_array_sort(hosts, by_name);
    for (guint i = 0; i < hosts->len; i++)
        add_vms(&search, g_ptr_array_index(hosts, i));
    g_free(search.places);
    g_free(search.rooms);
    return hosts;
}

/* ------------------------------------------------------------------ commands */

const char *
vr_silent_vm_other_end(const VrSilentVm *self, const char *host)
{
    const VrPlanStep *plan = self->moving->plan;

    return g_strcmp0(plan->source, host) == 0 ? plan->target : plan->source;
}

/* Its name if that means nothing to a shell and nobody else has it, else its UUID. */
static const char *
word_of(const VrVm *vm, const VrInventory *inventory)
{
    guint namesakes = 0;

    if (vm->name[strspn(vm->name, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "._-")] != '\0' ||
        vm->name[0] == '-')
        return vm->uuid;
    for (guint i = 0; i < inventory->vms->len; i++)
        namesakes += strcmp(vr_inventory_vm(inventory, i)->name, vm->name) == 0;
    return namesakes == 1 ? vm->name : vm->uuid;
}

/* Of the fleet file, the only place that knows it. (transfer full) */
static char *
uri_of(const char *host, const VrStatusView *view)
{
    gint index = host != NULL && view->fleet != NULL ? vr_fleet_find_host(view->fleet, host) : -1;

    if (index >= 0)
        return g_shell_quote(vr_fleet_host(view->fleet, (guint)index)->uri);
    return host != NULL ? g_strdup_printf("URI-OF-%s", host) : g_strdup("URI");
}

GPtrArray *
vr_silent_vm_commands(const VrSilentVm *self, const char *host, const VrStatusView *view)
{
    GPtrArray *commands = g_ptr_array_new_with_free_func(g_free);
    const char *word = word_of(self->vm, view->rollout->basis->inventory);
    g_autofree char *uri = uri_of(self->proposed != NULL ? self->proposed->name : NULL, view);

    if (self->moving != NULL) {
        g_autofree char *other = uri_of(vr_silent_vm_other_end(self, host), view);
        g_ptr_array_add(commands, g_strdup_printf("virsh -c %s domstate %s", other, word));
    }
    if (self->has_definition)
        g_ptr_array_add(commands, g_strdup_printf("(umask 077; %s rollout definition %s >%s.xml)",
                                                  view->program, word, word));
    g_ptr_array_add(commands, g_strdup_printf("virsh -c %s define %s.xml", uri, word));
    g_ptr_array_add(commands, g_strdup_printf("virsh -c %s start %s", uri, word));
    if (self->autostart)
        g_ptr_array_add(commands, g_strdup_printf("virsh -c %s autostart %s", uri, word));
    return commands;
}

/* ------------------------------------------------------------------ JSON */

static void
add_vm_json(JsonBuilder *builder, const VrSilentVm *vm, const VrSilentHost *host,
            const VrStatusView *view)
{
    const VrStepState *moving = vm->moving;

    json_builder_begin_object(builder);
    vr_json_fields_string(builder, "vm", vm->vm->name);
    vr_json_fields_string(builder, "vm_uuid", vm->vm->uuid);
    vr_json_fields_integer(builder, "memory_mib", vm->vm->memory_mib);
    vr_json_fields_string(builder, "disks", vm->vm->disks);
    vr_json_fields_boolean(builder, "autostart", vm->autostart);
    vr_json_fields_string(builder, "moving_from", moving != NULL ? moving->plan->source : NULL);
    vr_json_fields_string(builder, "moving_to", moving != NULL ? moving->plan->target : NULL);
    vr_json_fields_boolean(builder, "may_have_arrived", vm->may_have_arrived);
    vr_json_fields_boolean(builder, "has_definition", vm->has_definition);
    vr_json_fields_string(builder, "proposed_host",
                          vm->proposed != NULL ? vm->proposed->name : NULL);
    vr_json_fields_boolean(builder, "proposed_host_closed", vm->must_be_opened);
    json_builder_set_member_name(builder, "commands");
    json_builder_begin_array(builder);
    if (host->asks) {
        g_autoptr(GPtrArray) commands = vr_silent_vm_commands(vm, host->host, view);
        for (guint i = 0; i < commands->len; i++)
            json_builder_add_string_value(builder, g_ptr_array_index(commands, i));
    }
    json_builder_end_array(builder);
    json_builder_end_object(builder);
}

void
vr_silent_hosts_add_json(JsonBuilder *builder, const VrStatusView *view)
{
    g_autoptr(GPtrArray) hosts = vr_silent_hosts_find(view->rollout);

    json_builder_set_member_name(builder, "silent_hosts");
    json_builder_begin_array(builder);
    for (guint i = 0; i < hosts->len; i++) {
        const VrSilentHost *host = g_ptr_array_index(hosts, i);
        json_builder_begin_object(builder);
        vr_json_fields_string(builder, "host", host->host);
        vr_json_fields_string(builder, "reason", host->reason);
        vr_json_fields_time(builder, "since", host->since_us);
        vr_json_fields_boolean(builder, "needs_operator", host->asks);
        vr_json_fields_integer(builder, "vms_shut_off", host->shut_off);
        json_builder_set_member_name(builder, "vms");
        json_builder_begin_array(builder);
        for (guint k = 0; k < host->vms->len; k++)
            add_vm_json(builder, &g_array_index(host->vms, VrSilentVm, k), host, view);
        json_builder_end_array(builder);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}
