/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/free-index.h"

#define WORD_BITS 64
#define BUCKETS_MAX (WORD_BITS * WORD_BITS)
#define BUCKETS_PER_HOST 64

VrFreeIndex *
vr_free_index_new(VrFreeLink *links, guint host_count, gint64 room_max)
{
    VrFreeIndex *self = g_new0(VrFreeIndex, 1);

    self->links = links;
    self->bucket_count = CLAMP(host_count, 1, BUCKETS_MAX / BUCKETS_PER_HOST) * BUCKETS_PER_HOST;
    self->width = MAX(room_max, 0) / self->bucket_count + 1;
    self->heads = g_new(guint, self->bucket_count);
    self->tails = g_new(guint, self->bucket_count);
    for (guint b = 0; b < self->bucket_count; b++)
        self->heads[b] = self->tails[b] = VR_FREE_INDEX_NONE;
    self->words = g_new0(guint64, self->bucket_count / WORD_BITS);
    return self;
}

static guint
bucket_of(const VrFreeIndex *self, gint64 room)
{
    gint64 bucket = MAX(room, 0) / self->width;

    return (guint)MIN(bucket, (gint64)self->bucket_count - 1);
}

void
vr_free_index_remove(VrFreeIndex *self, guint host)
{
    VrFreeLink *link = &self->links[host];

    if (link->bucket < 0)
        return;
    guint bucket = (guint)link->bucket;
    if (link->previous != VR_FREE_INDEX_NONE)
        self->links[link->previous].next = link->next;
    else
        self->heads[bucket] = link->next;
    if (link->next != VR_FREE_INDEX_NONE)
        self->links[link->next].previous = link->previous;
    else
        self->tails[bucket] = link->previous;
    link->bucket = -1;
    self->host_count--;
    if (self->heads[bucket] != VR_FREE_INDEX_NONE)
        return;
    self->words[bucket / WORD_BITS] &= ~(1ull << bucket % WORD_BITS);
    if (self->words[bucket / WORD_BITS] == 0)
        self->top &= ~(1ull << bucket / WORD_BITS);
}

void
vr_free_index_put(VrFreeIndex *self, guint host, gint64 room)
{
    VrFreeLink *link = &self->links[host];
    guint bucket = bucket_of(self, room);

    if (link->bucket == (gint)bucket)
        return;
    vr_free_index_remove(self, host);
    *link = (VrFreeLink){VR_FREE_INDEX_NONE, self->tails[bucket], (gint)bucket};
    if (link->previous != VR_FREE_INDEX_NONE)
        self->links[link->previous].next = host;
    else
        self->heads[bucket] = host;
    self->tails[bucket] = host;
    self->host_count++;
    self->words[bucket / WORD_BITS] |= 1ull << bucket % WORD_BITS;
    self->top |= 1ull << bucket / WORD_BITS;
}

/* The first host of the first bucket from this one on that has any. */
static guint
head_from(const VrFreeIndex *self, guint bucket)
{
    if (bucket >= self->bucket_count)
        return VR_FREE_INDEX_NONE;
    guint word = bucket / WORD_BITS;
    guint64 bits = self->words[word] & (~0ull << bucket % WORD_BITS);
    if (bits == 0) {
        guint64 words = word + 1 < WORD_BITS ? self->top & (~0ull << (word + 1)) : 0;
        if (words == 0)
            return VR_FREE_INDEX_NONE;
        word = (guint)__builtin_ctzll(words);
        bits = self->words[word];
    }
    return self->heads[word * WORD_BITS + (guint)__builtin_ctzll(bits)];
}

/* The last host of the last bucket before this one that has any. */
static guint
tail_before(const VrFreeIndex *self, guint bucket)
{
    guint word = bucket / WORD_BITS;
    guint64 bits = word * WORD_BITS < self->bucket_count
                       ? self->words[word] & ((1ull << bucket % WORD_BITS) - 1)
                       : 0;
    if (bits == 0) {
        guint64 words = word < WORD_BITS ? self->top & ((1ull << word) - 1) : self->top;
        if (words == 0)
            return VR_FREE_INDEX_NONE;
        word = WORD_BITS - 1 - (guint)__builtin_clzll(words);
        bits = self->words[word];
    }
    return self->tails[word * WORD_BITS + WORD_BITS - 1 - (guint)__builtin_clzll(bits)];
}

guint
vr_free_index_first(const VrFreeIndex *self, gint64 room)
{
    return head_from(self, bucket_of(self, room));
}

guint
vr_free_index_next(const VrFreeIndex *self, guint host)
{
    const VrFreeLink *link = &self->links[host];

    if (link->next != VR_FREE_INDEX_NONE)
        return link->next;
    return head_from(self, (guint)link->bucket + 1);
}

guint
vr_free_index_last(const VrFreeIndex *self)
{
    return tail_before(self, self->bucket_count);
}

guint
vr_free_index_previous(const VrFreeIndex *self, guint host)
{
    const VrFreeLink *link = &self->links[host];

    if (link->previous != VR_FREE_INDEX_NONE)
        return link->previous;
    return tail_before(self, (guint)link->bucket);
}

void
vr_free_index_free(VrFreeIndex *self)
{
    if (self == NULL)
        return;
    g_free(self->heads);
    g_free(self->tails);
    g_free(self->words);
    g_free(self);
}
