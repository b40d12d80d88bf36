package drivers

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"nanofront/bench/load"
	"nanofront/bench/result"
)

// h2loadPaths is how many different requests it gets where they differ.
const h2loadPaths = 4096

func h2loadCan(l *Load) error {
	if l.Churn {
		return errors.New("it doesn't open a connection for each request")
	}
	return simple(l.Mix)
}

func h2loadCommand(l *Load) ([]string, error) {
	name := filepath.Join(l.Dir, "h2load.txt")
	list, err := urls(l, h2loadPaths)
	if err == nil {
		err = os.WriteFile(name, []byte(strings.Join(list, "\n")+"\n"), 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("drivers: %w", err)
	}
	args := []string{
		"--h1", "-t" + strconv.Itoa(l.threads()), "-c" + strconv.Itoa(l.Connections), "-D" + strconv.Itoa(l.seconds()), "-i", name,
	}
	return append(args, headerArgs(l.Mix)...), nil
}

func headerArgs(m *load.Mix) []string {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(m.Requests[0].Headers)) {
		args = append(args, "-H", name+": "+m.Requests[0].Headers[name])
	}
	return args
}

// urls are those of n requests of the mix.
func urls(l *Load, n int) ([]string, error) {
	targets, err := l.Mix.Targets(n)
	for i, t := range targets {
		targets[i] = l.URL + t
	}
	return targets, err
}

var (
	tallyRequests = regexp.MustCompile(`requests: (\d+) total, (\d+) started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored(?:, (\d+) timeout)?`)
	tallyStatus   = regexp.MustCompile(`status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx`)
	tallyTraffic  = regexp.MustCompile(`traffic: (?:\S+ \((\d+)\)|(\d+) bytes) total`)
	tallyTimes    = regexp.MustCompile(`time for request:\s+(\S+)\s+(\S+)\s+(\S+)`)
)

// tally reads what weighttp prints, and h2load like it.
func tally(out string, r *result.Run) error {
	requests, status := tallyRequests.FindStringSubmatch(out), tallyStatus.FindStringSubmatch(out)
	if requests == nil || status == nil {
		return errors.New("it told of no requests")
	}
	number := func(s string) uint64 {
		n, _ := strconv.ParseUint(s, 10, 64) // digits, or empty
		return n
	}
	done, errored, timeout := number(requests[3]), number(requests[6]), number(requests[7])
	good := number(status[1]) + number(status[2])
	bad := number(status[3]) + number(status[4])
	r.Completed = good + bad
	r.Sent = max(done, r.Completed+errored)
	r.Failed = counts(map[string]uint64{"status": bad, "timeout": timeout, "reset": errored - min(errored, timeout)})
	if t := tallyTraffic.FindStringSubmatch(out); t != nil {
		r.BytesIn = number(t[1]) + number(t[2])
	}
	if r.Duration > 0 {
		r.Rate = float64(good) / r.Duration.Seconds()
	}
	return nil
}

func h2loadParse(out string, l *Load, r *result.Run) error {
	// In a timed run it counts what is done within, and waits for the rest.
	r.Duration = time.Duration(l.seconds()) * time.Second
	if err := tally(out, r); err != nil {
		return err
	}
	t := tallyTimes.FindStringSubmatch(out)
	if t == nil {
		return nil
	}
	var ms [3]float64
	for i, text := range t[1:] {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("time for request: %w", err)
		}
		ms[i] = float64(d) / 1e6
	}
	r.Latency = result.FromDigest(result.Digest{Count: r.Completed, Min: ms[0], Max: ms[1], Mean: ms[2]})
	return nil
}
