#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs tests in a virtual machine: where another kernel or security module is needed.
#
#   tests/vm/run.sh KIND [ARGUMENT...]    arguments go to pytest
#
# KIND is apparmor, selinux, old (kernel 6.1), older (kernel 5.10), criu, cgroup2 (v2
# alone), links (every kind of link), journald, systemd (as root), systemd-user (in a
# login session), systemd-v1 (as root, the hierarchies of v1), kernel (what Debian's
# kernels have not, on v2) or kernel-v1 (the same on v1). The last two boot the kernel
# that tests/vm/kernel.sh builds: VM_KERNEL is what LIBCONTAINER_VMTEST knows it by.
#
# LIBCONTAINER_VMTEST names a program that boots a Debian machine, runs a command in it
# as root and exits with its status. It must know these options:
#   --kernel VERSION  --suite SUITE  --systemd  --append KERNEL-ARGUMENTS
#   --share DIR[:ro]  (the same path inside)  --env NAME=VALUE  --timeout SECONDS
# and take more packages for the machine's image from VMTEST_PACKAGES. Do not change
# the tree during a run: the machine sees it.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

die() { printf 'vm: %s\n' "$*" >&2; exit 2; }

readonly python=$PWD/.venv/bin/python
[ -n "${LIBCONTAINER_VMTEST:-}" ] || die "set LIBCONTAINER_VMTEST to what boots machines"
[ -x "$python" ] || die "no environment yet: run ./dev setup"

export VMTEST_PACKAGES="gcc libc6-dev uidmap"
machine=()
session=()
# Blocks of pages that run on such machines alone.
programs=tests/docs/test_programs.py
page="$programs::test_a_block_for_another_machine_does_what_the_page_says[docs/PAGE]"
security="$programs::test_a_program_of_the_page_prints_what_the_page_says[docs/guide/security.md]"
case ${1:-} in
    apparmor)
        tests=(tests/root/test_apparmor.py "$security")
        needs=root,rootfs,apparmor
        ;;
    selinux)
        VMTEST_PACKAGES+=" selinux-policy-default policycoreutils"
        machine=(--suite trixie --systemd --append "security=selinux enforcing=0")
        tests=(tests/root/test_selinux.py "$security")
        needs=root,rootfs,selinux
        ;;
    old) # no fs_context of overlayfs (6.5), no exit status by pidfd (6.15), ...
        machine=(--kernel 6.1)
        tests=(tests/root -m "not slow")
        needs=root,rootfs
        ;;
    older) # no mount_setattr (5.12): every launch is refused, and says so
        machine=(--kernel bullseye:5.10)
        tests=(tests/root/test_old_kernel.py)
        needs=root,rootfs
        ;;
    criu) # a kernel that tracks memory; CRIU is that of the test extra
        VMTEST_PACKAGES+=" busybox-static iproute2 nftables iptables"
        machine=(--kernel 6.1)
        tests=(tests/checkpoint)
        needs=root,rootfs,criu,criu_memory
        ;;
    cgroup2) # every controller in the one hierarchy, no systemd
        machine=(--kernel 6.1)
        tests=(tests/cgroups tests/root/test_cgroup2.py tests/root/test_limits.py
            tests/root/test_live_devices.py tests/root/test_exec_cgroup.py
            tests/root/test_device_filter.py tests/root/test_stats.py
            tests/root/test_cgroup_events.py tests/root/test_factory_events.py
            tests/root/test_cgroup_alone.py tests/root/test_controllers.py)
        needs=root,rootfs,cgroup2,controllers2,hugetlb,bfq,rdma
        ;;
    systemd)
        machine=(--kernel 6.1 --systemd)
        tests=(tests/root/test_systemd.py "${page/PAGE/how/systemd.md-systemd}")
        needs=root,rootfs,systemd,controllers2
        ;;
    systemd-v1) # hybrid, as systemd lays it out
        machine=(--kernel 6.1 --systemd --append systemd.unified_cgroup_hierarchy=0)
        tests=(tests/root/test_systemd.py tests/root/test_limits.py)
        needs=root,rootfs,systemd,cgroup1
        ;;
    systemd-user)
        machine=(--kernel 6.1 --systemd)
        tests=(tests/root/test_systemd.py)
        needs=rootfs,systemd
        # pam_systemd moves it into a session, where a user's shell is.
        session=(systemd-run --quiet --wait --pipe -p User=tester -p PAMName=login
            -p "WorkingDirectory=$PWD" -E "PYTHONPATH=$PWD/src"
            -E "LIBCONTAINER_MUST_RUN=$needs")
        ;;
    journald)
        machine=(--systemd)
        tests=(tests/host/test_journal.py "${page/PAGE/guide/terminals.md-journald}")
        needs=root,rootfs,journald
        ;;
    links) # dummies, VLANs, macvlan and ipvlan as modules
        VMTEST_PACKAGES+=" busybox-static iproute2 nftables passt slirp4netns"
        machine=(--kernel 6.1)
        tests=(tests/network -m "not slow")
        needs=root,rootfs,dummy,macvlan,ipvlan,vlan,nft,tun,pasta,slirp4netns
        session=(sh -c 'modprobe tun; exec "$@"' sh)
        ;;
    kernel) # core scheduling needs two threads a core as well
        machine=(--kernel "${VM_KERNEL:?build one: tests/vm/kernel.sh}")
        tests=(tests/root/test_controllers.py
            tests/root/test_limits.py::test_a_latency_target_is_held
            tests/root/test_resources.py::test_only_a_containers_own_processes_share_a_core_with_it)
        needs=root,rootfs,controllers2,bfq,misc,io_latency,core_scheduling
        session=(sh -c 'modprobe misc_stand_in; exec "$@"' sh)
        ;;
    kernel-v1)
        machine=(--kernel "${VM_KERNEL:?build one: tests/vm/kernel.sh}")
        tests=(tests/root/test_controllers.py tests/root/test_limits.py)
        needs=root,rootfs,cgroup1,bfq,bfq_debug
        # Mounted one by one, once v2 has given them back.
        session=(sh -c '
            here=$PWD
            cd /sys/fs/cgroup
            for c in $(cat cgroup.controllers); do echo "-$c" >cgroup.subtree_control; done
            cd / && umount /sys/fs/cgroup && mount -t tmpfs cgroups /sys/fs/cgroup
            for c in cpu cpuacct cpuset memory pids blkio devices freezer hugetlb; do
                mkdir "/sys/fs/cgroup/$c"
                mount -t cgroup -o "$c" cgroup "/sys/fs/cgroup/$c"
            done
            cd "$here"
            exec "$@"' sh)
        ;;
    *) die "which machine? $(sed -n 's/^# KIND is //p' "$0" | head -1) ..." ;;
esac
shift

base=$("$python" -c 'import sys; print(sys.base_prefix)')
[ "$base" = /usr ] || machine+=(--share "$base:ro")
# Tests of unprivileged callers reach an interpreter below /root.
exec "$LIBCONTAINER_VMTEST" "${machine[@]}" --share "$PWD" \
    --env "PYTHONPATH=$PWD/src" --env "LIBCONTAINER_MUST_RUN=$needs" \
    --timeout "${VM_TIMEOUT:-900}" -- \
    sh -c 'chmod a+x /root; exec "$@"' sh "${session[@]}" \
    "$python" -B -m pytest -p no:cacheprovider -o faulthandler_timeout=600 -q \
    "${tests[@]}" "$@"
