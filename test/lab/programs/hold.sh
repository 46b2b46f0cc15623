#!/bin/sh
# Makes the namespaces that it was started in a host of the lab, says "ready", and holds them until
# its standard input ends, which is when its creator lets go or dies.
# Usage: unshare --net --mount --uts -- hold.sh MACHINE_NET MACHINE_MNT HOSTNAME
set -eu

[ "$(readlink /proc/self/ns/net)" != "$1" ] && [ "$(readlink /proc/self/ns/mnt)" != "$2" ] || {
  echo "refused: these are the machine's own namespaces; start this through unshare" >&2
  exit 1
}
# Ctrl-C on the terminal is for the creator, which closes the lab in order.
trap '' INT HUP

# A writable copy of what programs configure. An overlay and not a bind mount of single files,
# because a resolver configuration is replaced by rename, which a mounted file would refuse.
mount -t tmpfs -o mode=0755 rnlab /run
for folder in /etc /var/lib /usr/local; do
  mkdir -p "/run/overlay$folder/upper" "/run/overlay$folder/work"
  mount -t overlay -o "lowerdir=$folder,upperdir=/run/overlay$folder/upper,workdir=/run/overlay$folder/work" \
    rnlab "$folder"
done
mount -t tmpfs -o mode=0755 rnlab /run
mount -t sysfs rnlab /sys
# As udev's rules leave it (50-udev-default.rules): who has CAP_NET_ADMIN need not be root as well.
if [ -c /dev/net/tun ]; then
  mount -t tmpfs -o mode=0755 rnlab /dev/net
  mknod -m 0666 /dev/net/tun c 10 200
fi

# The machine may be running the product itself: its keys are hidden.
for folder in /etc/rustynet /var/lib/rustynet; do
  mkdir -p "$folder"
  mount -t tmpfs -o mode=0700 rnlab "$folder"
done

# Moved into place, for either may be a link to the machine's own file.
echo "# This host has no resolver." >/etc/.rnlab
mv -fT /etc/.rnlab /etc/resolv.conf
printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s\n' "$3" >/etc/.rnlab
mv -fT /etc/.rnlab /etc/hosts
echo "$3" >/etc/.rnlab
mv -fT /etc/.rnlab /etc/hostname
echo "$3" >/proc/sys/kernel/hostname

# A new namespace takes its IPv4 settings from the machine: say what they are. Addresses are usable
# at once, nobody solicits routers, and reverse paths are filtered loosely, as Debian does.
cd /proc/sys/net
for scope in all default; do
  echo 0 >"ipv6/conf/$scope/accept_dad"
  echo 0 >"ipv6/conf/$scope/accept_ra"
  echo 0 >"ipv6/conf/$scope/router_solicitations"
  echo 0 >"ipv6/conf/$scope/forwarding"
done
echo 0 >ipv4/ip_forward
echo 0 >ipv4/conf/all/rp_filter
echo 2 >ipv4/conf/default/rp_filter
cd /

echo ready
exec cat >/dev/null
