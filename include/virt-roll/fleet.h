/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fleet file `virt-roll-fleet/1`: the hosts that one controller looks after, how to reach them
 * and how their update is done. Written by the operator; URIs and commands come from nowhere else.
 * Reference with every field: docs/reference/fleet.md.
 */
#pragma once

#include <virt-roll/monitoring.h>

G_BEGIN_DECLS

/* The operator's commands around an update; docs/reference/fleet.md says what each must do. */
#define VR_STAGES(X)                                                                               \
    X(VR_STAGE_FACTS, "facts")                                                                     \
    X(VR_STAGE_ASSESS, "assess")                                                                   \
    X(VR_STAGE_CLOSE, "close")                                                                     \
    X(VR_STAGE_OPEN, "open")                                                                       \
    X(VR_STAGE_BEFORE, "before")                                                                   \
    X(VR_STAGE_APPLY, "apply")                                                                     \
    X(VR_STAGE_REBOOT, "reboot")                                                                   \
    X(VR_STAGE_VERIFY, "verify")
VR_DECLARE_ENUM(VrStage, vr_stage, VR_STAGES);
#define VR_STAGE_COUNT (VR_STAGE_VERIFY + 1)

typedef struct {
    char **argv;         /* NULL: the operator has no such stage; argv[0] is an absolute path */
    gint64 timeout_s;    /* after it the attempt is killed and counts as failed */
    gboolean repeatable; /* may be run again when it is not known how an attempt ended */
} VrStageCommand;

typedef struct {
    char *level; /* nullable: then `--update LEVEL` must say */
    VrStageCommand stages[VR_STAGE_COUNT];
} VrUpdate;

typedef struct {
    char *name;
    char *uri;            /* controller -> host; its host name defaults the next two */
    char *peer_uri;       /* source daemon -> target daemon */
    char *migrate_uri;    /* where the memory goes; nullable: libvirt chooses */
    char *pool;           /* "" if none is named */
    char *failure_domain; /* nullable */
    char **aliases;       /* NULL-terminated, may be empty */
    gint64 link_mib_per_s;
    gint64 memory_mib; /* 0: as libvirt says */
    gint64 vcpus;      /* 0: as libvirt says */
    gint64 update_s;
    VrUpdate update;
    guint line; /* where it stands in the file, for messages */
} VrFleetHost;

typedef struct {
    char *name;
    char *path;       /* of the file, for messages */
    GPtrArray *hosts; /* (element-type VrFleetHost) in the file's order, ranges expanded */
    gint64 keepalive_interval_s; /* of our own connections */
    gint64 keepalive_count;
    VrMonitoring monitoring;
    GPtrArray *probes; /* (element-type VrProbeRule) */
} VrFleet;

/* Index of a host by name or alias; -1 if there is none. */
gint vr_fleet_find_host(const VrFleet *self, const char *name);

static inline const VrFleetHost *
vr_fleet_host(const VrFleet *self, guint index)
{
    return (const VrFleetHost *)g_ptr_array_index(self->hosts, index);
}

void vr_fleet_free(VrFleet *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrFleet, vr_fleet_free)

/*
 * Expands `kvm[001-120,130].dc1` to names, widths kept; a pattern without brackets gives itself.
 * (transfer full) NULL-terminated. VR_ERROR_INVALID for a broken or backward range, a character
 * that no host name has, or more than VR_HOSTS_MAX names.
 */
char **vr_host_range_expand(const char *pattern, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
