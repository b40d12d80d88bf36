package compare

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"nanofront/bench/result"
	"nanofront/internal/terminal"
)

// minWidth is the least number of columns that Print lays out for.
const minWidth = 60

// Print writes what was found, for a terminal of that many columns: a sentence on top, a table for each measurement, and
// what regressed at the end. What there is no room for is left out, never a verdict. Colour is used only if colour is true.
func (o *Outcome) Print(w io.Writer, width int, colour bool) error {
	p := printer{width: max(width, minWidth), colours: terminal.Palette(colour)}
	p.banner("old", o.OldDoubts)
	p.banner("new", o.NewDoubts)
	style := terminal.Bold
	if len(o.OldDoubts)+len(o.NewDoubts) > 0 {
		style = terminal.Faint
	}
	p.paragraph("", o.Headline(), style)
	for rest := o.Changes; len(rest) > 0; {
		n := slices.IndexFunc(rest, func(c Change) bool { return c.Key != rest[0].Key })
		if n < 0 {
			n = len(rest)
		}
		p.line("")
		p.paragraph("", name(rest[0].Key), terminal.Bold)
		p.changes(rest[:n])
		rest = rest[n:]
	}
	p.line("")
	for _, k := range o.OnlyOld {
		p.paragraph("  ", "only in the old one: "+name(k), terminal.Plain)
	}
	for _, k := range o.OnlyNew {
		p.paragraph("  ", "only in the new one: "+name(k), terminal.Plain)
	}
	p.paragraph("", fmt.Sprintf("Intervals: 95 %%, Welch's t on the logarithms of rounds. A verdict holds for all %d figures together (Holm), "+
		"and for changes of %s or more. “× plain”: in proportion to plain fasthttp in the same round.", len(o.Changes), percent(o.opts.MinEffect)), terminal.Faint)
	if n := o.count(Unclear); n > 0 {
		p.paragraph("", fmt.Sprintf("Of %d figures nothing can be told: at least %d rounds are needed on each side (--rounds).", n, MinRounds), terminal.Plain)
	}
	for _, s := range o.Sentences() {
		p.paragraph("", s, terminal.Red)
	}
	_, err := io.WriteString(w, p.out.String())
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

type printer struct {
	out     strings.Builder
	width   int
	colours terminal.Palette
}

func (p *printer) line(s string) {
	p.out.WriteString(strings.TrimRight(s, " "))
	p.out.WriteByte('\n')
}

// paragraph breaks a text into lines that fit.
func (p *printer) paragraph(indent, text string, style terminal.Style) {
	for _, l := range terminal.Wrap(terminal.Printable(text), p.width-len(indent)) {
		p.line(indent + p.colours.Paint(style, l))
	}
}

// banner says why a side isn't to be relied on.
func (p *printer) banner(side string, doubts []result.Doubt) {
	if len(doubts) == 0 {
		return
	}
	p.paragraph("", "Unreliable run: don't build on the "+side+" result", terminal.Red)
	for _, d := range doubts {
		p.paragraph("  ", "- "+d.Reason, terminal.Yellow)
	}
	p.paragraph("  ", result.Advice(doubts), terminal.Plain)
	p.line("")
}

// verdictStyle is how a verdict is shown; what isn't in it is faint.
var verdictStyle = map[Verdict]terminal.Style{Worse: terminal.Red, Better: terminal.Green}

// changes writes those of one measurement.
func (p *printer) changes(all []Change) {
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
	t.Print(&p.out, p.width, bool(p.colours))
}
