#!/bin/sh
# The guest's first process: furnishes an empty machine, runs what the plan says, and powers off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root TERM=linux
export RUSTYNET_E2E_BACKEND=kernel RUSTYNET_TEST_PACE=12 RUSTYNET_TEST_CAPTURES=/results/captures

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=0,mode=620 pts /dev/pts
for folder in /dev/shm /tmp /run; do mount -t tmpfs -o mode=1777 tmpfs "$folder"; done
mount -t cgroup2 cgroup /sys/fs/cgroup

# The kernel loads what else it needs by itself, but not what has no device yet.
for module in virtio_pci virtio_console virtio_rng tun; do modprobe -q "$module"; done
ip link set lo up
hostname guest
mkdir -p /results/captures

# Nobody names the ports here as udev would.
mkdir -p /dev/virtio-ports
for port in /sys/class/virtio-ports/*; do
  ln -s "/dev/${port##*/}" "/dev/virtio-ports/$(cat "$port/name")"
done

uname -a
cd /rustynet || exit 1
case " $(cat /proc/cmdline) " in
*" rustynet.mode=shell "*) bun test/vm/guest/open-shell.ts ;;
*) bun test/vm/guest/run-plan.ts ;;
esac
tar -C /results -cf /dev/virtio-ports/results .
echo o >/proc/sysrq-trigger
sleep 60
