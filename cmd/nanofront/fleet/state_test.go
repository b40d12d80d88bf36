package fleet

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
		want  State
	}{
		{nil, nil, Registered},
		{nil, refused, Gone},
		{nil, context.DeadlineExceeded, Silent},
		{[]nanobus.LinkInfo{link("web", "a", "live")}, nil, Serving},
		{[]nanobus.LinkInfo{link("web", "a", "live")}, refused, Serving}, // its admin port is elsewhere
		{[]nanobus.LinkInfo{link("web", "a", "live"), link("web", "a", "draining")}, nil, Draining},
		{[]nanobus.LinkInfo{link("web", "a", "greeting")}, nil, Registered},
		{[]nanobus.LinkInfo{link("web", "a", "down")}, refused, Gone},
		{[]nanobus.LinkInfo{link("web", "b", "live"), link("echo", "a", "live")}, refused, Gone},
	} {
		s := Instance{Instance: registry.Instance{Service: "web", ID: "a"}, asked: tc.asked}
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
	for _, s := range States {
		if row := fmt.Sprintf("| `%s` | %s |\n", s.State, s.Means); !strings.Contains(string(doc), row) {
			t.Errorf("docs/operations.md has no row %q", row)
		}
	}
}
