/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands on the journal itself: audit verify, journal backup, journal restore. */
#include <string.h>

#include <virt-roll/engine.h>
#include <virt-roll/error.h>

#include "adapters/process/host-update.h"
#include "adapters/sqlite/copy.h"
#include "adapters/sqlite/journal.h"
#include "cli/inputs.h"
#include "cli/render-audit.h"
#include "cli/render.h"
#include "cli/text.h"
#include "cli/verbs.h"

#define HASH_LENGTH 64

/* ------------------------------------------------------------------ audit verify */

/* "SEQUENCE:HASH" */
static gboolean
parse_head(const char *text, guint64 *out_sequence, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", 2);

    if (g_strv_length(parts) == 2 &&
        g_ascii_string_to_unsigned(parts[0], 10, 1, G_MAXINT64, out_sequence, NULL) &&
        strlen(parts[1]) == HASH_LENGTH && strspn(parts[1], "0123456789abcdef") == HASH_LENGTH)
        return TRUE;
    g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                "--expect-head %s: must be SEQUENCE:HASH as audit verify has printed it", text);
    return FALSE;
}

/* (transfer full) NULL: the journal is empty, or an error */
static char *
find_head(const VrSqliteJournal *journal, guint64 sequence, GError **error)
{
    g_autofree char *hash = NULL;

    if (sequence == 0)
        return NULL;
    hash = vr_sqlite_journal_hash(journal, sequence, error);
    return hash != NULL ? g_strdup_printf("%" G_GUINT64_FORMAT ":%s", sequence, hash) : NULL;
}

/* What is wrong with it, and what next. */
static void
set_problem(const char *path, const VrAudit *audit, GError **error)
{
    gboolean is_named = g_str_has_prefix(audit->problem->message, path);

    if (!g_error_matches(audit->problem, VR_ERROR, VR_ERROR_CORRUPT)) {
        g_propagate_error(error, g_error_copy(audit->problem));
        return;
    }
    g_set_error(error, VR_ERROR, VR_ERROR_CORRUPT,
                "%s%s%s; the %" G_GUINT64_FORMAT " before it are good. No rollout goes on from "
                "here: keep the state directory as it is and take a backup with virt-roll journal "
                "restore FILE, or look at every host and begin anew in an empty one",
                is_named ? "" : path, is_named ? "" : ": ", audit->problem->message,
                audit->records);
}

/* The record that somebody has kept the hash of is still there, as it was. */
static gboolean
check_expected(const VrSqliteJournal *journal, const char *path, const char *expected,
               guint64 sequence, guint64 records, GError **error)
{
    g_autofree char *head = NULL;

    if (sequence > records) {
        g_set_error(error, VR_ERROR, VR_ERROR_CORRUPT,
                    "%s: record %" G_GUINT64_FORMAT
                    " is missing: the journal ends at %" G_GUINT64_FORMAT
                    ", so its end was cut off, or it is an older one or another",
                    path, records + 1, records);
        return FALSE;
    }
    head = find_head(journal, sequence, error);
    if (head == NULL)
        return FALSE;
    if (strcmp(head, expected) == 0)
        return TRUE;
    g_set_error(error, VR_ERROR, VR_ERROR_CORRUPT,
                "%s: record %" G_GUINT64_FORMAT " has another hash than expected: that record or "
                "one before it was rewritten, or this is another journal",
                path, sequence);
    return FALSE;
}

static int
verify(const VrOptions *options, VrConsole *console, const char *state, GError **error)
{
    guint64 expected = 0;
    g_autofree char *path = g_build_filename(state, "journal.db", NULL);
    g_autofree char *head = NULL;
    g_autoptr(VrSqliteJournal) journal = NULL;

    if (options->expect_head != NULL && !parse_head(options->expect_head, &expected, error))
        return 0;
    if ((journal = vr_sqlite_journal_open_read_only(state, error)) == NULL)
        return 0;
    VrJournal port = vr_sqlite_journal_port(journal);
    g_autoptr(VrAudit) audit = vr_audit_new(&port);
    if (audit->problem == NULL && audit->records > 0 &&
        (head = find_head(journal, audit->records, error)) == NULL)
        return 0;
    VrAuditView view = {path, audit, head};
    g_autofree char *text = options->is_json ? vr_render_audit_json(&view) : vr_render_audit(&view);
    int status = vr_console_give(console, text, options->is_json, error);
    if (status != 0)
        return status;
    if (audit->problem != NULL)
        set_problem(path, audit, error);
    else if (expected != 0)
        (void)check_expected(journal, path, options->expect_head, expected, audit->records, error);
    return 0;
}

int
vr_verb_audit_verify(const VrOptions *options, VrConsole *console, GError **error)
{
    g_autofree char *state = vr_inputs_find_state(options, NULL, error);

    return state != NULL ? verify(options, console, state, error) : 0;
}

/* ------------------------------------------------------------------ backup */

int
vr_verb_journal_backup(const VrOptions *options, VrConsole *console, GError **error)
{
    const char *file = options->arguments[0];
    g_autofree char *state = vr_inputs_find_state(options, NULL, error);

    if (state == NULL || !vr_sqlite_backup(state, file, error))
        return 0;
    g_autoptr(VrSqliteJournal) backup = vr_sqlite_journal_open_file(file, file, error);
    if (backup == NULL)
        return 0;
    VrJournal port = vr_sqlite_journal_port(backup);
    g_autoptr(VrAudit) audit = vr_audit_new(&port);
    g_autofree char *head = find_head(backup, audit->records, NULL);
    VrAuditView view = {file, audit, head};
    g_autofree char *text = options->is_json ? vr_render_audit_json(&view) : vr_render_audit(&view);
    if (audit->problem != NULL)
        set_problem(file, audit, error);
    return vr_console_give(console, text, options->is_json, error);
}

/* ------------------------------------------------------------------ restore */

static gboolean
check_restorable(const char *state, const char *file, const VrAudit *audit, GError **error)
{
    g_autofree char *stages = g_build_filename(state, "stages", NULL);
    g_autofree char *running = vr_process_find_running(stages);

    if (audit->problem != NULL) {
        set_problem(file, audit, error);
        return FALSE;
    }
    if (running == NULL)
        return TRUE;
    g_set_error(error, VR_ERROR, VR_ERROR_CONFLICT,
                "%s: this stage still runs; wait for its end (the file lock in there is free "
                "then), and restore after that",
                running);
    return FALSE;
}

/* What the restored journal cannot know, before somebody says yes. */
static void
say_what_goes_on(GString *text, const VrRollout *rollout, guint width)
{
    g_autoptr(GPtrArray) changed = vr_render_changed(rollout);

    vr_text_append_wrapped(
        text,
        "Its rollout is not finished, and virt-roll run goes on with it. Both hosts of each VM are "
        "read before anything is done to that VM, but a call that was made after the backup is not "
        "waited for: let recovery.fence_ms of the policy (60 s unless changed) pass after the last "
        "controller has ended. A stage that has run since then runs again; one in hand that "
        "changes "
        "its host (before, apply) waits for a person, and after a reboot in hand the boot id "
        "tells.",
        "", width);
    for (guint i = 0; i < changed->len; i++) {
        g_autofree char *line = g_strdup_printf("make sure before you run: %s",
                                                (const char *)g_ptr_array_index(changed, i));
        vr_text_append_wrapped(text, line, "  ", width);
    }
    vr_text_append_wrapped(text,
                           "If much was done since, do not restore: move the state directory away "
                           "and virt-roll run plans anew from what is there.",
                           "", width);
}

static void
say_what_it_means(VrConsole *console, const char *file, const VrRollout *rollout, guint64 records)
{
    guint width = vr_console_width(console);
    g_autofree char *count = vr_text_count((gint64)records, "record");
    g_autofree char *time = records > 0 ? vr_text_date_clock(rollout->now_us) : g_strdup("never");
    g_autofree char *what =
        g_strdup_printf("%s is whole: %s, the last of %s. What was done after that is not in it.",
                        file, count, time);
    g_autoptr(GString) text = g_string_new(NULL);

    vr_text_append_wrapped(text, what, "", width);
    if (vr_rollout_is_unfinished(rollout))
        say_what_goes_on(text, rollout, width);
    vr_console_print(console, text->str);
}

/* (transfer full) a directory that is not there yet */
static char *
name_aside(const char *state)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *name = g_date_time_format(now, "before-restore-%Y%m%d-%H%M%S");
    char *path = g_build_filename(state, name, NULL);

    for (guint i = 2; g_file_test(path, G_FILE_TEST_EXISTS); i++) {
        g_autofree char *next = g_strdup_printf("%s.%u", name, i);
        g_free(path);
        path = g_build_filename(state, next, NULL);
    }
    return path;
}

/*
 * The stages that the next run will only ask after (they change the host). With their folders away
 * it would hear that they have not begun, and begin them a second time with nobody asked. Their old
 * folders are not kept instead: a backup is mostly put where the state directory was lost.
 */
static gboolean
lose_stages(const char *state, VrRollout *rollout, const char *aside, GError **error)
{
    g_autofree char *stages = g_build_filename(state, "stages", NULL);
    g_autofree char *output = g_strdup_printf("it was in hand when the journal was backed up that "
                                              "was restored; look at the host and into %s",
                                              aside);
    g_autoptr(GArray) commands = g_array_new(FALSE, FALSE, sizeof(VrCommand));
    g_autoptr(VrEvent) started = vr_event_new(VR_EVENT_CONTROLLER_STARTED, rollout->now_us);

    if (!vr_rollout_is_unfinished(rollout))
        return TRUE;
    if (!vr_rollout_apply(rollout, started, error))
        return FALSE;
    vr_rollout_commands(rollout, G_MAXINT64, commands);
    for (guint i = 0; i < commands->len; i++) {
        const VrCommand *command = &g_array_index(commands, VrCommand, i);
        VrStageRequest request = {.rollout = rollout->id,
                                  .host = command->host,
                                  .stage = command->stage,
                                  .step = command->step,
                                  .attempt = command->attempt};
        if (command->kind == VR_COMMAND_STAGE && command->attach_only &&
            !vr_process_lose_attempt(stages, &request, output, error))
            return FALSE;
    }
    return TRUE;
}

static int
restore(VrConsole *console, const char *state, const char *file, gboolean is_yes, GError **error)
{
    static const char *const also[] = {"stages", NULL};
    g_autoptr(VrSqliteRestore) restoring = vr_sqlite_restore_new(state, file, error);

    if (restoring == NULL)
        return 0;
    VrJournal port = vr_sqlite_restore_port(restoring);
    g_autoptr(VrAudit) audit = vr_audit_new(&port);
    if (!check_restorable(state, file, audit, error))
        return 0;
    guint64 records = 0;
    g_autoptr(VrRollout) rollout = vr_replay(&port, &records, error);
    if (rollout == NULL)
        return 0;
    say_what_it_means(console, file, rollout, records);
    if (!is_yes && !vr_console_ask(console, "Put it in place of the present journal?")) {
        vr_console_note(console, "nothing was done");
        return 0;
    }
    g_autofree char *aside = name_aside(state);
    if (!vr_sqlite_restore_withdraw(restoring, aside, also, error) ||
        !lose_stages(state, rollout, aside, error) || !vr_sqlite_restore_finish(restoring, error)) {
        g_prefix_error(error, "%s: not restored (what was there is still there or in %s): ", file,
                       aside);
        return 0;
    }
    g_autofree char *line = g_strdup_printf("Restored. What was there is in %s\n", aside);
    vr_console_print(console, line);
    return 0;
}

int
vr_verb_journal_restore(const VrOptions *options, VrConsole *console, GError **error)
{
    g_autofree char *state = NULL;

    if (!options->is_yes && !vr_console_can_ask()) {
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                    "there is no terminal to ask on: look at it with virt-roll audit verify, then "
                    "restore with --yes");
        return 0;
    }
    state = vr_inputs_find_state(options, NULL, error);
    return state != NULL ? restore(console, state, options->arguments[0], options->is_yes, error)
                         : 0;
}
