# SPDX-License-Identifier: LGPL-2.1-or-later
"""`kill -9` of the controller at every named phase, and at random moments.

A kill is triggered by what is observed (the journal, libvirt on both sides, a stage that is held up), never by time.
Each is followed by `run` again, which is killed at the next phase, until the last one ends the rollout; then the same
must hold as after a rollout that nobody disturbed. A phase that was not hit is tried again with the next guest, in the
next rollout; not hit at all fails the test.
"""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any
from pathlib import Path

from labtest import HERE, Failure, Lab, Side, require, wait_for
from rolltest import EXIT_DONE, Controller, Roll, check_end

ROLLS_MAX = 3
# Keepalives and questions have 28 to 60 bytes, a migrate call with its URIs and parameters about 170.
CALL_BYTES = 150
SEEDED_KILLS_PER_ROLL = 5

# One migration at a time, so that it is known which one is hit.
ONE_BY_ONE = {"limits:\n": "limits:\n  migrations_max: 1\n", "gate_s: 3": "gate_s: 1",
              "gate_canary_s: 3": "gate_canary_s: 1"}

# A phase's arrangement: runs the controller of the roll and kills it; returns the evidence, or None for a miss.
Arrange = Callable[[Roll], str | None]


# ---------------------------------------------------------------------- what is where


def migrating(roll: Roll) -> dict[str, str] | None:
    """The plan's step of the migration whose call is out, by the journal."""
    last: dict[int, str] = {}
    for record in roll.journal.records():
        if record.phase is not None:
            last[record.step] = record.phase
    for step, phase in last.items():
        if phase == "migrating":
            return roll.journal.steps[step]
    return None


def sides(roll: Roll, step: dict[str, str]) -> tuple[Side, Side]:
    return roll.lab.side(step["source"], step["vm"]), roll.lab.side(step["target"], step["vm"])


def tell(roll: Roll, step: dict[str, str], source: Side, target: Side) -> str:
    return f"{roll.journal.describe_end()}; {step['source']}: {source}; {step['target']}: {target}"


# ---------------------------------------------------------------------- arrangements: a migration


def build_stop_at(roll: Roll) -> Path:
    library = roll.directory / "stop-at.so"
    if not library.exists():
        subprocess.run(["gcc", "-std=gnu17", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library,
                        HERE / "stop-at.c", "-ldl"], check=True)
    return library


def start_stopping(roll: Roll, moment: str) -> Controller:
    """Runs until the next migrate call has stopped the process at that moment (stop-at.c)."""
    controller = roll.start(LD_PRELOAD=str(build_stop_at(roll)), STOP_AT=moment)
    wait_for(lambda: controller.is_stopped, f"the controller stopped at its migrate call ({moment})")
    return controller


def intent_durable(roll: Roll) -> str | None:
    """(a) The intent is in the journal, nothing is sent."""
    controller = start_stopping(roll, "before")
    step = migrating(roll)
    require(step, f"a call is about to go out without an intent: {roll.journal.describe_end()}")
    roll.lab.connect_all()
    source, target = sides(roll, step)
    require(source.running and not source.job and not target.present,
            f"sent already: {tell(roll, step, source, target)}")
    controller.kill()
    return tell(roll, step, source, target)


def call_sent(roll: Roll) -> str | None:
    """(b) The call lies unread in the socket of the source's daemon when its sender dies."""
    controller = start_stopping(roll, "send")
    step = migrating(roll)
    require(step, f"a call is about to go out without an intent: {roll.journal.describe_end()}")
    unread = 0
    with roll.lab.frozen(step["source"]):
        controller.signal(signal.SIGCONT)
        # Keepalives give a frozen daemon up after 3 to 4 s.
        deadline = time.monotonic() + 2.5
        while unread < CALL_BYTES and time.monotonic() < deadline:
            unread = roll.lab.unread_bytes(step["source"], controller.process.pid)
        if unread >= CALL_BYTES:
            controller.kill()
    if unread >= CALL_BYTES:
        return f"{roll.journal.describe_end()}; {unread} bytes unread by {step['source']}"
    require(controller.wait() == EXIT_DONE, f"run: exit {controller.process.returncode}:\n{controller.output[-3000:]}")
    return None


def kill_controller(roll: Roll, step: dict[str, Any]) -> None:
    roll.controllers[-1].kill()


def hunt(roll: Roll, is_moment: Callable[[Side, Side], bool],
         strike: Callable[[Roll, dict[str, Any]], None] = kill_controller) -> str | None:
    """Strikes when both sides of a migration are seen in a state; the source is read before and after the target."""
    lab, controller = roll.lab, roll.start()
    lab.connect_all()
    while controller.is_running:
        step = migrating(roll)
        while step and controller.is_running:
            source, target = (lab.side(step[end], step["vm"], with_job=False) for end in ("source", "target"))
            again = lab.side(step["source"], step["vm"]) if is_moment(source, target) else source
            if again is not source and is_moment(again, target):
                strike(roll, step)
                return tell(roll, step, again, target)
            if not source.present:
                break
            time.sleep(0.001)
        time.sleep(0.002)
    require(controller.wait() == EXIT_DONE, f"run: exit {controller.process.returncode}:\n{controller.output[-3000:]}")
    return None


def pre_copy(roll: Roll) -> str | None:
    """(c) Memory is on its way, the guest runs on its source."""
    return hunt(roll, lambda source, target: source.running and target.paused_for_migration)


def both_paused(roll: Roll) -> str | None:
    """(d) The guest stands still on both sides."""
    return hunt(roll, lambda source, target: source.paused_for_migration and target.paused_for_migration)


def target_running(roll: Roll) -> str | None:
    """(e) It runs on the target, and its source is still there."""
    return hunt(roll, lambda source, target: source.paused_for_migration and target.running)


def settled_not_journaled(roll: Roll) -> str | None:
    """(f) The world has settled, the journal says that the call is out."""
    controller = start_stopping(roll, "after")
    step = migrating(roll)
    require(step, f"a call has come back without an intent: {roll.journal.describe_end()}")
    roll.lab.connect_all()
    source, target = sides(roll, step)
    require(target.running and not source.present, f"not settled: {tell(roll, step, source, target)}")
    controller.kill()
    return tell(roll, step, source, target)


# ---------------------------------------------------------------------- arrangements: a host


def next_host(roll: Roll) -> str:
    """The host that the plan updates first; planned by the first of the kills."""
    updates = [step for step in roll.journal.steps.values() if step["kind"] == "update"]
    return min(updates, key=lambda step: step["id"])["host"]


def proving_empty(roll: Roll) -> str | None:
    """(g) The lists that prove a host empty are asked for and not answered."""
    host = roll.lab.empty_host()
    roll.gate.hold(host, "before", "end")
    controller = roll.start()
    roll.await_held(host, "before", "end")
    with roll.lab.frozen(host):
        roll.gate.release(host, "before", "end")
        roll.await_journal(lambda: roll.journal.phase_of(kind="update", host=host) == "proving-empty",
                           f"{host} in proving-empty")
        controller.kill()
        evidence = f"{roll.journal.describe_end()}; libvirtd of {host} frozen"
    require(roll.journal.phase_of(kind="update", host=host) == "proving-empty", f"missed: {evidence}")
    require(roll.gate.count(host, "apply") == 0, f"{host}: apply began before the host was proven empty")
    return evidence


def kill_in_stage(roll: Roll, stage: str, phase: str, held: str | None = None) -> str:
    """While a stage runs, which is left held up; as `held` is, until the controller is at work again."""
    host = next_host(roll)
    starts = controller_starts(roll)
    roll.gate.hold(host, stage, "begin")
    controller = roll.start()
    if held:
        roll.await_journal(lambda: controller_starts(roll) > starts, "the controller at work again")
        require(roll.gate.is_held(host, held, "begin"), f"stage {held} of {host} is not held up any more")
        roll.gate.release(host, held, "begin")
    roll.await_held(host, stage, "begin")
    controller.kill()
    evidence = f"{roll.journal.describe_end()}; stage {stage} of {host} runs"
    require(roll.journal.phase_of(kind="update", host=host) == phase, f"missed {phase}: {evidence}")
    return evidence


def end_stage(roll: Roll, stage: str) -> None:
    """Without a controller."""
    host = next_host(roll)
    roll.gate.release(host, stage, "begin")
    wait_for(lambda: roll.gate.count(host, stage, "end"), f"the end of stage {stage} of {host}")


def apply(roll: Roll) -> str | None:
    """(h) The next controller finds the stage under way: it still runs when that one is at work."""
    return kill_in_stage(roll, "apply", "applying") + " until the next controller works"


def reboot(roll: Roll) -> str | None:
    """(i) The host reboots while there is no controller."""
    host = next_host(roll)
    old = roll.lab.boot_id(host)
    evidence = kill_in_stage(roll, "reboot", "rebooting", held="apply")
    end_stage(roll, "reboot")
    require(roll.lab.boot_id(host) != old, f"{host} has not rebooted")
    return f"{evidence}, and it rebooted without a controller"


def controller_starts(roll: Roll) -> int:
    return sum(record.kind == "controller-started" for record in roll.journal.records())


def verify(roll: Roll) -> str | None:
    """(j) Verify runs, and ends without a controller."""
    evidence = kill_in_stage(roll, "verify", "verifying")
    end_stage(roll, "verify")
    return evidence


# ---------------------------------------------------------------------- tests


def count_calls(roll: Roll) -> str:
    lab, before = roll.lab, roll.before
    return ", ".join(f"{vm} {len(roll.journal.entered('migrating', vm=vm))}/"
                     f"{len(lab.initiated(vm)) - before.initiated[vm]}/"
                     f"{len(lab.departures(vm)) - before.departures[vm]}" for vm in lab.vms)


def kill_in_turn(lab: Lab, context, wanted: list[tuple[str, Arrange]]) -> None:
    """Each arrangement in order, as many per rollout as it has guests for; then the rest of the rollout."""
    for _ in range(ROLLS_MAX):
        roll = Roll(lab, ONE_BY_ONE)
        try:
            while wanted and not has_ended(roll) and kill_once(roll, context, wanted[0]):
                wanted = wanted[1:]
            finish(roll)
            check_end(roll)
            context.note(f"{roll.level}: calls by the journal / begun by libvirt / arrived: {count_calls(roll)}")
        finally:
            roll.end()
        if not wanted:
            return
    raise Failure(f"not hit in {ROLLS_MAX} rollouts: {', '.join(name for name, _ in wanted)}")


def kill_once(roll: Roll, context, wanted: tuple[str, Arrange]) -> bool:
    name, arrange = wanted
    evidence = arrange(roll)
    context.note(f"killed at {name}: {evidence}" if evidence else f"missed {name} in {roll.level}; once more")
    return evidence is not None


def has_ended(roll: Roll) -> bool:
    phases = [record.body["phase"] for record in roll.journal.records() if record.kind == "rollout-phase"]
    return bool(phases) and phases[-1] == "done"


def finish(roll: Roll) -> None:
    if not has_ended(roll):
        roll.finish()


def test_host_phases(lab: Lab, context) -> None:
    """Empty proof, apply, reboot and verify, of the same host in one rollout."""
    kill_in_turn(lab, context, [("proving-empty (g)", proving_empty), ("apply (h)", apply), ("reboot (i)", reboot),
                                ("verify (j)", verify)])


def test_call_phases(lab: Lab, context) -> None:
    """Around the call itself: intent made, call sent, call returned."""
    kill_in_turn(lab, context, [("intent durable, call not sent (a)", intent_durable),
                                ("call sent, not read (b)", call_sent),
                                ("settled, not journaled (f)", settled_not_journaled)])


def test_copy_phases(lab: Lab, context) -> None:
    """While the guest moves."""
    kill_in_turn(lab, context, [("pre-copy (c)", pre_copy), ("both sides paused (d)", both_paused),
                                ("target runs, source not gone (e)", target_running)])


def kill_at_random(roll: Roll, chance: random.Random) -> str | None:
    """After a random journal record of this process, and a random delay on top of it."""
    records, delay_s = chance.randrange(1, 36), chance.random() * 0.25
    begun = roll.journal.last_sequence()
    controller = roll.start()
    while controller.is_running and roll.journal.last_sequence() < begun + records:
        time.sleep(0.002)
    time.sleep(delay_s)  # the point of it: any moment after that record
    if not controller.is_running:
        require(controller.wait() == EXIT_DONE, f"run: exit {controller.process.returncode}:\n{controller.output}")
        return None
    controller.kill()
    return f"{records} records + {delay_s * 1000:.0f} ms: {roll.journal.describe_end()}"


def kill_at_random_moments(lab: Lab, context, wanted: int) -> None:
    chance = random.Random(context.seed)
    context.note(f"--seed {context.seed}")
    kills = 0
    while kills < wanted:
        roll = Roll(lab)
        try:
            for _ in range(min(SEEDED_KILLS_PER_ROLL, wanted - kills)):
                evidence = None if has_ended(roll) else kill_at_random(roll, chance)
                if evidence is None:
                    break
                kills += 1
                context.note(f"killed at moment {kills}: {evidence}")
            finish(roll)
            check_end(roll)
            context.note(f"calls by the journal / begun by libvirt / arrived: {count_calls(roll)}")
        finally:
            roll.end()


def test_random_moments(lab: Lab, context) -> None:
    """Ten moments by seed; two migrations at a time, as the lab's policy has it."""
    kill_at_random_moments(lab, context, 10)


def long_random_moments(lab: Lab, context) -> None:
    """A hundred of them."""
    kill_at_random_moments(lab, context, 100)


def long_copy_phases(lab: Lab, context) -> None:
    """The narrow moments again and again."""
    for _ in range(10):
        test_copy_phases(lab, context)


def long_call_phases(lab: Lab, context) -> None:
    for _ in range(10):
        test_call_phases(lab, context)
