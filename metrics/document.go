package metrics

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

const documentHead = `# Metrics

<!-- Generated from metrics/catalogue.go by "go generate ./metrics". Do not edit. -->

Every program counts what it does, and reports it in two ways.

**StatsD** (` + "`--statsd`, `--statsd-interval`, `--statsd-sample`" + `), under names
` + "`nanofront.<program>.<instance|->.<noun>[.<detail>]`" + `. The instance is ` + "`-`" + ` where a program has no
name; characters other than letters, digits, ` + "`-` and `_`" + ` become ` + "`_`" + ` in the instance and in details.
In each interval:

| kind | what is sent |
| --- | --- |
| counter | what was added, ` + "`\\|c`" + `; nothing if that is 0 |
| gauge | the value, ` + "`\\|g`" + `; a negative one after a 0, because a server reads a sign as a change |
| timer | of the durations in the interval, in ms: ` + "`NAME.count`" + ` as a counter, ` + "`NAME.p50 .p90 .p99 .p999 .max`" + ` as gauges (0 once, when an interval has none), and a sample of the durations themselves, ` + "`NAME:…\\|ms\\|@RATE`" + `. At most 2,000 samples are sent in an interval; the rate says what share they are |

**` + "`/metrics.json`" + `** on the admin port: counters with their value since the start and their rate in
the last 10 s; gauges; timers with count, rate, mean, percentiles and maximum, since the start and
of the last 10 s. With ` + "`?buckets`" + ` timers also have their histogram since the start, as pairs of a
duration in ms and a count. For any other period, take the difference of two of them, if both have
the same ` + "`start_id`" + `: with another one the process has started anew, and all counts from 0. How
long lies between the two is the difference of their ` + "`uptime_ns`" + `; ` + "`now`" + ` is the wall clock.

A timer is exact to 1 % from 100 ns to 10 min. Shorter durations count as 100 ns, longer ones as 10
min. A metric has at most 1,000 series, or 8,000 if it tells goals apart; further ones share one
named ` + "`other`" + ` and are counted in ` + "`metrics.overflow`" + `.

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
	s := strings.Join(programs, " and ")
	return strings.ToUpper(s[:1]) + s[1:]
}
