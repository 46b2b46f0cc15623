#!/bin/sh
# on runs a program on a host of the mesh, or a shell there: on alice ping bob
[ $# -gt 0 ] || { echo "usage: on HOST [PROGRAM ARGUMENT...]; hosts: $(ls /run/mesh | xargs)" >&2; exit 64; }
host=$1
shift
[ -r "/run/mesh/$host" ] || { echo "on: there is no host $host; there are: $(ls /run/mesh | xargs)" >&2; exit 64; }
[ $# -gt 0 ] || set -- bash
exec nsenter -t "$(cat "/run/mesh/$host")" --net --mount --uts -- "$@"
