package forwarded

import (
	"bytes"
	"net/netip"

	"nanofront/terminator/http1"
)

// maxHops bounds the proxies that are told of. Of a longer list, only the near end counts.
const maxHops = 32

// Request is what Resolve goes by. The header values are looked at only if the peer is trusted;
// each is a list of the values of all fields of that name, in their order.
type Request struct {
	Peer  Peer
	HTTPS bool   // how the client, or the last proxy, spoke to us
	Host  []byte // the Host field; empty in an HTTP/1.0 request that has none

	XFor, XProto, XHost, Forwarded [][]byte
}

// Values is what is known about the client, and the fields with which to tell the next hop. All
// slices are valid as long as the request's and the scratch are.
type Values struct {
	Client     netip.Addr // the nearest address that isn't a trusted proxy; invalid if that isn't known
	ClientText []byte     // its text, or "unknown"
	Scheme     []byte     // "http" or "https", as the client spoke
	Host       []byte     // as the client asked for; may be empty

	XFor      []byte // X-Forwarded-For
	XProto    []byte // X-Forwarded-Proto
	XHost     []byte // X-Forwarded-Host; empty means to send none
	Forwarded []byte // Forwarded (RFC 7239)
}

var (
	schemeHTTP  = []byte("http")
	schemeHTTPS = []byte("https")
	unknown     = []byte("unknown")
)

func schemeOf(https bool) []byte {
	if https {
		return schemeHTTPS
	}
	return schemeHTTP
}

// Resolve finds out who the client is, and composes what to send on: what a trusted peer said with
// the peer itself appended, the peer alone otherwise. What can't be parsed of a trusted peer's list
// counts as absent. It appends to scratch, which is returned for the next call, and allocates
// nothing but to grow it.
func Resolve(p *Policy, r *Request, scratch []byte) (Values, []byte) {
	v := Values{
		Client:     r.Peer.IP,
		ClientText: r.Peer.Text,
		Scheme:     schemeOf(r.HTTPS),
		Host:       r.Host,
		XFor:       r.Peer.Text,
	}
	buf := scratch[:0]
	if r.Peer.Trusted && (len(r.XFor)|len(r.XProto)|len(r.XHost)|len(r.Forwarded)) != 0 {
		buf = takeOver(p, r, &v, buf)
	} else {
		buf = appendElement(buf, r.Peer.IP, r.Host, v.Scheme)
		v.Forwarded = buf
	}
	v.XProto, v.XHost = v.Scheme, v.Host
	return v, buf
}

// takeOver is the part of Resolve for a trusted peer that has something to say.
func takeOver(p *Policy, r *Request, v *Values, buf []byte) []byte {
	var list hops
	first := len(r.Forwarded) // of the values of Forwarded that are sent on
	if len(r.XFor) == 0 {
		first = list.parseForwarded(r.Forwarded)
	} else {
		// Not "else if it can't be parsed": a client must not get its own Forwarded believed by
		// spoiling the other.
		list.parseXFor(r.XFor)
	}
	fromX := list.n == 0 || len(r.XFor) > 0
	if fromX {
		list.takeX(r.XProto, r.XHost) // some balancers tell the scheme alone
	}

	// From the nearest hop outwards, an address is as good as the word of the hop before it.
	client := list.n
	for i := list.n - 1; i >= 0 && (i == list.n-1 || p.Trusts(list.nodes[i+1].addr)); i-- {
		client = i
		if !list.nodes[i].addr.IsValid() {
			break
		}
	}
	said := &list.bare
	if client < list.n {
		said = &list.nodes[client]
		v.Client = said.addr
		start := len(buf)
		buf = appendAddr(buf, said.addr)
		v.ClientText = buf[start:len(buf):len(buf)]
	}
	if said.proto != noProto {
		v.Scheme = schemeOf(said.proto == protoHTTPS)
	}
	if len(said.host) > 0 {
		start := len(buf)
		buf = append(buf, said.host...)
		v.Host = buf[start:len(buf):len(buf)]
	}

	start := len(buf)
	for i := range list.n {
		buf = append(appendAddr(buf, list.nodes[i].addr), ", "...)
	}
	buf = append(buf, r.Peer.Text...)
	v.XFor = buf[start:len(buf):len(buf)]

	start = len(buf)
	if fromX {
		for i := range list.n {
			if i == client {
				buf = appendElement(buf, list.nodes[i].addr, v.Host, v.Scheme)
			} else {
				buf = appendFor(buf, list.nodes[i].addr)
			}
			buf = append(buf, ", "...)
		}
	} else {
		for _, value := range r.Forwarded[first:] {
			if value = http1.TrimOWS(value); len(value) > 0 {
				buf = append(append(buf, value...), ", "...)
			}
		}
	}
	if client == list.n {
		buf = appendElement(buf, r.Peer.IP, v.Host, v.Scheme)
	} else {
		buf = appendElement(buf, r.Peer.IP, r.Host, schemeOf(r.HTTPS))
	}
	v.Forwarded = buf[start:len(buf):len(buf)]
	return buf
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(b, unknown...)
	}
	return a.AppendTo(b)
}

// appendFor appends for=NODE.
func appendFor(b []byte, a netip.Addr) []byte {
	b = append(b, "for="...)
	if a.Is6() {
		return append(a.AppendTo(append(b, `"[`...)), `]"`...)
	}
	return appendAddr(b, a)
}

// appendElement appends for=NODE;host=HOST;proto=SCHEME. host is valid (uri.ValidHost) or empty.
func appendElement(b []byte, a netip.Addr, host, scheme []byte) []byte {
	b = appendFor(b, a)
	switch {
	case len(host) == 0:
	case bytes.IndexByte(host, ':') >= 0: // neither a port nor an IPv6 address is a token
		b = append(append(append(b, `;host="`...), host...), '"')
	default:
		b = append(append(b, ";host="...), host...)
	}
	return append(append(b, ";proto="...), scheme...)
}
