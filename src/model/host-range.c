/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/fleet.h>

#include <string.h>

#include <virt-roll/error.h>
#include <virt-roll/inventory.h>

#include "model/host-name.h"

#define DIGITS_MAX 9 /* so that a number fits into 32 bits */

/* Names so far, as each bracket multiplies them. */
typedef struct {
    const char *pattern;
    GPtrArray *names;
    GError *error;
} Expansion;

static void
fail(Expansion *self, const char *problem)
{
    if (self->error == NULL)
        self->error = vr_error_new(VR_ERROR_INVALID, "\"%s\": %s", self->pattern, problem);
}

static gboolean
take_number(Expansion *self, const char **at, guint *out_value, guint *out_width)
{
    guint value = 0;
    guint width = 0;
    for (; g_ascii_isdigit(**at) && width <= DIGITS_MAX; (*at)++, width++)
        value = value * 10 + (guint)(**at - '0');
    if (width == 0)
        fail(self, "a range needs numbers, as in [01-20,25]");
    if (width > DIGITS_MAX)
        fail(self, "a number in a range has more than nine digits");
    *out_value = value;
    *out_width = width;
    return self->error == NULL;
}

/* "7" or "01-20": its numbers as text. */
static void
take_span(Expansion *self, const char **at, GPtrArray *out_numbers)
{
    guint first = 0;
    guint last = 0;
    guint width = 0;
    guint last_width = 0;
    const char *text = *at;
    if (!take_number(self, at, &first, &width))
        return;
    last = first;
    if (**at == '-') {
        (*at)++;
        if (!take_number(self, at, &last, &last_width))
            return;
        if (last < first)
            fail(self, "a range runs backwards");
        else if (*text == '0' && width > 1 && width != last_width)
            fail(self, "the two ends of a range have leading zeros but not the same width");
    }
    if (last - first >= VR_HOSTS_MAX)
        fail(self, "more than " G_STRINGIFY(VR_HOSTS_MAX) " names");
    if (self->error != NULL)
        return;
    for (guint number = first; number <= last; number++)
        g_ptr_array_add(out_numbers, g_strdup_printf("%0*u", (int)width, number));
}

/* After '[': all its numbers; `at` is then behind ']'. */
static GPtrArray *
take_bracket(Expansion *self, const char **at)
{
    GPtrArray *numbers = g_ptr_array_new_with_free_func(g_free);
    do {
        take_span(self, at, numbers);
        if (numbers->len > VR_HOSTS_MAX)
            fail(self, "more than " G_STRINGIFY(VR_HOSTS_MAX) " names");
    } while (self->error == NULL && *(*at)++ == ',');

    if (self->error == NULL && (*at)[-1] != ']')
        fail(self, "a range is not closed: ',' or ']' is expected after a number");
    return numbers;
}

static void
append_to_all(GPtrArray *names, const char *text)
{
    for (guint i = 0; i < names->len; i++) {
        char *name = g_ptr_array_index(names, i);
        g_ptr_array_index(names, i) = g_strconcat(name, text, NULL);
        g_free(name);
    }
}

/* Every name so far with every number. */
static void
multiply(Expansion *self, const GPtrArray *numbers)
{
    if ((guint64)self->names->len * numbers->len > VR_HOSTS_MAX) {
        fail(self, "more than " G_STRINGIFY(VR_HOSTS_MAX) " names");
        return;
    }
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < self->names->len; i++) {
        for (guint j = 0; j < numbers->len; j++)
            g_ptr_array_add(names, g_strconcat(g_ptr_array_index(self->names, i),
                                               g_ptr_array_index(numbers, j), NULL));
    }
    g_ptr_array_unref(self->names);
    self->names = names;
}

static void
expand(Expansion *self)
{
    const char *at = self->pattern;
    while (self->error == NULL && *at != '\0') {
        gsize length = strcspn(at, "[");
        g_autofree char *text = g_strndup(at, length);
        append_to_all(self->names, text);
        at += length;
        if (*at == '\0')
            return;
        at++;
        g_autoptr(GPtrArray) numbers = take_bracket(self, &at);
        if (self->error == NULL)
            multiply(self, numbers);
    }
}

static void
check_names(Expansion *self)
{
    for (guint i = 0; i < self->names->len && self->error == NULL; i++) {
        if (!vr_host_name_is_valid(g_ptr_array_index(self->names, i)))
            fail(self, "is no host name: letters, digits, '.', '-' and '_', a letter or digit "
                       "first, at most " G_STRINGIFY(VR_HOST_NAME_LENGTH_MAX) " characters");
    }
}

gboolean
vr_host_name_is_valid(const char *name)
{
    gsize length =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return name[length] == '\0' && length <= VR_HOST_NAME_LENGTH_MAX && g_ascii_isalnum(name[0]);
}

char **
vr_host_range_expand(const char *pattern, GError **error)
{
    Expansion self = {.pattern = pattern};
    self.names = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(self.names, g_strdup(""));
    expand(&self);
    check_names(&self);

    g_autoptr(GPtrArray) names = self.names;
    if (self.error != NULL) {
        g_propagate_error(error, self.error);
        return NULL;
    }
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_steal(names, NULL);
}
