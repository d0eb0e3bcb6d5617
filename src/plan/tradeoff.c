/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/error.h>
#include <virt-roll/tradeoff.h>

#include "base/time.h"

/* Permille of the VMs that must migrate; a fifth is more than any fleet seen has a use for. */
static const gint64 curve_permille[] = {0, 5, 10, 20, 30, 50, 100, 200};

const char *
vr_lever_to_string(VrLever lever)
{
    static const char *const words[] = {
#define VR_LEVER_WORD(member, word, limit) [member] = word,
        VR_LEVERS(VR_LEVER_WORD)
#undef VR_LEVER_WORD
    };

    return words[lever];
}

const char *
vr_lever_limit(VrLever lever)
{
    static const char *const limits[] = {
#define VR_LEVER_LIMIT(member, word, limit) [member] = limit,
        VR_LEVERS(VR_LEVER_LIMIT)
#undef VR_LEVER_LIMIT
    };

    return limits[lever];
}

/* ------------------------------------------------------------------ another fleet */

/* Hosts of its own, everything else borrowed from the inventory that it varies. */
typedef struct {
    VrInventory inventory;
    VrHost *hosts;
    char *extra_name;
} Variant;

static void
variant_init(Variant *self, const VrInventory *inventory)
{
    guint count = inventory->hosts->len;

    self->inventory = *inventory;
    self->hosts = g_new0(VrHost, count + 1);
    self->inventory.hosts = g_ptr_array_sized_new(count + 1);
    for (guint i = 0; i < count; i++) {
        self->hosts[i] = *vr_inventory_host(inventory, i);
        g_ptr_array_add(self->inventory.hosts, &self->hosts[i]);
    }
}

static void
variant_clear(Variant *self)
{
    g_ptr_array_unref(self->inventory.hosts);
    g_free(self->hosts);
    g_free(self->extra_name);
}
/* The largest host of the pool, once more and empty. Its name sorts last: no index changes. */
static void
variant_add_empty_host(Variant *self, const char *pool, VrUpdated updated)
{
    guint count = self->inventory.hosts->len;
    VrHost *added = &self->hosts[count];

    for (guint i = 0; i < count; i++) {
        if (g_strcmp0(self->hosts[i].pool, pool) == 0 &&
            self->hosts[i].memory_mib > added->memory_mib)
            *added = self->hosts[i];
    }
    self->extra_name = g_strconcat(self->hosts[count - 1].name, "+", NULL);
    added->name = self->extra_name;
    added->failure_domain = NULL;
    added->updated = updated;
    g_ptr_array_add(self->inventory.hosts, added);
}

/* ------------------------------------------------------------------ levers */

/* FALSE: there is no such plan. */
static gboolean
summarize(const VrPlanQuestion *question, VrPlanSummary *out_summary)
{
    g_autoptr(VrPlan) plan =
        vr_planner_compute(question->inventory, question->policy, question->request, NULL);

    if (plan != NULL)
        *out_summary = plan->summary;
    return plan != NULL;
}

static void
leverage_free(gpointer data)
{
    VrLeverage *self = data;

    g_free(self->change);
    g_free(self);
}

/* The pool whose last host is updated last; NULL if nothing is updated. */
static const char *
find_last_pool(const VrInventory *inventory, const VrPlan *plan)
{
    const char *last = NULL;
    gint64 end_ms = -1;

    for (guint i = 0; i < plan->steps->len; i++) {
        const VrPlanStep *step = vr_plan_step(plan, i);
        if (step->kind != VR_STEP_UPDATE || step->end_ms <= end_ms)
            continue;
        gint host = vr_inventory_find_host(inventory, step->host);
        last = vr_inventory_host(inventory, (guint)host)->pool;
        end_ms = step->end_ms;
    }
    return last;
}

/* A question with something changed. */
typedef struct {
    const VrPlanQuestion *question;
    const VrPlan *plan; /* its answer without the change */
    Variant variant;
    VrPolicy *policy;
} Trial;

static void
trial_clear(Trial *self)
{
    variant_clear(&self->variant);
    vr_policy_free(self->policy);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Trial, trial_clear)

/* What the change is called (transfer full), or NULL if there is nothing to change. */
typedef char *(*Pull)(Trial *self);

static char *
pull_empty_host(Trial *self)
{
    const char *pool = find_last_pool(self->question->inventory, self->plan);

    if (pool == NULL)
        return NULL;
    /* A host more must not raise a limit that counts in hundredths of the fleet. */
    self->policy->limits.hosts_down_max =
        vr_policy_hosts_down_max(self->policy, self->question->inventory->hosts->len);
    variant_add_empty_host(&self->variant, pool,
                           self->question->request->hosts != NULL ? VR_UPDATED_YES : VR_UPDATED_NO);
    return *pool != '\0' ? g_strdup_printf("one more empty host in pool %s", pool)
                         : g_strdup("one more empty host");
}

static char *
pull_hosts_down(Trial *self)
{
    gint64 now = vr_policy_hosts_down_max(self->policy, self->question->inventory->hosts->len);

    self->policy->limits.hosts_down_max = 2 * now;
    self->policy->limits.hosts_down_per_domain_max *= 2;
    return g_strdup_printf("%" G_GINT64_FORMAT " hosts down at once instead of %" G_GINT64_FORMAT,
                           2 * now, now);
}

static char *
pull_gate(Trial *self)
{
    VrLimits *limits = &self->policy->limits;

    if (limits->gate_s == 0 && limits->gate_canary_s == 0)
        return NULL;
    limits->gate_s /= 2;
    limits->gate_canary_s /= 2;
    return g_strdup("gates half as long");
}

static char *
pull_links(Trial *self)
{
    for (guint i = 0; i < self->variant.inventory.hosts->len; i++)
        self->variant.hosts[i].link_mib_per_s *= 2;
    self->policy->limits.stream_mib_per_s *= 2;
    return g_strdup("links twice as fast");
}

static char *
pull_update_time(Trial *self)
{
    for (guint i = 0; i < self->variant.inventory.hosts->len; i++)
        self->variant.hosts[i].update_s = (self->variant.hosts[i].update_s + 1) / 2;
    return g_strdup("updates half as long");
}

static char *
pull_extra_migrations(Trial *self)
{
    gint64 permille = self->policy->limits.extra_migrations_permille += 20;

    return g_strdup_printf("%" G_GINT64_FORMAT ".%" G_GINT64_FORMAT " %% extra migrations",
                           permille / 10, permille % 10);
}

static int
compare_leverages(gconstpointer a, gconstpointer b)
{
    const VrLeverage *x = *(const VrLeverage *const *)a, *y = *(const VrLeverage *const *)b;

    if (x->makespan_ms != y->makespan_ms)
        return x->makespan_ms < y->makespan_ms ? -1 : 1;
    return x->lever < y->lever ? -1 : x->lever > y->lever;
}

static void
try_lever(const VrPlanQuestion *question, const VrPlan *plan, VrLever lever, Pull pull,
          GPtrArray *found)
{
    g_auto(Trial) trial = {.question = question, .plan = plan};
    VrPlanSummary summary = {0};

    trial.policy = vr_policy_copy(question->policy);
    variant_init(&trial.variant, question->inventory);
    g_autofree char *change = pull(&trial);
    VrPlanQuestion other = {&trial.variant.inventory, trial.policy, question->request};
    if (change == NULL || !summarize(&other, &summary) ||
        summary.makespan_ms >= plan->summary.makespan_ms)
        return;
    VrLeverage *leverage = g_new0(VrLeverage, 1);
    *leverage =
        (VrLeverage){lever, g_steal_pointer(&change), summary.makespan_ms, summary.migrations};
    g_ptr_array_add(found, leverage);
}

GPtrArray *
vr_tradeoff_levers(const VrPlanQuestion *question, const VrPlan *plan)
{
    static const Pull pulls[] = {
        [VR_LEVER_EMPTY_HOST] = pull_empty_host,
        [VR_LEVER_HOSTS_DOWN] = pull_hosts_down,
        [VR_LEVER_GATE] = pull_gate,
        [VR_LEVER_LINKS] = pull_links,
        [VR_LEVER_UPDATE_TIME] = pull_update_time,
        [VR_LEVER_EXTRA_MIGRATIONS] = pull_extra_migrations,
    };
    GPtrArray *found = g_ptr_array_new_with_free_func(leverage_free);

    for (guint i = 0; i < G_N_ELEMENTS(pulls); i++)
        try_lever(question, plan, (VrLever)i, pulls[i], found);
    g_ptr_array_sort(found, compare_leverages);
    return found;
}

/* ------------------------------------------------------------------ budgets */

static VrPlan *
plan_with_budget(const VrPlanQuestion *question, gint64 permille, GError **error)
{
    g_autoptr(VrPolicy) policy = vr_policy_copy(question->policy);

    policy->limits.extra_migrations_permille = permille;
    return vr_planner_compute(question->inventory, policy, question->request, error);
}

GArray *
vr_tradeoff_curve(const VrPlanQuestion *question, GError **error)
{
    g_autoptr(GArray) points = g_array_new(FALSE, FALSE, sizeof(VrCurvePoint));

    for (guint i = 0; i < G_N_ELEMENTS(curve_permille); i++) {
        g_autoptr(VrPlan) plan =
            plan_with_budget(question, curve_permille[i], points->len == 0 ? error : NULL);
        if (plan == NULL && points->len == 0)
            return NULL;
        VrCurvePoint point = {curve_permille[i], {0}};
        if (plan != NULL) {
            point.summary = plan->summary;
            g_array_append_val(points, point);
        }
    }
    return g_steal_pointer(&points);
}

/* The smallest budget above `failed` and up to that of *plan, which meets it, that does too. */
static void
lower_budget(const VrPlanQuestion *question, gint64 makespan_max_ms, gint64 failed, VrPlan **plan,
             gint64 *permille)
{
    while (*permille - failed > 1) {
        gint64 middle = failed + (*permille - failed) / 2;
        g_autoptr(VrPlan) other = plan_with_budget(question, middle, NULL);
        if (other == NULL || other->summary.makespan_ms > makespan_max_ms) {
            failed = middle;
            continue;
        }
        *permille = middle;
        vr_plan_free(*plan);
        *plan = g_steal_pointer(&other);
    }
}

/* Why not, and what would do, from the shortest plan that was found. */
static void
refuse(const VrPlanQuestion *question, gint64 makespan_max_ms, const VrPlan *best, gint64 permille,
       GError **error)
{
    g_autoptr(VrPolicy) policy = vr_policy_copy(question->policy);
    VrPlanQuestion other = {question->inventory, policy, question->request};
    g_autofree char *wanted = vr_time_format_span(makespan_max_ms * VR_MS_US);
    g_autofree char *shortest = vr_time_format_span(best->summary.makespan_ms * VR_MS_US);
    g_autoptr(GString) text = g_string_new(NULL);

    policy->limits.extra_migrations_permille = permille;
    g_autoptr(GPtrArray) levers = vr_tradeoff_levers(&other, best);
    for (guint i = 0; i < levers->len; i++) {
        const VrLeverage *leverage = g_ptr_array_index(levers, i);
        g_autofree char *span = vr_time_format_span(leverage->makespan_ms * VR_MS_US);
        if (leverage->lever != VR_LEVER_EXTRA_MIGRATIONS)
            g_string_append_printf(text, "%s %s (%s%s)", text->len == 0 ? "; what helps:" : ",",
                                   leverage->change, span,
                                   leverage->makespan_ms <= makespan_max_ms ? ", enough" : "");
    }
    g_set_error(error, VR_ERROR, VR_ERROR_CAPACITY,
                "no plan found that takes at most %s: the shortest takes %s, with %" G_GINT64_FORMAT
                ".%" G_GINT64_FORMAT " %% extra migrations%s",
                wanted, shortest, permille / 10, permille % 10, text->str);
}

VrPlan *
vr_tradeoff_finish_within(const VrPlanQuestion *question, gint64 makespan_max_ms,
                          gint64 *out_permille, GError **error)
{
    g_autoptr(VrPlan) best = NULL;
    gint64 failed = -1, best_permille = 0;

    for (guint i = 0; i < G_N_ELEMENTS(curve_permille); i++) {
        gint64 permille = curve_permille[i];
        g_autoptr(VrPlan) plan = plan_with_budget(question, permille, i == 0 ? error : NULL);
        if (plan == NULL && i == 0)
            return NULL;
        if (plan != NULL && plan->summary.makespan_ms <= makespan_max_ms) {
            lower_budget(question, makespan_max_ms, failed, &plan, &permille);
            *out_permille = permille;
            return g_steal_pointer(&plan);
        }
        failed = permille;
        if (best == NULL ||
            (plan != NULL && plan->summary.makespan_ms < best->summary.makespan_ms)) {
            g_clear_pointer(&best, vr_plan_free);
            best = g_steal_pointer(&plan);
            best_permille = permille;
        }
    }
    refuse(question, makespan_max_ms, best, best_permille, error);
    return NULL;
}
