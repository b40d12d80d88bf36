package metrics

import "strings"

// Prometheus is the metric's name as Prometheus' conventions want it, with the names of its labels,
// one for each placeholder: "upstream.<service>.requests" is nanofront_upstream_requests_total with
// the label service. It is empty for the metrics of the process, which Prometheus' own client
// reports under the names that all programs have, and for those at the admin port alone.
func (d *Desc) Prometheus() (name string, labels []string) {
	if strings.HasPrefix(d.Name, "process.") || d.local {
		return "", nil
	}
	parts := []string{"nanofront"}
	if len(d.Programs) == 1 && d.Programs[0] == Handler {
		parts = append(parts, Handler)
	}
	for part := range strings.SplitSeq(d.Name, ".") {
		if label, ok := strings.CutPrefix(part, "<"); ok {
			labels = append(labels, strings.TrimSuffix(label, ">"))
			continue
		}
		if rest, ok := strings.CutPrefix(part, "bytes_"); ok {
			part = rest + "_bytes" // the unit comes last
		}
		parts = append(parts, part)
	}
	name = strings.Join(parts, "_")
	switch {
	case d.Kind == KindTimer || d.Unit == "s" || d.Unit == "ms":
		name += "_seconds"
	case d.Unit == "bytes" && !strings.HasSuffix(name, "_bytes"):
		name += "_bytes"
	}
	if d.Kind == KindCounter {
		name += "_total"
	}
	return name, labels
}

// PrometheusScale is what a value is multiplied by there, where all durations are in seconds.
func (d *Desc) PrometheusScale() float64 {
	if d.Unit == "ms" {
		return 1e-3
	}
	return 1
}
