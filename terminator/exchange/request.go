package exchange

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"

	"nanofront/httpmsg"
	"nanofront/registry"
	"nanofront/terminator/admission"
	"nanofront/terminator/forwarded"
	"nanofront/terminator/http1"
	"nanofront/terminator/memory"
)

// The fields that the front sets itself.
var (
	nameRequestID = []byte("x-request-id")
	nameXFor      = []byte("x-forwarded-for")
	nameXProto    = []byte("x-forwarded-proto")
	nameXHost     = []byte("x-forwarded-host")
	nameForwarded = []byte("forwarded")
)

// Read takes over the head of a request in HTTP/1, which the scanner has found in order: request
// line and header section, without empty lines before it, and what is where in it. The bytes are
// copied.
func (x *Exchange) Read(head []byte, at *http1.Head) {
	x.request = append(x.request[:0], head...)
	x.read(x.request, at)
}

// read takes the parts of the head, which all of them alias.
func (x *Exchange) read(head []byte, at *http1.Head) {
	x.msg.Method = head[:at.Method]
	x.Head = string(x.msg.Method) == "HEAD"
	x.header.read(head, at.Fields)
	x.msg.Host = x.header.host
	x.Close = x.header.close || at.Old && !x.header.keepAlive
	if at.Old {
		x.old = 1
	}
	if x.normal = at.Path > 0; x.normal {
		x.msg.Path = head[at.Method+1 : at.Path]
		x.msg.Query = head[min(at.Path+1, at.Target):at.Target]
	} else {
		x.msg.Path = head[at.Method+1 : at.Target] // until it is brought to its form
	}
	x.identified()
}

// identified gives the request an id if it has none.
func (x *Exchange) identified() {
	if x.trace != nil {
		x.beginTrace()
	}
	if x.requestID = x.header.requestID; x.requestID != nil {
		return
	}
	// 128 random bits.
	var raw [16]byte
	binary.NativeEndian.PutUint64(raw[:], rand.Uint64())
	binary.NativeEndian.PutUint64(raw[8:], rand.Uint64())
	hex.Encode(x.madeID[:], raw[:])
	x.requestID = x.madeID[:]
}

// Route finds where the request goes, and whether a body of that length, -1 if it isn't known, may
// go there. If not, it returns false, and the request is to be refused with Refuse.
func (x *Exchange) Route(length int64) bool {
	x.count()
	x.outcome = x.route()
	if x.outcome == answered && length > int64(x.up.maxBody) {
		x.outcome = bodyTooLarge
	}
	return x.outcome == answered
}

// Expected is Route's second half for a request whose body has still to come: whether it is worth
// waiting for.
func (x *Exchange) Expected() bool {
	switch {
	case x.up.service.Live() == 0:
		x.outcome = noInstance
	case x.up.gate.Full():
		x.up.shed.Inc()
		x.outcome = shed
	default:
		x.expected = true
	}
	return x.expected
}

// TakesStreams reports whether the service takes bodies that are only begun. Valid after Route.
func (x *Exchange) TakesStreams() bool { return x.up.service.TakesBodies() }

// MaxBody is the largest body in bytes that the route takes. Valid after Route.
func (x *Exchange) MaxBody() int { return x.up.maxBody }

func (x *Exchange) count() {
	if !x.counted {
		x.counted = true
		x.front.metrics.requests.Inc()
	}
}

func (x *Exchange) route() outcome {
	if !x.normal {
		if o := x.normalize(); o != answered {
			return o
		}
	}
	routing := x.front.routing.Load()
	if routing == nil {
		return notReady
	}
	route, result := routing.router.Match(x.msg.Method, x.msg.Host, x.msg.Path)
	switch result {
	case registry.Found:
		x.up, x.revision, x.stamp = routing.routes[route], routing.revision, routing.stamp
		return answered
	case registry.MethodNotAllowed:
		x.allow = routing.router.Allow(nil, x.msg.Host, x.msg.Path)
		return badMethod
	default:
		return noRoute
	}
}

// normalize brings the target to its form.
func (x *Exchange) normalize() outcome {
	var target http1.Target
	var err error
	target, x.pathScratch, err = http1.NormalizeTarget(x.msg.Path, x.pathScratch)
	if err != nil {
		return badTarget
	}
	x.normal = true
	x.msg.Path, x.msg.Query = target.Path, target.Query
	if len(target.Authority) > 0 {
		x.msg.Host = target.Authority
	}
	if target.Server && string(x.msg.Method) == "OPTIONS" {
		x.allow = serverMethods
		return aboutServer
	}
	return answered
}

// Owner is whom memory is held for that this exchange needs.
func (x *Exchange) Owner() (o memory.Owner) {
	ip := x.peer.IP
	if x.peer.Trusted {
		x.identify()
		ip = x.clientIP
	}
	if x.up != nil {
		o.Service = x.up.share
	}
	o.Client = uint32(admission.ClientOf(ip))
	return o
}

// identify adds the fields that say who the client is and which request this is.
func (x *Exchange) identify() {
	if x.identifies {
		return
	}
	x.identifies = true
	h := &x.header
	in := forwarded.Request{
		Peer: *x.peer, Host: x.msg.Host,
		XFor: h.xFor, XProto: h.xProto, XHost: h.xHost, Forwarded: h.forwarded,
	}
	var v forwarded.Values
	v, x.forwardedScratch = forwarded.Resolve(x.front.trusted, &in, x.forwardedScratch)
	x.msg.Client, x.msg.Scheme, x.msg.Host = v.ClientText, v.Scheme, v.Host
	x.clientIP = v.Client
	fields := append(h.fields,
		httpmsg.Field{Name: nameRequestID, Value: x.requestID},
		httpmsg.Field{Name: nameXFor, Value: v.XFor},
		httpmsg.Field{Name: nameXProto, Value: v.XProto})
	if len(v.XHost) > 0 {
		fields = append(fields, httpmsg.Field{Name: nameXHost, Value: v.XHost})
	}
	if in.Peer.Trusted {
		if len(h.forwarded) > 0 {
			fields = append(fields, httpmsg.Field{Name: nameForwarded, Value: v.Forwarded})
		}
		fields = append(fields, h.xOther...)
	}
	if x.trace != nil {
		fields = x.trace.appendTrace(fields)
	}
	h.fields, x.msg.Header = fields, fields
}
