/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line as a value. Errors are VR_ERROR_INVALID with the nearest known word. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Options that only some verbs take; a verb's set is a mask of 1 << member. */
typedef enum {
    VR_OPTION_HOSTS,
    VR_OPTION_EXCLUDE,
    VR_OPTION_UPDATE,
    VR_OPTION_INVENTORY,
    VR_OPTION_YES,
    VR_OPTION_RETRY,
    VR_OPTION_REASON,
    VR_OPTION_URI,
    VR_OPTION_OUTPUT,
    VR_OPTION_ANSIBLE,
    VR_OPTION_EXPECT_HEAD,
    VR_OPTION_EXTRA_MIGRATIONS,
    VR_OPTION_FINISH_BY,
    VR_OPTION_CURVE,
    VR_OPTION_REVERSE,
    VR_OPTIONS,
} VrOption;

#define VR_OPTION_BIT(name) (1U << VR_OPTION_##name)

/* Owned; NULL: not given. */
typedef struct {
    char *fleet;
    char *policy;
    char *state;
    gboolean is_json;
    gboolean is_quiet;
    gboolean is_debug;
    gboolean is_version;
    gboolean is_help;
    char **hosts;
    char **exclude;
    char *update;
    char *inventory;
    gboolean is_yes;
    char *retry;
    char *reason;
    char *uri;
    char *output;
    char *ansible;
    char *expect_head;
    char *extra_migrations;
    char *finish_by;
    gboolean is_curve;
    char *reverse;
    char **arguments; /* what follows the verb and is no option; NULL-terminated */
} VrOptions;

/* The word after the options from *index on, which is then behind it; NULL: none is left. */
const char *vr_options_next_word(char *const *argv, guint *index);

/* FALSE: one of argv[1] to argv[count - 1] is an option that no verb has. */
gboolean vr_options_check_known(char *const *argv, guint count,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Everything but the first `verb_words` words; options may stand anywhere. `taken` is a mask. */
VrOptions *vr_options_parse(char *const *argv, guint verb_words, guint taken,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* For help: all options that go with every verb, or those of a mask. (transfer full) */
char *vr_options_describe_common(void);
char *vr_options_describe(guint taken);

/* How to call us again on the same fleet: "virt-roll -f FILE". (transfer full) */
char *vr_options_program(const VrOptions *self);

void vr_options_free(VrOptions *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrOptions, vr_options_free)

G_END_DECLS
