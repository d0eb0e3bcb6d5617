# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Part of contrib/lab/lab: the lab's fleet file.

readonly UPDATE_LEVEL_WANTED=lab-level-2
readonly UPDATE_STAGES=(facts assess close open before apply reboot verify)

# Memory and CPUs are given, because every lab host sees those of the whole machine. A host has room for its own share of
# the VMs and one more, so that a roll is the real conveyor: one host's VMs fill the host before it.
write_fleet() {
    local host_count=$1 vm_count=$2 number share
    share=$(((vm_count + host_count - 2) / (host_count > 1 ? host_count - 1 : 1)))
    {
        cat <<END
format: virt-roll-fleet/1
name: lab
defaults:
  link_mib_per_s: 2000
  memory_mib: $(((share + 1) * GUEST_MEMORY_MIB))
  vcpus: 16
  update_s: 5
  keepalive: {interval_s: 1, count: 3}
  update:
    level: $UPDATE_LEVEL_WANTED
    stages:
END
        printf "      %s: [$LAB_DIR/update-stage, $STATE]\n" "${UPDATE_STAGES[@]}"
        echo "hosts:"
        for ((number = 1; number <= host_count; number++)); do
            cat <<END
  - name: h$number
    uri: $(host_uri "h$number")
    peer_uri: $(host_tcp_uri "h$number")
    migrate_uri: tcp://$(host_ip "h$number")
END
        done
    } >"$STATE/fleet.yaml"
}
