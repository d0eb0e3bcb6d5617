/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The port's calls, waited for while the main loop runs, and the lab's verbs. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <virt-roll/ports.h>

#define LAB_ENVIRONMENT "VIRT_ROLL_LAB_FLEET"

/* The lab that the environment names; NULL without one. */
typedef struct {
    char *state; /* its directory */
    VrFleet *fleet;
} Lab;

Lab *lab_load(void);
void lab_free(Lab *self);

/* Runs `contrib/lab/lab --state … ARGUMENTS`; fails the test if that fails. */
void lab_run(const Lab *self, const char *format, ...) G_GNUC_PRINTF(2, 3);

typedef struct {
    gint ended; /* atomic */
    guint done_count;
    GError *error;
    gint progress_count;          /* atomic */
    VrMigrationProgress progress; /* the last one; once it has ended */
} Call;

void call_clear(Call *self);
gboolean call_has_ended(const Call *self);

/* Begins without waiting; `self` must live until it has ended. */
void call_migrate(VrHypervisor port, const VrMigrationRequest *request, Call *self);

/* Iterates the main loop until it has ended; fails the test after that many seconds. */
void call_wait(Call *self, guint seconds);

VrReading *wait_read(VrHypervisor port, const char *host, const char *uuid, VrRole role,
                     gboolean with_definition);
void reading_free(VrReading *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrReading, reading_free)

/* The class only. */
VrSide wait_side(VrHypervisor port, const char *host, const char *uuid, VrRole role);

/* Reads again and again until it is of that class. */
void wait_until_side(VrHypervisor port, const char *host, const char *uuid, VrRole role,
                     VrSide side, guint seconds);

VrListing *wait_list(VrHypervisor port, const char *host);

/* NULL: it was done. (transfer full) */
GError *wait_act(VrHypervisor port, const VrActionRequest *request);

/* Lets the main loop run. */
void wait_ms(guint milliseconds);
