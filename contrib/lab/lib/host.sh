# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Part of contrib/lab/lab: hosts. A host is a set of namespaces with an init of its own (host-init); its disk is
# $STATE/hosts/hN, which survives a reboot.

host_names() {
    find "$STATE/hosts" -mindepth 1 -maxdepth 1 -name 'h*' -printf '%f\n' | sort -V
}

host_ip() {
    echo "10.77.0.$((10 + ${1#h}))"
}

host_socket_uri() {
    echo "qemu+unix:///system?socket=$STATE/hosts/$1/run/libvirt/libvirt-sock"
}

host_tcp_uri() {
    echo "qemu+tcp://$(host_ip "$1")/system"
}

# Odd hosts are reached by socket and even ones by TCP, so that every run exercises both.
host_uri() {
    if ((${1#h} % 2)); then
        host_socket_uri "$1"
    else
        host_tcp_uri "$1"
    fi
}

# The host's network and its disk, as they are before the first boot.
host_create() {
    local host=$1 disk=$STATE/hosts/$1
    host_network_up "$host"
    mkdir -p "$disk"/{root,run,etc/hooks,log,cache,var-lib/libvirt,var-lib/virt-roll}
    echo lab-level-1 >"$disk/root/update-level"
    install -m 755 "$REPOSITORY/contrib/libvirt-hook/qemu" "$disk/etc/hooks/qemu"
    write_libvirtd_conf "$host" >"$disk/etc/libvirtd.conf"
    write_qemu_conf "$host" >"$disk/etc/qemu.conf"
    write_etc_hosts >"$disk/root/hosts"
}

# Short keepalives: in the lab, a lost peer is noticed within four seconds.
write_libvirtd_conf() {
    cat <<END
listen_tls = 0
listen_tcp = 1
listen_addr = "$(host_ip "$1")"
tcp_port = "16509"
auth_tcp = "none"
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
host_uuid = "$(stable_uuid "$1")"
keepalive_interval = 1
keepalive_count = 3
max_clients = 200
max_anonymous_clients = 100
max_workers = 40
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
END
}

# qemu.conf's keepalive is the one of the source's own connection to the target in a peer-to-peer migration.
write_qemu_conf() {
    cat <<END
user = "root"
group = "root"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
clear_emulator_capabilities = 0
migration_address = "$(host_ip "$1")"
migration_host = "$(host_ip "$1")"
keepalive_interval = 1
keepalive_count = 3
END
}

write_etc_hosts() {
    local number
    echo "127.0.0.1 localhost"
    for ((number = 1; number <= HOSTS_MAX; number++)); do
        echo "$(host_ip "h$number") h$number"
    done
}

# Prints the pid of the host's init; fails when the host is off. The network namespace proves that the number in the
# file still means that process.
host_init_pid() {
    local pid
    pid=$(cat "$STATE/hosts/$1/init.pid" 2>/dev/null) &&
        [[ /proc/$pid/ns/net -ef $(netns_path "$1") ]] &&
        echo "$pid"
}

readonly ENTER_ALL=(--mount --uts --ipc --net --pid --root --wd)

host_exec() {
    local host=$1 init
    shift
    init=$(host_init_pid "$host") || fail "$host is off"
    nsenter --target "$init" "${ENTER_ALL[@]}" -- "$@"
}

# host_power VERB HOST [SIGNAL]: one change of a host at a time. It runs detached from the caller, who only waits for
# it: a power cycle that has begun goes to its end whatever happens to whom asked for it.
host_power() {
    local verb=$1 host=$2 signal=${3:-TERM}
    [[ $signal =~ ^[A-Z0-9]+$ ]] || bad_usage "'$signal' is no signal"
    if [[ ${VIRT_ROLL_LAB_DETACHED:-} != yes ]]; then
        host_power_detached "$@"
        return
    fi
    exec {HOST_LOCK_FD}>>"$STATE/hosts/$host/power.lock"
    flock --wait 60 "$HOST_LOCK_FD" || fail "$host: another power cycle does not end"
    case $verb in
        reboot) host_reboot "$host" ;;
        crash) host_crash "$host" ;;
        boot) host_boot "$host" ;;
        stop) libvirtd_stop "$host" "$signal" ;;
        start) libvirtd_start "$host" ;;
    esac
}

# The detached process reports by two files: its output, and its exit status, which is there when it is done.
host_power_detached() {
    local report status
    report=$(mktemp --dry-run "$STATE/log/power.XXXXXXXX")
    # shellcheck disable=SC2016
    run_detached ctl "$report.log" env VIRT_ROLL_LAB_DETACHED=yes bash -c '
        status=0
        "${@:2}" || status=$?
        echo $status >"$1.part" && mv "$1.part" "$1"' power "$report" "$LAB_DIR/lab" --state "$STATE" "$@"
    wait_until 120 test -e "$report" || fail "$2: '$1' has not ended after 120 s; see $report.log"
    cat "$report.log" >&2
    status=$(cat "$report")
    rm -f "$report" "$report.log"
    return "$status"
}

host_boot() {
    local host=$1 disk=$STATE/hosts/$1
    ! host_init_pid "$host" >/dev/null || fail "$host is on already"
    find "$disk/run" -mindepth 1 -delete
    cat /proc/sys/kernel/random/uuid >"$disk/root/boot_id"
    # What an update has staged is what the host boots.
    [[ ! -e $disk/root/update-level.staged ]] || mv "$disk/root/update-level.staged" "$disk/root/update-level"
    ip -n "$(netns "$host")" link set eth0 up
    run_detached "$host" "$disk/log/init.log" \
        unshare --mount --uts --ipc --pid --fork --kill-child --propagation private "$LAB_DIR/host-init" "$host" "$disk"
    wait_until 20 test -e "$disk/run/host.ready" || fail "$host does not boot: see $disk/log/init.log"
    libvirtd_start "$host"
}

host_reboot() {
    host_shut_down "$1"
    host_boot "$1"
}

# Ends the host in good order: connections are closed, so peers know at once.
host_shut_down() {
    local host=$1
    host_init_pid "$host" >/dev/null || return 0
    libvirtd_stop "$host" TERM
    host_kill "$host"
}

# Ends the host as a power failure does: it falls silent first, so that no goodbye of a dying socket gets out.
host_crash() {
    ip -n "$(netns "$1")" link set eth0 down
    host_kill "$1"
}

# The init is the first process of a PID namespace: the kernel ends all the others with it, at one instant.
host_kill() {
    local host=$1 init
    init=$(host_init_pid "$host") || return 0
    kill -KILL "$init"
    wait_until 20 host_is_off "$host" || fail "$host: init $init does not die"
    rm -f "$STATE/hosts/$host/init.pid"
}

host_is_off() {
    [[ -z $(ip netns pids "$(netns "$1")") ]]
}

# A test may have a library loaded into the host's libvirtd, by its path in root/libvirtd.preload; it survives a reboot.
libvirtd_start() {
    local host=$1 init preload=$STATE/hosts/$1/root/libvirtd.preload
    local -a environment=()
    [[ ! -e $preload ]] || environment=(env LD_PRELOAD="$(cat "$preload")")
    init=$(host_init_pid "$host") || fail "$host is off"
    ! libvirtd_pid "$host" >/dev/null || fail "$host: libvirtd runs already"
    run_detached "$host" "$STATE/hosts/$host/log/libvirtd-start.log" \
        nsenter --target "$init" "${ENTER_ALL[@]}" -- "${environment[@]}" \
        /usr/sbin/libvirtd --listen --daemon --pid-file /run/libvirtd.pid
    wait_until 30 libvirtd_answers "$host" || fail "$host: libvirtd does not answer: see $STATE/hosts/$host/log"
    # It came from outside the host, and so has the cgroup of whom started it.
    cgroup_adopt "$host"
}

libvirtd_answers() {
    VIRSH_TIMEOUT_S=2 virsh_on "$1" version >/dev/null 2>&1
}

# Prints libvirtd's pid as the host counts.
libvirtd_pid() {
    local pid
    pid=$(cat "$STATE/hosts/$1/run/libvirtd.pid" 2>/dev/null) &&
        host_exec "$1" kill -0 "$pid" 2>/dev/null &&
        echo "$pid"
}

libvirtd_stop() {
    local host=$1 signal=$2 pid
    pid=$(libvirtd_pid "$host") || return 0
    host_exec "$host" kill -s "$signal" "$pid"
    [[ $signal =~ ^(TERM|KILL|INT|QUIT)$ ]] || return 0
    wait_until 20 libvirtd_is_gone "$host" || fail "$host: libvirtd ($pid) does not end"
}

libvirtd_is_gone() {
    ! libvirtd_pid "$1" >/dev/null
}

# CPU contention: the host's processes share a quota in a cgroup of their own, version 1 or 2. It stays after a load of
# 0, without a limit, until the lab goes down.

readonly CGROUP_PERIOD_US=100000

# Prints the cgroup version and the directory of the CPU controller.
cgroup_controller() {
    awk '$3 == "cgroup" && $4 ~ /(^|,)cpu(,|$)/ { print 1, $2; found = 1; exit }
         $3 == "cgroup2" { second = $2 }
         END { if (!found && second) print 2, second }' /proc/self/mounts
}

cgroup_path() {
    local version root
    read -r version root < <(cgroup_controller) || return 1
    echo "$root/virt-roll-lab-$TAG-$1"
}

# Puts a host's processes into its cgroup, if it has one; those that they start follow.
cgroup_adopt() {
    local cgroup pid
    cgroup=$(cgroup_path "$1") && [[ -d $cgroup ]] || return 0
    for pid in $(ip netns pids "$(netns "$1")"); do
        echo "$pid" >"$cgroup/cgroup.procs" || [[ ! -e /proc/$pid ]] || fail "cannot move process $pid into $cgroup"
    done
}

host_load() {
    local host=$1 percent=$2 version root cgroup quota
    read -r version root < <(cgroup_controller) || fail "no cgroup with a CPU controller is mounted here"
    cgroup=$(cgroup_path "$host")
    host_init_pid "$host" >/dev/null || fail "$host is off"
    if ((version == 2)) && ! grep -qw cpu "$root/cgroup.subtree_control"; then
        echo +cpu >"$root/cgroup.subtree_control" || fail "cannot enable the CPU controller in $root"
    fi
    mkdir -p "$cgroup"
    quota=$((CGROUP_PERIOD_US * percent / 100))
    if ((version == 1)); then
        ((percent > 0)) || quota=-1
        echo "$CGROUP_PERIOD_US" >"$cgroup/cpu.cfs_period_us"
        echo "$quota" >"$cgroup/cpu.cfs_quota_us"
    else
        ((percent > 0)) || quota=max
        echo "$quota $CGROUP_PERIOD_US" >"$cgroup/cpu.max"
    fi
    # Once more for what was being forked while the first pass ran.
    cgroup_adopt "$host"
    cgroup_adopt "$host"
}

host_status() {
    local host=$1 power='off' libvirtd=stopped link=up running=-
    if host_init_pid "$host" >/dev/null; then
        power=on
        libvirtd_pid "$host" >/dev/null && libvirtd=running
        [[ $libvirtd == stopped ]] ||
            running=$(VIRSH_TIMEOUT_S=3 virsh_on "$host" list --name 2>/dev/null | xargs) || libvirtd=hanging
    fi
    ip -n "$(netns sw)" -o link show "port-$host" | grep -q '[<,]UP[,>]' || link='cut'
    printf '%-5s power %-3s  network %-3s  libvirtd %-7s  level %s  runs: %s\n' "$host" "$power" "$link" \
        "$libvirtd" "$(cat "$STATE/hosts/$host/root/update-level")" "${running:-nothing}"
}
