/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Intel's SHA extensions, which AMD has as well. */
#include "base/sha256.h"

#ifdef __x86_64__

#include <cpuid.h>
#include <immintrin.h>

/* The first 32 bits of the fractions of the cube roots of the first 64 primes. */
static const guint32 constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

gboolean
vr_sha256_x86_is_there(void)
{
    static const guint ssse3_sse41 = 1u << 9 | 1u << 19, sha = 1u << 29; /* of leaves 1 and 7 */
    guint a = 0, b = 0, c = 0, d = 0;

    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & ssse3_sse41) != ssse3_sse41)
        return FALSE;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & sha) != 0;
}

#define WITH_SHA __attribute__((target("sha,sse4.1")))

/* Four rounds. The eight words a to h are kept as {f, e, b, a} and {h, g, d, c}, lowest first. */
WITH_SHA static inline void
do_rounds(__m128i *feba, __m128i *hgdc, __m128i words, guint first)
{
    __m128i sum =
        _mm_add_epi32(words, _mm_loadu_si128((const __m128i *)(const void *)(constants + first)));

    *hgdc = _mm_sha256rnds2_epu32(*hgdc, *feba, sum);
    *feba = _mm_sha256rnds2_epu32(*feba, *hgdc, _mm_shuffle_epi32(sum, 0x0e));
}

/* The next four words of the message, after the last sixteen. */
WITH_SHA static inline __m128i
make_words(__m128i w0, __m128i w1, __m128i w2, __m128i w3)
{
    return _mm_sha256msg2_epu32(
        _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4)), w3);
}

WITH_SHA static inline __m128i
load_words(const guchar *bytes)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);

    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)bytes), swap);
}

WITH_SHA static inline void
take_block(__m128i *inout_feba, __m128i *inout_hgdc, const guchar *block)
{
    __m128i feba = *inout_feba, hgdc = *inout_hgdc;
    __m128i w0 = load_words(block), w1 = load_words(block + 16);
    __m128i w2 = load_words(block + 32), w3 = load_words(block + 48);

    for (guint first = 0;; first += 16) {
        do_rounds(&feba, &hgdc, w0, first);
        do_rounds(&feba, &hgdc, w1, first + 4);
        do_rounds(&feba, &hgdc, w2, first + 8);
        do_rounds(&feba, &hgdc, w3, first + 12);
        if (first == 48)
            break;
        w0 = make_words(w0, w1, w2, w3);
        w1 = make_words(w1, w2, w3, w0);
        w2 = make_words(w2, w3, w0, w1);
        w3 = make_words(w3, w0, w1, w2);
    }
    *inout_feba = _mm_add_epi32(*inout_feba, feba);
    *inout_hgdc = _mm_add_epi32(*inout_hgdc, hgdc);
}

WITH_SHA void
vr_sha256_x86_take(guint32 state[VR_SHA256_WORDS], const guchar *blocks, gsize count)
{
    __m128i *place = (__m128i *)(void *)state;
    __m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128(place), 0xb1);     /* c d a b, from above */
    __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(place + 1), 0x1b); /* e f g h */
    __m128i feba = _mm_alignr_epi8(abcd, efgh, 8), hgdc = _mm_blend_epi16(efgh, abcd, 0xf0);

    for (gsize i = 0; i < count; i++)
        take_block(&feba, &hgdc, blocks + i * VR_SHA256_BLOCK);
    abcd = _mm_shuffle_epi32(feba, 0x1b);
    efgh = _mm_shuffle_epi32(hgdc, 0xb1);
    _mm_storeu_si128(place, _mm_blend_epi16(abcd, efgh, 0xf0));
    _mm_storeu_si128(place + 1, _mm_alignr_epi8(efgh, abcd, 8));
}

#else

gboolean
vr_sha256_x86_is_there(void)
{
    return FALSE;
}

void
vr_sha256_x86_take(guint32 state[VR_SHA256_WORDS], const guchar *blocks, gsize count)
{
    (void)state;
    (void)blocks;
    (void)count;
    g_assert_not_reached();
}

#endif
