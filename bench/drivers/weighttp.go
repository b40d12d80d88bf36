package drivers

import (
	"errors"
	"regexp"
	"strconv"
	"time"

	"nanofront/bench/result"
)

const (
	// weighttpRate is what is expected where nothing is known yet.
	weighttpRate = 10_000
	// weighttpLeast is the least number of requests for each connection.
	weighttpLeast = 10
)

func weighttpCan(l *Load) error {
	if err := simple(l.Mix); err != nil {
		return err
	}
	if len(l.Mix.Requests) > 1 || fields.MatchString(l.Mix.Requests[0].Path) {
		return errors.New("it sends one request only, always the same")
	}
	return nil
}

func weighttpCommand(l *Load) ([]string, error) {
	rate := l.Rate
	if rate == 0 {
		rate = weighttpRate
	}
	n := max(l.Connections*weighttpLeast, int(rate*l.Duration.Seconds()))
	args := []string{"-n", strconv.Itoa(n), "-c", strconv.Itoa(l.Connections), "-t", strconv.Itoa(l.threads())}
	if !l.Churn {
		args = append(args, "-k")
	}
	args = append(args, headerArgs(l.Mix)...)
	return append(args, l.URL+l.Mix.Requests[0].Path), nil
}

var weighttpTime = regexp.MustCompile(`finished in (\d+) sec, (\d+) millisec and (\d+) microsec`)

func weighttpParse(out string, _ *Load, r *result.Run) error {
	t := weighttpTime.FindStringSubmatch(out)
	if t == nil {
		return errors.New("it didn't tell how long it took")
	}
	r.Duration = 0
	for i, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		n, err := strconv.ParseInt(t[i+1], 10, 32)
		if err != nil {
			return err
		}
		r.Duration += time.Duration(n) * unit
	}
	return tally(out, r)
}
