/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A broken journal: any records in any order, on a rollout of three hosts. Eight bytes are one
 * record, or one call of the functions that decide (then what they say must be applicable). An
 * event that cannot follow leaves the state as it was; whatever was applied, what should run next
 * can be asked and lacks nothing.
 */
#include <string.h>

#include <virt-roll/revision.h>

#include "base/time.h"
#include "fuzz.h"
#include "rollout/document.h"

#define BEGIN_US (1795000000 * VR_S_US)
#define OPERATION_BYTES 8
#define OPERATIONS_MAX 64
#define ADVANCES_MAX 100 /* far more than steps can move without an input */

typedef struct {
    uint8_t operation, step, phase, attempt, row, side, flags, time;
} Bytes;

G_STATIC_ASSERT(sizeof(Bytes) == OPERATION_BYTES);

enum {
    OPERATION_ADVANCE = 10, /* those before it: the VrEventKind of a record */
    OPERATION_RESTARTED,
    OPERATION_START,
    OPERATION_STOP,
    OPERATION_TICK,
    OPERATION_REVISE,
    OPERATION_ALERTED, /* a record */
    OPERATION_RELEASED,
    OPERATION_UNDO,
    OPERATION_RELEASE,
    OPERATION_COUNT,
};

enum {
    FLAG_AUTOSTART = 1,
    FLAG_PAUSED = 2,
    FLAG_COUNTED = 4,
    FLAG_TEXT = 8,
    /* The upper four bits: how much a unit of `time` is. */
};

static const char *const hosts[] = {"h1", "h2", "h3"};

static VrInventory *
make_inventory(void)
{
    VrInventory *inventory = vr_inventory_new();

    for (guint i = 0; i < G_N_ELEMENTS(hosts); i++) {
        VrHost *host = vr_inventory_add_host(inventory, hosts[i]);
        host->memory_mib = 8192;
        host->vcpus = 16;
        host->link_mib_per_s = 1000;
        host->update_s = 10;
        host->updated = VR_UPDATED_NO;
    }
    for (guint i = 0; i < 3; i++) {
        g_autofree char *uuid = g_strdup_printf("00000000-0000-4000-8000-%012u", i);
        g_autofree char *name = g_strdup_printf("vm%u", i);
        VrVm *vm = vr_inventory_add_vm(inventory, uuid, name, hosts[1 + i % 2]);
        vm->memory_mib = vm->resident_mib = 1024;
        vm->vcpus = 1;
        vm->state = VR_VM_RUNNING;
        vm->movable = TRUE;
    }
    return inventory;
}

static char *
make_document(void)
{
    static const VrPlanRequest request = {.update_level = "level-2"};
    g_autoptr(GError) error = NULL;
    g_autoptr(VrInventory) inventory = make_inventory();
    g_autoptr(VrPolicy) policy = vr_policy_new();
    gboolean sealed = vr_inventory_seal(inventory, &error);

    g_assert_true(sealed);
    policy->limits.gate_s = 5;
    g_autoptr(VrPlan) plan = vr_planner_compute(inventory, policy, &request, &error);
    g_assert_no_error(error);
    return vr_document_write(plan, policy, inventory);
}

/* A rollout that has been created; a copy of the first one. */
static VrRollout *
make_rollout(void)
{
    static VrRollout *created = NULL;

    if (created == NULL) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VrEvent) event = vr_event_new(VR_EVENT_CREATED, BEGIN_US);
        event->rollout = g_strdup("r");
        event->text = make_document();
        created = vr_rollout_new();
        gboolean applied = vr_rollout_apply(created, event, &error);
        g_assert_no_error(error);
        g_assert_true(applied);
    }
    return vr_rollout_copy(created);
}

/* The texts are compared; then they may be taken for the same, and the rest is plain memory. */
static void
check_same_step(const VrStepState *before, const VrStepState *after)
{
    static const gsize texts[] = {
        G_STRUCT_OFFSET(VrStepState, reason),
        G_STRUCT_OFFSET(VrStepState, silent),
        G_STRUCT_OFFSET(VrStepState, definition),
        G_STRUCT_OFFSET(VrStepState, last_error),
        G_STRUCT_OFFSET(VrStepState, facts_before),
        G_STRUCT_OFFSET(VrStepState, facts_before_reboot),
        G_STRUCT_OFFSET(VrStepState, facts_after),
    };
    g_autofree VrStepState *copy = g_memdup2(after, sizeof *after);

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_cmpstr(G_STRUCT_MEMBER(char *, before, texts[i]), ==,
                        G_STRUCT_MEMBER(char *, after, texts[i]));
        G_STRUCT_MEMBER(char *, copy, texts[i]) = G_STRUCT_MEMBER(char *, before, texts[i]);
    }
    g_assert_cmpmem(copy, sizeof *copy, before, sizeof *before);
}

static void
check_same(const VrRollout *before, const VrRollout *after)
{
    g_autofree VrRollout *copy = g_memdup2(after, sizeof *after);

    g_assert_cmpstr(before->id, ==, after->id);
    g_assert_cmpstr(before->reason, ==, after->reason);
    copy->id = before->id;
    copy->reason = before->reason;
    copy->steps = before->steps;
    copy->alerts = before->alerts;
    copy->healths = before->healths;
    g_assert_cmpuint(before->healths->len, ==, after->healths->len);
    g_assert_cmpuint(before->alerts->len, ==, after->alerts->len);
    for (guint i = 0; i < before->alerts->len; i++)
        g_assert_cmpint(vr_rollout_alert(before, i)->released, ==,
                        vr_rollout_alert(after, i)->released);
    g_assert_cmpmem(copy, sizeof *copy, before, sizeof *before);
    for (guint i = 0; i < before->steps->len; i++)
        check_same_step(vr_rollout_step(before, i), vr_rollout_step(after, i));
}

static void
check_unmet(const VrRollout *rollout)
{
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        guint unmet = 0;
        for (guint j = 0; j < step->plan->after->len; j++) {
            guint before = g_array_index(step->plan->after, guint, j) - 1;
            unmet += !vr_phase_is_satisfied(vr_rollout_step(rollout, before)->phase);
        }
        g_assert_cmpuint(step->unmet, ==, unmet);
    }
}

static void
check_commands(const VrRollout *rollout)
{
    g_autoptr(GArray) commands = g_array_new(FALSE, FALSE, sizeof(VrCommand));

    vr_rollout_commands(rollout, rollout->now_us, commands);
    g_assert_cmpint(vr_rollout_next_deadline(rollout, rollout->now_us), >, rollout->now_us);
    for (guint i = 0; i < commands->len; i++) {
        const VrCommand *command = &g_array_index(commands, VrCommand, i);
        VrStepKind kind = vr_rollout_step(rollout, command->step - 1)->plan->kind;
        switch (command->kind) {
        case VR_COMMAND_OBSERVE:
        case VR_COMMAND_MIGRATE:
        case VR_COMMAND_ACT:
            g_assert_cmpint(kind, ==, VR_STEP_MIGRATE);
            g_assert_true(command->vm_uuid != NULL && command->host != NULL);
            g_assert_true(command->source != NULL && command->target != NULL);
            break;
        case VR_COMMAND_LIST:
            g_assert_nonnull(command->host);
            break;
        case VR_COMMAND_STAGE:
            g_assert_cmpint(kind, !=, VR_STEP_MIGRATE);
            g_assert_nonnull(command->host);
            break;
        }
    }
}

/* What we decided ourselves can be applied. */
static void
apply_all(VrRollout *rollout, const GPtrArray *events)
{
    for (guint i = 0; i < events->len; i++) {
        const VrEvent *event = g_ptr_array_index(events, i);
        g_autoptr(GError) error = NULL;
        gboolean applied = vr_rollout_apply(rollout, event, &error);
        g_assert_no_error(error);
        g_assert_true(applied);
    }
}

static void
free_event(gpointer event)
{
    vr_event_free(event);
}

static void
decide(VrRollout *rollout, VrInputKind kind, const char *host)
{
    g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func(free_event);
    VrInput input = {.kind = kind, .at_us = rollout->now_us, .host = host, .text = "fuzz"};

    vr_rollout_decide(rollout, &input, events);
    apply_all(rollout, events);
}

static void
advance(VrRollout *rollout)
{
    guint advances = 0;

    for (guint added = 1; added > 0; advances++) {
        g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func(free_event);
        g_assert_cmpuint(advances, <, ADVANCES_MAX);
        vr_rollout_advance(rollout, rollout->now_us, events);
        apply_all(rollout, events);
        added = events->len;
    }
}

static VrEvent *
make_event(const VrRollout *rollout, const Bytes *bytes)
{
    VrEvent *event = vr_event_new((VrEventKind)bytes->operation, rollout->now_us);
    gint64 delay_us = ((gint64)bytes->time << (bytes->flags >> 4) * 3);
    guint attempt = 0;

    event->step = bytes->step % (rollout->steps->len + 2);
    if (event->step >= 1 && event->step <= rollout->steps->len)
        attempt = vr_rollout_step(rollout, event->step - 1)->attempt;
    event->attempt = attempt + 1 - MIN(attempt + 1, bytes->attempt);
    event->phase = (VrPhase)(bytes->phase % VR_PHASE_COUNT);
    event->rollout_phase = (VrRolloutPhase)(bytes->phase % (VR_ROLLOUT_CLOSED + 1));
    event->row = bytes->row % (g_strv_length((char **)(guintptr)vr_row_words()) + 1) - 1;
    event->side = bytes->side % (g_strv_length((char **)(guintptr)vr_side_words()) + 1) - 1;
    event->autostart = (bytes->flags & FLAG_AUTOSTART) != 0;
    event->paused = (bytes->flags & FLAG_PAUSED) != 0;
    event->counted = (bytes->flags & FLAG_COUNTED) != 0;
    event->failure =
        (VrFailure)(bytes->side % g_strv_length((char **)(guintptr)vr_failure_words()));
    event->text = (bytes->flags & FLAG_TEXT) != 0 ? g_strdup("boot_id=1\n") : NULL;
    event->reason = g_strdup("as the journal says");
    event->at_us += bytes->time;
    event->not_before_us = bytes->time % 2 == 0 ? 0 : delay_us;
    event->deadline_us = bytes->time % 4 < 2 ? 0 : delay_us;
    event->cpu_time_ns = bytes->time % 8 < 4 ? VR_UNKNOWN : delay_us;
    return event;
}

/* Through the journal's format, whose limits hold for all that is applied at a start. */
static void
read_and_apply(VrRollout *rollout, const VrEvent *event)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *body = vr_event_format(event);
    VrRecord record = {
        1, event->at_us, "r", vr_event_kind_to_string(event->kind), VR_EVENT_VERSION, body};
    g_autoptr(VrEvent) read = vr_event_parse(&record, &error);
    if (read == NULL) {
        vr_fuzz_check_error(error, "journal record 1:");
        return;
    }
    g_autoptr(VrRollout) before = vr_rollout_copy(rollout);
    if (!vr_rollout_apply(rollout, read, &error)) {
        vr_fuzz_check_error(error, "event ");
        g_assert_cmpint(error->code, ==, VR_ERROR_CORRUPT);
        check_same(before, rollout);
    }
}

/* The fleet is as it was at the beginning, whatever the journal says of it. */
static void
revise(VrRollout *rollout)
{
    g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func(free_event);
    g_autoptr(VrInventory) scan = make_inventory();
    gboolean sealed = vr_inventory_seal(scan, NULL);
    g_assert_true(sealed);
    g_autoptr(VrRevision) revision =
        vr_revision_new(rollout, scan, NULL, NULL, rollout->now_us, NULL);
    if (revision == NULL)
        return;
    VrInput input = {
        .kind = VR_INPUT_REVISE,
        .at_us = rollout->now_us,
        .text = "fuzz",
        .plan = revision->planned,
        .inventory = revision->scope,
    };

    vr_rollout_decide(rollout, &input, events);
    g_assert_cmpuint(events->len, >, 0);
    apply_all(rollout, events);
}

static void
operate(VrRollout *rollout, const Bytes *bytes)
{
    const char *host = hosts[bytes->step % G_N_ELEMENTS(hosts)];

    if (bytes->operation < OPERATION_ADVANCE) {
        g_autoptr(VrEvent) event = make_event(rollout, bytes);
        read_and_apply(rollout, event);
    } else if (bytes->operation == OPERATION_ADVANCE) {
        advance(rollout);
    } else if (bytes->operation == OPERATION_RESTARTED) {
        decide(rollout, VR_INPUT_RESTARTED, NULL);
    } else if (bytes->operation == OPERATION_START) {
        decide(rollout, VR_INPUT_START, NULL);
    } else if (bytes->operation == OPERATION_STOP) {
        decide(rollout, VR_INPUT_STOP, NULL);
    } else if (bytes->operation == OPERATION_TICK) {
        decide(rollout, VR_INPUT_TICK, NULL);
    } else if (bytes->operation == OPERATION_REVISE) {
        revise(rollout);
    } else if (bytes->operation == OPERATION_UNDO) {
        decide(rollout, VR_INPUT_UNDO, host);
    } else if (bytes->operation == OPERATION_RELEASE) {
        decide(rollout, VR_INPUT_RELEASE, host);
    } else {
        g_autoptr(VrEvent) event = vr_event_new(
            bytes->operation == OPERATION_ALERTED ? VR_EVENT_HOST_ALERTED : VR_EVENT_HOST_RELEASED,
            rollout->now_us + bytes->time);
        event->host = (bytes->flags & FLAG_TEXT) != 0 ? g_strdup(host) : NULL;
        event->way_back = (bytes->flags & FLAG_PAUSED) != 0;
        read_and_apply(rollout, event);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(VrRollout) rollout = make_rollout();

    for (gsize at = 0; at + OPERATION_BYTES <= MIN(size, OPERATIONS_MAX * OPERATION_BYTES);
         at += OPERATION_BYTES) {
        Bytes bytes;
        memcpy(&bytes, data + at, sizeof bytes);
        bytes.operation %= OPERATION_COUNT;
        operate(rollout, &bytes);
        check_unmet(rollout);
        check_commands(rollout);
    }
    return 0;
}
