package terminal

import (
	"strings"
	"testing"
	"time"
)

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -123: "-123", -1234: "-1,234"} {
		if got := Grouped(n); got != want {
			t.Errorf("Grouped(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int]string{1: "1 B", 1000: "1,000 B", 262144: "256 KiB", 1 << 20: "1 MiB", 1<<20 + 1: "1,048,577 B", 1 << 40: "1 TiB"} {
		if got := Size(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 µs", 412 * time.Microsecond: "412 µs", 1239 * time.Microsecond: "1.24 ms", 12_340 * time.Microsecond: "12.3 ms", 3 * time.Second: "3.00 s",
		123_400 * time.Microsecond: "123 ms", 999_600 * time.Nanosecond: "1.00 ms", 9_996 * time.Microsecond: "10.0 ms", 999_600 * time.Microsecond: "1.00 s", 60 * time.Second: "60.0 s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestPad(t *testing.T) {
	if l, r, long := Pad("é", 3), Pad("é", -3), Pad("long", 3); l != "é  " || r != "  é" || long != "long" {
		t.Errorf("got %q, %q, %q", l, r, long)
	}
	if whole, cut := Clip("größe", 5), Clip("größe", 4); whole != "größe" || cut != "grö…" {
		t.Errorf("got %q, %q", whole, cut)
	}
}

func TestWrap(t *testing.T) {
	got := strings.Join(Wrap("  one two  three averylongword é x ", 9), "|")
	if want := "one two|three|averylongword|é x"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Wrap(" ", 9); len(got) != 0 {
		t.Errorf("of nothing: %q", got)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{"größe": "größe", "a\x1b[2Jb\n": `a\x1b[2Jb\n`, "\u202e": `\u202e`, "\xff": `\xff`} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 routes", 1: "1 route", 2: "2 routes", 10_000: "10,000 routes"} {
		if got := Count(n, "route"); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

func TestGrouped_Rounds(t *testing.T) {
	for n, want := range map[float64]string{-1234.4: "-1,234", 123: "123", -0.2: "0", 1999.5: "2,000"} {
		if got := Grouped(n); got != want {
			t.Errorf("Grouped(%v) = %q, want %q", n, got, want)
		}
	}
}
