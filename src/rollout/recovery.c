/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The recovery table. Checked with a model of libvirt's migration (docs/internals/recovery.md): do
 * not change a row without changing the model first.
 */
#include <virt-roll/recovery.h>

#define BIT(value) (1u << (value))

#define ANY_SIDE (BIT(VR_SIDE_COUNT) - 1)
#define JOB (BIT(VR_SIDE_RUNNING_JOB) | BIT(VR_SIDE_MIGRATION_JOB) | BIT(VR_SIDE_USER_JOB))
#define RUNNING BIT(VR_SIDE_RUNNING)
#define USER BIT(VR_SIDE_USER)
#define MIGRATION BIT(VR_SIDE_MIGRATION)
#define ABSENT BIT(VR_SIDE_ABSENT)
#define OFF_BY_GUEST BIT(VR_SIDE_OFF_BY_GUEST)
#define OFF_FAILED BIT(VR_SIDE_OFF_FAILED)
#define OFF BIT(VR_SIDE_OFF)
#define ANY_OFF (OFF | OFF_BY_GUEST | OFF_FAILED)
#define TAKEN_OVER (RUNNING | USER)
#define GONE (ABSENT | OFF | OFF_BY_GUEST)

#define NOWHERE_ELSE BIT(VR_ELSEWHERE_NO)
#define ANYWHERE (BIT(VR_ELSEWHERE_NO) | BIT(VR_ELSEWHERE_YES) | BIT(VR_ELSEWHERE_UNKNOWN))

#define NO 1u
#define YES 2u
#define ANY 3u

#define HOLD VR_DECISION_HOLD
#define OPERATOR VR_DECISION_OPERATOR

static const VrRecoveryRow rows[] = {
    /* row, elsewhere, source, target, same instance, target persistent, paused before,
     * decision, needs fence, needs twice, meaning, remedy */
    {VR_ROW_Y, ANYWHERE, ANY_SIDE, BIT(VR_SIDE_POSTCOPY), ANY, ANY, ANY, HOLD, FALSE, FALSE,
     "is in post-copy: past the point of no return, both hosts must stay up", NULL},
    {VR_ROW_Z, ANYWHERE, BIT(VR_SIDE_POSTCOPY), ANY_SIDE, ANY, ANY, ANY, HOLD, FALSE, FALSE,
     "is in post-copy: past the point of no return, both hosts must stay up", NULL},
    {VR_ROW_X, BIT(VR_ELSEWHERE_YES), ANY_SIDE, ANY_SIDE, ANY, ANY, ANY, OPERATOR, FALSE, FALSE,
     "is on a third host: someone else moved it, or the peer_uri of its target leads there",
     "let that end, then migrate it on to its target by hand"},
    {VR_ROW_U, BIT(VR_ELSEWHERE_UNKNOWN), ANY_SIDE, ANY_SIDE, ANY, ANY, ANY, HOLD, FALSE, FALSE,
     "may be on a host that cannot be read", NULL},
    {VR_ROW_U, NOWHERE_ELSE, BIT(VR_SIDE_UNKNOWN), ANY_SIDE, ANY, ANY, ANY, HOLD, FALSE, FALSE,
     "cannot be read on its source", NULL},
    {VR_ROW_U, NOWHERE_ELSE, ANY_SIDE, BIT(VR_SIDE_UNKNOWN), ANY, ANY, ANY, HOLD, FALSE, FALSE,
     "cannot be read on its target", NULL},
    {VR_ROW_J, NOWHERE_ELSE, JOB, ANY_SIDE, ANY, ANY, ANY, VR_DECISION_WAIT, FALSE, FALSE,
     "is being migrated", NULL},
    {VR_ROW_K, NOWHERE_ELSE, ANY_SIDE, JOB, ANY, ANY, ANY, VR_DECISION_WAIT, FALSE, FALSE,
     "is still arriving: libvirt has not finished there", NULL},
    {VR_ROW_W, NOWHERE_ELSE, BIT(VR_SIDE_ODD), ANY_SIDE, ANY, ANY, ANY, OPERATOR, FALSE, TRUE,
     "is in an unusual state on its source", "mend the guest or its storage"},
    {VR_ROW_W, NOWHERE_ELSE, ANY_SIDE, BIT(VR_SIDE_ODD), ANY, ANY, ANY, OPERATOR, FALSE, TRUE,
     "is in an unusual state on its target, which holds its newest copy",
     "mend the guest or its storage there"},
    {VR_ROW_A, NOWHERE_ELSE, RUNNING, ABSENT, YES, ANY, ANY, VR_DECISION_ROLLED_BACK, TRUE, FALSE,
     "runs on its source as before", NULL},
    {VR_ROW_A2, NOWHERE_ELSE, RUNNING, ABSENT, NO, ANY, ANY, OPERATOR, FALSE, FALSE,
     "runs on its source, but as another instance: restarted, or brought back by someone else",
     "find out who did it, and check its data"},
    {VR_ROW_B, NOWHERE_ELSE, RUNNING | USER, OFF_FAILED, ANY, ANY, ANY, VR_DECISION_UNDEFINE_TARGET,
     TRUE, FALSE, "runs on its source; a failed arrival left its definition on the target", NULL},
    {VR_ROW_C, NOWHERE_ELSE, RUNNING, OFF | OFF_BY_GUEST, ANY, ANY, ANY, OPERATOR, TRUE, FALSE,
     "runs on its source, but may have run on the target too and ended there",
     "check its data, then undefine it on its target"},
    {VR_ROW_D, NOWHERE_ELSE, RUNNING, RUNNING | USER | MIGRATION, ANY, ANY, ANY, OPERATOR, FALSE,
     FALSE, "runs on both hosts (split brain)", NULL},
    {VR_ROW_E, NOWHERE_ELSE, MIGRATION, ABSENT, ANY, ANY, NO, VR_DECISION_RESUME_SOURCE, TRUE, TRUE,
     "was left paused on its source and has never run on the target", NULL},
    {VR_ROW_M, NOWHERE_ELSE, MIGRATION, ABSENT, ANY, ANY, YES, OPERATOR, FALSE, FALSE,
     "was paused by its owner before; nothing says who should resume it",
     "ask its owner whether to resume it"},
    {VR_ROW_F, NOWHERE_ELSE, MIGRATION, ANY_OFF, ANY, ANY, ANY, OPERATOR, FALSE, FALSE,
     "was left paused on its source, but may have run on the target and ended there",
     "do not resume it: destroy and undefine it on its source, then start it on its target"},
    {VR_ROW_G, NOWHERE_ELSE, MIGRATION, TAKEN_OVER, ANY, YES, ANY, VR_DECISION_DESTROY_SOURCE, TRUE,
     TRUE, "runs on the target; its source kept the old, paused copy", NULL},
    {VR_ROW_H, NOWHERE_ELSE, MIGRATION, TAKEN_OVER, ANY, NO, ANY, VR_DECISION_DEFINE_TARGET, TRUE,
     FALSE, "runs on the target without a definition there", NULL},
    {VR_ROW_I, NOWHERE_ELSE, MIGRATION, MIGRATION, ANY, ANY, ANY, OPERATOR, FALSE, FALSE,
     "is paused on both hosts without a job: never seen before",
     "find out by libvirt's logs of both hosts which copy has run last, and keep that one"},
    {VR_ROW_L, NOWHERE_ELSE, USER, ABSENT, ANY, ANY, ANY, VR_DECISION_ROLLED_BACK, TRUE, FALSE,
     "is on its source as before, paused by its owner", NULL},
    {VR_ROW_M, NOWHERE_ELSE, USER, ANY_SIDE, ANY, ANY, ANY, OPERATOR, FALSE, FALSE,
     "is paused by its owner on the source and known to the target too",
     "ask its owner which copy is to stay, and remove the other one"},
    {VR_ROW_N2, NOWHERE_ELSE, OFF_BY_GUEST, TAKEN_OVER, ANY, ANY, ANY, OPERATOR, FALSE, FALSE,
     "runs on the target, but was shut down on its source: both have run",
     "find out by libvirt's logs of both hosts which copy began to run last: the disk may be newer "
     "than its memory; leave one copy, on one host"},
    {VR_ROW_N, NOWHERE_ELSE, GONE, TAKEN_OVER, ANY, NO, ANY, VR_DECISION_DEFINE_TARGET, TRUE, FALSE,
     "runs on the target without a definition there", NULL},
    {VR_ROW_O, NOWHERE_ELSE, OFF, TAKEN_OVER, ANY, YES, ANY, VR_DECISION_UNDEFINE_SOURCE, TRUE,
     FALSE, "runs on the target; its source kept a stale definition", NULL},
    {VR_ROW_P, NOWHERE_ELSE, ABSENT, TAKEN_OVER, ANY, YES, ANY, VR_DECISION_SETTLED, FALSE, FALSE,
     "runs on the target alone", NULL},
    {VR_ROW_Q, NOWHERE_ELSE, GONE, MIGRATION, ANY, ANY, ANY, OPERATOR, FALSE, FALSE,
     "has left its source and waits paused on the target without a job: never seen before",
     "find out by libvirt's logs of both hosts which copy has run last, and keep that one"},
    {VR_ROW_R, NOWHERE_ELSE, ABSENT, OFF_BY_GUEST, ANY, ANY, ANY, VR_DECISION_STOPPED, TRUE, FALSE,
     "was shut down by its owner, on the target", NULL},
    {VR_ROW_T, NOWHERE_ELSE, OFF_BY_GUEST, ABSENT, ANY, ANY, ANY, VR_DECISION_STOPPED, TRUE, FALSE,
     "was shut down by its owner, on the source", NULL},
    {VR_ROW_V, NOWHERE_ELSE, OFF, ABSENT, ANY, ANY, ANY, OPERATOR, TRUE, FALSE,
     "runs nowhere: the guest died on its source, or with it",
     "move its definition to its target (virsh migrate --offline), then start it there"},
    {VR_ROW_V, NOWHERE_ELSE, ABSENT, OFF | OFF_FAILED, ANY, ANY, ANY, OPERATOR, TRUE, FALSE,
     "runs nowhere: the guest died on its target, or with it", "start it on its target"},
    {VR_ROW_V, NOWHERE_ELSE, GONE, GONE | OFF_FAILED, ANY, ANY, ANY, OPERATOR, TRUE, FALSE,
     "runs nowhere: it died, or its host was lost",
     "make sure that no host runs it, leave it defined on its target only, then start it there"},
};

const VrRecoveryRow *
vr_recovery_rows(guint *out_count)
{
    *out_count = G_N_ELEMENTS(rows);
    return rows;
}

static gboolean
row_matches(const VrRecoveryRow *row, const VrEvidence *evidence, VrSide source)
{
    return (row->elsewhere_mask & BIT(evidence->elsewhere)) != 0 &&
           (row->source_mask & BIT(source)) != 0 &&
           (row->target_mask & BIT(evidence->target)) != 0 &&
           (row->same_instance_mask & (evidence->same_instance ? YES : NO)) != 0 &&
           (row->target_persistent_mask & (evidence->target_persistent ? YES : NO)) != 0 &&
           (row->paused_before_mask & (evidence->paused_before ? YES : NO)) != 0;
}

const VrRecoveryRow *
vr_recovery_match(const VrEvidence *evidence)
{
    /* "Failed" says something of an arrival only; on a source it is one more way to be off. */
    VrSide source = evidence->source == VR_SIDE_OFF_FAILED ? VR_SIDE_OFF : evidence->source;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (row_matches(&rows[i], evidence, source))
            return &rows[i];
    }
    g_assert_not_reached(); /* a test enumerates every combination */
}
