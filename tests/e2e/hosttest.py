# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults of whole hosts and of their stages, and what a person does about them, for tests."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

from labtest import LAB, LONG_S, Lab, program, require, wait_for
from rolltest import EXIT_NEEDS_OPERATOR, Controller, Roll

# A person is asked after seconds instead of minutes, of a host that does not come back as well.
IMPATIENT = {"hold_ms: 60000": "hold_ms: 3000", "hold_unknown_ms: 90000": "hold_unknown_ms: 6000\n  return_s: 6",
             "gate_s: 3": "gate_s: 1", "gate_canary_s: 3": "gate_canary_s: 1"}


# ---------------------------------------------------------------------- a rollout


def update_order(roll: Roll) -> list[str]:
    steps = sorted(roll.journal.steps.values(), key=lambda step: step["id"])
    return [step["host"] for step in steps if step["kind"] == "update"]


def start_until(roll: Roll, host: str, stage: str, point: str = "begin") -> Controller:
    """Runs until that stage of the host is held up."""
    roll.gate.hold(host, stage, point)
    controller = roll.start()
    roll.await_held(host, stage, point)
    return controller


def await_person(roll: Roll, *expected: str) -> dict[str, Any]:
    """The last controller ends with a question that has all these words; what status says then."""
    controller = roll.controllers[-1]
    status = controller.wait()
    require(status == EXIT_NEEDS_OPERATOR, f"exit {status}, not {EXIT_NEEDS_OPERATOR}:\n{controller.output[-3000:]}")
    says = roll.query("status", expected=EXIT_NEEDS_OPERATOR)
    for words in expected:
        require(re.search(words, str(says["needs_operator"])), f"{words!r} is not in {says['needs_operator']}")
    return says


def set_timeout(roll: Roll, stage: str, timeout_s: int) -> None:
    """Of a stage on every host, from the next run on."""
    path = roll.directory / "fleet.yaml"
    text, count = re.subn(rf"(?m)^( +{stage}:) (\[.*\])$", rf"\1 {{argv: \2, timeout_s: {timeout_s}}}",
                          path.read_text())
    require(count == 1, f"the fleet file has stage {stage} {count} times")
    path.write_text(text)


# ---------------------------------------------------------------------- processes of a stage


def stage_processes(roll: Roll, host: str, stage: str, name: str) -> list[int]:
    """Those of this rollout's attempts only: their directory stands in their environment or in their arguments."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            environment = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            is_ours = any(str(roll.directory / "state/stages") in word for word in arguments + environment)
            is_this = {f"VIRT_ROLL_HOST={host}", f"VIRT_ROLL_STAGE={stage}"} <= set(environment)
            if is_ours and is_this and any(Path(word).name == name for word in arguments[:2]):
                found.append(int(folder.name))
    return found


def helper_process(roll: Roll, host: str, stage: str) -> int:
    """The parent of the stage's program."""
    for pid in stage_processes(roll, host, stage, "stage-gate"):
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        if Path(f"/proc/{parent}/comm").read_text().startswith("virt-roll-stage"):
            return parent
    raise AssertionError(f"stage {stage} of {host} has no helper")


def kill(pids: list[int]) -> None:
    require(pids, "there is no process to kill")
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


# ---------------------------------------------------------------------- hosts


def await_daemon(lab: Lab, host: str) -> None:
    lab.connections.pop(host, None)
    wait_for(lambda: answers(lab, host), f"an answer of {host}")


def answers(lab: Lab, host: str) -> bool:
    try:
        return lab.connection(host).getLibVersion() > 0
    except Exception:  # not yet
        return False


def restart_daemon(lab: Lab, host: str) -> None:
    lab.command("stop", host)
    lab.command("start", host)
    await_daemon(lab, host)


def set_host_uuid(lab: Lab, host: str, uuid: str) -> str:
    """Of its daemon, which is restarted; what it was before."""
    path = lab.host_file(host, "etc/libvirtd.conf")
    text = path.read_text()
    before = re.search(r'host_uuid = "(\S+)"', text)[1]
    path.write_text(text.replace(before, uuid))
    restart_daemon(lab, host)
    return before


def set_level(lab: Lab, host: str, level: str) -> str:
    path = lab.host_file(host, "root/update-level")
    before = path.read_text().strip()
    path.write_text(level + "\n")
    return before


def set_boot_id(lab: Lab, host: str, boot_id: str) -> str:
    """In place: the file is mounted over the host's own."""
    path = lab.host_file(host, "root/boot_id")
    before = path.read_text().strip()
    path.write_text(boot_id + "\n")
    return before


def open_host(roll: Roll, host: str) -> None:
    """By the operator's stage, by hand."""
    stage = LAB.parent / "update-stage"
    subprocess.run([stage, roll.lab.state], check=True, capture_output=True, timeout=LONG_S,
                   env={**os.environ, "VIRT_ROLL_HOST": host, "VIRT_ROLL_STAGE": "open", "VIRT_ROLL_LEVEL": roll.level})


def undefine_on_disk(lab: Lab, host: str, vm: str) -> None:
    """What a person does on a host that is off or has no network yet."""
    require(not lab.host_file(host, "init.pid").exists(), f"{host} is on")
    for name in (f"etc/qemu/{vm}.xml", f"etc/qemu/autostart/{vm}.xml"):
        lab.host_file(host, name).unlink(missing_ok=True)


def type_commands(roll: Roll, commands: list[str]) -> None:
    """Exactly as they were printed, in a folder of their own."""
    folder = roll.directory / "by-hand"
    folder.mkdir(exist_ok=True)
    search = f"PATH={program().parent}:{os.environ['PATH']}"
    for command in commands:
        done = subprocess.run([LAB, "--state", roll.lab.state, "ctl", "env", "-C", folder, search, "bash", "-c",
                               command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONG_S,
                              check=False)
        require(done.returncode == 0, f"{command}: exit {done.returncode}: {done.stderr}")
    for path in folder.iterdir():
        require(path.stat().st_mode & 0o077 == 0, f"{path.name} can be read by others")


def check_unharmed(lab: Lab, vms: list[str]) -> None:
    """They ran all the time."""
    blackout = lab.blackout()
    for vm in vms:
        lab.await_beat(vm)
        require(blackout[vm]["boots"] == 1, f"{vm} booted {blackout[vm]['boots']} times")
        for name in ("io_errors", "bad_pages"):
            require(blackout[vm][name] == 0, f"{vm}: {name} {blackout[vm][name]}")

