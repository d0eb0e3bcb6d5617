/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Output of the facts stage: lines of "name=value"; all other lines are ignored. */
#include <string.h>

#include <virt-roll/rollout.h>

char *
vr_facts_get(const char *facts, const char *name)
{
    gsize name_length = strlen(name);

    while (facts != NULL && *facts != '\0') {
        const char *end = strchr(facts, '\n');
        gsize length = end != NULL ? (gsize)(end - facts) : strlen(facts);

        if (length > name_length && facts[name_length] == '=' &&
            strncmp(facts, name, name_length) == 0) {
            char *value = g_strndup(facts + name_length + 1, length - name_length - 1);
            return g_strstrip(value);
        }
        facts = end != NULL ? end + 1 : NULL;
    }
    return NULL;
}
