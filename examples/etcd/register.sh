#!/bin/sh
# Keeps a handler registered in etcd until SIGTERM.
#
#   register.sh http://127.0.0.1:2379 greeter greeter-py tcp://127.0.0.1:7401 [WINDOW]
#
# Run it beside the handler: if both die, the record goes within 10 s. It wants curl, and an etcd that has
# the JSON gateway. The etcd in nanofront up and nanofront etcd has none: for that it wants
# etcdctl, too (Debian's etcd-client). NANOFRONT_ETCD_PREFIX is above the keys, as for the programs.
set -eu
[ $# -ge 4 ] || { echo "usage: $0 ETCD SERVICE INSTANCE ADDRESS [WINDOW]" >&2; exit 2; }
etcd=$1 service=$2 id=$3 address=$4 window=${5:-1024}
prefix=${NANOFRONT_ETCD_PREFIX:-/nanofront/v1/}
key=${prefix%/}/instances/$service/$id
value="{\"service\":\"$service\",\"id\":\"$id\",\"address\":\"$address\",\"window\":$window,\"started\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"}"
lease= said= way=curl nl='
'
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS="$etcd"

die() { echo "can't register at $etcd: $1" >&2; exit 1; }

# ask PATH JSON: the answer goes to $answer. 1: there is none now, and $answer says why.
ask() {
	answer=$(curl -sS --max-time 5 -w '\n%{http_code}' "$etcd/v3/$1" -d "$2" 2>&1) || {
		answer=${answer%%"$nl"*}
		return 1
	}
	code=${answer##*"$nl"}
	answer=${answer%"$nl$code"}
	case $code in
	200) ;;
	404) # of another JSON than ours: there is no gateway
		command -v etcdctl >/dev/null || die "it has no JSON gateway (404 at /v3/$1), as the etcd of nanofront up: \
install etcdctl (Debian: etcd-client), and this script uses that, or run an etcd of your own"
		way=etcdctl
		return 1 ;;
	429 | 5*) answer="$code at /v3/$1: $answer"; return 1 ;;
	*) die "$code at /v3/$1: $answer" ;;
	esac
}

ctl() { answer=$(etcdctl --command-timeout=5s "$@" 2>&1); }
b64() { printf %s "$1" | base64 | tr -d '\n'; }

grant() {
	if [ $way = curl ]; then
		ask lease/grant '{"TTL":10}' || return 1
		lease=$(printf %s "$answer" | sed -n 's/.*"ID":"\([0-9]*\)".*/\1/p')
	else
		ctl lease grant 10 || return 1
		lease=$(printf %s "$answer" | sed -n 's/^lease \([0-9a-f]*\) granted.*/\1/p')
	fi
	[ -n "$lease" ]
}

put() {
	if [ $way = curl ]; then
		ask kv/put "{\"key\":\"$(b64 "$key")\",\"value\":\"$(b64 "$value")\",\"lease\":\"$lease\"}"
	else
		ctl put --lease="$lease" -- "$key" "$value"
	fi
}

# A lease that has run out is answered, too.
keep() {
	[ -n "$lease" ] || return 1
	if [ $way = curl ]; then
		ask lease/keepalive "{\"ID\":\"$lease\"}" && case $answer in *'"TTL":"'[1-9]*) ;; *) lease=; return 1 ;; esac
	else
		ctl lease keep-alive --once "$lease" && case $answer in *keepalived*) ;; *) lease=; return 1 ;; esac
	fi
}

end() {
	ended=$?
	trap - EXIT
	if [ -n "$lease" ]; then
		if [ $way = curl ]; then ask lease/revoke "{\"ID\":\"$lease\"}"; else ctl lease revoke "$lease"; fi || true
	fi
	exit $ended
}
trap 'exit 0' TERM INT HUP
trap end EXIT

while :; do
	if keep; then
		said=
	elif was=$way && grant && put; then
		said=
		echo "registered $service/$id at $address"
	else
		lease=
		[ $way = "$was" ] || continue # with etcdctl, at once
		[ "$said" = "$answer" ] || echo "can't register at $etcd, trying on: $answer" >&2
		said=$answer # once, while it is the same
	fi
	sleep 3 & # so that a signal need not wait
	wait $! || true
done
