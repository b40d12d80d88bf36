package routes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nanofront/internal/terminal"
	"nanofront/registry"
)

// printShares shows how requests are shared among versions and variants.
func printShares(out terminal.Screen, doc *registry.Routes) {
	t := terminal.Table{Columns: []terminal.Column{{Head: "service"}, {Head: "version"}, {Head: "share", Right: true}, {Head: "sticky", Drop: 1}}}
	rows := 0
	for i := range doc.Rules {
		s := &doc.Rules[i]
		for _, v := range slices.Sorted(maps.Keys(s.Versions)) {
			t.Add(s.Name, v, percent(s.Versions, v), s.Sticky)
			rows++
		}
	}
	if rows > 0 {
		out.Line("")
		t.Print(out, out.Width, out.Colours)
	}
	if len(doc.Experiments) == 0 {
		return
	}
	out.Line("")
	t = terminal.Table{Columns: []terminal.Column{
		{Head: "experiment"}, {Head: "route"}, {Head: "variant"}, {Head: "share", Right: true}, {Head: "versions", Drop: 1}, {Head: "by", Drop: 2},
	}}
	for i := range doc.Experiments {
		e := &doc.Experiments[i]
		for _, v := range slices.Sorted(maps.Keys(e.Variants)) {
			var versions []string
			for _, s := range slices.Sorted(maps.Keys(e.Services[v])) {
				versions = append(versions, s+" "+e.Services[v][s])
			}
			t.Add(e.Name, e.Route, v, percent(e.Variants, v), strings.Join(versions, ", "), e.By)
		}
	}
	t.Print(out, out.Width, out.Colours)
}

// percent is the share of one of them.
func percent(shares map[string]int, name string) string {
	sum := 0
	for _, s := range shares {
		sum += s
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", 100*float64(shares[name])/float64(max(sum, 1))), ".0") + " %"
}
