package bus

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"nanofront/cmd/nanofront/listening"
	"nanofront/internal/terminal"
)

// summary is what is said at the end of a tap.
type summary struct {
	began   time.Time
	kinds   map[string]uint64
	shown   uint64
	seen    uint64
	paired  uint64        // responses whose request was seen
	latency time.Duration // of these, together
}

func newSummary() *summary {
	return &summary{began: time.Now(), kinds: map[string]uint64{}}
}

func (s *summary) add(r *record) {
	s.shown++
	s.kinds[r.Kind]++
	if r.Latency != nil {
		s.paired++
		s.latency += time.Duration(*r.Latency) * time.Microsecond
	}
}

// print says what was seen and what was lost.
func (s *summary) print(w io.Writer, lost listening.Losses) {
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
	_, _ = fmt.Fprintf(w, "%s dropped by the instances, %s here", terminal.Grouped(lost.There), terminal.Grouped(lost.Here))
	if lost.There+lost.Here > 0 {
		_, _ = fmt.Fprint(w, ": a smaller --sample or --payload loses less")
	}
	_, _ = fmt.Fprintln(w)
}
