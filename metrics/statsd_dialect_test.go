package metrics

import (
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// dialectLine is one line, whatever the dialect.
type dialectLine struct {
	name, kind string
	tags       map[string]string
	value      float64
	signed     bool
	rate       float64
}

// parseDogStatsD takes "name:value|kind|@rate|#tag:value,tag:value" apart, as an agent does.
func parseDogStatsD(text string) (l dialectLine, err error) {
	head, rest, _ := strings.Cut(text, "|")
	var raw string
	var ok bool
	if l.name, raw, ok = strings.Cut(head, ":"); !ok {
		return l, fmt.Errorf("no value: %q", text)
	}
	l.rate, l.tags = 1, map[string]string{}
	for i, part := range strings.Split(rest, "|") {
		switch {
		case i == 0:
			l.kind = part
		case strings.HasPrefix(part, "@"):
			if l.rate, err = strconv.ParseFloat(part[1:], 64); err != nil {
				return l, err
			}
		case strings.HasPrefix(part, "#"):
			for tag := range strings.SplitSeq(part[1:], ",") {
				k, v, _ := strings.Cut(tag, ":")
				l.tags[k] = v
			}
		default:
			return l, fmt.Errorf("%q: what is %q", text, part)
		}
	}
	l.value, err = strconv.ParseFloat(raw, 64)
	return l, err // a gauge with a sign is a value like any other
}

// parseInfluxDB takes "name,tag=value,tag=value:value|kind|@rate" apart, as Telegraf does.
func parseInfluxDB(text string) (l dialectLine, err error) {
	head, rest, ok := strings.Cut(text, ":")
	if !ok {
		return l, fmt.Errorf("no value: %q", text)
	}
	parts := strings.Split(head, ",")
	l.name, l.rate, l.tags = parts[0], 1, map[string]string{}
	for _, tag := range parts[1:] {
		k, v, ok := strings.Cut(tag, "=")
		if !ok {
			return l, fmt.Errorf("%q: what is the tag %q", text, tag)
		}
		l.tags[k] = v
	}
	fields := strings.Split(rest, "|")
	if len(fields) < 2 || len(fields) > 3 {
		return l, fmt.Errorf("%q has %d fields", text, len(fields))
	}
	l.kind = fields[1]
	if len(fields) == 3 {
		if l.rate, err = strconv.ParseFloat(strings.TrimPrefix(fields[2], "@"), 64); err != nil {
			return l, err
		}
	}
	l.signed = l.kind == "g" && (fields[0][0] == '-' || fields[0][0] == '+') // a change
	l.value, err = strconv.ParseFloat(fields[0], 64)
	return l, err
}

// What a server of each dialect makes of a report are the values that were counted, under one name
// for all services.
func TestReporter_Dialects(t *testing.T) {
	for tags, parse := range map[string]func(string) (dialectLine, error){StatsdDogStatsD: parseDogStatsD, StatsdInfluxDB: parseInfluxDB} {
		t.Run(tags, func(t *testing.T) {
			s := New(Terminator, "t.1")
			r := newReporter(t, s, StatsdOptions{Addr: "192.0.2.1:8125", Tags: tags, Prefix: "prod.nf", Sample: 1})
			wire := &lossy{}
			r.sender.target.dial = func(string, string) (net.Conn, error) { return wire, nil }
			g := s.Goals("web", "main", []time.Duration{25 * ms}, nil)
			g.Answered(ms)
			g.Answered(time.Second)
			s.Goals("echo", "echo", []time.Duration{25 * ms}, nil).Answered(ms)
			s.Counter(HTTPStatus, "2xx").Add(7)
			s.Gauge(HTTPInFlight).Set(-5)
			s.Gauge(UpstreamInFlight, "web").Set(3)
			for i := 1; i <= 100; i++ {
				s.Timer(UpstreamLatency, "web").Observe(time.Duration(i) * ms)
			}
			r.report(t.Context())

			got := map[string]float64{}
			samples, sum := 0, 0.0
			for text := range strings.SplitSeq(strings.TrimSpace(wire.got.String()), "\n") {
				l, err := parse(text)
				if err != nil {
					t.Fatal(err)
				}
				if l.tags["program"] != "terminator" || l.tags["instance"] != "t_1" || !strings.HasPrefix(l.name, "prod.nf.") {
					t.Fatalf("%q: name %s, tags %v", text, l.name, l.tags)
				}
				delete(l.tags, "program")
				delete(l.tags, "instance")
				var more []string
				for k, v := range l.tags {
					more = append(more, k+"="+v)
				}
				slices.Sort(more)
				key := strings.Join(append([]string{strings.TrimPrefix(l.name, "prod.nf.")}, more...), " ")
				switch {
				case l.kind == "c":
					got[key] += l.value / l.rate
				case l.kind == "ms":
					samples++
					sum += l.value / l.rate
				case l.signed:
					got[key] += l.value
				default:
					got[key] = l.value
				}
			}
			for key, want := range map[string]float64{
				"http.in_flight": -5, "http.status class=2xx": 7, "upstream.in_flight service=web": 3,
				"upstream.measured service=web": 2, "upstream.measured service=echo": 1, "upstream.within goal=25ms service=web": 1,
				"upstream.latency.count service=web": 100, "upstream.latency.p99 service=web": 99, "upstream.latency.max service=web": 100,
			} {
				if v, ok := got[key]; !ok || math.Abs(v-want) > 0.01*math.Abs(want) {
					t.Errorf("%s = %v (%v), want %v", key, v, ok, want)
				}
			}
			if samples != 100 || math.Abs(sum-5050) > 51 {
				t.Errorf("%d samples of %v ms, want 100 of 5050", samples, sum)
			}
		})
	}
}
