/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/process/host-update.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/process/child.h"
#include "adapters/process/stage-command.h"
#include "adapters/process/tail.h"

G_STATIC_ASSERT(VR_TAIL_KEPT >= VR_STAGE_OUTPUT_MAX);

/* Each running attempt keeps a thread, which sleeps in the kernel; further ones wait their turn. */
#define ATTEMPTS_MAX 256
#define BEGIN_TRIES_MAX 5
#define STATUS_MAX 8192
#define NEVER_S G_MAXINT64

/* Shared with the threads, which may be asleep when the adapter goes. */
typedef struct {
    GMutex mutex;
    GCond idle;
    guint running; /* `done` calls at this moment */
    gboolean closed;
} Delivery;

typedef struct {
    Delivery *delivery;
    char *subject;        /* for messages: host and stage */
    char *base;           /* the adapter's directory */
    char *parent;         /* the rollout's */
    char *path;           /* the attempt's */
    char **argv;          /* of the helper; without a command it withholds the attempt */
    gboolean has_command; /* the operator has such a stage (still) */
    gboolean attach_only;
    char **environment;
    VrStageDone done;
    gpointer data;
} Attempt;

struct VrProcessHostUpdate {
    const VrFleet *fleet;
    char *directory;
    char *helper_path;
    GThreadPool *pool;
    Delivery *delivery;
};

/* -------------------------------------------------------------------------- delivery */

static Delivery *
delivery_new(void)
{
    Delivery *self = g_atomic_rc_box_new0(Delivery);
    g_mutex_init(&self->mutex);
    g_cond_init(&self->idle);
    return self;
}

static void
delivery_clear(gpointer data)
{
    Delivery *self = data;
    g_mutex_clear(&self->mutex);
    g_cond_clear(&self->idle);
}

static void
delivery_unref(Delivery *self)
{
    g_atomic_rc_box_release_full(self, delivery_clear);
}

/* FALSE: nobody wants to hear any more. */
static gboolean
delivery_enter(Delivery *self)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&self->mutex);
    if (!self->closed)
        self->running++;
    return !self->closed;
}

static void
delivery_leave(Delivery *self)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&self->mutex);
    self->running--;
    g_cond_broadcast(&self->idle);
}

/* When it returns, no `done` is running and none will be called. */
static void
delivery_close(Delivery *self)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&self->mutex);
    self->closed = TRUE;
    while (self->running > 0)
        g_cond_wait(&self->idle, &self->mutex);
}

/* -------------------------------------------------------------------------- attempt */

static void
attempt_free(Attempt *self)
{
    delivery_unref(self->delivery);
    g_free(self->subject);
    g_free(self->base);
    g_free(self->parent);
    g_free(self->path);
    g_strfreev(self->argv);
    g_strfreev(self->environment);
    g_free(self);
}

static void
attempt_deliver(const Attempt *self, VrStageEnd end, int exit_status, const char *output)
{
    VrStageResult result = {.end = end, .exit_status = exit_status, .output = output};
    if (!delivery_enter(self->delivery))
        return;
    self->done(&result, self->data);
    delivery_leave(self->delivery);
}

static gboolean
sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return FALSE;
    gboolean synced = fsync(fd) == 0;
    int code = errno;
    (void)close(fd);
    errno = code;
    return synced;
}

/* Its name is durable when it returns TRUE. */
static gboolean
make_directory(const char *path, const char *parent)
{
    return (mkdir(path, 0700) == 0 || errno == EEXIST) && sync_directory(parent);
}

static gboolean
make_directories(const char *base, const char *parent, const char *path)
{
    g_autofree char *above = g_path_get_dirname(base);
    return make_directory(base, above) && make_directory(parent, base) &&
           make_directory(path, parent);
}

/* (transfer full) the attempt's directory in that of its rollout */
static char *
make_path(const char *parent, const VrStageRequest *request)
{
    g_autofree char *name = g_strdup_printf("%u-%u-%s", request->step, request->attempt,
                                            vr_stage_to_string(request->stage));
    return g_build_filename(parent, name, NULL);
}

static void
add_complaint(const char *bytes, gsize count, gpointer data)
{
    GString *complaint = data;
    g_string_append_len(complaint, bytes, (gssize)MIN(count, STATUS_MAX - complaint->len));
}

typedef enum { HELPER_DECIDED, HELPER_FAILED, HELPER_UNCLEAR } Helper;

/* Returns once the attempt has begun or was found begun. */
static Helper
attempt_start_helper(const Attempt *self, GString *problem)
{
    if (!make_directories(self->base, self->parent, self->path)) {
        g_string_printf(problem, "cannot make %s: %s", self->path, g_strerror(errno));
        return HELPER_FAILED;
    }
    VrChildCommand command = {.argv = self->argv,
                              .environment = self->environment,
                              .timeout_s = NEVER_S,
                              .output = add_complaint,
                              .data = problem};
    VrChildResult result = vr_child_run(&command);
    if (result.end == VR_CHILD_EXITED && result.code == 0)
        return HELPER_DECIDED;
    if (result.end == VR_CHILD_NOT_RUN)
        g_string_printf(problem, "cannot run %s: %s", self->argv[0], g_strerror(result.code));
    else if (problem->len == 0)
        g_string_printf(problem, "%s ended before it said what it does", self->argv[0]);
    /* Killed, it may have left the detached half behind, which may begin at any time. */
    return result.end == VR_CHILD_EXITED || result.end == VR_CHILD_NOT_RUN ? HELPER_FAILED
                                                                           : HELPER_UNCLEAR;
}

typedef enum { BEGUN_NO, BEGUN_YES, BEGUN_UNKNOWN } Begun;

/* Waits until nobody runs the attempt; then whether somebody ever did. */
static Begun
attempt_wait(const Attempt *self)
{
    g_autofree char *lock = g_build_filename(self->path, "lock", NULL);
    g_autofree char *started = g_build_filename(self->path, "started", NULL);
    int fd = open(lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? BEGUN_NO : BEGUN_UNKNOWN;
    int taken;
    do
        taken = flock(fd, LOCK_SH);
    while (taken != 0 && errno == EINTR);
    Begun begun = BEGUN_UNKNOWN;
    if (taken == 0 && access(started, F_OK) == 0)
        begun = BEGUN_YES;
    else if (taken == 0 && errno == ENOENT)
        begun = BEGUN_NO;
    (void)close(fd);
    return begun;
}

/* (transfer full) the last bytes of a file as text; empty if it cannot be read. */
static char *
read_tail(const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *bytes = g_malloc(VR_STAGE_OUTPUT_MAX);
    struct stat status = {0};
    gsize count = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return g_strdup("");
    if (fstat(fd, &status) == 0) {
        off_t from = MAX(status.st_size - VR_STAGE_OUTPUT_MAX, 0);
        ssize_t got = pread(fd, bytes, VR_STAGE_OUTPUT_MAX, from);
        count = (gsize)MAX(got, 0);
    }
    (void)close(fd);
    return vr_stage_command_output(bytes, count);
}

/* FALSE: `status` is not a line "WORD NUMBER" with this word. */
static gboolean
parse_end(const char *status, const char *word, int *out_number)
{
    guint64 number = 0;
    const char *digits = status + strlen(word);
    if (!g_str_has_prefix(status, word) ||
        !g_ascii_string_to_unsigned(digits, 10, 0, 255, &number, NULL))
        return FALSE;
    *out_number = (int)number;
    return TRUE;
}

static void
attempt_deliver_status(const Attempt *self)
{
    g_autofree char *status = g_strchomp(read_tail(self->path, "status"));
    g_autofree char *output = read_tail(self->path, "output");
    int number = 0;
    if (parse_end(status, "exited ", &number)) {
        attempt_deliver(self, VR_STAGE_END_EXITED, number, output);
    } else if (parse_end(status, "signalled ", &number)) {
        attempt_deliver(self, VR_STAGE_END_SIGNALLED, number, output);
    } else if (g_str_equal(status, "timed-out")) {
        attempt_deliver(self, VR_STAGE_END_TIMED_OUT, 0, output);
    } else if (g_str_has_prefix(status, "not-run ")) {
        g_autofree char *text =
            g_strdup_printf("%s: cannot run %s", self->subject, status + strlen("not-run "));
        attempt_deliver(self, VR_STAGE_END_NOT_RUN, 0, text);
    } else if (g_str_equal(status, "withheld")) {
        attempt_deliver(self, VR_STAGE_END_NOT_RUN, 0, "it had not begun");
    } else {
        attempt_deliver(self, VR_STAGE_END_LOST, 0, output);
    }
}

/* A stage that the operator has not, and that no earlier fleet file had either. */
static gboolean
attempt_is_nothing(const Attempt *self)
{
    return !self->has_command && !self->attach_only && attempt_wait(self) == BEGUN_NO;
}

/* What runs in a thread: from the request to `done`. */
static void
attempt_attend(gpointer item, gpointer unused)
{
    Attempt *self = item;
    g_autoptr(GString) problem = g_string_new(NULL);
    Helper helper = HELPER_DECIDED;
    Begun begun = BEGUN_NO;
    (void)unused;
    if (attempt_is_nothing(self)) {
        attempt_deliver(self, VR_STAGE_END_EXITED, VR_STAGE_NOTHING_TO_DO, "");
        attempt_free(self);
        return;
    }
    /* Again if it found the lock held by one that died before it began, or by one that looked. */
    for (guint i = 0; i < BEGIN_TRIES_MAX && begun == BEGUN_NO && helper == HELPER_DECIDED; i++) {
        helper = attempt_start_helper(self, problem);
        begun = attempt_wait(self);
    }
    if (begun == BEGUN_YES) {
        attempt_deliver_status(self);
    } else {
        gboolean certain = begun == BEGUN_NO && helper != HELPER_UNCLEAR;
        g_autofree char *text =
            g_strdup_printf("%s: %s", self->subject,
                            problem->len > 0 ? g_strchomp(problem->str)
                                             : "somebody holds its lock and does not begin");
        attempt_deliver(self, certain ? VR_STAGE_END_NOT_RUN : VR_STAGE_END_LOST, 0, text);
    }
    attempt_free(self);
}

/* -------------------------------------------------------------------------- lost */

gboolean
vr_process_lose_attempt(const char *directory, const VrStageRequest *request, const char *output,
                        GError **error)
{
    const struct {
        const char *name, *content;
    } files[] = {{"lock", ""}, {"output", output}, {"started", "by nobody who is known\n"}};
    g_autofree char *problem = vr_stage_command_check(request);
    if (problem != NULL) {
        g_set_error_literal(error, VR_ERROR, VR_ERROR_INVALID, problem);
        return FALSE;
    }
    g_autofree char *base = g_canonicalize_filename(directory, NULL);
    g_autofree char *parent = g_build_filename(base, request->rollout, NULL);
    g_autofree char *path = make_path(parent, request);
    gboolean is_made = make_directories(base, parent, path);
    for (guint i = 0; is_made && i < G_N_ELEMENTS(files); i++) {
        g_autofree char *file = g_build_filename(path, files[i].name, NULL);
        is_made = g_file_set_contents_full(
            file, files[i].content, -1,
            G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, NULL);
    }
    if (is_made && sync_directory(path))
        return TRUE;
    g_set_error(error, VR_ERROR, VR_ERROR_IO, "%s: cannot be marked as begun: %s", path,
                g_strerror(errno));
    return FALSE;
}

/* -------------------------------------------------------------------------- port */

static const VrStageCommand *
find_command(const VrFleet *fleet, const VrStageRequest *request)
{
    gint index = vr_fleet_find_host(fleet, request->host);
    return index < 0 ? NULL : &vr_fleet_host(fleet, (guint)index)->update.stages[request->stage];
}

/* HELPER DIRECTORY TIMEOUT_S -- ARGV…; no command: nothing behind the dashes. */
static char **
make_helper_argv(const char *helper_path, const char *path, const VrStageCommand *command)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autofree char *timeout =
        g_strdup_printf("%" G_GINT64_FORMAT, command != NULL ? command->timeout_s : 1);
    g_strv_builder_add_many(builder, helper_path, path, timeout, "--", NULL);
    for (guint i = 0; command != NULL && command->argv[i] != NULL; i++)
        g_strv_builder_add(builder, command->argv[i]);
    return g_strv_builder_end(builder);
}

static Attempt *
attempt_new(const VrProcessHostUpdate *adapter, const VrStageRequest *request)
{
    const VrStageCommand *command = find_command(adapter->fleet, request);
    const char *stage = vr_stage_to_string(request->stage);
    Attempt *self = g_new0(Attempt, 1);
    self->delivery = g_atomic_rc_box_acquire(adapter->delivery);
    self->subject = g_strdup_printf("%s: stage %s", request->host, stage);
    self->base = g_strdup(adapter->directory);
    self->parent = g_build_filename(self->base, request->rollout, NULL);
    self->path = make_path(self->parent, request);
    self->environment = vr_stage_command_environment(request, self->path);
    self->attach_only = request->attach_only;
    self->has_command = command->argv != NULL && command->argv[0] != NULL;
    self->argv = make_helper_argv(adapter->helper_path, self->path,
                                  self->has_command && !self->attach_only ? command : NULL);
    return self;
}

static void
host_update_run(gpointer context, const VrStageRequest *request, VrStageDone done, gpointer data)
{
    VrProcessHostUpdate *self = context;
    g_autofree char *problem = vr_stage_command_check(request);
    if (problem == NULL && find_command(self->fleet, request) == NULL)
        problem = g_strdup_printf("%s: the fleet has no such host", request->host);
    if (problem != NULL) {
        VrStageResult result = {.end = VR_STAGE_END_NOT_RUN, .output = problem};
        done(&result, data);
        return;
    }
    Attempt *attempt = attempt_new(self, request);
    attempt->done = done;
    attempt->data = data;
    g_autoptr(GError) error = NULL;
    /* Without a new thread it stays in the queue of the pool, for the next one that is free. */
    if (!g_thread_pool_push(self->pool, attempt, &error))
        g_warning("%s: has to wait: %s", attempt->subject, error->message);
}

static const VrHostUpdateVTable host_update_vtable = {.run = host_update_run};

VrHostUpdate
vr_process_host_update_port(VrProcessHostUpdate *self)
{
    return (VrHostUpdate){.context = self, .vtable = &host_update_vtable};
}

VrProcessHostUpdate *
vr_process_host_update_new(const VrFleet *fleet, const char *directory, const char *helper_path)
{
    VrProcessHostUpdate *self = g_new0(VrProcessHostUpdate, 1);
    self->fleet = fleet;
    /* Commands run in / and get these paths. */
    self->directory = g_canonicalize_filename(directory, NULL);
    self->helper_path = g_canonicalize_filename(helper_path, NULL);
    self->delivery = delivery_new();
    self->pool = g_thread_pool_new_full(attempt_attend, NULL, (GDestroyNotify)attempt_free,
                                        ATTEMPTS_MAX, FALSE, NULL);
    return self;
}

void
vr_process_host_update_free(VrProcessHostUpdate *self)
{
    if (self == NULL)
        return;
    delivery_close(self->delivery);
    g_thread_pool_free(self->pool, TRUE, FALSE);
    delivery_unref(self->delivery);
    g_free(self->directory);
    g_free(self->helper_path);
    g_free(self);
}
