package overview

import (
	"testing"

	"nanofront/internal/fleet"
	"nanofront/registry"
)

// An instance that doesn't say its figures has those of its callers' links; one that does keeps its
// own.
func TestFigures_FromCallers(t *testing.T) {
	own := 5.0
	link := func(id string, rate, p50, p99 float64) fleet.Link {
		return fleet.Link{Service: "web", Instance: id, State: "live", InFlight: 2, Rate: rate, Failed: 1, P50: p50, P99: p99}
	}
	statuses := []Instance{
		{Instance: registry.Instance{Service: "web", ID: "silent"}},
		{Instance: registry.Instance{Service: "web", ID: "says"}, Rate: &own},
		{Instance: registry.Instance{Service: "web", ID: "unknown"}},
	}
	down := link("unknown", 1, 1, 1)
	down.State = "down"
	setFigures(statuses, []Terminator{
		{Links: []fleet.Link{link("silent", 3000, 1, 5), link("says", 1, 1, 1), down}},
		{Links: []fleet.Link{link("silent", 1000, 5, 9)}},
	})
	s := statuses[0]
	if !s.Callers || *s.Rate != 4000 || *s.Failed != 2 || *s.InFlight != 4 || *s.P50 != 2 || *s.P99 != 9 {
		t.Errorf("from the callers: %+v", s)
	}
	if statuses[1].Callers || *statuses[1].Rate != own || statuses[2].Callers || statuses[2].Rate != nil {
		t.Errorf("others: %+v", statuses[1:])
	}
}
