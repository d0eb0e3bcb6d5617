/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/agenda.h"

VrAgenda *
vr_agenda_new(void)
{
    VrAgenda *self = g_new0(VrAgenda, 1);

    self->items = g_array_new(FALSE, FALSE, sizeof(VrAgendaItem));
    return self;
}

static gboolean
is_before(const VrAgendaItem *a, const VrAgendaItem *b)
{
    if (a->at_ms != b->at_ms)
        return a->at_ms < b->at_ms;
    return a->sequence < b->sequence;
}

void
vr_agenda_add(VrAgenda *self, gint64 at_ms, VrAgendaKind kind, guint index)
{
    VrAgendaItem item = {at_ms, self->sequence++, kind, index};
    guint hole = self->items->len;

    g_array_append_val(self->items, item);
    VrAgendaItem *items = (VrAgendaItem *)(void *)self->items->data;
    while (hole > 0 && is_before(&item, &items[(hole - 1) / 2])) {
        items[hole] = items[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    items[hole] = item;
}

gboolean
vr_agenda_take(VrAgenda *self, VrAgendaItem *out_item)
{
    guint hole = 0, count = self->items->len;

    if (count == 0)
        return FALSE;
    VrAgendaItem *items = (VrAgendaItem *)(void *)self->items->data;
    *out_item = items[0];
    VrAgendaItem last = items[--count];
    for (guint child = 1; child < count; child = 2 * hole + 1) {
        if (child + 1 < count && is_before(&items[child + 1], &items[child]))
            child++;
        if (!is_before(&items[child], &last))
            break;
        items[hole] = items[child];
        hole = child;
    }
    items[hole] = last;
    g_array_set_size(self->items, count);
    return TRUE;
}

gint64
vr_agenda_next_ms(const VrAgenda *self)
{
    return self->items->len > 0 ? g_array_index(self->items, VrAgendaItem, 0).at_ms : G_MAXINT64;
}

void
vr_agenda_free(VrAgenda *self)
{
    if (self == NULL)
        return;
    g_array_unref(self->items);
    g_free(self);
}
