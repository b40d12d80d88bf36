// Package otlp takes spans to a collector by OTLP over HTTP.
//
//	sink, err := otlp.New(otlp.Options{URL: "http://127.0.0.1:4318", Service: "web", Instance: "web-1"})
//	...
//	recorder := trace.New(trace.Options{Sink: sink, ...})
//
// It is OpenTelemetry's own client without its SDK: the spans are there already, with their ids and
// times. Headers, such as a key for a hosted collector, are those of $OTEL_EXPORTER_OTLP_HEADERS.
package otlp
