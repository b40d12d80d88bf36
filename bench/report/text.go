package report

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"nanofront/internal/terminal"
)

// grouped writes a whole number with commas between thousands.
func grouped(v float64) string { return terminal.Grouped(int64(math.Round(v))) }

// rate is requests per second, "71,200", of which no more than three digits are known.
func rate(v float64) string {
	if v > 0 && v < 10 {
		return fmt.Sprintf("%.1f", v)
	}
	return grouped(rounded3(v))
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

// latency is milliseconds with a unit: "224 µs", "6.12 ms", "1.20 s".
func latency(v float64) string {
	if !(v > 0) {
		return terminal.Nothing
	}
	return terminal.Duration(time.Duration(v * float64(time.Millisecond)))
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

// percent is a share of 0 to 1, with as many digits as it needs to be told from nothing and from
// all.
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
	case p > 99.99 && p < 100:
		return "> 99.99 %"
	case p >= 99.5 && p < 100:
		return fmt.Sprintf("%.2f %%", math.Floor(p*100)/100)
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
