package compare

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"nanofront/bench/report"
	"nanofront/bench/result"
	"nanofront/internal/terminal"
)

// minWidth is the least number of columns that Print lays out for.
const minWidth = 60

// Print writes what was found, for a terminal of that many columns: a sentence on top, a table for
// each measurement, and what regressed at the end. Whatever doesn't fit is left out, never a
// verdict. Colour is used only if colour is true.
func (o *Outcome) Print(w io.Writer, width int, colour bool) error {
	p := &terminal.Page{Width: max(width, minWidth), Colours: terminal.Palette(colour)}
	report.Banner(p, "Unreliable run: don't build on the old result", o.OldDoubts)
	report.Banner(p, "Unreliable run: don't build on the new result", o.NewDoubts)
	style := terminal.Bold
	if len(o.OldDoubts)+len(o.NewDoubts) > 0 {
		style = terminal.Faint
	}
	p.Paragraph("", o.Headline(), style)
	for rest := o.Changes; len(rest) > 0; {
		n := slices.IndexFunc(rest, func(c Change) bool { return c.Key != rest[0].Key })
		if n < 0 {
			n = len(rest)
		}
		p.Line("")
		p.Paragraph("", name(rest[0].Key), terminal.Bold)
		printChanges(p, rest[:n])
		rest = rest[n:]
	}
	p.Line("")
	for _, k := range o.OnlyOld {
		p.Paragraph("  ", "only in the old one: "+name(k), terminal.Plain)
	}
	for _, k := range o.OnlyNew {
		p.Paragraph("  ", "only in the new one: "+name(k), terminal.Plain)
	}
	p.Paragraph("", fmt.Sprintf("Intervals: 95 %%, Welch's t on the logarithms of rounds. A verdict holds for all %d figures together (Holm), "+
		"and for changes of %s or more. “× plain”: in proportion to plain fasthttp in the same round.", len(o.Changes), percent(o.opts.MinEffect)), terminal.Faint)
	if n := o.count(Unclear); n > 0 {
		p.Paragraph("", fmt.Sprintf("Of %d figures nothing can be told: at least %d rounds are needed on each side (--rounds).", n, MinRounds), terminal.Plain)
	}
	for _, s := range o.Sentences() {
		p.Paragraph("", s, terminal.Red)
	}
	_, err := w.Write(p.Bytes())
	return err
}

// Headline says in a sentence what was found.
func (o *Outcome) Headline() string {
	worse, better, unclear := o.count(Worse), o.count(Better), o.count(Unclear)
	if unclear == len(o.Changes) {
		return fmt.Sprintf("Too few rounds to tell a change from noise: %d figures, none with %d rounds on each side.", len(o.Changes), MinRounds)
	}
	var parts []string
	if worse > 0 {
		parts = append(parts, fmt.Sprintf("%d worse", worse))
	}
	if better > 0 {
		parts = append(parts, fmt.Sprintf("%d better", better))
	}
	if len(parts) == 0 {
		s := fmt.Sprintf("No difference beyond the noise in %s.", terminal.Count(len(o.Changes)-unclear, "figure"))
		if unclear > 0 {
			s += fmt.Sprintf(" Of %d more nothing can be told, for too few rounds.", unclear)
		}
		return s
	}
	if same := o.count(NoDifference); same > 0 {
		parts = append(parts, fmt.Sprintf("%d without a difference beyond the noise", same))
	}
	if unclear > 0 {
		parts = append(parts, fmt.Sprintf("%d with too few rounds to tell", unclear))
	}
	return fmt.Sprintf("Of %s: %s.", terminal.Count(len(o.Changes), "figure"), strings.Join(parts, ", "))
}

// Sentences name each regression past MaxRegression.
func (o *Outcome) Sentences() []string {
	regressions := o.Regressions()
	out := make([]string, len(regressions))
	for i := range regressions {
		c := &regressions[i]
		out[i] = fmt.Sprintf("regression: %s: %s got %s worse (%s before, %s now), more than the %s that are allowed",
			name(c.Key), c.Metric, percent(c.Loss()), c.value(c.Old), c.value(c.New), percent(o.opts.MaxRegression))
	}
	return out
}

// name is a measurement in words.
func name(k result.Key) string {
	s := k.Scenario + ", " + k.Subject
	if k.Step != "" {
		s += ", " + k.Step
	}
	return s + " (" + k.Driver + ", " + k.Loop + " loop)"
}

// timesPlain is the unit of a figure in proportion to plain fasthttp's.
const timesPlain = " × plain"

// value writes a figure with its unit.
func (c *Change) value(v float64) string {
	if c.Relative {
		return fmt.Sprintf("%.3f", v) + timesPlain
	}
	switch c.Metric {
	case Rate:
		return terminal.Grouped(int64(math.Round(v))) + "/s"
	case P99:
		return terminal.Duration(time.Duration(v * float64(time.Millisecond)))
	}
	return fmt.Sprintf("%.3g µs", v)
}

// percent writes a share.
func percent(share float64) string {
	v := math.Abs(share) * 100
	if v < 10 {
		return fmt.Sprintf("%.1f %%", v)
	}
	return fmt.Sprintf("%.0f %%", v)
}

// signed writes a change.
func signed(share float64) string {
	sign := "+"
	if share < 0 {
		sign = "−"
	}
	return sign + percent(share)
}

// verdictStyle is how a verdict is shown; what isn't in it is faint.
var verdictStyle = map[Verdict]terminal.Style{Worse: terminal.Red, Better: terminal.Green}

// printChanges writes those of one measurement.
func printChanges(p *terminal.Page, all []Change) {
	t := terminal.Table{Columns: []terminal.Column{
		{Head: "figure"}, {Head: "old", Right: true}, {Head: "new", Right: true}, {Head: "change", Right: true}, {Head: "interval", Drop: 1}, {Head: "rounds", Right: true, Drop: 2}, {Head: "verdict"},
	}}
	for i := range all {
		c := &all[i]
		interval := ""
		if !math.IsNaN(c.Low) {
			interval = fmt.Sprintf("%s … %s", signed(c.Low), signed(c.High))
		}
		figure := string(c.Metric)
		if c.Relative {
			figure = strings.TrimSuffix(figure, " per request") + timesPlain
		}
		verdict := c.Verdict.String()
		if c.Verdict == NoDifference {
			verdict = "no difference" // beyond the noise, as is said on top and below
		}
		style, ok := verdictStyle[c.Verdict]
		if !ok {
			style = terminal.Faint
		}
		t.AddCells(
			terminal.Cell{Text: figure}, terminal.Cell{Text: strings.TrimSuffix(c.value(c.Old), timesPlain)}, terminal.Cell{Text: strings.TrimSuffix(c.value(c.New), timesPlain)}, terminal.Cell{Text: signed(c.Delta)},
			terminal.Cell{Text: interval}, terminal.Cell{Text: fmt.Sprintf("%d, %d", c.OldRounds, c.NewRounds)}, terminal.Cell{Text: verdict, Style: style},
		)
	}
	t.Print(p, p.Width, bool(p.Colours))
}
