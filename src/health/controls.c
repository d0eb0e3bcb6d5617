/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "health/controls.h"

#include "health/arithmetic.h"
#include "health/instant.h"

#define EPOCHS_MAX 1024       /* three days and a half of marks */
#define EPOCH_SAMPLES 30      /* half of a baseline: marks within it are the same */
#define REQUESTS_MIN 30       /* in a window */
#define REQUESTS_MIN_SHORT 10 /* in one of less than 12 samples */
#define SLOW_Q8 300           /* latency x2.25 */
#define SLOW_VMS_MIN 10
#define HOST_VMS_MIN 3 /* whose median says something about their host's steal */

typedef struct {
    guint host;
    gboolean removed;
    VrBaselineCollector *collector;
    VrReading reading;
    VrRing ring;
    VrHealthSample given;
    gboolean is_given;
} ControlVm;

typedef struct {
    VrCpuRing cpu;
    gint64 given_permille;
} ControlHost;

typedef struct {
    guint64 begun;     /* newest at that time */
    GArray *baselines; /* (element-type VrBaseline) of the VMs that there were, by slot */
    gint64 crowding_q20;
    guint64 shift_of[VR_SPANS]; /* newest when it was computed; 0: never */
    VrControlShift shift[VR_SPANS];
    guint64 instant_of;
    VrControlInstant instant;
} Epoch;

struct VrControlGroup {
    VrHealthLimits limits;
    GPtrArray *vms;    /* (element-type ControlVm) */
    GArray *hosts;     /* (element-type ControlHost) */
    GPtrArray *epochs; /* (element-type Epoch) */
    gint64 first_epoch;
    guint64 newest;  /* index of the newest interval in the rings */
    GArray *scratch; /* (element-type gint64) four values for each VM */
};

static void
control_vm_free(gpointer data)
{
    ControlVm *vm = data;

    vr_baseline_collector_free(vm->collector);
    g_free(vm);
}

static void
epoch_free(gpointer data)
{
    Epoch *epoch = data;

    g_array_unref(epoch->baselines);
    g_free(epoch);
}

VrControlGroup *
vr_control_group_new(const VrHealthLimits *limits)
{
    VrControlGroup *self = g_new0(VrControlGroup, 1);

    self->limits = *limits;
    self->vms = g_ptr_array_new_with_free_func(control_vm_free);
    self->hosts = g_array_new(FALSE, TRUE, sizeof(ControlHost));
    self->epochs = g_ptr_array_new_with_free_func(epoch_free);
    self->scratch = g_array_new(FALSE, FALSE, sizeof(gint64));
    self->newest = VR_RING_SAMPLES;
    return self;
}

guint
vr_control_group_add_host(VrControlGroup *self)
{
    ControlHost host = {.given_permille = -1};

    for (guint i = 0; i < VR_RING_SAMPLES; i++)
        vr_cpu_ring_put(&host.cpu, i, -1);
    g_array_append_val(self->hosts, host);
    return self->hosts->len - 1;
}

static ControlVm *
vm_at(const VrControlGroup *self, guint vm)
{
    return g_ptr_array_index(self->vms, vm);
}

static ControlHost *
host_at(const VrControlGroup *self, guint host)
{
    return &g_array_index(self->hosts, ControlHost, host);
}

guint
vr_control_group_add_vm(VrControlGroup *self, guint host)
{
    g_assert(host < self->hosts->len);
    ControlVm *vm = g_new0(ControlVm, 1);

    vm->host = host;
    vm->collector = vr_baseline_collector_new();
    g_ptr_array_add(self->vms, vm);
    g_array_set_size(self->scratch, 4 * self->vms->len);
    return self->vms->len - 1;
}

void
vr_control_group_remove_vm(VrControlGroup *self, guint vm)
{
    g_assert(vm < self->vms->len);
    vm_at(self, vm)->removed = TRUE;
}

void
vr_control_group_sample(VrControlGroup *self, guint vm, const VrHealthSample *sample)
{
    g_assert(vm < self->vms->len);
    vm_at(self, vm)->given = *sample;
    vm_at(self, vm)->is_given = TRUE;
}

void
vr_control_group_host_cpu(VrControlGroup *self, guint host, gint64 cpu_permille)
{
    g_assert(host < self->hosts->len);
    host_at(self, host)->given_permille = cpu_permille;
}

void
vr_control_group_advance(VrControlGroup *self)
{
    self->newest++;
    for (guint i = 0; i < self->vms->len; i++) {
        ControlVm *vm = vm_at(self, i);
        const VrHealthSample *sample = vm->is_given ? &vm->given : NULL;
        vr_ring_put(&vm->ring, self->newest, vr_reading_take(&vm->reading, sample));
        vr_baseline_collector_add(vm->collector, sample, host_at(self, vm->host)->given_permille);
        vm->is_given = FALSE;
    }
    for (guint i = 0; i < self->hosts->len; i++) {
        ControlHost *host = host_at(self, i);
        vr_cpu_ring_put(&host->cpu, self->newest, host->given_permille);
        host->given_permille = -1;
    }
}

/* The host's steal at its load; FALSE: too few of its VMs testify. */
static gboolean
host_crowding(VrControlGroup *self, const Epoch *epoch, guint host, gint64 *out_q20)
{
    gint64 *steal = (gint64 *)(void *)self->scratch->data;
    gint64 cpu_permille = -1;
    guint count = 0;

    for (guint i = 0; i < epoch->baselines->len; i++) {
        const VrBaseline *baseline = &g_array_index(epoch->baselines, VrBaseline, i);
        if (vm_at(self, i)->host != host || vm_at(self, i)->removed || baseline->steal_ppm < 0)
            continue;
        steal[count++] = baseline->steal_ppm;
        cpu_permille = MAX(cpu_permille, baseline->source_cpu_permille);
    }
    if (count < HOST_VMS_MIN || cpu_permille < 0)
        return FALSE;
    *out_q20 = (vr_median(steal, count, 0) << 20) / vr_crowding_kappa(cpu_permille);
    return TRUE;
}

static gint64
median_crowding(VrControlGroup *self, const Epoch *epoch)
{
    g_autofree gint64 *values = g_new(gint64, self->hosts->len + 1);
    guint count = 0;

    for (guint host = 0; host < self->hosts->len; host++)
        count += host_crowding(self, epoch, host, &values[count]);
    return vr_median(values, count, self->limits.crowding_q20);
}

/* The baselines are copied. */
static gint64
add_epoch(VrControlGroup *self, const VrBaseline *baselines, guint count, guint64 begun)
{
    Epoch *epoch = g_new0(Epoch, 1);

    epoch->begun = begun;
    epoch->baselines = g_array_new(FALSE, FALSE, sizeof(VrBaseline));
    g_array_append_vals(epoch->baselines, baselines, count);
    epoch->crowding_q20 = median_crowding(self, epoch);
    if (self->epochs->len == EPOCHS_MAX) {
        g_ptr_array_remove_index(self->epochs, 0);
        self->first_epoch++;
    }
    g_ptr_array_add(self->epochs, epoch);
    return self->first_epoch + self->epochs->len - 1;
}

gint64
vr_control_group_mark(VrControlGroup *self)
{
    if (self->epochs->len > 0) {
        const Epoch *last = g_ptr_array_index(self->epochs, self->epochs->len - 1);
        if (self->newest - last->begun < EPOCH_SAMPLES)
            return self->first_epoch + self->epochs->len - 1;
    }
    g_autofree VrBaseline *baselines = g_new(VrBaseline, self->vms->len + 1);
    for (guint i = 0; i < self->vms->len; i++)
        baselines[i] = vr_baseline_collector_make(vm_at(self, i)->collector);
    return add_epoch(self, baselines, self->vms->len, self->newest);
}

gint64
vr_control_group_restore(VrControlGroup *self, const VrBaseline *baselines, guint count)
{
    g_assert(count <= self->vms->len);
    /* Of before: the next mark begins one of its own. */
    return add_epoch(self, baselines, count, self->newest - EPOCH_SAMPLES);
}

static Epoch *
find_epoch(const VrControlGroup *self, gint64 epoch)
{
    const gint64 index = epoch - self->first_epoch;

    if (epoch < self->first_epoch || index >= self->epochs->len)
        return NULL;
    return g_ptr_array_index(self->epochs, (guint)index);
}

const VrBaseline *
vr_control_group_baselines(const VrControlGroup *self, gint64 epoch, guint *out_count)
{
    const Epoch *found = find_epoch(self, epoch);

    if (found == NULL)
        return NULL;
    *out_count = found->baselines->len;
    return (const VrBaseline *)(const void *)found->baselines->data;
}

gint64
vr_control_group_crowding_q20(const VrControlGroup *self, gint64 epoch)
{
    const Epoch *found = find_epoch(self, epoch);

    return found != NULL ? found->crowding_q20 : self->limits.crowding_q20;
}

/* The columns of the scratch space while a window is computed. */
typedef struct {
    gint64 *excess, *shift, *load, *hosts;
    guint excess_count, shift_count, load_count, slow_count;
} Columns;

static Columns
columns_begin(VrControlGroup *self)
{
    gint64 *data = (gint64 *)(void *)self->scratch->data;
    const guint vms = self->vms->len;

    return (Columns){
        .excess = data, .shift = data + vms, .load = data + 2 * vms, .hosts = data + 3 * vms};
}

static void
columns_add(Columns *self, const VrSums *sums, const VrBaseline *baseline,
            const VrSurroundings *around, gint64 requests_min)
{
    const VrShift shift = vr_shift_compute(sums, baseline, around, requests_min);

    if (shift.has_steal)
        self->excess[self->excess_count++] = shift.excess_permille;
    if (shift.has_io) {
        self->shift[self->shift_count++] = shift.shift_q8;
        self->slow_count += shift.shift_q8 >= SLOW_Q8;
    }
    self->load_count += vr_shift_load(sums, baseline, &self->load[self->load_count]);
}

static guint
count_distinct(gint64 *values, guint count)
{
    guint distinct = count > 0;

    vr_median(values, count, 0); /* sorts */
    for (guint i = 1; i < count; i++)
        distinct += values[i] != values[i - 1];
    return distinct;
}

static VrControlShift
compute_shift(VrControlGroup *self, const Epoch *epoch, VrSpan span)
{
    const guint window = vr_span_samples(span);
    const gint64 requests_min = span == VR_SPAN_DRIFT ? REQUESTS_MIN_SHORT : REQUESTS_MIN;
    Columns columns = columns_begin(self);
    VrControlShift shift = {0};

    for (guint i = 0; i < epoch->baselines->len; i++) {
        const ControlVm *vm = vm_at(self, i);
        const VrBaseline *baseline = &g_array_index(epoch->baselines, VrBaseline, i);
        const VrSums sums = vr_ring_sum(&vm->ring, self->newest, window);
        if (vm->removed || sums.present * 2 < window ||
            (baseline->steal_ppm < 0 && baseline->latency_us == 0))
            continue;
        const VrCpuRing *cpu = &host_at(self, vm->host)->cpu;
        const VrSurroundings around = {
            .cpu_permille = vr_cpu_ring_load(cpu, self->newest, window).felt_permille};
        columns.hosts[shift.vms++] = vm->host;
        columns_add(&columns, &sums, baseline, &around, requests_min);
    }
    shift.hosts = count_distinct(columns.hosts, shift.vms);
    shift.excess_permille = MAX(vr_median(columns.excess, columns.excess_count, 0), 0);
    shift.shift_q8 = MAX(vr_median(columns.shift, columns.shift_count, 0), 0);
    shift.load_q8 = vr_median(columns.load, columns.load_count, 0);
    if (columns.shift_count >= SLOW_VMS_MIN)
        shift.slow_permille = vr_permille(columns.slow_count, columns.shift_count);
    return shift;
}

const VrControlShift *
vr_control_group_shift(VrControlGroup *self, gint64 epoch, VrSpan span)
{
    Epoch *found = find_epoch(self, epoch);

    if (found == NULL)
        return NULL;
    if (found->shift_of[span] != self->newest) {
        found->shift[span] = compute_shift(self, found, span);
        found->shift_of[span] = self->newest;
    }
    return &found->shift[span];
}

static VrControlInstant
compute_instant(VrControlGroup *self, const Epoch *epoch)
{
    VrInstant instant = {.steal_wall_permille = (gint64 *)(void *)self->scratch->data};

    for (guint i = 0; i < epoch->baselines->len; i++) {
        const ControlVm *vm = vm_at(self, i);
        if (!vm->removed)
            vr_instant_add(&instant, &vm->ring.intervals[self->newest % VR_RING_SAMPLES],
                           &g_array_index(epoch->baselines, VrBaseline, i), &self->limits);
    }
    return (VrControlInstant){
        .steal_wall_permille = vr_median(instant.steal_wall_permille, instant.steal_vms, 0),
        .severe_io_permille = vr_permille(instant.io_severe, instant.io_vms),
        .stalled_permille = vr_permille(instant.io_stalled, instant.io_vms),
        .stopped_permille = vr_permille(instant.active_stopped, instant.active_vms),
    };
}

const VrControlInstant *
vr_control_group_instant(VrControlGroup *self, gint64 epoch)
{
    Epoch *found = find_epoch(self, epoch);

    if (found == NULL)
        return NULL;
    if (found->instant_of != self->newest) {
        found->instant = compute_instant(self, found);
        found->instant_of = self->newest;
    }
    return &found->instant;
}

void
vr_control_group_free(VrControlGroup *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->vms);
    g_array_unref(self->hosts);
    g_ptr_array_unref(self->epochs);
    g_array_unref(self->scratch);
    g_free(self);
}
