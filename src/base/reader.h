/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A typed reader over a JsonNode tree that knows where it is. The first error sticks: read every
 * field, then ask vr_reader_finish once. Messages name the place: file:line:column where the
 * document has positions (YAML), else file and JSON path; and the nearest known word.
 *
 *     VrReader *reader = vr_reader_new(document);
 *     vr_reader_enter(reader, "limits");
 *     limits->gate_s = vr_reader_integer(reader, "gate_s", 0, 86400, 0);
 *     vr_reader_leave(reader);
 *     if (!vr_reader_finish(reader, error)) …
 */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* A parsed text with the places of its nodes. */
typedef struct {
    JsonNode *root;
    char *source;       /* file name for messages */
    GHashTable *places; /* (nullable) JSON pointer -> "line:column" of a member's name, or of an
                           element */
    gboolean strict;    /* unknown fields are errors (files that people write) */
} VrDocument;

VrDocument *vr_document_new(JsonNode *root, const char *source, gboolean strict); /* takes root */
void vr_document_free(VrDocument *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrDocument, vr_document_free)

typedef struct VrReader VrReader;

VrReader *vr_reader_new(const VrDocument *document); /* at the root; the document must outlive it */
void vr_reader_free(VrReader *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrReader, vr_reader_free)

/* Does the present object have the member (and it is not null)? Marks it as known. */
gboolean vr_reader_has(VrReader *self, const char *name);
/* Is it there and null? */
gboolean vr_reader_is_null(VrReader *self, const char *name);
/* For members that may be of two types. Absent or null: FALSE. */
gboolean vr_reader_is_array(VrReader *self, const char *name);
gboolean vr_reader_is_string(VrReader *self, const char *name);

/*
 * Members of the present object. Absent (or null): the fallback. Wrong type or range: an error, and
 * the fallback. `required_*`: absence is an error too; after an error they give `min` or "".
 * Returned strings are borrowed from the document.
 */
gint64 vr_reader_integer(VrReader *self, const char *name, gint64 min, gint64 max, gint64 fallback);
gint64 vr_reader_required_integer(VrReader *self, const char *name, gint64 min, gint64 max);
gboolean vr_reader_boolean(VrReader *self, const char *name, gboolean fallback);
const char *vr_reader_string(VrReader *self, const char *name, const char *fallback);
const char *vr_reader_required_string(VrReader *self, const char *name);
/* One of `words` (NULL-terminated): its index. */
guint vr_reader_word(VrReader *self, const char *name, const char *const *words, guint fallback);
/* (transfer full) NULL-terminated; NULL if absent. */
char **vr_reader_strings(VrReader *self, const char *name);

/* Descend into an object member; FALSE if absent (then do not leave). Wrong type: error, FALSE. */
gboolean vr_reader_enter(VrReader *self, const char *name);
/* Descend into an array member and report its length; FALSE if absent. */
gboolean vr_reader_enter_array(VrReader *self, const char *name, guint *out_length);
/* Into the object that is the i-th element of the present array; FALSE (error) if it is no object.
 */
gboolean vr_reader_enter_element(VrReader *self, guint index);
/* Names of the present object's members, in the document's order. (transfer container) */
GList *vr_reader_members(VrReader *self);
/* Back up. In a strict document, members that nobody asked for are errors here. */
void vr_reader_leave(VrReader *self);

/* An error of the caller's own at member `name` (NULL: the present object). printf-like. */
void vr_reader_fail(VrReader *self, const char *name, const char *format, ...) G_GNUC_PRINTF(3, 4);
gboolean vr_reader_failed(const VrReader *self);
/* "line:column" of a member (name NULL: of the present object), or NULL. Borrowed. */
const char *vr_reader_place(const VrReader *self, const char *name);

/* Leaves the root and gives the first error (VR_ERROR_INVALID). */
gboolean vr_reader_finish(VrReader *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The word nearest to `word` by edit distance, or NULL if none is near. Borrowed from `words`. */
const char *vr_nearest_word(const char *word, const char *const *words);

G_END_DECLS
