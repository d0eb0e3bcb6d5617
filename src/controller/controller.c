/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "controller/controller.h"

#include "adapters/process/host-update.h"
#include "adapters/sqlite/journal.h"
#include "controller/clock.h"
#include "controller/engine-thread.h"
#include "controller/helper-path.h"

struct VrController {
    VrControllerListener listener;
    VrSqliteJournal *journal;
    VrProcessHostUpdate *host_update;
    VrEngineThread *thread;
    VrEngine *engine;
    char **hosts;
    gboolean closed; /* freed by its owner; news on their way still hold a reference */
};

/* News from the engine's thread for the main thread. */
typedef struct {
    VrController *controller;
    VrEvent *event;
    char *halt_reason;
    guint step;
    VrMigrationProgress progress;
} News;

/* What is asked of the engine, on its thread. */
typedef struct {
    VrController *controller;
    VrInputKind kind;
    const char *subject;
    const char *text;
    const VrPlan *plan;
    const VrPolicy *policy;
    const VrInventory *inventory;
    VrRevision *revision; /* taken */
    gboolean automatic;
    VrRollout *snapshot; /* answer */
} Request;

static gboolean
tell(gpointer data)
{
    const News *news = data;
    const VrControllerListener *listener = &news->controller->listener;

    if (news->controller->closed)
        return G_SOURCE_REMOVE;
    if (news->event != NULL && listener->happened != NULL)
        listener->happened(listener->data, news->event);
    else if (news->halt_reason != NULL && listener->halted != NULL)
        listener->halted(listener->data, news->halt_reason);
    else if (news->step != 0 && listener->progressed != NULL)
        listener->progressed(listener->data, news->step, &news->progress);
    return G_SOURCE_REMOVE;
}

static void
news_free(gpointer data)
{
    News *news = data;

    vr_event_free(news->event);
    g_free(news->halt_reason);
    g_atomic_rc_box_release(news->controller);
    g_free(news);
}

static void
send_news(VrController *self, News content)
{
    GSource *source = g_idle_source_new();

    content.controller = g_atomic_rc_box_acquire(self);
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, tell, g_memdup2(&content, sizeof content), news_free);
    g_source_attach(source, NULL);
    g_source_unref(source);
}

static void
engine_happened(gpointer data, const VrRollout *rollout, const VrEvent *event)
{
    (void)rollout;
    send_news(data, (News){.event = vr_event_copy(event)});
}

static void
engine_progressed(gpointer data, guint step, const VrMigrationProgress *progress)
{
    send_news(data, (News){.step = step, .progress = *progress});
}

static void
engine_halted(gpointer data, const char *reason)
{
    send_news(data, (News){.halt_reason = g_strdup(reason)});
}

static char **
fleet_host_names(const VrFleet *fleet)
{
    char **names = g_new0(char *, fleet->hosts->len + 1);

    for (guint i = 0; i < fleet->hosts->len; i++)
        names[i] = g_strdup(vr_fleet_host(fleet, i)->name);
    return names;
}

static void
make_engine(VrController *self, VrLibvirt *libvirt)
{
    VrEnginePorts ports = {
        .hypervisor = vr_libvirt_port(libvirt),
        .host_update = vr_process_host_update_port(self->host_update),
        .journal = vr_sqlite_journal_port(self->journal),
        .clock = vr_system_clock(),
        .executor = vr_engine_thread_executor(self->thread),
        .hosts = self->hosts,
    };
    VrEngineListener listener = {self, engine_happened, engine_progressed, engine_halted};

    self->engine = vr_engine_new(&ports, &listener);
    vr_engine_thread_set_engine(self->thread, self->engine);
}

VrController *
vr_controller_open(const VrFleet *fleet, VrLibvirt *libvirt, const char *state_directory,
                   const VrControllerListener *listener, GError **error)
{
    g_autofree char *stages = g_build_filename(state_directory, "stages", NULL);
    g_autofree char *helper = vr_helper_path();
    VrSqliteJournal *journal = vr_sqlite_journal_open(state_directory, error);
    if (journal == NULL)
        return NULL;

    VrController *self = g_atomic_rc_box_new0(VrController);
    self->listener = *listener;
    self->journal = journal;
    self->host_update = vr_process_host_update_new(fleet, stages, helper);
    self->hosts = fleet_host_names(fleet);
    self->thread = vr_engine_thread_new();
    make_engine(self, libvirt);
    if (!vr_engine_replay(self->engine, error)) {
        vr_controller_free(self);
        return NULL;
    }
    const VrRollout *rollout = vr_engine_rollout(self->engine);
    if (vr_rollout_is_unfinished(rollout))
        vr_libvirt_expect(libvirt, rollout->basis->inventory);
    return self;
}

static void
take_snapshot(gpointer data)
{
    Request *request = data;

    request->snapshot = vr_rollout_copy(vr_engine_rollout(request->controller->engine));
}

VrRollout *
vr_controller_snapshot(VrController *self)
{
    Request request = {.controller = self};

    vr_engine_thread_call(self->thread, take_snapshot, &request);
    return request.snapshot;
}

static void
create_rollout(gpointer data)
{
    const Request *request = data;

    vr_engine_create(request->controller->engine, request->text, request->plan, request->policy,
                     request->inventory);
    vr_engine_ask(request->controller->engine, VR_INPUT_START, NULL, NULL);
}

void
vr_controller_begin(VrController *self, const char *id, const VrPlan *plan, const VrPolicy *policy,
                    const VrInventory *inventory)
{
    Request request = {
        .controller = self, .text = id, .plan = plan, .policy = policy, .inventory = inventory};

    vr_engine_thread_call(self->thread, create_rollout, &request);
}

static void
resume_rollout(gpointer data)
{
    const Request *request = data;

    vr_engine_restart(request->controller->engine);
    vr_engine_ask(request->controller->engine, VR_INPUT_START, NULL, NULL);
}

void
vr_controller_resume(VrController *self)
{
    Request request = {.controller = self};

    vr_engine_thread_call(self->thread, resume_rollout, &request);
}

static void
ask_engine(gpointer data)
{
    const Request *request = data;

    vr_engine_ask(request->controller->engine, request->kind, request->subject, request->text);
}

void
vr_controller_stop(VrController *self, const char *reason)
{
    Request request = {.controller = self, .kind = VR_INPUT_STOP, .text = reason};

    vr_engine_thread_call(self->thread, ask_engine, &request);
}

void
vr_controller_ask(VrController *self, VrInputKind kind, const char *subject, const char *reason)
{
    Request request = {
        .controller = self,
        .kind = kind,
        .subject = subject,
        .text = reason,
    };

    vr_engine_thread_call(self->thread, ask_engine, &request);
}

static void
revise_rollout(gpointer data)
{
    const Request *request = data;
    VrEngine *engine = request->controller->engine;

    if (!request->automatic)
        vr_engine_restart(engine);
    vr_engine_revise(engine, request->revision, request->text, request->automatic);
    vr_engine_ask(engine, VR_INPUT_START, NULL, NULL);
}

void
vr_controller_revise(VrController *self, VrRevision *revision, const char *reason)
{
    Request request = {.controller = self, .revision = revision, .text = reason};

    vr_engine_thread_call(self->thread, revise_rollout, &request);
}

void
vr_controller_revise_by_itself(VrController *self, VrRevision *revision, const char *reason)
{
    Request request = {.controller = self, .revision = revision, .text = reason, .automatic = TRUE};

    vr_engine_thread_call(self->thread, revise_rollout, &request);
}

static void
close_rollout(gpointer data)
{
    const Request *request = data;

    vr_engine_restart(request->controller->engine);
    vr_engine_ask(request->controller->engine, VR_INPUT_CLOSE, NULL, request->text);
}

void
vr_controller_close(VrController *self, const char *reason)
{
    Request request = {.controller = self, .text = reason};

    vr_engine_thread_call(self->thread, close_rollout, &request);
}

void
vr_controller_free(VrController *self)
{
    if (self == NULL)
        return;
    vr_engine_thread_stop(self->thread);
    gboolean is_idle = vr_engine_is_idle(self->engine);
    vr_engine_free(self->engine);
    if (is_idle)
        vr_engine_thread_free(self->thread); /* else late completions are posted to it still */
    vr_process_host_update_free(self->host_update);
    vr_sqlite_journal_free(self->journal);
    g_strfreev(self->hosts);
    self->closed = TRUE;
    g_atomic_rc_box_release(self);
}
