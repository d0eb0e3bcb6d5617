/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/run.h"

#include "sim/controller.h"
#include "simulate/replan.h"

/* A rollout that says nothing for so long, with nothing broken, has no end. */
#define QUIET_MAX_US (12 * 3600 * SIM_S)
/* Anything may fail for so long; then the faults heal. */
#define STORM_MAX_US (8 * 3600 * SIM_S)
/* The operator takes a rollout up again so often while things still break … */
#define STORMY_REPAIRS_MAX 3
/* … and then so often with everything mended. */
#define CALM_REPAIRS_MAX 6
#define STEPS_MAX 20000000
/* A plan is revised so often at most, or the rollout might never get anywhere. */
#define REVISIONS_MAX 6
#define DRAW_WHIMS 0x4e91a2u
#define LEVEL "level-2"

typedef struct {
    SimWorld *world;
    SimAuditor *auditor;
    VrInventory *inventory;
    VrPolicy *policy;
    VrPlan *plan;
    SimController *controller; /* NULL: no process */
    VrEngine *engine;
    gboolean halted;
    gint64 start_us;       /* the next process, if there is none */
    gint64 wake_us;        /* the operator's next deed; G_MAXINT64 */
    gint64 meddle_us;      /* when he may stop it for a while */
    gint64 quiet_since_us; /* nothing asked and nothing healed since */
    gint64 begun_us;
    gboolean calm; /* the storm is over for good */
    guint calm_repairs;
    gboolean repaired; /* just now: he knows what he is asked about */
    gboolean over;
    gboolean replans;
    GRand *whims; /* of who replans; apart, so that others meet the same world */
    SimTraceLine traced;
    gpointer traced_data;
    SimOutcome *outcome;
} Run;

/* ------------------------------------------------------------------ trace and facts */

static void
trace(const SimWorld *world, const char *line, gpointer data)
{
    const Run *self = data;
    g_autofree char *text =
        g_strdup_printf("%12.6f %s", (double)(world->now_us % (1000000 * SIM_S)) / 1e6, line);

    self->traced(text, self->traced_data);
}

static void
see(const SimFact *fact, gpointer data)
{
    Run *self = data;
    SimOutcome *outcome = self->outcome;

    if (fact->kind == SIM_FACT_MIGRATE_BEGINS && fact->cause == SIM_BY_CONTROLLER)
        outcome->migrations++;
    else if (fact->kind == SIM_FACT_ACT_BEGINS)
        outcome->actions++;
    else if (fact->kind == SIM_FACT_STAGE_BEGINS)
        outcome->stages++;
    else if (fact->kind == SIM_FACT_MIGRATE_OVER)
        outcome->arrivals += sim_copy_runs(sim_copy(self->world, fact->vm, fact->other));
    sim_auditor_see(fact, self->auditor);
}

static void
tell_asked(Run *self, VrInputKind kind, guint host)
{
    SimFact fact = sim_fact(SIM_FACT_ASKED);

    fact.controller = sim_controller_number(self->controller);
    fact.input = (int)kind;
    fact.host = host;
    sim_world_trace(self->world, "asked %s %s", vr_input_kind_to_string(kind),
                    host == SIM_NOWHERE ? "" : sim_host(self->world, host)->name);
    sim_world_tell(self->world, fact);
}

static void
ask(Run *self, VrInputKind kind, const char *subject)
{
    tell_asked(self, kind,
               subject != NULL ? sim_world_find_host(self->world, subject) : SIM_NOWHERE);
    vr_engine_ask(self->engine, kind, subject, "simulated");
}

/* ------------------------------------------------------------------ the controller's process */

static void
halted(gpointer data, const char *reason)
{
    Run *self = data;

    self->halted = TRUE;
    sim_world_trace(self->world, "halted %s", reason);
}

static void
end_process(Run *self)
{
    vr_engine_free(self->engine);
    self->engine = NULL;
    sim_controller_free(self->controller);
    self->controller = NULL;
    self->halted = FALSE;
    self->start_us = self->world->now_us + sim_world_draw(self->world, 1, 120) * SIM_S;
}

/* Whoever starts it again goes on with what ran; what waits for a person goes on waiting. */
static void
go_on(Run *self)
{
    const VrRollout *rollout = vr_engine_rollout(self->engine);
    gboolean waits = vr_rollout_is_over(rollout->phase);

    if (rollout->basis == NULL) {
        vr_engine_create(self->engine, "r1", self->plan, self->policy, self->inventory);
        ask(self, VR_INPUT_START, NULL);
        return;
    }
    vr_engine_restart(self->engine);
    if (!waits)
        ask(self, VR_INPUT_START, NULL);
}

static void
start_process(Run *self)
{
    VrEngineListener listener = {.data = self, .halted = halted};
    g_autoptr(GError) error = NULL;

    self->controller = sim_controller_new(self->world);
    VrEnginePorts ports = sim_controller_ports(self->controller);
    self->engine = vr_engine_new(&ports, &listener);
    self->outcome->restarts += sim_controller_number(self->controller) > 1;
    if (!vr_engine_replay(self->engine, &error)) {
        sim_auditor_endless(self->auditor, error->message);
        self->over = TRUE;
        return;
    }
    go_on(self);
}

/* ------------------------------------------------------------------ the operator */

/* A VM whose one place is as its owner wants it, and not where the plan would fetch it from. */
static gboolean
is_to_be_left(const Run *self, const VrPlanStep *plan)
{
    guint vm = sim_world_find_vm(self->world, plan->vm_uuid);
    guint source = sim_world_find_host(self->world, plan->source);
    guint target = sim_world_find_host(self->world, plan->target);

    return sim_vm(self->world, vm)->wish == SIM_WISH_OFF ||
           (!sim_copy_is_active(sim_copy(self->world, vm, source)) &&
            !sim_copy_is_active(sim_copy(self->world, vm, target)));
}

/* Every update that waits for a person is tried again, a VM that is fine as it is left out. */
static void
answer(Run *self, const VrRollout *rollout, const VrStepState *step)
{
    const VrPlanStep *plan = step->plan;

    if (plan->kind == VR_STEP_UPDATE && step->phase == VR_PHASE_NEEDS_OPERATOR)
        ask(self, VR_INPUT_RETRY, plan->host);
    else if (self->repaired && vr_rollout_is_asked_about(rollout, step) &&
             is_to_be_left(self, plan))
        ask(self, VR_INPUT_DEFER, plan->vm_uuid);
}

/* A host in alert is fine after all, once its VMs are back. */
static void
release(Run *self)
{
    const VrRollout *rollout = vr_engine_rollout(self->engine);

    for (guint i = 0; i < rollout->alerts->len; i++) {
        const VrHostAlert *alert = vr_rollout_alert(rollout, i);
        g_autofree char *host = g_strdup(alert->host);
        g_autofree char *obstacle = vr_rollout_find_release_obstacle(rollout, host);
        if (!alert->released && obstacle == NULL)
            ask(self, VR_INPUT_RELEASE, host);
    }
}

static void
take_up(Run *self)
{
    const VrRollout *rollout = vr_engine_rollout(self->engine);

    release(self);
    for (guint i = 0; i < rollout->steps->len; i++)
        answer(self, rollout, vr_rollout_step(rollout, i));
    ask(self, VR_INPUT_START, NULL);
    self->quiet_since_us = self->world->now_us;
}

/* Plans anew what is left, as far as that may be. TRUE: the rollout goes on by another plan. */
static gboolean
replan(Run *self)
{
    const VrRollout *rollout = vr_engine_rollout(self->engine);
    const VrHostAlert *alert = vr_rollout_blocking_alert(rollout);
    gboolean must = alert != NULL && alert->released; /* nothing else lets it go on */

    if (!must && (!self->replans || self->outcome->revisions >= REVISIONS_MAX ||
                  g_rand_int_range(self->whims, 0, 2) == 0))
        return FALSE;
    VrRevision *revision = sim_replan(self->world, rollout, self->inventory, self->whims);
    if (revision == NULL)
        return FALSE;
    g_autofree char *doubt = vr_revision_find_doubt(rollout, revision);
    sim_world_trace(self->world, "revision by %s", doubt != NULL ? doubt : "itself");
    sim_replan_adopt(self->world, revision);
    self->outcome->revisions++;
    tell_asked(self, VR_INPUT_REVISE, SIM_NOWHERE);
    vr_engine_revise(self->engine, revision, "simulated", doubt == NULL);
    ask(self, VR_INPUT_START, NULL);
    self->wake_us = G_MAXINT64;
    self->quiet_since_us = self->world->now_us;
    if (!self->calm) {
        self->world->faults.healed = FALSE;
        sim_people_begin(self->world);
    }
    return TRUE;
}

static gboolean
is_at_rest(const Run *self)
{
    return self->engine != NULL && !self->halted && !sim_controller_is_killed(self->controller) &&
           !sim_controller_is_stalled(self->controller) && vr_engine_is_idle(self->engine) &&
           vr_rollout_is_over(vr_engine_rollout(self->engine)->phase);
}

static gboolean
is_world_calm(const Run *self)
{
    for (guint i = 0; i < self->world->migrations->len; i++) {
        if (g_array_index(self->world->migrations, SimMigration, i).live)
            return FALSE;
    }
    for (guint h = 0; h < self->world->hosts->len; h++) {
        if (!sim_host_answers(self->world, h) || sim_host(self->world, h)->reboots_pending > 0)
            return FALSE;
    }
    return TRUE;
}

static void
begin_calm(Run *self)
{
    self->calm = TRUE;
    sim_world_heal(self->world);
    self->quiet_since_us = self->world->now_us;
}

/* He mends, waits until the dust has settled, looks at every VM, and then takes it up. */
static void
repair(Run *self)
{
    if (is_world_calm(self))
        sim_people_repair(self->world);
    if (!is_world_calm(self)) {
        self->wake_us = self->world->now_us + 30 * SIM_S;
        return;
    }
    self->wake_us = G_MAXINT64;
    self->repaired = TRUE;
    take_up(self);
    self->repaired = FALSE;
    if (++self->outcome->repairs >= STORMY_REPAIRS_MAX) {
        begin_calm(self);
    } else if (!self->calm) {
        self->world->faults.healed = FALSE;
        sim_people_begin(self->world);
    }
}

/* It says that it is done, and the judgement waits until the world can be looked at. */
static void
end(Run *self, VrRolloutPhase phase)
{
    if (!self->world->faults.healed)
        begin_calm(self);
    self->wake_us = self->world->now_us + 30 * SIM_S;
    if (!is_world_calm(self))
        return;
    sim_auditor_rest(self->auditor, phase, TRUE);
    self->over = TRUE;
}

/* The rollout has come to rest, in whatever phase. */
static void
rest(Run *self)
{
    VrRolloutPhase phase = vr_engine_rollout(self->engine)->phase;
    gboolean final = self->calm && self->calm_repairs >= CALM_REPAIRS_MAX;

    self->outcome->phase = phase;
    g_free(self->outcome->reason);
    self->outcome->reason = g_strdup(vr_engine_rollout(self->engine)->reason);
    if (phase == VR_ROLLOUT_DONE || phase == VR_ROLLOUT_CLOSED) {
        end(self, phase);
        return;
    }
    sim_auditor_rest(self->auditor, phase, final);
    self->over = final;
    if (phase == VR_ROLLOUT_STOPPED) {
        self->wake_us = self->world->now_us + sim_world_draw(self->world, 10, 600) * SIM_S;
        return;
    }
    self->calm_repairs += self->calm;
    if (!self->calm)
        sim_world_heal(self->world);
    self->wake_us = self->world->now_us + sim_world_draw(self->world, 60, 600) * SIM_S;
}

static void
act(Run *self)
{
    VrRolloutPhase phase = vr_engine_rollout(self->engine)->phase;

    if (phase == VR_ROLLOUT_DONE || phase == VR_ROLLOUT_CLOSED) {
        end(self, phase);
    } else if (replan(self)) {
        return;
    } else if (phase == VR_ROLLOUT_STOPPED) {
        self->wake_us = G_MAXINT64;
        take_up(self);
    } else {
        repair(self);
    }
}

/* An updated host, by chance; NULL: none is. */
static const char *
pick_updated(const Run *self)
{
    const VrRollout *rollout = vr_engine_rollout(self->engine);
    guint count = 0;
    const char *host = NULL;

    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->plan->kind == VR_STEP_UPDATE && step->phase == VR_PHASE_UPDATED &&
            g_rand_int_range(self->whims, 0, (gint32)++count) == 0)
            host = step->plan->host;
    }
    return host;
}

/* Now and then somebody stops it for a while, or thinks badly of a host. */
static void
meddle(Run *self)
{
    const char *host = NULL;

    self->meddle_us = self->world->now_us + sim_world_draw(self->world, 20, 90) * SIM_S;
    if (self->engine == NULL || self->halted || is_at_rest(self) ||
        sim_controller_is_killed(self->controller) || sim_controller_is_stalled(self->controller))
        return;
    if (sim_world_strikes(self->world, SIM_FAULT_ROLLOUT_STOPPED))
        ask(self, VR_INPUT_STOP, NULL);
    else if (vr_engine_rollout(self->engine)->basis != NULL &&
             (host = pick_updated(self)) != NULL &&
             sim_world_strikes(self->world, SIM_FAULT_HOST_UNDONE))
        ask(self, VR_INPUT_UNDO, host);
}

/* ------------------------------------------------------------------ time */

static gint64
engine_deadline_us(const Run *self)
{
    gint64 deadline_us = G_MAXINT64;

    if (self->engine == NULL || self->halted || sim_controller_is_killed(self->controller) ||
        sim_controller_is_stalled(self->controller))
        return G_MAXINT64;
    deadline_us = vr_engine_next_deadline(self->engine);
    return deadline_us == G_MAXINT64
               ? deadline_us
               : deadline_us - sim_controller_clock_offset_us(self->controller);
}

/* The next thing that happens, whoever does it. */
static void
step(Run *self)
{
    SimWorld *world = self->world;
    gint64 deadline_us = engine_deadline_us(self);
    gint64 start_us = self->engine == NULL ? self->start_us : G_MAXINT64;
    gint64 wake_us = is_at_rest(self) ? self->wake_us : G_MAXINT64;
    gint64 first_us = MIN(MIN(deadline_us, start_us), MIN(wake_us, self->meddle_us));

    if (sim_world_step(world, first_us))
        return;
    world->now_us = MAX(world->now_us, first_us);
    if (first_us == deadline_us)
        vr_engine_tick(self->engine);
    else if (first_us == start_us)
        start_process(self);
    else if (first_us == wake_us)
        act(self);
    else
        meddle(self);
}

static void
settle_process(Run *self)
{
    if (self->engine == NULL)
        return;
    while (sim_controller_run_posts(self->controller))
        continue;
    if (sim_controller_is_killed(self->controller) || self->halted)
        end_process(self);
}

static gboolean
is_endless(Run *self)
{
    if (self->world->now_us - self->quiet_since_us < QUIET_MAX_US)
        return FALSE;
    sim_auditor_endless(self->auditor, "the rollout does not come to rest");
    return TRUE;
}

static void
play(Run *self)
{
    for (guint i = 0; i < STEPS_MAX && !self->over; i++) {
        settle_process(self);
        sim_auditor_look(self->auditor);
        if (sim_auditor_breach(self->auditor) != NULL || is_endless(self))
            return;
        if (!self->calm && self->world->now_us - self->begun_us > STORM_MAX_US)
            begin_calm(self);
        if (is_at_rest(self) && self->wake_us == G_MAXINT64)
            rest(self);
        else
            step(self);
    }
    if (!self->over)
        sim_auditor_endless(self->auditor, "too many steps");
}

/* ------------------------------------------------------------------ all of it */

/* What the journal says must be what the engine believes. */
static void
compare_with_replay(Run *self)
{
    const VrRollout *live = NULL;
    guint64 sequence = 0;
    g_autoptr(GError) error = NULL;

    if (self->engine == NULL || !vr_engine_is_idle(self->engine))
        return;
    VrEnginePorts ports = sim_controller_ports(self->controller);
    g_autoptr(VrRollout) replayed = vr_replay(&ports.journal, &sequence, &error);
    live = vr_engine_rollout(self->engine);
    if (replayed == NULL || replayed->steps->len != live->steps->len ||
        replayed->phase != live->phase) {
        sim_auditor_endless(self->auditor, "replaying the journal gives another rollout");
        return;
    }
    for (guint i = 0; i < live->steps->len; i++) {
        if (vr_rollout_step(live, i)->phase != vr_rollout_step(replayed, i)->phase ||
            vr_rollout_step(live, i)->attempt != vr_rollout_step(replayed, i)->attempt)
            sim_auditor_endless(self->auditor, "replaying the journal gives other steps");
    }
}

/* Without anything that a detour changes: ids, times, boots. */
static char *
describe_world(const SimWorld *world)
{
    GString *out = g_string_new(NULL);

    for (guint h = 0; h < world->hosts->len; h++) {
        const SimHost *host = sim_host(world, h);
        g_string_append_printf(out, "%s %s %s\n", host->name, host->updated ? "updated" : "before",
                               host->closed ? "closed" : "open");
        for (guint v = 0; v < world->vms->len; v++) {
            const SimCopy *copy = sim_copy(world, v, h);
            VrSide side = sim_copy_side(world, v, h);
            if (side != VR_SIDE_ABSENT || copy->on_disk)
                g_string_append_printf(out, "  %s %s%s%s\n", sim_vm(world, v)->name,
                                       vr_side_to_string(side), copy->on_disk ? "" : " transient",
                                       copy->autostart ? " autostart" : "");
        }
    }
    return g_string_free(out, FALSE);
}

static void
collect(Run *self)
{
    SimOutcome *outcome = self->outcome;
    const guint64 *evaluations = sim_auditor_evaluations(self->auditor);

    outcome->breach = g_strdup(sim_auditor_breach(self->auditor));
    if (outcome->breach != NULL)
        outcome->rule = sim_auditor_breached_rule(self->auditor);
    outcome->records = self->world->records->len;
    outcome->simulated_us = self->world->now_us - self->begun_us;
    for (guint i = 0; i < SIM_RULE_COUNT; i++)
        outcome->evaluations[i] = evaluations[i];
    for (guint i = 0; i < SIM_FAULT_COUNT; i++) {
        outcome->struck[i] = self->world->faults.struck[i];
        outcome->asked[i] = self->world->faults.asked[i];
    }
    outcome->end_state = describe_world(self->world);
    outcome->happened = g_array_copy(self->world->faults.happened);
}

static gboolean
make_plan(Run *self, const SimScenario *scenario)
{
    VrPlanRequest request = {.update_level = LEVEL};
    g_autoptr(GError) error = NULL;

    self->inventory = sim_scenario_inventory(scenario);
    self->policy = sim_scenario_policy(scenario);
    self->plan = vr_planner_compute(self->inventory, self->policy, &request, &error);
    if (self->plan == NULL)
        self->outcome->refusal = g_strdup(error->message);
    else if (self->plan->steps->len == 0)
        self->outcome->refusal = g_strdup("nothing to do");
    return self->outcome->refusal == NULL;
}

static void
make_world(Run *self, const SimScenario *scenario)
{
    self->world = sim_world_new(self->inventory, LEVEL, scenario->seed);
    self->world->storage_lock = scenario->storage_lock;
    sim_faults_draw(&self->world->faults, scenario->seed);
    self->world->faults.explicit_only = scenario->explicit_only;
    self->world->faults.strikes = scenario->strikes;
    self->auditor = sim_auditor_new(self->world, self->plan, self->policy, self->inventory);
    self->world->seen = see;
    self->world->seen_data = self;
    if (self->traced != NULL) {
        self->world->traced = trace;
        self->world->traced_data = self;
    }
}

void
sim_run(const SimScenario *scenario, SimTraceLine traced, gpointer data, SimOutcome *out_outcome)
{
    Run self = {.outcome = out_outcome, .traced = traced, .traced_data = data};

    *out_outcome = (SimOutcome){0};
    if (make_plan(&self, scenario)) {
        make_world(&self, scenario);
        self.begun_us = self.start_us = self.quiet_since_us = self.world->now_us;
        self.wake_us = G_MAXINT64;
        self.replans = scenario->replans;
        self.whims = g_rand_new_with_seed(scenario->seed ^ DRAW_WHIMS);
        self.meddle_us = self.world->now_us + 30 * SIM_S;
        sim_people_begin(self.world);
        play(&self);
        compare_with_replay(&self);
        if (self.engine != NULL)
            end_process(&self);
        collect(&self);
        g_rand_free(self.whims);
        sim_auditor_free(self.auditor);
        sim_faults_clear(&self.world->faults);
        sim_world_free(self.world);
    }
    vr_plan_free(self.plan);
    vr_policy_free(self.policy);
    vr_inventory_free(self.inventory);
}

void
sim_outcome_clear(SimOutcome *self)
{
    g_free(self->breach);
    g_free(self->refusal);
    g_free(self->reason);
    g_free(self->end_state);
    g_clear_pointer(&self->happened, g_array_unref);
}
