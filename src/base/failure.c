/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/failure.h>

#include <string.h>

VR_DEFINE_ENUM(VrFailureClass, vr_failure_class, VR_FAILURE_CLASSES)

#define ROW(member, word, class, happened, next)                                                   \
    [member] = {word, VR_FAILURE_CLASS_##class, happened, next},
static const VrFailureInfo table[] = {VR_FAILURES(ROW)};

#define WORD(member, word, class, happened, next) word,
static const char *const words[] = {"none", VR_FAILURES(WORD) NULL};

/* It would put spaces into the name. */
/* clang-format off */
G_DEFINE_QUARK(vr-failure-quark, vr_failure)
/* clang-format on */

const VrFailureInfo *
vr_failure_info(VrFailure failure)
{
    g_assert((guint)failure < G_N_ELEMENTS(table));
    return &table[failure == VR_FAILURE_NONE ? VR_FAILURE_OTHER : failure];
}

gboolean
vr_failure_is_fatal(VrFailure failure)
{
    return vr_failure_info(failure)->class == VR_FAILURE_CLASS_FATAL;
}

const char *const *
vr_failure_words(void)
{
    return words;
}

void
vr_failure_set(GError **error, VrFailure failure, const char *subject, const char *detail)
{
    const VrFailureInfo *info = vr_failure_info(failure);

    g_set_error(error, VR_FAILURE, (gint)failure, "%s: %s%s%s; %s", subject, info->happened,
                detail != NULL ? ": " : "", detail != NULL ? detail : "", info->next);
}

static VrFailure
of_code(VrErrorCode code)
{
    switch (code) {
    case VR_ERROR_UNREACHABLE:
    case VR_ERROR_TIMEOUT:
        return VR_FAILURE_CUT_OFF;
    case VR_ERROR_REFUSED:
        return VR_FAILURE_REFUSED;
    case VR_ERROR_UNSUPPORTED:
        return VR_FAILURE_UNSUPPORTED;
    case VR_ERROR_CANCELLED:
        return VR_FAILURE_ABORTED;
    case VR_ERROR_FAILED:
    case VR_ERROR_INVALID:
    case VR_ERROR_NOT_FOUND:
    case VR_ERROR_CAPACITY:
    case VR_ERROR_CONFLICT:
    case VR_ERROR_CORRUPT:
    case VR_ERROR_IO:
    case VR_ERROR_OPERATOR:
        return VR_FAILURE_OTHER;
    }
    g_assert_not_reached();
}

VrFailure
vr_failure_of(const GError *error)
{
    if (error == NULL)
        return VR_FAILURE_NONE;
    if (error->domain == VR_FAILURE)
        return (VrFailure)error->code;
    return error->domain == VR_ERROR ? of_code((VrErrorCode)error->code) : VR_FAILURE_OTHER;
}
