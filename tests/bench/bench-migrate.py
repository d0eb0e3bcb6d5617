#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bench-migrate - a migration through virt-roll against `virsh migrate` of the same guest between the same hosts.

usage: tests/bench/bench-migrate.py [PAIRS]      default 15 pairs, at least 1

How it measures, in a lab of two hosts and one guest:

  virt-roll   a rollout of the next update level moves the guest. Taken is, by the journal, the time from the record
              `migrating` (intent durable, the call goes out) to the record `settled`: the migration itself, and all
              that makes it certain: both sides observed, the autostart flag set again, CPU time seen to advance.
  virsh       `virsh migrate --live --p2p --persistent --undefinesource` with the bandwidth that the plan gave to
              virt-roll and the same URIs. Taken is the time from its start to its end, connecting included; it proves
              nothing afterwards and leaves autostart off.

A rollout's target has always just rebooted, with cold caches in its daemon; so virsh's target, which is as empty, is
rebooted right before, too.

A pair is one migration of each kind in the same direction. Both directions and both orders take turns (roll there,
virsh back, virsh there, roll back), so what changes slowly on the machine, and what differs between the hosts,
concerns both alike. `call` is the part of virt-roll's time until libvirt's call came back, `libvirt` what libvirt says
that the migration took, `silence` the guest's longest gap between heartbeats around it, seen from outside.

Prints medians and the ratio of total times as the median of the pairs' ratios. It judges nothing. Needs what
tests/e2e/run needs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
sys.dont_write_bytecode = True

from labtest import LAB, LONG_S, Failure, Lab, program, require
from rolltest import Record, Roll

VM = "vm1"
NO_GATE = {"gate_s: 3": "gate_s: 0", "gate_canary_s: 3": "gate_canary_s: 0"}


@dataclass(frozen=True)
class Taken:
    total_ms: float
    silence_ms: int
    call_ms: float | None = None
    libvirt_ms: int | None = None


def other(lab: Lab, host: str) -> str:
    return next(name for name in lab.hosts if name != host)


def only(records: list[Record], what: str) -> Record:
    require(len(records) == 1, f"{len(records)} records {what}, not 1")
    return records[0]


def with_virt_roll(lab: Lab) -> tuple[Taken, int]:
    """And the bandwidth of the plan."""
    roll = Roll(lab, NO_GATE)
    try:
        roll.finish()
        journal = roll.journal
        begun = only(journal.entered("migrating", vm=VM), "migrating")
        settled = only(journal.entered("settled", vm=VM), "settled")
        mine = [record for record in journal.records() if record.step == begun.step]
        returned = only([record for record in mine if record.kind == "call-returned"], "call-returned")
        measured = only([record for record in mine if record.kind == "vm-measured"], "vm-measured")
        silence_ms = lab.max_gap_ms(VM, begun.at_us - 500_000, settled.at_us + 500_000)
        taken = Taken((settled.at_us - begun.at_us) / 1000, silence_ms, (returned.at_us - begun.at_us) / 1000,
                      measured.body.get("total_ms"))
        return taken, journal.rate_mib_per_s
    finally:
        roll.end()


def with_virsh(lab: Lab, bandwidth_mib_per_s: int) -> Taken:
    source = lab.place(VM)
    target = other(lab, source)
    lab.command("reboot", target)
    address = lab.tcp_uri(target).split("/")[2]
    command = [LAB, "--state", lab.state, "ctl", "virsh", "-q", "-c", lab.socket_uri(source), "migrate", "--live",
               "--p2p", "--persistent", "--undefinesource", "--bandwidth", str(bandwidth_mib_per_s), VM,
               lab.tcp_uri(target), f"tcp://{address}"]
    # The wrapper's own time would count for virsh, so it is entered before the clock runs.
    script = 'read -r _; begun=$EPOCHREALTIME; "$@"; status=$?; echo "$begun $EPOCHREALTIME $status"'
    wrapped = [*command[:4], "bash", "-c", script, "timed", *command[4:]]
    done = subprocess.run(wrapped, input="go\n", capture_output=True, text=True, timeout=LONG_S, check=False)
    begun, ended, status = done.stdout.split()[-3:]
    require(status == "0", f"virsh migrate: {done.stderr}")
    begun_us, ended_us = (int(stamp.replace(".", "")) for stamp in (begun, ended))
    lab.await_beat(VM)
    time.sleep(0.5)  # the silence after it belongs to the measurement
    silence_ms = lab.max_gap_ms(VM, begun_us - 500_000, ended_us + 500_000)
    lab.domain(target, VM).setAutostart(1)  # as virt-roll leaves it
    return Taken((ended_us - begun_us) / 1000, silence_ms)


def measure(pairs: int) -> list[tuple[Taken, Taken]]:
    """(virt-roll, virsh) of the same direction."""
    found: list[tuple[Taken, Taken]] = []
    with Lab.running(hosts=2, vms=1) as lab:
        while len(found) < pairs:
            roll_there, bandwidth = with_virt_roll(lab)
            virsh_back = with_virsh(lab, bandwidth)
            virsh_there = with_virsh(lab, bandwidth)
            roll_back, _ = with_virt_roll(lab)
            both = ((roll_there, virsh_there), (roll_back, virsh_back))
            for roll, virsh in both[:pairs - len(found)]:
                found.append((roll, virsh))
                print(f"pair {len(found):2}: virt-roll {roll.total_ms:6.0f} ms (call {roll.call_ms:6.0f}, libvirt "
                      f"{roll.libvirt_ms}), virsh {virsh.total_ms:6.0f} ms, ratio "
                      f"{roll.total_ms / virsh.total_ms:.3f}", flush=True)
    return found


def main() -> int:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    if pairs < 1:
        print(__doc__)
        return 2
    print(f"bench-migrate: {program()}, {pairs} pairs", flush=True)
    try:
        found = measure(pairs)
    except Failure as failure:
        print(f"bench-migrate: {failure}", file=sys.stderr)
        return 1
    rolls, virshs = zip(*found)
    for name, taken in (("virt-roll", rolls), ("virsh", virshs)):
        print(f"{name:10} median {statistics.median(one.total_ms for one in taken):6.0f} ms, longest silence "
              f"{statistics.median(one.silence_ms for one in taken):5.0f} ms")
    calls = statistics.median(one.call_ms for one in rolls)
    ratio = statistics.median(roll.total_ms / virsh.total_ms for roll, virsh in found)
    call_ratio = statistics.median(roll.call_ms / virsh.total_ms for roll, virsh in found)
    print(f"virt-roll's call alone: median {calls:.0f} ms")
    print(f"ratio of total time, virt-roll / virsh, median of {len(found)} pairs: {ratio:.3f}"
          f" (of the call alone {call_ratio:.3f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
