/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * make-journal DIR COUNT [hold|unsound] - a journal for tests of the program: a small rollout that
 * begins and is stopped in turn, COUNT records in all; with an even number it is stopped.
 *
 * hold: stays in charge of it, and appends one more for each line of standard input, which it
 * answers with the number of records. unsound: then one that fits into the chain and means nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../contract/journal-fixture.h"
#include "../unit/cli/rollout-fixture.h"
#include "adapters/sqlite/journal.h"
#include "base/time.h"
#include "rollout/document.h"

typedef struct {
    VrJournal port;
    JournalAnswer answer;
    guint64 count;
} Maker;

static void
append(Maker *self, VrEvent *event, const char *kind)
{
    g_autofree char *body = vr_event_format(event);
    VrRecord record = {self->count + 1, event->at_us, FIXTURE_ID, kind, VR_EVENT_VERSION, body};

    if (journal_append(self->port, &self->answer, &record, 1) != VR_APPEND_DURABLE) {
        fprintf(stderr, "make-journal: %s\n", self->answer.detail);
        exit(1);
    }
    self->count++;
    vr_event_free(event);
}

static void
append_created(Maker *self)
{
    g_autoptr(VrInventory) inventory = fixture_inventory();
    g_autoptr(VrPolicy) policy = fixture_policy();
    g_autoptr(VrPlan) plan = fixture_plan();
    VrEvent *event = vr_event_new(VR_EVENT_CREATED, FIXTURE_START_US);

    event->rollout = g_strdup(FIXTURE_ID);
    event->text = vr_document_write(plan, policy, inventory);
    append(self, event, vr_event_kind_to_string(event->kind));
}

static void
append_next(Maker *self, const char *kind)
{
    VrEvent *event =
        vr_event_new(VR_EVENT_ROLLOUT_PHASE, FIXTURE_START_US + (gint64)self->count * VR_S_US);

    event->rollout_phase = self->count % 2 != 0 ? VR_ROLLOUT_STOPPED : VR_ROLLOUT_RUNNING;
    append(self, event, kind != NULL ? kind : vr_event_kind_to_string(event->kind));
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Maker maker = {.count = 0};
    char line[16];

    g_assert_cmpint(argc, >=, 3);
    const char *way = argc > 3 ? argv[3] : "";
    VrSqliteJournal *journal = vr_sqlite_journal_open(argv[1], &error);
    g_assert_no_error(error);
    maker.port = vr_sqlite_journal_port(journal);
    journal_answer_init(&maker.answer);
    append_created(&maker);
    while (maker.count < strtoull(argv[2], NULL, 10))
        append_next(&maker, NULL);
    if (strcmp(way, "unsound") == 0)
        append_next(&maker, "moon-landed");
    printf("%" G_GUINT64_FORMAT "\n", maker.count);
    fflush(stdout);
    while (strcmp(way, "hold") == 0 && fgets(line, sizeof line, stdin) != NULL) {
        append_next(&maker, NULL);
        printf("%" G_GUINT64_FORMAT "\n", maker.count);
        fflush(stdout);
    }
    vr_sqlite_journal_free(journal);
    journal_answer_clear(&maker.answer);
    return 0;
}
