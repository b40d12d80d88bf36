package overview

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nanofront/internal/fleet"
	"nanofront/registry"
)

func TestState_OfLinksAndTheProcess(t *testing.T) {
	refused := errors.New("connection refused")
	link := func(service, instance, state string) fleet.Link {
		return fleet.Link{Service: service, Instance: instance, State: state}
	}
	for _, tc := range []struct {
		links []fleet.Link
		asked error
		want  State
	}{
		{nil, nil, Registered},
		{nil, refused, Gone},
		{nil, context.DeadlineExceeded, Silent},
		{[]fleet.Link{link("web", "a", "live")}, nil, Serving},
		{[]fleet.Link{link("web", "a", "live")}, refused, Serving}, // its admin port is elsewhere
		{[]fleet.Link{link("web", "a", "live"), link("web", "a", "draining")}, nil, Draining},
		{[]fleet.Link{link("web", "a", "live"), {Service: "web", Instance: "a", State: "live", Share: 100, Stalled: true}}, nil, Stalled},
		{[]fleet.Link{{Service: "web", Instance: "a", State: "live", Share: 100}}, nil, Serving},
		{[]fleet.Link{{Service: "web", Instance: "a", State: "live", Share: 1}}, nil, Ejected},
		{[]fleet.Link{{Service: "web", Instance: "a", State: "live", Share: 25}}, nil, Returning},
		{[]fleet.Link{link("web", "a", "greeting")}, nil, Registered},
		{[]fleet.Link{link("web", "a", "down")}, refused, Gone},
		{[]fleet.Link{link("web", "b", "live"), link("echo", "a", "live")}, refused, Gone},
	} {
		s := Instance{Instance: registry.Instance{Service: "web", ID: "a"}, asked: tc.asked}
		if got := stateOf(&s, tc.links); got != tc.want {
			t.Errorf("links %v, process %v: %s, want %s", tc.links, tc.asked, got, tc.want)
		}
	}
}

// Services that are overloaded, and instances that are silent or do worse than others, are
// problems.
func TestView_Overload(t *testing.T) {
	front := func(load int, shed float64) Terminator {
		return Terminator{Ready: true, services: map[string]figures{"web": {load: load, shed: shed, limit: 40}}}
	}
	v := View{
		Terminators: []Terminator{front(1, 20), front(3, 1200)},
		Instances: []Instance{
			{Instance: registry.Instance{Service: "web", ID: "a"}, State: Stalled},
			{Instance: registry.Instance{Service: "web", ID: "b"}, State: Ejected},
			{Instance: registry.Instance{Service: "web", ID: "c"}, State: Returning},
		},
	}
	v.setServices(map[string]bool{"web": true})
	v.judge()
	var got []string
	for i := range v.Problems {
		got = append(got, v.Problems[i].String())
	}
	want := []string{
		"service web: overloaded, half or more is too much: 1,220 refused requests a second",
		"instance web/a: says nothing though requests are in flight there: is its process stopped, or its machine hung?",
		"instance web/b: fails, or is slow, beyond its peers, and gets a hundredth of its share",
	}
	if d := cmp.Diff(want, got); d != "" || v.Healthy || v.Services[0].Load != 3 || v.Services[0].Serving != 1 {
		t.Errorf("%s; %+v", d, v.Services[0])
	}
}

// The document explains the states in the words of the command.
func TestState_Documented(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range States {
		if row := fmt.Sprintf("| `%s` | %s |\n", s.State, s.Means); !strings.Contains(string(doc), row) {
			t.Errorf("docs/operations.md has no row %q", row)
		}
	}
}
