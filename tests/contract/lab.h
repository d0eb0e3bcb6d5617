/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lab that the environment names, its verbs, and waiting while the main loop runs. */
#pragma once

#include "hypervisor-call.h"

#define LAB_ENVIRONMENT "VIRT_ROLL_LAB_FLEET"

typedef struct {
    char *state; /* its directory */
    VrFleet *fleet;
} Lab;

/* NULL: the environment names none. */
Lab *lab_load(void);
void lab_free(Lab *self);

extern const CallGround lab_ground;

/* Runs `contrib/lab/lab --state … ARGUMENTS`; fails the test if that fails. */
void lab_run(const Lab *self, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* (transfer full) the same, and what it printed. */
char *lab_read(const Lab *self, const char *format, ...) G_GNUC_PRINTF(2, 3);
