package toggles

import (
	"sync/atomic"

	"nanofront/metrics"
)

// counts are the figures of a Store's evaluations.
type counts struct {
	set    metrics.Meter
	errors map[Code]*metrics.Counter
}

func newCounts(set metrics.Meter) *counts {
	c := &counts{set: set, errors: make(map[Code]*metrics.Counter)}
	for code, name := range map[Code]string{
		NotReady: "not_ready", NotFound: "not_found", Unparsable: "rule", TypeMismatch: "wrong_type", NoKey: "no_key", General: "no_variant",
	} {
		c.errors[code] = set.Counter(metrics.TogglesErrors, name)
	}
	return c
}

// note counts an evaluation.
func (c *counts) note(r Result) {
	if c == nil {
		return
	}
	if r.Err != nil {
		c.errors[CodeOf(r.Err)].Inc()
	}
	if r.Variant != "" {
		r.Flag.variants[r.Variant].seen.inc()
	}
}

// exposure counts how often a variant was given. Its series exists from the first time on, so that
// toggles that nobody asks for cost none.
type exposure struct {
	counter       atomic.Pointer[metrics.Counter]
	set           metrics.Meter
	flag, variant string
}

func (e *exposure) inc() {
	if e == nil {
		return
	}
	c := e.counter.Load()
	if c == nil {
		c = e.set.Counter(metrics.Exposures, e.flag, e.variant) // the same for all who ask
		e.counter.Store(c)
	}
	c.Inc()
}

// attach has a toggle's variants counted.
func (c *counts) attach(f *Flag) {
	if c == nil {
		return
	}
	for name, v := range f.variants {
		v.seen = &exposure{set: c.set, flag: f.name, variant: name}
	}
}
