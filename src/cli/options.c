/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/options.h"

#include <string.h>

#include <virt-roll/error.h>

#include "base/reader.h"

#define COMMON_COUNT 8

/* Where GOption leaves what it read. */
typedef struct {
    VrOptions *options;
    char *format;
} Values;

static GOptionEntry
entry(const char *name, char letter, GOptionArg kind, gpointer place, const char *what,
      const char *value)
{
    return (GOptionEntry){name, letter, G_OPTION_FLAG_NONE, kind, place, what, value};
}

/* (transfer full) all entries, the common ones first, then one per VrOption; a zero one ends. */
static GOptionEntry *
make_entries(Values *values)
{
    VrOptions *o = values->options;
    const GOptionEntry entries[] = {
        entry("fleet", 'f', G_OPTION_ARG_FILENAME, &o->fleet,
              "fleet file (or VIRT_ROLL_FLEET; /etc/virt-roll/fleet.yaml)", "FILE"),
        entry("policy", 'p', G_OPTION_ARG_FILENAME, &o->policy,
              "policy file (or VIRT_ROLL_POLICY; /etc/virt-roll/policy.yaml)", "FILE"),
        entry("state", 0, G_OPTION_ARG_FILENAME, &o->state,
              "state directory (or VIRT_ROLL_STATE; /var/lib/virt-roll/FLEET)", "DIR"),
        entry("format", 'o', G_OPTION_ARG_STRING, &values->format, "table or json", "FORMAT"),
        entry("quiet", 'q', G_OPTION_ARG_NONE, &o->is_quiet, "say nothing but errors", NULL),
        entry("debug", 'd', G_OPTION_ARG_NONE, &o->is_debug, "say more, on standard error", NULL),
        entry("version", 'V', G_OPTION_ARG_NONE, &o->is_version, "print the version", NULL),
        entry("help", 'h', G_OPTION_ARG_NONE, &o->is_help, "print help", NULL),
        entry("hosts", 0, G_OPTION_ARG_STRING_ARRAY, &o->hosts,
              "only these hosts: kvm[001-020],kvm033", "LIST"),
        entry("exclude", 0, G_OPTION_ARG_STRING_ARRAY, &o->exclude, "not these hosts", "LIST"),
        entry("update", 0, G_OPTION_ARG_STRING, &o->update,
              "update level to bring hosts to (else update.level of the fleet)", "LEVEL"),
        entry("inventory", 0, G_OPTION_ARG_FILENAME, &o->inventory,
              "plan on this inventory instead of connecting", "FILE"),
        entry("yes", 0, G_OPTION_ARG_NONE, &o->is_yes, "do not ask", NULL),
        entry("retry", 0, G_OPTION_ARG_STRING, &o->retry,
              "try a host again whose update waits for a person", "HOST"),
        entry("reason", 0, G_OPTION_ARG_STRING, &o->reason, "why, for the journal", "TEXT"),
        entry("uri", 0, G_OPTION_ARG_STRING, &o->uri,
              "how to reach a host (qemu+ssh://{name}/system)", "URI"),
        entry("output", 0, G_OPTION_ARG_FILENAME, &o->output, "write to this new file", "FILE"),
        entry("ansible", 0, G_OPTION_ARG_FILENAME, &o->ansible, "not in this version", "FILE"),
        entry("expect-head", 0, G_OPTION_ARG_STRING, &o->expect_head,
              "the journal must still have this record: what audit verify printed", "HEAD"),
        entry("extra-migrations", 0, G_OPTION_ARG_STRING, &o->extra_migrations,
              "spend up to so many per cent more migrations to be done earlier: 2.5", "PCT"),
        entry("finish-by", 0, G_OPTION_ARG_STRING, &o->finish_by,
              "with the fewest extra migrations that end by 06:00, 2026-11-23T06:00:00Z or in 4h",
              "TIME"),
        entry("curve", 0, G_OPTION_ARG_NONE, &o->is_curve,
              "what more extra migrations, and other limits, would bring", NULL),
        entry("reverse", 0, G_OPTION_ARG_STRING, &o->reverse,
              "the way back: hosts that this rollout updated, to the level that they had",
              "ROLLOUT"),
        {0},
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(entries) == COMMON_COUNT + VR_OPTIONS + 1);
    return g_memdup2(entries, sizeof entries);
}

/* Drops the entries that the mask does not have. */
static void
select_entries(GOptionEntry *entries, guint taken)
{
    guint kept = COMMON_COUNT;

    for (guint i = 0; i < VR_OPTIONS; i++) {
        if ((taken & (1U << i)) != 0)
            entries[kept++] = entries[COMMON_COUNT + i];
    }
    entries[kept] = (GOptionEntry){0};
}

static gboolean
is_option(const char *argument)
{
    return argument[0] == '-' && argument[1] != '\0';
}

/* Does the next argument belong to this one? By the name alone: the verb is not known yet. */
static gboolean
takes_next(const char *argument)
{
    VrOptions options = {0};
    Values values = {&options, NULL};
    g_autofree GOptionEntry *entries = make_entries(&values);
    gboolean is_long = argument[1] == '-';
    char letter = argument[strlen(argument) - 1];

    for (guint i = 0; entries[i].long_name != NULL; i++) {
        if (entries[i].arg == G_OPTION_ARG_NONE)
            continue;
        if (is_long ? strcmp(argument + 2, entries[i].long_name) == 0
                    : entries[i].short_name != 0 && letter == entries[i].short_name)
            return TRUE;
    }
    return FALSE;
}

const char *
vr_options_next_word(char *const *argv, guint *index)
{
    while (argv[*index] != NULL) {
        const char *argument = argv[(*index)++];
        if (!is_option(argument))
            return argument;
        if (takes_next(argument) && argv[*index] != NULL)
            (*index)++;
    }
    return NULL;
}

/* A copy of argv without the verb's words. (transfer full) */
static char **
without_verb(char *const *argv, guint verb_words)
{
    g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func(g_free);
    guint at = 1;
    guint next = 1;

    g_ptr_array_add(kept, g_strdup(argv[0]));
    for (guint words = 0; words < verb_words; words++) {
        (void)vr_options_next_word(argv, &next);
        for (; at + 1 < next; at++)
            g_ptr_array_add(kept, g_strdup(argv[at]));
        at = next;
    }
    for (; argv[at] != NULL; at++)
        g_ptr_array_add(kept, g_strdup(argv[at]));
    g_ptr_array_add(kept, NULL);
    return (char **)g_ptr_array_steal(kept, NULL);
}

static gboolean
refuse_option(const char *argument, const GOptionEntry *entries, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) parts = g_strsplit(argument, "=", 2);

    for (guint i = 0; entries[i].long_name != NULL; i++)
        g_ptr_array_add(names, g_strdup_printf("--%s", entries[i].long_name));
    g_ptr_array_add(names, NULL);
    const char *nearest = vr_nearest_word(parts[0], (const char *const *)names->pdata);
    g_set_error(error, VR_ERROR, VR_ERROR_INVALID, "%s: there is no such option here%s%s%s",
                parts[0], nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                nearest != NULL ? "?" : "");
    return FALSE;
}

gboolean
vr_options_check_known(char *const *argv, guint count, GError **error)
{
    VrOptions options = {0};
    Values values = {&options, NULL};
    g_autofree GOptionEntry *entries = make_entries(&values);

    for (guint i = 1; i < count; i++) {
        gboolean is_known = !g_str_has_prefix(argv[i], "--");
        gsize length = strcspn(argv[i], "=");
        for (guint k = 0; !is_known && entries[k].long_name != NULL; k++)
            is_known = strlen(entries[k].long_name) == length - 2 &&
                       strncmp(argv[i] + 2, entries[k].long_name, length - 2) == 0;
        if (!is_known)
            return refuse_option(argv[i], entries, error);
    }
    return TRUE;
}

static gboolean
take_format(Values *values, GError **error)
{
    static const char *const words[] = {"table", "json", NULL};

    if (values->format == NULL || strcmp(values->format, "table") == 0)
        return TRUE;
    values->options->is_json = strcmp(values->format, "json") == 0;
    if (values->options->is_json)
        return TRUE;
    const char *nearest = vr_nearest_word(values->format, words);
    g_set_error(error, VR_ERROR, VR_ERROR_INVALID, "-o %s: must be table or json%s%s%s",
                values->format, nearest != NULL ? "; did you mean " : "",
                nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
    return FALSE;
}

/* Unknown options are left to us: then the message can name the nearest one. */
static gboolean
parse_entries(char ***arguments, const GOptionEntry *entries, GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) problem = NULL;

    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_ignore_unknown_options(context, TRUE);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse_strv(context, arguments, &problem)) {
        g_set_error_literal(error, VR_ERROR, VR_ERROR_INVALID, problem->message);
        return FALSE;
    }
    for (guint i = 1; (*arguments)[i] != NULL; i++) {
        if (is_option((*arguments)[i]))
            return refuse_option((*arguments)[i], entries, error);
    }
    return TRUE;
}

VrOptions *
vr_options_parse(char *const *argv, guint verb_words, guint taken, GError **error)
{
    g_autoptr(VrOptions) self = g_new0(VrOptions, 1);
    g_auto(GStrv) arguments = without_verb(argv, verb_words);
    Values values = {self, NULL};
    g_autofree GOptionEntry *entries = make_entries(&values);

    select_entries(entries, taken);
    gboolean is_sound = parse_entries(&arguments, entries, error) && take_format(&values, error);
    g_free(values.format);
    if (!is_sound)
        return NULL;
    self->arguments = g_strdupv(arguments + 1);
    return g_steal_pointer(&self);
}

static char *
describe_entries(const GOptionEntry *entries, guint from, guint to)
{
    GString *text = g_string_new(NULL);

    for (guint i = from; i < to && entries[i].long_name != NULL; i++) {
        const GOptionEntry *one = &entries[i];
        g_autofree char *letter =
            one->short_name != 0 ? g_strdup_printf("-%c,", one->short_name) : g_strdup("");
        g_autofree char *name =
            g_strdup_printf("--%s%s%s", one->long_name, one->arg_description != NULL ? " " : "",
                            one->arg_description != NULL ? one->arg_description : "");
        g_string_append_printf(text, "  %-3s %-18s %s\n", letter, name, one->description);
    }
    return g_string_free(text, FALSE);
}

char *
vr_options_describe_common(void)
{
    VrOptions options = {0};
    Values values = {&options, NULL};
    g_autofree GOptionEntry *entries = make_entries(&values);

    return describe_entries(entries, 0, COMMON_COUNT);
}

char *
vr_options_describe(guint taken)
{
    VrOptions options = {0};
    Values values = {&options, NULL};
    g_autofree GOptionEntry *entries = make_entries(&values);

    select_entries(entries, taken);
    return describe_entries(entries, COMMON_COUNT, G_MAXUINT);
}

static void
append_option(GString *text, const char *name, const char *value)
{
    if (value == NULL)
        return;
    g_autofree char *quoted = g_shell_quote(value);
    gboolean is_plain = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789/._-") == strlen(value);

    g_string_append_printf(text, " %s %s", name, is_plain ? value : quoted);
}

char *
vr_options_program(const VrOptions *self)
{
    GString *text = g_string_new("virt-roll");

    append_option(text, "-f", self->fleet);
    append_option(text, "-p", self->policy);
    append_option(text, "--state", self->state);
    return g_string_free(text, FALSE);
}

void
vr_options_free(VrOptions *self)
{
    if (self == NULL)
        return;
    g_free(self->fleet);
    g_free(self->policy);
    g_free(self->state);
    g_strfreev(self->hosts);
    g_strfreev(self->exclude);
    g_free(self->update);
    g_free(self->inventory);
    g_free(self->retry);
    g_free(self->reason);
    g_free(self->uri);
    g_free(self->output);
    g_free(self->ansible);
    g_free(self->expect_head);
    g_free(self->extra_migrations);
    g_free(self->finish_by);
    g_free(self->reverse);
    g_strfreev(self->arguments);
    g_free(self);
}
