/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal-fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#define ANSWER_DEADLINE_US (60 * G_USEC_PER_SEC)

void
journal_answer_init(JournalAnswer *self)
{
    *self = (JournalAnswer){0};
    g_mutex_init(&self->mutex);
    g_cond_init(&self->changed);
}

void
journal_answer_clear(JournalAnswer *self)
{
    g_mutex_clear(&self->mutex);
    g_cond_clear(&self->changed);
    g_free(self->detail);
}

void
journal_answer_done(VrAppend outcome, const char *detail, gpointer answer)
{
    JournalAnswer *self = answer;
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&self->mutex);
    self->outcome = outcome;
    g_free(self->detail);
    self->detail = g_strdup(detail);
    self->done_count++;
    g_cond_broadcast(&self->changed);
}

static void (*go_on)(void);

void
journal_go_on_by(void (*the_go_on)(void))
{
    go_on = the_go_on;
}

void
journal_answer_wait(JournalAnswer *self, guint count)
{
    gint64 deadline = g_get_monotonic_time() + ANSWER_DEADLINE_US;
    gboolean answered = TRUE;
    while (go_on != NULL && self->done_count < count && g_get_monotonic_time() < deadline)
        go_on();
    g_mutex_lock(&self->mutex);
    while (answered && self->done_count < count)
        answered = g_cond_wait_until(&self->changed, &self->mutex, deadline);
    g_mutex_unlock(&self->mutex);
    assert_true(answered);
}

VrAppend
journal_append(VrJournal journal, JournalAnswer *answer, const VrRecord *records, guint count)
{
    guint before = answer->done_count;
    journal.vtable->append(journal.context, records, count, journal_answer_done, answer);
    journal_answer_wait(answer, before + 1);
    return answer->outcome;
}

void
journal_append_one(VrJournal journal, guint64 sequence, const char *body)
{
    VrRecord record = {.sequence = sequence,
                       .at_us = 1700000000000000 + (gint64)sequence,
                       .rollout = "r1",
                       .kind = "step-started",
                       .version = 1,
                       .body = body};
    JournalAnswer answer;
    journal_answer_init(&answer);
    VrAppend outcome = journal_append(journal, &answer, &record, 1);
    if (outcome != VR_APPEND_DURABLE)
        print_error("record %u: %s: %s\n", (guint)sequence, vr_append_to_string(outcome),
                    answer.detail);
    assert_int_equal(outcome, VR_APPEND_DURABLE);
    journal_answer_clear(&answer);
}

static gboolean
collect(const VrRecord *record, gpointer lines)
{
    g_ptr_array_add(lines, g_strdup_printf("%" G_GUINT64_FORMAT " %s %" G_GINT64_FORMAT " %s %u %s",
                                           record->sequence, record->rollout, record->at_us,
                                           record->kind, record->version, record->body));
    return TRUE;
}

GPtrArray *
journal_read(VrJournal journal, guint64 from_sequence)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    gboolean done = journal.vtable->read(journal.context, from_sequence, collect, lines, &error);
    if (!done)
        print_error("%s\n", error->message);
    assert_true(done);
    return lines;
}

char *
journal_read_text(VrJournal journal, guint64 from_sequence)
{
    g_autoptr(GPtrArray) lines = journal_read(journal, from_sequence);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

char *
journal_make_folder(void)
{
    char *folder = g_dir_make_tmp("virt-roll-journal-XXXXXX", NULL);
    assert_non_null(folder);
    return folder;
}

static void
remove_tree(const char *path)
{
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    const char *name = NULL;
    while (directory != NULL && (name = g_dir_read_name(directory)) != NULL) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
    }
    (void)g_remove(path);
}

void
journal_remove_folder(char *folder)
{
    remove_tree(folder);
    g_free(folder);
}
