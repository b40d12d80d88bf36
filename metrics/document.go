package metrics

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

const documentHead = `# Metrics

<!-- Generated from metrics/catalogue.go by "go generate ./metrics". Do not edit. -->

Every program counts what it does, and reports it in three ways.

**StatsD** (` + "`--statsd`" + ` and the flags that begin so), under names
` + "`<prefix>.<program>.<instance|->.<noun>[.<detail>]`" + `. The prefix is ` + "`nanofront`" + `; the instance is ` + "`-`" + `
where a program has no name; characters other than letters, digits, ` + "`-` and `_`" + ` become ` + "`_`" + ` in the
instance and in details. Each ` + "`--statsd-interval`" + `, 2 s, a divisor of the server's flush, 10 s
(` + "`--statsd-flush`" + `):

| kind | what is sent |
| --- | --- |
| counter | what was added, ` + "`\\|c`" + `. A 0 is sent once in each flush at the least, so that what didn't happen is known; not for a service or route without requests |
| gauge | the value, ` + "`\\|g`" + `; a negative one after a 0, because a server reads a sign as a change |
| timer | in ms: ` + "`NAME.count`" + ` as a counter; ` + "`NAME.p50 .p90 .p99 .p999 .max`" + ` as gauges, of the last flush and two reports, so that each peak is in what the server has at a flush, whatever the two clocks do. Nothing is sent when there was nothing: that is a gap, not 0 ms. With ` + "`--statsd-sample`" + `, a share of the durations themselves, ` + "`NAME.sampled:…\\|ms\\|@RATE`" + `, at most 2,000 in a report; the rate says what share they are |

A flush has five reports; where one comes late it has four or six: a flush's counts are off by a
fifth at most, and the next one's make up for it.

` + "`--statsd-tags`" + ` names things by tags: program, instance, and each placeholder of a name below. Of
` + "`upstream.<service>.within.<goal>`" + `:

| dialect | line |
| --- | --- |
| ` + "`none`" + ` | ` + "`nanofront.terminator.front-1.upstream.web.within.25ms:7\\|c`" + ` |
| ` + "`dogstatsd`" + ` | ` + "`nanofront.upstream.within:7\\|c\\|#program:terminator,instance:front-1,service:web,goal:25ms`" + ` |
| ` + "`influxdb`" + ` | ` + "`nanofront.upstream.within,program=terminator,instance=front-1,service=web,goal=25ms:7\\|c`" + ` |

**` + "`/metrics.json`" + `** on the admin port: counters with their value since the start and their rate in
the last 10 s; gauges; timers with count, rate, mean, percentiles and maximum, since the start and
of the last 10 s. With ` + "`?buckets`" + ` timers also have their histogram since the start, as pairs of a
duration in ms and a count. For any other period, take the difference of two of them, if both have
the same ` + "`start_id`" + `: with another one the process has started anew, and all counts from 0. How
long lies between the two is the difference of their ` + "`uptime_ns`" + `; ` + "`now`" + ` is the wall clock.

**` + "`/metrics`" + `** on the admin port, for Prometheus: ` + "`http.requests`" + ` is
` + "`nanofront_http_requests_total`, `upstream.<service>.latency`" + ` is the histogram
` + "`nanofront_upstream_latency_seconds`" + ` with the label ` + "`service`" + `, and a handler's own, such as
` + "`queue`, are `nanofront_handler_queue_seconds`" + `. The process is told of as all programs do, in
` + "`process_*` and `go_*`" + `. Histograms are cut at 15 durations from 0.1 ms to 10 s and at every goal,
each at the next bound of the timer's own buckets, so that the counts are exact:
` + "`le=\"0.025165823\"`" + ` is what a timer can't tell from 25 ms. By protobuf they are native histograms
besides (2^(1/8) from bound to bound). All series whose labels are known exist from the start, at 0.

A timer is exact to 1 % from 100 ns to 10 min. Shorter durations count as 100 ns, longer ones as 10
min. A metric has at most 1,000 series, or 8,000 if it tells goals apart, and a process 20,000;
further ones share one named ` + "`other`" + ` and are counted in ` + "`metrics.overflow`" + `. Details are services and
routes of the routes document, and values from fixed lists.

**Goals** are stated in the [routes document](operations.md#goals). A goal's name is its time: 25ms,
1500ms, 2s.
`

// WriteDocument writes docs/metrics.md: the catalogue, grouped by program.
func WriteDocument(w io.Writer) error {
	var b strings.Builder
	b.WriteString(documentHead)
	list := Catalogue()
	for len(list) > 0 {
		programs := list[0].Programs
		fmt.Fprintf(&b, "\n## %s\n\n| name | kind | unit | meaning |\n| --- | --- | --- | --- |\n", title(programs))
		var rest []*Desc
		for _, d := range list {
			if !slices.Equal(d.Programs, programs) {
				rest = append(rest, d)
				continue
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.Name, d.Kind, d.Unit, d.Help)
		}
		list = rest
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func title(programs []string) string {
	if slices.Equal(programs, all) {
		return "Every program"
	}
	if slices.Equal(programs, together) {
		return "All processes together"
	}
	s := strings.Join(programs, " and ")
	return strings.ToUpper(s[:1]) + s[1:]
}
