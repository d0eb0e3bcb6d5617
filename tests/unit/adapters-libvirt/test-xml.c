/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/libvirt/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HOST_UUID "00000000-0000-4000-8000-00000000770a"
#define VM_UUID "6d0e5b1c-6f0c-4f7f-9c1f-3d4d0f3a5a10"

static void
assert_uuid(const char *uuid_element, const char *expected)
{
    g_auto(VrCapabilities) capabilities = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strdup_printf("<capabilities><host>%s<cpu><arch>x86_64</arch>"
                                            "<model>EPYC-Rome</model></cpu></host></capabilities>",
                                            uuid_element);
    assert_true(vr_xml_parse_capabilities(text, &capabilities, &error));
    assert_null(error);
    assert_int_equal(g_strcmp0(capabilities.host_uuid, expected), 0);
    assert_string_equal(capabilities.cpu_model, "EPYC-Rome");
}

static void
test_xml_capabilities_give_host_uuid_and_cpu_model(void **state)
{
    (void)state;
    assert_uuid("<uuid>" HOST_UUID "</uuid>", HOST_UUID);
    assert_uuid("<uuid>\n 00000000-0000-4000-8000-00000000770A </uuid>", HOST_UUID);
}

static void
test_xml_capabilities_without_identity_have_no_uuid(void **state)
{
    (void)state;
    assert_uuid("", NULL);
    assert_uuid("<uuid/>", NULL);
    assert_uuid("<uuid>00000000-0000-0000-0000-000000000000</uuid>", NULL);
    assert_uuid("<uuid>Not Settable</uuid>", NULL);
    assert_uuid("<cell><uuid>" HOST_UUID "</uuid></cell>", NULL);
}

static void
assert_host_device(const char *devices, const char *expected)
{
    g_auto(VrDomainFacts) facts = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strdup_printf(
        "<domain type='kvm' id='3'><name>a</name><uuid>" VM_UUID "</uuid>%s</domain>", devices);
    assert_true(vr_xml_parse_domain(text, &facts, &error));
    assert_null(error);
    assert_string_equal(facts.uuid, VM_UUID);
    assert_int_equal(g_strcmp0(facts.host_device, expected), 0);
}

static void
test_xml_domain_tells_host_devices(void **state)
{
    (void)state;
    assert_host_device("", NULL);
    assert_host_device("<devices/>", NULL);
    assert_host_device("<devices><disk type='network'/><interface type='bridge'/></devices>", NULL);
    assert_host_device("<devices><hostdev mode='subsystem' type='pci'/></devices>",
                       "uses a host device (pci)");
    assert_host_device("<devices><hostdev mode='subsystem' type='mdev'/></devices>",
                       "uses a host device (mdev)");
    assert_host_device("<devices><disk/><interface type='hostdev'/></devices>",
                       "uses a host device (pci network interface)");
}

static void
test_xml_domain_with_failover_team_may_migrate(void **state)
{
    (void)state;
    assert_host_device("<devices><interface type='hostdev'><teaming type='transient'/></interface>"
                       "</devices>",
                       NULL);
}

static void
test_xml_host_devices_elsewhere_in_the_document_are_not_devices(void **state)
{
    (void)state;
    assert_host_device("<metadata><hostdev type='pci'/><!-- <!DOCTYPE a> --></metadata>", NULL);
}

static void
assert_refused(const char *text, const char *why)
{
    g_auto(VrDomainFacts) facts = {0};
    g_autoptr(GError) error = NULL;
    assert_false(vr_xml_parse_domain(text, &facts, &error));
    assert_true(g_error_matches(error, VR_ERROR, VR_ERROR_INVALID));
    assert_non_null(strstr(error->message, why));
    assert_null(facts.uuid);
}

static void
test_xml_domain_tells_disks_devices_title_and_metadata(void **state)
{
    g_auto(VrDomainFacts) facts = {0};
    g_autoptr(GError) error = NULL;
    (void)state;

    assert_true(vr_xml_parse_domain(
        "<domain><uuid>" VM_UUID "</uuid><title> Shop </title>"
        "<metadata><o:unit xmlns:o='urn:o'>retail</o:unit></metadata><devices>"
        "<disk type='network'><source protocol='nbd' name='vm1'><host name='x'/></source>"
        "<target dev='vda'/></disk>"
        "<disk type='file' device='cdrom'><source file='/isos/a.iso'/><target dev='sda'/></disk>"
        "<disk type='file' device='cdrom'><target dev='sdb'/></disk><serial type='file'/>"
        "<interface type='bridge'/><tpm/></devices></domain>",
        &facts, &error));
    assert_string_equal(facts.title, "Shop");
    assert_string_equal(facts.disks, "vda network/nbd vm1; sda file /isos/a.iso; sdb file -");
    assert_string_equal(facts.devices, "interface/bridge; tpm");
    assert_non_null(strstr(facts.metadata, "retail"));
    assert_null(facts.host_device);
}

static void
test_xml_broken_text_is_refused(void **state)
{
    (void)state;
    static const char whole[] = "<domain><name>a</name><uuid>" VM_UUID "</uuid></domain>";
    assert_refused("", "XML of libvirt");
    assert_refused("\xff\xfe\xfd", "XML of libvirt");
    assert_refused("<capabilities/>", "is no <domain>");
    for (gsize length = 1; length < sizeof(whole) - 1; length++) {
        g_autofree char *truncated = g_strndup(whole, length);
        assert_refused(truncated, "XML of libvirt");
    }
}

static void
test_xml_document_type_is_refused_with_all_that_it_could_do(void **state)
{
    (void)state;
    assert_refused("<!DOCTYPE domain><domain/>", "document type");
    assert_refused("<!DOCTYPE domain SYSTEM \"http://192.0.2.1/x.dtd\"><domain/>", "document type");
    assert_refused("<!DOCTYPE domain [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>"
                   "<domain><uuid>&x;</uuid></domain>",
                   "document type");
    g_autoptr(GString) bomb = g_string_new("<!DOCTYPE domain [<!ENTITY a0 \"aaaaaaaaaa\">");
    for (int i = 1; i < 20; i++)
        g_string_append_printf(bomb, "<!ENTITY a%d \"&a%d;&a%d;&a%d;&a%d;&a%d;\">", i, i - 1, i - 1,
                               i - 1, i - 1, i - 1);
    g_string_append(bomb, "]><domain><uuid>&a19;</uuid><x y='&a19;'/></domain>");
    gint64 begin_us = g_get_monotonic_time();
    assert_refused(bomb->str, "document type");
    assert_true(g_get_monotonic_time() - begin_us < G_TIME_SPAN_SECOND);
}

static void
test_xml_size_and_depth_are_limited(void **state)
{
    (void)state;
    g_autofree char *filling = g_strnfill(VR_XML_BYTES_MAX, ' ');
    g_autofree char *huge = g_strconcat("<domain>", filling, "</domain>", NULL);
    assert_refused(huge, "at most");

    g_autoptr(GString) deep = g_string_new("<domain>");
    for (int i = 0; i < 100000; i++)
        g_string_append(deep, "<a>");
    assert_refused(deep->str, "XML of libvirt");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xml_capabilities_give_host_uuid_and_cpu_model),
        cmocka_unit_test(test_xml_capabilities_without_identity_have_no_uuid),
        cmocka_unit_test(test_xml_domain_tells_host_devices),
        cmocka_unit_test(test_xml_domain_with_failover_team_may_migrate),
        cmocka_unit_test(test_xml_host_devices_elsewhere_in_the_document_are_not_devices),
        cmocka_unit_test(test_xml_domain_tells_disks_devices_title_and_metadata),
        cmocka_unit_test(test_xml_broken_text_is_refused),
        cmocka_unit_test(test_xml_document_type_is_refused_with_all_that_it_could_do),
        cmocka_unit_test(test_xml_size_and_depth_are_limited),
    };
    vr_xml_prepare_process();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
