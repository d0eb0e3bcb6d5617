/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What gates are like, and what may be wrong with a host. */
#include "health-model.h"

#define UPDATE VR_HEALTH_CAUSE_UPDATE

const HealthSituation health_model_healthy[] = {
    {.name = "steady", .right = VR_HEALTH_CAUSE_NONE},
    {.name = "weak baseline only", .right = VR_HEALTH_CAUSE_NONE, .weak = TRUE},
    {.name = "bursty", .right = VR_HEALTH_CAUSE_NONE, .burst_times = 8},
    {.name = "steep daily cycle", .right = VR_HEALTH_CAUSE_NONE, .daily = 0.6},
    {.name = "one VM's backup", .right = VR_HEALTH_CAUSE_VM, .backup_share = -1},
    {.name = "backup hour (20 % of VMs)", .right = VR_HEALTH_CAUSE_FLEET, .backup_share = 0.2},
    {.name = "fleet-wide CPU rise", .right = VR_HEALTH_CAUSE_FLEET, .fleet_load_times = 2.5},
    {.name = "fleet-wide storage slowdown", .right = VR_HEALTH_CAUSE_FLEET, .fleet_io_times = 4},
    {.name = "noisy neighbour", .right = VR_HEALTH_CAUSE_VM, .noisy = TRUE},
    {.name = "crowded target (80 to 97 %)", .right = VR_HEALTH_CAUSE_CROWDING, .crowded = TRUE},
    {.name = "overcommitted fleet (steal x5)", .right = VR_HEALTH_CAUSE_NONE, .steal_times = 5},
    {.name = "mostly idle VMs (85 %)", .right = VR_HEALTH_CAUSE_NONE, .idle_share = 0.85},
    {.name = "shared storage stalls", .right = VR_HEALTH_CAUSE_FLEET, .stalls_shared = 0.12},
    {.name = "5 % of samples missing", .right = VR_HEALTH_CAUSE_NONE, .missing_share = 0.05},
    {0},
};

const HealthSituation health_model_noisy[] = {
    {.name = "paths' I/O noise x2.5", .right = VR_HEALTH_CAUSE_NONE, .path_times = 2.5},
    {0},
};

const HealthSituation health_model_faults[] = {
    {.name = "+1 point of steal", .right = UPDATE, .steal_points = 0.01},
    {.name = "+2 points", .right = UPDATE, .steal_points = 0.02},
    {.name = "+5 points", .right = UPDATE, .steal_points = 0.05},
    {.name = "+10 points (critical)", .right = UPDATE, .steal_points = 0.10},
    {.name = "+20 points (critical)", .right = UPDATE, .steal_points = 0.20},
    {.name = "+10 while the fleet's load rises",
     .right = UPDATE,
     .steal_points = 0.10,
     .fleet_load_times = 2.5},
    {.name = "contention +10 per runnable second", .right = UPDATE, .contention = 0.10},
    {.name = "contention +30", .right = UPDATE, .contention = 0.30},
    {.name = "I/O x1.5", .right = UPDATE, .io_times = 1.5},
    {.name = "I/O x2", .right = UPDATE, .io_times = 2},
    {.name = "I/O x2.5", .right = UPDATE, .io_times = 2.5},
    {.name = "I/O x4 (critical)", .right = UPDATE, .io_times = 4},
    {.name = "steal drifts to +10 in 10 min",
     .right = UPDATE,
     .steal_points = 0.10,
     .drifts = TRUE},
    {.name = "I/O drifts to x3", .right = UPDATE, .io_times = 3, .drifts = TRUE},
    {.name = "stalls, one sample in 4 to 8", .right = UPDATE, .stalls = TRUE},
    {.name = "+5 on a crowded target", .right = UPDATE, .steal_points = 0.05, .crowded = TRUE},
    {.name = "+10 on a crowded target", .right = UPDATE, .steal_points = 0.10, .crowded = TRUE},
    {.name = "dead guest", .right = UPDATE, .dead_guest = TRUE},
    {.name = "lost probe", .right = UPDATE, .lost_probe = TRUE},
    {.name = "steal 65 points", .right = UPDATE, .steal_points = 0.65},
    {.name = "I/O + 1 s", .right = UPDATE, .io_added_us = 1e6},
    {.name = "dead disk", .right = UPDATE, .dead_disk = TRUE},
    {0},
};
