/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine with the real adapters, on a thread of its own: what `virt-roll run` embeds. All
 * functions are called on the main thread, whose default main context must be iterated (libvirt's
 * events and the listener's calls arrive there).
 */
#pragma once

#include <virt-roll/engine.h>

#include "adapters/libvirt/hypervisor.h"

G_BEGIN_DECLS

typedef struct VrController VrController;

/* Told on the main thread, in order. */
typedef struct {
    gpointer data;
    void (*happened)(gpointer data, const VrEvent *event);
    void (*progressed)(gpointer data, guint step, const VrMigrationProgress *progress);
    void (*halted)(gpointer data, const char *reason);
} VrControllerListener;

/*
 * Takes the state directory's lock, opens the journal and replays it; issues nothing yet. Fleet and
 * libvirt must outlive it. Errors: VR_ERROR_CONFLICT (another controller owns the fleet),
 * VR_ERROR_CORRUPT, VR_ERROR_IO.
 */
VrController *vr_controller_open(const VrFleet *fleet, VrLibvirt *libvirt,
                                 const char *state_directory, const VrControllerListener *listener,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The present state: a copy of the caller's own. Basis NULL: no rollout. */
VrRollout *vr_controller_snapshot(VrController *self);

/* A new rollout, and go. Only when the snapshot shows none, or one that is done or closed. */
void vr_controller_begin(VrController *self, const char *id, const VrPlan *plan,
                         const VrPolicy *policy, const VrInventory *inventory);

/* Goes on with the rollout that the journal holds: finds out how everything ended, then starts. */
void vr_controller_resume(VrController *self);

/* Finish what is in flight, begin nothing. */
void vr_controller_stop(VrController *self, const char *reason);

/*
 * What a person asks for besides, once the rollout is resumed: retry, undo, release (of the host
 * `subject`) or defer (of the VM with the UUID `subject`). `reason` is NULL where none is needed.
 */
void vr_controller_ask(VrController *self, VrInputKind kind, const char *subject,
                       const char *reason);

/*
 * Instead of vr_controller_resume: the rollout goes on by a revised plan, which is taken. A person
 * has approved it.
 */
void vr_controller_revise(VrController *self, VrRevision *revision, const char *reason);

/* The same with a rollout that this process has driven to where it stands; nobody was asked. */
void vr_controller_revise_by_itself(VrController *self, VrRevision *revision, const char *reason);

/* Ends a rollout for good that has come to rest (stopped, failed, needs-operator). */
void vr_controller_close(VrController *self, const char *reason);

/* Leaves at once: what libvirt and the stages have in hand goes on without us. */
void vr_controller_free(VrController *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrController, vr_controller_free)

/*
 * The rollout that a state directory holds, without its lock: for looking while another process
 * works. (transfer full); basis NULL if there is none. Errors: VR_ERROR_NOT_FOUND (no such
 * directory), VR_ERROR_CORRUPT, VR_ERROR_IO.
 */
VrRollout *vr_controller_look(const char *state_directory, gboolean *out_running,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
