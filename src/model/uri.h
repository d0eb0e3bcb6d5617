/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which connection URIs a fleet file may hold. Much stricter than libvirt, some of whose URI
 * parameters run a local command or switch off the check of the other side's identity. Whatever
 * passes here means the same to libvirt's parser as to ours: no %-encoding, no ';' in queries.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* For virConnectOpen. The error's message begins with what is wrong, for a place to be set first.
 */
gboolean vr_uri_check_connect(const char *uri, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Where memory goes: tcp://host[:port]. */
gboolean vr_uri_check_migrate(const char *uri, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Of monitoring: https://host[:port][/path], or http:// of this machine (loopback). */
gboolean vr_uri_check_http(const char *uri, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Does another machine reach the same host by this (checked) URI? Test drivers count as such. */
gboolean vr_uri_is_remote(const char *uri);

G_END_DECLS
