/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Alerts that others' monitoring tells us: a message of Alertmanager's webhook becomes a list of
 * changes to the book of known alerts. All of it is pure: the caller passes the time, journals the
 * changes, then applies them; applied again after a restart they give the same book.
 *
 *     message = vr_alert_message_parse(body, length, &error);
 *     changes = vr_alert_book_receive(book, mapping, message, now_us);
 *     … journal vr_alert_change_format of those that are not refused …
 *     vr_alert_book_apply(book, change);
 *
 * For operators: docs/reference/alerts.md.
 */
#pragma once

#include <virt-roll/error.h>
#include <virt-roll/fleet.h>
#include <virt-roll/policy.h>

G_BEGIN_DECLS

#define VR_ALERT_MESSAGE_LENGTH_MAX (256 * 1024) /* bytes */
#define VR_ALERTS_PER_MESSAGE_MAX 1000
#define VR_ALERTS_MAX 10000             /* known at a time */
#define VR_ALERT_FUTURE_US (60000000LL) /* how far other clocks may be ahead */
#define VR_ALERT_TEXT_LENGTH_MAX 256    /* bytes of a name or summary that are kept */

/* Our own alerts begin so; those that come back to us mean nothing. */
#define VR_ALERT_OWN_PREFIX "VirtRoll"

/* -------------------------------------------------------------------------- message */

typedef struct {
    char *name;
    char *value;
} VrLabel;

typedef struct {
    char *fingerprint; /* letters and digits, 1 to 64 */
    gboolean resolved;
    gint64 starts_us;  /* since 1970, not negative */
    gint64 ends_us;    /* of a resolved one; else 0 */
    GPtrArray *labels; /* (element-type VrLabel) */
    char *summary;     /* annotation `summary`, else `description`; "" if neither */
} VrReceivedAlert;

typedef struct {
    GPtrArray *alerts;      /* (element-type VrReceivedAlert) */
    gint64 truncated_count; /* that Alertmanager left out (its max_alerts) */
} VrAlertMessage;

/*
 * Webhook version 4. Unknown members are ignored. VR_ERROR_INVALID for all that is not such a
 * message, or longer, or holds more alerts, than the limits above.
 */
VrAlertMessage *vr_alert_message_parse(const char *text, gsize length,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
void vr_alert_message_free(VrAlertMessage *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrAlertMessage, vr_alert_message_free)

/* "" if the alert has no such label. Borrowed. */
const char *vr_received_alert_label(const VrReceivedAlert *self, const char *name);

/* -------------------------------------------------------------------------- known alerts */

/* A value that is never changed, shared by reference. */
typedef struct {
    char *fingerprint;
    char *name; /* its alertname; clean text */
    char *host; /* (nullable) as the fleet calls it; NULL: it concerns the whole rollout */
    char *summary;
    gint64 starts_us;
    gint64 received_us;
    VrAlertMeaning meaning; /* not ignore */
    gboolean by_default;    /* no rule says so: it counts only while its host is in work */
} VrAlert;

VrAlert *vr_alert_ref(VrAlert *self);
void vr_alert_unref(VrAlert *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrAlert, vr_alert_unref)

/* Which host an alert belongs to and what it means, by fleet and policy, which must outlive it. */
typedef struct VrAlertMapping VrAlertMapping;

VrAlertMapping *vr_alert_mapping_new(const VrFleet *fleet, const VrPolicy *policy);
void vr_alert_mapping_free(VrAlertMapping *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrAlertMapping, vr_alert_mapping_free)

/* NULL: it means nothing to us. (transfer full) */
VrAlert *vr_alert_mapping_judge(const VrAlertMapping *self, const VrReceivedAlert *received,
                                gint64 now_us);

/* -------------------------------------------------------------------------- book */

#define VR_ALERT_CHANGES(X)                                                                        \
    X(VR_ALERT_RAISED, "raised")                                                                   \
    X(VR_ALERT_RESOLVED, "resolved")             /* so its sender says */                          \
    X(VR_ALERT_SUPERSEDED, "superseded")         /* fires with a later start: this one was over */ \
    X(VR_ALERT_DISMISSED, "dismissed")           /* so a person says */                            \
    X(VR_ALERT_REFUSED_FUTURE, "refused-future") /* its time is ahead of ours: not known */        \
    X(VR_ALERT_REFUSED_FULL, "refused-full")     /* no room: not known; have it sent again */
VR_DECLARE_ENUM(VrAlertChangeKind, vr_alert_change_kind, VR_ALERT_CHANGES);

typedef struct {
    VrAlertChangeKind kind;
    gint64 at_us;
    VrAlert *alert; /* raised, refused: the new one; else the known one that is over */
} VrAlertChange;

void vr_alert_change_free(gpointer change);

/* Canonical JSON and back; `source` begins the message of the error (VR_ERROR_INVALID). */
char *vr_alert_change_format(const VrAlertChange *self);
VrAlertChange *vr_alert_change_parse(const char *text, gsize length, const char *source,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef struct VrAlertBook VrAlertBook;

VrAlertBook *vr_alert_book_new(void);
void vr_alert_book_free(VrAlertBook *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrAlertBook, vr_alert_book_free)

/*
 * What a message would change, in its order; the book stays as it is. Nothing for what is known
 * already, is over already or means nothing. (transfer full) (element-type VrAlertChange)
 */
GPtrArray *vr_alert_book_receive(const VrAlertBook *self, const VrAlertMapping *mapping,
                                 const VrAlertMessage *message, gint64 now_us);

/* A person says that an alert is over. (transfer full) NULL: there is no such alert. */
VrAlertChange *vr_alert_book_dismiss(const VrAlertBook *self, const char *fingerprint,
                                     gint64 now_us);

/* The only way to change the book. FALSE, and nothing changed: it does not follow from it. */
gboolean vr_alert_book_apply(VrAlertBook *self, const VrAlertChange *change);

/* All that are known, by fingerprint. Borrowed until the next change. */
guint vr_alert_book_count(const VrAlertBook *self);
const VrAlert *vr_alert_book_at(const VrAlertBook *self, guint index);

/*
 * The alert of a host (NULL: those that concern the whole rollout) whose meaning is the strongest,
 * the oldest of several; NULL: there is none. Without `in_work`, those by default do not count.
 */
const VrAlert *vr_alert_book_strongest(const VrAlertBook *self, const char *host, gboolean in_work);

G_END_DECLS
