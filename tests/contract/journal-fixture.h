/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For suites about journals: a folder of their own, appends that wait, records read into memory. */
#pragma once

#include <virt-roll/ports.h>

typedef struct {
    VrAppend outcome;
    char *detail; /* nullable */
    guint done_count;
    GMutex mutex;
    GCond changed;
} JournalAnswer;

/* Appends and waits for the answer, which the next call overwrites. */
VrAppend journal_append(VrJournal journal, JournalAnswer *answer, const VrRecord *records,
                        guint count);

/* One record with fixed fields; fails the test unless it becomes durable. */
void journal_append_one(VrJournal journal, guint64 sequence, const char *body);

void journal_answer_init(JournalAnswer *self);
void journal_answer_clear(JournalAnswer *self);

/* A VrAppendDone over a JournalAnswer, and waiting until it was called `count` times in all. */
void journal_answer_done(VrAppend outcome, const char *detail, gpointer answer);
void journal_answer_wait(JournalAnswer *self, guint count);

/* For journals without a thread: called again and again while somebody waits. NULL: none is. */
void journal_go_on_by(void (*go_on)(void));

/* (transfer full) "SEQUENCE ROLLOUT AT_US KIND VERSION BODY" per record, from a sequence on. */
GPtrArray *journal_read(VrJournal journal, guint64 from_sequence);

/* (transfer full) the same as one line per record. */
char *journal_read_text(VrJournal journal, guint64 from_sequence);

/* (transfer full) a new empty folder; and its end with all that is in it. */
char *journal_make_folder(void);
void journal_remove_folder(char *folder);
