/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of a revised plan share: asking for it, and looking at what came of it. */
#pragma once

#include "fake-world-private.h"

const VrRollout *revising_rollout(const FakeWorld *world);
void revising_assert_phase(const FakeWorld *world, VrRolloutPhase phase);
void revising_run_to(FakeWorld *world, VrRolloutPhase phase);
/* The journal gives the same rollout again. */
void revising_assert_replays(const FakeWorld *world);
void revising_assert_good_end_and_free(FakeWorld *world);
VrRevision *revising_plan_anew(const FakeWorld *world, const char *skip, GError **error);
VrRevision *revising_plan_anew_well(const FakeWorld *world, const char *skip);
/* As a person does, with the rollout going on. */
void revising_revise(FakeWorld *world);
void revising_revise_automatically(FakeWorld *world);
void revising_assert_refused(const FakeWorld *world, const char *words);
void revising_assert_doubted(const FakeWorld *world, const char *words);
void revising_set_automatic(VrPolicy *policy);
/* The newest step of a kind about a host, or migrating a VM; NULL. */
const VrStepState *revising_find_step(const FakeWorld *world, VrStepKind kind, const char *subject);
guint revising_count_phase(const FakeWorld *world, VrPhase phase);
