# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Part of contrib/lab/lab: the end of a lab. Nothing is looked up in a record: processes are found by the lab's lock
# file and network namespaces, and the rest by the names that derive from the state directory.

lab_down() {
    need_root
    local found=no
    if [[ -e $STATE/lab.lock ]]; then
        found=yes
        # First those that could still add something.
        kill_all lab_workers
        exec {LOCK_FD}>>"$STATE/lab.lock"
        flock --wait 20 "$LOCK_FD" || fail "another 'lab up' or 'lab down' is at work in $STATE"
    elif [[ -e $STATE && -n $(ls -A "$STATE") ]]; then
        echo "lab: $STATE is no lab: its files are left alone" >&2
    fi
    kill_all lab_members
    remove_namespaces
    remove_cgroups
    [[ $found == no ]] || rm -rf --one-file-system "$STATE"
    say "the lab in $STATE is down"
}

# Prints the processes that hold the lock of this lab: an "up" under way and its children.
lab_workers() {
    find /proc/[0-9]*/fd -lname "$STATE/lab.lock" 2>/dev/null | cut -d/ -f3 | sort -u
}

# Prints the processes in this lab's network namespaces: hosts with all that runs on them, storage, collector, power
# cycles under way, and what was started by "ctl".
lab_members() {
    local name
    for name in $(lab_namespaces); do
        ip netns pids "$name"
    done
}

lab_namespaces() {
    find /run/netns -maxdepth 1 -name "vrl-$TAG-*" -printf '%f\n' 2>/dev/null || true
}

# kill_all FUNCTION: kills the processes that FUNCTION prints, until it twice prints none but ourselves and our
# ancestors; once is not enough, for a process may fork while the list is being made.
kill_all() {
    local pass
    for pass in first second; do
        wait_until 20 none_left_to_kill "$1" || fail "cannot kill, in the $pass pass: $("$1" | xargs)"
    done
}

none_left_to_kill() {
    local -a victims
    mapfile -t victims < <(comm -23 <("$1" | sort) <(own_family | sort))
    ((${#victims[@]} > 0)) || return 0
    kill -KILL "${victims[@]}" 2>/dev/null || true
    return 1
}

own_family() {
    local pid=$BASHPID
    while ((pid > 1)); do
        echo "$pid"
        pid=$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status")
    done
}

remove_namespaces() {
    local name
    for name in $(lab_namespaces); do
        ip netns del "$name"
    done
    # "ip netns" leaves a mount behind; when no namespace is in it, nobody needs it.
    if [[ -d /run/netns && -z $(ls -A /run/netns) ]]; then
        umount /run/netns 2>/dev/null || true
        rmdir /run/netns 2>/dev/null || true
    fi
}

remove_cgroups() {
    local root
    read -r _ root < <(cgroup_controller) || return 0
    find "$root" -mindepth 1 -maxdepth 1 -type d -name "virt-roll-lab-$TAG-*" -exec rmdir {} +
}
