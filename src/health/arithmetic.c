/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "health/arithmetic.h"

/* Shell sort, gaps of Ciura: few values, often, and no calls to compare them. */
static void
sort(gint64 *values, guint count)
{
    static const guint gaps[] = {1750, 701, 301, 132, 57, 23, 10, 4, 1};

    for (guint g = 0; g < G_N_ELEMENTS(gaps); g++) {
        const guint gap = gaps[g];
        for (guint i = gap; i < count; i++) {
            const gint64 value = values[i];
            guint at = i;
            for (; at >= gap && values[at - gap] > value; at -= gap)
                values[at] = values[at - gap];
            values[at] = value;
        }
    }
}

gint64
vr_median(gint64 *values, guint count, gint64 fallback)
{
    if (count == 0)
        return fallback;
    sort(values, count);
    const gint64 upper = values[count / 2];
    return count % 2 == 1 ? upper : (values[count / 2 - 1] + upper) / 2;
}

gint64
vr_log2_q8(gint64 value)
{
    g_assert(value >= 1);
    const gint64 octave = 63 - __builtin_clzll((guint64)value);
    guint64 fraction =
        octave <= 31 ? (guint64)value << (31 - octave) : (guint64)value >> (octave - 31);
    gint64 result = octave;

    for (guint bit = 0; bit < 8; bit++) {
        fraction = fraction * fraction >> 31;
        result *= 2;
        if (fraction >= G_GUINT64_CONSTANT(1) << 32) {
            fraction >>= 1;
            result += 1;
        }
    }
    return result;
}

gint64
vr_crowding_kappa(gint64 cpu_permille)
{
    const gint64 u = CLAMP(cpu_permille, 20, 980);

    return u * u * 1000 / (1000 - u);
}

gint64
vr_crowding_load(gint64 kappa)
{
    gint64 low = 20, high = 980;

    while (low < high) {
        const gint64 middle = (low + high + 1) / 2;
        if (vr_crowding_kappa(middle) <= kappa)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

gint64
vr_ppm(gint64 part, gint64 whole)
{
    return whole > 0 ? part * 1000000 / whole : 0;
}
