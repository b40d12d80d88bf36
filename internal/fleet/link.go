package fleet

// Link is what a process says of one that it dials, in /links.json: as nanobus.LinkInfo has it.
type Link struct {
	Service   string  `json:"service"`
	Instance  string  `json:"instance"`
	Version   string  `json:"version,omitempty"`
	Address   string  `json:"address"`
	State     string  `json:"state"`
	Stalled   bool    `json:"stalled,omitempty"`
	Weight    int     `json:"weight"`
	Share     int     `json:"share"`
	Window    int     `json:"window"`
	InFlight  int     `json:"in_flight"`
	Replies   uint64  `json:"replies"`
	LatencyMS float64 `json:"latency_ms"`
	Rate      float64 `json:"requests_per_s"`
	Failed    float64 `json:"errors_per_s"`
	Outrun    float64 `json:"outrun_per_s,omitempty"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
}

func readLinks(body []byte, to []Link) ([]Link, error) {
	s := scanner{b: body}
	to = to[:0]
	s.array(func() {
		l := Link{Share: 100}
		s.object(func(key []byte) {
			switch string(key) {
			case "service":
				l.Service = s.str()
			case "instance":
				l.Instance = s.str()
			case "version":
				l.Version = s.str()
			case "address":
				l.Address = s.str()
			case "state":
				l.State = s.str()
			case "stalled":
				l.Stalled = s.boolean()
			case "weight":
				l.Weight = int(s.number())
			case "share":
				l.Share = int(s.number())
			case "window":
				l.Window = int(s.number())
			case "in_flight":
				l.InFlight = int(s.number())
			case "replies":
				l.Replies = uint64(s.number())
			case "latency_ms":
				l.LatencyMS = s.number()
			case "requests_per_s":
				l.Rate = s.number()
			case "errors_per_s":
				l.Failed = s.number()
			case "outrun_per_s":
				l.Outrun = s.number()
			case "p50_ms":
				l.P50 = s.number()
			case "p99_ms":
				l.P99 = s.number()
			default:
				s.skip(0)
			}
		})
		to = append(to, l)
	})
	if s.bad {
		return to[:0], errJSON
	}
	return to, nil
}
