/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "room-index.h"

#define STEP_MIB 1024
#define STEPS 4096
#define WORD_BITS 64

struct RoomIndex {
    gint heads[STEPS], tails[STEPS];
    guint64 words[STEPS / WORD_BITS]; /* steps that have hosts */
    guint64 summary;                  /* words that are not 0 */
    gint *next, *previous, *step;     /* per host; step -1: not here */
};

RoomIndex *
room_index_new(guint host_count)
{
    RoomIndex *self = g_new0(RoomIndex, 1);

    self->next = g_new(gint, host_count + 1);
    self->previous = g_new(gint, host_count + 1);
    self->step = g_new(gint, host_count + 1);
    for (guint i = 0; i < STEPS; i++)
        self->heads[i] = self->tails[i] = -1;
    for (guint i = 0; i <= host_count; i++)
        self->step[i] = -1;
    return self;
}

void
room_index_remove(RoomIndex *self, guint host)
{
    gint step = self->step[host], before = self->previous[host], after = self->next[host];

    if (step < 0)
        return;
    *(before >= 0 ? &self->next[before] : &self->heads[step]) = after;
    *(after >= 0 ? &self->previous[after] : &self->tails[step]) = before;
    self->step[host] = -1;
    if (self->heads[step] >= 0)
        return;
    self->words[step / WORD_BITS] &= ~(G_GUINT64_CONSTANT(1) << (step % WORD_BITS));
    if (self->words[step / WORD_BITS] == 0)
        self->summary &= ~(G_GUINT64_CONSTANT(1) << (step / WORD_BITS));
}

gint
room_index_step_of(gint64 free_mib)
{
    return (gint)MIN(MAX(free_mib, 0) / STEP_MIB, STEPS - 1);
}

void
room_index_put(RoomIndex *self, guint host, gint64 free_mib)
{
    gint step = room_index_step_of(free_mib);

    if (self->step[host] == step)
        return;
    room_index_remove(self, host);
    self->step[host] = step;
    self->next[host] = -1;
    self->previous[host] = self->tails[step];
    if (self->tails[step] >= 0)
        self->next[self->tails[step]] = (gint)host;
    else
        self->heads[step] = (gint)host;
    self->tails[step] = (gint)host;
    self->words[step / WORD_BITS] |= G_GUINT64_CONSTANT(1) << (step % WORD_BITS);
    self->summary |= G_GUINT64_CONSTANT(1) << (step / WORD_BITS);
}

gboolean
room_index_has(const RoomIndex *self, guint host)
{
    return self->step[host] >= 0;
}

gint
room_index_up(const RoomIndex *self, gint step)
{
    if (step >= STEPS)
        return -1;
    gint word = step / WORD_BITS;
    guint64 bits = self->words[word] & (G_MAXUINT64 << (step % WORD_BITS));
    if (bits == 0) {
        guint64 words = word == WORD_BITS - 1 ? 0 : self->summary & (G_MAXUINT64 << (word + 1));
        if (words == 0)
            return -1;
        word = __builtin_ctzll(words);
        bits = self->words[word];
    }
    return word * WORD_BITS + __builtin_ctzll(bits);
}

gint
room_index_down(const RoomIndex *self, gint step)
{
    if (step < 0)
        return -1;
    gint word = step / WORD_BITS;
    guint64 bits = self->words[word] & (G_MAXUINT64 >> (WORD_BITS - 1 - step % WORD_BITS));
    if (bits == 0) {
        guint64 words = self->summary & ((G_GUINT64_CONSTANT(1) << word) - 1);
        if (words == 0)
            return -1;
        word = WORD_BITS - 1 - __builtin_clzll(words);
        bits = self->words[word];
    }
    return word * WORD_BITS + WORD_BITS - 1 - __builtin_clzll(bits);
}

gint
room_index_top(const RoomIndex *self)
{
    return room_index_down(self, STEPS - 1);
}

gint
room_index_first(const RoomIndex *self, gint step)
{
    return self->heads[step];
}

gint
room_index_next(const RoomIndex *self, guint host)
{
    return self->next[host];
}

void
room_index_free(RoomIndex *self)
{
    if (self == NULL)
        return;
    g_free(self->next);
    g_free(self->previous);
    g_free(self->step);
    g_free(self);
}
