/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../base/expect.h"

#include "model/uri.h"

static void
test_uri_connect_takes_what_the_reference_says(void **state)
{
    static const char *const uris[] = {
        "qemu+ssh://root@kvm001.dc1:2222/system",
        "qemu+ssh://kvm1/system?keyfile=/etc/virt-roll/key&known_hosts=/etc/virt-roll/hosts",
        "qemu+ssh://kvm1/system?sshauth=agent,privkey&mode=direct&proxy=native",
        "qemu+tls://kvm1/system?pkipath=/etc/pki/x",
        "qemu+tcp://[fe80::1]:16509/system",
        "qemu+tcp://10.0.0.1/system?socket=/run/libvirt/virtqemud-sock",
        "qemu+unix:///system?socket=/run/h1/libvirt-sock",
        "qemu+unix:///session",
        "test:///default",
        "test+tcp://h1/default",
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(uris); i++) {
        g_autoptr(GError) error = NULL;
        gboolean is_taken = vr_uri_check_connect(uris[i], &error);
        expect_no_error(error);
        assert_true(is_taken);
    }
}

static void
test_uri_connect_refuses_with_the_reason(void **state)
{
    static const struct {
        const char *uri;
        const char *message;
    } rows[] = {
        {"", "must begin with"},
        {"qemu:///system", "qemu+unix:///system"},
        {"qemu://kvm1/system", "takes this one for qemu+tls"},
        {"qemu+ext://kvm1/system?command=/bin/x", "must begin with"},
        {"qemu+libssh2://kvm1/system", "must begin with"},
        {"xen:///system", "must begin with"},
        {"http://kvm1/system", "must begin with"},
        {"QEMU+SSH://kvm1/system", "must begin with"},
        {"qemu+ssh:/kvm1/system", "must begin with"},
        {"qemu+ssh:///system", "has no host name"},
        {"qemu+unix://kvm1/system", "names no host"},
        {"qemu+ssh://-oProxyCommand=x/system", "has no host name"},
        {"qemu+ssh://-l@kvm1/system", "no plain user name"},
        {"qemu+ssh://root:secret@kvm1/system", "passwords are not accepted"},
        {"qemu+ssh://@kvm1/system", "no plain user name"},
        {"qemu+ssh://a@b@kvm1/system", "has no plain host name"},
        {"qemu+ssh://kvm1:0/system", "has a port"},
        {"qemu+ssh://kvm1:70000/system", "has a port"},
        {"qemu+ssh://kvm1:/system", "has a port"},
        {"qemu+ssh://kvm1:22x/system", "no plain host name"},
        {"qemu+ssh://kvm1", "the path must be /system"},
        {"qemu+ssh://kvm1/", "the path must be /system"},
        {"qemu+ssh://kvm1/embed?root=/tmp", "the path must be /system"},
        {"qemu+ssh://kvm1/system?command=/bin/sh", "it runs a local command"},
        {"qemu+ssh://kvm1/system?netcat=/bin/sh", "names a command"},
        {"qemu+ssh://kvm1/system?no_verify=1", "switches off the check"},
        {"qemu+ssh://kvm1/system?known_hosts_verify=ignore", "switches off the check"},
        {"qemu+ssh://kvm1/system?mode=auto&no_verify=1", "switches off the check"},
        {"qemu+ssh://kvm1/system?no_tty=1", "\"no_tty\" is not accepted"},
        {"qemu+ssh://kvm1/system?", "ends in '?'"},
        {"qemu+ssh://kvm1/system?mode=auto&", "\"\" is not accepted"},
        {"qemu+ssh://kvm1/system?mode", "has no value"},
        {"qemu+ssh://kvm1/system?mode=auto&mode=direct", "twice"},
        {"qemu+ssh://kvm1/system?keyfile=id_rsa", "absolute path"},
        /* What libvirt would decode or split differently from us. */
        {"qemu+ssh://kvm1/system?mode=auto;command=/bin/sh", "character that is not accepted"},
        {"qemu+ssh://kvm1/system?%63ommand=/bin/sh", "character that is not accepted"},
        {"qemu+ssh://kvm1/system#x", "character that is not accepted"},
        {"qemu+ssh://kvm1 /system", "character that is not accepted"},
        {"qemu+ssh://kvm1\n/system", "character that is not accepted"},
        {"qemu+tls://kvm1/system?pkipath=/[x]", "has a bracket"},
        {"qemu+ssh://{host}/system", "only {name} is replaced"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        if (vr_uri_check_connect(rows[i].uri, &error))
            fail_msg("taken: %s", rows[i].uri);
        expect_error(&error, VR_ERROR_INVALID, rows[i].message);
    }
}

static void
test_uri_migrate_is_tcp_only(void **state)
{
    static const char *const good[] = {"tcp://kvm1", "tcp://10.0.0.1:49152", "tcp://[fe80::1]:1"};
    static const char *const bad[] = {"",           "rdma://kvm1",  "unix:///tmp/s",
                                      "tcp://",     "tcp://kvm1/",  "tcp://kvm1?x=1",
                                      "tcp://a@k1", "tcp://kvm1:0", "tcp://kvm1:99999",
                                      "tcp://-k",   "tcp://[::1]x", "tcp://{name}"};
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;
        gboolean is_taken = vr_uri_check_migrate(good[i], &error);
        expect_no_error(error);
        assert_true(is_taken);
    }
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        assert_false(vr_uri_check_migrate(bad[i], &error));
        expect_error(&error, VR_ERROR_INVALID, "");
    }
}

static void
test_uri_remote_is_what_other_machines_can_use(void **state)
{
    (void)state;
    assert_true(vr_uri_is_remote("qemu+ssh://kvm1/system"));
    assert_true(vr_uri_is_remote("test:///default"));
    assert_false(vr_uri_is_remote("qemu+unix:///system"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uri_connect_takes_what_the_reference_says),
        cmocka_unit_test(test_uri_connect_refuses_with_the_reason),
        cmocka_unit_test(test_uri_migrate_is_tcp_only),
        cmocka_unit_test(test_uri_remote_is_what_other_machines_can_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
