package trace

import (
	"context"
	"time"

	"nanofront/metrics"
)

const (
	// exportTime is how long one batch may take, further tries included.
	exportTime = 15 * time.Second
	// flushTime is how long the last ones may take in all, when the process ends.
	flushTime = 2 * time.Second
)

// exporter takes records to the sink, in batches. It is one goroutine's.
type exporter struct {
	t      *Recorder
	timer  *time.Timer
	spans  []Span
	failed bool // the last batch

	ending context.Context // ends when the process is about to
}

func (e *exporter) run() {
	for {
		select {
		case <-e.t.stop:
			e.flush()
			return
		case r := <-e.t.records:
			e.spans = r.AppendSpans(e.spans)
		}
		e.timer.Reset(gatherSpans)
		stopped := false
		for gathering := true; gathering && len(e.spans) < batch; {
			select {
			case r := <-e.t.records:
				e.spans = r.AppendSpans(e.spans)
			case <-e.timer.C:
				gathering = false
			case <-e.t.stop:
				gathering, stopped = false, true
			}
		}
		if stopped {
			e.flush()
			return
		}
		ctx, cancel := context.WithTimeout(e.ending, exportTime)
		e.send(ctx, e.t.metrics.failed)
		cancel()
		e.spans = e.spans[:0]
	}
}

// flush exports what is left within flushTime.
func (e *exporter) flush() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	for ; ; e.spans = e.spans[:0] {
		for len(e.spans) < batch {
			select {
			case r := <-e.t.records:
				e.spans = r.AppendSpans(e.spans)
				continue
			default:
			}
			break
		}
		if len(e.spans) == 0 {
			return
		}
		e.send(ctx, e.t.metrics.shutdown)
	}
}

// send exports the spans that have gathered. lost counts those that no collector took.
func (e *exporter) send(ctx context.Context, lost *metrics.Counter) {
	n := uint64(len(e.spans))
	if e.t.opts.Sink == nil {
		e.t.metrics.exported.Add(n)
		return
	}
	refused, err := e.t.opts.Sink.Export(ctx, e.spans)
	clear(e.spans)
	if err != nil {
		lost.Add(n)
		if !e.failed {
			e.t.opts.Logger.Warn().Err(err).Msg("spans are lost: the collector of traces takes none")
		}
		e.failed = true
		return
	}
	if e.failed {
		e.t.opts.Logger.Info().Msg("the collector of traces takes spans again")
	}
	e.failed = false
	r := min(uint64(max(refused, 0)), n)
	e.t.metrics.refused.Add(r)
	e.t.metrics.exported.Add(n - r)
}
