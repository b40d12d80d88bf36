package cli

import (
	"testing"
	"time"
)

func TestParseAge(t *testing.T) {
	for text, want := range map[string]time.Duration{"7d": 7 * day, "1.5d": 36 * time.Hour, "90m": 90 * time.Minute, "0s": 0} {
		if got, err := parseAge(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "d", "7", "7D", "1e9d", "NaNd", "x"} {
		if got, err := parseAge(bad); err == nil {
			t.Errorf("%q: got %v", bad, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{"5": 5, "5B": 5, "64KiB": 64 << 10, "1.5 MiB": 3 << 19, "2GB": 2e9, "0": 0} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "B", "-1", "1XB", "NaN", "1e30", "x"} {
		if got, err := parseSize(bad); err == nil {
			t.Errorf("%q: got %v", bad, got)
		}
	}
}
