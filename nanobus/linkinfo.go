package nanobus

// LinkInfo is the state of one link, for who looks.
type LinkInfo struct {
	Service   string  `json:"service"`
	Instance  string  `json:"instance"`
	Version   string  `json:"version,omitempty"`
	Address   string  `json:"address"`
	State     string  `json:"state"`
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
	var infos []LinkInfo
	for _, l := range b.snapshotLinks() {
		if l.instance == nil {
			continue
		}
		infos = append(infos, LinkInfo{
			Service: l.instance.Service, Instance: l.instance.ID, Version: l.instance.Version, Address: l.instance.Address,
			State:  [...]string{"greeting", "live", "draining", "down"}[l.state.Load()],
			Window: int(l.window.Load()), InFlight: l.InFlight(), Replies: l.replies.Load(),
			LatencyMS: float64(l.latency.Load()) / 1e6, ClockKnown: l.offsetKnown.Load(),
		})
	}
	return infos
}
