# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whole hosts fail in the middle of a rollout: they die, fall silent, come back as something else, or their stages do
not end as they should. Nothing is guessed: a person is asked, the guests that are left run on, and what the program
prints is enough to bring the lost ones back.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

import libvirt

from hosttest import (IMPATIENT, await_daemon, await_person, check_unharmed, helper_process, kill, open_host,
                      restart_daemon, set_boot_id, set_host_uuid, set_level, set_timeout, stage_processes, start_until,
                      type_commands, undefine_on_disk, update_order)
from labtest import Lab, require, wait_for
from rolltest import EXIT_DONE, Controller, Roll, check_end, check_guest, check_hosts
from test_kill import ONE_BY_ONE, hunt


def wrecks_lab(test):
    """Guests of this test start again or lose heartbeats, so their history is no witness for the next one."""
    test.wrecks_lab = True
    return test


def guests_of(lab: Lab, host: str) -> list[str]:
    return [vm for vm in lab.vms if lab.place(vm) == host]


def only_silent(says: dict[str, Any], host: str) -> dict[str, Any]:
    silent = says["silent_hosts"]
    require([entry["host"] for entry in silent] == [host], f"silent are {[entry['host'] for entry in silent]}")
    require(silent[0]["needs_operator"] and silent[0]["since"], f"it says {silent[0]}")
    return silent[0]


# ---------------------------------------------------------------------- a host dies


def bring_back(roll: Roll, silent: dict[str, Any], lost: list[str], context) -> None:
    """By nothing but what was printed."""
    lab = roll.lab
    told = {entry["vm"]: entry for entry in silent["vms"]}
    require(sorted(told) == sorted(lost), f"lost are {lost}, it says {sorted(told)}")
    for vm, entry in told.items():
        require(entry["has_definition"] and entry["proposed_host"], f"{vm}: {entry}")
        require(vm in str(entry["disks"]), f"{vm}: its disks are {entry['disks']}")
        if entry["proposed_host_closed"]:
            open_host(roll, entry["proposed_host"])
        type_commands(roll, entry["commands"])
        lab.await_beat(vm)
        domain = lab.domain(entry["proposed_host"], vm)
        require(domain.isPersistent() and domain.autostart() == entry["autostart"], f"{vm} is not what it was")
    blackout = lab.blackout()
    for vm in lost:
        require(blackout[vm]["boots"] == 2, f"{vm} booted {blackout[vm]['boots']} times")
    context.note(f"{silent['host']} lost {lost}; back on {sorted({entry['proposed_host'] for entry in told.values()})}")


def check_told(roll: Roll, silent: dict[str, Any]) -> None:
    """What the commands are in JSON stands on the screen and in the report, too."""
    output = re.sub(r"\s+", " ", roll.controllers[-1].output)
    require(f"HOST {silent['host']} CANNOT BE READ since" in output, f"run did not say it:\n{output[-3000:]}")
    require("is off and stays off" in output, "run did not tell to make sure that it is off")
    for entry in silent["vms"]:
        for command in entry["commands"]:
            require(command in output, f"run did not say {command!r}:\n{output[-3000:]}")
    require(roll.report()["silent_hosts"][0]["vms"] == silent["vms"], "the report says something else")


def close_and_plan_anew(roll: Roll, lab: Lab) -> Roll:
    """The rollout ends here, and another one does what is left."""
    closing = Controller(lab, roll.arguments(["rollout", "close", "--reason", "its VMs were started elsewhere"]),
                         roll.directory / "close.log")
    require(closing.wait() == EXIT_DONE, f"rollout close: {closing.output}")
    for host in lab.hosts:
        if lab.is_closed(host):
            open_host(roll, host)
    return Roll(lab, IMPATIENT)


@wrecks_lab
def test_full_host_dies(lab: Lab, context) -> None:
    """Not updated yet, with guests, while another one is updated: they are lost, and started elsewhere by hand. The
    host comes back without them, and a new rollout does the rest."""
    roll = Roll(lab, IMPATIENT)
    try:
        first = lab.empty_host()
        controller = start_until(roll, first, "apply")
        victim = next(host for host in update_order(roll) if host != first)
        lost = guests_of(lab, victim)
        safe = [vm for vm in lab.vms if vm not in lost]
        lab.command("crash", victim)
        lab.connections.pop(victim, None)
        roll.gate.release(first, "apply", "begin")
        silent = only_silent(await_person(roll, victim), victim)
        check_told(roll, silent)
        require(controller.output.count("NEEDS A PERSON"), "no line that a person is needed")
        bring_back(roll, silent, lost, context)
        check_unharmed(lab, safe)

        for vm in lost:
            undefine_on_disk(lab, victim, vm)
        lab.command("boot", victim)
        await_daemon(lab, victim)
        going_on = roll.start()
        status = going_on.wait()
        context.note(f"run with {victim} back and its guests elsewhere: exit {status}: "
                     f"{[entry['reason'] for entry in roll.query('status', expected=status)['needs_operator']]}")
        if status != EXIT_DONE:
            roll = close_and_plan_anew(roll, lab)
            roll.finish()
        require(all(lab.level_of(host) == roll.level for host in lab.hosts), "a host is not updated")
        check_unharmed(lab, safe)
    finally:
        roll.end()


@wrecks_lab
def long_updated_host_dies_at_its_gate(lab: Lab, context) -> None:
    """Updated and filled: its guests come back on the refuge that they came from, which was kept for this."""
    roll = Roll(lab, {**IMPATIENT, "gate_canary_s: 3": "gate_canary_s: 10"})
    try:
        victim = lab.empty_host()
        roll.start()
        roll.await_journal(lambda: roll.journal.entered("watching"), "a gate")
        lost = guests_of(lab, victim)
        safe = [vm for vm in lab.vms if vm not in lost]
        refuge = roll.before.place[lost[0]]
        lab.command("crash", victim)
        lab.connections.pop(victim, None)
        silent = only_silent(await_person(roll, victim), victim)
        check_told(roll, silent)
        require(roll.gate.count(refuge, "apply") == 0, f"{refuge} was updated, and is the refuge")
        require({entry["proposed_host"] for entry in silent["vms"]} == {refuge}, f"proposed: {silent['vms']}")
        bring_back(roll, silent, lost, context)
        check_unharmed(lab, safe)
        for vm in lost:
            undefine_on_disk(lab, victim, vm)
        lab.command("boot", victim)
        await_daemon(lab, victim)
        roll.start()
        await_person(roll, "does not run there any more")
        roll = close_and_plan_anew(roll, lab)
        roll.finish()
        require(all(lab.level_of(host) == roll.level for host in lab.hosts), "a host is not updated")
        check_unharmed(lab, safe)
    finally:
        roll.end()


@wrecks_lab
def long_updated_host_restarts_at_its_gate(lab: Lab, context) -> None:
    """It dies and is up again, and autostart has its guests running by the end of the gate. They did go down with it,
    so their refuge is kept until a person has looked."""
    roll = Roll(lab, {**IMPATIENT, "gate_canary_s: 3": "gate_canary_s: 25"})
    try:
        victim = lab.empty_host()
        roll.start()
        roll.await_journal(lambda: roll.journal.entered("watching"), "a gate")
        lost = guests_of(lab, victim)
        refuge = roll.before.place[lost[0]]
        lab.command("crash", victim)
        lab.command("boot", victim)
        await_daemon(lab, victim)
        says = await_person(roll, f"{victim} has rebooted since its update", lab.boot_id(victim))
        require(all(lab.side(victim, vm).running for vm in lost), "autostart has not started them")
        require(roll.gate.count(refuge, "apply") == 0, f"{refuge} was updated, and is the refuge")
        context.note(says["needs_operator"][0]["reason"])
        roll.finish()
        require(all(lab.level_of(host) == roll.level for host in lab.hosts), "a host is not updated")
        check_unharmed(lab, [vm for vm in lab.vms if vm not in lost])
    finally:
        roll.end()


def long_refuge_dies(lab: Lab, context) -> None:
    """Empty, closed, not updated: nothing is lost, its update waits for it."""
    roll = Roll(lab, {**IMPATIENT, "gate_canary_s: 3": "gate_canary_s: 10"})
    try:
        filled = lab.empty_host()
        roll.start()
        roll.await_journal(lambda: roll.journal.entered("watching"), "a gate")
        refuge = roll.before.place[guests_of(lab, filled)[0]]
        lab.command("crash", refuge)
        says = await_person(roll, refuge)
        context.note(f"{[entry['reason'] for entry in says['needs_operator']]}, silent: "
                     f"{[(entry['host'], len(entry['vms'])) for entry in says['silent_hosts']]}")
        require(all(not entry["vms"] for entry in says["silent_hosts"]), "nothing is lost, and it names guests")
        check_unharmed(lab, lab.vms)
        lab.command("boot", refuge)
        await_daemon(lab, refuge)
        roll.before.boot_id[refuge] = lab.boot_id(refuge)
        roll.finish()
        check_guests_went_once(roll)
    finally:
        roll.end()


def check_guests_went_once(roll: Roll) -> None:
    check_hosts(roll)
    blackout = roll.lab.blackout()
    for vm in roll.lab.vms:
        check_guest(roll, vm, blackout[vm])


def long_target_dies_in_mid_migration(lab: Lab, context) -> None:
    """The first guest on its way to the updated host: it runs on where it was, and goes again later."""
    def crash_target(roll: Roll, step: dict[str, Any]) -> None:
        lab.command("crash", step["target"])
        lab.connections.pop(step["target"], None)

    roll = Roll(lab, {**IMPATIENT, **ONE_BY_ONE, "gate_s: 3": "gate_s: 1"})
    target = lab.empty_host()
    try:
        evidence = hunt(roll, lambda source, to: source.running and to.paused_for_migration, crash_target)
        require(evidence, "the moment did not come")
        says = await_person(roll, target)
        silent = only_silent(says, target)
        context.note(f"{target} crashed: {evidence}; then {says['needs_operator'][0]['reason']}; "
                     f"lost by what it says: {[entry['vm'] for entry in silent['vms']]}")
        require(not silent["vms"], f"nothing was lost, it says {silent['vms']}")
        check_unharmed(lab, lab.vms)
        lab.command("boot", target)
        await_daemon(lab, target)
        roll.finish()
        check_guests_went_once(roll)
    finally:
        roll.end()


@wrecks_lab
def long_source_dies_in_mid_migration(lab: Lab, context) -> None:
    """Its guests are lost, the one on its way too, for its memory was not complete: looked for on the target first."""
    struck: list[dict[str, Any]] = []

    def crash_source(roll: Roll, step: dict[str, Any]) -> None:
        lab.command("crash", step["source"])
        lab.connections.pop(step["source"], None)
        struck.append(step)

    roll = Roll(lab, {**IMPATIENT, **ONE_BY_ONE})
    try:
        evidence = hunt(roll, lambda source, target: source.running and target.paused_for_migration, crash_source)
        require(evidence, "the moment did not come")
        vm, source, target = (struck[0][name] for name in ("vm", "source", "target"))
        silent = only_silent(await_person(roll, source), source)
        check_told(roll, silent)
        moving = next(entry for entry in silent["vms"] if entry["vm"] == vm)
        require((moving["moving_from"], moving["moving_to"]) == (source, target), f"it says {moving}")
        context.note(f"{source} crashed: {evidence}; then on {target}: {lab.side(target, vm)}")
        # The first command looks at the target; what is there has never run.
        wait_for(lambda: not lab.side(target, vm).present, f"the end of {vm} on {target}")
        moving["commands"] = [line for line in moving["commands"] if " domstate " not in line]
        lost = [name for name in lab.vms if roll.before.place[name] == source]
        bring_back(roll, silent, lost, context)
        check_unharmed(lab, [name for name in lab.vms if name not in lost])
    finally:
        roll.end()


# ---------------------------------------------------------------------- a host comes back as something else


def test_host_comes_back_as_another(lab: Lab, context) -> None:
    """From its reboot: not at all, as another machine, without having rebooted, at another level. It stays closed, is
    neither updated nor rebooted again, and each time `run` goes on when a person has mended it."""
    roll = Roll(lab, IMPATIENT)
    host = lab.empty_host()
    try:
        start_until(roll, host, "reboot", "end")
        new_boot_id = lab.boot_id(host)
        require(new_boot_id != roll.before.boot_id[host], f"{host} has not rebooted")
        lab.command("crash", host)
        roll.gate.release(host, "reboot", "end")
        says = await_person(roll, rf"{host} cannot be read")
        require(not only_silent(says, host)["vms"], "an empty host, and it names guests")
        context.note(f"never back: {says['needs_operator'][0]['reason']}")

        lab.command("boot", host)
        lab.connections.pop(host, None)
        right_uuid = set_host_uuid(lab, host, str(uuid.uuid4()))
        roll.start()
        says = await_person(roll, "another machine", right_uuid)
        context.note(f"other UUID: {says['needs_operator'][0]['reason']}")

        set_host_uuid(lab, host, right_uuid)
        right_boot_id = set_boot_id(lab, host, roll.before.boot_id[host])
        roll.start()
        says = await_person(roll, "still has its old boot id", roll.before.boot_id[host])
        require(not says["silent_hosts"], f"{host} answers, and it says {says['silent_hosts']}")
        context.note(f"same boot id: {says['needs_operator'][0]['reason']}")

        set_boot_id(lab, host, right_boot_id)
        right_level = set_level(lab, host, "another-level")
        roll.start()
        says = await_person(roll, "another-level", right_level)
        context.note(f"other level: {says['needs_operator'][0]['reason']}")
        require(lab.is_closed(host), f"{host} was opened")

        set_level(lab, host, right_level)
        roll.finish()
        check_end(roll)
    finally:
        roll.end()


# ---------------------------------------------------------------------- a stage


def retry(roll: Roll, host: str) -> None:
    roll.start("--retry", host)


def test_stage_that_hangs_or_is_killed(lab: Lab, context) -> None:
    """Apply hangs, its program is killed in the middle, and so is its helper: asked each time, run again only when told
    by the host's name, and never without a new proof that the host is empty."""
    roll = Roll(lab, IMPATIENT)
    host = lab.empty_host()
    try:
        set_timeout(roll, "apply", 2)
        start_until(roll, host, "apply")
        says = await_person(roll, f"{host}: stage apply did not end in its time and was killed")
        context.note(says["needs_operator"][0]["reason"])
        require(not stage_processes(roll, host, "apply", "stage-gate"), "the stage still runs")

        set_timeout_long(roll)
        roll.start()  # plain: the stage is not begun again by that
        await_person(roll, "did not end in its time")
        require(roll.gate.count(host, "apply") == 1, "apply ran again without being told to")

        retry(roll, host)
        wait_for(lambda: roll.gate.count(host, "apply") == 2, "apply again")
        roll.await_held(host, "apply", "begin")
        kill(stage_processes(roll, host, "apply", "stage-gate"))
        says = await_person(roll, f"{host}: stage apply was killed by signal 9")
        context.note(says["needs_operator"][0]["reason"])

        retry(roll, host)
        wait_for(lambda: roll.gate.count(host, "apply") == 3, "apply once more")
        orphans = stage_processes(roll, host, "apply", "stage-gate")
        kill([helper_process(roll, host, "apply")])
        says = await_person(roll, f"{host}: stage apply was cut off and nobody knows how it ended")
        context.note(says["needs_operator"][0]["reason"])
        kill(orphans)
        require(lab.is_closed(host), f"{host} was opened")
        proofs = len(roll.journal.entered("proving-empty", host=host))
        roll.gate.release(host, "apply", "begin")
        retry(roll, host)
        status = roll.controllers[-1].wait()
        require(status == EXIT_DONE, f"run: exit {status}:\n{roll.controllers[-1].output[-3000:]}")
        require(len(roll.journal.entered("proving-empty", host=host)) >= proofs + 2, "not proven empty anew")
        require(roll.gate.count(host, "apply") == 4, f"apply ran {roll.gate.count(host, 'apply')} times")
        require(all(lab.level_of(name) == roll.level for name in lab.hosts), "a host is not updated")
        check_unharmed(lab, lab.vms)
    finally:
        roll.end()


def set_timeout_long(roll: Roll) -> None:
    path = roll.directory / "fleet.yaml"
    path.write_text(path.read_text().replace("timeout_s: 2}", "timeout_s: 600}"))


# ---------------------------------------------------------------------- a host is away for a while


@wrecks_lab
def long_link_cut_and_mended(lab: Lab, context) -> None:
    """Of a host with guests, in the middle: the rollout waits for it and goes on by itself."""
    roll = Roll(lab, {**IMPATIENT, "hold_unknown_ms: 90000": "hold_unknown_ms: 90000"})
    try:
        first = lab.empty_host()
        controller = start_until(roll, first, "apply")
        victims = [host for host in update_order(roll) if host != first]
        for victim in victims[-1:]:
            lab.command("cut", victim)
        roll.gate.release(first, "apply", "begin")
        wait_for(lambda: "waiting: " in controller.output or not controller.is_running, "a line that it waits")
        waiting = next(line for line in controller.output.splitlines() if "waiting: " in line)
        says = roll.query("status")
        require(says["silent_hosts"] and not says["silent_hosts"][0]["needs_operator"], f"status says {says}")
        require(not any(entry["commands"] for entry in says["silent_hosts"][0]["vms"]), "commands before one is asked")
        context.note(f"{victims[-1]} cut: {waiting}")
        lab.command("mend", victims[-1])
        status = controller.wait()
        require(status == EXIT_DONE, f"run: exit {status}:\n{controller.output[-3000:]}")
        require(all(lab.level_of(host) == roll.level for host in lab.hosts), "a host is not updated")
        check_unharmed(lab, lab.vms)
        for vm in lab.vms:
            require(len(lab.places(vm)) == 1, f"{vm} is not on one host")
    finally:
        lab.command("mend", victims[-1])
        roll.end()


def long_daemon_away_for_a_while(lab: Lab, context) -> None:
    """libvirtd of a host with guests stands still, is thawed, and nobody is the worse for it."""
    roll = Roll(lab, {"gate_s: 3": "gate_s: 1", "gate_canary_s: 3": "gate_canary_s: 1"})
    try:
        first = lab.empty_host()
        controller = start_until(roll, first, "apply")
        victim = update_order(roll)[-1]
        with lab.frozen(victim):
            roll.gate.release(first, "apply", "begin")
            wait_for(lambda: "waiting: " in controller.output or not controller.is_running, "a line that it waits")
        waiting = next(line for line in controller.output.splitlines() if "waiting: " in line)
        context.note(f"libvirtd of {victim} frozen: {waiting}")
        status = controller.wait()
        require(status == EXIT_DONE, f"run: exit {status}:\n{controller.output[-3000:]}")
        check_end(roll)
    finally:
        roll.end()


# ---------------------------------------------------------------------- a definition comes back


def test_definition_comes_back_after_the_reboot(lab: Lab, context) -> None:
    """Of a guest that has left, with autostart: swept away before the host opens, and the guest never notices."""
    roll = Roll(lab, {"gate_s: 3": "gate_s: 1", "gate_canary_s: 3": "gate_canary_s: 1"})
    try:
        vm = lab.vms[0]
        host = roll.before.place[vm]
        xml = lab.domain(host, vm).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
        controller = start_until(roll, host, "verify")
        await_daemon(lab, host)
        lab.connection(host).defineXML(xml).setAutostart(1)
        restart_daemon(lab, host)  # it starts what has autostart, if it may: the host is closed
        require(not lab.side(host, vm).running, f"{vm} runs on {host} again")
        roll.gate.release(host, "verify", "begin")
        status = controller.wait()
        require(status == EXIT_DONE, f"run: exit {status}:\n{controller.output[-3000:]}")
        rows = [record.body.get("row") for record in roll.journal.entered("undefining-source", vm=vm)]
        require(rows == ["O"], f"rows that undefined the stale definition: {rows}")
        check_hosts(roll)
        check_guest(roll, vm, lab.blackout()[vm])
        context.note(f"a definition of {vm} on {host} after its reboot: row {rows[0]} removed it before it opened")
    finally:
        roll.end()
