/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/problem.h"

#include "base/json-writer.h"

#define TYPE_PREFIX "urn:virt-roll:problem:"

typedef struct {
    const char *code;
    guint status;
    const char *title;
} Row;

#define VR_PROBLEM_ROW(member, code, status, title) {code, status, title},
static const Row rows[] = {VR_PROBLEMS(VR_PROBLEM_ROW)};

/* (transfer full) */
static char *
format(const char *code, guint status, const char *title, const char *detail)
{
    g_autofree char *type = g_strconcat(TYPE_PREFIX, code, NULL);
    VrJsonWriter writer = vr_json_writer_text();
    vr_json_writer_begin(&writer, '{');
    vr_json_writer_name(&writer, "code");
    vr_json_writer_string(&writer, code);
    if (detail != NULL) {
        vr_json_writer_name(&writer, "detail");
        vr_json_writer_string(&writer, detail);
    }
    vr_json_writer_name(&writer, "status");
    vr_json_writer_integer(&writer, status);
    vr_json_writer_name(&writer, "title");
    vr_json_writer_string(&writer, title);
    vr_json_writer_name(&writer, "type");
    vr_json_writer_string(&writer, type);
    vr_json_writer_end(&writer, '}');
    return vr_json_writer_finish(&writer);
}

guint
vr_problem_status(VrProblem problem)
{
    return rows[problem].status;
}

char *
vr_problem_format(VrProblem problem)
{
    const Row *row = &rows[problem];
    return format(row->code, row->status, row->title, NULL);
}

static const VrErrorInfo *
info_of(const GError *error)
{
    gboolean is_ours = error->domain == VR_ERROR;
    return vr_error_info(is_ours ? (VrErrorCode)error->code : VR_ERROR_FAILED);
}

guint
vr_problem_error_status(const GError *error)
{
    return (guint)info_of(error)->http_status;
}

char *
vr_problem_format_error(const GError *error)
{
    const VrErrorInfo *info = info_of(error);
    return format(info->word, (guint)info->http_status, info->word, error->message);
}
