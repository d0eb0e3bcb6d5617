/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All domains of a host in three questions, however many there are. */
#pragma once

#include "adapters/libvirt/libvirt-private.h"

G_BEGIN_DECLS

typedef struct {
    virDomainPtr domain;
    char uuid[VIR_UUID_STRING_BUFLEN];
    const char *name; /* of the domain */
    int state;
    int reason;
    gboolean active;
    gboolean autostart;
    gboolean persistent;
    gint64 memory_mib;   /* the most that it may use; 0: not known */
    gint64 vcpus;        /* 0: not known */
    gint64 resident_mib; /* -1: not known */
} VrListedDomain;

/* (element-type VrListedDomain); NULL with error. Blocks. */
GPtrArray *vr_list_domains(virConnectPtr connection, const char *host, GError **error);

G_END_DECLS
