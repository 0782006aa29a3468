#!/usr/bin/env bash
# A ptp4l master (linuxptp 3.1.1) with software timestamps faults after its first Sync if its virtual cable (veth) ends at a
# bridge that forwards the frame over another virtual cable. Seen on Linux 6.18.
#
# A good guess: a sent frame has one transmit timestamp (SO_TIMESTAMPING, Documentation/networking/timestamping.rst). The kernel
# keeps the sender's socket with the frame, through network namespaces too, and each veth that the frame itself crosses
# reports a time to that socket. ptp4l takes the second report for a "socket error" and its port for faulty. A bridge that
# also delivers the frame to itself forwards copies, which have no socket: then ptp4l is a master. Needs root.
set -euo pipefail
folder=$(mktemp -d)
spaces=()
pids=()
clean_up() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	for space in "${spaces[@]}"; do ip netns del "$space" 2>/dev/null || true; done
	rm -rf "$folder"
}
trap clean_up EXIT
cd "$folder"
apt-get download -qq linuxptp=3.1.1-4+b2
dpkg -x linuxptp_*.deb .
for name in near bridge far; do
	space="finding-$$-$name"
	spaces+=("$space")
	ip netns add "$space"
done
near=${spaces[0]} bridge=${spaces[1]} far=${spaces[2]}
ip -n "$bridge" link add va type veth peer name vb netns "$far"
ip -n "$bridge" link add vt type veth peer name vs netns "$near"
ip -n "$bridge" link add br0 type bridge
for port in va vt; do ip -n "$bridge" link set "$port" master br0 up; done
ip -n "$far" link set vb up
ip -n "$near" link set vs up
# PTP over Ethernet goes to the ports that are told, and nowhere else.
ip -n "$bridge" link set br0 type bridge mcast_snooping 1 mcast_querier 1
for port in va vt; do
	ip -n "$bridge" link set dev "$port" type bridge_slave mcast_flood off
done
ip -n "$bridge" link set br0 up
sleep 1
for port in va vt; do
	nsenter --net="/run/netns/$bridge" bridge mdb add dev br0 port "$port" grp 01:1b:19:00:00:00 permanent
done

# What a master says within four seconds.
master() {
	cat >master.conf <<CONF
[global]
priority1 1
domainNumber 9
uds_address $folder/master
time_stamping software
free_running 1
logAnnounceInterval -3
logSyncInterval -3
CONF
	nsenter --net="/run/netns/$near" setpriv --bounding-set -sys_time --inh-caps -sys_time \
		./usr/sbin/ptp4l -m -2 -i vs -f master.conf >said 2>&1 &
	pids=("$!")
	sleep 4
	kill "${pids[0]}"
	wait "${pids[0]}" || true
	pids=()
	grep -oE 'unexpected socket error|assuming the grand master role' said | sort -u | paste -sd';'
}

through=$(master)
nsenter --net="/run/netns/$bridge" bridge mdb add dev br0 port br0 grp 01:1b:19:00:00:00 permanent
copied=$(master)
echo "linuxptp $(dpkg-deb -f linuxptp_*.deb Version), Linux $(uname -r)"
echo "the bridge forwards the frame:  $through"
echo "the bridge forwards a copy:     $copied"
[ "$through" = "assuming the grand master role;unexpected socket error" ] &&
	[ "$copied" = "assuming the grand master role" ] || {
	echo "the behaviour has changed" >&2
	exit 1
}
