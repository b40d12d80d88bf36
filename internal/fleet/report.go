package fleet

import (
	"strconv"
	"strings"

	"nanofront/metrics"
)

// Report is what a process said of itself at one moment, in /metrics.json.
type Report struct {
	Program  string
	Instance string
	StartID  string  // names the process: another one has another
	Uptime   float64 // by its own monotonic clock, in s
	PID      int

	Counters map[string]Counter
	Gauges   map[string]float64
	Timers   map[string]Timer
}

// Counter is what was counted since the start, and what was added a second in the last 10 s.
type Counter struct{ Value, Rate float64 }

// Timer is a distribution: its figures of the last 10 s, in ms, and its cells since the start, if
// they were asked for and are of use here.
type Timer struct {
	Cells          metrics.Cells
	Rate, P50, P99 float64
}

func newReport() *Report {
	return &Report{Counters: make(map[string]Counter), Gauges: make(map[string]float64), Timers: make(map[string]Timer)}
}

// wanted reports whether a timer's buckets are of use here.
func wanted(timer string) bool {
	return strings.HasPrefix(timer, "stage.") || strings.HasPrefix(timer, "upstream.") ||
		timer == "service_time" || timer == "queue" || timer == "http.loop_lag"
}

// read takes in a report; what a former one left in l is overwritten.
func (l *Report) read(body []byte) error {
	s := scanner{b: body}
	l.Program, l.Instance, l.StartID, l.Uptime, l.PID = "", "", "", 0, 0
	clear(l.Gauges)
	clear(l.Counters)
	for name, t := range l.Timers {
		l.Timers[name] = Timer{Cells: t.Cells[:0]}
	}
	s.object(func(key []byte) {
		switch string(key) {
		case "program":
			l.Program = s.str()
		case "instance":
			l.Instance = s.str()
		case "start_id":
			l.StartID = s.str()
		case "pid":
			l.PID = int(s.number())
		case "uptime_s":
			l.Uptime = max(l.Uptime, s.number()) // rounded: what is exact comes first
		case "uptime_ns":
			l.Uptime = s.number() / 1e9
		case "counters":
			s.object(func(key []byte) {
				var c Counter
				s.object(func(field []byte) {
					switch string(field) {
					case "value":
						c.Value = s.number()
					case "rate_10s":
						c.Rate = s.number()
					default:
						s.skip(0)
					}
				})
				l.Counters[string(key)] = c
			})
		case "gauges":
			s.object(func(key []byte) { l.Gauges[string(key)] = s.number() })
		case "timers":
			s.object(func(key []byte) {
				l.Timers[string(key)] = s.timer(l.Timers[string(key)], wanted(string(key)))
			})
		default:
			s.skip(0)
		}
	})
	if s.bad || l.Program == "" {
		return errJSON
	}
	if l.StartID == "" { // of an older version
		l.StartID = "pid-" + strconv.Itoa(l.PID)
	}
	return nil
}

// timer reads one; its cells only if they are wanted.
func (s *scanner) timer(t Timer, cells bool) Timer {
	s.object(func(field []byte) {
		switch {
		case string(field) == "last_10s":
			s.object(func(field []byte) {
				switch string(field) {
				case "rate_10s":
					t.Rate = s.number()
				case "p50_ms":
					t.P50 = s.number()
				case "p99_ms":
					t.P99 = s.number()
				default:
					s.skip(0)
				}
			})
		case cells && string(field) == "buckets":
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
				t.Cells = t.Cells.Add(b)
			})
		default:
			s.skip(0)
		}
	})
	return t
}
