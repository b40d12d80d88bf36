package e2e

import (
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector takes OTLP over HTTP, in either encoding.
type collector struct {
	*httptest.Server

	mu    sync.Mutex
	spans map[string][]span // by trace
	links map[string]string // a stranger's trace to ours
}

type span struct {
	id, parent, name string // the name behind its service's
	start, end       int64  // ns
	facts            map[string]int64
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{spans: map[string][]span{}, links: map[string]string{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.take(r); err != nil {
			t.Errorf("what came to the collector: %v", err)
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) take(r *http.Request) error {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return err
		}
		body = z
	}
	b, err := io.ReadAll(body)
	if err != nil || r.URL.Path != "/v1/traces" {
		return fmt.Errorf("%s: %w", r.URL.Path, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Header.Get("Content-Type") == "application/json" {
		return c.takeJSON(b)
	}
	var req collectorpb.ExportTraceServiceRequest
	if err := proto.Unmarshal(b, &req); err != nil {
		return err
	}
	for _, rs := range req.GetResourceSpans() {
		service := ""
		for _, a := range rs.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				id := fmt.Sprintf("%x", s.GetTraceId())
				facts := map[string]int64{}
				for _, a := range s.GetAttributes() {
					facts[a.GetKey()] = a.GetValue().GetIntValue()
				}
				c.spans[id] = append(c.spans[id], span{
					fmt.Sprintf("%x", s.GetSpanId()), fmt.Sprintf("%x", s.GetParentSpanId()), service + " " + s.GetName(),
					int64(s.GetStartTimeUnixNano()), int64(s.GetEndTimeUnixNano()), facts,
				})
				for _, l := range s.GetLinks() {
					c.links[fmt.Sprintf("%x", l.GetTraceId())] = id
				}
			}
		}
	}
	return nil
}

// takeJSON takes ids in hexadecimal and times as text, as OTLP has them.
func (c *collector) takeJSON(b []byte) error {
	var req struct {
		ResourceSpans []struct {
			Resource struct {
				Attributes []struct {
					Key   string
					Value struct{ StringValue string }
				}
			}
			ScopeSpans []struct {
				Spans []struct{ TraceID, SpanID, ParentSpanID, Name, StartTimeUnixNano, EndTimeUnixNano string }
			}
		}
	}
	if err := json.Unmarshal(b, &req); err != nil {
		return err
	}
	for _, rs := range req.ResourceSpans {
		service := ""
		for _, a := range rs.Resource.Attributes {
			if a.Key == "service.name" {
				service = a.Value.StringValue
			}
		}
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				start, err := strconv.ParseInt(s.StartTimeUnixNano, 10, 64)
				end, err2 := strconv.ParseInt(s.EndTimeUnixNano, 10, 64)
				if err = cmp.Or(err, err2); err != nil {
					return err
				}
				c.spans[s.TraceID] = append(c.spans[s.TraceID], span{s.SpanID, s.ParentSpanID, service + " " + s.Name, start, end, nil})
			}
		}
	}
	return nil
}

// whole reports what is missing of the trace that a stranger's is linked with, or doesn't fit. want
// has its spans, and whose part each is.
func (c *collector) whole(stranger string, want map[string]string) error {
	c.mu.Lock()
	spans := slices.Clone(c.spans[c.links[stranger]])
	c.mu.Unlock()
	by := map[string]span{}
	for _, s := range spans {
		by[s.name] = s
	}
	if len(spans) != len(want) || len(by) != len(want) {
		return fmt.Errorf("%d spans, want %d: %v", len(spans), len(want), by)
	}
	const slack = 5 * time.Millisecond // of clocks that are compared once a second, on a busy machine
	root := ""
	for name, parent := range want {
		s, ok := by[name]
		if !ok {
			return fmt.Errorf("no %q", name)
		}
		if parent == "" {
			root = name
			continue
		}
		p := by[parent]
		if s.parent != p.id {
			return fmt.Errorf("%q is no part of %q", name, parent)
		}
		if before, after := time.Duration(p.start-s.start), time.Duration(s.end-p.end); before > slack || after > slack {
			return fmt.Errorf("%q sticks out of %q, by %v before and %v after", name, parent, before, after)
		}
	}
	took := func(name string) float64 { return float64(by[name].end - by[name].start) }
	sum := took("terminator read") + took("terminator queue") + took("terminator bus") + took("terminator write")
	if total := took(root); sum < total*0.95 || sum > total*1.05 {
		return fmt.Errorf("the parts take %v of %v", time.Duration(sum), time.Duration(total))
	}
	for name, s := range by { // a passage over the bus has its own stages
		if back, has := s.facts["nanofront.bus_back_us"]; has {
			stages := float64(s.facts["nanofront.queue_us"]+s.facts["nanofront.bus_out_us"]+s.facts["nanofront.handler_queue_us"]+s.facts["nanofront.handler_us"]+back) * 1000
			if stages < took(name)*0.95 || stages > took(name)*1.05 {
				return fmt.Errorf("the stages of %q take %v of %v", name, time.Duration(stages), time.Duration(took(name)))
			}
		}
	}
	return nil
}
