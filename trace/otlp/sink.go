package otlp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"nanofront/trace"
)

const (
	// tryTime bounds one try.
	tryTime = 5 * time.Second
	// defaultPath is where collectors listen.
	defaultPath = "/v1/traces"
	// maxAnswer is how much of a collector's answer is read, in bytes.
	maxAnswer = 64 << 10
)

// Options say where spans go, and whose they are.
type Options struct {
	// URL is the collector's: http or https, without a path for /v1/traces.
	URL                        string
	Service, Instance, Version string
}

// Sink takes spans to a collector. It is used by one goroutine at a time.
type Sink struct {
	client   otlptrace.Client
	answers  *answers
	resource *resourcepb.Resource
	scope    *commonpb.InstrumentationScope
}

var _ trace.Sink = (*Sink)(nil)

// CheckURL reports what is wrong with Options.URL.
func CheckURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("otlp: %q is not a collector's URL: want one like http://127.0.0.1:4318", text)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = defaultPath
	}
	return u, nil
}

// New makes a Sink. Nothing is sent before the first spans are.
func New(o Options) (*Sink, error) {
	u, err := CheckURL(o.URL)
	if err != nil {
		return nil, err
	}
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		transport = &http.Transport{}
	}
	a := &answers{next: transport.Clone()}
	s := &Sink{
		answers: a,
		client: otlptracehttp.NewClient(
			otlptracehttp.WithEndpointURL(u.String()),
			otlptracehttp.WithHTTPClient(&http.Client{Transport: a, Timeout: tryTime}),
			otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
			otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: 500 * time.Millisecond, MaxInterval: 5 * time.Second, MaxElapsedTime: time.Minute}),
		),
		resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("service.name", o.Service)}},
		scope:    &commonpb.InstrumentationScope{Name: "nanofront"},
	}
	for key, value := range map[string]string{"service.instance.id": o.Instance, "service.version": o.Version} {
		if value != "" {
			s.resource.Attributes = append(s.resource.Attributes, text(key, value))
		}
	}
	return s, s.client.Start(context.Background())
}

// Export implements trace.Sink.
func (s *Sink) Export(ctx context.Context, spans []trace.Span) (refused int, err error) {
	list := make([]*tracepb.Span, len(spans))
	for i := range spans {
		list[i] = encode(&spans[i])
	}
	s.answers.taken, s.answers.refused = false, 0
	err = s.client.UploadTraces(ctx, []*tracepb.ResourceSpans{{
		Resource: s.resource, ScopeSpans: []*tracepb.ScopeSpans{{Scope: s.scope, Spans: list}},
	}})
	if s.answers.taken {
		return int(s.answers.refused), nil // an error says no more
	}
	if err == nil {
		err = errors.New("otlp: the collector's answer is none")
	}
	return 0, err
}

// answers notes what the collector says of a batch: how many of its spans it has refused the client
// only puts into words. The client waits for it, so that nobody else looks meanwhile.
type answers struct {
	next    http.RoundTripper
	taken   bool
	refused int64
}

// RoundTrip implements http.RoundTripper.
func (a *answers) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := a.next.RoundTrip(req)
	if err != nil || resp.StatusCode/100 != 2 {
		return resp, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if cerr := resp.Body.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	a.taken = true
	var said collectorpb.ExportTraceServiceResponse
	if proto.Unmarshal(body, &said) == nil { // what can't be read says nothing of a refusal
		a.refused = said.GetPartialSuccess().GetRejectedSpans()
	}
	return resp, nil
}

var roles = [...]tracepb.Span_SpanKind{
	trace.Internal: tracepb.Span_SPAN_KIND_INTERNAL, trace.Server: tracepb.Span_SPAN_KIND_SERVER, trace.Client: tracepb.Span_SPAN_KIND_CLIENT,
}

func encode(s *trace.Span) *tracepb.Span {
	p := &tracepb.Span{
		TraceId: s.Trace[:], SpanId: s.ID[:], Kind: roles[s.Role], Name: strings.ToValidUTF8(s.Name, "\uFFFD"),
		StartTimeUnixNano: uint64(max(s.Start, 0)), EndTimeUnixNano: uint64(max(s.End, 0)),
	}
	if s.Parent != (trace.SpanID{}) {
		p.ParentSpanId = s.Parent[:]
	}
	if !s.Link.IsZero() {
		p.Links = []*tracepb.Span_Link{{TraceId: s.Link.Trace[:], SpanId: s.Link.Span[:]}}
	}
	if s.Error {
		p.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
	}
	for _, a := range s.Attributes {
		if a.Text != "" {
			p.Attributes = append(p.Attributes, text(a.Key, a.Text))
		} else {
			p.Attributes = append(p.Attributes, &commonpb.KeyValue{
				Key: a.Key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: a.Number}},
			})
		}
	}
	return p
}

// text is an attribute. What isn't UTF-8 would fail the whole batch.
func text(key, value string) *commonpb.KeyValue {
	value = strings.ToValidUTF8(value, "\uFFFD")
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}
