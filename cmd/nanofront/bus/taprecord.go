package bus

import (
	"strings"
	"time"

	"nanofront/httpmsg"
	listen "nanofront/nanobus/tap"
	"nanofront/nanobus/wire"
	"nanofront/trace"
)

// record is one frame, decoded: a line of the output. Times are in µs.
type record struct {
	Time      time.Time `json:"time"` // by the clock of the instance
	Service   string    `json:"service"`
	Instance  string    `json:"instance"`
	Direction string    `json:"direction"` // seen from the instance: in, out
	Peer      string    `json:"peer,omitempty"`
	Kind      string    `json:"kind"`
	ID        string    `json:"id,omitempty"`
	Flags     uint8     `json:"flags,omitempty"`
	Length    int       `json:"length"` // of the whole frame in bytes
	Cut       bool      `json:"cut,omitempty"`

	// Of requests, and of the response to one that was seen. Parent is the correlation id of the
	// request for which this one was sent.
	RequestID string `json:"request_id,omitempty"`
	TraceID   string `json:"trace_id,omitempty"`
	Parent    string `json:"parent,omitempty"`

	Budget *int64 `json:"budget_us,omitempty"` // request

	Method string `json:"method,omitempty"` // request, and the response to one that was seen
	Host   string `json:"host,omitempty"`
	Path   string `json:"path,omitempty"`
	Query  string `json:"query,omitempty"`

	Status  int    `json:"status,omitempty"` // response
	Queue   *int64 `json:"queue_us,omitempty"`
	Work    *int64 `json:"work_us,omitempty"`
	Latency *int64 `json:"latency_us,omitempty"` // if the request was seen
	Code    string `json:"code,omitempty"`       // error response
	Text    string `json:"text,omitempty"`

	Topic string `json:"topic,omitempty"` // event

	Header     map[string][]string `json:"header,omitempty"`
	Body       string              `json:"body,omitempty"`
	BodyBase64 string              `json:"body_base64,omitempty"`
	NotHTTP    bool                `json:"not_http,omitempty"`

	fields httpmsg.Fields
	body   []byte
}

// decoder makes records of copies.
type decoder struct {
	pairs *pairs
	full  bool   // header fields and bodies too
	match string // beginning of the path; empty: everything

	req  httpmsg.Request
	resp httpmsg.Response
}

// decode returns nil for what is not to be shown.
func (d *decoder) decode(c *listen.Copy) *record {
	r := &record{
		Time: c.At, Service: c.Service, Instance: c.Instance, Direction: "in", Peer: string(c.Peer),
		Kind: c.Kind.String(), Flags: c.Flags, Length: c.Length, Cut: c.Cut, Topic: c.Topic(),
	}
	if c.Direction == listen.Sent {
		r.Direction = "out"
	}
	if c.ID != 0 {
		r.ID = correlation(c.ID)
	}
	key := pairKey{c.Service, c.Instance, r.Peer, c.ID}
	seen := false
	switch c.Kind {
	case wire.KindRequest:
		d.request(r, c)
		if seen = strings.HasPrefix(r.Path, d.match); seen {
			r.Parent = d.pairs.parent(r.Peer, r.RequestID)
			d.pairs.put(key, pair{c.At, r.Method, r.Path, r.RequestID, r.TraceID, r.Parent})
		}
	case wire.KindResponse:
		d.response(r, c)
		var p pair
		if p, seen = d.pairs.take(key); seen {
			r.Method, r.Path = p.method, p.path
			r.RequestID, r.TraceID, r.Parent = p.requestID, p.traceID, p.parent
			r.Latency = micros(c.At.Sub(p.at))
		}
	default:
		if c.ID != 0 {
			_, seen = d.pairs.get(key)
		}
	}
	if d.match != "" && !seen {
		return nil
	}
	return r
}

func micros(d time.Duration) *int64 {
	us := d.Microseconds()
	return &us
}

func (d *decoder) request(r *record, c *listen.Copy) {
	budget, payload, ok := c.Request()
	if !ok {
		return
	}
	r.Budget = micros(budget)
	d.req.Reset()
	// What was cut off is missing; what stood before it is there all the same.
	err := d.req.Decode(payload)
	if err != nil && !c.Cut {
		r.NotHTTP = true
		return
	}
	r.Method, r.Host, r.Path, r.Query = string(d.req.Method), string(d.req.Host), string(d.req.Path), string(d.req.Query)
	r.RequestID = string(d.req.Header.Get("x-request-id"))
	if p, ok := trace.ParseParent(d.req.Header.Get("traceparent")); ok {
		r.TraceID = p.Trace.String()
	}
	d.payload(r, d.req.Header, d.req.Body)
}

func (d *decoder) response(r *record, c *listen.Copy) {
	queue, work, payload, remote, ok := c.Response()
	if !ok {
		return
	}
	r.Queue, r.Work = micros(queue), micros(work)
	if remote != nil {
		r.Code, r.Text = remote.Code.String(), remote.Text
		return
	}
	d.resp.Release()
	d.resp.Status = 0
	err := d.resp.Decode(payload)
	if err != nil && !c.Cut {
		r.NotHTTP = true
		return
	}
	r.Status = d.resp.Status
	d.payload(r, d.resp.Header, d.resp.Body)
}

func (d *decoder) payload(r *record, fields httpmsg.Fields, body []byte) {
	if !d.full {
		return
	}
	r.fields, r.body = fields, body
	r.Header = headerMap(fields)
	r.Body, r.BodyBase64 = encodeBody(body)
}
