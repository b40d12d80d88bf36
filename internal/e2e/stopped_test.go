package e2e

import (
	"encoding/json"
	"slices"
	"syscall"
	"testing"
	"time"

	"nanofront/internal/testutil"
)

// stalled are the instances of echo that the terminator finds silent.
func stalled(t *testing.T, f *front) (ids []string) {
	t.Helper()
	code, body, err := adminGet(f.admin, "/links.json")
	if err != nil || code != 200 {
		return nil
	}
	var all []struct {
		Instance string
		Stalled  bool
	}
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatalf("%s/links.json: %v: %.300q", f.admin, err, body)
	}
	for _, l := range all {
		if l.Stalled {
			ids = append(ids, l.Instance)
		}
	}
	return ids
}

// copies are the requests that the terminator has sent to a second instance.
func copies(t *testing.T, f *front) (n uint64) {
	t.Helper()
	for _, why := range []string{"stalled", "slow"} {
		n += counter(t, f.admin, "bus.copies."+why)
	}
	return n
}

// TestStopped_OneOfThree stops a handler's process under load: those who read don't notice, and it
// is back when it goes on.
func TestStopped_OneOfThree(t *testing.T) {
	f := startFront(t, frontOptions{echo: 3})
	l := startLoad(t, f.http, 32, hello)
	l.more(t, 3000)
	began := time.Now()
	f.echo[1].signal(t, syscall.SIGSTOP)
	t.Cleanup(func() { _ = syscall.Kill(f.echo[1].pid(), syscall.SIGCONT) })
	testutil.Eventually(t, "echo-2 is found silent", func() bool { return slices.Equal(stalled(t, f), []string{"echo-2"}) })
	t.Logf("found silent after %v", time.Since(began))
	for stopped := within(10*time.Second, 3*time.Second); time.Since(began) < stopped; {
		l.more(t, 200)
	}
	f.echo[1].signal(t, syscall.SIGCONT)
	testutil.Eventually(t, "echo-2 is back", func() bool { return len(links(t, f.admin, "echo")) == 3 && len(stalled(t, f)) == 0 })
	l.more(t, 1000)
	l.stop().allOK(t)
	var took []time.Duration
	slow := 0
	for _, a := range l.answers {
		if took = append(took, a.took); a.took > time.Second {
			slow++
		}
	}
	slices.Sort(took)
	p999 := took[(len(took)-1)*999/1000]
	t.Logf("%d requests, p99 %v, p99.9 %v, the slowest %v; %d copies", len(took), took[(len(took)-1)*99/100], p999, took[len(took)-1], copies(t, f))
	// Each of the clients may have met it once, and waited until it was found silent.
	if slow > 32 {
		t.Errorf("%d of %d requests took more than a second, at most one of each client may", slow, len(took))
	}
	if full && p999 > 100*time.Millisecond {
		t.Errorf("p99.9 is %v, want at most 100 ms", p999)
	}
}

// TestStopped_Ourselves stops the terminator, then all handlers together: nobody is blamed for what
// isn't theirs, and no copies are sent when all go on.
func TestStopped_Ourselves(t *testing.T) {
	f := startFront(t, frontOptions{echo: 3})
	l := startLoad(t, f.http, 16, hello)
	l.more(t, 1000)
	all := []*process{f.echo[0].process, f.echo[1].process, f.echo[2].process}
	for _, c := range []struct {
		name    string
		stopped []*process
	}{{"the terminator", []*process{f.terminator}}, {"all handlers", all}} {
		before, asked := copies(t, f), l.ok()
		for _, p := range c.stopped {
			p.signal(t, syscall.SIGSTOP)
			t.Cleanup(func() { _ = syscall.Kill(p.pid(), syscall.SIGCONT) })
		}
		<-time.After(3 * time.Second) // longer than any limit
		for _, p := range c.stopped {
			p.signal(t, syscall.SIGCONT)
		}
		l.more(t, 1000)
		if n := counter(t, f.admin, "bus.link.stalled"); n != 0 {
			t.Errorf("%s stopped: %d links were taken for stalled, want 0", c.name, n)
		}
		if n, requests := copies(t, f)-before, l.ok()-asked; n > uint64(requests)*3/100+16 {
			t.Errorf("%s stopped: %d copies of %d requests were sent", c.name, n, requests)
		}
	}
	l.stop().allOK(t)
	if n := counter(t, f.admin, "bus.link.opened"); n != 3 {
		t.Errorf("%d links were opened, want 3: none was ended", n)
	}
}
