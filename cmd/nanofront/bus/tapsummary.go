package bus

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"nanofront/internal/terminal"
	listen "nanofront/nanobus/tap"
)

// summary is what is said at the end of a tap.
type summary struct {
	began     time.Time
	kinds     map[string]uint64
	shown     uint64
	seen      uint64
	paired    uint64        // responses whose request was seen
	latency   time.Duration // of these, together
	dropped   uint64        // by instances, on links that have gone
	perSource map[source]uint64
}

// source is an instance that is listened to.
type source struct{ service, instance string }

func (s source) String() string { return s.service + "/" + s.instance }

func newSummary() *summary {
	return &summary{began: time.Now(), kinds: map[string]uint64{}, perSource: map[source]uint64{}}
}

func (s *summary) add(r *record) {
	s.shown++
	s.kinds[r.Kind]++
	if r.Latency != nil {
		s.paired++
		s.latency += time.Duration(*r.Latency) * time.Microsecond
	}
}

// state takes note of what an instance has dropped. It counts for each link: a
// smaller number is that of a new one.
func (s *summary) state(st *listen.State) {
	src := source{st.Service, st.Instance}
	if was := s.perSource[src]; st.Dropped < was {
		s.dropped += was
	}
	s.perSource[src] = st.Dropped
}

func (s *summary) droppedThere() uint64 {
	n := s.dropped
	for _, d := range s.perSource {
		n += d
	}
	return n
}

// print says what was seen and what was lost.
func (s *summary) print(w io.Writer, lost uint64) {
	var kinds []string
	for _, k := range slices.Sorted(maps.Keys(s.kinds)) {
		kinds = append(kinds, terminal.Grouped(s.kinds[k])+" "+k)
	}
	what := ""
	if len(kinds) > 0 {
		what = " (" + strings.Join(kinds, ", ") + ")"
	}
	_, _ = fmt.Fprintf(w, "%s in %s%s\n", terminal.Count(s.seen, "frame"), terminal.Duration(time.Since(s.began)), what)
	if s.shown != s.seen {
		_, _ = fmt.Fprintf(w, "%s shown, the others don't match\n", terminal.Grouped(s.shown))
	}
	if s.paired > 0 {
		_, _ = fmt.Fprintf(w, "mean latency %s, of %s whose request was seen\n", terminal.Duration(s.latency/time.Duration(s.paired)), terminal.Count(s.paired, "response"))
	}
	_, _ = fmt.Fprintf(w, "%s dropped by the instances, %s here", terminal.Grouped(s.droppedThere()), terminal.Grouped(lost))
	if s.droppedThere()+lost > 0 {
		_, _ = fmt.Fprint(w, ": a smaller --sample or --payload loses less")
	}
	_, _ = fmt.Fprintln(w)
}
