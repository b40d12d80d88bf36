// Package traceflags has the flags of tracing, for the programs that take part in it. It is apart
// from package cli so that a program that doesn't links no collector's client.
package traceflags

import (
	"nanofront/internal/cli"
	"nanofront/trace"
	"nanofront/trace/otlp"
)

// Flags say where traces go. Embed it.
type Flags struct {
	TraceOTLP string `name:"trace-otlp" group:"Tracing" placeholder:"URL" help:"Collector of traces, by OTLP over HTTP, such as http://127.0.0.1:4318. Default: none, and no tracing."`
}

// HandlerFlags are those of a handler. Embed it.
type HandlerFlags struct {
	Flags
	TraceRing int `group:"Tracing" default:"-1" range:"-1..4194304" placeholder:"N" help:"Records to keep of recent requests, about 170 bytes each, for whoever asks for the trace of one. -1: 65536 with --trace-otlp, else none."`
}

// Recorder is a handler's; nil if there is no tracing.
func (f *HandlerFlags) Recorder(service, instance, version string, base *cli.Base) (*trace.Recorder, error) {
	ring := f.TraceRing
	if ring < 0 && f.TraceOTLP != "" {
		ring = trace.DefaultRing
	}
	if ring <= 0 && f.TraceOTLP == "" {
		return nil, nil //nolint:nilnil // that is none
	}
	return f.recorder(max(ring, 0), service, instance, version, base)
}

// Recorder is a front's; nil if there is no tracing.
func (f *Flags) Recorder(service, instance, version string, base *cli.Base) (*trace.Recorder, error) {
	if f.TraceOTLP == "" {
		return nil, nil //nolint:nilnil // that is none
	}
	return f.recorder(0, service, instance, version, base)
}

func (f *Flags) recorder(ring int, service, instance, version string, base *cli.Base) (*trace.Recorder, error) {
	o := trace.Options{Instance: instance, Ring: ring, Metrics: base.Metrics, Logger: base.Log}
	if f.TraceOTLP != "" {
		sink, err := otlp.New(otlp.Options{URL: f.TraceOTLP, Service: service, Instance: instance, Version: version})
		if err != nil {
			return nil, cli.Usagef("--trace-otlp: %w", err)
		}
		o.Sink = sink
	}
	return trace.New(o), nil
}
