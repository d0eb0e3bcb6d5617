/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands: each returns its exit status, which an error overrules (vr_error_exit_status). */
#pragma once

#include "cli/console.h"
#include "cli/options.h"

G_BEGIN_DECLS

typedef int (*VrVerb)(const VrOptions *options, VrConsole *console, GError **error);

int vr_verb_fleet_init(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_fleet_validate(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_inventory(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_plan(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_run(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_status(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_rollout_diff(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_rollout_replan(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_rollout_skip(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_rollout_retry(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_rollout_defer(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_rollout_undo(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_rollout_release(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_rollout_close(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_rollout_definition(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_rollout_report(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_audit_verify(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_journal_backup(const VrOptions *options, VrConsole *console, GError **error);
int vr_verb_journal_restore(const VrOptions *options, VrConsole *console, GError **error);

G_END_DECLS
