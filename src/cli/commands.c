/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/commands.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include <virt-roll/error.h>

#include "base/reader.h"
#include "cli/verbs.h"

#define O(name) VR_OPTION_BIT(name)

typedef struct {
    const char *name; /* one word, or two */
    const char *summary;
    const char *arguments;
    guint argument_count;
    guint options;
    VrVerb run;
} Command;

static const Command commands[] = {
    {"fleet init", "write a fleet file from what hosts say when asked", "--hosts LIST", 0,
     O(HOSTS) | O(URI) | O(OUTPUT) | O(ANSIBLE), vr_verb_fleet_init},
    {"fleet validate", "check the fleet file and its stages; connects to nothing", "", 0, 0,
     vr_verb_fleet_validate},
    {"inventory", "scan all hosts and show them", "", 0, O(UPDATE), vr_verb_inventory},
    {"plan", "show what a rollout would do", "", 0,
     O(INVENTORY) | O(HOSTS) | O(EXCLUDE) | O(UPDATE) | O(OUTPUT) | O(EXTRA_MIGRATIONS) |
         O(FINISH_BY) | O(CURVE) | O(REVERSE),
     vr_verb_plan},
    {"run", "plan, show, ask, do, report; or go on with the rollout that was begun", "", 0,
     O(YES) | O(HOSTS) | O(EXCLUDE) | O(UPDATE) | O(RETRY) | O(EXTRA_MIGRATIONS) | O(FINISH_BY) |
         O(REVERSE),
     vr_verb_run},
    {"status", "what runs, what waits for a person, what is still changed, what next", "", 0, 0,
     vr_verb_status},
    {"rollout diff", "plan anew what is left, and show what that would change; changes nothing", "",
     0, 0, vr_verb_rollout_diff},
    {"rollout replan", "plan anew what is left, show what that changes, ask, go on by it", "", 0,
     O(YES) | O(REASON), vr_verb_rollout_replan},
    {"rollout skip", "the same, and leave a host out", "HOST", 1, O(YES) | O(REASON),
     vr_verb_rollout_skip},
    {"rollout retry", "go on, and try a host again whose update waits for a person", "HOST", 1,
     O(YES), vr_verb_rollout_retry},
    {"rollout defer", "go on, and leave a VM that waits for a person as it is", "VM", 1,
     O(YES) | O(REASON), vr_verb_rollout_defer},
    {"rollout undo", "migrate the VMs that came to a host back, and stop", "HOST", 1,
     O(YES) | O(REASON), vr_verb_rollout_undo},
    {"rollout release", "a host in alert is fine after all: go on", "HOST", 1, O(YES) | O(REASON),
     vr_verb_rollout_release},
    {"rollout close", "never go on with the rollout; a new one can be begun then", "", 0, O(REASON),
     vr_verb_rollout_close},
    {"rollout definition", "print a VM's definition as the journal keeps it, with its secrets",
     "VM", 1, 0, vr_verb_rollout_definition},
    {"rollout report", "what the last rollout did", "", 0, 0, vr_verb_rollout_report},
    {"audit verify", "read the whole journal: is it as it was written?", "", 0, O(EXPECT_HEAD),
     vr_verb_audit_verify},
    {"journal backup", "copy the journal to a new file, also while a controller runs", "FILE", 1, 0,
     vr_verb_journal_backup},
    {"journal restore", "put a backup in place of the journal, which is kept aside", "FILE", 1,
     O(YES), vr_verb_journal_restore},
};

static void
print_help(void)
{
    g_autofree char *common = vr_options_describe_common();

    printf("virt-roll: rolling updates of libvirt hosts; their VMs migrate live\n\n"
           "usage: virt-roll [OPTION…] COMMAND [OPTION…]\n\n");
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
        printf("  %-18s %s\n", commands[i].name, commands[i].summary);
    printf("  %-18s %s\n", "help COMMAND", "what one command takes");
    printf("\nWith every command:\n%s\n"
           "Exit status: 0 done, 1 failed, 2 bad usage or input, 3 refused, 4 cannot reach,\n"
           "5 needs a person, 6 done but hosts were left out, 7 goes on later, 8 migrated back.\n",
           common);
}

static void
print_command_help(const Command *command)
{
    g_autofree char *options = vr_options_describe(command->options);

    printf("usage: virt-roll %s%s%s [OPTION…]\n\n  %s\n", command->name,
           *command->arguments != '\0' ? " " : "", command->arguments, command->summary);
    if (*options != '\0')
        printf("\n%s", options);
    printf("\nvirt-roll help lists the options that go with every command.\n");
}

/* What may stand in a word's place, for "did you mean". (element-type utf8), NULL-terminated. */
static GPtrArray *
known_words(const char *group)
{
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_auto(GStrv) parts = g_strsplit(commands[i].name, " ", 2);
        if (group == NULL)
            g_ptr_array_add(words, g_strdup(parts[0]));
        else if (strcmp(parts[0], group) == 0)
            g_ptr_array_add(words, g_strdup(parts[1]));
    }
    if (group == NULL)
        g_ptr_array_add(words, g_strdup("help"));
    g_ptr_array_add(words, NULL);
    return words;
}

static gboolean
is_group(const char *word)
{
    g_autofree char *prefix = g_strdup_printf("%s ", word);

    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (g_str_has_prefix(commands[i].name, prefix))
            return TRUE;
    }
    return FALSE;
}

static const Command *
refuse_word(const char *group, const char *word, GError **error)
{
    g_autoptr(GPtrArray) words = known_words(group);
    const char *nearest =
        word != NULL ? vr_nearest_word(word, (const char *const *)words->pdata) : NULL;
    g_autoptr(GString) text = g_string_new(NULL);

    if (word == NULL) {
        g_string_append_printf(text, "%s: needs a second word, one of", group);
        for (guint i = 0; i + 1 < words->len; i++)
            g_string_append_printf(text, "%s %s", i > 0 ? "," : "",
                                   (const char *)g_ptr_array_index(words, i));
    } else {
        g_string_append_printf(text, "%s%s%s: there is no such command", group != NULL ? group : "",
                               group != NULL ? " " : "", word);
        if (nearest != NULL)
            g_string_append_printf(text, "; did you mean %s%s%s?", group != NULL ? group : "",
                                   group != NULL ? " " : "", nearest);
        else
            g_string_append(text, "; virt-roll help lists them");
    }
    g_set_error_literal(error, VR_ERROR, VR_ERROR_INVALID, text->str);
    return NULL;
}

/* By its first words from *index on. */
static const Command *
find_command(char *const *argv, const char *word, guint *index, GError **error)
{
    const char *second = is_group(word) ? vr_options_next_word(argv, index) : NULL;
    g_autofree char *name =
        second != NULL ? g_strdup_printf("%s %s", word, second) : g_strdup(word);

    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    /* Behind an option that does not exist, its value is taken for the command. */
    if (!vr_options_check_known(argv, *index, error))
        return NULL;
    if (is_group(word))
        return refuse_word(word, second, error);
    return refuse_word(NULL, word, error);
}

static gboolean
check_arguments(const Command *command, const VrOptions *options, GError **error)
{
    guint count = g_strv_length(options->arguments);

    if (count == command->argument_count)
        return TRUE;
    if (count < command->argument_count)
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID, "%s: needs %s", command->name,
                    command->arguments);
    else
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID, "%s: does not take \"%s\"", command->name,
                    options->arguments[command->argument_count]);
    return FALSE;
}

static int
run_command(const Command *command, char *const *argv, GError **error)
{
    guint words = strchr(command->name, ' ') != NULL ? 2 : 1;
    g_autoptr(VrOptions) options = vr_options_parse(argv, words, command->options, error);

    if (options == NULL)
        return 0;
    if (options->is_version) {
        printf("virt-roll %s\n", VR_VERSION);
        return 0;
    }
    if (options->is_help) {
        print_command_help(command);
        return 0;
    }
    if (!check_arguments(command, options, error))
        return 0;

    VrConsoleManner manner = {options->is_quiet, options->is_debug, options->is_json};
    g_autoptr(VrConsole) console = vr_console_new(&manner);
    g_autoptr(GError) problem = NULL;
    int status = command->run(options, console, &problem);
    if (problem == NULL)
        return status;
    vr_console_error(console, problem->message);
    return vr_error_exit_status(problem);
}

/* No command: help, the version, or an option that does not exist. */
static int
run_without_command(char *const *argv, GError **error)
{
    g_autoptr(VrOptions) options = vr_options_parse(argv, 0, 0, error);

    if (options == NULL)
        return 0;
    if (options->is_version) {
        printf("virt-roll %s\n", VR_VERSION);
        return 0;
    }
    if (options->is_help) {
        print_help();
        return 0;
    }
    g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                "no command; virt-roll help lists them, virt-roll status says how things stand");
    return 0;
}

static int
run_help(char *const *argv, guint *index, GError **error)
{
    const char *word = vr_options_next_word(argv, index);

    if (word == NULL) {
        print_help();
        return 0;
    }
    const Command *command = find_command(argv, word, index, error);
    if (command != NULL)
        print_command_help(command);
    return 0;
}

static int
run(char *const *argv, GError **error)
{
    guint index = 1;
    const char *word = vr_options_next_word(argv, &index);

    if (word == NULL)
        return run_without_command(argv, error);
    if (strcmp(word, "help") == 0)
        return run_help(argv, &index, error);
    const Command *command = find_command(argv, word, &index, error);
    return command != NULL ? run_command(command, argv, error) : 0;
}

int
vr_commands_main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    int status = 0;

    /* For file names and widths only: numbers, words and messages are the same everywhere. */
    setlocale(LC_CTYPE, "");
    g_set_prgname("virt-roll");
    if (argc > 0)
        status = run(argv, &error);
    if (error != NULL) {
        fprintf(stderr, "virt-roll: %s\n", error->message);
        status = vr_error_exit_status(error);
    }
    return status;
}
