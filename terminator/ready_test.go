package terminator

import (
	"strings"
	"testing"
	"time"

	"nanofront/registry"
)

func degraded(f *front) string {
	var list []string
	for _, d := range f.Degraded() {
		list = append(list, d.Service)
	}
	return strings.Join(list, " ")
}

// One missing backend doesn't take the front out.
func TestReady_OneServiceIsMissing(t *testing.T) {
	f := startFront(t, Options{}, prefix("/", "work"), prefix("/new", "new"))
	f.work(t, "w1", text("back"))
	if err := f.Ready(); err != nil {
		t.Errorf("Ready: %v, want nil while work is served", err)
	}
	if got := degraded(f); got != "new" {
		t.Errorf("degraded: %q, want new", got)
	}
	if got := f.set.Report().Gauges["upstream.degraded"]; got != 1 {
		t.Errorf("gauge upstream.degraded is %v, want 1", got)
	}
	// Known, but nobody answers there: still no reason.
	f.d.add(registry.Instance{Service: "new", ID: "n1", Address: "tcp://127.0.0.1:1", Window: 1})
	eventually(t, "the instance is known", func() bool {
		d := f.Degraded()
		return len(d) == 1 && strings.Contains(d[0].Reason, "no live link to any of its 1 instances")
	})
	eventually(t, "ready again, at the latest when links had their time", func() bool { return f.Ready() == nil })
	f.node(t, "new", "n2", 8, text("new"))
	eventually(t, "nothing is degraded", func() bool { return degraded(f) == "" })
	if got := f.set.Report().Gauges["upstream.degraded"]; got != 0 {
		t.Errorf("gauge upstream.degraded is %v, want 0", got)
	}
}

// A bus that links with nobody of those that are there is a reason.
func TestReady_TheBusDoesNotWork(t *testing.T) {
	f := startFront(t, Options{})
	f.d.add(registry.Instance{Service: "work", ID: "w1", Address: "tcp://127.0.0.1:1", Window: 1})
	eventually(t, "routes", f.routed)
	eventually(t, "not ready, as an instance is known and not linked", func() bool { return f.Ready() != nil })
	r := f.services()
	if err := f.busWorks(r, time.Now().Add(settleTime+time.Second)); err == nil || !strings.Contains(err.Error(), `"work"`) {
		t.Errorf("after %v: %v, want that the bus doesn't work, and with whom", settleTime, err)
	}
	n := f.work(t, "w2", text("back"))
	if err := f.Ready(); err == nil || !strings.Contains(err.Error(), "less than 2s") {
		t.Errorf("Ready, as soon as there is a link again: %v", err)
	}
	if err := f.ReadyItself(); err != nil {
		t.Errorf("ReadyItself while the bus comes and goes: %v", err)
	}
	if err := f.busWorks(r, time.Now().Add(mendedTime)); err != nil {
		t.Errorf("Ready with a link: %v", err)
	}
	// What is gone for a moment, as in a restart, isn't gone.
	f.noteLinks()
	_ = n.Close()
	eventually(t, "no link", func() bool { return !linked(f.bus) })
	if err := f.Ready(); err != nil {
		t.Errorf("Ready just after the link broke: %v", err)
	}
	if err := f.busWorks(r, time.Now().Add(unlinkedGrace+time.Second)); err == nil {
		t.Errorf("ready %v after the last link broke", unlinkedGrace)
	}
}

// An instance that is taken out by its weight shows that the bus works.
func TestReady_TakenOutByWeight(t *testing.T) {
	f := startFront(t, Options{})
	node := startNode(t, "work", "w1", 8, text("back"))
	f.d.add(registry.Instance{Service: "work", ID: "w1", Address: node.address, Window: 8, Weight: registry.NoWeight})
	eventually(t, "linked", func() bool { return linked(f.bus) })
	if err := f.busWorks(f.services(), time.Now().Add(time.Hour)); err != nil {
		t.Errorf("not ready: %v", err)
	}
	if got := degraded(f); got != "work" {
		t.Errorf("degraded: %q, want work", got)
	}
}
