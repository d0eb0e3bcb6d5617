/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/libvirt/classify.h"

#include <libvirt/libvirt.h>

#define ANY (-1)
#define ON_TARGET (1u << VR_ROLE_TARGET)
#define ON_ANY (1u << VR_ROLE_SOURCE | 1u << VR_ROLE_TARGET | 1u << VR_ROLE_OTHER)

/* The first row that matches; no row: odd. */
typedef struct {
    gboolean active;
    int state;
    int reason;
    guint roles;
    VrSide side;
    VrSide side_with_job;
} ClassRow;

static const ClassRow rows[] = {
    {TRUE, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_POSTCOPY, ON_ANY, VR_SIDE_POSTCOPY,
     VR_SIDE_POSTCOPY},
    {TRUE, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_POSTCOPY_FAILED, ON_ANY, VR_SIDE_POSTCOPY,
     VR_SIDE_POSTCOPY},
    {TRUE, VIR_DOMAIN_RUNNING, ANY, ON_ANY, VR_SIDE_RUNNING, VR_SIDE_RUNNING_JOB},
    {TRUE, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_POSTCOPY, ON_ANY, VR_SIDE_POSTCOPY,
     VR_SIDE_POSTCOPY},
    {TRUE, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_POSTCOPY_FAILED, ON_ANY, VR_SIDE_POSTCOPY,
     VR_SIDE_POSTCOPY},
    {TRUE, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_MIGRATION, ON_ANY, VR_SIDE_MIGRATION,
     VR_SIDE_MIGRATION_JOB},
    {TRUE, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_STARTING_UP, ON_TARGET, VR_SIDE_MIGRATION,
     VR_SIDE_MIGRATION_JOB},
    {TRUE, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER, ON_ANY, VR_SIDE_USER, VR_SIDE_USER_JOB},
    /* An inactive domain has no job; a job told with it belongs to the moment before. */
    {FALSE, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_SHUTDOWN, ON_ANY, VR_SIDE_OFF_BY_GUEST,
     VR_SIDE_ODD},
    {FALSE, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_FAILED, ON_TARGET, VR_SIDE_OFF_FAILED,
     VR_SIDE_ODD},
    {FALSE, VIR_DOMAIN_SHUTOFF, ANY, ON_ANY, VR_SIDE_OFF, VR_SIDE_ODD},
    {FALSE, VIR_DOMAIN_CRASHED, ANY, ON_ANY, VR_SIDE_OFF, VR_SIDE_ODD},
};

VrSide
vr_classify_side(int state, int reason, gboolean has_job, gboolean active, VrRole role)
{
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const ClassRow *row = &rows[i];
        if (row->active == !!active && row->state == state &&
            (row->reason == ANY || row->reason == reason) && (row->roles & 1u << role) != 0)
            return has_job ? row->side_with_job : row->side;
    }
    return VR_SIDE_ODD;
}

static const char *const state_words[] = {
    "no state",        "running",  "blocked", "paused",
    "being shut down", "shut off", "crashed", "suspended by the guest",
};

static const char *const running_words[] = {
    "unknown reason", "booted",   "migrated",           "restored",
    "from snapshot",  "unpaused", "migration canceled", "save canceled",
    "woken up",       "crashed",  "post-copy",          "post-copy failed",
};

static const char *const paused_words[] = {
    "unknown reason", "by its user",      "migration",     "save",     "dump",    "I/O error",
    "watchdog",       "from snapshot",    "shutting down", "snapshot", "crashed", "starting up",
    "post-copy",      "post-copy failed",
};

static const char *const shut_off_words[] = {
    "unknown reason", "shut down", "destroyed",     "crashed", "migrated",
    "saved",          "failed",    "from snapshot", "daemon",
};

static const char *
word_of(const char *const *words, guint count, int value)
{
    return value >= 0 && (guint)value < count ? words[value] : "reason not known here";
}

static const char *
reason_word(int state, int reason)
{
    switch (state) {
    case VIR_DOMAIN_RUNNING:
        return word_of(running_words, G_N_ELEMENTS(running_words), reason);
    case VIR_DOMAIN_PAUSED:
        return word_of(paused_words, G_N_ELEMENTS(paused_words), reason);
    case VIR_DOMAIN_SHUTOFF:
        return word_of(shut_off_words, G_N_ELEMENTS(shut_off_words), reason);
    default:
        return "";
    }
}

char *
vr_classify_describe(int state, int reason, gboolean has_job)
{
    const char *state_word = word_of(state_words, G_N_ELEMENTS(state_words), state);
    const char *why = reason_word(state, reason);
    gboolean has_why = *why != '\0';
    return g_strdup_printf("%s%s%s%s%s", state_word, has_why ? " (" : "", why, has_why ? ")" : "",
                           has_job ? ", with a job" : "");
}
