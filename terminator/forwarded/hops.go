package forwarded

import (
	"bytes"
	"net/netip"
	"slices"
	"unsafe"

	"nanofront/internal/uri"
	"nanofront/terminator/http1"
)

const (
	noProto uint8 = iota
	protoHTTP
	protoHTTPS
)

// hop is one hop of a list: the peer that it saw, and how that peer spoke to it.
type hop struct {
	addr  netip.Addr // invalid for "unknown", for obfuscated identifiers, and if !said
	said  bool       // the address was: RFC 7239 section 4 leaves out what it likes
	proto uint8      // noProto if it wasn't said, or is neither http nor https
	host  []byte     // empty if it wasn't said
}

// hops is the parsed content of X-Forwarded-For or Forwarded, the client's end first.
type hops struct {
	nodes [maxHops]hop
	n     int
	bare  hop // proto and host that were said without a list
}

// add makes room for a further hop. A full list loses its far half, so a client that sends a long
// list to hide behind can't push out what proxies have added at the near end.
func (l *hops) add() *hop {
	if l.n == len(l.nodes) {
		l.n = copy(l.nodes[:], l.nodes[len(l.nodes)/2:])
	}
	l.n++
	node := &l.nodes[l.n-1]
	*node = hop{}
	return node
}

// parseXFor takes the values of X-Forwarded-For: IP addresses, some proxies' with a port, or
// "unknown", separated by commas; empty items are none (RFC 9110 section 5.6.1). What is left of an
// item that is none of these is given up with it. It can only have come through the proxies to its
// right, so it is theirs that count.
func (l *hops) parseXFor(values [][]byte) {
	for _, value := range values {
		for more := true; more; {
			var item []byte
			item, value, more = bytes.Cut(value, []byte{','})
			if item = http1.TrimOWS(item); len(item) == 0 {
				continue
			}
			node := l.add()
			if node.addr = parseAddrPort(item); !node.addr.IsValid() && !http1.EqualLower(item, "unknown") {
				l.n = 0
			}
		}
	}
}

// takeX adds the values of X-Forwarded-Proto and -Host. There is no standard for how several
// proxies share them. One value is the client's, which everybody since has passed on. As many
// values as hops belong to them one by one. Of any other number only the last is known to come from
// the trusted peer.
func (l *hops) takeX(protos, hosts [][]byte) {
	l.spread(protos, false)
	l.spread(hosts, true)
}

// spread sets the hosts or schemes of all hops by takeX's rule, or none of them if one isn't valid.
func (l *hops) spread(values [][]byte, hosts bool) {
	var items [maxHops][]byte
	n := 0
	for _, value := range values {
		for more := true; more; {
			var item []byte
			item, value, more = bytes.Cut(value, []byte{','})
			if item = http1.TrimOWS(item); len(item) == 0 {
				continue
			}
			if n == len(items) || !new(hop).say(item, hosts) {
				return
			}
			items[n] = item
			n++
		}
	}
	if n == 0 {
		return
	}
	l.bare.say(items[n-1], hosts) // 0 < n ≤ len(items)
	for i := range l.n {
		item := items[n-1]
		if n == l.n {
			item = items[i]
		}
		l.nodes[i].say(item, hosts)
	}
}

// say sets the node's host or scheme and reports whether item is one.
func (n *hop) say(item []byte, host bool) bool {
	switch {
	case host:
		n.host = item
		return uri.ValidHost(item)
	case http1.EqualLower(item, "http"):
		n.proto = protoHTTP
	case http1.EqualLower(item, "https"):
		n.proto = protoHTTPS
	default:
		return false
	}
	return true
}

// parseForwarded takes the values of Forwarded (RFC 7239 section 4). A value that breaks the
// grammar is given up with all before it, and whole, as an open quote may have swallowed any part
// of it; first is the index of the first that wasn't. Beyond the grammar it wants no parameter
// twice in an element.
//
// An element without for is a hop whose address isn't known, as for=unknown, unless none has one:
// then there is no list but what the last element says, that of the nearest proxy.
func (l *hops) parseForwarded(values [][]byte) (first int) {
	for i, value := range values {
		if !l.parseForwardedValue(value) {
			l.n, first = 0, i+1
		}
	}
	if n := l.n; n > 0 && !slices.ContainsFunc(l.nodes[:n], func(h hop) bool { return h.said }) {
		l.bare, l.n = l.nodes[n-1], 0
	}
	return first
}

func (l *hops) parseForwardedValue(b []byte) bool {
	for {
		b = http1.TrimOWS(b)
		if len(b) > 0 && b[0] != ',' { // empty list elements are ignored (RFC 9110 section 5.6.1)
			var pairs int
			var ok bool
			if pairs, b, ok = parseElement(b, l.add()); !ok {
				return false
			}
			if pairs == 0 {
				l.n--
			}
			b = http1.TrimOWS(b)
		}
		if len(b) == 0 {
			return true
		}
		if b[0] != ',' {
			return false
		}
		b = b[1:]
	}
}

// parseElement parses pairs separated by ';' up to a ',', white space or the end, and returns how
// many, and what follows.
func parseElement(b []byte, node *hop) (pairs int, rest []byte, ok bool) {
	const (
		seenFor uint8 = 1 << iota
		seenBy
		seenHost
		seenProto
	)
	seen := uint8(0)
	once := func(bit uint8) bool {
		first := seen&bit == 0
		seen |= bit
		return first
	}
	for {
		n := 0
		for n < len(b) && http1.IsToken(b[n]) {
			n++
		}
		if n > 0 {
			pairs++
			if n == len(b) || b[n] != '=' {
				return 0, nil, false
			}
			name := b[:n]
			var value []byte
			var escapes bool
			if value, escapes, b, ok = parseValue(b[n+1:]); !ok {
				return 0, nil, false
			}
			if escapes {
				value = unescape(value)
			}
			switch {
			case http1.EqualLower(name, "for"):
				node.addr, ok = parseNode(value)
				node.said, ok = true, ok && once(seenFor)
			case http1.EqualLower(name, "by"):
				_, ok = parseNode(value)
				ok = ok && once(seenBy)
			case http1.EqualLower(name, "host"):
				// One that we can't use was not said.
				if uri.ValidHost(value) {
					node.host = value
				}
				ok = once(seenHost)
			case http1.EqualLower(name, "proto"):
				if http1.EqualLower(value, "http") {
					node.proto = protoHTTP
				} else if http1.EqualLower(value, "https") {
					node.proto = protoHTTPS
				}
				ok = once(seenProto)
			}
			if !ok {
				return 0, nil, false
			}
		}
		if len(b) == 0 || b[0] != ';' {
			return pairs, b, true
		}
		b = b[1:]
	}
}

// parseValue parses a token or a quoted-string, whose escapes stay in the value (RFC 9110 section
// 5.6.4).
func parseValue(b []byte) (value []byte, escapes bool, rest []byte, ok bool) {
	if len(b) > 0 && b[0] == '"' {
		for i := 1; i < len(b); i++ {
			c := b[i]
			if c == '"' {
				return b[1:i], escapes, b[i+1:], true
			}
			if c == '\\' && i+1 < len(b) {
				escapes = true
				i++
				c = b[i]
			}
			if c < ' ' && c != '\t' || c == 0x7f {
				break
			}
		}
		return nil, false, nil, false
	}
	n := 0
	for n < len(b) && http1.IsToken(b[n]) {
		n++
	}
	return b[:n], false, b[n:], n > 0
}

// unescape returns a copy of value without its escapes. It allocates: nothing that we look for
// needs one.
func unescape(value []byte) []byte {
	dst := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		if value[i] == '\\' {
			i++
		}
		dst = append(dst, value[i])
	}
	return dst
}

// parseNode parses nodename [":" node-port] (RFC 7239 section 6). The address is invalid for
// "unknown" and obfuscated names.
func parseNode(b []byte) (netip.Addr, bool) {
	var name, port []byte
	hasPort := false
	if len(b) > 0 && b[0] == '[' {
		i := bytes.IndexByte(b, ']')
		if i < 0 {
			return netip.Addr{}, false
		}
		if name, port = b[:i+1], b[i+1:]; len(port) > 0 {
			if port[0] != ':' {
				return netip.Addr{}, false
			}
			port, hasPort = port[1:], true
		}
	} else {
		name, port, hasPort = bytes.Cut(b, []byte{':'})
	}
	if hasPort && !obfuscated(port) && !isPort(port) {
		return netip.Addr{}, false
	}
	if http1.EqualLower(name, "unknown") || obfuscated(name) {
		return netip.Addr{}, true
	}
	if len(name) > 0 && name[0] == '[' {
		if !uri.ValidIPv6(name[1 : len(name)-1]) {
			return netip.Addr{}, false
		}
		return parseAddr(name[1 : len(name)-1]), true
	}
	return parseAddr(name), uri.ValidIPv4(name)
}

// obfuscated reports whether b is an identifier of RFC 7239 section 6.3.
func obfuscated(b []byte) bool {
	if len(b) < 2 || b[0] != '_' {
		return false
	}
	for _, c := range b {
		if !uri.IsUnreserved(c) || c == '~' {
			return false
		}
	}
	return true
}

func isPort(b []byte) bool {
	for _, c := range b {
		if !uri.IsDigit(c) {
			return false
		}
	}
	return len(b) >= 1 && len(b) <= 5
}

// parseAddrPort parses an address as proxies write it into X-Forwarded-For: IPv4, IPv4:port, IPv6,
// [IPv6] or [IPv6]:port.
func parseAddrPort(b []byte) netip.Addr {
	if len(b) > 0 && b[0] == '[' || bytes.Count(b, []byte{':'}) == 1 {
		host := b
		if i := bytes.LastIndexByte(b, ':'); i > bytes.LastIndexByte(b, ']') {
			if !isPort(b[i+1:]) {
				return netip.Addr{}
			}
			host = b[:i]
		}
		if len(host) > 1 && host[0] == '[' {
			if host[len(host)-1] != ']' || !uri.ValidIPv6(host[1:len(host)-1]) {
				return netip.Addr{}
			}
			host = host[1 : len(host)-1]
		} else if !uri.ValidIPv4(host) {
			return netip.Addr{}
		}
		return parseAddr(host)
	}
	return parseAddr(b)
}

// parseAddr is netip.ParseAddr without a copy to a string, and without zones, which mean nothing on
// another machine.
func parseAddr(b []byte) netip.Addr {
	if len(b) == 0 || len(b) > 45 || bytes.IndexByte(b, '%') >= 0 {
		return netip.Addr{}
	}
	// The string lives for the call only: an Addr without a zone keeps none of it, and the error is
	// dropped.
	a, err := netip.ParseAddr(unsafe.String(&b[0], len(b)))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}
