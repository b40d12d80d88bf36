package collect

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"nanofront/internal/dash/view"
)

// What changes of releases and toggles is told, each once, and nothing of what there was before.
func TestCollector_ReleasesAndToggles(t *testing.T) {
	c := New(Options{Get: newAdmins().get, Boot: "b", Etcd: true})
	now := time.Unix(1_700_000_000, 0)
	tick := func() (texts []string) {
		now = now.Add(time.Second)
		c.tick(context.Background(), now)
		for _, e := range c.View().Events {
			texts = append(texts, e.Text)
		}
		return texts
	}
	release := view.Release{ID: "web-1", Service: "web", Version: "42", State: "running", Step: 1, Steps: 3, Shares: "41 95 %, 42 5 %", Level: view.Intended}
	c.Rollout.SetReleases([]view.Release{release})
	c.Rollout.SetToggles([]view.Toggle{{Name: "look", Value: "teal", Revision: 3}, {Name: "old", Value: "on", Revision: 2}})
	if texts := tick(); len(texts) != 0 {
		t.Errorf("told of what there was: %q", texts)
	}
	v := c.View()
	if len(v.Releases) != 1 || v.Releases[0].Shares != release.Shares || v.Toggles.Count != 2 || v.Toggles.Latest[0].Name != "look" {
		t.Errorf("got %+v and %+v", v.Releases, v.Toggles)
	}
	release.Step, release.Shares = 2, "41 75 %, 42 25 %"
	c.Rollout.SetReleases([]view.Release{release})
	c.Rollout.SetToggles([]view.Toggle{{Name: "look", Value: "plum", Revision: 5}})
	c.Rollout.SetToggles([]view.Toggle{{Name: "old", Revision: 6, Gone: true}})
	texts := strings.Join(tick(), "\n")
	for _, want := range []string{"release web-1 of web to 42: step 2 of 3, 41 75 %, 42 25 %", "toggle look: plum, was teal", "toggle old: deleted"} {
		if !strings.Contains(texts, want) {
			t.Errorf("no %q in:\n%s", want, texts)
		}
	}
	before := len(c.View().Events)
	c.Rollout.SetReleases([]view.Release{release})
	if tick(); len(c.View().Events) != before {
		t.Errorf("told twice: %+v", c.View().Events)
	}
	release.State, release.Why, release.Level = "back", "nearly all requests of it fail", view.Amber
	c.Rollout.SetReleases([]view.Release{release})
	var many []view.Toggle
	for i := range 500 {
		many = append(many, view.Toggle{Name: fmt.Sprint("t", i), Value: "on", Revision: int64(10 + i)})
	}
	c.Rollout.SetToggles(many)
	texts = strings.Join(tick(), "\n")
	if !strings.Contains(texts, "went back: nearly all requests of it fail") || !strings.Contains(texts, "and 495 more toggles changed") {
		t.Errorf("got:\n%s", texts)
	}
	if v := c.View(); v.Toggles.Count != 501 || len(v.Toggles.Latest) != maxToggles || v.Toggles.Latest[0].Name != "t499" {
		t.Errorf("%d toggles, %d shown, the latest %v", v.Toggles.Count, len(v.Toggles.Latest), v.Toggles.Latest[0])
	}
}
