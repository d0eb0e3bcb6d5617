/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/schedule.h"

VrSchedule *
vr_schedule_new(guint host_count)
{
    static const VrIdList none = {0, 0};
    VrSchedule *self = g_new0(VrSchedule, 1);

    self->entries = g_array_new(FALSE, FALSE, sizeof(VrEntry));
    self->lists = g_array_new(FALSE, FALSE, sizeof(VrIdList));
    self->ids = g_array_new(FALSE, FALSE, sizeof(guint));
    self->notes = g_new0(VrDrainNote, host_count);
    self->stuck = vr_feasibility_obstacles_new();
    g_array_append_val(self->lists, none);
    return self;
}

guint
vr_schedule_append(VrSchedule *self, const VrEntry *entry)
{
    g_array_append_vals(self->entries, entry, 1);
    self->makespan_ms = MAX(self->makespan_ms, entry->end_ms);
    return self->entries->len;
}

static int
compare_ids(gconstpointer a, gconstpointer b)
{
    guint x = *(const guint *)a, y = *(const guint *)b;

    return x < y ? -1 : x > y;
}

guint
vr_schedule_add_list(VrSchedule *self, GArray *ids)
{
    VrIdList list = {self->ids->len, 0};

    if (ids->len == 0)
        return 0;
    g_array_sort(ids, compare_ids);
    for (guint i = 0; i < ids->len; i++) {
        guint id = g_array_index(ids, guint, i);
        if (i > 0 && id == g_array_index(ids, guint, i - 1))
            continue;
        g_array_append_val(self->ids, id);
        list.count++;
    }
    g_array_append_val(self->lists, list);
    return self->lists->len - 1;
}

static int
compare_times(gconstpointer a, gconstpointer b)
{
    gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

    return x < y ? -1 : x > y;
}

guint
vr_schedule_peak(const VrSchedule *self, VrStepKind kind)
{
    g_autoptr(GArray) ends = g_array_new(FALSE, FALSE, sizeof(gint64));
    guint started = 0, ended = 0, peak = 0;

    for (guint i = 0; i < self->entries->len; i++) {
        const VrEntry *entry = &g_array_index(self->entries, VrEntry, i);
        if (entry->kind == kind && entry->end_ms > entry->start_ms)
            g_array_append_val(ends, entry->end_ms);
    }
    g_array_sort(ends, compare_times);
    for (guint i = 0; i < self->entries->len; i++) {
        const VrEntry *entry = &g_array_index(self->entries, VrEntry, i);
        if (entry->kind != kind)
            continue;
        while (ended < started && g_array_index(ends, gint64, ended) <= entry->start_ms)
            ended++;
        peak = MAX(peak, started - ended + 1);
        started += entry->end_ms > entry->start_ms; /* else it is over at once */
    }
    return peak;
}

void
vr_schedule_free(VrSchedule *self)
{
    if (self == NULL)
        return;
    g_array_unref(self->entries);
    g_array_unref(self->lists);
    g_array_unref(self->ids);
    g_free(self->notes);
    vr_feasibility_obstacles_free(self->stuck);
    g_free(self);
}
