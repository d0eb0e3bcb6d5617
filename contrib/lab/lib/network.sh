# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Part of contrib/lab/lab: network namespaces around one switch. The machine's own network is not touched.
#
#   sw   the switch: a bridge with one port per other namespace
#   ctl  the controller, 10.77.0.1
#   st   the storage server, 10.77.0.9
#   hN   a host, 10.77.0.(10+N), whose bridge br0 also carries its guests, 10.77.1.X

readonly CONTROLLER_IP=10.77.0.1
readonly STORAGE_IP=10.77.0.9
readonly HEARTBEAT_PORT=7700

netns() {
    echo "vrl-$TAG-$1"
}

netns_path() {
    echo "/run/netns/vrl-$TAG-$1"
}

# A namespace whose eth0 is plugged into the switch.
netns_on_switch() {
    local name=$1
    ip netns add "$(netns "$name")"
    ip -n "$(netns "$name")" link set lo up
    ip -n "$(netns "$name")" link add eth0 type veth peer name "port-$name" netns "$(netns sw)"
    ip -n "$(netns sw)" link set "port-$name" master sw0 up
}

# Bridges forward from the start: with the usual delay, a port is dead for its first 15 seconds.
network_up() {
    ip netns add "$(netns sw)"
    ip -n "$(netns sw)" link add sw0 type bridge forward_delay 0
    ip -n "$(netns sw)" link set sw0 up

    netns_on_switch ctl
    ip -n "$(netns ctl)" addr add "$CONTROLLER_IP/16" dev eth0
    ip -n "$(netns ctl)" link set eth0 up
    netns_on_switch st
    ip -n "$(netns st)" addr add "$STORAGE_IP/16" dev eth0
    ip -n "$(netns st)" link set eth0 up
}

# The bridge's address is pinned: else it follows the lowest one of its ports, changes when a guest comes or goes, and
# open connections to the host stall.
host_network_up() {
    local host=$1 number=${1#h}
    netns_on_switch "$host"
    ip -n "$(netns "$host")" link add br0 address "$(printf '52:54:00:77:ff:%02x' "$number")" \
        type bridge forward_delay 0
    ip -n "$(netns "$host")" link set eth0 master br0 up
    ip -n "$(netns "$host")" addr add "$(host_ip "$host")/16" dev br0
    ip -n "$(netns "$host")" link set br0 up
}

host_cut() {
    ip -n "$(netns sw)" link set "port-$1" down
}

host_mend() {
    ip -n "$(netns sw)" link set "port-$1" up
}

# One server per disk, as a storage array would look to the hosts. Network disks are what lets libvirt migrate without
# its "unsafe" flag; files in a shared directory do not.
storage_up() {
    local vm_count=$1 number
    for ((number = 1; number <= vm_count; number++)); do
        truncate -s 64M "$STATE/disks/vm$number.raw"
        run_detached st "$STATE/log/storage.log" \
            qemu-nbd --persistent --format=raw --cache=none --shared=16 --export-name="vm$number" \
            --bind="$STORAGE_IP" --port="$(disk_port "vm$number")" "$STATE/disks/vm$number.raw"
    done
    wait_until 10 storage_listens "$vm_count" || fail "the storage servers do not listen: see $STATE/log/storage.log"
}

storage_listens() {
    (($(nsenter --net="$(netns_path st)" ss -Htln | wc -l) >= $1))
}

disk_port() {
    echo $((11000 + ${1#vm}))
}

collector_up() {
    : >"$STATE/heartbeats.log"
    run_detached ctl "$STATE/log/collector.log" \
        "$STATE/guests/collector" "$HEARTBEAT_PORT" "$STATE/heartbeats.log"
    wait_until 10 collector_listens || fail "the heartbeat collector does not listen: see $STATE/log/collector.log"
}

collector_listens() {
    nsenter --net="$(netns_path ctl)" ss -Huln "sport = :$HEARTBEAT_PORT" | grep -q .
}
