package etcd

import (
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"nanofront/metrics"
)

func TestWatch_FirstSnapshotIsComplete(t *testing.T) {
	s := startServer(t)
	c := openOn(t, s)
	if _, err := c.SeedRoutes(t.Context(), routesTo("a")); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		ready(t, register(t, c, inst(fmt.Sprint("i", i))))
	}
	w := watch(t, c)
	w.ids(t, "i0", "i1", "i2")
	first := w.all()[0]
	if len(first.Instances) != 3 || first.Routes == nil {
		t.Errorf("first snapshot %+v", first)
	}
	if err := w.stop(t); err != nil {
		t.Errorf("Watch returned %v, want nil", err)
	}
}

func TestWatch_EmptyIsASnapshotToo(t *testing.T) {
	w := watch(t, openOn(t, startServer(t)))
	eventually(t, "a snapshot arrives", func() bool { return w.count() == 1 })
	if s := w.last(); len(s.Instances) != 0 || s.Routes != nil {
		t.Errorf("got %+v", s)
	}
}

func TestWatch_CoalescesBursts(t *testing.T) {
	c := openOn(t, startServer(t))
	w := watch(t, c)
	eventually(t, "the first snapshot arrives", func() bool { return w.count() == 1 })
	const n = 100
	var ops []clientv3.Op
	var want []string
	for i := range n {
		id := fmt.Sprintf("i%03d", i)
		want = append(want, id)
		ops = append(ops, clientv3.OpPut(testKeys.instance(inst(id)), recordOf(t, inst(id))))
	}
	if _, err := c.session.Load().Txn(t.Context()).Then(ops...).Commit(); err != nil {
		t.Fatal(err)
	}
	w.ids(t, want...)
	if got := w.count(); got > 3 {
		t.Errorf("%d changes in one transaction made %d calls", n, got-1)
	}
}

func TestWatch_LeavesOutInvalidRecords(t *testing.T) {
	c := openOn(t, startServer(t))
	put := func(key, value string) {
		t.Helper()
		if _, err := c.session.Load().Put(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "connected", c.Healthy)
	put(testKeys.instances()+"web/json", "{")
	put(testKeys.instances()+"web/invalid", `{"service":"web","id":"invalid"}`)
	put(testKeys.instances()+"web/other", recordOf(t, inst("another")))
	put(testKeys.instances()+"web/long", `"`+string(make([]byte, maxRecord))+`"`)
	put(testKeys.instances()+"web/good", recordOf(t, inst("good")))
	put(DefaultPrefix+"something/else", "of a later version")
	w := watch(t, c)
	w.ids(t, "good")
	if n := c.count(metrics.EtcdInstancesInvalid); n != 4 {
		t.Errorf("%d invalid records counted, want 4", n)
	}
	// Reading them again counts nothing.
	c.announce()
	eventually(t, "everything is read again", func() bool { return c.count(metrics.EtcdWatchResyncs) >= 1 })
	if n := c.count(metrics.EtcdInstancesInvalid); n != 4 {
		t.Errorf("%d invalid records counted after a re-read, want 4", n)
	}
	// A good record that turns bad goes, and comes back when it is mended.
	put(testKeys.instances()+"web/good", "{}")
	w.ids(t)
	put(testKeys.instances()+"web/good", recordOf(t, inst("good")))
	w.ids(t, "good")
}

func TestWatch_SurvivesCompaction(t *testing.T) {
	s := startServer(t)
	c := openOn(t, s)
	eventually(t, "connected", c.Healthy)
	var rev int64
	for i := range 20 {
		resp, err := c.session.Load().Put(t.Context(), testKeys.instance(inst("a")), recordOf(t, inst("a")))
		if err != nil {
			t.Fatal(i, err)
		}
		rev = resp.Header.Revision
	}
	if _, err := c.session.Load().Compact(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	// A watch from before the compaction, as after a long absence.
	w := &watcher{c: c.Client, view: newView(DefaultPrefix, time.Second)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.follow(t.Context(), rev-10, nil)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("the watch doesn't end")
	}
	if !contains(c.log, "compacted") {
		t.Errorf("log says nothing of a compaction:\n%s", c.log)
	}
	// And a whole one that is running meanwhile.
	run := watch(t, c)
	run.ids(t, "a")
	resp, err := c.session.Load().Put(t.Context(), testKeys.instance(inst("b")), recordOf(t, inst("b")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.session.Load().Compact(t.Context(), resp.Header.Revision); err != nil {
		t.Fatal(err)
	}
	run.ids(t, "a", "b")
}

func TestWatch_RoutineRereadFindsWhatWasMissed(t *testing.T) {
	s := startServer(t)
	c := open(t, Options{Endpoints: []string{s.ClientURL()}, reread: 50 * time.Millisecond})
	w := watch(t, c)
	eventually(t, "the first snapshot arrives", func() bool { return w.count() == 1 })
	ready(t, register(t, c, inst("a")))
	w.ids(t, "a")
	calls := w.count()
	// It reads on and on, but has nothing to say.
	rev := func() int64 {
		resp, err := c.session.Load().Get(t.Context(), testKeys.routes())
		if err != nil {
			t.Fatal(err)
		}
		return resp.Header.Revision
	}
	before := rev()
	end := time.Now().Add(200 * time.Millisecond)
	eventually(t, "some reads have passed", func() bool { return time.Now().After(end) })
	if rev() == before && w.count() != calls {
		t.Errorf("%d calls without a change", w.count()-calls)
	}
	if n := c.count(metrics.EtcdWatchResyncs); n != 0 {
		t.Errorf("%d resyncs counted for routine reads", n)
	}
}
