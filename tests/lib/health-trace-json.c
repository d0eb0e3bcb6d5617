/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The exchange format `virt-roll-health-trace/1`, one gate per line. */
#include <string.h>

#include <virt-roll/error.h>

#include "base/json.h"
#include "health-trace.h"

#define TRACE_FORMAT "virt-roll-health-trace/1"
#define VMS_MAX 10000
#define HISTORY_NUMBERS 3
#define SAMPLE_NUMBERS 5

/* The first error sticks; what is read after it is thrown away. */
typedef struct {
    const char *source;
    GError *error;
} Reading;

G_GNUC_PRINTF(2, 3)
static void
fail(Reading *self, const char *format, ...)
{
    va_list arguments;

    if (self->error != NULL)
        return;
    va_start(arguments, format);
    g_autofree char *what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    self->error = vr_error_new(VR_ERROR_INVALID, "%s: %s", self->source, what);
}

static JsonNode *
member(Reading *self, JsonObject *object, const char *name, JsonNodeType type)
{
    JsonNode *node = object != NULL ? json_object_get_member(object, name) : NULL;

    if (node != NULL && JSON_NODE_TYPE(node) == type)
        return node;
    fail(self, "%s: is missing or of the wrong type", name);
    return NULL;
}

static JsonArray *
array_member(Reading *self, JsonObject *object, const char *name)
{
    JsonNode *node = member(self, object, name, JSON_NODE_ARRAY);

    return node != NULL ? json_node_get_array(node) : NULL;
}

static JsonObject *
object_member(Reading *self, JsonObject *object, const char *name)
{
    JsonNode *node = member(self, object, name, JSON_NODE_OBJECT);

    return node != NULL ? json_node_get_object(node) : NULL;
}

static gboolean
is_integer(JsonNode *node)
{
    return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64;
}

static gint64
integer_member(Reading *self, JsonObject *object, const char *name, gint64 least, gint64 most)
{
    JsonNode *node = member(self, object, name, JSON_NODE_VALUE);

    if (node == NULL || !is_integer(node) || json_node_get_int(node) < least ||
        json_node_get_int(node) > most) {
        fail(self, "%s: is no number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, name, least,
             most);
        return least;
    }
    return json_node_get_int(node);
}

static const char *
string_member(Reading *self, JsonObject *object, const char *name)
{
    JsonNode *node = member(self, object, name, JSON_NODE_VALUE);

    if (node != NULL && json_node_get_value_type(node) == G_TYPE_STRING)
        return json_node_get_string(node);
    fail(self, "%s: is no text", name);
    return "";
}

static guint
length_of(Reading *self, JsonArray *array, const char *name, guint most)
{
    const guint length = array != NULL ? json_array_get_length(array) : 0;

    if (length > most)
        fail(self, "%s: has %u elements, more than %u", name, length, most);
    return MIN(length, most);
}

/* An array of `count` integers at an index; FALSE: null, or an error. */
static gboolean
read_numbers(Reading *self, JsonArray *array, guint index, gint64 *out, guint count)
{
    JsonNode *node = json_array_get_element(array, index);

    if (JSON_NODE_HOLDS_NULL(node))
        return FALSE;
    JsonArray *numbers = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    if (numbers == NULL || json_array_get_length(numbers) != count) {
        fail(self, "a sample is neither null nor %u numbers", count);
        return FALSE;
    }
    for (guint i = 0; i < count; i++) {
        JsonNode *number = json_array_get_element(numbers, i);
        if (!is_integer(number)) {
            fail(self, "a sample holds something that is no integer");
            return FALSE;
        }
        out[i] = json_node_get_int(number);
    }
    return TRUE;
}

static void
read_cpu(Reading *self, JsonObject *object, const char *name, GArray *out)
{
    JsonArray *array = array_member(self, object, name);
    const guint length = length_of(self, array, name, VRT_SAMPLES_MAX + VRT_BASELINE_SAMPLES);

    for (guint i = 0; i < length; i++) {
        JsonNode *node = json_array_get_element(array, i);
        gint64 permille = -1;
        if (is_integer(node))
            permille = json_node_get_int(node);
        else if (!JSON_NODE_HOLDS_NULL(node))
            fail(self, "%s: holds something that is neither null nor an integer", name);
        g_array_append_val(out, permille);
    }
}

static void
read_samples(Reading *self, JsonObject *vm, const char *name, guint most, GArray *out)
{
    JsonArray *array = array_member(self, vm, name);
    const gint64 vcpus = integer_member(self, vm, "vcpus", 1, 65535);
    const guint length = length_of(self, array, name, most);

    for (guint i = 0; i < length; i++) {
        gint64 n[SAMPLE_NUMBERS];
        VrHealthSample sample = {0};
        if (read_numbers(self, array, i, n, SAMPLE_NUMBERS))
            sample = (VrHealthSample){.at_ms = n[0],
                                      .delay_us = n[1],
                                      .run_us = n[2],
                                      .requests = n[3],
                                      .io_us = n[4],
                                      .vcpus = vcpus};
        g_array_append_val(out, sample);
    }
}

static void
read_history(Reading *self, JsonObject *object, VrtTraceVm *vm)
{
    JsonArray *array = array_member(self, object, "history");
    const guint length = length_of(self, array, "history", VR_HEALTH_ROLLUPS_MAX);

    vm->wall_share = 1;
    for (guint i = 0; i < length; i++) {
        gint64 n[HISTORY_NUMBERS];
        if (!read_numbers(self, array, i, n, HISTORY_NUMBERS))
            continue;
        const VrHealthRollup rollup = {
            .steal_ppm = n[0] >= 0 && n[0] <= 1000 ? n[0] * 1000 : -1,
            .latency_us = n[2] > 0 ? n[1] / n[2] : 0,
            .requests = n[2],
        };
        g_array_append_val(vm->rollups, rollup);
    }
}

static VrtTraceVm *
read_vm(Reading *self, JsonArray *array, guint index, const char *kind, GPtrArray *out)
{
    JsonNode *node = json_array_get_element(array, index);
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;

    if (object == NULL) {
        fail(self, "%s: element %u is no object", kind, index);
        return NULL;
    }
    VrtTraceVm *vm = vrt_trace_add_vm(out, string_member(self, object, "vm"));
    read_samples(self, object, "baseline", VRT_BASELINE_SAMPLES, vm->baseline);
    read_samples(self, object, "samples", VRT_SAMPLES_MAX, vm->samples);
    return vm;
}

static void
read_vms(Reading *self, JsonObject *root, VrtTrace *trace)
{
    JsonArray *array = array_member(self, root, "vms");
    const guint length = length_of(self, array, "vms", VMS_MAX);

    for (guint i = 0; i < length; i++) {
        VrtTraceVm *vm = read_vm(self, array, i, "vms", trace->vms);
        if (vm != NULL)
            read_history(self, json_array_get_object_element(array, i), vm);
    }
}

static void
read_controls(Reading *self, JsonObject *root, VrtTrace *trace)
{
    JsonObject *hosts = object_member(self, root, "control_hosts");
    JsonArray *array = array_member(self, root, "controls");
    const guint length = length_of(self, array, "controls", VMS_MAX);
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (guint i = 0; i < length; i++) {
        VrtTraceVm *vm = read_vm(self, array, i, "controls", trace->controls);
        if (vm == NULL)
            return;
        JsonObject *object = json_array_get_object_element(array, i);
        const char *host = string_member(self, object, "host");
        guint number;
        if (!g_ptr_array_find_with_equal_func(names, host, g_str_equal, &number)) {
            number = vrt_trace_add_control_host(trace);
            g_ptr_array_add(names, (gpointer)(guintptr)host);
            JsonObject *found = object_member(self, hosts, host);
            read_cpu(self, found, "cpu_permille", g_ptr_array_index(trace->control_cpu, number));
        }
        vm->host = number;
    }
}

static void
read_event(Reading *self, JsonNode *node, VrtTrace *trace)
{
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    VrtTraceEvent event = {.sample = (guint)integer_member(self, object, "sample", 0, G_MAXINT32)};
    const char *vm = string_member(self, object, "vm");
    const char *kind = string_member(self, object, "kind");

    if (!vr_health_event_from_string(kind, &event.event))
        fail(self, "kind: \"%s\" is no kind of event", kind);
    for (guint i = 0; i < trace->vms->len; i++) {
        const VrtTraceVm *candidate = g_ptr_array_index(trace->vms, i);
        if (strcmp(candidate->id, vm) == 0) {
            event.vm = i;
            g_array_append_val(trace->events, event);
            return;
        }
    }
    fail(self, "vm: no VM of the gate is called \"%s\"", vm);
}

static void
read_events(Reading *self, JsonObject *root, VrtTrace *trace)
{
    JsonArray *array = array_member(self, root, "events");
    const guint length = length_of(self, array, "events", VRT_SAMPLES_MAX);

    for (guint i = 0; i < length; i++)
        read_event(self, json_array_get_element(array, i), trace);
}

VrtTrace *
vrt_trace_parse(const char *text, gsize length, const char *source, GError **error)
{
    g_autoptr(JsonNode) node = vr_json_parse(text, length, source, error);
    if (node == NULL)
        return NULL;

    Reading self = {.source = source};
    JsonObject *root = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    if (strcmp(string_member(&self, root, "format"), TRACE_FORMAT) != 0)
        fail(&self, "format: is not \"" TRACE_FORMAT "\"");
    g_autoptr(VrtTrace) trace = vrt_trace_new(string_member(&self, root, "gate"));
    trace->settled = (guint)integer_member(&self, root, "settled", 0, 360);
    JsonObject *host = object_member(&self, root, "host");
    read_cpu(&self, host, "cpu_permille", trace->cpu);
    read_cpu(&self, host, "source_cpu_permille", trace->source_cpu);
    read_vms(&self, root, trace);
    read_controls(&self, root, trace);
    read_events(&self, root, trace);
    if (self.error != NULL) {
        g_propagate_error(error, self.error);
        return NULL;
    }
    return g_steal_pointer(&trace);
}
