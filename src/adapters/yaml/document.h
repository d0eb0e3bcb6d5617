/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that people write: YAML 1.2 (JSON is a subset) by libfyaml, turned into a VrDocument with
 * the line and column of every value.
 */
#pragma once

#include "base/reader.h"

G_BEGIN_DECLS

/* Most that we read of one file. */
#define VR_YAML_BYTES_MAX (16 << 20)

/*
 * Errors: VR_ERROR_NOT_FOUND or VR_ERROR_IO (cannot be read), VR_ERROR_INVALID with
 * file:line:column (syntax, duplicate key, alias or anchor, more than one document, a float or an
 * integer out of 64 bits, depth over VR_JSON_DEPTH_MAX, too big). Plain scalars resolve by the core
 * schema: `no` stays a string.
 */
VrDocument *vr_yaml_load(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same from memory; `source` names it in messages. */
VrDocument *vr_yaml_parse(const char *text, gsize length, const char *source,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
