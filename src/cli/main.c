/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/commands.h"

int
main(int argc, char **argv)
{
    return vr_commands_main(argc, argv);
}
