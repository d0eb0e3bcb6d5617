# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every party to a migration is killed or frozen at every phase of it, and its link is cut.

Each cell of the matrix names how the migration may end, by the recovery table (docs/internals/recovery.md). Where a
person is asked, one does what docs/operating/when-it-stops.md says, and the rollout goes on. It always ends, and then
every guest runs once, where the plan wants it, as nobody had touched it but for what the cell says.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

import libvirt

from faults import AFTER, BEGIN, FINISH, MIDDLE, STRIKES, SWITCH, Hit, Phase, Stops, await_phase, qemu_pids
from labtest import Lab, describe, require, wait_for
from rolltest import EXIT_DONE, EXIT_NEEDS_OPERATOR, Roll, check_hosts
from test_kill import ONE_BY_ONE, has_ended

ROLLS_MAX = 8
OUTCOME_S = 150.0

# A rollout takes several faults of one VM, so it may try that VM often.
POLICY = ONE_BY_ONE | {"attempts_max: 3": "attempts_max: 20"}
SLOW = POLICY | {"limits:\n  migrations_max: 1\n": "limits:\n  migrations_max: 1\n  stream_mib_per_s: 20\n"}

# What a migration may have come to. "asks X": a person is asked by row X of the table.
SETTLED = "settled"
BACK = "rolled-back"

# What the table allows to be done, and by which row.
ACTIONS = {"aborting": {"J"}, "resuming-source": {"E"}, "destroying-source": {"G"}, "undefining-source": {"O"},
           "undefining-target": {"B"}, "defining-target": {"H", "N"}}

# What libvirt does alone: it resumes the source when the answer to Finish is lost, and the target runs as well.
SPLIT = "asks D"
# The same, and then the target's copy is killed by its own daemon or ended with it.
MAY_HAVE_RUN = "asks C"
# QEMU 7.2 on the source may die of this when its target goes away while both are paused.
DIED = "asks V"
ASSERTION = "Assertion `!(bs->open_flags & BDRV_O_INACTIVE)' failed"

# Of a VM that is shut off: `virsh migrate --offline --p2p --persistent --undefinesource`.
OFFLINE = (libvirt.VIR_MIGRATE_OFFLINE | libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_PERSIST_DEST |
           libvirt.VIR_MIGRATE_UNDEFINE_SOURCE)


@dataclass(frozen=True)
class Cell:
    victim: str
    strike: str
    phase: Phase
    allowed: tuple[str, ...]
    why: str

    def __str__(self) -> str:
        return f"{self.phase.name}: {self.victim} {self.strike}"


def cells_of(phase: Phase, rows: list[tuple[str, str, tuple[str, ...], str]]) -> list[Cell]:
    return [Cell(victim, strike, phase, allowed, why) for victim, strike, allowed, why in rows]


def before_switch(phase: Phase) -> list[Cell]:
    """The target has nothing that could run: it ends on the source, or the migration does not notice."""
    return cells_of(phase, [
        ("controller", "kill", (SETTLED,), "peer to peer: it goes on"),
        ("controller", "freeze", (SETTLED,), "peer to peer: it goes on"),
        ("source-daemon", "kill", (BACK,), "cancelled when the daemon is back"),
        ("source-daemon", "freeze", (BACK, SETTLED), "the target may have given its peer up"),
        ("target-daemon", "kill", (BACK,), "it ends the half-received guest when it is back"),
        ("target-daemon", "freeze", (BACK, SETTLED, SPLIT), "the source gives its peer up; Finish may be read late"),
        ("source-qemu", "kill", (DIED,), "the only copy is gone"),
        ("source-qemu", "freeze", (BACK, SETTLED), "QEMU has no keepalive"),
        ("target-qemu", "kill", (BACK,), "the source runs on"),
        ("target-qemu", "freeze", (BACK, SETTLED), "QEMU has no keepalive"),
        ("target-link", "cut", (BACK,), "the source gives its peer up and runs on"),
        ("source-link", "cut", (BACK,), "the same; nothing is decided before the source can be read"),
    ])


SWITCH_CELLS = cells_of(SWITCH, [
    ("controller", "kill", (SETTLED,), "peer to peer: it goes on"),
    ("controller", "freeze", (SETTLED,), "peer to peer: it goes on"),
    ("source-daemon", "kill", (BACK, DIED), "it resumes the source when it is back"),
    ("source-daemon", "freeze", (BACK, SETTLED, DIED), "the target may have given its peer up"),
    ("target-daemon", "kill", (BACK, DIED), "nothing ran there; or QEMU's assertion"),
    ("target-daemon", "freeze", (BACK, SETTLED, SPLIT, DIED), "the source gives its peer up; Finish may be read late"),
    ("source-qemu", "kill", (DIED,), "the only complete copy is gone"),
    ("source-qemu", "freeze", (BACK, SETTLED), "QEMU has no keepalive"),
    ("target-qemu", "kill", (BACK, DIED), "nothing ran there; or QEMU's assertion"),
    ("target-qemu", "freeze", (BACK, SETTLED), "QEMU has no keepalive"),
    ("target-link", "cut", (BACK, DIED), "the source gives its peer up"),
    ("source-link", "cut", (BACK, DIED), "the same; nothing is decided before the source can be read"),
])

FINISH_CELLS = cells_of(FINISH, [
    ("controller", "kill", (SETTLED,), "peer to peer: it goes on"),
    ("controller", "freeze", (SETTLED,), "peer to peer: it goes on"),
    ("source-daemon", "kill", (SETTLED, "asks F"), "row G; or auto-destroy has taken the target away"),
    ("source-daemon", "freeze", (SETTLED, SPLIT, MAY_HAVE_RUN, BACK), "the target may have given its peer up"),
    ("target-daemon", "kill", (MAY_HAVE_RUN, BACK, DIED), "the definition is saved before the guest starts"),
    ("target-daemon", "freeze", (SETTLED, SPLIT, MAY_HAVE_RUN, BACK, DIED), "the source may have resumed"),
    ("source-qemu", "kill", (SETTLED,), "all is sent: row O removes its definition"),
    ("source-qemu", "freeze", (SETTLED,), "all is sent"),
    ("target-qemu", "kill", (BACK, MAY_HAVE_RUN, DIED), "row B, if libvirt says that it failed to start"),
    ("target-qemu", "freeze", (SETTLED, BACK), "QEMU has no keepalive"),
    ("target-link", "cut", (SETTLED, SPLIT, MAY_HAVE_RUN, BACK, DIED), "the answer to Finish is lost"),
    ("source-link", "cut", (SETTLED, SPLIT, MAY_HAVE_RUN, BACK, DIED), "the answer to Finish is lost"),
])

AFTER_CELLS = cells_of(AFTER, [
    ("controller", "kill", (SETTLED,), "peer to peer: it goes on"),
    ("controller", "freeze", (SETTLED,), "peer to peer: it goes on"),
    ("source-daemon", "kill", (SETTLED,), "row G"),
    ("source-daemon", "freeze", (SETTLED, SPLIT), "the answer waits in the socket"),
    ("target-daemon", "kill", (SPLIT,), "libvirt resumes the source when the answer is lost"),
    ("target-daemon", "freeze", (SPLIT,), "libvirt resumes the source when the answer is late"),
    ("source-qemu", "kill", (SETTLED,), "libvirt removes its definition, else row O"),
    ("source-qemu", "freeze", (SETTLED,), "libvirt ends it, sooner or later"),
    ("target-qemu", "kill", (DIED,), "the newest copy is gone"),
    ("target-qemu", "freeze", (SETTLED,), "it goes on where it stood"),
    ("target-link", "cut", (SPLIT,), "libvirt resumes the source when the answer is lost"),
    ("source-link", "cut", (SPLIT,), "libvirt resumes the source when the answer is lost"),
])


# ---------------------------------------------------------------------- one rollout with faults


@dataclass
class Faulty:
    """A rollout that faults are struck in, and what they have done to the guests."""

    roll: Roll
    restarted: dict[str, int] = field(default_factory=dict)  # by a person, because it had died
    target_ran_last: bool = False  # its daemon hung until libvirt had resumed the source
    split: set[str] = field(default_factory=set)  # ran twice, by libvirt alone
    unheard: set[str] = field(default_factory=set)  # was behind a cut link
    unasked: set[str] = field(default_factory=set)  # moved by hand, without its autostart
    wrong: list[str] = field(default_factory=list)  # outcomes that no cell allows; the rollout goes on to show more

    def guests_on(self, host: str) -> set[str]:
        """Those that arrive there among them; a daemon that is stopped is not asked."""
        return {vm for vm in self.roll.lab.vms if qemu_pids(self.roll.lab, host, vm)}


def await_outcome(faulty: Faulty, hit: Hit) -> str:
    """What became of the migration that was struck."""
    roll, controller = faulty.roll, faulty.roll.controllers[-1]

    def now() -> str | None:
        ended = not controller.is_running
        for record in roll.journal.records(hit.sequence):
            if record.step == hit.step["id"] and record.phase:
                word = {"settled": SETTLED, "checking": BACK, "needs-operator": "asks", "failed": "failed",
                        "stopped-by-owner": "stopped"}.get(record.phase)
                if word:
                    return f"asks {record.body.get('row')}" if word == "asks" else word
        require(not ended, f"{hit.step['vm']}: the program ended, exit {controller.process.returncode}:\n"
                           f"{controller.output[-3000:]}")
        return None

    return wait_for(now, lambda: f"an outcome of {hit.step['vm']}; the journal is at {roll.journal.describe_end()}",
                    OUTCOME_S)


def acted_by(roll: Roll, hit: Hit) -> list[str]:
    return [f"{record.phase} by {record.body.get('row')}" for record in roll.journal.records(hit.sequence)
            if record.step == hit.step["id"] and record.phase in ACTIONS]


# ---------------------------------------------------------------------- the person


def start_where_it_belongs(faulty: Faulty, step: dict) -> str:
    """Nobody runs it any more. Its source is closed, so its target is where it belongs."""
    lab, vm = faulty.roll.lab, step["vm"]
    places = lab.places(vm)
    require(places and not any(side.running for side in places.values()), f"{vm}: {describe(places)}")
    if step["target"] not in places:
        lab.domain(step["source"], vm).migrateToURI3(lab.tcp_uri(step["target"]), {}, OFFLINE)
    elif step["source"] in places:
        if places[step["source"]].paused_for_migration:
            lab.domain(step["source"], vm).destroy()
        lab.domain(step["source"], vm).undefine()
    boots = lab.blackout()[vm]["boots"]
    lab.domain(step["target"], vm).create()
    wait_for(lambda: lab.blackout()[vm]["boots"] > boots, f"{vm} booted")
    faulty.restarted[vm] = faulty.restarted.get(vm, 0) + 1
    return f"started it on {step['target']}"


def stop_the_last_to_run(faulty: Faulty, step: dict) -> str:
    """Its memory is older than the disk, which the other copy has changed."""
    faulty.split.add(step["vm"])
    wrong = step["target"] if faulty.target_ran_last else step["source"]
    domain = faulty.roll.lab.domain(wrong, step["vm"])
    domain.destroy()
    if faulty.target_ran_last:
        domain.undefine()
    return f"stopped the copy on {wrong}"


def undefine_on_target(faulty: Faulty, step: dict) -> str:
    faulty.split.add(step["vm"])  # may have
    faulty.roll.lab.domain(step["target"], step["vm"]).undefine()
    return f"undefined it on {step['target']}"


def find_assertion(faulty: Faulty, step: dict) -> str:
    log = faulty.roll.lab.qemu_log(step["source"], step["vm"])
    return ", QEMU's assertion on the source" if any(ASSERTION in line for line in log) else ""


# By row: what the reason says, and what a person does about it (when-it-stops.md).
PERSON = {
    "C": ("runs on its source, but may have run on the target too.*undefine it on its target", undefine_on_target),
    "D": (r"runs on both hosts \(split brain\).*stop the copy that began to run last", stop_the_last_to_run),
    "F": ("left paused on its source, but may have run on the target.*start it on its target", start_where_it_belongs),
    "V": ("runs nowhere: the guest died on its (source|target).*start it", start_where_it_belongs),
}


def act_as_person(faulty: Faulty, hit: Hit, row: str) -> str:
    """The rollout has stopped and says why; somebody does what the words say and lets it go on."""
    roll, vm = faulty.roll, hit.step["vm"]
    status = roll.controllers[-1].wait()
    require(status == EXIT_NEEDS_OPERATOR, f"a person is asked, and run: exit {status}")
    require(row in PERSON, f"{vm}: nobody was to be asked by row {row}:\n{roll.controllers[-1].output[-3000:]}")
    words, act = PERSON[row]
    told = next(record.body["reason"] for record in reversed(roll.journal.records())
                if record.phase == "needs-operator" and record.step == hit.step["id"])
    require(re.search(words, told) and vm in told, f"the reason says not what is the matter: {told}")
    output = " ".join(roll.controllers[-1].output.split())
    require(vm in output and re.search(words, output), f"the output says not what is the matter:\n{output[-2000:]}")
    done = act(faulty, hit.step)
    sequence = roll.journal.last_sequence()
    roll.start()
    after = await_outcome(faulty, Hit(hit.step, sequence, None))
    require(after in (SETTLED, BACK), f"{vm}: a person {done}, and then: {after}")
    return f"\"{told}\", a person {done}: {after}"


# ---------------------------------------------------------------------- what must hold


def sequence_numbers(lab: Lab, vm: str, from_us: int) -> list[tuple[str, int]]:
    return [(beat.boot, beat.sequence) for beat in lab.beats(vm, from_us)]


def check_guest_truth(faulty: Faulty, vm: str) -> None:
    roll, lab = faulty.roll, faulty.roll.lab
    before, now = roll.before.blackout[vm], lab.blackout()[vm]
    places = lab.places(vm)
    require(len(places) == 1, f"{vm} is known on {describe(places)}")
    host, side = next(iter(places.items()))
    require(side.running and not side.job, f"{vm} is not just running: {host}: {side}")
    domain = lab.domain(host, vm)
    require(domain.isPersistent(), f"{vm} is not persistent on {host}")
    if vm not in faulty.unasked:
        require(bool(domain.autostart()) == roll.before.autostart[vm], f"{vm}: autostart was not {domain.autostart()}")
    left = [other for other in lab.hosts if other != host and qemu_pids(lab, other, vm)]
    require(not left, f"{vm}: a QEMU of it is left on {left}")
    lab.await_beat(vm)
    boots = now["boots"] - before["boots"]
    require(boots == faulty.restarted.get(vm, 0), f"{vm} booted {boots} times")
    require(now["io_errors"] == before["io_errors"], f"{vm}: io_errors {now['io_errors']}")
    if vm in faulty.split:
        return
    require(now["bad_pages"] == before["bad_pages"], f"{vm}: bad_pages {now['bad_pages']}")
    numbers = sequence_numbers(lab, vm, roll.before.at_us)
    require(len(numbers) == len(set(numbers)), f"{vm} has sent a heartbeat twice: two copies of it ran")
    if vm not in faulty.unheard:
        require(now["lost_beats"] == before["lost_beats"], f"{vm}: lost_beats {now['lost_beats']}")


def check_actions(roll: Roll) -> None:
    """Nothing was done that the table does not allow, and nothing on a guess."""
    for record in roll.journal.records():
        allowed = ACTIONS.get(record.phase or "")
        require(allowed is None or record.body.get("row") in allowed,
                f"journal #{record.sequence}: {record.phase} by row {record.body.get('row')}")


def check_all(faulty: Faulty) -> None:
    check_hosts(faulty.roll)
    check_actions(faulty.roll)
    for vm in faulty.roll.lab.vms:
        check_guest_truth(faulty, vm)
        phase = faulty.roll.journal.phase_of(vm=vm)
        require(phase == SETTLED, f"{vm}: the journal ends with {phase}")


# ---------------------------------------------------------------------- the matrix


def strike(faulty: Faulty, stops: Stops, cell: Cell, context) -> bool:
    """FALSE: the rollout ended before a migration came to that phase."""
    roll = faulty.roll
    hit = await_phase(roll, stops, cell.phase)
    if hit is None:
        return False
    vm, begun = hit.step["vm"], time.monotonic()
    if cell.strike == "cut":
        faulty.unheard |= faulty.guests_on(hit.step[cell.victim.removesuffix("-link")])
    faulty.target_ran_last = (cell.victim, cell.strike) == ("target-daemon", "freeze") and cell.phase is not AFTER
    STRIKES[cell.strike](roll, cell.victim, hit)
    outcome = await_outcome(faulty, hit)
    told = [f"{cell}: {vm} {hit.step['source']} to {hit.step['target']}: {outcome}", *acted_by(roll, hit)]
    if outcome == DIED and not cell.victim.endswith("-qemu"):
        told.append(find_assertion(faulty, hit.step) or "and nothing says why it died")
    if outcome not in cell.allowed or told[-1].startswith("and nothing"):
        faulty.wrong.append(f"{', '.join(told)}; allowed is {' or '.join(cell.allowed)}: {cell.why}")
    if outcome.startswith("asks "):
        told.append(act_as_person(faulty, hit, outcome.removeprefix("asks ")))
    context.note(f"{', '.join(told)} ({time.monotonic() - begun:.1f} s)")
    return True


def run_cells(lab: Lab, context, cells: list[Cell]) -> None:
    lab.spent = True  # guests die here, and lose heartbeats
    with Stops.installed(lab) as stops:
        for _ in range(ROLLS_MAX):
            cells = run_rollout(lab, stops, context, cells)
            if not cells:
                return
    require(False, f"not hit in {ROLLS_MAX} rollouts: {', '.join(map(str, cells))}")


def run_rollout(lab: Lab, stops: Stops, context, cells: list[Cell]) -> list[Cell]:
    """As many cells as it has migrations for; the rest is returned."""
    faulty = Faulty(Roll(lab, SLOW if cells[0].phase is MIDDLE else POLICY))
    roll = faulty.roll
    try:
        roll.start()
        while cells and not has_ended(roll) and strike(faulty, stops, cells[0], context):
            cells = cells[1:]
        status = roll.controllers[-1].wait(400)
        require(status == EXIT_DONE, f"run: exit {status}:\n{roll.controllers[-1].output[-3000:]}")
        check_all(faulty)
        require(not faulty.wrong, "\n".join(faulty.wrong))
        return cells
    finally:
        stops.disarm()
        lab.thaw_all()
        roll.end()


def test_one_of_each_end(lab: Lab, context) -> None:
    """Rolled back, settled by forced actions, split by libvirt, and died: with and without a person."""
    cells = {str(cell): cell for cell in before_switch(BEGIN) + SWITCH_CELLS + FINISH_CELLS + AFTER_CELLS}
    run_cells(lab, context, [cells[name] for name in (
        "begin: target-link cut", "switch-over: source-daemon kill", "finish: target-qemu kill",
        "after: source-daemon kill", "after: target-daemon kill", "after: target-qemu kill")])


def long_begin(lab: Lab, context) -> None:
    run_cells(lab, context, before_switch(BEGIN))


def long_middle(lab: Lab, context) -> None:
    run_cells(lab, context, before_switch(MIDDLE))


def long_switch_over(lab: Lab, context) -> None:
    run_cells(lab, context, SWITCH_CELLS)


def long_finish(lab: Lab, context) -> None:
    run_cells(lab, context, FINISH_CELLS)


def long_after(lab: Lab, context) -> None:
    run_cells(lab, context, AFTER_CELLS)
