/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program: finds the command, parses its options, runs it, tells its error. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Exit status as docs/reference/commands.md says. */
int vr_commands_main(int argc, char **argv);

G_END_DECLS
