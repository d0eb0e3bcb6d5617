# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole rollout over three hosts with running guests, and nothing goes wrong."""

from __future__ import annotations

import os
import signal

from labtest import Lab, require
from rolltest import Roll, check_end

EXIT_GOES_ON_LATER = 7


def test_whole(lab: Lab, context) -> None:
    """Every host updated, every guest migrated once and alive all the time; the report agrees."""
    # Autostart must come along as it was, so it must not be the same everywhere.
    lab.domain(lab.place("vm1"), "vm1").setAutostart(0)
    roll = Roll(lab)
    try:
        inventory = roll.query("inventory")
        told = {vm["name"]: vm["host"] for vm in inventory["vms"]}
        require(told == roll.before.place, f"the inventory says {told}")
        roll.finish()
        report = check_end(roll)
        for vm in lab.vms:
            issued = roll.journal.entered("migrating", vm=vm)
            require(len(issued) == 1, f"{vm}: {len(issued)} migrations issued")
            initiated = len(lab.initiated(vm)) - roll.before.initiated[vm]
            require(initiated == 1, f"{vm}: libvirt began {initiated} migrations")
        for migration in report["migrations"]:
            gap_ms = lab.max_gap_ms(migration["vm"], roll.before.at_us)
            context.note(f"{migration['vm']} {migration['source']} to {migration['target']}: "
                         f"downtime {migration['downtime_ms']} ms, longest silence {gap_ms} ms")
        status = roll.query("status")
        require(status["phase"] == "done" and not status["controller_alive"], f"status says {status}")
        check_nothing_left(lab, roll)
        context.note(f"rollout took {report['summary']['duration_ms']} ms, {len(roll.journal.records())} records")
    finally:
        roll.end()


def test_interrupted(lab: Lab, context) -> None:
    """SIGINT in the middle of a migration: that one ends, nothing else begins, and a later run goes on."""
    roll = Roll(lab)
    try:
        controller = roll.start()
        roll.await_journal(lambda: roll.journal.entered("migrating"), "a migration")
        os.kill(controller.process.pid, signal.SIGINT)
        status = controller.wait()
        require(status == EXIT_GOES_ON_LATER, f"exit {status}, not {EXIT_GOES_ON_LATER}:\n{controller.output}")
        phases = {vm: roll.journal.phase_of(vm=vm) for vm in lab.vms}
        require(set(phases.values()) <= {None, "pending", "settled"}, f"stopped, and still at work: {phases}")
        require("settled" in phases.values(), f"what was in flight did not end: {phases}")
        require(all(len(lab.places(vm)) == 1 for vm in lab.vms), "a guest is on two hosts")
        context.note(f"stopped with {phases}; goes on")
        roll.finish()
        check_end(roll)
    finally:
        roll.end()


def check_nothing_left(lab: Lab, roll: Roll) -> None:
    """The same command once more finds nothing to do: nobody migrates, no host reboots."""
    boot_ids = {host: lab.boot_id(host) for host in lab.hosts}
    places = {vm: lab.place(vm) for vm in lab.vms}
    controller = roll.start("--update", roll.level)
    status = controller.wait()
    require(status == 0, f"run when all is done: exit {status}:\n{controller.output}")
    require(boot_ids == {host: lab.boot_id(host) for host in lab.hosts}, "a host rebooted without need")
    require(places == {vm: lab.place(vm) for vm in lab.vms}, "a guest migrated without need")
