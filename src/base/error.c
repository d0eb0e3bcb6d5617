/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/error.h>

#define VR_ERROR_ROW(code, word, http, exit, retry) {word, http, exit, retry},
static const VrErrorInfo table[] = {VR_ERRORS(VR_ERROR_ROW)};

G_DEFINE_QUARK(vr - error - quark, vr_error)

const VrErrorInfo *
vr_error_info(VrErrorCode code)
{
    g_assert((guint)code < G_N_ELEMENTS(table));
    return &table[code];
}

int
vr_error_exit_status(const GError *error)
{
    g_assert(error != NULL);
    if (error->domain != VR_ERROR)
        return 1;
    return vr_error_info((VrErrorCode)error->code)->exit_status;
}
