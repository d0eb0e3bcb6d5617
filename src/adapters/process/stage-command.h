/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a stage is called with: its command line from the fleet file and its environment. */
#pragma once

#include <virt-roll/ports.h>

G_BEGIN_DECLS

/*
 * The names become parts of paths and values in the environment of the operator's programs.
 * NULL, or (transfer full) what is wrong.
 */
char *vr_stage_command_check(const VrStageRequest *request);

/* (transfer full) exactly what the command gets; `state`: the attempt's directory, NULL: no
 * attempt. */
char **vr_stage_command_environment(const VrStageRequest *request, const char *state);

/* (transfer full) an output of any bytes as valid UTF-8, its last VR_STAGE_OUTPUT_MAX bytes. */
char *vr_stage_command_output(const char *bytes, gsize count);

G_END_DECLS
