/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A journal record: its kind on the first line, its body in the rest. */
#include <string.h>

#include <virt-roll/rollout.h>

#include "fuzz.h"

#define RECORD "journal"

/* The texts are compared; then they may be taken for the same, and the rest is plain memory. */
static void
check_same(const VrEvent *event, const VrEvent *back)
{
    g_autofree VrEvent *copy = g_memdup2(back, sizeof *back);

    g_assert_cmpstr(event->rollout, ==, back->rollout);
    g_assert_cmpstr(event->silent, ==, back->silent);
    g_assert_cmpstr(event->reason, ==, back->reason);
    g_assert_cmpstr(event->text, ==, back->text);
    g_assert_cmpstr(event->definition, ==, back->definition);
    copy->rollout = event->rollout;
    copy->silent = event->silent;
    copy->reason = event->reason;
    copy->text = event->text;
    copy->definition = event->definition;
    g_assert_true(memcmp(copy, event, sizeof *copy) == 0);
}

/* On a rollout of its own: a created event founds it, any other is refused. */
static void
check_apply(const VrEvent *event)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrRollout) rollout = vr_rollout_new();

    if (!vr_rollout_apply(rollout, event, &error)) {
        vr_fuzz_check_error(error, NULL);
        g_assert_null(rollout->basis);
        return;
    }
    g_assert_true(event->kind == VR_EVENT_CREATED);
    g_assert_nonnull(rollout->basis);
    g_assert_cmpuint(rollout->steps->len, ==, rollout->basis->plan->steps->len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = vr_fuzz_text(data, size);
    char *body = strchr(text, '\n');
    if (body == NULL)
        return 0;
    *body++ = '\0';

    VrRecord record = {7, 1000000, "r", text, VR_EVENT_VERSION, body};
    g_autoptr(VrEvent) event = vr_event_parse(&record, &error);
    if (event == NULL) {
        vr_fuzz_check_error(error, RECORD " record 7:");
        return 0;
    }
    g_assert_cmpstr(vr_event_kind_to_string(event->kind), ==, text);
    g_autofree char *formatted = vr_event_format(event);
    record.body = formatted;
    g_autoptr(VrEvent) back = vr_event_parse(&record, &error);
    g_assert_no_error(error);
    check_same(event, back);
    check_apply(event);
    return 0;
}
