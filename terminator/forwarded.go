package terminator

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
)

// forwardedMaxHops bounds the proxies that are told of. Of a longer list, only the near end counts.
const forwardedMaxHops = 32

// forwardedPolicy is the set of proxies whose word about the client is taken. A nil policy trusts nobody.
//
// What it asks of a trusted proxy: that it sets, or strips, both X-Forwarded-* and Forwarded. Of a proxy that passes one of
// them through from the client while it sets the other, X-Forwarded-For is believed and Forwarded ignored, as the former is what
// nearly all set.
type forwardedPolicy struct {
	prefixes []netip.Prefix
}

// forwardedNewPolicy takes networks (10.0.0.0/8, fd00::/8) and addresses (192.0.2.1), each with optional white space around.
// None at all gives nil.
func forwardedNewPolicy(proxies []string) (*forwardedPolicy, error) {
	var p forwardedPolicy
	for _, text := range proxies {
		text = strings.TrimSpace(text)
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, aerr := netip.ParseAddr(text)
			if aerr != nil || addr.Zone() != "" {
				return nil, fmt.Errorf("trusted proxy %q: must be an IP address or a network such as 10.0.0.0/8", text)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		if a := prefix.Addr(); a.Is4In6() {
			// Addresses are compared in their IPv4 form.
			if prefix.Bits() < 96 {
				return nil, fmt.Errorf("trusted proxy %q: an IPv4-mapped network needs at least 96 bits; write it as IPv4", text)
			}
			prefix = netip.PrefixFrom(a.Unmap(), prefix.Bits()-96)
		}
		p.prefixes = append(p.prefixes, prefix.Masked())
	}
	if len(p.prefixes) == 0 {
		return nil, nil
	}
	return &p, nil
}

// trusts reports whether a, unmapped and without a zone, is a trusted proxy.
func (p *forwardedPolicy) trusts(a netip.Addr) bool {
	if p == nil {
		return false
	}
	for _, prefix := range p.prefixes {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// forwardedRequest is what forwardedResolve goes by. The header values are looked at only if peerTrusted; each
// is a list of the values of all fields of that name, in their order.
type forwardedRequest struct {
	peer        netip.Addr // as in guardConn
	peerText    []byte
	peerTrusted bool
	https       bool   // how the client, or the last proxy, spoke to us
	host        []byte // the Host field; empty in an HTTP/1.0 request that has none

	xFor, xProto, xHost, forwarded [][]byte
}

// forwardedValues is what is known about the client, and the fields with which to tell the next hop. All slices are valid as
// long as the request's and the scratch are.
type forwardedValues struct {
	client     netip.Addr // the nearest address that isn't a trusted proxy; invalid if that isn't known
	clientText []byte     // its text, or "unknown"
	scheme     []byte     // "http" or "https", as the client spoke
	host       []byte     // as the client asked for; may be empty

	xFor      []byte // X-Forwarded-For
	xProto    []byte // X-Forwarded-Proto
	xHost     []byte // X-Forwarded-Host; empty means to send none
	forwarded []byte // Forwarded (RFC 7239)
}

var (
	forwardedHTTP    = []byte("http")
	forwardedHTTPS   = []byte("https")
	forwardedUnknown = []byte("unknown")
)

func forwardedScheme(https bool) []byte {
	if https {
		return forwardedHTTPS
	}
	return forwardedHTTP
}

// forwardedResolve finds out who the client is, and composes what to send on: what a trusted peer said with the peer itself
// appended, the peer alone otherwise. What can't be parsed of a trusted peer's list counts as absent. It appends to
// scratch, which is returned for the next call, and allocates nothing but to grow it.
func forwardedResolve(p *forwardedPolicy, r *forwardedRequest, scratch []byte) (forwardedValues, []byte) {
	v := forwardedValues{
		client:     r.peer,
		clientText: r.peerText,
		scheme:     forwardedScheme(r.https),
		host:       r.host,
		xFor:       r.peerText,
	}
	buf := scratch[:0]
	if r.peerTrusted && (len(r.xFor)|len(r.xProto)|len(r.xHost)|len(r.forwarded)) != 0 {
		buf = forwardedTakeOver(p, r, &v, buf)
	} else {
		buf = forwardedElement(buf, r.peer, r.host, v.scheme)
		v.forwarded = buf
	}
	v.xProto, v.xHost = v.scheme, v.host
	return v, buf
}

// forwardedTakeOver is the part of forwardedResolve for a trusted peer that has something to say.
func forwardedTakeOver(p *forwardedPolicy, r *forwardedRequest, v *forwardedValues, buf []byte) []byte {
	var list forwardedList
	first := len(r.forwarded) // of the values of Forwarded that are sent on
	if len(r.xFor) == 0 {
		first = list.parseForwarded(r.forwarded)
	} else {
		// Not "else if it can't be parsed": a client must not get its own Forwarded believed by spoiling the other.
		list.parseXFor(r.xFor)
	}
	fromX := list.n == 0 || len(r.xFor) > 0
	if fromX {
		list.takeX(r.xProto, r.xHost) // some balancers tell the scheme alone
	}

	// From the nearest hop outwards, an address is as good as the word of the hop before it.
	client := list.n
	for i := list.n - 1; i >= 0 && (i == list.n-1 || p.trusts(list.nodes[i+1].addr)); i-- {
		client = i
		if !list.nodes[i].addr.IsValid() {
			break
		}
	}
	said := &list.bare
	if client < list.n {
		said = &list.nodes[client]
		v.client = said.addr
		start := len(buf)
		buf = forwardedAppendAddr(buf, said.addr)
		v.clientText = buf[start:len(buf):len(buf)]
	}
	if said.proto != forwardedNoProto {
		v.scheme = forwardedScheme(said.proto == forwardedProtoHTTPS)
	}
	if len(said.host) > 0 {
		start := len(buf)
		buf = append(buf, said.host...)
		v.host = buf[start:len(buf):len(buf)]
	}

	start := len(buf)
	for i := range list.n {
		buf = append(forwardedAppendAddr(buf, list.nodes[i].addr), ", "...)
	}
	buf = append(buf, r.peerText...)
	v.xFor = buf[start:len(buf):len(buf)]

	start = len(buf)
	if fromX {
		for i := range list.n {
			if i == client {
				buf = forwardedElement(buf, list.nodes[i].addr, v.host, v.scheme)
			} else {
				buf = forwardedFor(buf, list.nodes[i].addr)
			}
			buf = append(buf, ", "...)
		}
	} else {
		for _, value := range r.forwarded[first:] {
			if value = guardTrim(value); len(value) > 0 {
				buf = append(append(buf, value...), ", "...)
			}
		}
	}
	if client == list.n {
		buf = forwardedElement(buf, r.peer, v.host, v.scheme)
	} else {
		buf = forwardedElement(buf, r.peer, r.host, forwardedScheme(r.https))
	}
	v.forwarded = buf[start:len(buf):len(buf)]
	return buf
}

func forwardedAppendAddr(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(b, forwardedUnknown...)
	}
	return a.AppendTo(b)
}

// forwardedFor appends for=NODE.
func forwardedFor(b []byte, a netip.Addr) []byte {
	b = append(b, "for="...)
	if a.Is6() {
		return append(a.AppendTo(append(b, `"[`...)), `]"`...)
	}
	return forwardedAppendAddr(b, a)
}

// forwardedElement appends for=NODE;host=HOST;proto=SCHEME. host is valid (hostValid) or empty.
func forwardedElement(b []byte, a netip.Addr, host, scheme []byte) []byte {
	b = forwardedFor(b, a)
	switch {
	case len(host) == 0:
	case bytes.IndexByte(host, ':') >= 0: // neither a port nor an IPv6 address is a token
		b = append(append(append(b, `;host="`...), host...), '"')
	default:
		b = append(append(b, ";host="...), host...)
	}
	return append(append(b, ";proto="...), scheme...)
}
