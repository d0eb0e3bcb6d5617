/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host-update port: the operator's stages as child processes, each attempt under a durable
 * helper (virt-roll-stage) that outlives the controller. How an attempt is never run twice:
 * docs/internals/stages.md.
 */
#pragma once

#include <virt-roll/ports.h>

G_BEGIN_DECLS

typedef struct VrProcessHostUpdate VrProcessHostUpdate;

/* The fleet must outlive it. `directory` holds one folder per attempt, made when needed. */
VrProcessHostUpdate *vr_process_host_update_new(const VrFleet *fleet, const char *directory,
                                                const char *helper_path);
VrHostUpdate vr_process_host_update_port(VrProcessHostUpdate *self);

/*
 * Runs a stage outside any rollout and waits for it (scans: facts, assess): no durable attempt, no
 * helper. (transfer full) its output; errors: VR_ERROR_FAILED with exit status and last line,
 * VR_ERROR_TIMEOUT, VR_ERROR_NOT_FOUND (the host has no such stage or its program is missing),
 * VR_ERROR_INVALID (a name or level that is not passed on). With `out_exit_status` (nullable) every
 * exit status is a success, without it only 0.
 */
char *vr_process_run_stage(const VrFleetHost *host, VrStage stage, const char *level,
                           int *out_exit_status, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* An attempt in `directory` whose helper lives; NULL: there is none. (transfer full) its folder */
char *vr_process_find_running(const char *directory);

/*
 * Makes an attempt that is not there yet, durably, as one that began and of which nobody knows how
 * it ended: it ends as lost with this `output` and never runs. VR_ERROR_IO, VR_ERROR_INVALID (a
 * name that is not passed on).
 */
gboolean vr_process_lose_attempt(const char *directory, const VrStageRequest *request,
                                 const char *output, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Does not wait: running attempts go on without us, and no `done` comes after it. Not to be called
 * from within a `done`.
 */
void vr_process_host_update_free(VrProcessHostUpdate *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrProcessHostUpdate, vr_process_host_update_free)

G_END_DECLS
