/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/sqlite/journal.h"

#include <unistd.h>

#include "adapters/sqlite/chain.h"
#include "adapters/sqlite/lock.h"
#include "adapters/sqlite/store.h"

/* Appends that wait; the next one is refused. The engine has a few in flight at most. */
#define QUEUE_MAX 4096
/* Appends that share a transaction and so a sync. */
#define GROUP_MAX 256

typedef struct {
    VrRecord *records;
    guint count;
    GStringChunk *texts; /* of the records */
    VrAppendDone done;
    gpointer data;
    VrAppend outcome;
    char *detail; /* (nullable) */
} Append;

struct VrSqliteJournal {
    char *directory;      /* NULL: a file by itself */
    char *path, *shown;   /* of that file */
    int lock_fd;          /* -1: read-only */
    VrSqliteStore *store; /* the writer thread's; NULL: read-only */
    GThread *writer;
    GMutex mutex; /* guards what follows */
    GCond changed;
    GQueue queue; /* (element-type Append) */
    gboolean closing;
};

/* -------------------------------------------------------------------------- one append */

static Append *
append_new(const VrRecord *records, guint count, VrAppendDone done, gpointer data)
{
    Append *self = g_new0(Append, 1);
    self->records = g_memdup2(records, count * sizeof *records);
    self->count = count;
    self->texts = g_string_chunk_new(1024);
    self->done = done;
    self->data = data;
    for (guint i = 0; i < count; i++) {
        VrRecord *record = &self->records[i];
        record->rollout = g_string_chunk_insert(self->texts, record->rollout);
        record->kind = g_string_chunk_insert(self->texts, record->kind);
        record->body = g_string_chunk_insert(self->texts, record->body);
    }
    return self;
}

static void
append_free(Append *self)
{
    g_string_chunk_free(self->texts);
    g_free(self->records);
    g_free(self->detail);
    g_free(self);
}

static void
append_settle(Append *self, VrAppend outcome, const char *detail)
{
    self->outcome = outcome;
    g_free(self->detail);
    self->detail = g_strdup(detail);
}

static gboolean
append_fits(Append *self, guint64 next)
{
    for (guint i = 0; i < self->count; i++) {
        if (self->records[i].sequence == next + i)
            continue;
        g_autofree char *detail =
            g_strdup_printf("sequence %" G_GUINT64_FORMAT " where %" G_GUINT64_FORMAT " comes next",
                            self->records[i].sequence, next + i);
        append_settle(self, VR_APPEND_REFUSED, detail);
        return FALSE;
    }
    return TRUE;
}

/* -------------------------------------------------------------------------- writer thread */

/* (transfer full) what waits, as much as one transaction takes; NULL: closing and nothing waits. */
static GPtrArray *
take_group(VrSqliteJournal *self)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&self->mutex);
    while (g_queue_is_empty(&self->queue) && !self->closing)
        g_cond_wait(&self->changed, &self->mutex);
    if (g_queue_is_empty(&self->queue))
        return NULL;
    GPtrArray *group = g_ptr_array_new_with_free_func((GDestroyNotify)append_free);
    while (group->len < GROUP_MAX && !g_queue_is_empty(&self->queue))
        g_ptr_array_add(group, g_queue_pop_head(&self->queue));
    return group;
}

/* FALSE: an error has undone the transaction. */
static gboolean
add_records(VrSqliteStore *store, const Append *append, GError **error)
{
    for (guint i = 0; i < append->count; i++) {
        if (!vr_sqlite_store_add(store, &append->records[i], error))
            return FALSE;
    }
    return TRUE;
}

/*
 * One transaction for the whole group. An append with a wrong sequence is left out beforehand and
 * harms nobody; what fails later fails for all that are in.
 */
static void
store_group(VrSqliteStore *store, GPtrArray *group)
{
    g_autoptr(GPtrArray) members = g_ptr_array_new();
    g_autoptr(GError) error = NULL;
    VrAppend outcome = VR_APPEND_REFUSED;
    gboolean whole = vr_sqlite_store_begin(store, &error);
    for (guint i = 0; i < group->len; i++) {
        Append *append = g_ptr_array_index(group, i);
        /* Without a transaction the first cause is told, not the sequences that follow from it. */
        if (whole && !append_fits(append, vr_sqlite_store_next_sequence(store)))
            continue;
        g_ptr_array_add(members, append);
        whole = whole && add_records(store, append, &error);
    }
    if (whole)
        outcome = vr_sqlite_store_commit(store, &error);
    for (guint i = 0; i < members->len; i++)
        append_settle(g_ptr_array_index(members, i), outcome, error ? error->message : NULL);
}

static gpointer
writer_main(gpointer data)
{
    VrSqliteJournal *self = data;
    for (;;) {
        g_autoptr(GPtrArray) group = take_group(self);
        if (group == NULL)
            return NULL;
        store_group(self->store, group);
        for (guint i = 0; i < group->len; i++) {
            const Append *append = g_ptr_array_index(group, i);
            append->done(append->outcome, append->detail, append->data);
        }
        vr_sqlite_store_tidy(self->store);
    }
}

/* -------------------------------------------------------------------------- port */

/* (nullable) why the append does not even get into the queue. */
static const char *
enqueue(VrSqliteJournal *self, Append *append)
{
    if (self->writer == NULL)
        return "the journal is open for reading only";
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&self->mutex);
    if (g_queue_get_length(&self->queue) >= QUEUE_MAX)
        return "too many appends wait for the disk";
    g_queue_push_tail(&self->queue, append);
    g_cond_signal(&self->changed);
    return NULL;
}

static void
journal_append(gpointer context, const VrRecord *records, guint count, VrAppendDone done,
               gpointer data)
{
    g_assert(count > 0);
    Append *append = append_new(records, count, done, data);
    const char *refusal = enqueue(context, append);
    if (refusal == NULL)
        return;
    append_free(append);
    done(VR_APPEND_REFUSED, refusal, data);
}

static VrSqliteStore *
open_to_read(const VrSqliteJournal *self, GError **error)
{
    return self->directory != NULL ? vr_sqlite_store_open(self->directory, FALSE, error)
                                   : vr_sqlite_store_open_file(self->path, self->shown, error);
}

/* A connection of its own: it sees committed records only, and any thread may read at any time. */
static gboolean
journal_read(gpointer context, guint64 from_sequence, VrRecordSeen seen, gpointer data,
             GError **error)
{
    g_autoptr(VrSqliteStore) store = open_to_read(context, error);
    return store != NULL && vr_sqlite_store_read(store, from_sequence, seen, data, error);
}

static const VrJournalVTable journal_vtable = {.append = journal_append, .read = journal_read};

VrJournal
vr_sqlite_journal_port(VrSqliteJournal *self)
{
    return (VrJournal){.context = self, .vtable = &journal_vtable};
}

/* -------------------------------------------------------------------------- life */

static VrSqliteJournal *
journal_new(const char *directory)
{
    VrSqliteJournal *self = g_new0(VrSqliteJournal, 1);
    self->directory = g_strdup(directory);
    self->lock_fd = -1;
    g_mutex_init(&self->mutex);
    g_cond_init(&self->changed);
    g_queue_init(&self->queue);
    return self;
}

VrSqliteJournal *
vr_sqlite_journal_open(const char *directory, GError **error)
{
    g_autoptr(VrSqliteJournal) self = journal_new(directory);
    self->lock_fd = vr_sqlite_lock_take(directory, error);
    if (self->lock_fd < 0 || !vr_sqlite_store_ensure(directory, error))
        return NULL;
    self->store = vr_sqlite_store_open(directory, TRUE, error);
    if (self->store == NULL)
        return NULL;
    self->writer = g_thread_new("journal", writer_main, self);
    return g_steal_pointer(&self);
}

VrSqliteJournal *
vr_sqlite_journal_open_read_only(const char *directory, GError **error)
{
    /* Opened once now, so that a missing or newer journal is told here. */
    g_autoptr(VrSqliteStore) store = vr_sqlite_store_open(directory, FALSE, error);
    return store != NULL ? journal_new(directory) : NULL;
}

VrSqliteJournal *
vr_sqlite_journal_open_file(const char *path, const char *shown, GError **error)
{
    g_autoptr(VrSqliteJournal) self = journal_new(NULL);
    self->path = g_strdup(path);
    self->shown = g_strdup(shown);
    g_autoptr(VrSqliteStore) store = open_to_read(self, error);
    return store != NULL ? g_steal_pointer(&self) : NULL;
}

char *
vr_sqlite_journal_hash(const VrSqliteJournal *self, guint64 sequence, GError **error)
{
    g_autoptr(VrSqliteStore) store = open_to_read(self, error);
    char hash[VR_SQLITE_HASH_SIZE] = "";
    if (store == NULL || !vr_sqlite_store_read_hash(store, sequence, hash, error))
        return NULL;
    return g_strdup(hash);
}

void
vr_sqlite_journal_free(VrSqliteJournal *self)
{
    if (self == NULL)
        return;
    if (self->writer != NULL) {
        g_mutex_lock(&self->mutex);
        self->closing = TRUE;
        g_cond_signal(&self->changed);
        g_mutex_unlock(&self->mutex);
        g_thread_join(self->writer);
    }
    vr_sqlite_store_free(self->store);
    if (self->lock_fd >= 0)
        (void)close(self->lock_fd);
    g_mutex_clear(&self->mutex);
    g_cond_clear(&self->changed);
    g_free(self->directory);
    g_free(self->path);
    g_free(self->shown);
    g_free(self);
}
