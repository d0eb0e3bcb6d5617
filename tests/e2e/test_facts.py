# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the recovery table takes for granted of libvirt, done to libvirt: "Seen in the lab" in recovery.md."""

from __future__ import annotations

import os
import signal
import subprocess

from faults import AFTER, FINISH, Hit, Stops, await_phase, go_on, qemu_pids
from labtest import Lab, describe, require, wait_for
from rolltest import EXIT_DONE, SETTLED, Roll
from test_kill import ONE_BY_ONE, migrating
from test_people import updates_in_order
from test_phases import POLICY, SPLIT, Faulty, act_as_person, acted_by, await_outcome, check_all

EXIT_FAILED = 1


def finish(faulty: Faulty) -> None:
    controller = faulty.roll.controllers[-1]
    status = controller.wait(400)
    require(status == EXIT_DONE, f"run: exit {status}:\n{controller.output[-3000:]}")
    check_all(faulty)


def long_definition_comes_back(lab: Lab, context) -> None:
    """libvirt says that a source is undefined when it could not delete the file, and reads it again after the reboot.
    It is row O for a host that is still closed."""
    with Stops.installed(lab) as stops:
        faulty = Faulty(Roll(lab, POLICY))
        roll = faulty.roll
        try:
            roll.start()
            roll.await_journal(lambda: roll.journal.entered("closing"), "the first host at work")
            host = updates_in_order(roll)[1]
            guests = [vm for vm in lab.vms if lab.place(vm) == host]
            keep = stops.order("keep", host)
            keep.touch()
            roll.gate.hold(host, "apply", "begin")
            roll.await_held(host, "apply", "begin")
            files = sorted(path.name for path in lab.host_file(host, "etc/qemu").glob("vm*.xml"))
            require(files == sorted(f"{vm}.xml" for vm in guests), f"{host} has the files {files}")
            require(not any(lab.side(host, vm).present for vm in guests), f"{host} lists what has left it")
            keep.unlink()
            roll.gate.release(host, "apply", "begin")
            finish(faulty)
            rows = {vm: [record.body.get("row") for record in roll.journal.entered("undefining-source", vm=vm)]
                    for vm in guests}
            require(all("O" in found for found in rows.values()), f"not undefined after the reboot: {rows}")
            left = sorted(path.name for path in lab.host_file(host, "etc/qemu").glob("vm*.xml"))
            arrived = sorted(f"{vm}.xml" for vm in lab.vms if lab.place(vm) == host)
            require(left == arrived, f"{host} has the files {left}")
            context.note(f"{host}: {', '.join(guests)} unlisted with their files in place, back after the reboot, "
                         f"undefined by rows {rows}")
        finally:
            stops.order("keep", host).unlink(missing_ok=True)
            roll.end()


def long_confirm_fails(lab: Lab, context) -> None:
    """The source cannot read what the target says of its success: it resumes, and calls the migration a success."""
    lab.spent = True
    with Stops.installed(lab) as stops:
        faulty = Faulty(Roll(lab, POLICY))
        roll = faulty.roll
        try:
            roll.start()
            hit = await_phase(roll, stops, FINISH)
            require(hit, "no migration")
            stops.order("spoil", hit.step["target"]).touch()
            go_on(hit)
            outcome = await_outcome(faulty, hit)
            said = [record.body.get("reason") for record in roll.journal.records(hit.sequence)
                    if record.kind == "call-returned"]
            places = describe(lab.places(hit.step["vm"]))
            require(outcome == SPLIT and said == [None], f"{outcome}; libvirt says {said}; {places}")
            context.note(f"libvirt calls it a success; {places}; {act_as_person(faulty, hit, 'D')}")
            finish(faulty)
        finally:
            roll.end()


def has_peer(lab: Lab, host: str, peer: str) -> bool:
    """Does the host's libvirtd hold a connection of the other one?"""
    init = lab.host_file(host, "init.pid").read_text().strip()
    address = f"10.77.0.{10 + int(peer[1:])}"
    ours = ["sport", "=", ":16509", "and", "dst", "=", address]
    command = ["nsenter", f"--net=/proc/{init}/ns/net", "ss", "-H", "-n", "-t", *ours]
    return bool(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def long_no_auto_destroy(lab: Lab, context) -> None:
    """The source's daemon dies when the target's CPUs have been told to run and its daemon has not heard that they do.
    It still holds an auto-destroy for that peer; but it ends Finish first, and that takes the auto-destroy away."""
    with Stops.installed(lab) as stops:
        faulty = Faulty(Roll(lab, POLICY))
        roll = faulty.roll
        hold = [stops.order("hold", host, "qmp-cont") for host in lab.hosts]
        try:
            for path in hold:
                path.touch()
            roll.start()
            held = wait_for(lambda: next((host for host in lab.hosts if stops.order("held", host, "qmp-cont").exists()),
                                         None), "a target told to run")
            hit = Hit(wait_for(lambda: migrating(roll), "a migration"), roll.journal.last_sequence(), None)
            source, target, vm = hit.step["source"], hit.step["target"], hit.step["vm"]
            require(held == target, f"{held} is held, and {vm} goes to {target}")
            lab.await_beat(vm)
            require(has_peer(lab, target, source), f"{target} holds no connection of {source}")
            kill_daemon(lab, source)
            wait_for(lambda: not has_peer(lab, target, source), f"{target} sees that its peer is gone")
            require(qemu_pids(lab, target, vm), f"{target} has ended its {vm}")
            for path in hold:
                path.unlink()
            lab.command("start", source)
            outcome = await_outcome(faulty, hit)
            context.note(f"{vm} {source} to {target}: {outcome}, {acted_by(roll, hit)}")
            require(outcome == SETTLED, f"{vm} runs on {target}, and: {outcome}")
            finish(faulty)
        finally:
            for path in hold:
                path.unlink(missing_ok=True)
            roll.end()


def kill_daemon(lab: Lab, host: str) -> None:
    for pid in lab.daemon_pids(host):
        os.kill(pid, signal.SIGKILL)
    lab.connections.clear()


def long_dies_on_target_with_source_left(lab: Lab, context) -> None:
    """The source's daemon dies once the target runs, and then the target's QEMU: a paused copy with old memory is left.
    It is not resumed."""
    lab.spent = True
    with Stops.installed(lab) as stops:
        faulty = Faulty(Roll(lab, POLICY))
        roll = faulty.roll
        try:
            roll.start()
            hit = await_phase(roll, stops, AFTER)
            require(hit, "no migration")
            source, target, vm = hit.step["source"], hit.step["target"], hit.step["vm"]
            kill_daemon(lab, source)
            for pid in qemu_pids(lab, target, vm):
                os.kill(pid, signal.SIGKILL)
            go_on(hit)
            lab.command("start", source)
            outcome = await_outcome(faulty, hit)
            require(outcome == "asks F", f"{vm} has run on {target} and died there, and: {outcome}")
            context.note(f"{vm} {source} to {target}: {outcome}, {act_as_person(faulty, hit, 'F')}")
            finish(faulty)
        finally:
            roll.end()


def test_disk_missing_on_target(lab: Lab, context) -> None:
    """The target cannot reach the guest's disk: as many tries as the policy has, libvirt's words, the guest runs on.
    When it can, `run` goes on."""
    roll = Roll(lab, ONE_BY_ONE | {"attempts_max: 3": "attempts_max: 2", "backoff_s: 2": "backoff_s: 1"})
    faulty = Faulty(roll)
    target = lab.empty_host()
    route = ("unreachable", "10.77.0.9/32")
    lab.command("exec", target, "ip", "route", "add", *route)
    try:
        controller = roll.start()
        status = controller.wait()
        require(status == EXIT_FAILED, f"run: exit {status}, not {EXIT_FAILED}:\n{controller.output[-3000:]}")
        failed = [record for record in roll.journal.records() if record.phase == "failed"]
        require(failed, "no migration has failed")
        vm = roll.journal.steps[failed[0].step]["vm"]
        reason = failed[0].body["reason"]
        require(vm in reason and "cannot open a disk" in reason, f"the reason: {reason}")
        said = vm in controller.output and "cannot open a disk" in controller.output
        require(said, f"the output does not say it:\n{controller.output[-3000:]}")
        require(lab.place(vm) == roll.before.place[vm], f"{vm} is on {lab.place(vm)}")
        context.note(f"exit {status}: {reason}")
        lab.command("exec", target, "ip", "route", "del", *route)
        roll.start()
        finish(faulty)
    finally:
        roll.end()
