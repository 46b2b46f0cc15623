# A wire from this host to the namespace of the second node, as a machine in a rack has it: before systemd
# calls the network up.
set -eu
ip netns add peer
ip link add wan type veth peer name eth0 netns peer
ip address add 192.0.2.1/24 dev wan
ip link set wan up
ip -n peer link set lo up
ip -n peer address add 192.0.2.2/24 dev eth0
ip -n peer link set eth0 up
grep -q vpn.example.org /etc/hosts || echo "192.0.2.1 vpn.example.org" >>/etc/hosts
