package report

import (
	"fmt"
	"strings"

	"nanofront/bench/result"
)

// paint names a colour by what it is for; "" is none.
type paint string

const (
	ink     paint = "ink"     // text, and lines that count
	muted   paint = "muted"   // labels of axes
	rule    paint = "rule"    // lines of the grid
	surface paint = "surface" // what all is drawn on
	good    paint = "good"
	warn    paint = "warn"
	bad     paint = "bad"
)

// series is the paint of the i-th thing in a plot.
func series(i int) paint { return paint(fmt.Sprintf("s%d", i%seriesCount)) }

const seriesCount = 8

// shade is a colour on a light and on a dark surface.
type shade struct{ light, dark string }

// palette is made for people who don't see red and green apart as well: neighbours differ in
// lightness, and each has a contrast of 3 or more to its surface (WCAG 2.1, 1.4.11), text of 4.5 or
// more.
var palette = []struct {
	name paint
	shade
}{
	{ink, shade{"#1b2230", "#e8ecf2"}},
	{muted, shade{"#566074", "#a3adbd"}},
	{rule, shade{"#dfe3ea", "#2f3744"}},
	{surface, shade{"#ffffff", "#161a21"}},
	{good, shade{"#0b7a5a", "#3fcf9f"}},
	{warn, shade{"#a86400", "#f0b64a"}},
	{bad, shade{"#b3243b", "#ff7b8c"}},
	{"s0", shade{"#0b5fc1", "#5aa9ff"}},
	{"s1", shade{"#5b6470", "#aab2bd"}},
	{"s2", shade{"#c2480c", "#ff9a5c"}},
	{"s3", shade{"#0b7a5a", "#3fcf9f"}},
	{"s4", shade{"#9a3a8c", "#e596d8"}},
	{"s5", shade{"#8f6400", "#e3b341"}},
	{"s6", shade{"#5a4fc4", "#a8a5ff"}},
	{"s7", shade{"#b3243b", "#ff8a9a"}},
}

// paintCSS is the palette as rules for what svg.go writes: f- fills, k- draws lines.
func paintCSS() string {
	var light, dark strings.Builder
	for _, p := range palette {
		fmt.Fprintf(&light, ".f-%s{fill:%s}.k-%s{stroke:%s}\n", p.name, p.light, p.name, p.light)
		fmt.Fprintf(&dark, ".f-%s{fill:%s}.k-%s{stroke:%s}\n", p.name, p.dark, p.name, p.dark)
	}
	return light.String() + "@media (prefers-color-scheme:dark){\n" + dark.String() + "}\n"
}

// style tells one subject from the others.
type style struct {
	paint  paint
	marker marker
	dash   []float64
}

var (
	dashes  = [][]float64{nil, {7, 4}, {2, 3}, {9, 3, 2, 3}, {12, 4}, {4, 2, 1, 2}, {5, 5}, {1, 2}}
	markers = []marker{circle, square, triangle, diamond, cross, plus, circle, square}
)

// order gives well-known subjects the same style in every plot of every report.
var order = []string{result.Nanofront, result.Plain, "nginx", "haproxy", "caddy", "nats gateway"}

// styles returns the style of each subject; those that nobody knows get what is left, in their
// order.
func styles(subjects []string) map[string]style {
	out := make(map[string]style, len(subjects))
	next := len(order)
	for _, s := range subjects {
		if _, ok := out[s]; ok {
			continue
		}
		i := -1
		for k, name := range order {
			if strings.EqualFold(name, s) {
				i = k
			}
		}
		if i < 0 {
			i = next
			next++
		}
		out[s] = styleOf(i)
	}
	return out
}

func styleOf(i int) style {
	return style{series(i), markers[i%len(markers)], dashes[i%len(dashes)]}
}
