/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What we need of libvirt's XML. It comes from a host, so it is not trusted: no network, no
 * document type (and with it no entities), limited in size. Broken text: VR_ERROR_INVALID.
 */
#pragma once

#include <virt-roll/error.h>

G_BEGIN_DECLS

#define VR_XML_BYTES_MAX (8 * 1024 * 1024)

/* Once per process, before threads use the parser. */
void vr_xml_prepare_process(void);

typedef struct {
    char *host_uuid; /* canonical; NULL: missing, malformed, or all digits zero */
    char *cpu_model; /* nullable */
} VrCapabilities;

gboolean vr_xml_parse_capabilities(const char *text, VrCapabilities *out_capabilities,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
void vr_capabilities_clear(VrCapabilities *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VrCapabilities, vr_capabilities_clear)

typedef struct {
    char *uuid;  /* canonical; NULL: missing or malformed */
    char *title; /* this and the next three: as in VrVm */
    char *disks;
    char *devices;
    char *metadata;
    char *host_device; /* why it cannot migrate: "uses a host device (…)"; NULL: it uses none */
} VrDomainFacts;

gboolean vr_xml_parse_domain(const char *text, VrDomainFacts *out_facts,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
void vr_domain_facts_clear(VrDomainFacts *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VrDomainFacts, vr_domain_facts_clear)

G_END_DECLS
