package nanobus

import "nanofront/nanobus/balance"

// LinkInfo is the state of one link, for display.
type LinkInfo struct {
	Service   string  `json:"service"`
	Instance  string  `json:"instance"`
	Version   string  `json:"version,omitempty"`
	Address   string  `json:"address"`
	State     string  `json:"state"`
	Weight    int     `json:"weight"` // 0: it is taken out
	Window    int     `json:"window"`
	InFlight  int     `json:"in_flight"`
	Replies   uint64  `json:"replies"`
	LatencyMS float64 `json:"latency_ms"` // moving average

	// ClockKnown says whether the peer's clock is known against ours, so that
	// Timing can tell the way out from the way back.
	ClockKnown bool `json:"-"`
}

// Links returns the state of the links that this process dials.
func (b *Bus) Links() []LinkInfo {
	b.mu.Lock() // weights and versions change under it
	defer b.mu.Unlock()
	infos := make([]LinkInfo, 0, len(b.links))
	for l := range b.links {
		in := l.instance
		if in == nil {
			continue
		}
		infos = append(infos, LinkInfo{
			Service: in.Service, Instance: in.ID, Version: in.Version, Address: in.Address,
			State:  [...]string{"greeting", "live", "draining", "down"}[l.state.Load()],
			Weight: balance.Effective(in.Weight),
			Window: l.target.Window(), InFlight: l.InFlight(), Replies: l.target.Replies(),
			LatencyMS: l.target.Latency().Seconds() * 1e3, ClockKnown: l.clock.known.Load(),
		})
	}
	return infos
}
