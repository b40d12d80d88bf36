package diagnose

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"nanofront/internal/dash/view"
)

// grouped is a whole number with commas; small ones keep a decimal.
func grouped(v float64) string {
	if v > 0 && v < 10 {
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	}
	s := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// percent is a share. Nothing and all are said of what is exactly that.
func percent(share float64) string {
	v := share * 100
	switch {
	case v >= 100:
		return "100 %"
	case v > 99.99:
		return "over 99.99 %"
	case v >= 99.5:
		return strings.TrimSuffix(strconv.FormatFloat(math.Floor(v*100)/100, 'f', -1, 64), ".0") + " %"
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 0, 64) + " %"
	case v >= 0.1:
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + " %"
	case v > 0 && v < 0.01:
		return "under 0.01 %"
	}
	return strconv.FormatFloat(v, 'f', 2, 64) + " %"
}

// millis is a time in ms.
func millis(n view.Num) string {
	v := float64(n)
	switch {
	case !n.Known():
		return "unknown"
	case v >= 1000:
		return strconv.FormatFloat(v/1000, 'f', 1, 64) + " s"
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 0, 64) + " ms"
	case v >= 1:
		return strconv.FormatFloat(v, 'f', 1, 64) + " ms"
	}
	if v > 0 && v < 0.1 {
		return strconv.FormatFloat(max(v*1000, 1), 'f', 0, 64) + " µs"
	}
	return strconv.FormatFloat(v, 'f', 2, 64) + " ms"
}

// times is a factor.
func times(v float64) string {
	if v < 10 {
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + " ×"
	}
	return grouped(v) + " ×"
}

// span is how long something has lasted, roughly.
func span(d time.Duration) string {
	switch {
	case d < 90*time.Second:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 90*time.Minute:
		return fmt.Sprintf("%d min", int(d.Minutes()+0.5))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()+0.5))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24+0.5))
}

// list is names in a sentence, a few of them.
func list(names []string) string {
	switch n := len(names); n {
	case 0:
		return ""
	case 1:
		return names[0]
	case 2:
		return names[0] + " and " + names[1]
	case 3:
		return names[0] + ", " + names[1] + " and " + names[2]
	default:
		return fmt.Sprintf("%s, %s and %d others", names[0], names[1], n-2)
	}
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + more
}
