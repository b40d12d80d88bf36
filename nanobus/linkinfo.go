package nanobus

import (
	"time"

	"nanofront/nanobus/balance"
)

// LinkInfo is the state of one link, for display.
type LinkInfo struct {
	Service   string  `json:"service"`
	Instance  string  `json:"instance"`
	Version   string  `json:"version,omitempty"`
	Address   string  `json:"address"`
	State     string  `json:"state"`
	Stalled   bool    `json:"stalled,omitempty"` // silent with requests under way: it gets no more until it speaks
	Weight    int     `json:"weight"`            // 0: it is taken out
	Share     int     `json:"share"`             // of its weight, in per cent: less than 100 for one that does worse than its peers, or did
	Window    int     `json:"window"`
	InFlight  int     `json:"in_flight"`
	Replies   uint64  `json:"replies"`
	LatencyMS float64 `json:"latency_ms"` // moving average

	// What became of the requests of the last 10 s, as they look from here: with the way there and
	// back.
	Rate   float64 `json:"requests_per_s"`
	Failed float64 `json:"errors_per_s"`
	Outrun float64 `json:"outrun_per_s,omitempty"` // answered by another instance, which was asked later; not among the former
	P50    float64 `json:"p50_ms"`
	P99    float64 `json:"p99_ms"`

	// ClockKnown says whether the peer's clock is known against ours, so that
	// Timing can tell the way out from the way back.
	ClockKnown bool `json:"-"`
	// ClockAhead is how far it is ahead, if that is known.
	ClockAhead time.Duration `json:"-"`
}

// Links returns the state of the links that this process dials.
func (b *Bus) Links() []LinkInfo {
	b.mu.Lock() // weights and versions change under it
	defer b.mu.Unlock()
	infos := make([]LinkInfo, 0, len(b.links))
	for l, in := range b.links {
		if in == nil {
			continue
		}
		recent := l.Target.Recent()
		ahead, known := l.Clock()
		infos = append(infos, LinkInfo{
			Service: in.Service, Instance: in.ID, Version: in.Version, Address: in.Address,
			State:   [...]string{"greeting", "live", "draining", "down"}[l.State.Load()],
			Stalled: l.Stalled.Load(),
			Weight:  balance.Effective(in.Weight), Share: l.Target.Standing.Share(),
			Window: l.Target.Window(), InFlight: l.InFlight(), Replies: l.Target.Replies(),
			LatencyMS: l.Target.Latency().Seconds() * 1e3, ClockKnown: known, ClockAhead: ahead,
			Rate: recent.Rate, Failed: recent.Failed, Outrun: recent.Outrun, P50: recent.P50.Seconds() * 1e3, P99: recent.P99.Seconds() * 1e3,
		})
	}
	return infos
}
