package dashboards

import (
	"fmt"
	"slices"
	"strings"

	"nanofront/metrics"
)

// ofProcess are the metrics of the process itself under the names that all programs have in
// Prometheus.
var ofProcess = map[*metrics.Desc]string{
	metrics.ProcessCPUSeconds: "rate(process_cpu_seconds_total%s[$__rate_interval])",
	metrics.ProcessHeapBytes:  "go_memstats_heap_alloc_bytes%s",
	metrics.ProcessGoroutines: "go_goroutines%s",
	metrics.ProcessGCPause:    "go_gc_duration_seconds%s",
}

// quantiles are the parts of a timer as Prometheus computes them, each to between two cuts of the
// histogram.
var quantiles = map[string]string{"p50": "0.5", "p90": "0.9", "p99": "0.99", "p999": "0.999", "max": "1"}

// promQL is the query for Prometheus; empty if it has no such series.
func promQL(s Section, p Panel, q Query) string {
	if q.PromQL != "" {
		return q.PromQL
	}
	if q.Metric == nil {
		return "" // a series of Graphite's
	}
	labels := labelsOf(s, q, q.Metric)
	scope := selector(s, q, q.Metric)
	if expr := ofProcess[q.Metric]; expr != "" {
		if q.Metric == metrics.ProcessGCPause {
			scope = strings.TrimSuffix(scope, "}") + `, quantile=~"1|1.0"}` // 1.0 in OpenMetrics
		}
		return fmt.Sprintf(expr, scope)
	}
	name, _ := q.Metric.Prometheus()
	if name == "" {
		return ""
	}
	rate := func(metric string) string {
		return fmt.Sprintf("sum%s (rate(%s%s[$__rate_interval]))", grouping(labels), metric, scope)
	}
	switch {
	case q.Metric.Kind == metrics.KindTimer && q.Part == "count":
		return rate(name + "_count")
	case q.Metric.Kind == metrics.KindTimer && p.Stacked:
		return rate(name+"_sum") + " / " + rate(name+"_count") // what is stacked must add up
	case q.Metric.Kind == metrics.KindTimer:
		return fmt.Sprintf("histogram_quantile(%s, sum%s (rate(%s_bucket%s[$__rate_interval])))",
			quantiles[q.Part], grouping(append([]string{"le"}, labels...)), name, scope)
	case q.Of != nil:
		return share100(s, q, rate(name), labels)
	case q.Metric.Kind == metrics.KindCounter:
		return rate(name)
	case q.Worst:
		return fmt.Sprintf("max%s (%s%s)", grouping(labels), name, scope)
	}
	return fmt.Sprintf("sum%s (%s%s)", grouping(labels), name, scope)
}

// share100 is a part in percent of a whole, which has not all labels that the part has.
func share100(s Section, q Query, part string, labels []string) string {
	of, _ := q.Of.Prometheus()
	var common []string
	for _, l := range labels {
		if l == Instance || slices.Contains(q.Of.Placeholders(), l) {
			common = append(common, l)
		}
	}
	match := ""
	if len(common) < len(labels) {
		match = fmt.Sprintf("on (%s) group_left () ", strings.Join(common, ", "))
	}
	return fmt.Sprintf("100 * %s / %s(sum%s (rate(%s%s[$__rate_interval])) > 0)", part, match, grouping(common), of, selector(s, q, q.Of))
}

// labelsOf are those that lines are told apart by. Where a reader compares releases, an instance is
// shown with its version.
func labelsOf(s Section, q Query, d *metrics.Desc) []string {
	switch {
	case q.By == "":
		return nil
	case q.By == Instance && s.ID == releaseID && len(d.Programs) == 1 && d.Programs[0] == metrics.Handler:
		return []string{"version", Instance}
	case q.Of != nil && !s.PerService && q.By != "service" && slices.Contains(d.Placeholders(), "service"):
		return []string{"service", q.By} // 25ms of one service is not 25ms of another
	}
	return []string{q.By}
}

func grouping(labels []string) string {
	if len(labels) == 0 {
		return ""
	}
	return " by (" + strings.Join(labels, ", ") + ")"
}

// selector narrows a metric to what the dashboard's variables and the query say.
func selector(s Section, q Query, d *metrics.Desc) string {
	parts := []string{`system=~"$system"`}
	if s.PerService && hasService(d) {
		parts = append(parts, `service=~"$service"`)
	}
	if s.ID == releaseID && len(d.Programs) == 1 && d.Programs[0] == metrics.Handler {
		parts = append(parts, `role=~"$role"`, `version=~"$version"`)
	}
	for _, name := range d.Placeholders() {
		if v, ok := q.Fixed[name]; ok {
			parts = append(parts, fmt.Sprintf("%s=%q", name, v))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// promLegend is what Prometheus' lines are called.
func promLegend(s Section, p Panel, q Query) string {
	if q.By == "" {
		return q.Legend
	}
	labels := []string{q.By}
	if q.Metric != nil {
		labels = labelsOf(s, q, q.Metric)
	}
	for i, l := range labels {
		labels[i] = "{{" + l + "}}"
	}
	legend := strings.Join(labels, " ")
	if len(p.Queries) == 1 || q.Metric == nil {
		return legend
	}
	words := strings.FieldsFunc(q.Metric.Name, func(r rune) bool { return r == '.' })
	words = slices.DeleteFunc(words, func(w string) bool { return w[0] == '<' })
	return words[len(words)-1] + " " + legend
}
