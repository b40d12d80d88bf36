package trace

import "time"

// answer looks for what was asked for, and exports it. What is still under way is exported when it
// is over.
func (t *Recorder) answer(asks []Ask) {
	if t.ring == nil {
		return
	}
	now := time.Now()
	keys := make(map[uint64]bool, len(asks))
	wanted := make(map[ID]bool, len(asks))
	for _, a := range asks {
		ours := a.Instance != "" && a.Instance == t.opts.Instance
		if t.wanted.add(a, ours, now) || ours {
			keys[a.Trace.key()], wanted[a.Trace] = true, true
		}
	}
	if len(keys) == 0 {
		return
	}
	t.ring.find(keys, func(id ID) bool { return wanted[id] }, func(r *Record, again bool) {
		if w, ok := t.wanted.found(r.Trace); ok && !again {
			t.give(r, &w)
		}
	})
}

// give exports a record that was asked for, and asks whom it has called.
func (t *Recorder) give(r *Record, w *want) {
	if r.skewed = w.ask.Offset == UnknownOffset; !r.skewed {
		r.offset = w.ask.Offset
	}
	r.Why = Asked
	if r.Kind == Called && r.Peer != "" {
		ask := Ask{Trace: r.Trace, Span: r.ID, Instance: r.Peer, Offset: UnknownOffset, Report: w.ask.Report}
		if !r.skewed && r.peerKnown {
			ask.Offset = w.ask.Offset + r.peerOffset
		}
		t.ask(ask)
	}
	if w.ask.Report {
		t.report(r)
		return
	}
	if r.Kind == Served {
		t.metrics.askedFor.Inc()
	}
	t.Export(r)
}

// missing marks traces of which we ought to have had something: the ring was too small, or the
// process has been started anew.
func (t *Recorder) missing(asks []Ask) {
	for _, a := range asks {
		if a.Report {
			continue // asked of all, whether called or not
		}
		t.metrics.incomplete.Inc()
		t.Export(&Record{
			Trace: a.Trace, Parent: a.Span, ID: NewSpanID(), Kind: Inside, Name: "lost", Start: time.Now().UnixNano(), Why: Asked, Incomplete: true,
		})
	}
}
