# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults of processes and links, struck while a daemon stands at a known point of a migration (stop-daemon.c)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libvirt

from labtest import HERE, Lab, require, wait_for
from rolltest import Roll
from test_kill import migrating

# Longer than the keepalives of the lab, which give a silent peer up after 3 to 4 s.
OUTAGE_S = 6.0
MIB = 1024 * 1024

Step = dict[str, Any]


# ---------------------------------------------------------------------- when


@dataclass(frozen=True)
class Phase:
    """A moment of a migration."""

    name: str
    # What a daemon is about to do then; None: the copy is under way and no daemon has anything to do.
    order: str | None


BEGIN = Phase("begin", "qmp-migrate")  # the target waits, the source's QEMU is about to be told
MIDDLE = Phase("middle", None)
SWITCH = Phase("switch-over", "qmp-migrate-continue")  # both paused, the devices' state is not sent
FINISH = Phase("finish", "qmp-cont")  # both paused, all is sent; the target is defined and about to run
AFTER = Phase("after", "reply-306")  # it runs on the target, whose daemon is about to say so


def is_stopped(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "T"


@dataclass
class Stops:
    """The orders to the daemons of a lab."""

    lab: Lab
    directory: Path

    @classmethod
    @contextlib.contextmanager
    def installed(cls, lab: Lab) -> Iterator[Stops]:
        directory = lab.directory / "stops"
        directory.mkdir(exist_ok=True)
        library = directory / "stop-daemon.so"
        subprocess.run(["gcc", "-std=gnu17", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library,
                        HERE / "stop-daemon.c", "-ldl"], check=True)
        preloads = {host: lab.host_file(host, "root/libvirtd.preload") for host in lab.hosts}
        for host, preload in preloads.items():
            preload.write_text(f"{library}\n")
            restart_daemon(lab, host)
        stops = cls(lab, directory)
        try:
            yield stops
        finally:
            stops.disarm()
            lab.thaw_all()
            for host, preload in preloads.items():
                preload.unlink()
                restart_daemon(lab, host)

    def order(self, verb: str, host: str, point: str = "") -> Path:
        return self.directory / f"{verb}.{host}{'.' + point if point else ''}"

    def arm(self, point: str) -> None:
        """Whichever daemon comes to the point first."""
        for host in self.lab.hosts:
            self.order("stop", host, point).touch()

    def disarm(self) -> None:
        for path in self.directory.glob("stop.*"):
            path.unlink(missing_ok=True)

    def find_hit(self, point: str) -> tuple[str, int] | None:
        """The host whose daemon stands at the point, and the daemon."""
        for host in self.lab.hosts:
            if not self.order("stop", host, point).exists():
                pid = wait_for(lambda: next(filter(is_stopped, self.lab.daemon_pids(host)), None),
                               f"libvirtd of {host} stopped at {point}", 10)
                self.disarm()
                return host, pid
        return None


def restart_daemon(lab: Lab, host: str) -> None:
    lab.command("stop", host)
    lab.command("start", host)
    lab.connections.clear()


def is_copying(lab: Lab, step: Step) -> bool:
    """Some of the guest's memory is over, not all."""
    with contextlib.suppress(libvirt.libvirtError):
        job = lab.domain(step["source"], step["vm"]).jobStats()
        return job.get("memory_processed", 0) > 10 * MIB and job.get("memory_remaining", 0) > 20 * MIB
    return False


@dataclass
class Hit:
    """A migration at its phase."""

    step: Step
    sequence: int  # of the journal
    stopped: int | None  # the daemon that stands at its point


def await_phase(roll: Roll, stops: Stops, phase: Phase) -> Hit | None:
    """None: the rollout has ended before another migration came to it."""
    controller = roll.controllers[-1]
    if phase.order:
        stops.arm(phase.order)
    while controller.is_running:
        hit = stops.find_hit(phase.order) if phase.order else None
        step = migrating(roll) if hit or not phase.order else None
        if hit:
            require(step and hit[0] in (step["source"], step["target"]),
                    f"{hit[0]} stopped at {phase.name}, and no call is out: {roll.journal.describe_end()}")
            return Hit(step, roll.journal.last_sequence(), hit[1])
        if step and is_copying(roll.lab, step):
            return Hit(step, roll.journal.last_sequence(), None)
        time.sleep(0.002)
    stops.disarm()
    return None


# ---------------------------------------------------------------------- what


def qemu_pids(lab: Lab, host: str, vm: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if f"guest={vm},debug-threads=on".encode() in words and lab.in_host_namespace(path.parent.name, host):
                found.append(int(path.parent.name))
    return found


def processes(roll: Roll, victim: str, step: Step) -> list[int]:
    lab = roll.lab
    return {
        "controller": lambda: [roll.controllers[-1].process.pid],
        "source-daemon": lambda: lab.daemon_pids(step["source"]),
        "target-daemon": lambda: lab.daemon_pids(step["target"]),
        "source-qemu": lambda: qemu_pids(lab, step["source"], step["vm"]),
        "target-qemu": lambda: qemu_pids(lab, step["target"], step["vm"]),
    }[victim]()


def go_on(hit: Hit) -> None:
    if hit.stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(hit.stopped, signal.SIGCONT)


def last_for(seconds: float) -> None:
    """An outage has a length, and no condition ends it."""
    time.sleep(seconds)


def kill(roll: Roll, victim: str, hit: Hit) -> None:
    """SIGKILL; a daemon or a controller is started again at once."""
    pids = processes(roll, victim, hit.step)
    require(pids, f"there is no {victim}: {roll.journal.describe_end()}")
    if victim == "controller":
        roll.controllers[-1].kill()
    else:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    if hit.stopped not in pids:
        go_on(hit)
    if victim.endswith("-daemon"):
        roll.lab.connections.clear()
        roll.lab.command("start", hit.step[victim.removesuffix("-daemon")])
    if victim == "controller":
        roll.start()


def freeze(roll: Roll, victim: str, hit: Hit) -> None:
    """SIGSTOP for longer than the keepalives, then SIGCONT."""
    pids = processes(roll, victim, hit.step)
    require(pids, f"there is no {victim}: {roll.journal.describe_end()}")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    if hit.stopped not in pids:
        go_on(hit)
    last_for(OUTAGE_S)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def cut(roll: Roll, victim: str, hit: Hit) -> None:
    """A host's link is unplugged for longer than the keepalives."""
    host = hit.step[victim.removesuffix("-link")]
    roll.lab.command("cut", host)
    go_on(hit)
    last_for(OUTAGE_S)
    roll.lab.command("mend", host)


STRIKES: dict[str, Callable[[Roll, str, Hit], None]] = {"kill": kill, "freeze": freeze, "cut": cut}
