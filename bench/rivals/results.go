package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	stats "nanofront/bench/result"
)

// baseline is the peer that the others are held against.
const baseline = "nanobus"

// scenario is what all peers do in turn.
type scenario struct{ callers, body int }

// result is one line of a benchmark's output: values by unit, as "ns/op".
type result map[string]float64

// results are the rounds of all peers in all scenarios.
type results struct {
	peers []string
	runs  map[scenario]map[string]map[int]result // by peer and round
}

func newResults(peers []string) *results {
	return &results{peers: peers, runs: map[scenario]map[string]map[int]result{}}
}

// The number of cores that Go puts behind the name is absent on one core.
var linePattern = regexp.MustCompile(`^BenchmarkRequestReply/peer=([a-z-]+)/callers=(\d+)/body=(\d+)(?:-\d+)?\s+\d+\s+(.*)$`)

// add takes in what a benchmark printed. Output without a result is that of a
// peer that was skipped, or doesn't take part in the scenario.
func (r *results) add(round int, out string) error {
	for line := range strings.Lines(out) {
		m := linePattern.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		callers, _ := strconv.Atoi(m[2]) // digits
		body, _ := strconv.Atoi(m[3])    // digits
		values, err := parseValues(m[4])
		if err != nil {
			return fmt.Errorf("%q: %w", strings.TrimSpace(line), err)
		}
		byPeer := r.runs[scenario{callers, body}]
		if byPeer == nil {
			byPeer = map[string]map[int]result{}
			r.runs[scenario{callers, body}] = byPeer
		}
		if byPeer[m[1]] == nil {
			byPeer[m[1]] = map[int]result{}
		}
		byPeer[m[1]][round] = values
	}
	return nil
}

func parseValues(s string) (result, error) {
	fields := strings.Fields(s)
	if len(fields)%2 != 0 {
		return nil, errors.New("a value without a unit")
	}
	values := result{}
	for i := 0; i < len(fields); i += 2 {
		v, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return nil, err
		}
		values[fields[i+1]] = v
	}
	if values["ns/op"] <= 0 {
		return nil, errors.New("no ns/op")
	}
	return values, nil
}

// write prints a table in Markdown for each scenario.
func (r *results) write(w io.Writer) error {
	if len(r.runs) == 0 {
		return errors.New("no results: are the peers' names right?")
	}
	scenarios := slices.SortedFunc(maps.Keys(r.runs), func(a, b scenario) int {
		return cmp.Or(cmp.Compare(a.callers, b.callers), cmp.Compare(a.body, b.body))
	})
	seen := make(map[string]bool)
	var b strings.Builder
	for _, s := range scenarios {
		fmt.Fprintf(&b, "\n%d callers, %d bytes\n\n", s.callers, s.body)
		b.WriteString("| peer | req/s | spread | p50 µs | p99 µs | allocs/op | nanobus' rate is |\n")
		b.WriteString("| --- | --- | --- | --- | --- | --- | --- |\n")
		for _, p := range r.peers {
			if runs := r.runs[s][p]; len(runs) > 0 {
				seen[p] = true
				b.WriteString(r.row(s, p, runs))
			}
		}
	}
	for _, p := range slices.DeleteFunc(slices.Sorted(slices.Values(r.peers)), func(p string) bool { return seen[p] }) {
		fmt.Fprintf(&b, "\n%s: no result; go test ./bench/rivals -run '^$' -v -bench peer=%s says why\n", p, p)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// row is a peer's line: medians over the rounds, the least and greatest rate,
// and the median of the rounds' ratios.
func (r *results) row(s scenario, peer string, runs map[int]result) string {
	column := func(unit string) []float64 {
		var vs []float64
		for _, v := range runs {
			vs = append(vs, v[unit])
		}
		return vs
	}
	ns := column("ns/op")
	var ratios []float64
	for round, v := range runs {
		if base := r.runs[s][baseline][round]; base != nil {
			ratios = append(ratios, v["ns/op"]/base["ns/op"])
		}
	}
	ratio := "unknown"
	if len(ratios) > 0 {
		ratio = fmt.Sprintf("%.2f × (%.2f–%.2f)", stats.Median(ratios), slices.Min(ratios), slices.Max(ratios))
	}
	return fmt.Sprintf("| %s | %.0f | %.0f–%.0f | %.0f | %.0f | %.0f | %s |\n", peer,
		1e9/stats.Median(ns), 1e9/slices.Max(ns), 1e9/slices.Min(ns),
		stats.Median(column("p50-ns"))/1000, stats.Median(column("p99-ns"))/1000, stats.Median(column("allocs/op")), ratio)
}
