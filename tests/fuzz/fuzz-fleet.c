/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A fleet file, as YAML and as JSON: what is accepted is complete and safe to act on. */
#include <string.h>

#include "adapters/yaml/document.h"
#include "base/json.h"
#include "fuzz.h"
#include "model/document.h"
#include "model/host-name.h"
#include "model/uri.h"

#define SOURCE "fleet.yaml"

static void
check_stages(const VrUpdate *update)
{
    for (guint i = 0; i < VR_STAGE_COUNT; i++) {
        const VrStageCommand *stage = &update->stages[i];
        if (stage->argv == NULL)
            continue;
        g_assert_nonnull(stage->argv[0]);
        g_assert_true(stage->argv[0][0] == '/');
        g_assert_cmpint(stage->timeout_s, >, 0);
    }
}

static void
check_host(const VrFleet *fleet, guint index)
{
    const VrFleetHost *host = vr_fleet_host(fleet, index);

    g_assert_true(vr_host_name_is_valid(host->name));
    g_assert_cmpint(vr_fleet_find_host(fleet, host->name), ==, index);
    for (guint i = 0; host->aliases[i] != NULL; i++)
        g_assert_cmpint(vr_fleet_find_host(fleet, host->aliases[i]), ==, index);
    g_assert_true(vr_uri_check_connect(host->uri, NULL));
    g_assert_true(vr_uri_check_connect(host->peer_uri, NULL));
    g_assert_true(vr_uri_is_remote(host->peer_uri));
    if (host->migrate_uri != NULL)
        g_assert_true(vr_uri_check_migrate(host->migrate_uri, NULL));
    g_assert_nonnull(host->pool);
    g_assert_cmpint(host->link_mib_per_s, >, 0);
    g_assert_cmpint(host->memory_mib, >=, 0);
    g_assert_cmpint(host->vcpus, >=, 0);
    g_assert_cmpint(host->update_s, >=, 0);
    g_assert_cmpuint(host->line, >, 0);
    check_stages(&host->update);
}

/* The same file as JSON, which is YAML too, is the same document and the same fleet. */
static void
check_as_json(const VrDocument *document, const VrFleet *fleet)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *json = vr_json_canonical(document->root);
    g_autoptr(VrDocument) same = vr_yaml_parse(json, strlen(json), SOURCE, &error);
    g_assert_no_error(error);
    g_autofree char *again = vr_json_canonical(same->root);
    g_assert_cmpstr(again, ==, json);
    if (fleet == NULL)
        return;

    g_autoptr(VrFleet) back = vr_fleet_read(same, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(back->hosts->len, ==, fleet->hosts->len);
    for (guint i = 0; i < fleet->hosts->len; i++) {
        g_assert_cmpstr(vr_fleet_host(back, i)->name, ==, vr_fleet_host(fleet, i)->name);
        g_assert_cmpstr(vr_fleet_host(back, i)->uri, ==, vr_fleet_host(fleet, i)->uri);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrDocument) document = vr_yaml_parse((const char *)data, size, SOURCE, &error);

    if (document == NULL) {
        vr_fuzz_check_error(error, SOURCE ":");
        return 0;
    }
    g_autoptr(VrFleet) fleet = vr_fleet_read(document, &error);
    if (fleet == NULL)
        vr_fuzz_check_error(error, SOURCE ":");
    else
        g_assert_cmpuint(fleet->hosts->len, >, 0);
    for (guint i = 0; fleet != NULL && i < fleet->hosts->len; i++)
        check_host(fleet, i);
    check_as_json(document, fleet);
    return 0;
}
