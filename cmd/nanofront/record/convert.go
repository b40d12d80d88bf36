package record

import (
	"fmt"
	"time"

	"nanofront/httpmsg"
	"nanofront/internal/recording"
	listen "nanofront/nanobus/tap"
	"nanofront/nanobus/wire"
	"nanofront/trace"
)

// converter makes records of copies. What isn't to get to the disk doesn't leave it.
type converter struct {
	redact *recording.Redactor
	share  float64

	req   httpmsg.Request
	resp  httpmsg.Response
	whole []byte // memory for payloads that were cut
	head  []byte // and for heads
}

// request reads a request. chosen is false if it isn't in the share that is recorded; its fields are
// not looked at then. ok is false if it isn't HTTP, or wasn't copied as far as to where its body
// begins. Until the next call c.req is the request as it was.
func (c *converter) request(copied *listen.Copy) (rec recording.Record, chosen, ok bool) {
	budget, payload, ok := copied.Request()
	if !ok {
		return rec, false, false
	}
	payload, got := c.filled(copied, payload)
	req := &c.req
	req.Reset()
	if err := req.Decode(payload); err != nil {
		return rec, false, false
	}
	head := httpmsg.Request{Method: req.Method, Scheme: req.Scheme, Host: req.Host, Path: req.Path, Query: req.Query, Client: req.Client, Header: req.Header}
	c.head = head.AppendTo(c.head[:0])
	body, whole, ok := left(len(c.head), got, len(payload), req.Body, req.Length)
	if !ok {
		return rec, false, false
	}
	requestID, traceID := string(req.Header.Get("x-request-id")), ""
	if p, ok := trace.ParseParent(req.Header.Get("traceparent")); ok {
		traceID = p.Trace.String()
	}
	id := requestID
	if id == "" {
		id = traceID
	}
	if id == "" { // nothing says to what it belongs
		id = fmt.Sprintf("%s %s %016x", copied.Instance, copied.Peer, copied.ID)
	}
	if !c.redact.Chosen(id, c.share) {
		return rec, false, true
	}
	r := c.redact
	rec = recording.Record{
		At: copied.At.UnixNano(), Service: copied.Service, Instance: copied.Instance, Peer: string(copied.Peer),
		RequestID: r.ID(requestID), TraceID: r.ID(traceID),
		Method: r.Method(string(req.Method)), Scheme: scheme(req.Scheme), Host: r.Host(string(req.Host)),
		Path: r.Path(string(req.Path)), Query: r.Query(string(req.Query)), Client: r.Value(string(req.Client)),
		Budget: budget, Fields: c.fields(req.Header), Body: r.Body(body, whole),
	}
	return rec, true, true
}

// answer puts into a record what became of it; false as ok of request.
func (c *converter) answer(rec *recording.Record, copied *listen.Copy) bool {
	queue, work, payload, failed, ok := copied.Response()
	if !ok {
		return false
	}
	a := &rec.Answer
	a.Queue, a.Work = queue, work
	a.Latency = max(copied.At.Sub(atOf(rec)), 0)
	if failed != nil {
		rec.Outcome, rec.Code = recording.Failed, failed.Code.String() // its text may say anything
		if failed.Code == wire.CodeCancelled {
			rec.Outcome = recording.Cancelled
		}
		return true
	}
	payload, got := c.filled(copied, payload)
	resp := &c.resp
	resp.Release()
	if err := resp.Decode(payload); err != nil {
		return false
	}
	head := httpmsg.Response{Status: resp.Status, Header: resp.Header}
	c.head = head.AppendTo(c.head[:0])
	body, whole, ok := left(len(c.head), got, len(payload), resp.Body, resp.Length)
	if !ok {
		return false
	}
	rec.Outcome = recording.Answered
	a.Status, a.Fields, a.Body = resp.Status, c.fields(resp.Header), c.redact.Body(body, whole)
	return true
}

func (c *converter) fields(in httpmsg.Fields) []recording.Field {
	out := make([]recording.Field, 0, len(in))
	for _, f := range in {
		out = append(out, c.redact.Field(string(f.Name), string(f.Value)))
	}
	return out
}

// filled is a payload with zeros in place of what was cut off, and how much of it was copied.
func (c *converter) filled(copied *listen.Copy, payload []byte) (filled []byte, got int) {
	if !copied.Cut {
		return payload, len(payload)
	}
	missing := copied.Length - wire.HeaderSize - len(copied.Body)
	c.whole = append(c.whole[:0], payload...)
	c.whole = append(c.whole, make([]byte, missing)...) // a frame's at most
	return c.whole, len(payload)
}

// left is what was copied of a body that begins there in a payload of size bytes, of which the first
// got ones were copied; and the length of the whole body, as recording.Redactor.Body has it. length
// is what the payload says of it. false: not even all before the body was copied.
func left(begin, got, size int, body []byte, length int64) (have []byte, whole int64, ok bool) {
	const lengthSize = 8 // behind the body, if there is one
	end := begin + len(body)
	switch {
	case got < begin:
		return nil, 0, false
	case got < end+lengthSize && size >= end+lengthSize:
		return body[:min(got-begin, len(body))], -1, true // how much comes in chunks was cut off
	case got < end:
		return body[:got-begin], int64(len(body)), true
	default:
		return body, length, true
	}
}

func atOf(rec *recording.Record) time.Time { return time.Unix(0, rec.At) }

func scheme(s []byte) string {
	if string(s) == "https" {
		return "https"
	}
	return "http"
}
