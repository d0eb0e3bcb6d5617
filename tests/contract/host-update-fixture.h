/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For suites about stages as processes: a fleet of one host with one stage, `apply`. Stages are
 * small shell scripts, given as argv like any other program; they talk to the test through FIFOs,
 * so that no test sleeps.
 */
#pragma once

#include "adapters/process/host-update.h"

#define STAGE_DEADLINE_S 60

typedef struct {
    GMutex mutex;
    GCond changed;
    guint count;
    VrStageEnd end;
    int exit_status;
    char *output;
} StageAnswer;

void stage_answer_init(StageAnswer *self);
void stage_answer_clear(StageAnswer *self);
void stage_answer_done(const VrStageResult *result, gpointer answer);

/* Until there were `count` in all; FALSE: not in time. */
gboolean stage_answer_wait(StageAnswer *self, guint count);

void stage_fleet_init(VrFleet *fleet, VrFleetHost *host, char **argv, gint64 timeout_s);

/* Attempt N of step 7 in rollout r-1. */
VrStageRequest stage_request(guint attempt);

typedef struct {
    char *folder;
    char *attempts; /* the adapter's directory in it */
    VrFleet fleet;
    VrFleetHost host;
    char **argv;
    VrProcessHostUpdate *adapter;
    StageAnswer answer;
    int began_fd, go_fd, held_fd; /* FIFOs in the folder */
} StageWorld;

/* Where the files of attempt 1 are in the folder. */
#define STAGE_ATTEMPT_1 "attempts/r-1/7-1-apply/"

int stage_setup(void **state);
int stage_teardown(void **state);

/* A new adapter as after a restart, with this helper. */
void stage_restart(StageWorld *world, const char *helper_path);

/* The stage from now on. A script finds FIFOs and files in $F. */
void stage_set_argv(StageWorld *world, const char *const *argv, gint64 timeout_s);
void stage_set_script(StageWorld *world, const char *script, gint64 timeout_s);

void stage_start(StageWorld *world, const VrStageRequest *request);
void stage_assert_answer(StageWorld *world, guint count, VrStageEnd end, int exit_status);

/* Runs attempt 1 and expects this end. */
void stage_run(StageWorld *world, VrStageEnd end, int exit_status);

/* Waits until the stage has written a line to $F/began. */
void stage_wait_until_began(StageWorld *world);

/* Gives one who reads $F/go its line. */
void stage_let_go(StageWorld *world);

/* Waits until nobody holds $F/held any more, which somebody did. */
void stage_wait_until_released(StageWorld *world);

/* (transfer full) (nullable) the text of a file in the folder. */
char *stage_read_file(StageWorld *world, const char *name);
void stage_assert_file(StageWorld *world, const char *name, const char *expected);
