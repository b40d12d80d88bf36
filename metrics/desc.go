package metrics

import (
	"fmt"
	"slices"
	"strings"
)

// Kind says how a metric is counted.
type Kind uint8

// The kinds of metric.
const (
	// KindCounter only grows, from 0 at the start of the process.
	KindCounter Kind = iota + 1
	// KindGauge goes up and down.
	KindGauge
	// KindTimer is a distribution of durations.
	KindTimer
)

// String is the kind's name as the documents write it.
func (k Kind) String() string {
	switch k {
	case KindCounter:
		return "counter"
	case KindGauge:
		return "gauge"
	case KindTimer:
		return "timer"
	}
	return "unknown"
}

// The programs that report metrics.
const (
	Terminator = "terminator"
	Handler    = "handler"
	Nanofront  = "nanofront"
	Bench      = "bench"
	// System is no program: it stands for all processes together.
	System = "system"
)

// Desc describes one metric: what docs/metrics.md says of it. All of them are
// variables of this package (catalogue.go); they are never changed.
type Desc struct {
	// Name is dotted lower case, with placeholders in angle brackets for
	// what is only known at run time: "upstream.<service>.requests".
	Name string
	Kind Kind
	// Unit is that of the value, in the plural: "requests", "bytes", "ms".
	Unit string
	// Help is what is counted, as a phrase without a full stop.
	Help string
	// Programs are those that report it.
	Programs []string
	// Known are all values of its only placeholder, if it has one whose values are fixed: their
	// series exist from the start, at 0, so that the first of a kind is seen as one more than none.
	Known []string

	local        bool     // at the admin port alone, not sent to StatsD
	index        int      // in the catalogue, and in Set.families
	static       []string // the text around the placeholders
	placeholders []string // their names
}

// Details is how many details a series of the metric needs: one for each
// placeholder in its name.
func (d *Desc) Details() int { return len(d.static) - 1 }

// Placeholders are the names of the placeholders, in their order. The slice is not to be changed.
func (d *Desc) Placeholders() []string { return d.placeholders }

// Local says that the metric is at the admin port alone, and not sent to StatsD.
func (d *Desc) Local() bool { return d.local }

// bareName is the name without its placeholders.
func (d *Desc) bareName() string {
	words := strings.FieldsFunc(strings.Join(d.static, "."), func(r rune) bool { return r == '.' })
	return strings.Join(words, ".")
}

// SeriesName is the name of the series with these details: [Set] reports it under that.
func (d *Desc) SeriesName(details ...string) string {
	if len(details) == 0 {
		return d.Name
	}
	return d.fill(strings.Split(cleanKey(details), "."))
}

// fill is the name with its placeholders replaced by details that are clean.
func (d *Desc) fill(details []string) string {
	if len(details) == 0 {
		return d.Name
	}
	var b strings.Builder
	for i, s := range d.static {
		b.WriteString(s)
		if i < len(details) {
			b.WriteString(details[i])
		}
	}
	return b.String()
}

// known sets Known.
func (d *Desc) known(values ...string) *Desc {
	d.Known = values
	return d
}

var catalogue []*Desc

// Catalogue returns every metric that there is, grouped as in catalogue.go.
// The slice is the caller's, the descriptions are not to be changed.
func Catalogue() []*Desc { return slices.Clone(catalogue) }

func counter(name, unit, help string, programs []string) *Desc {
	return add(&Desc{Name: name, Kind: KindCounter, Unit: unit, Help: help, Programs: programs})
}

func gauge(name, unit, help string, programs []string) *Desc {
	return add(&Desc{Name: name, Kind: KindGauge, Unit: unit, Help: help, Programs: programs})
}

func timer(name, help string, programs []string) *Desc {
	return add(&Desc{Name: name, Kind: KindTimer, Unit: "ms", Help: help, Programs: programs})
}

// local keeps a metric from StatsD.
func local(d *Desc) *Desc {
	d.local = true
	return d
}

func add(d *Desc) *Desc {
	static, placeholders, err := splitName(d.Name)
	if err != nil {
		panic(err) // a mistake in catalogue.go, seen by the first test that runs
	}
	d.static, d.placeholders = static, placeholders
	d.index = len(catalogue)
	catalogue = append(catalogue, d)
	return d
}

// splitName takes a name apart at its placeholders.
func splitName(name string) (static, placeholders []string, err error) {
	rest := name
	for {
		before, after, found := strings.Cut(rest, "<")
		if !found {
			return append(static, rest), placeholders, nil
		}
		placeholder, tail, closed := strings.Cut(after, ">")
		if !closed {
			return nil, nil, fmt.Errorf("metrics: %q: unclosed placeholder", name)
		}
		static, placeholders = append(static, before), append(placeholders, placeholder)
		rest = tail
	}
}
