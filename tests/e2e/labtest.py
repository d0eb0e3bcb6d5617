# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab as tests see it: built, read and taken down.

Truth is read here without the program under test: both sides of a migration by python-libvirt over the hosts' UNIX
sockets, libvirt's own count of migrations in its QEMU logs, the guests' view in their heartbeats.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import libvirt

REPOSITORY = Path(__file__).resolve().parents[2]
LAB = REPOSITORY / "contrib/lab/lab"
POLICY = REPOSITORY / "policies/lab.yaml"
HERE = Path(__file__).resolve().parent

# Longest that anything here may take on a busy machine; conditions are polled, so nobody waits for it in vain.
LONG_S = 180.0
POLL_S = 0.002

PAUSED_MIGRATION = (libvirt.VIR_DOMAIN_PAUSED_MIGRATION, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP)
STATE_WORDS = {
    libvirt.VIR_DOMAIN_RUNNING: "running",
    libvirt.VIR_DOMAIN_PAUSED: "paused",
    libvirt.VIR_DOMAIN_SHUTOFF: "shut off",
    libvirt.VIR_DOMAIN_CRASHED: "crashed",
}

# Errors come as exceptions; libvirt would print them as well.
libvirt.registerErrorHandler(lambda *_: None, None)


class Failure(AssertionError):
    """What a test found wrong."""


def require(condition: Any, what: str) -> None:
    if not condition:
        raise Failure(what)


def program() -> Path:
    path = Path(os.environ.get("VIRT_ROLL", REPOSITORY / "build/release/virt-roll"))
    require(os.access(path, os.X_OK), f"{path} is not there: build it, or name another one by VIRT_ROLL")
    return path.resolve()


def wait_for(condition: Callable[[], Any], what: str | Callable[[], str], limit_s: float = LONG_S) -> Any:
    """The first true value of the condition."""
    deadline = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"after {limit_s:.0f} s still not: {what() if callable(what) else what}")
        time.sleep(POLL_S)


def log_time_us(line: str) -> int:
    """Of a line in a QEMU log: "2026-11-22 14:00:41.084+0000: …"."""
    stamp = datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=timezone.utc)
    return round(stamp.timestamp() * 1_000_000)


@dataclass(frozen=True)
class Side:
    """What one host says of one VM."""

    present: bool
    state: int = -1
    reason: int = -1
    job: bool = False

    @property
    def running(self) -> bool:
        return self.present and self.state == libvirt.VIR_DOMAIN_RUNNING

    @property
    def paused_for_migration(self) -> bool:
        return self.present and self.state == libvirt.VIR_DOMAIN_PAUSED and self.reason in PAUSED_MIGRATION

    def __str__(self) -> str:
        if not self.present:
            return "absent"
        word = STATE_WORDS.get(self.state, f"state {self.state}")
        return f"{word} ({self.reason})" + (" with a job" if self.job else "")


@dataclass
class Beat:
    at_us: int
    boot: str
    sequence: int


@dataclass
class Lab:
    """A running lab in a directory of its own."""

    directory: Path
    host_count: int
    vm_count: int
    level: int = 1
    spent: bool = False  # what happened to its guests stays in their counters: no lab for another test
    connections: dict[str, libvirt.virConnect] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        return self.directory / "lab"

    # ------------------------------------------------------------------ its life

    @classmethod
    @contextlib.contextmanager
    def running(cls, hosts: int = 3, vms: int = 4) -> Iterator[Lab]:
        # A lab's path is limited to 64 bytes by its UNIX sockets.
        lab = cls(Path(tempfile.mkdtemp(prefix="e2e-", dir="/tmp")), hosts, vms)
        try:
            lab.command("up", "--hosts", str(hosts), "--vms", str(vms), limit_s=400)
            yield lab
        finally:
            lab.close()

    def close(self) -> None:
        self.thaw_all()
        self.connections.clear()
        self.command("down", limit_s=120)
        shutil.rmtree(self.directory, ignore_errors=True)

    def command(self, *words: str, limit_s: float = LONG_S) -> str:
        done = subprocess.run([LAB, "--state", self.state, *words], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=limit_s, check=False)
        require(done.returncode == 0, f"lab {' '.join(words)}: exit {done.returncode}: {done.stderr or done.stdout}")
        return done.stdout

    def next_level(self) -> str:
        self.level += 1
        return f"lab-level-{self.level}"

    # ------------------------------------------------------------------ hosts

    @property
    def hosts(self) -> list[str]:
        return [f"h{number}" for number in range(1, self.host_count + 1)]

    @property
    def vms(self) -> list[str]:
        return [f"vm{number}" for number in range(1, self.vm_count + 1)]

    def host_file(self, host: str, name: str) -> Path:
        return self.state / "hosts" / host / name

    def level_of(self, host: str) -> str:
        return self.host_file(host, "root/update-level").read_text().strip()

    def boot_id(self, host: str) -> str:
        return self.host_file(host, "root/boot_id").read_text().strip()

    def is_closed(self, host: str) -> bool:
        return self.host_file(host, "var-lib/virt-roll/closed").exists()

    def tcp_uri(self, host: str) -> str:
        return f"qemu+tcp://10.77.0.{10 + int(host[1:])}/system"

    def socket_uri(self, host: str) -> str:
        return f"qemu+unix:///system?socket={self.host_file(host, 'run/libvirt/libvirt-sock')}"

    def connection(self, host: str) -> libvirt.virConnect:
        """A host's reboot ends its connections, so one that fails to answer is opened anew."""
        connection = self.connections.get(host)
        with contextlib.suppress(libvirt.libvirtError):
            if connection is not None and connection.getLibVersion() > 0:
                return connection
        connection = self.connections[host] = libvirt.open(self.socket_uri(host))
        return connection

    def in_host_namespace(self, pid: str, host: str) -> bool:
        init = self.host_file(host, "init.pid")
        try:
            return os.path.samefile(f"/proc/{pid}/ns/net", f"/proc/{init.read_text().strip()}/ns/net")
        except OSError:
            return False

    def daemon_pids(self, host: str) -> list[int]:
        """libvirtd, as this machine counts."""
        found = []
        for comm in Path("/proc").glob("[0-9]*/comm"):
            with contextlib.suppress(OSError):
                if comm.read_text() == "libvirtd\n" and self.in_host_namespace(comm.parent.name, host):
                    found.append(int(comm.parent.name))
        return found

    @contextlib.contextmanager
    def frozen(self, host: str) -> Iterator[None]:
        """The host's libvirtd stands still; its guests run on. Do not read this host in there."""
        pids = self.daemon_pids(host)
        require(pids, f"{host} has no libvirtd to freeze")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def thaw_all(self) -> None:
        for host in self.hosts:
            for pid in self.daemon_pids(host):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def unread_bytes(self, host: str, client_pid: int) -> int:
        """Most that waits in one connection of the host's libvirtd; a UNIX socket's is in its client's namespace."""
        unread = [0]
        init = self.host_file(host, "init.pid").read_text().strip()
        for pid, query in ((client_pid, ["-x", "state", "established"]), (init, ["-t", "sport", "=", ":16509"])):
            command = ["nsenter", f"--net=/proc/{pid}/ns/net", "ss", "-H", "-n", *query]
            for line in subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines():
                unread.extend(int(word) for word in re.findall(r"^\s*\S+\s+(\d+)\s+\d+\s", line))
        return max(unread)

    # ------------------------------------------------------------------ VMs

    def side(self, host: str, vm: str, with_job: bool = True) -> Side:
        try:
            return self._read_side(self.connections.get(host) or self.connection(host), vm, with_job)
        except libvirt.libvirtError:  # the host may have rebooted since
            return self._read_side(self.connection(host), vm, with_job)

    def _read_side(self, connection: libvirt.virConnect, vm: str, with_job: bool) -> Side:
        """State after job, as the program does: a job that has ended leaves its final state."""
        try:
            domain = connection.lookupByName(vm)
            job = with_job and self._has_job(domain)
            state, reason = domain.state()
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise
            return Side(False)
        return Side(True, state, reason, job)

    @staticmethod
    def _has_job(domain: libvirt.virDomain) -> bool:
        try:
            return domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                raise
            # "Only on the source host" is what a target says while a migration comes in.
            return error.get_error_code() == libvirt.VIR_ERR_OPERATION_UNSUPPORTED

    def connect_all(self) -> None:
        for host in self.hosts:
            self.connection(host)

    def places(self, vm: str) -> dict[str, Side]:
        """Every host that knows the VM in any way."""
        sides = {host: self.side(host, vm) for host in self.hosts}
        return {host: side for host, side in sides.items() if side.present}

    def place(self, vm: str) -> str:
        places = self.places(vm)
        require(len(places) == 1, f"{vm} is known on {describe(places)}")
        return next(iter(places))

    def empty_host(self) -> str:
        """The one without running guests, with which a plan begins."""
        taken = {self.place(vm) for vm in self.vms}
        empty = [host for host in self.hosts if host not in taken]
        require(len(empty) == 1, f"the empty hosts are {empty}")
        return empty[0]

    def domain(self, host: str, vm: str) -> libvirt.virDomain:
        return self.connection(host).lookupByName(vm)

    def qemu_log(self, host: str, vm: str) -> list[str]:
        path = self.host_file(host, f"log/qemu/{vm}.log")
        return path.read_text(errors="replace").splitlines() if path.exists() else []

    def qemu_log_times(self, vm: str, text: str) -> list[int]:
        """When any host's libvirt said that of the VM."""
        return sorted(log_time_us(line) for host in self.hosts for line in self.qemu_log(host, vm) if text in line)

    def departures(self, vm: str) -> list[int]:
        """When libvirt ended a source because its guest had migrated: its own count of what went through."""
        return self.qemu_log_times(vm, "shutting down, reason=migrated")

    def initiated(self, vm: str) -> list[int]:
        return self.qemu_log_times(vm, "initiating migration")

    # ------------------------------------------------------------------ the guests' view

    def blackout(self) -> dict[str, dict[str, Any]]:
        return {row["vm"]: row for row in json.loads(self.command("blackout", "-o", "json"))}

    def beats(self, vm: str, from_us: int) -> list[Beat]:
        found = []
        pattern = re.compile(rf"^(\d+) vm={vm} boot=(\S+) seq=(\d+) .*\n$")
        with (self.state / "heartbeats.log").open(errors="replace") as lines:
            for line in lines:
                match = pattern.match(line)
                if match and int(match[1]) >= from_us:
                    found.append(Beat(int(match[1]), match[2], int(match[3])))
        return found

    def max_gap_ms(self, vm: str, from_us: int, to_us: int | None = None) -> int:
        times = [beat.at_us for beat in self.beats(vm, from_us) if to_us is None or beat.at_us <= to_us]
        require(len(times) > 1, f"{vm} is silent")
        return max(later - earlier for earlier, later in zip(times, times[1:])) // 1000

    def await_beat(self, vm: str) -> None:
        now_us = time.time_ns() // 1000
        wait_for(lambda: self.beats(vm, now_us), f"a heartbeat of {vm}", 30)


def describe(places: dict[str, Side]) -> str:
    return ", ".join(f"{host}: {side}" for host, side in places.items()) or "no host"
