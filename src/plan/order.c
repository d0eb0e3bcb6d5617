/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/order.h"

/* Bits behind the point of a logarithm, and of a key beyond those. */
#define LOG_BITS 24
#define KEY_BITS 24

typedef struct {
    guint pool, host, rank;
    gint64 first, second; /* larger comes first */
} Key;

/* log2(room / load) with LOG_BITS bits behind the point; 0 if nothing is returned. */
static gint64
log2_ratio(gint64 room, gint64 load)
{
    gint64 result = 0;

    if (load <= 0)
        return (gint64)62 << LOG_BITS;
    while (room / 2 >= load) {
        result += (gint64)1 << LOG_BITS;
        load *= 2;
    }
    if (room <= load)
        return result;
    /* The rest lies in [1, 2): each squaring brings out one more bit. */
    guint64 ratio = (guint64)(((__int128)room << 31) / load);
    for (gint64 bit = (gint64)1 << (LOG_BITS - 1); bit > 0; bit /= 2) {
        ratio = (guint64)((unsigned __int128)ratio * ratio >> 31);
        if (ratio >= (guint64)1 << 32) {
            ratio /= 2;
            result += bit;
        }
    }
    return result;
}

/* Shifts a key by a share that host and number alone decide. */
static gint64
shuffle(const VrManner *manner, gint64 key, guint host)
{
    guint64 mixed = ((guint64)manner->shuffle << 32 | host) * 0x9e3779b97f4a7c15u;
    gint64 most = manner->shuffle_permille;

    if (manner->shuffle == 0)
        return key;
    mixed = (mixed ^ mixed >> 29) * 0xbf58476d1ce4e5b9u;
    gint64 permille = 1000 - most + (gint64)(mixed >> 33) % (2 * most + 1);
    return (gint64)((__int128)key * permille / 1000);
}

/*
 * The room of updated hosts grows like compound interest: recycling a host multiplies what its VMs
 * take by room / load, in the time of its cycle. So the logarithm per time is the rate of interest.
 */
static gint64
growth_key(const VrBelt *belt, guint host)
{
    VrResource binding = vr_problem_binding(belt->problem, host);
    gint64 growth =
        log2_ratio(belt->problem->hosts[host].room.of[binding], vr_belt_load(belt, host));

    if (belt->manner->preference == VR_PREFER_ROOM)
        return growth;
    return (gint64)(((__int128)growth << KEY_BITS) / MAX(belt->hosts[host].cycle_ms, 1));
}

static gint64
giant_key(const VrBelt *belt, guint host)
{
    const GArray *blocks = belt->problem->hosts[host].blocks;

    if (blocks->len == 0)
        return 0;
    return g_array_index(blocks, VrBlock, 0).size.of[vr_problem_binding(belt->problem, host)];
}

static Key
describe(const VrBelt *belt, VrOrderKind kind, guint host)
{
    const VrProblemHost *own = &belt->problem->hosts[host];
    Key key = {.pool = own->pool, .host = host, .rank = G_MAXUINT};

    if (kind == VR_ORDER_LONGEST) {
        key.first = shuffle(belt->manner, belt->hosts[host].cycle_ms, host);
        return key;
    }
    if (kind == VR_ORDER_LIGHTEST) {
        key.first = -vr_belt_load(belt, host);
        return key;
    }
    key.rank = own->rank;
    key.first = shuffle(belt->manner, growth_key(belt, host), host);
    if (belt->manner->preference == VR_PREFER_GIANTS) {
        key.second = key.first;
        key.first = giant_key(belt, host);
    }
    return key;
}

static int
compare_keys(gconstpointer a, gconstpointer b)
{
    const Key *x = a, *y = b;

    if (x->pool != y->pool)
        return x->pool < y->pool ? -1 : 1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    if (x->first != y->first)
        return x->first > y->first ? -1 : 1;
    if (x->second != y->second)
        return x->second > y->second ? -1 : 1;
    return x->host < y->host ? -1 : x->host > y->host;
}

VrOrder *
vr_order_new(const VrBelt *belt, VrOrderKind kind)
{
    const VrProblem *problem = belt->problem;
    VrOrder *self = g_new0(VrOrder, 1);
    g_autoptr(GArray) keys = g_array_new(FALSE, FALSE, sizeof(Key));

    self->heads = g_new(guint, problem->pool_count);
    self->next = g_new(guint, problem->host_count);
    self->previous = g_new(guint, problem->host_count);
    for (guint p = 0; p < problem->pool_count; p++)
        self->heads[p] = VR_NONE;
    for (guint h = 0; h < problem->host_count; h++) {
        if (belt->hosts[h].state != VR_HOST_OPEN)
            continue;
        Key key = describe(belt, kind, h);
        g_array_append_val(keys, key);
    }
    g_array_sort(keys, compare_keys);
    for (guint i = keys->len; i-- > 0;) {
        const Key *key = &g_array_index(keys, Key, i);
        self->previous[key->host] = VR_NONE;
        self->next[key->host] = self->heads[key->pool];
        if (self->heads[key->pool] != VR_NONE)
            self->previous[self->heads[key->pool]] = key->host;
        self->heads[key->pool] = key->host;
    }
    return self;
}

void
vr_order_remove(VrOrder *self, guint pool, guint host)
{
    guint next = self->next[host], previous = self->previous[host];

    if (previous != VR_NONE)
        self->next[previous] = next;
    else
        self->heads[pool] = next;
    if (next != VR_NONE)
        self->previous[next] = previous;
}

void
vr_order_free(VrOrder *self)
{
    if (self == NULL)
        return;
    g_free(self->heads);
    g_free(self->next);
    g_free(self->previous);
    g_free(self);
}
