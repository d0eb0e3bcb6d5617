#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares planning time and number of migrations with hroller (Debian package ganeti-htools).

hroller groups hosts that can be emptied and rebooted together, and its manual says that it takes
every VM to be migrated back after its group: two migrations per VM. It knows no times, and no VMs
that cannot migrate. The fleets are those of `bench-plan fleet`. Says so where hroller is missing.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HEADROOM_PERMILLE = 20
THREADS_PER_VCPU = 4
DISKS = "diskless,file,sharedfile,plain,blockdev,drbd,rbd,ext"
POLICY = f"128,1,1024,1,1,1|128,1,0,0,0,1;1048576,512,1048576,16,8,12|{DISKS}|{THREADS_PER_VCPU}.0|1000.0"


def htools_text(inventory):
    """Five sections with an empty line between two: groups, nodes, instances, tags, policies."""
    used = {}
    for vm in inventory["vms"]:
        used[vm["host"]] = used.get(vm["host"], 0) + vm["memory_mib"]
    nodes = []
    for index, host in enumerate(inventory["hosts"]):
        total = host["memory_mib"]
        room = total * (1000 - HEADROOM_PERMILLE) // 1000
        role = "M" if index == 0 else "N"
        cores = host["vcpus"] // THREADS_PER_VCPU
        free = room - used.get(host["name"], 0)
        nodes.append(f"{host['name']}|{total}|{total - room}|{free}|0|0|{cores}|{role}|uuid-1|1")
    instances = [
        f"{vm['name']}|{vm['memory_mib']}|0|{vm['vcpus']}|running|Y|{vm['host']}||ext||1"
        for vm in inventory["vms"]
    ]
    policies = f"|{POLICY}\ndefault|{POLICY}"
    sections = ["default|uuid-1|preferred||", "\n".join(nodes), "\n".join(instances), "", policies]
    return "\n\n".join(sections) + "\n"


def timed(command):
    """Standard output and the processor time of the child."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"bench-hroller: {command[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def count_moves(output):
    """(groups, migrations away): a line of hosts for each group, below it its VMs, indented."""
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith("'")]
    moves = sum(1 for line in lines if line.startswith(" "))
    return len(lines) - moves, moves


def compare(bench, virt_roll, hroller, hosts, folder):
    inventory_path = folder / f"{hosts}.json"
    inventory_path.write_text(timed([bench, "fleet", "--hosts", str(hosts)])[0])
    inventory = json.loads(inventory_path.read_text())
    vms = len(inventory["vms"])
    plan_text, ours_s = timed([virt_roll, "plan", "--inventory", inventory_path, "--update", "level-2", "-o", "json"])
    summary = json.loads(plan_text)["summary"]
    ours = summary["migrations"]
    print(f"{hosts:6} {vms:8} {'virt-roll':10} {ours_s:8.2f} {ours:10} {ours / vms:8.4f}")
    if hroller is None:
        return
    htools_path = folder / f"{hosts}.data"
    htools_path.write_text(htools_text(inventory))
    output, theirs_s = timed([hroller, "--force", "-t", htools_path, "--print-moves"])
    groups, moves = count_moves(output)
    print(
        f"{hosts:6} {vms:8} {'hroller':10} {theirs_s:8.2f} {2 * moves:10} {2 * moves / vms:8.4f}"
        f"   {groups} groups; {theirs_s / max(ours_s, 0.001):.0f} x the time"
    )


def main():
    root = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", default="20,100,500", help="sizes of fleets")
    parser.add_argument("--build", type=Path, default=root / "build" / "release")
    options = parser.parse_args()
    hroller = shutil.which("hroller")
    if hroller is None:
        print("hroller is not installed (apt-get install ganeti-htools): only our own numbers follow.")
    print(f"{'hosts':>6} {'VMs':>8} {'':10} {'time s':>8} {'migrations':>10} {'per VM':>8}")
    with tempfile.TemporaryDirectory(prefix="vr-hroller-") as folder:
        for hosts in options.hosts.split(","):
            compare(
                options.build / "tests" / "bench-plan",
                options.build / "virt-roll",
                hroller,
                int(hosts),
                Path(folder),
            )
    print("Time: processor time of each program, reading its input included.")


if __name__ == "__main__":
    main()
