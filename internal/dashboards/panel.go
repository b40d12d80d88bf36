package dashboards

import (
	"slices"
	"strings"

	"nanofront/metrics"
)

// Section is a dashboard.
type Section struct {
	// ID is lower case, for names of files and uids.
	ID    string
	Title string
	// About says what it answers, for people who look for something.
	About string
	// PerService is whether all is of one service, which the reader chooses.
	PerService bool
	Panels     []Panel
}

// Panel is one graph.
type Panel struct {
	Title string
	// Unit is that of all its lines.
	Unit Unit
	// Help is what to look for, as a sentence or two.
	Help    string
	Stacked bool
	Queries []Query
}

// Unit is what a panel's axis counts.
type Unit string

// The units.
const (
	Count     Unit = "count"
	PerSecond Unit = "1/s"
	Percent   Unit = "%"
	Millis    Unit = "ms"
	Bytes     Unit = "bytes"
	BytesRate Unit = "bytes/s"
	Seconds   Unit = "s"
	Cores     Unit = "cores"
)

// Query is a line of a panel, or several. A counter is shown as its rate, a gauge as its value, a
// timer as one of its percentiles. Of several processes, counters and gauges are added up and of
// percentiles the worst is shown, for percentiles can't be added.
type Query struct {
	Metric *metrics.Desc
	// Part is "p50", "p99", "max" or another that StatsD has of a timer.
	Part string
	// Of makes it the share in percent of another counter, of which it is a part.
	Of *metrics.Desc
	// By is the placeholder, or Instance, that there is a line for each value of.
	By string
	// Fixed are values of placeholders.
	Fixed map[string]string
	// Worst shows of a gauge the largest, and doesn't add.
	Worst bool
	// Rate makes a gauge that only grows its rate.
	Rate bool
	// External is a series of the monitoring system itself, by its name in Graphite, in place of a
	// metric.
	External string
	// PromQL is a query of what Prometheus alone has, in place of a metric.
	PromQL string
	// Legend names the line; with By, its values do.
	Legend string
}

// Instance is for Query.By.
const Instance = "instance"

// parts are what StatsD has of a timer.
var parts = []string{"p50", "p90", "p99", "p999", "max", "count"}

// inGraphite says whether Graphite has the series.
func (q Query) inGraphite() bool {
	return q.External != "" || q.Metric != nil && !q.Metric.Local()
}

// Programs are those that report the query's metric, as a pattern with braces.
func (q Query) programs() string {
	if list := q.Metric.Programs; len(list) > 1 {
		return "{" + strings.Join(list, ",") + "}"
	}
	return q.Metric.Programs[0]
}

// Shown are the metrics that are on a dashboard.
func Shown() map[*metrics.Desc]bool {
	shown := make(map[*metrics.Desc]bool)
	for _, s := range Sections() {
		for _, p := range s.Panels {
			for _, q := range p.Queries {
				if q.Metric != nil {
					shown[q.Metric] = true
				}
				if q.Of != nil {
					shown[q.Of] = true
				}
			}
		}
	}
	return shown
}

// hasService says whether a metric is told apart by service.
func hasService(d *metrics.Desc) bool { return slices.Contains(d.Placeholders(), "service") }
