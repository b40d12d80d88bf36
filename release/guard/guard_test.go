package guard

import (
	"encoding/json"
	"strings"
	"testing"

	"nanofront/metrics"
)

// second makes one of so many requests to each version, of which so many fail, all taking ms.
func second(at int64, old, oldFailed, fresh, freshFailed uint64) Second {
	block := func(n, failed uint64) []Block {
		b := Block{Assigned: n, Ended: n, Failed: failed}
		if n > failed {
			b.Latency = metrics.Cells{}.Add(metrics.Bucket{5, float64(n - failed)})
		}
		return []Block{b}
	}
	return Second{At: at, Routes: []Route{{Name: "a", Old: block(old, oldFailed), New: block(fresh, freshFailed)}}}
}

func parse(t *testing.T, text string) Spec {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Whatever isn't known is no go: nothing observed, nothing at the new version, an old version that was
// never seen.
func TestGuard_BlindNeverGoes(t *testing.T) {
	for name, what := range map[string]func(at int64) Second{
		"nothing":            func(at int64) Second { return Second{At: at} },
		"no new requests":    func(at int64) Second { return second(at, 1000, 1, 0, 0) },
		"never any old":      func(at int64) Second { return second(at, 0, 0, 1000, 0) },
		"a route, but empty": func(at int64) Second { return second(at, 0, 0, 0, 0) },
	} {
		g := New(Default(), Options{})
		g.Step(0.05)
		for at := int64(1); at < 2000; at++ {
			g.Observe(what(at))
			if d := g.Decide(); d.Verdict != Wait {
				t.Errorf("%s: %s after %d s: %s", name, d.Verdict, at, d.Why)
				break
			}
		}
	}
}

// A version whose every request fails is seen in two seconds, and needs no evidence beyond.
func TestGuard_DeadGoesBackAtOnce(t *testing.T) {
	g := New(Default(), Options{})
	g.Step(0.05)
	g.Observe(second(1, 950, 1, 50, 0))
	g.Observe(second(2, 950, 1, 50, 50))
	if d := g.Decide(); d.Verdict != Wait {
		t.Errorf("after one second: %s: %s", d.Verdict, d.Why)
	}
	g.Observe(second(3, 950, 1, 50, 50))
	d := g.Decide()
	if d.Verdict != Back || !strings.Contains(d.Why, "100 of 100 requests") {
		t.Errorf("after two seconds: %s: %s", d.Verdict, d.Why)
	}
}

// If the old version fails as well, it isn't the new one's fault.
func TestGuard_BothDownIsNoBreach(t *testing.T) {
	g := New(Default(), Options{})
	g.Step(0.5)
	for at := int64(1); at < 30; at++ {
		g.Observe(second(at, 500, 500, 500, 500))
	}
	if d := g.Decide(); d.Verdict == Back {
		t.Errorf("%s: %s", d.Verdict, d.Why)
	}
}

// A rare route that is wholly broken is found, though it is 1 % of all requests.
func TestGuard_FindsRareRoute(t *testing.T) {
	g := New(Default(), Options{})
	g.Step(0.25)
	for at := int64(1); at < 900; at++ {
		s := second(at, 750, 1, 250, 0)
		rare := second(at, 6, 0, 2, 2)
		rare.Routes[0].Name = "rare"
		s.Routes = append(s.Routes, rare.Routes[0])
		g.Observe(s)
		if d := g.Decide(); d.Verdict == Back {
			if !strings.Contains(d.Why, "on route rare") {
				t.Errorf("after %d s: %s", at, d.Why)
			}
			return
		}
	}
	t.Error("a route on which all fails isn't found in 15 minutes")
}

// The share of the requests is held against what is intended: of the new version's 2 % are lost.
func TestGuard_SeesWrongShare(t *testing.T) {
	for _, lost := range []bool{false, true} {
		g := New(Default(), Options{})
		g.Step(0.05)
		var d Decision
		for at := int64(1); at <= 120; at++ {
			fresh := uint64(1000)
			if lost {
				fresh = 980
			}
			g.Observe(second(at, 19000, 19, fresh, 1))
			d = g.Decide()
		}
		if lost != (d.Verdict == Wait && strings.Contains(d.Why, "no fair comparison")) {
			t.Errorf("lost %v: %s: %s", lost, d.Verdict, d.Why)
		}
	}
}

// A new leader decides as the old one would have, from the JSON alone.
func TestGuard_StateIsAll(t *testing.T) {
	a := New(parse(t, "errors +0.2..+0.5pt"), Options{})
	a.Step(0.1)
	for at := int64(1); at <= 100; at++ {
		raw, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) > 4096 {
			t.Fatalf("the state of one route is %d bytes long", len(raw))
		}
		b := new(Guard)
		if err := json.Unmarshal(raw, b); err != nil {
			t.Fatal(err)
		}
		b.poolBegan = a.poolBegan // a block is over each second here
		b.s.Routes = append(b.s.Routes[:0:0], b.s.Routes...)
		for i := range b.s.Routes {
			b.s.Routes[i].began = a.s.Routes[i].began
		}
		s := second(at, 900, 1, 100, uint64(at%7/6))
		a.Observe(s)
		b.Observe(s)
		da, db := a.Decide(), b.Decide()
		if da.Verdict != db.Verdict || da.Figures[0] != db.Figures[0] {
			t.Fatalf("after %d s %+v, from its state %+v", at, da, db)
		}
	}
	for _, raw := range []string{`{}`, `{"guard":"errors +0..+1pt"}`, `{"guard":"errors +0..+1pt","all":{"errors":{}},"routes":[null]}`, `[]`} {
		if err := json.Unmarshal([]byte(raw), new(Guard)); err == nil {
			t.Errorf("%s is taken for a state", raw)
		}
	}
}
