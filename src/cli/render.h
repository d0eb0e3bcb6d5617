/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the commands print, as pure functions: values and a width in, text out. Times of day are
 * local ones. All returned text is (transfer full), ends with a newline and has no escapes in it.
 */
#pragma once

#include <virt-roll/fleet.h>
#include <virt-roll/revision.h>
#include <virt-roll/tradeoff.h>

G_BEGIN_DECLS

/* What a plan is shown with, all borrowed. */
typedef struct {
    const VrPlan *plan;
    const VrPolicy *policy;
    const VrInventory *inventory;
    const char *fleet;       /* its name */
    const GPtrArray *levers; /* (nullable) (element-type VrLeverage) what would shorten it */
} VrPlanView;

/* For people who see it before they say yes: hosts in their order, with a timeline. */
char *vr_render_plan(const VrPlanView *view, guint width);

/* Of vr_tradeoff_curve and vr_tradeoff_levers. `json` is `virt-roll-curve/1`. */
char *vr_render_curve(const GArray *points, const GPtrArray *levers);
char *vr_render_curve_json(const GArray *points, const GPtrArray *levers);

char *vr_render_inventory(const VrInventory *inventory, guint width);

/* Who looks at what. `program` is how to call us again: "virt-roll --state DIR". */
typedef struct {
    const VrRollout *rollout; /* basis NULL: there has never been one */
    gboolean is_alive;        /* a controller works on it right now */
    const char *program;
    gint64 now_us;
    const VrFleet *fleet; /* (nullable) for the URIs in commands */
} VrStatusView;

/*
 * What a revision would change against the present plan. `doubt` (nullable) is why a person must be
 * asked about it. `json` is `virt-roll-diff/1`.
 */
char *vr_render_revision(const VrRollout *rollout, const VrRevision *revision, gint64 now_us,
                         guint width);
char *vr_render_revision_json(const VrRollout *rollout, const VrRevision *revision,
                              const char *doubt, gint64 now_us);

/* What migrating back off a host would do, and what releasing it would, before it is confirmed. */
char *vr_render_undo(const VrRollout *rollout, const char *host, gint64 now_us, guint width);
char *vr_render_release(const VrRollout *rollout, const char *host, guint width);

/* What a rollout has done so far. `json` is `virt-roll-report/1`. */
char *vr_render_report(const VrStatusView *view, guint width);
char *vr_render_report_json(const VrStatusView *view);

/* Where a rollout stands and what a person has to do. `json` is `virt-roll-status/1`. */
char *vr_render_status(const VrStatusView *view, guint width);
char *vr_render_status_json(const VrStatusView *view);
/* Which hosts are silent, what is lost with them, and what to do about that; "": none is. */
char *vr_render_silent_hosts(const VrStatusView *view, guint width);
/* The one next command, and what for; NULL: nothing is to be done. */
char *vr_render_next(const VrStatusView *view, const char **out_why);
/* "h2 is closed to guests (applying)": what a rollout has changed and not changed back yet. */
GPtrArray *vr_render_changed(const VrRollout *rollout); /* (element-type utf8) */

/* One line on an event that an operator cares about. */
typedef struct {
    char *text;         /* NULL: nobody cares */
    gboolean is_result; /* something ended; else it only begins and the live part shows it too */
    gboolean is_bad;
} VrEventLine;

/* `rollout` has the event applied; `from` is the phase that its step was in before. */
VrEventLine vr_render_event(const VrRollout *rollout, const VrEvent *event, VrPhase from);
void vr_event_line_clear(VrEventLine *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VrEventLine, vr_event_line_clear)

/*
 * What goes on right now, a line each, none wider than `width`, the overall bar last. `progress`
 * maps a step id (GUINT_TO_POINTER) to its VrMigrationProgress. (element-type utf8)
 */
GPtrArray *vr_render_live(const VrRollout *rollout, GHashTable *progress, gint64 now_us,
                          guint width);

G_END_DECLS
