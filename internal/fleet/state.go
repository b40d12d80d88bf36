package fleet

// State is what a front says of itself in /state.json.
type State struct {
	Known    bool // it said so
	Ready    bool
	Reasons  []string // why it isn't
	Degraded []Degradation
}

// Degradation is something that isn't as it should be at a front, ready or not.
type Degradation struct {
	Service string `json:"service,omitempty"`
	Reason  string `json:"reason"`
}

func readState(body []byte) (f State, err error) {
	s := scanner{b: body}
	s.object(func(key []byte) {
		switch string(key) {
		case "ready":
			f.Ready = s.boolean()
		case "reasons":
			s.array(func() { f.Reasons = append(f.Reasons, s.str()) })
		case "degraded":
			s.array(func() {
				var d Degradation
				s.object(func(key []byte) {
					switch string(key) {
					case "service":
						d.Service = s.str()
					case "reason":
						d.Reason = s.str()
					default:
						s.skip(0)
					}
				})
				f.Degraded = append(f.Degraded, d)
			})
		default:
			s.skip(0)
		}
	})
	if s.bad {
		return State{}, errJSON
	}
	f.Known = true
	return f, nil
}
