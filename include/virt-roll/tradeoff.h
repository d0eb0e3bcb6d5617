/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What other choices would bring: the same question planned anew under each of them. Measured by
 * planning, not guessed from formulas, so each call costs as many plans as it tries. Pure.
 */
#pragma once

#include <virt-roll/plan.h>

G_BEGIN_DECLS

typedef struct {
    const VrInventory *inventory;
    const VrPolicy *policy;
    const VrPlanRequest *request;
} VrPlanQuestion;

/* Where time can be gained. X(member, word, what limits the fleet then) */
#define VR_LEVERS(X)                                                                               \
    X(VR_LEVER_EMPTY_HOST, "empty-host", "too few empty hosts")                                    \
    X(VR_LEVER_HOSTS_DOWN, "hosts-down", "hosts_down_max")                                         \
    X(VR_LEVER_GATE, "gate", "the gate")                                                           \
    X(VR_LEVER_LINKS, "links", "the links")                                                        \
    X(VR_LEVER_UPDATE_TIME, "update-time", "the time that an update takes")                        \
    X(VR_LEVER_EXTRA_MIGRATIONS, "extra-migrations", "one migration per VM")

typedef enum {
#define VR_LEVER_MEMBER(member, word, limit) member,
    VR_LEVERS(VR_LEVER_MEMBER)
#undef VR_LEVER_MEMBER
} VrLever;

/* "empty-host" */
const char *vr_lever_to_string(VrLever lever);
/* "too few empty hosts" */
const char *vr_lever_limit(VrLever lever);

/* What one lever, pulled a little, would make of the plan. */
typedef struct {
    VrLever lever;
    char *change; /* "one more empty host"; "4 hosts down at once" */
    gint64 makespan_ms;
    gint64 migrations;
} VrLeverage;

/*
 * All levers that shorten `plan`, the question's answer, the strongest first (element-type
 * VrLeverage). A lever under which nothing can be planned, or that has nothing to pull (no gate),
 * is left out.
 */
GPtrArray *vr_tradeoff_levers(const VrPlanQuestion *question, const VrPlan *plan);

/* One point of the curve: a budget and the plan that it makes possible. */
typedef struct {
    gint64 extra_migrations_permille;
    VrPlanSummary summary;
} VrCurvePoint;

/*
 * For budgets of 0, 0.5, 1, 2, 3, 5, 10 and 20 % (element-type VrCurvePoint), ascending. NULL with
 * the planner's error if there is no plan without a budget either.
 */
GArray *vr_tradeoff_curve(const VrPlanQuestion *question, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * The plan with the smallest budget of extra migrations (in permille, at most 200; the policy's own
 * counts no more than any other) that ends in `makespan_max_ms`. The budget found is in
 * *out_permille. VR_ERROR_CAPACITY: there is none; the message says how near it comes and what
 * would do.
 */
VrPlan *vr_tradeoff_finish_within(const VrPlanQuestion *question, gint64 makespan_max_ms,
                                  gint64 *out_permille, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
