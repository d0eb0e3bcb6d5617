/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Probes of services that answer, do not, or cannot be asked. */
#include "../unit/base/expect.h"
#include "loopback.h"

#include <pthread.h>
#include <sys/stat.h>

#include "adapters/probe/probe.h"

#define IN_TIME_US (30 * G_USEC_PER_SEC)

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    guint end_count;
    VrProbeEnd end;
    char *detail;
} Wait;

static Wait last = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void
on_done(const VrProbeResult *result, gpointer data)
{
    Wait *wait = data;
    pthread_mutex_lock(&wait->lock);
    wait->end_count++;
    wait->end = result->end;
    g_free(wait->detail);
    wait->detail = g_strdup(result->detail);
    pthread_cond_broadcast(&wait->changed);
    pthread_mutex_unlock(&wait->lock);
}

static void
expect_probe(const VrProbeRule *rule, const char *vm_name, VrProbeEnd end, const char *detail)
{
    g_autoptr(VrProber) prober = vr_prober_new();
    VrProbe port = vr_prober_port(prober);
    VrProbeRequest request = {rule, vm_name, "uuid-1", "h1"};
    gint64 begin_us = g_get_monotonic_time();
    last.end_count = 0;
    port.vtable->run(port.context, &request, on_done, &last);
    pthread_mutex_lock(&last.lock);
    while (last.end_count == 0)
        pthread_cond_wait(&last.changed, &last.lock);
    pthread_mutex_unlock(&last.lock);
    assert_true(g_get_monotonic_time() - begin_us < IN_TIME_US);
    assert_int_equal(last.end_count, 1);
    if (last.end != end || strstr(last.detail, detail) == NULL)
        fail_msg("%s: \"%s\" lacks \"%s\"", vr_probe_end_to_string(last.end), last.detail, detail);
}

static char name[] = "p", loopback[] = "127.0.0.1", root[] = "/", vm_address[] = "{vm}";

static VrProbeRule
network_rule(VrProbeKind kind, char *address, guint port)
{
    return (VrProbeRule){.name = name,
                         .kind = kind,
                         .address = address,
                         .port = port,
                         .path = kind == VR_PROBE_KIND_HTTP ? root : NULL,
                         .timeout_s = 1};
}

static void
test_probe_tcp_asks_for_a_connection_only(void **state)
{
    (void)state;
    g_autoptr(Hostile) server = hostile_new(HOSTILE_SILENT, "");
    VrProbeRule rule = network_rule(VR_PROBE_KIND_TCP, loopback, hostile_port(server));
    expect_probe(&rule, "v1", VR_PROBE_END_ANSWERED, "v1: p: 127.0.0.1:");
    rule.port = loopback_free_port();
    expect_probe(&rule, "v1", VR_PROBE_END_NOT_ANSWERED, "onnect");
}

static void
test_probe_http_goes_by_the_status(void **state)
{
    static const struct {
        HostileManner manner;
        const char *text;
        VrProbeEnd end;
        const char *detail;
    } rows[] = {
        {HOSTILE_SENDS, "HTTP/1.1 200 OK\r\n\r\nhello", VR_PROBE_END_ANSWERED, "status 200"},
        {HOSTILE_SENDS, "HTTP/1.1 204 x\r\n\r\n", VR_PROBE_END_ANSWERED, "status 204"},
        {HOSTILE_SENDS, "HTTP/1.1 302 x\r\nLocation: /x\r\n\r\n", VR_PROBE_END_ANSWERED, "302"},
        {HOSTILE_FLOODS, "HTTP/1.1 200 OK\r\n\r\n", VR_PROBE_END_ANSWERED, "status 200"},
        {HOSTILE_DRIPS, "HTTP/1.1 200 OK\r\n\r\n", VR_PROBE_END_ANSWERED, "status 200"},
        {HOSTILE_SENDS, "HTTP/1.1 404 x\r\n\r\n", VR_PROBE_END_NOT_ANSWERED, "status 404"},
        {HOSTILE_SENDS, "HTTP/1.1 503 x\r\n\r\n", VR_PROBE_END_NOT_ANSWERED, "status 503"},
        {HOSTILE_FLOODS, "HTTP/1.1 200 OK\r\nX-", VR_PROBE_END_NOT_ANSWERED, "too long"},
        {HOSTILE_DRIPS, "HTTP/1.1 200 OK\r\nX-", VR_PROBE_END_NOT_ANSWERED, "imed out"},
        {HOSTILE_SILENT, "", VR_PROBE_END_NOT_ANSWERED, "imed out"},
        {HOSTILE_SENDS, "", VR_PROBE_END_NOT_ANSWERED, "p: "},
        {HOSTILE_SENDS, "SSH-2.0-x\r\n", VR_PROBE_END_NOT_ANSWERED, "p: "},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Hostile) server = hostile_new(rows[i].manner, rows[i].text);
        VrProbeRule rule = network_rule(VR_PROBE_KIND_HTTP, loopback, hostile_port(server));
        expect_probe(&rule, "v1", rows[i].end, rows[i].detail);
    }
}

static void
test_probe_of_a_name_that_is_none_is_not_asked(void **state)
{
    static char domain[] = "{vm}.vm.invalid";
    (void)state;
    VrProbeRule rule = network_rule(VR_PROBE_KIND_TCP, domain, 1);
    expect_probe(&rule, "v1", VR_PROBE_END_NOT_ASKED, "v1.vm.invalid");
    expect_probe(&rule, "a/b", VR_PROBE_END_NOT_ASKED, "cannot stand for {vm}");
    expect_probe(&rule, "a\nb", VR_PROBE_END_NOT_ASKED, "a b: p: the VM's name");
}

/* Guests' owners name VMs; the controller's own services are none of theirs. */
static void
test_probe_goes_to_no_address_that_a_vm_chose(void **state)
{
    static const char *const vm_names[] = {"127.0.0.1",
                                           "localhost",
                                           "LOCALHOST",
                                           "0x7f000001",
                                           "2130706433",
                                           "localhost.",
                                           "a.localhost",
                                           "[::1]",
                                           "x@127.0.0.1",
                                           "::1",
                                           ""};
    (void)state;
    g_autoptr(Hostile) server = hostile_new(HOSTILE_SENDS, "HTTP/1.1 200 OK\r\n\r\n");
    VrProbeRule rule = network_rule(VR_PROBE_KIND_HTTP, vm_address, hostile_port(server));
    for (guint i = 0; i < G_N_ELEMENTS(vm_names); i++)
        expect_probe(&rule, vm_names[i], VR_PROBE_END_NOT_ASKED, "cannot stand for {vm}");
    g_autofree char *received = hostile_received(server);
    assert_null(received);
}

static void
expect_command(const char *script, const char *vm_name, VrProbeEnd end, const char *detail)
{
    char shell[] = "/bin/sh", option[] = "-c";
    g_autofree char *text = g_strdup(script);
    char *argv[] = {shell, option, text, NULL};
    VrProbeRule rule = {.name = name, .kind = VR_PROBE_KIND_COMMAND, .argv = argv, .timeout_s = 1};
    expect_probe(&rule, vm_name, end, detail);
}

static void
test_probe_command_goes_by_its_exit_status(void **state)
{
    (void)state;
    expect_command("exit 0", "v1", VR_PROBE_END_ANSWERED, "status 0");
    expect_command("echo no; exit 3", "v1", VR_PROBE_END_NOT_ANSWERED, "status 3: no");
    expect_command("exec sleep 60", "v1", VR_PROBE_END_NOT_ANSWERED, "did not end in 1 s");
    expect_command("kill -9 $$", "v1", VR_PROBE_END_NOT_ASKED, "signal 9");
    expect_command("echo $VIRT_ROLL_PROBE $VIRT_ROLL_VM_UUID $VIRT_ROLL_HOST \"$VIRT_ROLL_VM\"",
                   "v; 1", VR_PROBE_END_ANSWERED, "status 0: p uuid-1 h1 v; 1");
    expect_command("yes | head -c 1000000; printf '\\001'; exit 1", "v1", VR_PROBE_END_NOT_ANSWERED,
                   "status 1: y y");
}

static void
test_probe_command_that_is_none_is_not_asked(void **state)
{
    char program[] = "/nonexistent/check";
    char *argv[] = {program, NULL};
    (void)state;
    VrProbeRule rule = {.name = name, .kind = VR_PROBE_KIND_COMMAND, .argv = argv, .timeout_s = 1};
    expect_probe(&rule, "v1", VR_PROBE_END_NOT_ASKED, "/nonexistent/check cannot be run");
}

static void
test_probe_closing_ends_every_try_once(void **state)
{
    (void)state;
    g_autoptr(Hostile) server = hostile_new(HOSTILE_SILENT, "");
    VrProbeRule rule = network_rule(VR_PROBE_KIND_HTTP, loopback, hostile_port(server));
    rule.timeout_s = 60;
    VrProber *prober = vr_prober_new();
    VrProbe port = vr_prober_port(prober);
    VrProbeRequest request = {&rule, "v1", "uuid-1", "h1"};
    gint64 begin_us = g_get_monotonic_time();
    last.end_count = 0;
    for (guint i = 0; i < 100; i++)
        port.vtable->run(port.context, &request, on_done, &last);
    vr_prober_free(prober);
    assert_true(g_get_monotonic_time() - begin_us < IN_TIME_US);
    assert_int_equal(last.end_count, 100);
    assert_int_equal(last.end, VR_PROBE_END_NOT_ASKED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe_tcp_asks_for_a_connection_only),
        cmocka_unit_test(test_probe_http_goes_by_the_status),
        cmocka_unit_test(test_probe_of_a_name_that_is_none_is_not_asked),
        cmocka_unit_test(test_probe_goes_to_no_address_that_a_vm_chose),
        cmocka_unit_test(test_probe_command_goes_by_its_exit_status),
        cmocka_unit_test(test_probe_command_that_is_none_is_not_asked),
        cmocka_unit_test(test_probe_closing_ends_every_try_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
