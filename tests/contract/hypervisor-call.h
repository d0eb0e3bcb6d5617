/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls to a hypervisor port that are waited for, whatever makes time go on under it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <virt-roll/ports.h>

/* What all waiting rests on: one at a time, set before the first call. */
typedef struct {
    gpointer context;
    gint64 (*now_us)(gpointer context);
    void (*go_on)(gpointer context); /* for some milliseconds, or until something has happened */
} CallGround;

void call_stand_on(const CallGround *ground);
gint64 call_now_us(void);

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
