/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/alert.h>

#include <string.h>

struct VrAlertBook {
    GPtrArray *alerts; /* (element-type VrAlert) by fingerprint, each once */
};

static void
unref_alert(gpointer alert)
{
    vr_alert_unref(alert);
}

VrAlertBook *
vr_alert_book_new(void)
{
    VrAlertBook *self = g_new0(VrAlertBook, 1);
    self->alerts = g_ptr_array_new_with_free_func(unref_alert);
    return self;
}

void
vr_alert_book_free(VrAlertBook *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->alerts);
    g_free(self);
}

guint
vr_alert_book_count(const VrAlertBook *self)
{
    return self->alerts->len;
}

const VrAlert *
vr_alert_book_at(const VrAlertBook *self, guint index)
{
    g_assert(index < self->alerts->len);
    return g_ptr_array_index(self->alerts, index);
}

/* Where the fingerprint stands, or would stand. TRUE: it is there. */
static gboolean
find(const VrAlertBook *self, const char *fingerprint, guint *out_index)
{
    guint low = 0;
    guint high = self->alerts->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (strcmp(vr_alert_book_at(self, middle)->fingerprint, fingerprint) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *out_index = low;
    return low < self->alerts->len &&
           strcmp(vr_alert_book_at(self, low)->fingerprint, fingerprint) == 0;
}

/* (nullable) Borrowed. */
static VrAlert *
lookup(const VrAlertBook *self, const char *fingerprint)
{
    guint index = 0;
    return find(self, fingerprint, &index) ? g_ptr_array_index(self->alerts, index) : NULL;
}

gboolean
vr_alert_book_apply(VrAlertBook *self, const VrAlertChange *change)
{
    guint index = 0;
    gboolean known = find(self, change->alert->fingerprint, &index);
    switch (change->kind) {
    case VR_ALERT_RAISED:
        if (known || self->alerts->len >= VR_ALERTS_MAX)
            return FALSE;
        g_ptr_array_insert(self->alerts, (gint)index, vr_alert_ref(change->alert));
        return TRUE;
    case VR_ALERT_RESOLVED:
    case VR_ALERT_SUPERSEDED:
    case VR_ALERT_DISMISSED:
        if (!known)
            return FALSE;
        g_ptr_array_remove_index(self->alerts, index);
        return TRUE;
    case VR_ALERT_REFUSED_FUTURE:
    case VR_ALERT_REFUSED_FULL:
        return TRUE;
    }
    g_assert_not_reached();
}

/* (transfer full) */
static VrAlertChange *
new_change(VrAlertChangeKind kind, VrAlert *alert, gint64 now_us)
{
    VrAlertChange *change = g_new0(VrAlertChange, 1);
    change->kind = kind;
    change->at_us = now_us;
    change->alert = vr_alert_ref(alert);
    return change;
}

VrAlertChange *
vr_alert_book_dismiss(const VrAlertBook *self, const char *fingerprint, gint64 now_us)
{
    VrAlert *alert = lookup(self, fingerprint);
    return alert == NULL ? NULL : new_change(VR_ALERT_DISMISSED, alert, now_us);
}

/* -------------------------------------------------------------------------- receive */

typedef struct {
    VrAlertBook *book; /* as the changes so far leave it */
    GPtrArray *changes;
    gint64 now_us;
} Receipt;

static void
add_change(Receipt *self, VrAlertChangeKind kind, VrAlert *alert)
{
    VrAlertChange *change = new_change(kind, alert, self->now_us);
    gboolean follows = vr_alert_book_apply(self->book, change);
    g_assert(follows);
    g_ptr_array_add(self->changes, change);
}

/*
 * A resolved message counts if it speaks of a time since the known alert began: Alertmanager joins
 * alerts and may name an earlier start than before.
 */
static void
receive_resolved(Receipt *self, const VrReceivedAlert *received)
{
    VrAlert *found = lookup(self->book, received->fingerprint);
    if (found == NULL)
        return;
    g_autoptr(VrAlert) known = vr_alert_ref(found); /* the change takes it out of the book */
    if (received->ends_us > self->now_us + VR_ALERT_FUTURE_US)
        add_change(self, VR_ALERT_REFUSED_FUTURE, known);
    else if (received->ends_us >= known->starts_us)
        add_change(self, VR_ALERT_RESOLVED, known);
}

/* One that was resolved may fire again with the same start: then it is raised again. */
static void
receive_firing(Receipt *self, VrAlert *alert)
{
    VrAlert *known = lookup(self->book, alert->fingerprint);
    if (alert->starts_us > self->now_us + VR_ALERT_FUTURE_US) {
        add_change(self, VR_ALERT_REFUSED_FUTURE, alert);
        return;
    }
    if (known != NULL && alert->starts_us <= known->starts_us)
        return;
    if (known != NULL) {
        g_autoptr(VrAlert) earlier = vr_alert_ref(known);
        add_change(self, VR_ALERT_SUPERSEDED, earlier);
    }
    if (vr_alert_book_count(self->book) >= VR_ALERTS_MAX)
        add_change(self, VR_ALERT_REFUSED_FULL, alert);
    else
        add_change(self, VR_ALERT_RAISED, alert);
}

/* (transfer full) */
static VrAlertBook *
copy_book(const VrAlertBook *self)
{
    VrAlertBook *copy = vr_alert_book_new();
    for (guint i = 0; i < self->alerts->len; i++)
        g_ptr_array_add(copy->alerts, vr_alert_ref(g_ptr_array_index(self->alerts, i)));
    return copy;
}

GPtrArray *
vr_alert_book_receive(const VrAlertBook *self, const VrAlertMapping *mapping,
                      const VrAlertMessage *message, gint64 now_us)
{
    g_autoptr(VrAlertBook) book = copy_book(self);
    Receipt receipt = {book, g_ptr_array_new_with_free_func(vr_alert_change_free), now_us};
    for (guint i = 0; i < message->alerts->len; i++) {
        const VrReceivedAlert *received = g_ptr_array_index(message->alerts, i);
        if (received->resolved) {
            receive_resolved(&receipt, received);
            continue;
        }
        g_autoptr(VrAlert) alert = vr_alert_mapping_judge(mapping, received, now_us);
        if (alert != NULL)
            receive_firing(&receipt, alert);
    }
    return receipt.changes;
}

/* -------------------------------------------------------------------------- query */

static gboolean
is_stronger(const VrAlert *a, const VrAlert *b)
{
    if (b == NULL || a->meaning != b->meaning)
        return b == NULL || a->meaning > b->meaning;
    return a->starts_us < b->starts_us; /* the same: the first by fingerprint stays */
}

const VrAlert *
vr_alert_book_strongest(const VrAlertBook *self, const char *host, gboolean in_work)
{
    const VrAlert *strongest = NULL;
    for (guint i = 0; i < self->alerts->len; i++) {
        const VrAlert *alert = vr_alert_book_at(self, i);
        if (g_strcmp0(alert->host, host) == 0 && (in_work || !alert->by_default) &&
            is_stronger(alert, strongest))
            strongest = alert;
    }
    return strongest;
}
