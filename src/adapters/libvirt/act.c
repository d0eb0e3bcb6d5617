/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The only file that may change a guest's copies; tests/tidy checks that no other object refers to
 * libvirt's functions for it. libvirt has no conditional form of them, so each reads the acted side
 * once more right before, and refuses unless it is what the row of the recovery table says.
 */
#include "adapters/libvirt/call.h"
#include "adapters/libvirt/connection.h"
#include "adapters/libvirt/failure.h"
#include "adapters/libvirt/read.h"
#include "adapters/libvirt/xml.h"

#define BIT(value) (1u << (value))
#define ANY_ROW (~0u)
G_STATIC_ASSERT(VR_ROW_V < 32 && VR_SIDE_COUNT <= 32);

typedef struct {
    VrCall call;
    VrAction action;
    char *vm_uuid;
    VrRow row;
    VrSide expected;
    gint64 not_after_us; /* monotonic; G_MAXINT64: no limit */
    char *definition;    /* nullable */
    VrCallDone done;
} ActCall;

typedef enum { PERSISTENT_ANY, PERSISTENT_NO, PERSISTENT_YES } Persistence;

/* What the recovery table allows. Autostart is no row's action: it follows "settled". */
typedef struct {
    VrAction action;
    VrRole role;
    guint rows;
    guint sides;
    Persistence persistence;
    gboolean (*perform)(const ActCall *self, virDomainPtr domain);
} Guard;

static gboolean
perform_abort(const ActCall *self, virDomainPtr domain)
{
    (void)self;
    return virDomainAbortJob(domain) == 0;
}

static gboolean
perform_resume(const ActCall *self, virDomainPtr domain)
{
    (void)self;
    return virDomainResume(domain) == 0;
}

static gboolean
perform_destroy(const ActCall *self, virDomainPtr domain)
{
    (void)self;
    return virDomainDestroy(domain) == 0;
}

/* Firmware variables and TPM state may lie on storage that the guest still uses elsewhere. */
static gboolean
undefine(virDomainPtr domain)
{
    return virDomainUndefineFlags(domain, VIR_DOMAIN_UNDEFINE_KEEP_NVRAM |
                                              VIR_DOMAIN_UNDEFINE_KEEP_TPM) == 0;
}

static gboolean
perform_undefine_source(const ActCall *self, virDomainPtr domain)
{
    (void)self;
    /* First of all it must not start any more, even if libvirt fails to delete the rest. */
    return virDomainSetAutostart(domain, 0) == 0 && undefine(domain);
}

static gboolean
perform_undefine_target(const ActCall *self, virDomainPtr domain)
{
    (void)self;
    return undefine(domain);
}

static gboolean
perform_define(const ActCall *self, virDomainPtr domain)
{
    g_autoptr(virDomain) defined =
        virDomainDefineXMLFlags(virDomainGetConnect(domain), self->definition, 0);
    return defined != NULL;
}

static gboolean
perform_set_autostart(const ActCall *self, virDomainPtr domain)
{
    (void)self;
    return virDomainSetAutostart(domain, 1) == 0;
}

static const Guard guards[] = {
    {VR_ACTION_ABORT, VR_ROLE_SOURCE, BIT(VR_ROW_J), BIT(VR_SIDE_RUNNING_JOB), PERSISTENT_ANY,
     perform_abort},
    {VR_ACTION_RESUME_SOURCE, VR_ROLE_SOURCE, BIT(VR_ROW_E), BIT(VR_SIDE_MIGRATION), PERSISTENT_ANY,
     perform_resume},
    {VR_ACTION_DESTROY_SOURCE, VR_ROLE_SOURCE, BIT(VR_ROW_G), BIT(VR_SIDE_MIGRATION),
     PERSISTENT_ANY, perform_destroy},
    {VR_ACTION_UNDEFINE_SOURCE, VR_ROLE_SOURCE, BIT(VR_ROW_O), BIT(VR_SIDE_OFF), PERSISTENT_YES,
     perform_undefine_source},
    {VR_ACTION_UNDEFINE_TARGET, VR_ROLE_TARGET, BIT(VR_ROW_B), BIT(VR_SIDE_OFF_FAILED),
     PERSISTENT_YES, perform_undefine_target},
    {VR_ACTION_DEFINE_TARGET, VR_ROLE_TARGET, BIT(VR_ROW_H) | BIT(VR_ROW_N),
     BIT(VR_SIDE_RUNNING) | BIT(VR_SIDE_USER), PERSISTENT_NO, perform_define},
    {VR_ACTION_SET_AUTOSTART, VR_ROLE_TARGET, ANY_ROW,
     BIT(VR_SIDE_RUNNING) | BIT(VR_SIDE_USER) | BIT(VR_SIDE_OFF_BY_GUEST), PERSISTENT_YES,
     perform_set_autostart},
};

static const Guard *
find_guard(VrAction action)
{
    for (guint i = 0; i < G_N_ELEMENTS(guards); i++)
        if (guards[i].action == action)
            return &guards[i];
    g_assert_not_reached();
}

/* The journaled definition must be that of this very VM. */
static gboolean
check_definition(const ActCall *self, GError **error)
{
    g_auto(VrDomainFacts) facts = {0};
    g_autoptr(GError) why = NULL;
    const char *text = self->definition == NULL ? "" : self->definition;
    if (!vr_xml_parse_domain(text, &facts, &why)) {
        g_set_error(error, VR_ERROR, VR_ERROR_REFUSED, "%s: %s of VM %s refused: %s",
                    self->call.host->name, vr_action_to_string(self->action), self->vm_uuid,
                    why->message);
        return FALSE;
    }
    if (g_strcmp0(facts.uuid, self->vm_uuid) != 0) {
        g_set_error(error, VR_ERROR, VR_ERROR_REFUSED,
                    "%s: %s of VM %s refused: the definition is that of %s", self->call.host->name,
                    vr_action_to_string(self->action), self->vm_uuid,
                    facts.uuid == NULL ? "no VM" : facts.uuid);
        return FALSE;
    }
    return TRUE;
}

/* What can be told without asking the host. */
static gboolean
check_request(const ActCall *self, const Guard *guard, GError **error)
{
    const char *word = vr_action_to_string(self->action);
    if ((guard->rows & BIT(self->row)) == 0 || (guard->sides & BIT(self->expected)) == 0) {
        g_set_error(error, VR_ERROR, VR_ERROR_REFUSED,
                    "%s: %s of VM %s refused: row %s with class %s does not allow it",
                    self->call.host->name, word, self->vm_uuid, vr_row_to_string(self->row),
                    vr_side_to_string(self->expected));
        return FALSE;
    }
    return self->action != VR_ACTION_DEFINE_TARGET || check_definition(self, error);
}

static gboolean
check_side(const ActCall *self, const Guard *guard, const VrReading *reading, GError **error)
{
    const char *persistence = "";
    if (guard->persistence == PERSISTENT_YES && !reading->persistent)
        persistence = " and transient";
    if (guard->persistence == PERSISTENT_NO && reading->persistent)
        persistence = " and persistent";
    gboolean class_fits = reading->side == self->expected;
    if (class_fits && *persistence == '\0')
        return TRUE;
    /* Not "unreachable" for an unknown side: nothing was done, and that is known. */
    g_set_error(error, VR_ERROR, VR_ERROR_CONFLICT,
                "%s: %s of VM %s refused: expected %s, found %s%s: %s", self->call.host->name,
                vr_action_to_string(self->action), self->vm_uuid, vr_side_to_string(self->expected),
                vr_side_to_string(reading->side), class_fits ? persistence : "", reading->detail);
    return FALSE;
}

/* A running guest's job may as well be its owner's backup. */
static gboolean
check_is_migration(const ActCall *self, virDomainPtr domain, GError **error)
{
    virTypedParameterPtr parameters = NULL;
    int count = 0;
    int type = VIR_DOMAIN_JOB_NONE;
    int operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
    if (virDomainGetJobStats(domain, &type, &parameters, &count, 0) == 0) {
        (void)virTypedParamsGetInt(parameters, count, VIR_DOMAIN_JOB_OPERATION, &operation);
        virTypedParamsFree(parameters, count);
    }
    if (operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT)
        return TRUE;
    g_set_error(error, VR_ERROR, VR_ERROR_CONFLICT,
                "%s: %s of VM %s refused: its job is not a migration away from here",
                self->call.host->name, vr_action_to_string(self->action), self->vm_uuid);
    return FALSE;
}

/* It may have waited for a worker, a connection or the reads above. */
static gboolean
check_is_in_time(const ActCall *self, GError **error)
{
    if (g_get_monotonic_time() <= self->not_after_us)
        return TRUE;
    g_set_error(error, VR_ERROR, VR_ERROR_CONFLICT,
                "%s: %s of VM %s refused: what it acts on was read too long ago",
                self->call.host->name, vr_action_to_string(self->action), self->vm_uuid);
    return FALSE;
}

static void
act(ActCall *self, GError **error)
{
    const Guard *guard = find_guard(self->action);
    guint64 generation = 0;
    if (!check_request(self, guard, error))
        return;
    g_autoptr(virConnect) connection = vr_connection_acquire(self->call.host, &generation, error);
    if (connection == NULL)
        return;
    g_auto(VrReading) reading;
    vr_read_side(connection, self->call.host, self->vm_uuid, guard->role, generation, &reading);
    if (!check_side(self, guard, &reading, error))
        return;
    g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, self->vm_uuid);
    if (domain == NULL) {
        vr_failure_set_call(error, self->call.host->name, connection, "cannot find VM %s",
                            self->vm_uuid);
        return;
    }
    if (self->action == VR_ACTION_ABORT && !check_is_migration(self, domain, error))
        return;
    if (!check_is_in_time(self, error))
        return;
    if (vr_call_begin_effect(self) && !guard->perform(self, domain)) {
        vr_failure_set_call(error, self->call.host->name, connection, "%s of VM %s failed",
                            vr_action_to_string(self->action), self->vm_uuid);
    }
}

static void
act_run(VrCall *call)
{
    ActCall *self = (ActCall *)call;
    g_autoptr(GError) error = NULL;
    act(self, &error);
    if (vr_call_claim(self)) {
        self->done(error, call->data);
        vr_call_end(self);
    }
}

static void
act_cut_off(VrCall *call, const GError *why)
{
    ((ActCall *)call)->done(why, call->data);
}

static void
act_clear(VrCall *call)
{
    ActCall *self = (ActCall *)call;
    g_free(self->vm_uuid);
    g_free(self->definition);
}

static const VrCallClass act_class = {sizeof(ActCall), FALSE, act_run, act_cut_off, act_clear};

void
vr_act_start(gpointer context, const VrActionRequest *request, VrCallDone done, gpointer data)
{
    g_autoptr(GError) error = NULL;
    VrLibvirtHost *host = vr_libvirt_find_host(context, request->host, &error);
    if (host == NULL) {
        done(error, data);
        return;
    }
    ActCall *self = vr_call_new(&act_class, host, data);
    self->action = request->action;
    self->vm_uuid = g_strdup(request->vm_uuid);
    self->row = request->row;
    self->expected = request->expected;
    self->not_after_us =
        request->valid_us == 0 ? G_MAXINT64 : g_get_monotonic_time() + request->valid_us;
    self->definition = g_strdup(request->definition);
    self->done = done;
    vr_call_submit(self);
}
