package terminator

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"nanofront/internal/httpmsg"
	"nanofront/internal/logging"
	"nanofront/internal/registry"
	"nanofront/nanobus"
	"nanofront/terminator/forwarded"
	"nanofront/terminator/http1"
)

// The fields that the terminator sets itself.
var (
	nameRequestID = []byte("x-request-id")
	nameXFor      = []byte("x-forwarded-for")
	nameXProto    = []byte("x-forwarded-proto")
	nameXHost     = []byte("x-forwarded-host")
	nameForwarded = []byte("forwarded")

	headerRequestID = []byte("X-Request-Id") // as it stands in responses
)

// serve is what fasthttp calls for each request. It returns when the response
// is in ctx.
func (t *Terminator) serve(ctx *fasthttp.RequestCtx) {
	start := t.bus.Now()
	conn, _ := ctx.Conn().(*guardConn)
	f := takeFlight()
	defer t.finish(ctx, conn, f, start)
	t.metrics.requests.Inc()
	if conn != nil {
		conn.serving = true
	}

	o := t.forward(ctx, conn, f, start)
	if o != answered {
		if f.lost = o == clientGone && conn != nil && conn.ended(); f.lost {
			return
		}
		t.metrics.outcomes[o].Inc()
		if o == clientGone && conn != nil {
			conn.dead = true // its status is for the log, not to be sent
		}
		refuse(ctx, o)
		if allow := t.allow(f, o); allow != nil {
			ctx.Response.Header.SetBytesV(fasthttp.HeaderAllow, allow)
		}
	}
}

// finish ends a request, also one whose handling panicked.
func (t *Terminator) finish(ctx *fasthttp.RequestCtx, conn *guardConn, f *flight, start time.Duration) {
	if conn != nil {
		conn.serving = false
	}
	if p := recover(); p != nil {
		t.metrics.outcomes[handlerFailed].Inc()
		t.panicked(p)
		refuse(ctx, handlerFailed)
		// What the flight still has to do with is unknown: leave it to the
		// garbage collector.
		f = nil
	}
	if t.guard.draining() || (f != nil && f.unread) {
		ctx.SetConnectionClose()
	}
	if f != nil && f.lost {
		f.release()
		return // the guard has answered
	}
	status := ctx.Response.StatusCode()
	t.metrics.classes[status/100].Inc()
	if f == nil {
		return
	}
	if len(f.requestID) > 0 {
		ctx.Response.Header.SetBytesKV(headerRequestID, f.requestID)
	}
	now := t.bus.Now()
	if conn != nil {
		conn.replied = int64(f.call.Received)
	}
	if n, ok := t.accessLog.wants(now); ok {
		size := ctx.Response.Header.ContentLength() // -1: not known in advance
		if !ctx.Response.IsBodyStream() {
			size = len(ctx.Response.Body()) // of a stream this would read all of it
		}
		var client *forwarded.Peer
		if conn != nil {
			client = &conn.Peer
		}
		t.accessLog.write(f, client, status, size, now-start, n)
	}
	f.release()
}

// forward takes a request through all steps. Each step that can end it says
// with which outcome.
func (t *Terminator) forward(ctx *fasthttp.RequestCtx, conn *guardConn, f *flight, start time.Duration) outcome {
	header := &ctx.Request.Header
	f.msg.Method = header.Method()
	up, o := t.route(f, header.RequestURI(), header.RawHeaders())
	if o != answered {
		return o
	}
	rest, err := f.requestBody(ctx, up.maxBody)
	if err != nil {
		// Neither is its body read nor known where it ends.
		ctx.SetConnectionClose()
		return outcomeOf(err)
	}

	if !t.admission.enter() {
		f.unread = rest != nil
		return shed
	}
	latency := time.Duration(0)
	if rest == nil {
		defer func() { t.admission.leave(latency) }()
	} else {
		t.admission.leave(0) // it may be under way for hours: the bus' own limits bound those
	}

	var client *forwarded.Peer
	if conn != nil {
		client = &conn.Peer
	}
	t.identify(client, f)
	f.call.Key = keyOf(up.hash, f)
	up.requests.Inc()
	if rest == nil {
		err = t.exchange(conn, f, up, start)
	} else {
		err = t.upload(ctx, conn, f, up, rest)
	}
	if err == nil && f.streams() {
		if err = f.reply.Decode(f.call.Payload); err == nil {
			f.instance = f.call.Link.Peer().Instance
			return t.respond(&ctx.Response, ctx.IsHead(), f)
		}
		t.badReply(f, err)
		up.errors.Inc()
		return badReply
	}
	if err == nil {
		latency = t.bus.Now() - start
		up.latency.Observe(f.call.Timing.Total)
		if conn != nil {
			t.stages(f, conn.firstByte, start)
		}
		if err = f.reply.Decode(f.call.Payload); err == nil {
			f.instance = f.call.Link.Peer().Instance
			return t.respond(&ctx.Response, ctx.IsHead(), f)
		}
		t.badReply(f, err)
		up.errors.Inc()
		return badReply
	}
	up.errors.Inc()
	o = t.failed(f, err)
	if o == timedOut {
		latency = t.bus.Now() - start
	}
	return o
}

// route reads the header and finds where the request goes; f.msg has its
// method. up only if answered, which is not what it will be.
func (t *Terminator) route(f *flight, uri, header []byte) (up *upstream, o outcome) {
	f.header.read(header)
	f.msg.Host = f.header.host
	f.requestID = f.header.requestID
	if f.requestID == nil {
		f.requestID = f.makeRequestID()
	}
	var target http1.Target
	var err error
	target, f.pathScratch, err = http1.NormalizeTarget(uri, f.pathScratch)
	if err != nil {
		return nil, badTarget
	}
	f.msg.Path, f.msg.Query = target.Path, target.Query
	if len(target.Authority) > 0 {
		f.msg.Host = target.Authority
	}
	if target.Server && string(f.msg.Method) == "OPTIONS" {
		return nil, aboutServer
	}
	routing := t.routing.Load()
	if routing == nil {
		return nil, notReady
	}
	route, result := routing.router.Match(f.msg.Method, f.msg.Host, f.msg.Path)
	switch result {
	case registry.Found:
		return routing.routes[route], answered
	case registry.MethodNotAllowed:
		return nil, badMethod
	default:
		return nil, noRoute
	}
}

// allow is the value of the field Allow in the response for an outcome; nil if that has none.
func (t *Terminator) allow(f *flight, o outcome) []byte {
	switch r := t.routing.Load(); {
	case o == aboutServer:
		return serverMethods
	case o == badMethod && r != nil:
		return r.router.Allow(nil, f.msg.Host, f.msg.Path)
	}
	return nil
}

// failed says what a failed exchange means.
func (t *Terminator) failed(f *flight, err error) outcome {
	o := outcomeOf(err)
	if o == handlerFailed && t.limit.Allow("handler") {
		t.log.Error().Err(err).Str(logging.CorrelationID, logging.Correlation(f.call.ID())).Bytes(logging.RequestID, f.requestID).
			Stringer(logging.Link, f.call.Link).Bytes(logging.Path, f.msg.Path).Msg("a handler failed")
	}
	return o
}

// exchange sends the request and waits for the reply, at the most twice.
func (t *Terminator) exchange(conn *guardConn, f *flight, up *upstream, start time.Duration) error {
	for try := 1; ; try++ {
		budget := up.timeout - (t.bus.Now() - start)
		if try == 1 {
			budget = up.timeout
		}
		err := up.service.Go(f.call, &f.msg, budget)
		if err == nil {
			if conn != nil {
				conn.waiting.Store(f.call.ID())
			}
			f.call.Wait()
			if conn != nil {
				conn.waiting.Store(0)
			}
			err = f.call.Err
		}
		if err == nil || try == 2 {
			return err
		}
		if err = t.again(f, up, start, err); err != nil {
			return err
		}
	}
}

// again returns nil if a request that failed with err may be sent once more.
// The link stays in f.call, so that another is preferred.
func (t *Terminator) again(f *flight, up *upstream, start time.Duration, err error) error {
	if !retryable(err, f.msg.Method) {
		return err
	}
	now := t.bus.Now()
	if now-start >= up.timeout {
		return nanobus.ErrTimeout
	}
	if !t.retries.take(now) {
		t.metrics.retryBudget.Inc()
		return err
	}
	t.metrics.retried.Inc()
	return nil
}

// identify adds the fields that say who the client is and which request this is.
func (t *Terminator) identify(client *forwarded.Peer, f *flight) {
	h := &f.header
	in := forwarded.Request{
		Host: f.msg.Host,
		XFor: h.xFor, XProto: h.xProto, XHost: h.xHost, Forwarded: h.forwarded,
	}
	if client != nil {
		in.Peer = *client
	}
	var v forwarded.Values
	v, f.forwardedScratch = forwarded.Resolve(t.trusted, &in, f.forwardedScratch)
	f.msg.Client, f.msg.Scheme, f.msg.Host = v.ClientText, v.Scheme, v.Host
	fields := append(h.fields,
		httpmsg.Field{Name: nameRequestID, Value: f.requestID},
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
	h.fields, f.msg.Header = fields, fields
}

// panicked logs a panic that was caught.
func (t *Terminator) panicked(p any) {
	if t.limit.Allow("panic") {
		t.log.Error().Str(logging.Reason, fmt.Sprint(p)).Bytes(logging.Stack, debug.Stack()).Msg("a request made the terminator panic; it gets a 500")
	}
}

// makeRequestID makes an id of 128 random bits for a request that has none.
func (f *flight) makeRequestID() []byte {
	var raw [16]byte
	binary.NativeEndian.PutUint64(raw[:], rand.Uint64())  //nolint:gosec // distinct, not secret
	binary.NativeEndian.PutUint64(raw[8:], rand.Uint64()) //nolint:gosec // distinct, not secret
	hex.Encode(f.madeID[:], raw[:])
	return f.madeID[:]
}

// respond turns a handler's reply into the response.
func (t *Terminator) respond(resp *fasthttp.Response, head bool, f *flight) outcome {
	// Names are brought into their usual form here, where they lie: fasthttp
	// would copy each of them first.
	resp.Header.DisableNormalizing()
	var listed []byte
	for i := range f.reply.Header {
		field := &f.reply.Header[i]
		if !fieldValid(*field) {
			t.badReply(f, errBadField)
			return badReply
		}
		lowerName(field.Name)
		if hopByHop(field.Name) {
			if head && len(f.reply.Body) == 0 && string(field.Name) == "content-length" {
				resp.Header.SetBytesKV(field.Name, field.Value) // what a GET would have had
			}
			if string(field.Name) == "connection" {
				listed = field.Value
			}
			continue
		}
		canonicalName(field.Name)
		resp.Header.AddBytesKV(field.Name, field.Value)
	}
	if listed != nil {
		for token := range bytes.SplitSeq(listed, []byte{','}) {
			token = http1.TrimOWS(token)
			canonicalName(token)
			resp.Header.DelBytes(token) // meant for this hop, as in a request
		}
	}
	t.mendStatus(f)
	resp.SetStatusCode(f.reply.Status)
	if text := http.StatusText(f.reply.Status); text != fasthttp.StatusMessage(f.reply.Status) { // it doesn't know 425
		resp.Header.SetStatusMessage([]byte(text))
	}
	if f.call.Download == nil {
		resp.SetBody(f.reply.Body)
		return answered
	}
	d := &download{head: bytes.Clone(f.reply.Body), rest: f.call.Download, left: max(f.reply.Length, -1)}
	f.call.Download = nil // its end is that of the response
	if d.left == 0 {
		d.left = -1
	}
	resp.SetBodyStream(d, int(d.left))
	return answered
}

var errBadField = errors.New("terminator: a header field that HTTP doesn't allow")

func (t *Terminator) badReply(f *flight, err error) {
	if t.limit.Allow("reply") {
		t.log.Error().Err(err).Stringer(logging.Link, f.call.Link).Bytes(logging.RequestID, f.requestID).
			Bytes(logging.Path, f.msg.Path).Msg("a reply that can't be passed on")
	}
}

// stages adds the request's times to the stages' timings.
func (t *Terminator) stages(f *flight, firstByte int64, start time.Duration) {
	m, timing := t.metrics, &f.call.Timing
	if firstByte != 0 {
		m.stageRead.Observe(start - time.Duration(firstByte))
	}
	sent := f.call.Received - timing.Total
	m.stageQueue.Observe(sent - start)
	m.stageBusOut.Observe(timing.Queue + timing.BusOut)
	m.stageHandlerQueue.Observe(timing.HandlerQueue)
	m.stageHandler.Observe(timing.Handler)
	m.stageBusBack.Observe(timing.BusBack)
}

// written is called by the guard when a response is with the system: the last
// stage, and the whole.
func (t *Terminator) written(firstByte, replied int64) {
	now := t.bus.Now()
	t.metrics.stageWrite.Observe(now - time.Duration(replied))
	if firstByte != 0 {
		t.metrics.stageTotal.Observe(now - time.Duration(firstByte))
	}
}
