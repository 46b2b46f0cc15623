#!/bin/sh
# Stands in for the tunnel program: notes which rules are loaded at the moment when the tunnel is made,
# then becomes the program. Usage, as the daemon starts it: filter-first.sh -f INTERFACE
/usr/sbin/nft list table inet rustynet >/run/rules-before-tunnel 2>&1
exec /run/tunnel-program "$@"
