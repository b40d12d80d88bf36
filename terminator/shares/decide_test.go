package shares

import (
	"net/netip"
	"testing"

	"nanofront/metrics"
	"nanofront/registry"
)

// keys has the same key for whatever it is asked for.
type keys uint64

func (k *keys) Key(registry.Hash) uint64 { return uint64(*k) }

func planOf(t testing.TB, doc string) *Decider {
	t.Helper()
	routes, err := registry.ParseRoutes([]byte("version: 2\n" + doc + "\nroutes: [{name: all, match: {prefix: /}, service: web}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	return NewPlan(routes, nil, metrics.New(metrics.Terminator, "t")).Decider(&routes.Routes[0])
}

const ofTwo = `
services: {web: {versions: {"41": 95, "42": 5}}, profile: {versions: {"7": 1, "8": 1}, sticky: client}}
experiments: {e: {route: all, by: client, variants: {a: 1, b: 1}, services: {b: {profile: "9"}}}}`

// Once its memory has grown, a decision costs no allocation.
func TestDecide_NoAllocation(t *testing.T) {
	d, x, to := planOf(t, ofTwo), keys(0), Decided{}
	if n := testing.AllocsPerRun(1000, func() {
		x++
		d.Decide(&x, 7, netip.Addr{}, nil, &to)
		to.Over(Answered, 1, 0, true)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	d, x, to := planOf(b, ofTwo), keys(0), Decided{}
	for b.Loop() {
		x++
		d.Decide(&x, 7, netip.Addr{}, nil, &to)
		to.Over(Answered, 1, 0, true)
	}
}
