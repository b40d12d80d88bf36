package collect

import (
	"strings"

	"nanofront/metrics"
)

// look is what a process said of itself at one moment: all of it since its start.
type look struct {
	program  string
	instance string
	start    string  // names the process: another one has another
	clock    float64 // its own monotonic time, in s since its start
	pid      int

	counters map[string]float64
	gauges   map[string]float64
	timers   map[string]metrics.Cells
}

func newLook() *look {
	return &look{counters: make(map[string]float64), gauges: make(map[string]float64), timers: make(map[string]metrics.Cells)}
}

// wanted reports whether a timer's buckets are of use here.
func wanted(timer string) bool {
	return strings.HasPrefix(timer, "stage.") || strings.HasPrefix(timer, "upstream.") ||
		timer == "service_time" || timer == "queue" || timer == "http.loop_lag"
}

// read takes in a report; what a former one left in l is overwritten.
func (l *look) read(body []byte) error {
	s := scanner{b: body}
	l.program, l.instance, l.start, l.clock, l.pid = "", "", "", 0, 0
	clear(l.gauges)
	clear(l.counters)
	for name, c := range l.timers {
		l.timers[name] = c[:0]
	}
	s.object(func(key []byte) {
		switch string(key) {
		case "program":
			l.program = s.str()
		case "instance":
			l.instance = s.str()
		case "start_id":
			l.start = s.str()
		case "pid":
			l.pid = int(s.number())
		case "uptime_s":
			l.clock = max(l.clock, s.number()) // rounded: what is exact comes first
		case "uptime_ns":
			l.clock = s.number() / 1e9
		case "counters":
			s.object(func(key []byte) {
				value := 0.0
				s.object(func(field []byte) {
					if string(field) == "value" {
						value = s.number()
						return
					}
					s.skip(0)
				})
				l.counters[string(key)] = value
			})
		case "gauges":
			s.object(func(key []byte) { l.gauges[string(key)] = s.number() })
		case "timers":
			s.object(func(key []byte) {
				if !wanted(string(key)) {
					s.skip(0)
					return
				}
				cells := l.timers[string(key)]
				s.object(func(field []byte) {
					if string(field) != "buckets" {
						s.skip(0)
						return
					}
					s.array(func() {
						var b metrics.Bucket
						k := 0
						s.array(func() {
							v := s.number()
							if k < len(b) {
								b[k] = v
							}
							k++
						})
						cells = cells.Add(b)
					})
				})
				l.timers[string(key)] = cells
			})
		default:
			s.skip(0)
		}
	})
	if s.bad || l.program == "" {
		return errJSON
	}
	if l.start == "" { // of an older version
		l.start = "pid-" + itoa(l.pid)
	}
	return nil
}

// link is what a process says of one that it dials.
type link struct {
	service, instance      string
	state                  string
	version                string
	stalled                bool
	weight, share          int
	inFlight               float64
	rate, failed, p50, p99 float64
	outrun                 float64
	replies, latency       float64
}

func readLinks(body []byte, to []link) ([]link, error) {
	s := scanner{b: body}
	to = to[:0]
	s.array(func() {
		l := link{share: 100}
		s.object(func(key []byte) {
			switch string(key) {
			case "service":
				l.service = s.str()
			case "instance":
				l.instance = s.str()
			case "version":
				l.version = s.str()
			case "state":
				l.state = s.str()
			case "stalled":
				l.stalled = s.boolean()
			case "weight":
				l.weight = int(s.number())
			case "share":
				l.share = int(s.number())
			case "in_flight":
				l.inFlight = s.number()
			case "replies":
				l.replies = s.number()
			case "latency_ms":
				l.latency = s.number()
			case "requests_per_s":
				l.rate = s.number()
			case "errors_per_s":
				l.failed = s.number()
			case "outrun_per_s":
				l.outrun = s.number()
			case "p50_ms":
				l.p50 = s.number()
			case "p99_ms":
				l.p99 = s.number()
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

// frontState is what a terminator says of itself at /state.json.
type frontState struct {
	known    bool
	ready    bool
	reasons  []string
	degraded []string
}

func readState(body []byte) (f frontState, err error) {
	s := scanner{b: body}
	s.object(func(key []byte) {
		switch string(key) {
		case "ready":
			f.ready = s.boolean()
		case "reasons":
			s.array(func() { f.reasons = append(f.reasons, s.str()) })
		case "degraded":
			s.array(func() {
				s.object(func(key []byte) {
					if string(key) == "reason" {
						f.degraded = append(f.degraded, s.str())
						return
					}
					s.skip(0)
				})
			})
		default:
			s.skip(0)
		}
	})
	if s.bad {
		return frontState{}, errJSON
	}
	f.known = true
	return f, nil
}

// slowOne is a slow request, as /slow.json of a terminator has it.
type slowOne struct {
	seq               float64
	atMS              float64
	service, instance string
	id                string
	stages            [7]float64 // ms, as view.Stages
	total             float64
}

func readSlow(body []byte, to []slowOne) ([]slowOne, error) {
	s := scanner{b: body}
	s.object(func(key []byte) {
		if string(key) != "requests" {
			s.skip(0)
			return
		}
		s.array(func() {
			var o slowOne
			s.object(func(key []byte) {
				switch string(key) {
				case "seq":
					o.seq = s.number()
				case "at_ms":
					o.atMS = s.number()
				case "service":
					o.service = s.str()
				case "instance":
					o.instance = s.str()
				case "request_id":
					o.id = s.str()
				case "total_ms":
					o.total = s.number()
				case "stages_ms":
					k := 0
					s.array(func() {
						v := s.number()
						if k < len(o.stages) {
							o.stages[k] = v
						}
						k++
					})
				default:
					s.skip(0)
				}
			})
			to = append(to, o)
		})
	})
	if s.bad {
		return to, errJSON
	}
	return to, nil
}
