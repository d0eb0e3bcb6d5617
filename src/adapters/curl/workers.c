/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/curl/workers.h"

struct VrWorkers {
    VrJobFunc run;
    GThreadPool *pool;
    guint waiting_max;
    gint cancelled; /* atomic */
};

static void
run_job(gpointer job, gpointer workers)
{
    VrWorkers *self = workers;
    self->run(job, &self->cancelled);
}

VrWorkers *
vr_workers_new(VrJobFunc run, guint threads_max, guint waiting_max)
{
    VrWorkers *self = g_new0(VrWorkers, 1);
    self->run = run;
    self->waiting_max = waiting_max;
    self->pool = g_thread_pool_new(run_job, self, (gint)threads_max, FALSE, NULL);
    return self;
}

void
vr_workers_push(VrWorkers *self, gpointer job)
{
    static const gint too_many = 1;
    if (g_thread_pool_unprocessed(self->pool) >= self->waiting_max)
        self->run(job, &too_many);
    else
        /* An error only says that no further thread could be had; the job waits for another. */
        (void)g_thread_pool_push(self->pool, job, NULL);
}

void
vr_workers_free(VrWorkers *self)
{
    if (self == NULL)
        return;
    g_atomic_int_set(&self->cancelled, 1);
    g_thread_pool_free(self->pool, FALSE, TRUE);
    g_free(self);
}
