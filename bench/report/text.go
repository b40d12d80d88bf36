package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// grouped writes a whole number with commas between thousands.
func grouped(v float64) string {
	s := strconv.FormatFloat(math.Abs(v), 'f', 0, 64)
	var b strings.Builder
	if v < 0 && s != "0" {
		b.WriteByte('-')
	}
	for i, c := range []byte(s) {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(c)
	}
	return b.String()
}

// rounded rounds to three significant digits, as no rate is known better.
func rounded(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return v
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-2)
	if unit < 1 {
		return v
	}
	return math.Round(v/unit) * unit
}

// rate is requests per second, "71,200".
func rate(v float64) string {
	if v > 0 && v < 10 {
		return fmt.Sprintf("%.1f", v)
	}
	return grouped(rounded(v))
}

// shortRate is for axes and tight places: "71 k", "1.2 M".
func shortRate(v float64) string {
	switch {
	case v >= 999_500:
		return trimZero(v/1e6) + " M"
	case v >= 1000:
		return trimZero(v/1e3) + " k"
	}
	return trimZero(v)
}

// trimZero writes up to three significant digits, without zeros at the end.
func trimZero(v float64) string {
	return strconv.FormatFloat(rounded3(v), 'f', -1, 64)
}

func rounded3(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return v
	}
	f, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	if err != nil {
		return v
	}
	return f
}

// millis is a latency in milliseconds without its unit, for columns.
func millis(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return grouped(v)
}

// latency is the same with its unit, for sentences: "224 µs", "6.1 ms", "1.2 s".
func latency(v float64) string {
	switch {
	case v <= 0:
		return "0"
	case v < 0.9995:
		return trimZero(v*1e3) + " µs"
	case v < 9.95:
		return fmt.Sprintf("%.1f ms", v)
	case v < 999.5:
		return fmt.Sprintf("%.0f ms", v)
	}
	return trimZero(v/1e3) + " s"
}

// latencyTick is the same for an axis, of round values: "5 ms".
func latencyTick(v float64) string {
	switch {
	case v < 0.9995:
		return trimZero(v*1e3) + " µs"
	case v < 999.5:
		return trimZero(v) + " ms"
	}
	return trimZero(v/1e3) + " s"
}

// count is a number of requests: exact where that is short.
func count(n uint64) string {
	if n < 100_000 {
		return grouped(float64(n))
	}
	return shortRate(float64(n))
}

// percent is a share of 0 to 1, with as many digits as it needs to be told from nothing and from all.
func percent(share float64) string {
	p := share * 100
	switch {
	case p == 0:
		return "0 %"
	case p < 0.01:
		return "< 0.01 %"
	case p < 1:
		return fmt.Sprintf("%.2f %%", p)
	case p < 10:
		return fmt.Sprintf("%.1f %%", p)
	case p > 99.5 && p < 100:
		return fmt.Sprintf("%.2f %%", p)
	}
	return fmt.Sprintf("%.0f %%", p)
}

// mebibytes is memory, "57 MiB".
func mebibytes(bytes int64) string {
	return grouped(float64(bytes)/(1<<20)) + " MiB"
}

// span is a duration for people.
func span(d time.Duration) string {
	if d >= time.Minute {
		return d.Round(time.Second).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// plural is "1 round", "3 rounds".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
