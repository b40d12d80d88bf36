package status

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"nanofront/nanobus"
	"nanofront/registry"
)

func TestState_OfLinksAndTheProcess(t *testing.T) {
	refused := errors.New("connection refused")
	link := func(service, instance, state string) nanobus.LinkInfo {
		return nanobus.LinkInfo{Service: service, Instance: instance, State: state}
	}
	for _, tc := range []struct {
		links []nanobus.LinkInfo
		asked error
		want  state
	}{
		{nil, nil, stateRegistered},
		{nil, refused, stateGone},
		{nil, context.DeadlineExceeded, stateSilent},
		{[]nanobus.LinkInfo{link("web", "a", "live")}, nil, stateServing},
		{[]nanobus.LinkInfo{link("web", "a", "live")}, refused, stateServing}, // its admin port is elsewhere
		{[]nanobus.LinkInfo{link("web", "a", "live"), link("web", "a", "draining")}, nil, stateDraining},
		{[]nanobus.LinkInfo{link("web", "a", "greeting")}, nil, stateRegistered},
		{[]nanobus.LinkInfo{link("web", "a", "down")}, refused, stateGone},
		{[]nanobus.LinkInfo{link("web", "b", "live"), link("echo", "a", "live")}, refused, stateGone},
	} {
		s := instanceStatus{Instance: registry.Instance{Service: "web", ID: "a"}, asked: tc.asked}
		if got := stateOf(&s, tc.links); got != tc.want {
			t.Errorf("links %v, process %v: %s, want %s", tc.links, tc.asked, got, tc.want)
		}
	}
}

// The document explains the states in the words of the command.
func TestState_Documented(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range states {
		if row := fmt.Sprintf("| `%s` | %s |\n", s.state, s.means); !strings.Contains(string(doc), row) {
			t.Errorf("docs/operations.md has no row %q", row)
		}
	}
}
