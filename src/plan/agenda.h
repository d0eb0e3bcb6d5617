/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What will end when, in the forecast: a heap; of equal times, what was added first comes first. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
    VR_AGENDA_MIGRATION, /* `index` is the VM */
    VR_AGENDA_UPDATE,    /* the host */
    VR_AGENDA_RETURN,    /* the host that is soon updated */
    VR_AGENDA_GATES,     /* the host that they hold back */
    VR_AGENDA_CANARY,    /* the canary */
} VrAgendaKind;

typedef struct {
    gint64 at_ms;
    guint sequence;
    VrAgendaKind kind;
    guint index;
} VrAgendaItem;

typedef struct {
    GArray *items; /* (element-type VrAgendaItem) a binary heap */
    guint sequence;
} VrAgenda;

VrAgenda *vr_agenda_new(void);
void vr_agenda_add(VrAgenda *self, gint64 at_ms, VrAgendaKind kind, guint index);

/* FALSE: nothing is left. */
gboolean vr_agenda_take(VrAgenda *self, VrAgendaItem *out_item);

/* The time of the next item; G_MAXINT64 if there is none. */
gint64 vr_agenda_next_ms(const VrAgenda *self);

void vr_agenda_free(VrAgenda *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrAgenda, vr_agenda_free)

G_END_DECLS
