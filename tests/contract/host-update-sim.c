/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The simulated host-update port, held to what host-update.c and host-update-once.c ask of real
 * stages: an attempt is run once, whoever asks and whoever dies, and comes back with its end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/controller.h"

#define DEADLINE_US (3600 * SIM_S)

typedef struct {
    SimWorld *world;
    SimController *controller;
    GArray *strikes; /* (element-type SimStrike) the only faults that happen */
    GArray *happened;
    guint begun; /* stages that have changed the host */
    guint count; /* answers */
    VrStageEnd end;
    int exit_status;
    char *output;
} World;

static void
see(const SimFact *fact, gpointer data)
{
    ((World *)data)->begun += fact->kind == SIM_FACT_STAGE_BEGINS;
}

static void
answered(const VrStageResult *result, gpointer data)
{
    World *self = data;
    self->count++;
    self->end = result->end;
    self->exit_status = result->exit_status;
    g_free(self->output);
    self->output = g_strdup(result->output);
}

static int
set_up(void **state)
{
    World *self = g_new0(World, 1);
    g_autoptr(VrInventory) inventory = vr_inventory_new();
    VrHost *host = vr_inventory_add_host(inventory, "h1");
    host->memory_mib = host->vcpus = host->link_mib_per_s = host->update_s = 30;
    assert_true(vr_inventory_seal(inventory, NULL));
    self->world = sim_world_new(inventory, "level-2", 1);
    self->world->seen = see;
    self->world->seen_data = self;
    self->strikes = g_array_new(FALSE, FALSE, sizeof(SimStrike));
    self->happened = g_array_new(FALSE, FALSE, sizeof(SimStrike));
    self->world->faults.explicit_only = TRUE;
    self->world->faults.strikes = self->strikes;
    self->world->faults.happened = self->happened;
    self->controller = sim_controller_new(self->world);
    *state = self;
    return 0;
}

static int
tear_down(void **state)
{
    World *self = *state;
    sim_controller_free(self->controller);
    sim_world_free(self->world);
    g_array_unref(self->strikes);
    g_array_unref(self->happened);
    g_free(self->output);
    g_free(self);
    return 0;
}

/* The controller dies, and another one starts; what the dead one is told does not count. */
static void
restart(World *self)
{
    sim_controller_free(self->controller);
    self->controller = sim_controller_new(self->world);
    self->count = 0;
}

static void
start(World *self, VrStage stage, guint attempt, gboolean attach_only)
{
    const VrStageRequest request = {.rollout = "r-1",
                                    .host = "h1",
                                    .stage = stage,
                                    .step = 7,
                                    .attempt = attempt,
                                    .level = "level-2",
                                    .attach_only = attach_only};
    VrHostUpdate port = sim_controller_ports(self->controller).host_update;
    port.vtable->run(port.context, &request, answered, self);
}

static void
wait_for(World *self, guint count)
{
    gint64 until_us = self->world->now_us + DEADLINE_US;
    while (self->count < count && sim_world_step(self->world, until_us)) {
    }
    assert_int_equal(self->count, count);
}

static void
wait_until_begun(World *self)
{
    gint64 until_us = self->world->now_us + DEADLINE_US;
    while (self->begun == 0 && sim_world_step(self->world, until_us)) {
    }
    assert_int_equal(self->begun, 1);
}

static void
assert_ended(const World *self, VrStageEnd end, int exit_status)
{
    assert_string_equal(vr_stage_end_to_string(self->end), vr_stage_end_to_string(end));
    assert_int_equal(self->exit_status, exit_status);
}

static void
test_host_update_attempt_is_run_once(void **state)
{
    World *self = *state;
    for (guint i = 0; i < 20; i++)
        start(self, VR_STAGE_APPLY, 1, FALSE);
    wait_until_begun(self);
    for (guint i = 0; i < 20; i++)
        start(self, VR_STAGE_APPLY, 1, FALSE);
    assert_int_equal(self->count, 0);
    wait_for(self, 40);
    assert_ended(self, VR_STAGE_END_EXITED, 0);
    start(self, VR_STAGE_APPLY, 1, FALSE);
    wait_for(self, 41);
    assert_ended(self, VR_STAGE_END_EXITED, 0);
    assert_int_equal(self->begun, 1);
    start(self, VR_STAGE_APPLY, 2, FALSE);
    wait_for(self, 42);
    assert_int_equal(self->begun, 2);
}

static void
test_host_update_attach_only_withholds_what_has_not_begun(void **state)
{
    World *self = *state;
    start(self, VR_STAGE_APPLY, 1, TRUE);
    wait_for(self, 1);
    assert_ended(self, VR_STAGE_END_NOT_RUN, 0);
    assert_non_null(self->output);
    start(self, VR_STAGE_APPLY, 1, FALSE);
    wait_for(self, 2);
    assert_ended(self, VR_STAGE_END_NOT_RUN, 0);
    assert_int_equal(self->begun, 0);
}

static void
test_host_update_killed_controller_finds_its_attempt(void **state)
{
    World *self = *state;
    start(self, VR_STAGE_APPLY, 1, FALSE);
    wait_until_begun(self);
    restart(self);
    start(self, VR_STAGE_APPLY, 1, TRUE);
    assert_int_equal(self->count, 0);
    wait_for(self, 1);
    assert_ended(self, VR_STAGE_END_EXITED, 0);
    restart(self);
    start(self, VR_STAGE_APPLY, 1, FALSE);
    wait_for(self, 1);
    assert_ended(self, VR_STAGE_END_EXITED, 0);
    assert_int_equal(self->begun, 1);
}

static void
test_host_update_ends_and_output_come_back_and_stay(void **state)
{
    static const struct {
        SimFault fault;
        VrStageEnd end;
        int exit_status;
    } ends[] = {
        {SIM_FAULT_STAGE_FAILS, VR_STAGE_END_EXITED, 1},
        {SIM_FAULT_STAGE_HANGS, VR_STAGE_END_TIMED_OUT, 0},
        {SIM_FAULT_STAGE_LOST, VR_STAGE_END_LOST, 0},
    };
    World *self = *state;
    start(self, VR_STAGE_FACTS, 1, FALSE);
    wait_for(self, 1);
    assert_ended(self, VR_STAGE_END_EXITED, 0);
    assert_non_null(strstr(self->output, "boot_id="));
    for (guint i = 0; i < G_N_ELEMENTS(ends); i++) {
        const SimStrike strike = {ends[i].fault, self->world->faults.asked[ends[i].fault] + 1};
        guint before = self->count;
        g_array_append_val(self->strikes, strike);
        for (guint again = 1; again <= 2; again++) {
            start(self, VR_STAGE_FACTS, 2 + i, FALSE);
            wait_for(self, before + again);
            assert_ended(self, ends[i].end, ends[i].exit_status);
            assert_non_null(self->output);
        }
    }
}

#define STAGE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_host_update_attempt_is_run_once),
        STAGE_TEST(test_host_update_attach_only_withholds_what_has_not_begun),
        STAGE_TEST(test_host_update_killed_controller_finds_its_attempt),
        STAGE_TEST(test_host_update_ends_and_output_come_back_and_stay),
    };
    print_message("not on sim: signals, groups, descriptors, environment, output limits: "
                  "its stages are no processes\n");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
