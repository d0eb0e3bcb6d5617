/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/scenario.h"

#include "base/json.h"
#include "base/reader.h"

#define DRAW_FLEET 0x5eedu
#define DRAW_VMS 0xf1ee7u
#define DRAW_POLICY 0x9011c7u
#define DRAW_FULL 0xf011u
#define HOST_MIB 65536

static guint
below(GRand *random, guint bound)
{
    return (guint)g_rand_int_range(random, 0, (gint32)bound);
}

static gboolean
chance(GRand *random, guint percent)
{
    return below(random, 100) < percent;
}

static SimScenario *
scenario_new(guint32 seed)
{
    SimScenario *self = g_new0(SimScenario, 1);

    self->seed = seed;
    self->strikes = g_array_new(FALSE, FALSE, sizeof(SimStrike));
    return self;
}

SimScenario *
sim_scenario_draw(guint32 seed)
{
    SimScenario *self = scenario_new(seed);
    GRand *random = g_rand_new_with_seed(seed ^ DRAW_FLEET);

    /* Small fleets have all the bugs and take no time; a few are larger. */
    self->hosts = chance(random, 5) ? 8 + below(random, 8) : 2 + below(random, 5);
    self->vms_per_host = 1 + below(random, self->hosts > 7 ? 4 : 6);
    self->storage_lock = chance(random, 70);
    self->replans = chance(random, 40);
    g_rand_free(random);
    return self;
}

SimScenario *
sim_scenario_copy(const SimScenario *self)
{
    SimScenario *copy = g_memdup2(self, sizeof *self);

    copy->strikes = g_array_copy(self->strikes);
    return copy;
}

void
sim_scenario_free(SimScenario *self)
{
    if (self == NULL)
        return;
    g_array_unref(self->strikes);
    g_free(self);
}

/* ------------------------------------------------------------------ text */

static void
read_strikes(SimScenario *self, VrReader *reader)
{
    guint count = 0;

    if (!vr_reader_enter_array(reader, "strikes", &count))
        return;
    self->explicit_only = TRUE;
    for (guint i = 0; i < count && vr_reader_enter_element(reader, i); i++) {
        SimStrike strike = {0};
        const char *word = vr_reader_required_string(reader, "fault");
        strike.opportunity =
            (guint)vr_reader_required_integer(reader, "opportunity", 1, G_MAXINT32);
        if (!vr_reader_failed(reader) && !sim_fault_from_string(word, &strike.fault))
            vr_reader_fail(reader, "fault", "%s is no kind of fault", word);
        g_array_append_val(self->strikes, strike);
        vr_reader_leave(reader);
    }
    vr_reader_leave(reader);
}

SimScenario *
sim_scenario_parse(const char *text, gsize length, const char *source, GError **error)
{
    JsonNode *root = vr_json_parse(text, length, source, error);
    g_autoptr(SimScenario) self = scenario_new(0);

    if (root == NULL)
        return NULL;
    g_autoptr(VrDocument) document = vr_document_new(root, source, TRUE);
    g_autoptr(VrReader) reader = vr_reader_new(document);
    const char *format = vr_reader_required_string(reader, "format");
    if (!vr_reader_failed(reader) && g_strcmp0(format, SIM_SCENARIO_FORMAT) != 0)
        vr_reader_fail(reader, "format", "%s is not %s", format, SIM_SCENARIO_FORMAT);
    self->seed = (guint32)vr_reader_required_integer(reader, "seed", 0, G_MAXUINT32);
    self->hosts = (guint)vr_reader_required_integer(reader, "hosts", 2, SIM_HOSTS_MAX);
    self->vms_per_host =
        (guint)vr_reader_required_integer(reader, "vms_per_host", 0, SIM_VMS_PER_HOST_MAX);
    self->storage_lock = vr_reader_boolean(reader, "storage_lock", TRUE);
    self->replans = vr_reader_boolean(reader, "replans", FALSE);
    read_strikes(self, reader);
    return vr_reader_finish(reader, error) ? g_steal_pointer(&self) : NULL;
}

char *
sim_scenario_format(const SimScenario *self)
{
    GString *out = g_string_new(NULL);

    g_string_append_printf(out,
                           "{\"format\": \"" SIM_SCENARIO_FORMAT "\", \"seed\": %u, \"hosts\": %u, "
                           "\"vms_per_host\": %u, \"storage_lock\": %s%s",
                           self->seed, self->hosts, self->vms_per_host,
                           self->storage_lock ? "true" : "false",
                           self->replans ? ", \"replans\": true" : "");
    if (self->explicit_only) {
        g_string_append(out, ",\n \"strikes\": [");
        for (guint i = 0; i < self->strikes->len; i++) {
            const SimStrike *strike = &g_array_index(self->strikes, SimStrike, i);
            g_string_append_printf(out, "%s\n  {\"fault\": \"%s\", \"opportunity\": %u}",
                                   i > 0 ? "," : "", sim_fault_to_string(strike->fault),
                                   strike->opportunity);
        }
        g_string_append_c(out, ']');
    }
    g_string_append(out, "}\n");
    return g_string_free(out, FALSE);
}

/* ------------------------------------------------------------------ fleet */

static void
add_hosts(VrInventory *inventory, guint count, GRand *random)
{
    guint domains = 1 + below(random, 3);

    for (guint h = 0; h < count; h++) {
        g_autofree char *name = g_strdup_printf("h%02u", h + 1);
        VrHost *host = vr_inventory_add_host(inventory, name);
        host->memory_mib = HOST_MIB;
        host->vcpus = 256;
        host->link_mib_per_s = chance(random, 30) ? 100 : 1000;
        host->update_s = 30 + below(random, 300);
        host->updated = chance(random, 10) ? VR_UPDATED_YES : VR_UPDATED_NO;
        host->uuid = g_strdup_printf("00000000-0000-4000-8000-%012u", h + 1);
        if (domains > 1)
            host->failure_domain = g_strdup_printf("rack-%u", h % domains);
    }
}

static void
add_vm(VrInventory *inventory, guint host, gint64 room_mib, GRand *random)
{
    guint number = inventory->vms->len + 1;
    g_autofree char *uuid = g_strdup_printf("10000000-0000-4000-8000-%012u", number);
    g_autofree char *name = g_strdup_printf("vm%u", number);
    VrVm *vm = vr_inventory_add_vm(inventory, uuid, name, vr_inventory_host(inventory, host)->name);

    vm->memory_mib = MAX(256, room_mib / 4 * (1 + (gint64)below(random, 4)) / 4);
    vm->resident_mib = vm->memory_mib * (10 + below(random, 91)) / 100;
    vm->vcpus = 1;
    vm->dirty_mib_per_s = below(random, 60);
    vm->autostart = chance(random, 60);
    vm->persistent = TRUE;
    vm->movable = TRUE;
    vm->state = VR_VM_RUNNING;
    if (chance(random, 5))
        vm->state = VR_VM_PAUSED;
    if (chance(random, 5)) {
        vm->state = VR_VM_SHUT_OFF;
        vm->autostart = FALSE; /* else it blocks its host until somebody decides */
    }
    if (inventory->groups->len > 0 && chance(random, 15))
        vm->group = g_strdup(vr_inventory_group(inventory, 0)->name);
}

/* Most fleets have room to spare. In the others memory is what everything turns on. */
static gint64
draw_fullness(guint32 seed)
{
    GRand *random = g_rand_new_with_seed(seed ^ DRAW_FULL);
    gint64 fullness = chance(random, 30) ? 4 : 1;

    g_rand_free(random);
    return fullness;
}

VrInventory *
sim_scenario_inventory(const SimScenario *self)
{
    VrInventory *inventory = vr_inventory_new();
    GRand *random = g_rand_new_with_seed(self->seed ^ DRAW_VMS);
    gint64 room_mib = HOST_MIB / (gint64)MAX(self->vms_per_host, 1) * draw_fullness(self->seed);
    guint empty = self->hosts > 3 && chance(random, 25) ? 2 : 1;

    add_hosts(inventory, self->hosts, random);
    if (chance(random, 30))
        vr_inventory_add_group(inventory, "spread", VR_GROUP_ANTI_AFFINITY)->max_per_host = 2;
    if (chance(random, 10))
        empty = 0; /* the planner has to make one */
    for (guint h = 0; h + empty < self->hosts; h++) {
        guint count = below(random, self->vms_per_host + 1);
        for (guint v = 0; v < count; v++)
            add_vm(inventory, h, room_mib, random);
    }
    g_rand_free(random);
    gboolean is_valid = vr_inventory_seal(inventory, NULL);
    g_assert(is_valid);
    return inventory;
}

/* ------------------------------------------------------------------ policy */

static gint64
between(GRand *random, gint64 min, gint64 max)
{
    return min + below(random, (guint)(max - min + 1));
}

VrPolicy *
sim_scenario_policy(const SimScenario *self)
{
    VrPolicy *policy = vr_policy_new();
    GRand *random = g_rand_new_with_seed(self->seed ^ DRAW_POLICY);
    VrLimits *limits = &policy->limits;

    limits->migrations_out_per_host = between(random, 1, 4);
    limits->migrations_in_per_host = between(random, 1, 4);
    limits->migrations_max = chance(random, 50) ? 0 : between(random, 1, 6);
    limits->hosts_down_max = chance(random, 50) ? 0 : between(random, 1, 3);
    limits->hosts_down_per_domain_max = chance(random, 80) ? 0 : 1;
    limits->headroom_permille = between(random, 0, 100);
    limits->gate_s = chance(random, 40) ? 0 : between(random, 1, 900);
    limits->gate_canary_s = limits->gate_s;
    limits->extra_migrations_permille = 1000;
    policy->migration.attempts_max = between(random, 1, 4);
    policy->migration.backoff_s = between(random, 1, 120);
    policy->recovery.hold_ms = between(random, 120, 600) * 1000;
    policy->recovery.hold_unknown_ms = policy->recovery.hold_ms + between(random, 0, 1200) * 1000;
    policy->partial = TRUE;
    policy->revise = chance(random, 50) ? VR_REVISE_AUTOMATIC : VR_REVISE_ASK;
    limits->hosts_lost_max = between(random, 0, 2);
    limits->repair_extra_migrations_max = between(random, 0, 20);
    policy->health.watch = chance(random, 30);
    policy->health.way_back = chance(random, 70) ? VR_WAY_BACK_AUTOMATIC : VR_WAY_BACK_ASK;
    g_rand_free(random);
    return policy;
}
