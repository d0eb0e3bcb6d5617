# SPDX-License-Identifier: LGPL-2.1-or-later
"""A rollout under test: the controller as a process that may be killed, its journal, its stages, and what must hold at
the end whatever happened in between."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labtest import HERE, LAB, LONG_S, POLICY, Failure, Lab, describe, program, require, wait_for

EXIT_DONE = 0
EXIT_NEEDS_OPERATOR = 5

SETTLED = "settled"


# ---------------------------------------------------------------------- journal


@dataclass(frozen=True)
class Record:
    sequence: int
    at_us: int
    kind: str
    body: dict[str, Any]

    @property
    def step(self) -> int:
        return self.body.get("step", 0)

    @property
    def phase(self) -> str | None:
        """Of a step-phase record; other kinds have none."""
        return self.body.get("phase") if self.kind == "step-phase" else None


@dataclass
class Journal:
    """The journal of a state directory, read beside the process that writes it."""

    path: Path
    _connection: sqlite3.Connection | None = None

    def records(self, after: int = 0) -> list[Record]:
        if not self.path.exists():
            return []
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10)
            rows = self._connection.execute(
                "SELECT sequence, at_us, kind, body FROM records WHERE sequence > ? ORDER BY sequence", (after,))
            return [Record(row[0], row[1], row[2], json.loads(row[3])) for row in rows]
        except sqlite3.OperationalError:
            self._connection = None  # just being made, or locked for its recovery
            return []

    def last_sequence(self) -> int:
        records = self.records()
        return records[-1].sequence if records else 0

    @functools.cached_property
    def steps(self) -> dict[int, dict[str, Any]]:
        """The plan's steps by id; only once there is a rollout."""
        created = next(record for record in self.records() if record.kind == "rollout-created")
        return {step["id"]: step for step in json.loads(created.body["text"])["plan"]["steps"]}

    @functools.cached_property
    def rate_mib_per_s(self) -> int:
        return max(step.get("rate_mib_per_s", 0) for step in self.steps.values())

    def entered(self, phase: str, **step_fields: str) -> list[Record]:
        """Step-phase records of a phase whose plan step has these fields."""
        found = [record for record in self.records() if record.phase == phase]
        return [record for record in found
                if all(self.steps[record.step].get(name) == value for name, value in step_fields.items())]

    def phase_of(self, **step_fields: str) -> str | None:
        """The last phase of the step with these fields."""
        phases = [record.phase for record in self.records() if record.phase is not None and
                  all(self.steps[record.step].get(name) == value for name, value in step_fields.items())]
        return phases[-1] if phases else None

    def describe_end(self) -> str:
        """The last step-phase, as evidence."""
        for record in reversed(self.records()):
            if record.phase is not None:
                step = self.steps[record.step]
                return f"#{record.sequence} {step.get('vm') or step['host']} {record.phase}"
        return "no step has begun"


# ---------------------------------------------------------------------- stages


@dataclass
class Gate:
    """Holds stages up and counts how often they ran (stage-gate)."""

    directory: Path

    def __post_init__(self) -> None:
        self.directory.mkdir()
        (self.directory / "log").touch()

    def hold(self, host: str, stage: str, point: str) -> None:
        (self.directory / f"hold.{host}.{stage}.{point}").touch()

    def is_held(self, host: str, stage: str, point: str) -> bool:
        return (self.directory / f"at.{host}.{stage}.{point}").exists()

    def release(self, host: str, stage: str, point: str) -> None:
        (self.directory / f"hold.{host}.{stage}.{point}").unlink(missing_ok=True)

    def release_all(self) -> None:
        for path in self.directory.glob("hold.*"):
            path.unlink(missing_ok=True)

    def count(self, host: str, stage: str, point: str = "begin") -> int:
        lines = (self.directory / "log").read_text().splitlines()
        return sum(line.startswith(f"{host} {stage} {point} ") for line in lines)


# ---------------------------------------------------------------------- controller


@dataclass
class Controller:
    """One process of the program in the lab's control network."""

    lab: Lab
    arguments: list[str]
    output_path: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings = [f"{name}={value}" for name, value in self.environment.items()]
        with self.output_path.open("wb") as output:
            self.process = subprocess.Popen(
                [LAB, "--state", self.lab.state, "ctl", "env", *settings, program(), *self.arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)

    @property
    def output(self) -> str:
        return self.output_path.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    @property
    def is_stopped(self) -> bool:
        """By SIGSTOP."""
        require(self.is_running, f"the program ended early, exit {self.process.returncode}:\n{self.output}")
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """As a crash does: no last word. The process is the program itself, for everything before it has exec'd."""
        require(self.is_running, f"the program ended early, exit {self.process.returncode}:\n{self.output}")
        comm = Path(f"/proc/{self.process.pid}/comm").read_text().strip()
        self.signal(signal.SIGKILL)
        self.process.wait()
        require(comm == program().name[:15], f"what was killed is {comm}, not {program().name}")

    def wait(self, limit_s: float = LONG_S) -> int:
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise Failure(f"the program has not ended after {limit_s:.0f} s:\n{self.output[-3000:]}") from None

    def end(self) -> None:
        if self.is_running:
            self.signal(signal.SIGKILL)
            self.process.wait()


# ---------------------------------------------------------------------- rollout


@dataclass
class Roll:
    """One rollout of one update level over the lab, in a state directory of its own."""

    lab: Lab
    policy_changes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.level = self.lab.next_level()
        self.directory = self.lab.directory / f"roll-{self.level}"
        self.directory.mkdir()
        self.gate = Gate(self.directory / "gate")
        self.journal = Journal(self.directory / "state/journal.db")
        self.controllers: list[Controller] = []
        self._write_settings()
        self.before = Before.of(self.lab)

    def _write_settings(self) -> None:
        fleet = (self.lab.state / "fleet.yaml").read_text()
        fleet, count = re.subn(r"\[(\S*update-stage), ", rf"[{HERE}/stage-gate, {self.gate.directory}, \1, ", fleet)
        require(count >= 8, "the lab's fleet file has not the stages that it should have")
        policy = POLICY.read_text()
        (self.directory / "fleet.yaml").write_text(fleet)
        (self.directory / "policy.yaml").write_text(substitute(policy, self.policy_changes))

    def arguments(self, verb: list[str]) -> list[str]:
        return ["-f", str(self.directory / "fleet.yaml"), "-p", str(self.directory / "policy.yaml"),
                "--state", str(self.directory / "state"), *verb]

    def start(self, *options: str, **environment: str) -> Controller:
        """`run`: begins the rollout, or goes on with it."""
        begun = bool(self.journal.records())
        level = [] if begun else ["--update", self.level]
        output = self.directory / f"run-{len(self.controllers) + 1}.log"
        controller = Controller(self.lab, self.arguments(["run", "--yes", *level, *options]), output, environment)
        self.controllers.append(controller)
        return controller

    def query(self, *verb: str, expected: int = EXIT_DONE) -> dict[str, Any]:
        """The JSON that a verb prints; its exit status must be the expected one."""
        command = [LAB, "--state", self.lab.state, "ctl", program(), *self.arguments([*verb, "-o", "json"])]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONG_S,
                              check=False)
        require(done.returncode == expected, f"{' '.join(verb)}: exit {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)

    def report(self) -> dict[str, Any]:
        return self.query("rollout", "report")

    def finish(self, *options: str) -> Controller:
        """Goes on until it is done."""
        controller = self.start(*options)
        status = controller.wait()
        require(status == EXIT_DONE, f"run: exit {status}, not 0:\n{controller.output[-3000:]}")
        return controller

    def await_journal(self, condition: Callable[[], Any], what: str) -> Any:
        """Polls the journal while the last controller lives."""
        controller = self.controllers[-1]

        def now() -> Any:
            value = condition() if self.journal.records() else None
            require(value or controller.is_running,
                    f"{what}: never seen, the program ended, exit {controller.process.returncode}:\n"
                    f"{controller.output[-3000:]}")
            return value

        return wait_for(now, lambda: f"{what} (the journal is at: {self.journal.describe_end()})")

    def await_held(self, host: str, stage: str, point: str) -> None:
        controller = self.controllers[-1]

        def now() -> bool:
            held = self.gate.is_held(host, stage, point)
            require(held or controller.is_running,
                    f"stage {stage} of {host} never came, the program ended, exit {controller.process.returncode}:\n"
                    f"{controller.output[-3000:]}")
            return held

        wait_for(now, f"stage {stage} of {host} held at its {point}")

    def end(self) -> None:
        for controller in self.controllers:
            with contextlib.suppress(ProcessLookupError):
                controller.end()
        self.gate.release_all()


def substitute(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        require(old in text, f"{old!r} is not in the settings any more")
        text = text.replace(old, new)
    return text


# ---------------------------------------------------------------------- before and after


@dataclass
class Before:
    """What a rollout found."""

    at_us: int
    place: dict[str, str]
    autostart: dict[str, bool]
    boot_id: dict[str, str]
    blackout: dict[str, dict[str, Any]]
    departures: dict[str, int]
    initiated: dict[str, int]

    @classmethod
    def of(cls, lab: Lab) -> Before:
        place = {vm: lab.place(vm) for vm in lab.vms}
        return cls(
            at_us=time.time_ns() // 1000,
            place=place,
            autostart={vm: bool(lab.domain(place[vm], vm).autostart()) for vm in lab.vms},
            boot_id={host: lab.boot_id(host) for host in lab.hosts},
            blackout=lab.blackout(),
            departures={vm: len(lab.departures(vm)) for vm in lab.vms},
            initiated={vm: len(lab.initiated(vm)) for vm in lab.vms})


def check_hosts(roll: Roll) -> None:
    """Every host updated, by one update and one reboot, and open."""
    lab = roll.lab
    for host in lab.hosts:
        require(lab.level_of(host) == roll.level, f"{host} is at {lab.level_of(host)}, not at {roll.level}")
        require(lab.boot_id(host) != roll.before.boot_id[host], f"{host} has not rebooted")
        require(not lab.is_closed(host), f"{host} is still closed to guests")
        for stage in ("apply", "reboot"):
            count = roll.gate.count(host, stage)
            require(count == 1, f"{host}: stage {stage} ran {count} times")


def check_guest(roll: Roll, vm: str, blackout: dict[str, Any]) -> None:
    """It ran all the time and is where it should be, once."""
    lab, before = roll.lab, roll.before
    places = lab.places(vm)
    require(len(places) == 1, f"{vm} is known on {describe(places)}")
    host, side = next(iter(places.items()))
    require(side.running and not side.job, f"{vm} is not just running: {host}: {side}")
    require(host != before.place[vm], f"{vm} is still on {host}")
    domain = lab.domain(host, vm)
    require(domain.isPersistent(), f"{vm} is not persistent on {host}")
    require(bool(domain.autostart()) == before.autostart[vm], f"{vm}: autostart was {before.autostart[vm]}")
    lab.await_beat(vm)
    require(blackout["boots"] == before.blackout[vm]["boots"] == 1, f"{vm} booted {blackout['boots']} times")
    for name in ("lost_beats", "io_errors", "bad_pages"):
        require(blackout[name] == 0, f"{vm}: {name} {blackout[name]}")


def check_migrations(roll: Roll, vm: str) -> None:
    """It went once, by libvirt's count; and none was issued after the one that went through."""
    lab, before, journal = roll.lab, roll.before, roll.journal
    departures = lab.departures(vm)[before.departures[vm]:]
    require(len(departures) == 1, f"{vm} migrated {len(departures)} times by libvirt's count")
    issued = journal.entered("migrating", vm=vm)
    late = [record for record in issued if record.at_us > departures[0]]
    require(not late, f"{vm} had arrived, and then a migration was issued: journal #{[r.sequence for r in late]}")
    initiated = lab.initiated(vm)[before.initiated[vm]:]
    require(initiated and initiated[-1] <= departures[0], f"{vm}: libvirt began a migration after it had arrived")
    require(journal.phase_of(vm=vm) == SETTLED, f"{vm}: the journal ends with {journal.phase_of(vm=vm)}")


def downtime_max_ms(gap_ms: int) -> int:
    """What libvirt may report for a guest that was silent so long. Its downtime lasts until the target's daemon is done
    with the guest that runs already; on a busy machine 483 ms were seen for a gap of 406 ms."""
    return gap_ms + gap_ms // 2 + 100


def check_report(roll: Roll) -> dict[str, Any]:
    """What the program tells is what the world shows."""
    lab, report = roll.lab, roll.report()
    require(report["phase"] == "done", f"the report says {report['phase']}: {report['reason']}")
    require(report["update_level"] == roll.level, f"the report has level {report['update_level']}")
    told = [migration["vm"] for migration in report["migrations"]]
    require(sorted(told) == sorted(lab.vms), f"the report has migrations of {told}")
    for migration in report["migrations"]:
        vm = migration["vm"]
        route = (migration["source"], migration["target"])
        require(route == (roll.before.place[vm], lab.place(vm)), f"{vm}: the report tells of {route}")
        gap_ms = lab.max_gap_ms(vm, roll.before.at_us)
        downtime_ms = migration["downtime_ms"]
        require(downtime_ms is not None, f"{vm}: the report has no downtime")
        require(downtime_ms <= downtime_max_ms(gap_ms),
                f"{vm}: reported downtime {downtime_ms} ms, measured gap {gap_ms} ms")
    for host in report["hosts"]:
        name = host["host"]
        require(host["facts_before"]["boot_id"] == roll.before.boot_id[name], f"{name}: another boot id before")
        require(host["facts_after"]["boot_id"] == lab.boot_id(name), f"{name}: another boot id after")
        require(host["facts_after"]["update_level"] == roll.level, f"{name}: another level in the report")
    return report


def check_end(roll: Roll) -> dict[str, Any]:
    """The end of every rollout here, killed or not."""
    check_hosts(roll)
    blackout = roll.lab.blackout()
    for vm in roll.lab.vms:
        check_guest(roll, vm, blackout[vm])
        check_migrations(roll, vm)
    return check_report(roll)
