/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The integer arithmetic of the judgement. Division truncates. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Sorts. The middle one, or half the sum of the two middle ones; `fallback` of none. */
gint64 vr_median(gint64 *values, guint count, gint64 fallback);

/* log2 of 1.. in 1/256 octave, rounded down. */
gint64 vr_log2_q8(gint64 value);

/*
 * How steal rises with the load u of a host, in arbitrary units: u * u * 1000 / (1000 - u), with u
 * in permille, clamped to 20..980. Only ratios of it mean something. Spells of crowding hurt more
 * than a mean load shows, so means are taken of kappa, and the load that is felt is the steady one
 * with as much of it.
 */
gint64 vr_crowding_kappa(gint64 cpu_permille);

/* Back from kappa to the greatest load that has no more of it; at least 20. */
gint64 vr_crowding_load(gint64 kappa);

/* 1,000,000 * part / whole; 0 if there is no whole. part <= whole < 2^43. */
gint64 vr_ppm(gint64 part, gint64 whole);

G_END_DECLS
