package listening

import (
	"context"
	"strings"
	"testing"

	"nanofront/registry"
)

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]Target{"": {}, "echo": {"echo", ""}, "echo/echo-1": {"echo", "echo-1"}} {
		if got, err := ParseTarget(text); err != nil || got != want {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"/", "/echo-1", "echo/", "a/b/c"} {
		if got, err := ParseTarget(text); err == nil {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

// known is a Discovery of instances that never change.
type known []registry.Instance

func (k known) Instances(context.Context) ([]registry.Instance, error) { return k, nil }

func (k known) Watch(ctx context.Context, changed func(registry.Snapshot)) error {
	changed(registry.Snapshot{Instances: k})
	<-ctx.Done()
	return ctx.Err()
}

func TestTarget_Find(t *testing.T) {
	d := known{
		{Service: "echo", ID: "echo-1", Address: "tcp://127.0.0.1:1"},
		{Service: "echo", ID: "echo-2", Address: "tcp://127.0.0.1:2"},
		{Service: "web", ID: "web-1", Address: "tcp://127.0.0.1:3"},
	}
	for _, c := range []struct {
		target Target
		want   int
		says   string
	}{
		{Target{}, 3, ""},
		{Target{"echo", ""}, 2, ""},
		{Target{"echo", "echo-2"}, 1, ""},
		{Target{"chat", ""}, 0, "there are echo, web"},
		{Target{"echo", "echo-3"}, 0, "there are echo-1, echo-2"},
	} {
		list, err := c.target.Find(t.Context(), d, true)
		if len(list) != c.want || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: got %v, %v", c.target, list, err)
		}
		for _, in := range list {
			if !in.EventsOnly || in.Address == "" {
				t.Errorf("%+v: got %+v", c.target, in)
			}
		}
	}
	if list, err := (Targets{{"web", ""}, {"echo", "echo-2"}}).find(t.Context(), d, true); len(list) != 2 || err != nil {
		t.Errorf("two targets: %v, %v", list, err)
	}
	if _, err := (Targets{{"web", ""}, {"chat", ""}}).find(t.Context(), d, true); err == nil {
		t.Error("one of two targets isn't there")
	}
	if _, err := (Target{}).Find(t.Context(), known{}, true); err == nil || !strings.Contains(err.Error(), "nanofront up") {
		t.Errorf("nobody there: %v", err)
	}
}
