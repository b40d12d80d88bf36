package report

import (
	"cmp"
	"fmt"
	"slices"

	"nanofront/bench/result"
)

// cpuPlot shows what a request costs each subject, by process.
func cpuPlot(g *group) *plot {
	rows := slices.DeleteFunc(slices.Clone(g.Rows), func(s *result.Summary) bool { return s.CPU.N == 0 })
	// One row says nothing that the table doesn't.
	if len(rows) < 2 || isCurve(g) || isOverload(g) || g.loop == result.Idle {
		return nil
	}
	slices.SortStableFunc(rows, func(a, b *result.Summary) int { return cmp.Compare(a.CPU.Median, b.CPU.Median) })
	title := cpuTitle(rows)
	if isCost(g) {
		byRate(rows)
		title = costClaim(rows)
	}
	looks := newRoleLooks(g.subjects())
	var bars []bar
	for _, s := range rows {
		b := bar{name: s.Subject, bold: s.Subject == result.Nanofront, note: fmt.Sprintf("%.1f µs", s.CPU.Median), low: s.CPU.Low, high: s.CPU.High}
		if s.Step != "" && len(g.of(s.Subject)) > 1 {
			b.name += ", " + s.Step
		}
		if s.CPURatio.N > 0 && s.Subject != result.Plain {
			b.note += fmt.Sprintf("  (%.1f × plain)", s.CPURatio.Median)
		}
		if s.CPU.N < 2 {
			b.low, b.high = 0, 0
		}
		for _, r := range s.Roles {
			if r.Role == result.RoleLoad {
				continue
			}
			look := looks.of(s.Subject, r.Role)
			b.parts = append(b.parts, part{r.PerRequest.Median, look.paint, look.hatch, r.Role, fmt.Sprintf("%s, %s: %.1f µs of CPU per request", s.Subject, r.Role, r.PerRequest.Median)})
		}
		bars = append(bars, b)
	}
	return &plot{
		Name: "cpu-" + g.scenario + "-" + g.driver + "-" + g.loop, topic: g.scenario + ", " + g.loop + " loop by " + g.driver, claim: title,
		Caption: "Microseconds of CPU for one answered request, of all processes behind the load generator added up (its own aren't in it): shorter is cheaper. On a machine whose cores are all busy, this decides the rate.",
		draw: func(width float64) *drawing {
			d := &drawing{width: width}
			d.bars(bars, looks.keys, "CPU in µs per request", trimZero)
			return d
		},
	}
}

// roleLooks gives each role the colour of the subject that it is a part of, and a hatch of its own;
// a role that is called as a subject looks as that one does.
type roleLooks struct {
	styles map[string]style
	byRole map[string]key
	parts  map[paint]int
	keys   []key
}

func newRoleLooks(subjects []string) *roleLooks {
	return &roleLooks{styles: styles(append(slices.Clone(subjects), result.Plain)), byRole: make(map[string]key), parts: make(map[paint]int)}
}

func (l *roleLooks) of(subject, role string) key {
	if k, ok := l.byRole[role]; ok {
		return k
	}
	st, ok := l.styles[role]
	if !ok {
		st = l.styles[subject]
	}
	k := key{role, st.paint, hatch(l.parts[st.paint]) % hatchCount}
	l.parts[st.paint]++
	l.byRole[role] = k
	l.keys = append(l.keys, k)
	return k
}

// cpuTitle holds nanofront against its cheapest rival.
func cpuTitle(rows []*result.Summary) string {
	own, next := rivals(rows)
	switch {
	case own != nil && next != nil:
		return fmt.Sprintf("a request costs nanofront %.1f µs of CPU, %s %.1f", own.CPU.Median, next.Subject, next.CPU.Median)
	case own != nil:
		return fmt.Sprintf("a request costs nanofront %.1f µs of CPU", own.CPU.Median)
	}
	return fmt.Sprintf("a request costs %s %.1f µs of CPU", rows[0].Subject, rows[0].CPU.Median)
}

// rivals are the first of nanofront's rows, and the first of those that have a hop to go as well;
// nil if there is none.
func rivals(rows []*result.Summary) (own, next *result.Summary) {
	for _, s := range rows {
		switch {
		case s.Subject == result.Nanofront && own == nil:
			own = s
		case s.Subject != result.Nanofront && s.Subject != result.Plain && next == nil:
			next = s
		}
	}
	return own, next
}
