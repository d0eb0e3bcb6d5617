# SPDX-License-Identifier: LGPL-2.1-or-later
"""What cannot be done is refused before anything is touched: which exit status, and does it say why and where?"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from labtest import LAB, LONG_S, POLICY, Lab, program, require

LEVEL = "lab-level-refused"


def refuse(lab: Lab, fleet_text: str, exit_status: int, *expected: str) -> str:
    """`run --yes` on this fleet ends so, says all of these, and leaves no state directory and no closed host."""
    fleet = lab.directory / "refused.yaml"
    state = lab.directory / "refused"
    fleet.write_text(fleet_text)
    done = subprocess.run([LAB, "--state", lab.state, "ctl", program(), "-f", fleet, "-p", POLICY, "--state", state,
                           "run", "--yes", "--update", LEVEL], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=LONG_S, check=False)
    require(done.returncode == exit_status, f"exit {done.returncode}, not {exit_status}: {done.stderr}{done.stdout}")
    for text in expected:
        require(re.search(text, done.stderr), f"{text!r} is not in: {done.stderr}")
    require(not state.exists(), f"{state} was made")
    require(not any(lab.is_closed(host) for host in lab.hosts), "a host was closed")
    return done.stderr.strip()


def fleet_text(lab: Lab) -> str:
    return Path(lab.command("fleet").strip()).read_text()


def test_one_host_under_two_names(lab: Lab, context) -> None:
    again = f"  - name: h9\n    uri: {lab.tcp_uri('h1')}\n    peer_uri: qemu+tcp://10.77.0.99/system\n"
    context.note(refuse(lab, fleet_text(lab) + again, 2, r"h1", r"h9", r"UUID"))


def test_one_uuid_running_twice(lab: Lab, context) -> None:
    """A second running VM with the UUID of another: nobody knows which one is meant."""
    empty, taken = lab.empty_host(), lab.place("vm1")
    uuid = lab.domain(taken, "vm1").UUIDString()
    twin = lab.connection(empty).createXML(f"""<domain type='qemu'><name>twin</name><uuid>{uuid}</uuid>
        <memory unit='MiB'>16</memory><os><type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type></os></domain>""")
    try:
        context.note(refuse(lab, fleet_text(lab), 2, taken, empty, uuid))
    finally:
        twin.destroy()


def test_unreachable_host(lab: Lab, context) -> None:
    lab.command("stop", "h2")
    try:
        context.note(refuse(lab, fleet_text(lab), 4, r"h2", r"libvirtd"))
    finally:
        lab.command("start", "h2")


def test_no_room(lab: Lab, context) -> None:
    """Every host as big as what it holds: nobody can take anything, empty host apart, which is too small."""
    text = re.sub(r"memory_mib: \d+", "memory_mib: 110", fleet_text(lab))
    context.note(refuse(lab, text, 3, r"MiB", r"h\d"))


def test_fleet_of_one(lab: Lab, context) -> None:
    taken = next(host for host in lab.hosts if host != lab.empty_host())
    head, *hosts = re.split(r"(?m)^(?=  - name:)", fleet_text(lab))
    context.note(refuse(lab, head + next(host for host in hosts if f"name: {taken}\n" in host), 3, taken))


def test_facts_that_fail(lab: Lab, context) -> None:
    """A host that could not be assessed is not taken for one that is not updated."""
    text = re.sub(r"facts: \[.*\]", "facts: [/bin/false]", fleet_text(lab))
    context.note(refuse(lab, text, 1, r"h1: stage facts", r"exit"))


def test_facts_that_say_nothing(lab: Lab, context) -> None:
    text = re.sub(r"facts: \[.*\]", "facts: [/bin/true]", fleet_text(lab))
    context.note(refuse(lab, text, 1, r"h1: stage facts", r"update_level"))
