/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-world-private.h"

typedef struct {
    char *key;
    VrStage stage;
    guint host;
    VrStageDone done;
    gpointer data;
} FakeStage;

static gboolean
host_is_empty(const FakeWorld *self, guint host)
{
    for (guint v = 0; v < self->vm_count; v++) {
        if (fake_is_active(self->vms[v].at[host]))
            return FALSE;
    }
    return TRUE;
}

static void
come_back(FakeWorld *self, gpointer data)
{
    self->hosts[GPOINTER_TO_UINT(data)].reachable = TRUE;
}

static void
go_down(FakeWorld *self, gpointer data)
{
    FakeHost *host = &self->hosts[GPOINTER_TO_UINT(data)];

    host->reboots_pending--;
    host->boots++;
    host->updated = host->staged;
    host->reachable = FALSE;
    if (!host->is_doomed)
        fake_after(self, 500 * FAKE_MS, come_back, data);
}

static void
perform_stage(FakeWorld *self, VrStage stage, guint h)
{
    FakeHost *host = &self->hosts[h];

    if (stage == VR_STAGE_OPEN && host->reboots_pending > 0)
        fake_breach(self, "%s: opened while it is about to go down", host->name);
    if (stage == VR_STAGE_CLOSE)
        host->closed = TRUE;
    else if (stage == VR_STAGE_OPEN)
        host->closed = FALSE;
    else if (stage == VR_STAGE_APPLY)
        host->staged = TRUE, host->applied++, host->applied_at_us = self->now_us;
    if ((stage == VR_STAGE_APPLY || stage == VR_STAGE_REBOOT) &&
        (!host_is_empty(self, h) || !host->closed))
        fake_breach(self, "%s: %s on a host that is not empty and closed", host->name,
                    vr_stage_to_string(stage));
    if (stage == VR_STAGE_REBOOT) {
        host->rebooted++;
        host->reboots_pending++;
        if (self->shutdown_us == 0)
            go_down(self, GUINT_TO_POINTER(h));
        else
            fake_after(self, self->shutdown_us, go_down, GUINT_TO_POINTER(h));
    }
}

static void
answer_stage(FakeWorld *self, const char *key, VrStage stage, guint h, VrStageDone done,
             gpointer data)
{
    const FakeHost *host = &self->hosts[h];
    const char *output = g_hash_table_lookup(self->stages, key); /* as it was when it ran */
    g_autofree char *name = g_strdup_printf("%s %s", host->name, vr_stage_to_string(stage));
    VrStageResult result = {VR_STAGE_END_EXITED, 0, output};

    if (g_strcmp0(self->fail_stage, name) == 0 || g_strcmp0(self->lie_stage, name) == 0 ||
        ((stage == VR_STAGE_FACTS || self->needs_power) && !host->reachable))
        result.exit_status = 1;
    else if (stage == VR_STAGE_ASSESS && host->updated)
        result.exit_status = VR_STAGE_NOTHING_TO_DO;
    done(&result, data);
}

static void
end_stage(FakeWorld *self, gpointer data)
{
    FakeStage *stage = data;

    answer_stage(self, stage->key, stage->stage, stage->host, stage->done, stage->data);
    g_free(stage->key);
    g_free(stage);
}

static void
fake_run_stage(gpointer context, const VrStageRequest *request, VrStageDone done, gpointer data)
{
    FakeWorld *self = context;
    g_autofree char *key = g_strdup_printf("%s/%u/%u/%d", request->rollout, request->step,
                                           request->attempt, request->stage);
    guint host = fake_world_host(self, request->host);
    VrStageResult lost = {VR_STAGE_END_NOT_RUN, 0, ""};

    if (fake_dies(self)) {
        done(&lost, data);
        return;
    }
    if (!g_hash_table_contains(self->stages, key)) {
        if (request->attach_only) {
            done(&lost, data);
            return;
        }
        g_autofree char *name =
            g_strdup_printf("%s %s", request->host, vr_stage_to_string(request->stage));
        if (g_strcmp0(self->fail_stage, name) != 0 &&
            (self->hosts[host].reachable || !self->needs_power))
            perform_stage(self, request->stage, host);
        g_hash_table_insert(self->stages, g_strdup(key),
                            g_strdup_printf("boot_id=%u\nupdate_level=%s\n",
                                            self->hosts[host].boots,
                                            self->hosts[host].updated ? "level-2" : "level-1"));
    }

    FakeStage *stage = g_new0(FakeStage, 1);
    *stage = (FakeStage){g_strdup(key), request->stage, host, done, data};
    fake_after(self, 100 * FAKE_MS, end_stage, stage);
}

const VrHostUpdateVTable fake_host_update = {fake_run_stage};
