/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two files on migrations share. */
#pragma once

#include "sim/private.h"

G_BEGIN_DECLS

SimMigration *sim_migration_at(SimWorld *self, guint index);
guint sim_migration_index(const SimWorld *self, const SimMigration *migration);
SimCopy *sim_migration_source(const SimWorld *self, const SimMigration *migration);
SimCopy *sim_migration_target(const SimWorld *self, const SimMigration *migration);

/* Runs a step of it later, unless it is over by then. */
void sim_migration_later(SimWorld *self, const SimMigration *migration, gint64 delay_us,
                         void (*run)(SimWorld *world, SimMigration *migration));
/* Its next step comes now; one that was due later is void. */
void sim_migration_advance_soon(SimWorld *self, SimMigration *migration);

void sim_migration_set_job(SimWorld *self, SimMigration *migration, SimCopy *copy, SimJob job);
/* What its call will say; the first words count. */
void sim_migration_say(SimMigration *migration, VrFailure failure, const char *words);

/* The target's daemon hangs: after the keepalive the source gives it up, unless it is back. */
void sim_migration_doubt_peer(SimWorld *self, SimMigration *migration);

/* A side's job is over: the source's answers the call; when both are, the migration is. */
void sim_migration_end_source(SimWorld *self, SimMigration *migration);
void sim_migration_end_target(SimWorld *self, SimMigration *migration);
/* The source gives up and goes back to running, the target goes away. */
void sim_migration_cancel(SimWorld *self, SimMigration *migration);

G_END_DECLS
