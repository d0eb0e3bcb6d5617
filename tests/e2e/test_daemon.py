# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's daemon dies in the middle of a migration, and the recovery table decides on real libvirt."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any

from labtest import Lab, Side, require
from rolltest import EXIT_DONE, Roll, check_guest, check_hosts
from test_kill import ONE_BY_ONE, hunt

ROLLS_MAX = 3


def kill_source_daemon(roll: Roll, step: dict[str, Any]) -> None:
    for pid in roll.lab.daemon_pids(step["source"]):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    roll.lab.connections.clear()


def is_switched_over(source: Side, target: Side) -> bool:
    return source.paused_for_migration and target.running


def roll_with_dead_daemon(lab: Lab, context) -> bool:
    """FALSE: the moment did not come, or libvirt was done with the source already."""
    struck: list[str] = []

    def strike(roll: Roll, step: dict[str, Any]) -> None:
        kill_source_daemon(roll, step)
        lab.command("start", step["source"])
        struck.append(step["vm"])

    roll = Roll(lab, ONE_BY_ONE)
    try:
        evidence = hunt(roll, is_switched_over, strike)
        status = roll.controllers[-1].wait()
        require(status == EXIT_DONE, f"run: exit {status}:\n{roll.controllers[-1].output[-3000:]}")
        blackout = lab.blackout()
        check_hosts(roll)
        for vm in lab.vms:
            check_guest(roll, vm, blackout[vm])
        rows = [record.body.get("row") for record in roll.journal.records() if record.phase == "destroying-source"]
        if evidence:
            context.note(f"source daemon killed: {evidence}; rows that acted: {rows or 'none'}")
        return rows == ["G"]
    finally:
        roll.end()


def test_source_daemon_killed_once_target_runs(lab: Lab, context) -> None:
    """The dangerous row: source paused without a job, target running. The old copy is destroyed and undefined, the
    guest goes on, and the rollout ends by itself."""
    require(any(roll_with_dead_daemon(lab, context) for _ in range(ROLLS_MAX)),
            f"row G did not come about in {ROLLS_MAX} rollouts")
