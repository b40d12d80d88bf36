package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestResults_RatiosAreTakenWithinARound(t *testing.T) {
	o, err := parse([]string{"-rounds", "3", "-callers", "256", "-body", "128", "-peers", "nanobus,grpc,nats"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	// The machine gets twice as slow each time: ratios of medians would be
	// off, those within a round are not.
	slow, n := 1.0, 0
	bench := func(_ context.Context, pattern string) (string, error) {
		defer func() {
			if n++; n%3 == 0 {
				slow *= 2
			}
		}()
		var (
			name string
			ns   float64
		)
		switch {
		case strings.Contains(pattern, "peer=nanobus$"):
			name, ns = "nanobus", 1000
		case strings.Contains(pattern, "peer=grpc$"):
			name, ns = "grpc", 3500
		default: // skipped
			return "goos: linux\nPASS\n", nil
		}
		return fmt.Sprintf("goos: linux\nBenchmarkRequestReply/peer=%s/callers=256/body=128-2   \t 1000\t %.1f ns/op\t 7000 p50-ns\t 9000 p99-ns\t 0 B/op\t 2 allocs/op\nPASS\n",
			name, ns*slow), nil
	}
	var raw, table bytes.Buffer
	all, err := rounds(t.Context(), o, bench, &raw, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := all.write(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"256 callers, 128 bytes",
		"| nanobus | 500000 | 250000–1000000 | 7 | 9 | 2 | 1.00 × (1.00–1.00) |",
		"| grpc | 142857 | 71429–285714 | 7 | 9 | 2 | 3.50 × (3.50–3.50) |",
		"nats: no result",
	} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, table.String())
		}
	}
	if got := strings.Count(raw.String(), "BenchmarkRequestReply/"); got != 6 {
		t.Errorf("%d results in the raw output, want 6", got)
	}
}

func TestResults_RefuseWhatCantBeRead(t *testing.T) {
	for _, line := range []string{
		"BenchmarkRequestReply/peer=nats/callers=1/body=128-2 1000 12.5",
		"BenchmarkRequestReply/peer=nats/callers=1/body=128-2 1000 x ns/op",
		"BenchmarkRequestReply/peer=nats/callers=1/body=128 1000 12 B/op",
	} {
		if err := newResults([]string{"nats"}).add(0, line); err == nil {
			t.Errorf("%q: no error", line)
		}
	}
	if err := newResults([]string{"nats"}).write(io.Discard); err == nil {
		t.Error("no results: no error")
	}
}

func TestParse_WrongFlagsNameThemselves(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-rounds 0", "-rounds 0"},
		{"-callers 1,x", "-callers 1,x"},
		{"-body 0", "-body 0"},
		{"-peers nats,nanobus", "-peers nats,nanobus"},
		{"more", `"more"`},
	} {
		if _, err := parse(strings.Fields(c.args), io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q in it", c.args, err, c.want)
		}
	}
}
