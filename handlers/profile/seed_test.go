package profile

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"
)

func TestSeed_Idempotent(t *testing.T) {
	s := open(t, PebbleOptions{})
	var reported []uint64
	report := func(done uint64) { reported = append(reported, done) }
	for _, n := range []uint64{0, 1, 1201, 1201, 5, 2000} {
		reported = nil
		before, err := s.Loaded()
		if err != nil {
			t.Fatal(err)
		}
		if err := Seed(t.Context(), s, n, report); err != nil {
			t.Fatal(err)
		}
		after, err := s.Loaded()
		if err != nil || after != max(before, n) {
			t.Errorf("%d after %d: loaded %d, %v", n, before, after, err)
		}
		if n <= before && len(reported) != 0 || n > before && reported[len(reported)-1] != n {
			t.Errorf("%d after %d: reported %v", n, before, reported)
		}
		if _, ok := get(t, s, after+1); ok {
			t.Errorf("%d after %d: there are more", n, before)
		}
	}
	if m, ok := get(t, s, 2000); !ok || m.Nickname != Generate(2000).Nickname {
		t.Errorf("the last one: %v %+v", ok, m)
	}
}

func TestSeed_NeverUndoesAChange(t *testing.T) {
	s := seeded(t, 10, PebbleOptions{})
	if _, err := s.Update(t.Context(), 4, Condition{Any: true}, rename("changed")); err != nil {
		t.Fatal(err)
	}
	if err := Seed(t.Context(), s, 1000, nil); err != nil {
		t.Fatal(err)
	}
	if m, _ := get(t, s, 4); m.Nickname != "changed" {
		t.Errorf("got %+v", m)
	}
}

func TestSeed_GoesOnAfterACut(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := open(t, PebbleOptions{Dir: "/data", fs: fs})
	ctx, cancel := context.WithCancel(t.Context())
	err := Seed(ctx, s, 5000, func(done uint64) {
		if done >= 2000 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	// Whatever is lost, it is the end, and whole batches of it.
	for _, kept := range []int{100, 0} {
		again := open(t, PebbleOptions{Dir: "/data", fs: fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: testRand()})})
		loaded, err := again.Loaded()
		if err != nil || loaded > 2000 || loaded%seedBatch != 0 {
			t.Errorf("%d %% kept: loaded %d, %v", kept, loaded, err)
		}
		if err := Seed(t.Context(), again, 5000, nil); err != nil {
			t.Fatal(err)
		}
		for id := uint64(1); id <= 5000; id += 499 {
			if m, ok := get(t, again, id); !ok || m.About != Generate(id).About {
				t.Errorf("%d %% kept: member %d: %v", kept, id, ok)
			}
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSeed_TooMany(t *testing.T) {
	if err := Seed(t.Context(), nil, MaxSeed+1, nil); err == nil || !strings.Contains(err.Error(), "--seed 100000001: want at most") {
		t.Errorf("got %v", err)
	}
}

// fakeClock is moved by hand.
type fakeClock struct{ t time.Time }

func (c *fakeClock) now() time.Time { return c.t }

func TestProgress_SaysNothingIfItIsOverSoon(t *testing.T) {
	var lines, terminal bytes.Buffer
	clock := &fakeClock{t: today}
	for _, out := range []*bytes.Buffer{nil, &terminal} {
		p := &progress{log: zerolog.New(&lines), now: clock.now, total: 1000, started: clock.t}
		if out != nil {
			p.out = out
		}
		p.report(500)
		clock.t = clock.t.Add(progressAfter - time.Millisecond)
		p.report(1000)
		p.end(nil)
	}
	if lines.Len() > 0 || terminal.Len() > 0 {
		t.Errorf("got %q and %q", lines.String(), terminal.String())
	}
}

func TestProgress_Lines(t *testing.T) {
	var lines bytes.Buffer
	clock := &fakeClock{t: today}
	p := &progress{log: zerolog.New(&lines), now: clock.now, total: 1000, first: 100, started: clock.t}
	for done := uint64(100); done <= 1000; done += 10 { // 90 reports in 9 s
		p.report(done)
		clock.t = clock.t.Add(100 * time.Millisecond)
	}
	p.end(nil)
	if n := strings.Count(lines.String(), "creating members"); n != 4 {
		t.Errorf("got %d lines, want one every 2 s:\n%s", n, lines.String())
	}
	if !strings.Contains(lines.String(), `"members":900`) {
		t.Errorf("the end is not told:\n%s", lines.String())
	}
}

func TestProgress_Bar(t *testing.T) {
	var terminal, lines bytes.Buffer
	clock := &fakeClock{t: today}
	p := &progress{out: &terminal, log: zerolog.New(&lines), now: clock.now, total: 1000, started: clock.t}
	clock.t = clock.t.Add(progressAfter)
	p.report(400)
	p.report(500)
	p.end(context.Canceled) // cut short: must return, and leave no goroutine
	if strings.Contains(lines.String(), "creating") {
		t.Errorf("lines beside the bar: %s", lines.String())
	}
}
