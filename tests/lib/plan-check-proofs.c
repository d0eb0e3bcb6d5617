/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `after` alone proves, for every order and all durations. */
#include "plan-check-private.h"

/* Larger plans would need too much memory; they are replayed all the same. */
#define PROOF_STEPS_MAX 30000

#define WORD_BITS 64

/* For each step a row of bits: the steps that have ended when it starts. */
typedef struct {
    const Check *check;
    guint64 *words;
    gsize row_words;
} Order;

static guint64 *
row_of(const Order *self, guint index)
{
    return &self->words[index * self->row_words];
}

/* Has step `first` always ended when step `second` starts? By id; 0: no such step. */
static gboolean
is_before(const Order *self, guint first, guint second)
{
    if (first == 0 || second == 0 || first >= second)
        return FALSE;
    return row_of(self, second - 1)[(first - 1) / WORD_BITS] >> (first - 1) % WORD_BITS & 1;
}

static void
order_init(Order *self, const Check *check)
{
    self->check = check;
    self->row_words = check->step_count / WORD_BITS + 1;
    self->words = g_new0(guint64, self->row_words * (check->step_count + 1));
    for (guint i = 0; i < check->step_count; i++) {
        const GArray *after = check->steps[i].self->after;
        guint64 *row = row_of(self, i);
        for (guint j = 0; j < after->len; j++) {
            guint before = g_array_index(after, guint, j) - 1;
            const guint64 *other = row_of(self, before);
            for (gsize w = 0; w <= before / WORD_BITS; w++)
                row[w] |= other[w];
            row[before / WORD_BITS] |= G_GUINT64_CONSTANT(1) << before % WORD_BITS;
        }
    }
}

/* Is the host updated by the time of the step, whatever happens? */
static gboolean
is_updated_before(const Order *self, int host, guint id)
{
    const HostFacts *facts = &self->check->hosts[host];

    return facts->updated_at_start || is_before(self, facts->update, id);
}

/* Either before the update or after it, never beside it. */
static void
prove_apart(Check *check, const Order *order, guint id, int host)
{
    guint update = check->hosts[host].update;

    if (!is_updated_before(order, host, id) && !is_before(order, id, update))
        check_breaks(check, id, "nothing keeps it apart from the update of %s",
                     check->hosts[host].self->name);
}

static gboolean
has_gate(const Order *self, const StepFacts *migration)
{
    const Check *check = self->check;

    for (guint i = migration->self->id; i < check->step_count; i++) {
        const StepFacts *step = &check->steps[i];
        if (step->self->kind == VR_STEP_GATE && step->host == migration->target &&
            step->source == migration->source &&
            is_before(self, migration->self->id, step->self->id) &&
            is_before(self, step->self->id, check->hosts[step->source].update))
            return TRUE;
    }
    return FALSE;
}

static void
prove_migration(Check *check, const Order *order, guint index, guint *last_of_vm)
{
    const StepFacts *step = &check->steps[index];
    guint id = step->self->id;

    if (last_of_vm[step->vm] != 0 && !is_before(order, last_of_vm[step->vm], id))
        check_breaks(check, id, "nothing keeps it after step %u of the same VM",
                     last_of_vm[step->vm]);
    last_of_vm[step->vm] = id;
    if (!step->self->extra && !is_updated_before(order, step->target, id))
        check_breaks(check, id, "nothing keeps it after the update of its target");
    prove_apart(check, order, id, step->target);
    prove_apart(check, order, id, step->source);
    if (check->policy->limits.gate_s > 0 && is_updated_before(order, step->target, id) &&
        is_before(order, id, check->hosts[step->source].update) && !has_gate(order, step))
        check_breaks(check, id, "no gate watches it and holds the update of its source");
}

/* Steps onto updated hosts other than the canary come after a gate of the canary. */
static void
prove_canary(Check *check, const Order *order)
{
    g_autoptr(GArray) gates = g_array_new(FALSE, FALSE, sizeof(guint));
    int canary = -1;

    for (guint i = 0; i < check->step_count; i++) {
        const StepFacts *step = &check->steps[i];
        guint id = step->self->id;
        gboolean passed = FALSE;
        if (step->is_canary_gate && step->host == canary)
            g_array_append_val(gates, id);
        if (step->self->kind != VR_STEP_MIGRATE || !is_updated_before(order, step->target, id))
            continue;
        if (canary < 0)
            canary = step->target;
        for (guint j = 0; j < gates->len; j++)
            passed |= is_before(order, g_array_index(gates, guint, j), id);
        if (step->target != canary && !passed)
            check_breaks(check, id, "nothing keeps it after the gate of the canary");
    }
}

void
check_proofs(Check *self)
{
    g_autofree guint *last_of_vm = g_new0(guint, self->vm_count + 1);
    Order order;

    if (self->step_count > PROOF_STEPS_MAX)
        return;
    order_init(&order, self);
    for (guint i = 0; i < self->step_count && self->broken == NULL; i++) {
        const StepFacts *step = &self->steps[i];
        if (step->self->kind == VR_STEP_MIGRATE)
            prove_migration(self, &order, i, last_of_vm);
    }
    if (self->canary_gate_s > 0 && self->broken == NULL)
        prove_canary(self, &order);
    g_free(order.words);
}
