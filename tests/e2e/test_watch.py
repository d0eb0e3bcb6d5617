# SPDX-License-Identifier: LGPL-2.1-or-later
"""Updated hosts that turn bad: VMs that are watched in their host's gate go back to the refuge that is kept for them,
by themselves or because a person says so."""

from __future__ import annotations

import signal

from labtest import Lab, require
from rolltest import EXIT_DONE, EXIT_NEEDS_OPERATOR, Controller, Roll, check_hosts

EXIT_REFUSED = 3
EXIT_GOES_ON_LATER = 7
EXIT_MIGRATED_BACK = 8

# In the shares of a CPU that `lab load` gives to a host: its guests wait for most of the time.
STARVED_PERCENT = 15
STARVED_IOPS = 2
DIRTY_MIB_PER_S = 400  # what makes its guests want a CPU

WATCHED = {
    "gate_s: 3": "gate_s: 90", "gate_canary_s: 3": "gate_canary_s: 90",
    "recovery:\n": "health:\n  watch: true\n  interval_ms: 1000\n  way_back: automatic\n"
                   "  limits: {warm_up_samples: 3}\n\nrecovery:\n",
}
SHORT_GATES = {"gate_s: 3": "gate_s: 8", "gate_canary_s: 3": "gate_canary_s: 8"}


def ask(roll: Roll, *verb: str) -> Controller:
    """A person's word, and what it leads to, until the program ends."""
    yes = [] if "close" in verb else ["--yes"]
    controller = Controller(roll.lab, roll.arguments([*verb, *yes]),
                            roll.directory / f"ask-{len(roll.controllers) + 1}.log")
    roll.controllers.append(controller)
    controller.wait()
    return controller


def require_exit(controller: Controller, status: int, what: str) -> None:
    require(controller.process.returncode == status,
            f"{what}: exit {controller.process.returncode}, not {status}:\n{controller.output[-3000:]}")


def release(roll: Roll, host: str) -> None:
    """What made it bad is gone: it may take VMs again, by a plan made anew."""
    released = ask(roll, "rollout", "release", host, "--reason", "it was something else")
    require_exit(released, EXIT_NEEDS_OPERATOR, "release")
    require(not roll.lab.is_closed(host), f"{host} is still closed")


def close(roll: Roll) -> None:
    closed = ask(roll, "rollout", "close", "--reason", "the test ends")
    require_exit(closed, EXIT_DONE, "close")


def await_gate(roll: Roll, number: int = 1) -> dict:
    """The plan's step of the first gate, or a later one, once it watches and its host was judged."""
    def now() -> dict | None:
        gates = [roll.journal.steps[record.step] for record in roll.journal.records() if record.phase == "watching"]
        return gates[number - 1] if len(gates) >= number else None
    return roll.await_journal(now, f"gate {number} begins")


def await_judged(roll: Roll, host: str) -> None:
    roll.await_journal(lambda: [record for record in roll.journal.records()
                                if record.kind == "host-judged" and record.body["host"] == host],
                       f"a first judgement of {host}")


def await_alert(roll: Roll, host: str) -> str:
    """Its sentence."""
    alert = roll.await_journal(lambda: next((record for record in roll.journal.records()
                                             if record.kind == "host-alerted" and record.body["host"] == host), None),
                               f"an alert of {host}")
    verdict = next(record for record in reversed(roll.journal.records()) if record.kind == "host-judged")
    return f"{alert.body['reason']} [{verdict.body['rule']}]"


def check_evacuated(roll: Roll, gate: dict, rolled: dict[str, str] | None = None) -> None:
    """Every VM of the host is back where it came from, running as it did, and nobody else was touched: `rolled` are the
    VMs that had been rolled before, by their new host."""
    lab, bad = roll.lab, gate["host"]
    expected = {**roll.before.place, **(rolled or {})}
    for vm in lab.vms:
        places = lab.places(vm)
        require(len(places) == 1 and all(side.running for side in places.values()), f"{vm} is on {places}")
        require(lab.place(vm) == expected[vm], f"{vm} is on {lab.place(vm)}, not on {expected[vm]}")
    require(lab.is_closed(bad), f"{bad} is open")
    require(not lab.is_closed(gate["source"]), f"{gate['source']} is still closed")
    for host in lab.hosts:
        updated = host == bad or host in (rolled or {}).values()
        require((lab.level_of(host) == roll.level) == updated, f"{host} is at {lab.level_of(host)}")
    for vm, saw in lab.blackout().items():
        before = roll.before.blackout[vm]
        require(saw["boots"] == before["boots"], f"{vm} has booted")
        require(saw["bad_pages"] == before["bad_pages"], f"{vm} has bad pages")


def test_host_whose_guests_starve_is_left_by_itself(lab: Lab, context) -> None:
    """After its update a host has no CPU for its guests: that is found, and they go back without anybody's help."""
    roll = Roll(lab, WATCHED)
    try:
        controller = roll.start()
        gate = await_gate(roll)
        await_judged(roll, gate["host"])
        for vm in lab.vms:
            lab.command("dirty", vm, str(DIRTY_MIB_PER_S))
        lab.command("load", gate["host"], str(STARVED_PERCENT))
        context.note(await_alert(roll, gate["host"]))
        lab.command("load", gate["host"], "0")  # it is slow to leave with so little
        for vm in lab.vms:
            lab.command("dirty", vm, "5")
        controller.wait()
        require_exit(controller, EXIT_MIGRATED_BACK, "the roll")
        check_evacuated(roll, gate)
        require("ALERT on " + gate["host"] in controller.output, f"nobody was told:\n{controller.output[-2000:]}")
        release(roll, gate["host"])
    finally:
        for host in lab.hosts:
            lab.command("load", host, "0")
        for vm in lab.vms:
            lab.command("dirty", vm, "5")
        roll.end()
    close(roll)


def test_host_whose_disks_are_slow_is_left_by_itself(lab: Lab, context) -> None:
    """The first host passes its gate; on the second one, after its update, requests to the disks take half a second.
    Its VMs go back, those on the first stay."""
    roll = Roll(lab, {**WATCHED, "gate_s: 3": "gate_s: 40", "gate_canary_s: 3": "gate_canary_s: 40",
                      "recovery:\n": WATCHED["recovery:\n"].replace("interval_ms: 1000", "interval_ms: 500")})
    try:
        controller = roll.start()
        first = await_gate(roll)
        second = await_gate(roll, 2)
        await_judged(roll, second["host"])
        rolled = {vm: first["host"] for vm, host in roll.before.place.items() if host == first["source"]}
        victims = [vm for vm in lab.vms if vm not in rolled]
        for vm in victims:
            lab.command("throttle", vm, str(STARVED_IOPS))
        context.note(await_alert(roll, second["host"]))
        controller.wait()
        require_exit(controller, EXIT_MIGRATED_BACK, "the roll")
        check_evacuated(roll, second, rolled)
        release(roll, second["host"])
    finally:
        for vm in lab.vms:
            lab.command("throttle", vm, "0")
        roll.end()
    close(roll)


def test_person_brings_vms_back_and_goes_on(lab: Lab, context) -> None:
    """In the gate a person stops the roll, has the VMs migrate back, releases the host, and goes on by a new plan."""
    roll = Roll(lab, SHORT_GATES)
    try:
        controller = roll.start()
        gate = await_gate(roll)
        controller.signal(signal.SIGINT)
        controller.wait()
        require_exit(controller, EXIT_GOES_ON_LATER, "the stop")
        back = ask(roll, "rollout", "undo", gate["host"], "--reason", "users complain")
        require_exit(back, EXIT_MIGRATED_BACK, "undo")
        check_evacuated(roll, gate)
        context.note(next(line for line in back.output.splitlines() if line.startswith("Back from")))

        refused = ask(roll, "rollout", "replan")
        require_exit(refused, EXIT_REFUSED, "replan with one host down at most")
        release(roll, gate["host"])
        done = ask(roll, "rollout", "replan")
        require_exit(done, EXIT_DONE, "replan")
        check_hosts(roll)
    finally:
        roll.end()
