# SPDX-License-Identifier: LGPL-2.1-or-later
"""Somebody starts a guest on a host that is closed for its update, in each gap before the update and the reboot.

With libvirt's hook on the host libvirt refuses. Without it the guest starts; that must be noticed before the host is
updated or rebooted under it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import libvirt

from labtest import Lab, require
from rolltest import EXIT_DONE, EXIT_NEEDS_OPERATOR, Roll, check_end

HOOK_MESSAGE = "virt-roll has closed this host to guests"

# Firmware without anything to boot: it halts, and costs next to nothing.
SPARE_XML = """
<domain type='{type}'>
  <name>{name}</name>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type></os>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
"""


@dataclass(frozen=True)
class Gap:
    """Between two steps of the update: a stage is held up at this point while the guest is started."""

    name: str
    stage: str
    point: str
    phase: str  # in which the guest must be noticed


GAPS = [
    Gap("after close", "facts", "begin", "proving-empty"),
    Gap("after facts", "assess", "begin", "proving-empty"),
    Gap("before apply", "before", "end", "proving-empty"),
    Gap("before the reboot", "apply", "end", "proving-empty-again"),
]


@contextlib.contextmanager
def spares(lab: Lab) -> Iterator[dict[str, libvirt.virDomain]]:
    """On each host a guest that is shut off, and what it is called."""
    kind = "kvm" if (lab.state / "accelerator").read_text().strip() == "kvm" else "qemu"
    names = {host: f"spare-{host}" for host in lab.hosts}
    for host, name in names.items():
        xml = SPARE_XML.format(type=kind, name=name, emulator=lab.state / "guests/emulator")
        lab.connection(host).defineXML(xml)
    try:
        yield names
    finally:
        for host, name in names.items():
            domain = lab.domain(host, name)
            if domain.isActive():
                domain.destroy()
            domain.undefine()


def start_by_hand(lab: Lab, host: str, name: str) -> str | None:
    """None if it runs, else what libvirt said."""
    try:
        lab.domain(host, name).create()
    except libvirt.libvirtError as error:
        return str(error)
    return None


def update_order(roll: Roll) -> list[str]:
    steps = sorted(roll.journal.steps.values(), key=lambda step: step["id"])
    return [step["host"] for step in steps if step["kind"] == "update"]


def test_hook_refuses(lab: Lab, context) -> None:
    """In every gap of the first host's update; the rollout goes on as if nothing had been."""
    roll = Roll(lab)
    host = lab.empty_host()
    try:
        with spares(lab) as names:
            for gap in GAPS:
                roll.gate.hold(host, gap.stage, gap.point)
            controller = roll.start()
            for gap in GAPS:
                roll.await_held(host, gap.stage, gap.point)
                require(lab.is_closed(host), f"{host} is not closed {gap.name}")
                said = start_by_hand(lab, host, names[host])
                require(said is not None, f"a guest could be started on {host} {gap.name}")
                require(HOOK_MESSAGE in said, f"libvirt refused for another reason: {said}")
                context.note(f"{gap.name}: refused: {said[said.index(HOOK_MESSAGE):].splitlines()[0]}")
                roll.gate.release(host, gap.stage, gap.point)
            status = controller.wait()
            require(status == EXIT_DONE, f"run: exit {status}:\n{controller.output[-3000:]}")
            check_end(roll)
            said = start_by_hand(lab, host, names[host])
            require(said is None, f"{host} is open and refuses a guest: {said}")
    finally:
        roll.end()


@contextlib.contextmanager
def without_hooks(lab: Lab) -> Iterator[None]:
    """libvirtd looks for hooks only when it starts."""
    hooks = {host: lab.host_file(host, "etc/hooks/qemu") for host in lab.hosts}
    for host, hook in hooks.items():
        hook.rename(hook.with_name("absent"))
        restart_daemon(lab, host)
    try:
        yield
    finally:
        for host, hook in hooks.items():
            hook.with_name("absent").rename(hook)
            restart_daemon(lab, host)


def restart_daemon(lab: Lab, host: str) -> None:
    lab.command("stop", host)
    lab.command("start", host)


def intrude(roll: Roll, host: str, gap: Gap, spare: str, context, *options: str) -> None:
    """Starts the guest in the gap; the controller must stop there and ask a person."""
    lab = roll.lab
    level, boot_id = lab.level_of(host), lab.boot_id(host)
    roll.gate.hold(host, gap.stage, gap.point)
    controller = roll.start(*options)
    roll.await_held(host, gap.stage, gap.point)
    require(lab.is_closed(host), f"{host} is not closed {gap.name}")
    said = start_by_hand(lab, host, spare)
    require(said is None, f"without a hook, and yet {spare} cannot be started on {host}: {said}")
    applied = roll.gate.count(host, "apply")
    roll.gate.release(host, gap.stage, gap.point)

    status = controller.wait()
    require(status == EXIT_NEEDS_OPERATOR, f"{spare} was started on {host} {gap.name}: exit {status}, not "
                                           f"{EXIT_NEEDS_OPERATOR}:\n{controller.output[-3000:]}")
    told = next(entry for entry in roll.report()["hosts"] if entry["host"] == host)
    require(told["phase"] == "needs-operator", f"{host} is {told['phase']}")
    require(host in told["reason"] and spare in told["reason"], f"the reason names not both: {told['reason']}")
    require(spare in controller.output, f"the command's output does not name {spare}:\n{controller.output[-3000:]}")
    status_says = roll.query("status", expected=EXIT_NEEDS_OPERATOR)
    require(status_says["phase"] == "needs-operator" and not status_says["controller_alive"],
            f"status says {status_says['phase']}, alive: {status_says['controller_alive']}")
    require(spare in str(status_says["reason"]), f"status gives another reason: {status_says['reason']}")
    entered = [record.phase for record in roll.journal.records()
               if record.phase and roll.journal.steps[record.step].get("host") == host]
    require(entered[-2:] == [gap.phase, "needs-operator"], f"noticed in {entered[-2:]}, not in {gap.phase}")
    require(roll.gate.count(host, "apply") == applied, f"{host} was updated under {spare}")
    require(roll.gate.count(host, "reboot") == 0, f"{host} was rebooted under {spare}")
    require((lab.level_of(host), lab.boot_id(host)) == (level, boot_id), f"{host} was changed under {spare}")
    require(lab.is_closed(host), f"{host} was opened while it waits for a person")
    require(lab.side(host, spare).running, f"{spare} does not run on {host} any more")
    context.note(f"{gap.name}: exit {status}: {told['reason']}")
    lab.domain(host, spare).destroy()


def test_noticed_without_hook(lab: Lab, context) -> None:
    """The hosts' updates in their order, a gap or two in each; once the guest is shut off, `run` goes on, plain or with
    --retry."""
    with without_hooks(lab):
        roll = Roll(lab)
        try:
            with spares(lab) as names:
                first = lab.empty_host()
                intrude(roll, first, GAPS[0], names[first], context)
                intrude(roll, first, GAPS[3], names[first], context, "--retry", first)
                order = update_order(roll)
                require(order[0] == first, f"{first} is not updated first: {order}")
                for host, gap in zip(order[1:], GAPS[1:3]):
                    intrude(roll, host, gap, names[host], context)
                roll.finish()
                check_end(roll)
        finally:
            roll.end()
