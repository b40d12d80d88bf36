package etcd

import (
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"nanofront/registry"
)

// view is what a watch knows of instances and routes. One goroutine owns it;
// there is no I/O in it.
type view struct {
	records[registry.Instance]

	keys keys

	routes    *registry.Routes
	routesRev int64 // of routes
	// seenRev and seenRaw are the last document seen, in force or not. Both,
	// since the revision of an etcd that lost its data starts from 1 again.
	seenRev int64
	seenRaw string

	onRoutes   func(rev int64)            // a document is in force
	onRejected func(rev int64, err error) // a document is not
	onDeleted  func()                     // the document was deleted
}

func newView(k keys, hold time.Duration) *view {
	return &view{keys: k, records: newRecords(k.instances(), hold, k.decodeInstance, sameInstance)}
}

// put takes a key's value. It reports whether the snapshot changed.
func (v *view) put(kv *mvccpb.KeyValue) bool {
	if string(kv.Key) == v.keys.routes() {
		return v.putRoutes(kv)
	}
	return v.records.put(kv)
}

// sameInstance compares times as instants: two readings of the same JSON may
// differ in the pointer to their zone.
func sameInstance(a, b registry.Instance) bool {
	same := a.Started.Equal(b.Started)
	a.Started, b.Started = time.Time{}, time.Time{}
	return same && a == b
}

func (v *view) putRoutes(kv *mvccpb.KeyValue) bool {
	if kv.ModRevision == v.seenRev && string(kv.Value) == v.seenRaw {
		return false
	}
	v.seenRev, v.seenRaw = kv.ModRevision, string(kv.Value)
	doc, err := registry.ParseRoutes(kv.Value)
	if err != nil {
		v.onRejected(kv.ModRevision, err)
		return false
	}
	v.routes, v.routesRev = doc, kv.ModRevision
	v.onRoutes(kv.ModRevision)
	return true
}

// remove takes a key's deletion. It reports whether the snapshot changed.
func (v *view) remove(key string) bool {
	if key == v.keys.routes() {
		// A system without routes is good for nothing: the last ones stay,
		// as after a bad document.
		v.seenRev, v.seenRaw = 0, ""
		v.onDeleted()
		return false
	}
	return v.records.remove(key)
}

// replace takes everything that there is. It reports whether the snapshot
// changed.
func (v *view) replace(kvs []*mvccpb.KeyValue, now time.Time) bool {
	changed, routes := v.records.replace(kvs, now), false
	for _, kv := range kvs {
		if string(kv.Key) == v.keys.routes() {
			changed, routes = v.putRoutes(kv) || changed, true
		}
	}
	if !routes && v.seenRev != 0 {
		v.remove(v.keys.routes())
	}
	return changed
}

func (v *view) snapshot() registry.Snapshot {
	s := registry.Snapshot{Routes: v.routes, Instances: v.list()}
	registry.SortInstances(s.Instances)
	return s
}
