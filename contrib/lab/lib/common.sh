# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Part of contrib/lab/lab: what the other parts share. The caller has set LAB_DIR and REPOSITORY.
# shellcheck disable=SC2034

readonly STATE_DEFAULT=/var/tmp/virt-roll-lab
# Debian's own interpreter: another one on the PATH lacks Debian's packages.
readonly PYTHON=/usr/bin/python3
# A port of the switch per host, and the addresses 10.77.0.11 and up: 40 leaves the rest of the numbers readable.
readonly HOSTS_MAX=40
readonly VMS_MAX=200

STATE=$STATE_DEFAULT
TAG=
STARTED_US=${EPOCHREALTIME/./}

fail() {
    echo "lab: $*" >&2
    exit 1
}

say() {
    local elapsed_ms=$(((${EPOCHREALTIME/./} - STARTED_US) / 1000))
    printf '%3d.%d s  %s\n' $((elapsed_ms / 1000)) $((elapsed_ms % 1000 / 100)) "$*"
}

# Everything of a lab is named after its state directory, so that "down" needs no record of what "up" has done.
identify_lab() {
    [[ $STATE =~ ^[A-Za-z0-9/._-]+$ ]] || fail "the state directory's name may hold letters, digits and / . _ - only"
    STATE=$(realpath -m -- "$STATE")
    # A UNIX socket's path ends at 107 bytes, and libvirt's is the longest one below the state directory.
    ((${#STATE} <= 64)) || fail "the state directory's path is too long (64 at most): $STATE"
    case $STATE/ in
        / | /run/* | /var/run/* | /var/lib/* | /etc/libvirt/* | /var/log/libvirt/* | /var/cache/libvirt/*)
            fail "the state directory cannot be in $STATE: the hosts have directories of their own in that place" ;;
    esac
    TAG=$(printf '%s' "$STATE" | sha256sum)
    TAG=${TAG:0:6}
}

need_root() {
    [[ $(id -u) -eq 0 ]] || fail "needs root"
}

need_lab() {
    need_root
    [[ -f $STATE/lab.lock ]] || fail "no lab in $STATE: run 'lab up' first"
}

need_host() {
    need_lab
    [[ $1 =~ ^h[0-9]+$ && -d $STATE/hosts/$1 ]] || fail "no host '$1' in this lab: it has $(host_names | xargs)"
}

need_guest() {
    need_lab
    [[ $1 =~ ^vm[0-9]+$ && -f $STATE/guests/$1.xml ]] || fail "no VM '$1' in this lab: it has $(guest_names | xargs)"
}

need_number() {
    [[ $1 =~ ^[0-9]{1,6}$ ]] || bad_usage "'$1' is not a number from 0 to 999999"
}

check_machine() {
    local program
    need_root
    for program in libvirtd virsh qemu-system-x86_64 qemu-nbd ip nsenter unshare setsid flock cpio gcc "$PYTHON"; do
        command -v "$program" >/dev/null || fail "'$program' is missing: run $REPOSITORY/contrib/setup lab"
    done
    [[ -c /dev/net/tun ]] || modprobe tun 2>/dev/null || fail "no /dev/net/tun: this kernel gives guests no network"
}

# Takes an empty directory for the lab, and locks it for as long as this process and its children run: "down" finds
# them by the open lock file.
claim_state() {
    if [[ -e $STATE/lab.lock ]]; then
        flock --nonblock "$STATE/lab.lock" true || fail "another 'lab up' or 'lab down' is at work in $STATE"
        [[ -e $(netns_path ctl) ]] && fail "the lab in $STATE is up already: 'lab status' shows it, 'lab down' ends it"
        fail "an earlier lab was left in $STATE: run 'lab down' first"
    fi
    [[ ! -e $STATE || -z $(ls -A "$STATE") ]] || fail "$STATE holds something that is no lab: give another --state"
    mkdir -p "$STATE"
    exec {LOCK_FD}>>"$STATE/lab.lock"
    flock --nonblock "$LOCK_FD" || fail "another 'lab up' is at work in $STATE"
    mkdir -p "$STATE"/{hosts,guests,disks,log}
}

# wait_until SECONDS COMMAND...: polls a condition; fails when it does not come true in time.
wait_until() {
    local deadline_us=$((${EPOCHREALTIME/./} + $1 * 1000000))
    shift
    until "$@"; do
        ((${EPOCHREALTIME/./} < deadline_us)) || return 1
        sleep 0.03
    done
}

# in_parallel LIMIT FUNCTION: calls FUNCTION with each line of standard input, at most LIMIT at once; fails when one of
# them did.
in_parallel() {
    local limit=$1 function=$2 item running=0
    while read -r item; do
        if ((running == limit)); then
            wait -n || exit 1
            running=$((running - 1))
        fi
        "$function" "$item" </dev/null &
        running=$((running + 1))
    done
    for (( ; running > 0; running--)); do
        wait -n || exit 1
    done
}

readonly CLEAN_ENVIRONMENT=(env -i LC_ALL=C HOME=/root
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)

# run_detached NAMESPACE LOG COMMAND...: a command that has nothing of its caller: a session of its own, its output in
# LOG, a clean environment, and no other descriptor; so a host holds neither the lock of a "lab up" nor the pipe of a
# test that reads its output. It enters the lab's network namespace first and closes the lock after that: "down" finds
# it by the one or the other at every instant.
run_detached() {
    local namespace=$1 log=$2
    shift 2
    # shellcheck disable=SC2016
    setsid --fork nsenter --net="$(netns_path "$namespace")" "${CLEAN_ENVIRONMENT[@]}" bash -c '
        for path in /proc/self/fd/*; do
            fd=${path##*/}
            ((fd <= 2)) || exec {fd}>&-
        done
        exec "$@"' detached "$@" </dev/null >>"$log" 2>&1
}

# A UUID that is the same in every lab of this state directory, and different in all others.
stable_uuid() {
    local digest
    digest=$(printf '%s %s' "$STATE" "$1" | sha256sum)
    echo "${digest:0:8}-${digest:8:4}-4${digest:13:3}-8${digest:17:3}-${digest:20:12}"
}

virsh_on() {
    local host=$1
    shift
    timeout "${VIRSH_TIMEOUT_S:-20}" virsh --quiet --connect "$(host_socket_uri "$host")" "$@"
}
