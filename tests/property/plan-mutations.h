/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ways to break a good plan in one place, or what it was made of, so that it no longer holds. */
#pragma once

#include <virt-roll/plan.h>

G_BEGIN_DECLS

#define MUTATIONS 32

/* Copies, for the mutation to change. */
typedef struct {
    VrInventory *inventory;
    VrPolicy *policy;
    VrPlan *plan;
} Mutant;

typedef struct {
    const char *name;
    /* At the step with this index. FALSE: not to be done there; what it is then is no matter. */
    gboolean (*mutate)(Mutant *self, guint index);
    gboolean is_of_plan; /* the index is no step's; from 0 to MUTATION_PLACES - 1 */
} Mutation;

#define MUTATION_PLACES 10

extern const Mutation plan_mutations[MUTATIONS];

G_END_DECLS
