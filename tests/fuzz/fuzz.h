/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the fuzz targets share. Each target is one file with libFuzzer's entry point; without
 * libFuzzer, replay.c calls the same function. A target fails by aborting.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <virt-roll/error.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input up to its first NUL, as a C string without a byte to spare. (transfer full) */
char *vr_fuzz_text(const uint8_t *data, size_t size);

/*
 * What every error owes its reader: it is there, in our domain, begins with `subject` (where it is
 * in which text; NULL: the caller looks at that), and is one short line of UTF-8.
 */
void vr_fuzz_check_error(const GError *error, const char *subject);

/* A text that we made or took over: NULL, or valid UTF-8. */
void vr_fuzz_check_utf8(const char *text);
