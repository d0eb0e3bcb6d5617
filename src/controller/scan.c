/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "controller/scan.h"

#include <virt-roll/rollout.h>

#include "adapters/process/host-update.h"

/* Facts stages that run at once; each may be an ssh connection. */
#define FACTS_AT_ONCE 32

typedef struct {
    const VrFleet *fleet;
    VrLibvirt *libvirt;
    const char *level;
    gboolean with_definitions;
    const char *const *may_be_lost;
    VrInventory *inventory;
    GError *error;
    gboolean done;
} Scan;

/* The update level of one host. */
typedef struct {
    const VrFleetHost *host;
    const char *level;
    char *update_level;
    GError *error;
} Facts;

static void
read_facts(gpointer data, gpointer unused)
{
    Facts *facts = data;
    (void)unused;

    g_autofree char *output = vr_process_run_stage(
        facts->host, VR_STAGE_FACTS, facts->level != NULL ? facts->level : "", NULL, &facts->error);
    if (facts->error != NULL)
        return;
    facts->update_level = vr_facts_get(output, "update_level");
    if (facts->update_level == NULL || facts->update_level[0] == '\0')
        g_set_error(
            &facts->error, VR_ERROR, VR_ERROR_FAILED,
            "%s: stage facts: it prints no line update_level=LEVEL, so nothing says whether "
            "the host is updated",
            facts->host->name);
}

static void
facts_clear(gpointer data)
{
    Facts *facts = data;

    g_free(facts->update_level);
    g_clear_error(&facts->error);
}

/* Every host's facts, several at once; hosts without that stage are left out. */
static GArray *
collect_facts(const Scan *scan)
{
    GArray *all = g_array_sized_new(FALSE, TRUE, sizeof(Facts), scan->fleet->hosts->len);
    GThreadPool *pool = g_thread_pool_new(read_facts, NULL, FACTS_AT_ONCE, FALSE, NULL);

    g_array_set_clear_func(all, facts_clear);
    for (guint i = 0; i < scan->fleet->hosts->len; i++) {
        const VrFleetHost *host = vr_fleet_host(scan->fleet, i);
        Facts facts = {.host = host, .level = scan->level};
        gboolean may_be_lost =
            scan->may_be_lost != NULL && g_strv_contains(scan->may_be_lost, host->name);
        if (host->update.stages[VR_STAGE_FACTS].argv != NULL && !may_be_lost)
            g_array_append_val(all, facts);
    }
    for (guint i = 0; i < all->len; i++)
        g_thread_pool_push(pool, &g_array_index(all, Facts, i), NULL);
    g_thread_pool_free(pool, FALSE, TRUE);
    return all;
}

static VrHost *
find_host(VrInventory *inventory, const char *name)
{
    for (guint i = 0; i < inventory->hosts->len; i++) {
        VrHost *host = g_ptr_array_index(inventory->hosts, i);
        if (g_strcmp0(host->name, name) == 0)
            return host;
    }
    return NULL;
}

static gboolean
add_levels(Scan *scan, GError **error)
{
    g_autoptr(GArray) all = collect_facts(scan);

    for (guint i = 0; i < all->len; i++) {
        Facts *facts = &g_array_index(all, Facts, i);
        VrHost *host = find_host(scan->inventory, facts->host->name);
        if (facts->error != NULL) {
            g_propagate_error(error, g_steal_pointer(&facts->error));
            return FALSE;
        }
        host->update_level = g_steal_pointer(&facts->update_level);
        if (scan->level != NULL)
            host->updated =
                g_strcmp0(host->update_level, scan->level) == 0 ? VR_UPDATED_YES : VR_UPDATED_NO;
    }
    return TRUE;
}

static gboolean
notice_end(gpointer data)
{
    ((Scan *)data)->done = TRUE;
    return G_SOURCE_REMOVE;
}

static gpointer
scan_main(gpointer data)
{
    Scan *scan = data;

    scan->inventory =
        vr_libvirt_scan(scan->libvirt, scan->with_definitions, scan->may_be_lost, &scan->error);
    if (scan->inventory != NULL) {
        scan->inventory->taken_at_us = g_get_real_time();
        if (!add_levels(scan, &scan->error) || !vr_inventory_seal(scan->inventory, &scan->error))
            g_clear_pointer(&scan->inventory, vr_inventory_free);
    }
    g_main_context_invoke(NULL, notice_end, scan);
    return NULL;
}

VrInventory *
vr_scan_fleet(const VrFleet *fleet, VrLibvirt *libvirt, const char *level,
              gboolean with_definitions, const char *const *may_be_lost, GError **error)
{
    Scan scan = {
        .fleet = fleet,
        .libvirt = libvirt,
        .level = level,
        .with_definitions = with_definitions,
        .may_be_lost = may_be_lost,
    };
    GThread *thread = g_thread_new("scan", scan_main, &scan);

    while (!scan.done)
        g_main_context_iteration(NULL, TRUE);
    g_thread_join(thread);
    if (scan.inventory == NULL)
        g_propagate_error(error, scan.error);
    return scan.inventory;
}
