# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Part of contrib/lab/lab: what guests are made of, built once and kept in build/lab below the repository's root.
#
#   kernel/PACKAGE/   Debian's cloud kernel, unpacked; kernel/current is the one in use
#   initrd.gz         the guest's init and the virtio drivers
#   emulator          QEMU behind the wrapper that its version needs
#   collector
#   accelerator.KEY   kvm or tcg, as found out by booting a guest

readonly ARTEFACTS=$REPOSITORY/build/lab
readonly KERNEL=$ARTEFACTS/kernel/current
# In the order in which they load.
readonly GUEST_MODULES=(virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk
    failover net_failover virtio_net virtio_balloon)
# An emulated clock source: with the processor's own counter, a guest on a busy machine may calibrate it wrongly.
readonly GUEST_CMDLINE="console=ttyS0 quiet panic=-1 no_timer_check clocksource=acpi_pm mitigations=off"
readonly GUEST_MACHINE=pc-i440fx-7.2
readonly KVM_TRIAL_S=10

build_artefacts() {
    mkdir -p "$ARTEFACTS/kernel"
    (
        flock 9
        build_kernel
        build_programs
        build_initrd
        build_emulator
        choose_accelerator
    ) 9>>"$ARTEFACTS/build.lock"
}

# Prints the package that apt names now, else the newest one that is here.
kernel_package() {
    local package
    package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
        awk '$1 == "Depends:" && /linux-image-/ { print $2; exit }')
    [[ -n $package ]] || package=$(find "$ARTEFACTS/kernel" -mindepth 1 -maxdepth 1 -name 'linux-image-*' \
        ! -name '*.part' -printf '%f\n' | sort -V | tail -1)
    [[ -n $package ]] && echo "$package"
}

# Leaves a link "kernel/current" to the unpacked kernel.
build_kernel() {
    local package directory
    package=$(kernel_package) || { apt_update && package=$(kernel_package); } ||
        fail "apt knows no linux-image-cloud-amd64: are the package sources right?"
    directory=$ARTEFACTS/kernel/$package
    if [[ ! -d $directory ]]; then
        say "downloading $package"
        rm -rf "$directory.part"
        mkdir -p "$directory.part"
        kernel_download "$package" || { apt_update && kernel_download "$package"; } ||
            fail "cannot download $package: see $ARTEFACTS/apt.log"
        dpkg-deb --extract "$directory.part"/*.deb "$directory.part"
        rm "$directory.part"/*.deb
        mv "$directory.part" "$directory"
    fi
    ln -sfn "$package" "$KERNEL"
}

kernel_download() {
    (cd "$ARTEFACTS/kernel/$1.part" && apt-get -q download -o APT::Sandbox::User=root "$1") >>"$ARTEFACTS/apt.log" 2>&1
}

apt_update() {
    apt-get -q update >>"$ARTEFACTS/apt.log" 2>&1
}

compile() {
    local source=$LAB_DIR/guest/$1.c program=$ARTEFACTS/$1
    shift
    [[ $program -nt $source ]] || gcc -std=gnu17 -O2 -Wall -Wextra -o "$program" "$source" "$@" ||
        fail "cannot compile $source"
}

build_programs() {
    compile init -static -pthread
    compile collector
}

build_initrd() {
    local root=$ARTEFACTS/initrd.part module made_from
    made_from="$(readlink "$KERNEL") $(sha256sum <"$ARTEFACTS/init") ${GUEST_MODULES[*]}"
    [[ ! -e $ARTEFACTS/initrd.gz || $(cat "$ARTEFACTS/initrd.from" 2>/dev/null) != "$made_from" ]] || return 0
    rm -rf "$root"
    mkdir -p "$root"/{modules,proc,sys,dev}
    for module in "${GUEST_MODULES[@]}"; do
        find "$KERNEL/lib/modules" -name "$module.ko" -exec cp {} "$root/modules/" \;
        [[ -e $root/modules/$module.ko ]] || fail "no module $module in $KERNEL"
        echo "$module.ko" >>"$root/modules/order"
    done
    strip --strip-debug "$root"/modules/*.ko
    cp "$ARTEFACTS/init" "$root/init"
    (cd "$root" && find . | cpio --quiet --create --format=newc | gzip -9) >"$ARTEFACTS/initrd.gz.part"
    mv "$ARTEFACTS/initrd.gz.part" "$ARTEFACTS/initrd.gz"
    echo "$made_from" >"$ARTEFACTS/initrd.from"
    rm -rf "$root"
}

qemu_version() {
    qemu-system-x86_64 --version | sed -n '1s/.*version \([0-9.]*\).*/\1/p'
}

# See guest/emulator.c.
build_emulator() {
    local version
    version=$(qemu_version)
    if ((${version%%.*} < 9)); then
        compile emulator -static
    else
        ln -sfn "$(command -v qemu-system-x86_64)" "$ARTEFACTS/emulator"
    fi
}

# A /dev/kvm proves nothing: on some virtual machines it is there and cannot run a kernel. So a guest is booted.
choose_accelerator() {
    local key choice=tcg
    key=$ARTEFACTS/accelerator.$(uname -r)-$(qemu_version)
    if [[ -n ${VIRT_ROLL_LAB_ACCEL:-} ]]; then
        [[ $VIRT_ROLL_LAB_ACCEL =~ ^(kvm|tcg)$ ]] || fail "VIRT_ROLL_LAB_ACCEL is kvm or tcg"
        echo "$VIRT_ROLL_LAB_ACCEL" >"$ARTEFACTS/accelerator"
        return
    fi
    if [[ ! -e $key ]]; then
        if [[ -c /dev/kvm ]]; then
            say "trying to boot a guest with KVM, for $KVM_TRIAL_S s at most"
            ! kvm_boots_a_guest || choice=kvm
        fi
        echo "$choice" >"$key"
    fi
    cp "$key" "$ARTEFACTS/accelerator"
}

kvm_boots_a_guest() {
    local console=$ARTEFACTS/kvm-trial.log qemu booted=1
    rm -f "$console"
    qemu-system-x86_64 -accel kvm -machine "$GUEST_MACHINE" -m 96 -nodefaults -display none \
        -serial "file:$console" -kernel "$KERNEL"/boot/vmlinuz-* -initrd "$ARTEFACTS/initrd.gz" \
        -append "$GUEST_CMDLINE" </dev/null >"$ARTEFACTS/kvm-trial.err" 2>&1 &
    qemu=$!
    wait_until "$KVM_TRIAL_S" kvm_trial_ended "$qemu" "$console" || true
    grep -qs READY "$console" && booted=0
    kill -KILL "$qemu" 2>/dev/null || true
    wait "$qemu" 2>/dev/null || true
    return "$booted"
}

kvm_trial_ended() {
    grep -qs READY "$2" || ! kill -0 "$1" 2>/dev/null
}
