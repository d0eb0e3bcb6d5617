/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * make-journal DIR COUNT [unsound] [applying] [hold] - a journal for tests of the program: a small
 * rollout that begins and is stopped in turn, COUNT records in all; with an even number it is
 * stopped.
 *
 * unsound: then one that fits into the chain and means nothing. applying: then a host on its way
 * until its stage apply; printed are its attempt and the number of all records. hold: stays in
 * charge of it, and appends one more for each line of standard input, which it answers with the
 * number of records.
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

static void
append_applying(Maker *self)
{
    static const VrPhase phases[] = {VR_PHASE_CLOSING,      VR_PHASE_COMPARING, VR_PHASE_CLOSED,
                                     VR_PHASE_FACTS_BEFORE, VR_PHASE_ASSESSING, VR_PHASE_PREPARING,
                                     VR_PHASE_PROVING,      VR_PHASE_APPLYING};
    g_autoptr(VrRollout) rollout = fixture_rollout();
    guint index = fixture_find(rollout, VR_STEP_UPDATE, "h3");

    for (guint i = 0; i < G_N_ELEMENTS(phases); i++) {
        VrEvent *event = fixture_enter(rollout, index, phases[i], (gint64)self->count, NULL);
        append(self, event, vr_event_kind_to_string(event->kind));
    }
    printf("%u-%u-apply\n", index + 1, vr_rollout_step(rollout, index)->attempt);
}

static gboolean
is_asked(char **ways, const char *way)
{
    return g_strv_contains((const char *const *)ways, way);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Maker maker = {.count = 0};
    char line[16];

    g_assert_cmpint(argc, >=, 3);
    char **ways = argv + 3;
    VrSqliteJournal *journal = vr_sqlite_journal_open(argv[1], &error);
    g_assert_no_error(error);
    maker.port = vr_sqlite_journal_port(journal);
    journal_answer_init(&maker.answer);
    append_created(&maker);
    while (maker.count < strtoull(argv[2], NULL, 10))
        append_next(&maker, NULL);
    if (is_asked(ways, "unsound"))
        append_next(&maker, "moon-landed");
    if (is_asked(ways, "applying"))
        append_applying(&maker);
    printf("%" G_GUINT64_FORMAT "\n", maker.count);
    fflush(stdout);
    while (is_asked(ways, "hold") && fgets(line, sizeof line, stdin) != NULL) {
        append_next(&maker, NULL);
        printf("%" G_GUINT64_FORMAT "\n", maker.count);
        fflush(stdout);
    }
    vr_sqlite_journal_free(journal);
    journal_answer_clear(&maker.answer);
    return 0;
}
