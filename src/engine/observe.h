/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The read protocol of the recovery table: source, target, everywhere else, source again; if the
 * two reads of the source differ, from the start. Enforced here and nowhere else.
 */
#pragma once

#include <virt-roll/engine.h>

G_BEGIN_DECLS

/* Rounds before it gives up and calls the observation torn. */
#define VR_OBSERVE_ROUNDS_MAX 4

/* The observation's contents may be taken; what is left is freed. */
typedef void (*VrObserveDone)(VrObservation *observation, gpointer data);

typedef struct {
    const char *vm_uuid;
    const char *source;
    const char *target;
    char **elsewhere; /* names of the other hosts to read; NULL-terminated; copied */
    gboolean with_definition;
} VrObserveRequest;

/* All of it happens on the executor's thread, `done` too. Never answers before it returns. */
void vr_observe(const VrHypervisor *hypervisor, const VrExecutor *executor,
                const VrObserveRequest *request, VrObserveDone done, gpointer data);

G_END_DECLS
