/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Enumerations that are also words: one X-macro list gives the enum, its names in JSON, log, CLI
 * and documents, and the way back from text. A list is a macro of X(ENUMERATOR, "word").
 */
#pragma once

#include <glib.h>

#define VR_ENUM_MEMBER(member, word) member,

/*
 * Declares `typedef enum {…} Type`, and
 *   const char *prefix_to_string(Type value);            static text; value must be a member
 *   gboolean prefix_from_string(const char *word, Type *out_value);  FALSE: no such word
 *   const char *const *prefix_words(void);               all words, NULL-terminated, static
 */
#define VR_DECLARE_ENUM(Type, prefix, LIST)                                                        \
    typedef enum { LIST(VR_ENUM_MEMBER) } Type;                                                    \
    const char *prefix##_to_string(Type value);                                                    \
    gboolean prefix##_from_string(const char *word, Type *out_value);                              \
    const char *const *prefix##_words(void)

#define VR_ENUM_WORD(member, word) word,

#define VR_DEFINE_ENUM(Type, prefix, LIST)                                                         \
    static const char *const prefix##_table[] = {LIST(VR_ENUM_WORD) NULL};                         \
    const char *prefix##_to_string(Type value)                                                     \
    {                                                                                              \
        g_assert((guint)value + 1 < G_N_ELEMENTS(prefix##_table));                                 \
        return prefix##_table[value];                                                              \
    }                                                                                              \
    gboolean prefix##_from_string(const char *word, Type *out_value)                               \
    {                                                                                              \
        for (guint i = 0; prefix##_table[i] != NULL; i++) {                                        \
            if (strcmp(prefix##_table[i], word) == 0) {                                            \
                *out_value = (Type)i;                                                              \
                return TRUE;                                                                       \
            }                                                                                      \
        }                                                                                          \
        return FALSE;                                                                              \
    }                                                                                              \
    const char *const *prefix##_words(void)                                                        \
    {                                                                                              \
        return prefix##_table;                                                                     \
    }
