# SPDX-License-Identifier: LGPL-2.1-or-later
"""People who are at work while a rollout is: they shut VMs down, move them, and start a second controller."""

from __future__ import annotations

import contextlib
import re

import libvirt
import libvirt_qemu

from faults import MIDDLE, Stops, await_phase
from labtest import Lab, require, wait_for
from rolltest import EXIT_DONE, EXIT_NEEDS_OPERATOR, SETTLED, Roll, check_hosts
from test_phases import SLOW, Faulty, await_outcome, check_actions, check_guest_truth
from test_kill import ONE_BY_ONE

EXIT_REFUSED = 3
STOPPED = "stopped-by-owner"


def shut_down_from_inside(lab: Lab, host: str, vm: str) -> None:
    """As a guest does that its user switches off; the lab's guests know no power button."""
    with contextlib.suppress(libvirt.libvirtError):  # QEMU may be gone before its answer is read
        libvirt_qemu.qemuMonitorCommand(lab.domain(host, vm), '{"execute":"quit"}', 0)


def move_by_hand(lab: Lab, vm: str, source: str, target: str) -> None:
    flags = (libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_PERSIST_DEST |
             libvirt.VIR_MIGRATE_UNDEFINE_SOURCE)
    lab.domain(source, vm).migrateToURI3(lab.tcp_uri(target), {}, flags)


def await_question(roll: Roll, pattern: str) -> str:
    """The rollout stops and asks for this; its words."""
    controller = roll.controllers[-1]
    status = controller.wait()
    require(status == EXIT_NEEDS_OPERATOR, f"a person was to be asked, and run: exit {status}:\n{controller.output}")
    reason = next(record.body["reason"] for record in reversed(roll.journal.records())
                  if record.phase == "needs-operator")
    require(re.search(pattern, reason), f"asked for something else: {reason}")
    require(re.search(pattern, controller.output), f"the output does not say it:\n{controller.output[-3000:]}")
    return reason


def step_of(roll: Roll, vm: str) -> dict:
    return next(step for step in roll.journal.steps.values() if step.get("vm") == vm)


def updates_in_order(roll: Roll) -> list[str]:
    steps = sorted(roll.journal.steps.values(), key=lambda step: step["id"])
    return [step["host"] for step in steps if step["kind"] == "update"]


def check_stopped(roll: Roll, vm: str, host: str) -> None:
    places = roll.lab.places(vm)
    require(set(places) == {host} and not places[host].running, f"{vm} was shut down on {host} and is on {places}")
    require(roll.journal.phase_of(vm=vm) == STOPPED, f"{vm}: the journal ends with {roll.journal.phase_of(vm=vm)}")


def test_second_controller_and_moved_by_hand(lab: Lab, context) -> None:
    """While the first host is updated, a second controller is refused; while the second host is, somebody moves a VM
    that is still to be migrated to a host that is not its target."""
    roll = Roll(lab, ONE_BY_ONE)
    first = lab.empty_host()
    try:
        roll.gate.hold(first, "apply", "begin")
        controller = roll.start()
        roll.await_held(first, "apply", "begin")
        second = roll.start()
        status = second.wait()
        require(status == EXIT_REFUSED, f"a second controller: exit {status}, not {EXIT_REFUSED}:\n{second.output}")
        require("another controller works on this fleet" in second.output, f"it says not why:\n{second.output}")
        starts = sum(record.kind == "controller-started" for record in roll.journal.records())
        require(starts == 0, f"{starts} controllers have begun anew")
        context.note(f"second controller: exit {status}: {second.output.strip().splitlines()[-1]}")
        roll.controllers.remove(second)
        require(controller.is_running, f"the first controller has ended:\n{controller.output}")

        _, host, last = updates_in_order(roll)
        vm = next(vm for vm in lab.vms if lab.place(vm) == last)
        roll.gate.hold(host, "apply", "begin")
        roll.gate.release(first, "apply", "begin")
        roll.await_held(host, "apply", "begin")
        target = step_of(roll, vm)["target"]
        require(target != first, f"{vm} goes to {first} by the plan")
        move_by_hand(lab, vm, last, first)
        roll.gate.release(host, "apply", "begin")
        context.note(f"{vm} moved from {last} to {first}: {await_question(roll, rf'{vm} is on a third host')}")
        move_by_hand(lab, vm, first, target)
        roll.finish()
        check_hosts(roll)
        check_actions(roll)
        require(lab.place(vm) == target, f"{vm} was moved to {target} by hand and is on {lab.place(vm)}")
        faulty = Faulty(roll, unasked={vm})
        for name in lab.vms:
            check_guest_truth(faulty, name)
            require(roll.journal.phase_of(vm=name) == SETTLED, f"{name} is {roll.journal.phase_of(vm=name)}")
    finally:
        roll.end()


def long_shut_down_by_owner(lab: Lab, context) -> None:
    """One VM before its migration and one in the middle of it. Nobody starts them; a host with an autostart definition
    of one that is off is not rebooted before somebody has looked."""
    lab.spent = True
    with Stops.installed(lab) as stops:
        roll = Roll(lab, SLOW)
        first = lab.empty_host()
        try:
            roll.gate.hold(first, "apply", "begin")
            roll.start()
            roll.await_held(first, "apply", "begin")
            host = updates_in_order(roll)[1]
            before, during = [vm for vm in lab.vms if lab.place(vm) == host]
            shut_down_from_inside(lab, host, before)
            wait_for(lambda: not lab.side(host, before).running, f"{before} is off")
            roll.gate.release(first, "apply", "begin")

            hit = await_phase(roll, stops, MIDDLE)
            require(hit and hit.step["vm"] == during, f"not {during} migrates but {hit and hit.step}")
            shut_down_from_inside(lab, host, during)
            outcome = await_outcome(Faulty(roll), hit)
            reasons = [record.body.get("reason") for record in roll.journal.records()
                       if record.step == hit.step["id"] and record.phase]
            context.note(f"{during} shut down in mid-copy: {outcome}: {reasons[-1]}")
            require(outcome == "stopped", f"{during} was shut down by its owner, and: {outcome}: {reasons[-1]}")

            for _ in (before, during):
                said = await_question(roll, r"shut off but with autostart")
                vm = next(vm for vm in (before, during) if vm in said)
                context.note(said)
                require(roll.gate.count(host, "apply") == 0, f"{host} was updated with {vm} on autostart")
                lab.domain(host, vm).setAutostart(0)
                roll.start()
            status = roll.controllers[-1].wait(400)
            require(status == EXIT_DONE, f"run: exit {status}:\n{roll.controllers[-1].output[-3000:]}")
            check_hosts(roll)
            check_actions(roll)
            check_stopped(roll, before, host)
            check_stopped(roll, during, host)
            for vm in set(lab.vms) - {before, during}:
                check_guest_truth(Faulty(roll), vm)
        finally:
            roll.end()
