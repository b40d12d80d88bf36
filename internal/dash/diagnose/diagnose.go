package diagnose

import (
	"cmp"
	"slices"
	"time"

	"nanofront/internal/dash/view"
)

// From when on something counts.
const (
	redShare   = 0.01  // of a service's requests
	amberShare = 0.001 // the same
	fewest     = 2     // failures that are more than an accident
	quiet      = 30    // requests in 10 s: fewer are looked at over all of these

	slowTimes = 3.0  // × its usual p99
	slowBy    = 10.0 // ms above it
	peerTimes = 4.0  // × the median of its peers
	peerBy    = 5.0  // ms above it

	nearLimit = 0.9

	// recently is for how long a restart or a loss is news.
	recently = 20 * time.Second
	// asCause is for how long it may be what failures come from.
	asCause = 15 * time.Second
	// flap is for how long a problem may be away and still be the same.
	flap = 10 * time.Second
)

// Where in docs/runbook.md it is said what to do.
const (
	runbookErrors = "nanofronterrorsburn1h"
	runbookNobody = "nanofrontservicewithoutinstance"
	runbookSlow   = "nanofrontlatencyburn1h"
	runbookFull   = "overview-turned-down"
	runbookGone   = "nanofrontprocesssilent"
	runbookEtcd   = "nanofrontetcdaway"
	runbookBlind  = "nanofrontmonitorblind"
)

// Diagnosis remembers since when something is wrong. It is for one goroutine.
type Diagnosis struct {
	// At is what commands need to reach this system: " --etcd http://…".
	At    string
	known map[string]*noted
}

type noted struct{ since, last int64 }

// New makes a Diagnosis that has seen nothing.
func New() *Diagnosis { return &Diagnosis{known: make(map[string]*noted)} }

// Judge fills in what is wrong. Views come in the order of their times.
func (d *Diagnosis) Judge(v *view.View) {
	j := judge{v: v, at: d.At, services: make(map[string]*view.Service), byService: make(map[string][]*view.Process)}
	j.all()
	for i := range j.problems {
		p := &j.problems[i]
		n := d.known[p.Key]
		if n == nil {
			n = &noted{since: v.AtMS}
			d.known[p.Key] = n
		}
		n.last = v.AtMS
		p.SinceMS = n.since
	}
	for k, n := range d.known {
		if v.AtMS-n.last > flap.Milliseconds() {
			delete(d.known, k)
		}
	}
	slices.SortStableFunc(j.problems, func(a, b view.Problem) int { return cmp.Or(worstFirst(a.Level, b.Level), cmp.Compare(b.Hit, a.Hit)) })
	v.Problems = j.problems
	if v.Problems == nil {
		v.Problems = []view.Problem{}
	}
	v.Level = view.Normal
	for _, p := range v.Problems {
		if p.Level.Worse(v.Level) {
			v.Level = p.Level
		}
	}
	slices.SortFunc(v.Services, func(a, b view.Service) int {
		return cmp.Or(worstFirst(a.Level, b.Level), cmp.Compare(b.Rate.Or(-1), a.Rate.Or(-1)), cmp.Compare(a.Name, b.Name))
	})
	v.Sentence = sentence(v)
}

// worstFirst compares levels for an order that begins with the worst.
func worstFirst(a, b view.Level) int {
	switch {
	case a.Worse(b):
		return -1
	case b.Worse(a):
		return 1
	}
	return 0
}
