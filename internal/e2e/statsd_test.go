package e2e

import (
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"nanofront/metrics"
)

// statsdLine is the only form of a line that is let pass: name, value, kind,
// rate of timings. Only gauges have a sign.
var statsdLine = regexp.MustCompile(`^nanofront\.([a-z]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_.-]+):([+-]?)([0-9]+(?:\.[0-9]+)?)\|(c|g|ms)(?:\|@(0\.[0-9]+))?$`)

// statsdServer is a StatsD server that is strict.
type statsdServer struct {
	conn net.PacketConn
	done chan struct{}

	mu        sync.Mutex
	lines     int
	faults    []string
	instances map[string]int // lines of each "program.instance"
	names     map[string]int // lines of each "program name kind"
}

func startStatsd(t *testing.T) *statsdServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &statsdServer{conn: conn, done: make(chan struct{}), instances: map[string]int{}, names: map[string]int{}}
	rules := catalogueRules()
	go func() { // ends when conn is closed
		defer close(s.done)
		packet := make([]byte, 1<<16)
		for {
			n, _, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			for line := range strings.SplitSeq(string(packet[:n]), "\n") {
				s.take(line, rules)
			}
		}
	}()
	t.Cleanup(s.close)
	return s
}

func (s *statsdServer) addr() string { return s.conn.LocalAddr().String() }

func (s *statsdServer) close() {
	_ = s.conn.Close() // again, perhaps
	<-s.done
}

func (s *statsdServer) take(line string, rules []statsdRule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines++
	m := statsdLine.FindStringSubmatch(line)
	switch {
	case m == nil:
		s.fault("not a line: %q", line)
		return
	case m[4] != "" && m[6] != "g":
		s.fault("a sign before what isn't a gauge: %q", line)
	case m[7] != "" && m[6] != "ms":
		s.fault("a rate on what isn't a timing: %q", line)
	}
	if !slices.ContainsFunc(rules, func(r statsdRule) bool { return r.allows(m[1], m[3], m[6]) }) {
		s.fault("not in the catalogue: %q", line)
	}
	s.instances[m[1]+"."+m[2]]++
	s.names[m[1]+" "+m[3]+" "+m[6]]++
}

func (s *statsdServer) fault(format string, args ...any) {
	if len(s.faults) < 20 {
		s.faults = append(s.faults, fmt.Sprintf(format, args...))
	}
}

// from reports whether lines of that program and instance have come.
func (s *statsdServer) from(instance string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.instances[instance] > 0
}

// has reports whether lines of that program, name and kind have come.
func (s *statsdServer) has(line string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names[line] > 0
}

// check fails the test if a line was not as it should be.
func (s *statsdServer) check(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		t.Errorf("StatsD: %s", f)
	}
	t.Logf("StatsD: %d lines of %d metrics from %v", s.lines, len(s.names), slices.Sorted(maps.Keys(s.instances)))
}

// statsdRule is what the catalogue says of a metric.
type statsdRule struct {
	programs []string
	kind     metrics.Kind
	name     *regexp.Regexp
}

var placeholder = regexp.MustCompile(`<[^>]*>`)

func catalogueRules() []statsdRule {
	var rules []statsdRule
	for _, d := range metrics.Catalogue() {
		var expr strings.Builder
		rest := d.Name
		for _, at := range placeholder.FindAllString(d.Name, -1) {
			before, after, _ := strings.Cut(rest, at)
			expr.WriteString(regexp.QuoteMeta(before) + `[A-Za-z0-9_-]+`)
			rest = after
		}
		expr.WriteString(regexp.QuoteMeta(rest))
		rules = append(rules, statsdRule{d.Programs, d.Kind, regexp.MustCompile("^" + expr.String() + "$")})
	}
	return rules
}

func (r statsdRule) allows(program, name, kind string) bool {
	if !slices.Contains(r.programs, program) {
		return false
	}
	switch r.kind {
	case metrics.KindCounter:
		return kind == "c" && r.name.MatchString(name)
	case metrics.KindGauge:
		return kind == "g" && r.name.MatchString(name)
	default: // a timer: see docs/metrics.md
		base, part := "", ""
		if i := strings.LastIndexByte(name, '.'); i > 0 {
			base, part = name[:i], name[i+1:]
		}
		if kind == "ms" {
			return part == "sampled" && r.name.MatchString(base)
		}
		if part == "count" {
			return kind == "c" && r.name.MatchString(base)
		}
		return kind == "g" && slices.Contains([]string{"p50", "p90", "p99", "p999", "max"}, part) && r.name.MatchString(base)
	}
}
