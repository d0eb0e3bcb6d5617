/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cli/render.h"
#include "cli/text.h"
#include "rollout-fixture.h"

static char *
render(const VrPlan *plan, guint width)
{
    g_autoptr(VrPolicy) policy = fixture_policy();
    g_autoptr(VrInventory) inventory = fixture_inventory();

    VrPlanView view = {plan, policy, inventory, "lab", NULL};
    return vr_render_plan(&view, width);
}

/* The digest is left out: it changes with the plan's format, which is not ours. */
static void
test_plan_shows_what_will_be_done(void **state)
{
    g_autoptr(VrPlan) plan = fixture_plan();
    g_autofree char *text = render(plan, 80);
    const char *rest = strstr(text, "   3 updates");
    (void)state;

    assert_true(g_str_has_prefix(text, "lab: 4 hosts, 4 VMs, 1 pool   update: level-2\nPlan "));
    assert_non_null(rest);
    assert_string_equal(
        rest, "   3 updates, 3 migrations (fewest possible: 3), about 39 s\n"
              "  h3  empty             ██████████                                 10 s\n"
              "  h2  2 VMs → h3                  ────░░░░░░██████████             29 s\n"
              "  h1  1 VM → h3                             ────░░░░░ ███████████  39 s\n"
              "  ─ its VMs leave   ░ gate: kept as it is   █ update   end after start\n"
              "  at most at once: 1 host down, migrations 4 out of and 4 into a host; gate 5 s;\n"
              "  no plan with one migration per VM takes less than 36 s\n"
              "  left out: h4 (unmovable-vm): VM 'vm4' cannot be migrated (has a host device):\n"
              "  shut it off or make it movable, then plan again\n");
}

static void
test_plan_fits_every_width(void **state)
{
    static const guint widths[] = {60, 80, 100, 200};
    g_autoptr(VrPlan) plan = fixture_plan();
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(widths); i++) {
        g_autofree char *text = render(plan, widths[i]);
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        for (guint k = 2; lines[k] != NULL; k++) {
            gboolean is_legend = strstr(lines[k], "end after start") != NULL;
            assert_true(is_legend || vr_text_width(lines[k]) <= widths[i]);
        }
    }
}

static void
test_plan_without_steps_says_why(void **state)
{
    g_autoptr(VrPlan) plan = fixture_plan();
    (void)state;

    g_ptr_array_set_size(plan->steps, 0);
    g_autofree char *left_out = render(plan, 80);
    assert_non_null(strstr(left_out, "Nothing to do: every host that is not updated is left out"));
    g_ptr_array_set_size(plan->skipped, 0);
    g_autofree char *updated = render(plan, 80);
    assert_non_null(strstr(updated, "Nothing to do: every host is updated\n"));
}

static void
test_inventory_is_a_table(void **state)
{
    g_autoptr(VrInventory) inventory = fixture_inventory();
    g_autofree char *text = vr_render_inventory(inventory, G_MAXUINT);
    (void)state;

    assert_string_equal(
        text, "host  pool  VMs         memory in use         level    updated  QEMU, libvirt\n"
              "h1    -     1           1024 MiB of 4096 MiB  level-1  no       7.2.22, -\n"
              "h2    -     2           2048 MiB of 4096 MiB  level-1  no       7.2.22, -\n"
              "h3    -     0           0 MiB of 4096 MiB     level-1  no       7.2.22, -\n"
              "h4    -     1, 1 stuck  1024 MiB of 4096 MiB  level-1  no       7.2.22, -\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_shows_what_will_be_done),
        cmocka_unit_test(test_plan_fits_every_width),
        cmocka_unit_test(test_plan_without_steps_says_why),
        cmocka_unit_test(test_inventory_is_a_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
