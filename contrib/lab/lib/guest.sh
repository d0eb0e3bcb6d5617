# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Part of contrib/lab/lab: guests.

# More at once make each other slow on a small machine.
# shellcheck disable=SC2034
readonly BOOTS_AT_ONCE=3
readonly BOOT_LIMIT_S=120
readonly GUEST_MEMORY_MIB=96
readonly GUEST_WORK="lab.heartbeat_ms=50 lab.dirty=5 lab.memory=16 lab.iops=20"

guest_names() {
    find "$STATE/guests" -maxdepth 1 -name 'vm*.xml' -printf '%f\n' | sed 's/\.xml$//' | sort -V
}

guest_ip() {
    echo "10.77.1.${1#vm}"
}

# The lab has copies of its own: the next build may not change what runs, and a host sees the state directory only.
prepare_guests() {
    local vm_count=$1 number artefact
    cp "$KERNEL"/boot/vmlinuz-* "$STATE/guests/vmlinuz"
    for artefact in initrd.gz emulator collector; do
        cp --no-dereference "$ARTEFACTS/$artefact" "$STATE/guests/"
    done
    # The choice of this "up", even if another one with another override came in between.
    echo "${VIRT_ROLL_LAB_ACCEL:-$(cat "$ARTEFACTS/accelerator")}" >"$STATE/accelerator"
    for ((number = 1; number <= vm_count; number++)); do
        write_domain_xml "vm$number" >"$STATE/guests/vm$number.xml"
    done
}

# The machine type is pinned, so that a guest can migrate to a host with a newer QEMU. The network card has no boot
# ROM: it is in a package that nothing else here needs.
write_domain_xml() {
    local guest=$1 type=kvm
    [[ $(cat "$STATE/accelerator") == kvm ]] || type=qemu
    cat <<END
<domain type='$type'>
  <name>$guest</name>
  <uuid>$(stable_uuid "$guest")</uuid>
  <memory unit='MiB'>$GUEST_MEMORY_MIB</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='$GUEST_MACHINE'>hvm</type>
    <kernel>$STATE/guests/vmlinuz</kernel>
    <initrd>$STATE/guests/initrd.gz</initrd>
    <cmdline>$GUEST_CMDLINE lab.name=$guest lab.ip=$(guest_ip "$guest") lab.sink=$CONTROLLER_IP $GUEST_WORK</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>$STATE/guests/emulator</emulator>
    <disk type='network' device='disk'>
      <driver name='qemu' type='raw' cache='none'/>
      <source protocol='nbd' name='$guest'><host name='$STORAGE_IP' port='$(disk_port "$guest")'/></source>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='bridge'>
      <mac address='$(printf '52:54:00:77:00:%02x' "${guest#vm}")'/>
      <source bridge='br0'/>
      <model type='virtio'/>
      <rom enabled='no'/>
    </interface>
    <serial type='file'><source path='$STATE/guests/$guest.serial' append='on'/></serial>
    <controller type='usb' model='none'/>
    <memballoon model='virtio'><stats period='1'/></memballoon>
  </devices>
</domain>
END
}

# Round the hosts, all but the last one.
define_guests() {
    local host_count=$1 guest host
    for guest in $(guest_names); do
        host=h$(((${guest#vm} - 1) % (host_count - 1) + 1))
        virsh_on "$host" "define $STATE/guests/$guest.xml; autostart $guest" >"$STATE/log/define.log" 2>&1 ||
            fail "cannot define $guest on $host: $(cat "$STATE/log/define.log")"
        echo "$host" >"$STATE/guests/$guest.first-host"
    done
}

guest_start() {
    local guest=$1 host log=$STATE/log/start-$1.log
    host=$(cat "$STATE/guests/$guest.first-host")
    VIRSH_TIMEOUT_S=60 virsh_on "$host" start "$guest" >"$log" 2>&1 || fail "cannot start $guest: $(cat "$log")"
    wait_until "$BOOT_LIMIT_S" guest_beats "$guest" ||
        fail "$guest sends no heartbeat after $BOOT_LIMIT_S s: see $STATE/guests/$guest.serial"
}

guest_beats() {
    grep -q -m 1 " vm=$1 " "$STATE/heartbeats.log"
}

# Prints the host on which the guest runs.
guest_host() {
    local guest=$1 host
    for host in $(host_names); do
        if host_init_pid "$host" >/dev/null &&
            VIRSH_TIMEOUT_S=5 virsh_on "$host" list --state-running --name 2>/dev/null | grep -qx "$guest"; then
            echo "$host"
            return
        fi
    done
    return 1
}

guest_throttle() {
    local guest=$1 iops=$2 host
    host=$(guest_host "$guest") || fail "$guest runs on no host that answers"
    virsh_on "$host" blkdeviotune "$guest" vda --total-iops-sec "$iops" --live
}

# Heartbeats tell the rate at which a guest works; datagrams get lost, so it is told until it does.
guest_dirty() {
    wait_until 10 guest_obeys "$1" dirty "$2" || fail "$1 does not answer"
}

guest_obeys() {
    local guest=$1 key=$2 value=$3
    # shellcheck disable=SC2016
    nsenter --net="$(netns_path ctl)" bash -c 'echo "$1" >"/dev/udp/$2/7701"' _ "$key=$value" "$(guest_ip "$guest")"
    sleep 0.1
    guest_last_beat "$guest" | grep -q " $key=$value "
}

guest_last_beat() {
    tail -n 2000 "$STATE/heartbeats.log" | grep " vm=$1 " | tail -1
}

guest_status() {
    local guest=$1 host beat age=never
    host=$(guest_host "$guest") || host=-
    beat=$(guest_last_beat "$guest") || true
    [[ -z $beat ]] || age="$(((${EPOCHREALTIME/./} - ${beat%% *}) / 1000)) ms ago"
    printf '%-5s on %-4s last heartbeat %s\n' "$guest" "$host" "$age"
}
