package dashboards

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"nanofront/metrics"
)

// ServiceWord stands for the service in dashboards of one service, where the system that draws them
// has no variables.
const ServiceWord = "SERVICE"

// series is where Graphite has a series of the reference StatsD server, with
// deploy/statsd/config.js.
type series struct {
	path  string
	nodes map[string]int // of a placeholder, and of Instance: its place in the path
}

// seriesOf is the pattern of a metric's series, of all processes.
func seriesOf(q Query, d *metrics.Desc, tail string, perService bool) series {
	kind := "counters"
	if d.Kind == metrics.KindGauge || d.Kind == metrics.KindTimer && q.Part != "count" {
		kind = "gauges"
	}
	words := []string{"stats", kind, metrics.DefaultStatsdPrefix, Query{Metric: d}.programs(), "*"}
	nodes := map[string]int{Instance: len(words) - 1}
	for word := range strings.SplitSeq(d.Name, ".") {
		if name, ok := strings.CutPrefix(word, "<"); ok {
			name = strings.TrimSuffix(name, ">")
			nodes[name] = len(words)
			word = "*"
			if v, ok := q.Fixed[name]; ok {
				word = v
			} else if perService && name == "service" {
				word = ServiceWord
			}
		}
		words = append(words, word)
	}
	if tail != "" {
		words = append(words, tail)
	}
	return series{strings.Join(words, "."), nodes}
}

// GraphiteTarget is the query as a target of Graphite's render API. All say how several points of
// one pixel become one: Graphite would average.
func GraphiteTarget(q Query, perService bool) string {
	if q.External != "" {
		return fmt.Sprintf(`alias(%s,"%s")`, q.External, q.Legend)
	}
	tail, fold, consolidate := "", "sumSeries", "average"
	switch {
	case q.Of != nil:
		tail, consolidate = "count", "average"
	case q.Metric.Kind == metrics.KindCounter, q.Part == "count":
		tail = "rate"
	case q.Metric.Kind == metrics.KindTimer:
		tail, fold, consolidate = q.Part, "maxSeries", "max"
	case q.Worst:
		fold, consolidate = "maxSeries", "max"
	}
	folded := func(s series) string {
		if q.By == "" {
			return fmt.Sprintf("%s(%s)", fold, s.path)
		}
		at, there := s.nodes[q.By]
		if !there { // the whole, of which there are parts by something
			return fmt.Sprintf("%s(%s)", fold, s.path)
		}
		return fmt.Sprintf(`groupByNode(%s,%d,"%s")`, s.path, at, fold)
	}
	target := folded(seriesOf(q, q.Metric, tail, perService))
	if q.Of != nil {
		target = fmt.Sprintf("asPercent(%s,%s)", target, folded(seriesOf(q, q.Of, tail, perService)))
	}
	if q.Rate {
		target = fmt.Sprintf("scaleToSeconds(nonNegativeDerivative(%s),1)", target)
	}
	target = fmt.Sprintf(`consolidateBy(%s,"%s")`, target, consolidate)
	switch {
	case q.By == "":
		target = fmt.Sprintf(`alias(%s,"%s")`, target, q.Legend)
	case q.Of != nil: // its name is the expression
		target = fmt.Sprintf(`aliasSub(%s,"^.*asPercent\(([^,]*),.*$","\1")`, target)
	default:
		target = fmt.Sprintf(`aliasSub(%s,"^.*\(([^(),]+).*$","\1")`, target)
	}
	return target
}

// GraphiteURL is the path and query of a panel's picture.
func GraphiteURL(p Panel, perService bool) string {
	v := url.Values{}
	for _, q := range p.Queries {
		if q.inGraphite() {
			v.Add("target", GraphiteTarget(q, perService))
		}
	}
	for k, val := range graphParameters(p) {
		v.Set(k, fmt.Sprint(val))
	}
	v.Set("from", "-1hours")
	return "/render/?" + v.Encode()
}

// graphParameters are what Graphite is told of a graph besides its targets.
func graphParameters(p Panel) map[string]any {
	params := map[string]any{
		"title": p.Title, "vtitle": string(p.Unit), "width": 586, "height": 308,
		"lineMode": "connected", "connectedLimit": 1, "hideLegend": "false",
	}
	if p.Unit == Percent {
		params["yMax"] = 100
	} else {
		params["yMin"] = 0
	}
	if p.Stacked {
		params["areaMode"] = "stacked"
	}
	return params
}

// graphiteDashboard is a dashboard as Graphite-web saves it.
type graphiteDashboard struct {
	Name               string            `json:"name"`
	DefaultGraphParams map[string]any    `json:"defaultGraphParams"`
	RefreshConfig      map[string]any    `json:"refreshConfig"`
	TimeConfig         map[string]any    `json:"timeConfig"`
	GraphSize          map[string]int    `json:"graphSize"`
	Graphs             [][3]any          `json:"graphs"`
	Notes              map[string]string `json:"nanofrontHelp"`
}

func graphite(s Section) graphiteDashboard {
	d := graphiteDashboard{
		Name:               "nanofront-" + s.ID,
		DefaultGraphParams: map[string]any{"width": 586, "height": 308, "from": "-1hours"},
		RefreshConfig:      map[string]any{"enabled": true, "interval": 10000},
		TimeConfig:         map[string]any{"type": "relative", "relativeStartQuantity": "1", "relativeStartUnits": "hours", "relativeUntilUnits": "now"},
		GraphSize:          map[string]int{"width": 586, "height": 308},
		Notes:              make(map[string]string),
	}
	for _, p := range s.Panels {
		var targets []string
		for _, q := range p.Queries {
			if q.inGraphite() {
				targets = append(targets, GraphiteTarget(q, s.PerService))
			}
		}
		if len(targets) == 0 {
			continue
		}
		params := graphParameters(p)
		params["target"] = targets
		d.Graphs = append(d.Graphs, [3]any{strings.Join(quoted(targets), "&"), params, GraphiteURL(p, s.PerService)})
		d.Notes[p.Title] = p.Help
	}
	return d
}

func quoted(targets []string) []string {
	list := slices.Clone(targets)
	for i := range list {
		list[i] = "target=" + url.QueryEscape(list[i])
	}
	return list
}
