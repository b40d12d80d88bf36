#!/bin/sh
# Keeps a handler registered in etcd until SIGTERM, through etcd's JSON gateway.
#
#   register.sh http://127.0.0.1:2379 greeter greeter-py tcp://127.0.0.1:7401 [WINDOW]
#
# The system's --etcd-prefix, if it has one, is given as $NANOFRONT_ETCD_PREFIX.
# Run it beside the handler: if both die, the record goes within 10 s. Wants curl.
set -eu
[ $# -ge 4 ] || { echo "usage: $0 ETCD SERVICE INSTANCE ADDRESS [WINDOW]" >&2; exit 2; }
etcd=$1 service=$2 id=$3 address=$4 window=${5:-1024}
started=$(date -u +%Y-%m-%dT%H:%M:%SZ)
lease=

ask() { curl -sS --max-time 5 "$etcd/v3/$1" -d "$2"; }
base64() { printf %s "$1" | command base64 | tr -d '\n'; }

end() {
	trap - EXIT
	[ -z "$lease" ] || ask lease/revoke "{\"ID\":\"$lease\"}" >/dev/null || true
	exit 0
}
trap end TERM INT EXIT

prefix=${NANOFRONT_ETCD_PREFIX:-/nanofront/v1}
key=$(base64 "${prefix%/}/instances/$service/$id")
value=$(base64 "{\"service\":\"$service\",\"id\":\"$id\",\"address\":\"$address\",\"window\":$window,\"started\":\"$started\"}")
while :; do
	# A lease that has run out answers without a TTL: begin again.
	if [ -n "$lease" ] && ask lease/keepalive "{\"ID\":\"$lease\"}" | grep -q '"TTL":"[1-9]'; then
		:
	else
		lease=$(ask lease/grant '{"TTL":10}' | sed -n 's/.*"ID":"\([0-9]*\)".*/\1/p') || lease=
		if [ -n "$lease" ] && ask kv/put "{\"key\":\"$key\",\"value\":\"$value\",\"lease\":\"$lease\"}" | grep -q '"revision"'; then
			echo "registered $service/$id at $address"
		else
			echo "can't register at $etcd, trying on" >&2
			lease=
		fi
	fi
	sleep 3 & # so that a signal need not wait
	wait $! || true
done
