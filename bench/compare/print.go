package compare

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"nanofront/bench/result"
)

// minWidth is the least number of columns that Print lays out for.
const minWidth = 60

// Print writes what was found, for a terminal of that many columns: a sentence on top, a block for each measurement, and
// what regressed at the end. Below roomyWidth, verdicts have lines of their own. Colour is used only if colour is true.
func (o *Outcome) Print(w io.Writer, width int, colour bool) error {
	p := printer{width: max(width, minWidth), colour: colour}
	p.paragraph("", o.Headline())
	var last result.Key
	for i := range o.Changes {
		c := &o.Changes[i]
		if c.Key != last || i == 0 {
			p.line("")
			p.paragraph("", p.bold(name(c.Key)))
			last = c.Key
		}
		p.change(c)
	}
	p.line("")
	for _, k := range o.OnlyOld {
		p.paragraph("  ", "only in the old one: "+name(k))
	}
	for _, k := range o.OnlyNew {
		p.paragraph("  ", "only in the new one: "+name(k))
	}
	p.paragraph("", fmt.Sprintf("Intervals: 95 %%, Welch's t on the logarithms of rounds. A verdict holds for all %d figures together (Holm), "+
		"and for changes of %s or more. “× plain”: in proportion to plain fasthttp in the same round.", len(o.Changes), percent(o.opts.MinEffect)))
	if n := o.count(Unclear); n > 0 {
		p.paragraph("", fmt.Sprintf("Of %d figures nothing can be told: at least %d rounds are needed on each side (--rounds).", n, MinRounds))
	}
	for _, s := range o.Sentences() {
		p.paragraph("", p.paint(s, red))
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
		s := fmt.Sprintf("No difference beyond the noise in %s.", figureCount(len(o.Changes)-unclear))
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
	return fmt.Sprintf("Of %s: %s.", figureCount(len(o.Changes)), strings.Join(parts, ", "))
}

func figureCount(n int) string {
	if n == 1 {
		return "1 figure"
	}
	return fmt.Sprintf("%d figures", n)
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

// value writes a figure with its unit.
func (c *Change) value(v float64) string {
	if c.Relative {
		return fmt.Sprintf("%.3g × plain", v)
	}
	switch c.Metric {
	case Rate:
		return fmt.Sprintf("%.0f/s", v)
	case P99:
		if v >= 1 {
			return fmt.Sprintf("%.3g ms", v)
		}
		return fmt.Sprintf("%.0f µs", v*1e3)
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
	out    strings.Builder
	width  int
	colour bool
}

const (
	red   = "\x1b[31m"
	green = "\x1b[32m"
	faint = "\x1b[2m"
	bold  = "\x1b[1m"
	reset = "\x1b[0m"
)

func (p *printer) paint(s, how string) string {
	if !p.colour {
		return s
	}
	return how + s + reset
}

func (p *printer) bold(s string) string { return p.paint(printable(s), bold) }

func (p *printer) line(s string) {
	p.out.WriteString(strings.TrimRight(s, " "))
	p.out.WriteByte('\n')
}

// paragraph breaks a text into lines that fit.
func (p *printer) paragraph(indent, text string) {
	line := indent
	n := len(indent)
	for word := range strings.FieldsSeq(text) {
		w := utf8.RuneCountInString(word)
		if n+1+w > p.width && n > len(indent) {
			p.line(line)
			line, n = indent, len(indent)
		}
		if n > len(indent) {
			line += " "
			n++
		}
		line += word
		n += w
	}
	p.line(line)
}

// roomyWidth has room for the interval in the line of its figure.
const roomyWidth = 110

func (p *printer) change(c *Change) {
	how := faint
	switch c.Verdict {
	case Worse:
		how = red
	case Better:
		how = green
	}
	interval := fmt.Sprintf("%d and %d rounds", c.OldRounds, c.NewRounds)
	if !math.IsNaN(c.Low) {
		interval = fmt.Sprintf("%s … %s", signed(c.Low), signed(c.High))
	}
	figures := fmt.Sprintf("  %-16s%14s → %-14s%10s", c.Metric, c.value(c.Old), c.value(c.New), signed(c.Delta))
	if p.width >= roomyWidth {
		p.line(fmt.Sprintf("%s  %-22s %s", figures, "("+interval+")", p.paint(c.Verdict.String(), how)))
		return
	}
	p.line(figures)
	p.line(fmt.Sprintf("  %-16s%s  (%s)", "", p.paint(c.Verdict.String(), how), interval))
}

// printable replaces what would do something to a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
