package etcd

import (
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"nanofront/registry"
)

// view is what a watch knows of instances and routes. One goroutine owns it;
// there is no I/O in it.
type view struct {
	records[registry.Instance]
	intents map[string]registry.Intent // by key

	keys keys

	routes    *registry.Routes
	routesRev int64 // of routes
	headRev   int64 // of the last change of toggles or routes; 0: there are no toggles
	// seenRev and seenRaw are the last document seen, in force or not. Both,
	// since the revision of an etcd that lost its data starts from 1 again.
	seenRev int64
	seenRaw string

	onRoutes   func(rev int64)            // a document is in force
	onRejected func(rev int64, err error) // a document is not
	onDeleted  func()                     // the document was deleted
}

func newView(k keys, hold time.Duration) *view {
	return &view{keys: k, intents: make(map[string]registry.Intent), records: newRecords(k.instances(), hold, k.decodeInstance, sameInstance)}
}

// put takes a key's value. It reports whether the snapshot changed.
func (v *view) put(kv *mvccpb.KeyValue) bool {
	if string(kv.Key) == v.keys.head() {
		changed := kv.ModRevision != v.headRev
		v.headRev = kv.ModRevision
		return changed
	}
	if string(kv.Key) == v.keys.routes() {
		return v.putRoutes(kv)
	}
	if strings.HasPrefix(string(kv.Key), v.keys.intents()) {
		return v.putIntent(kv)
	}
	return v.records.put(kv)
}

// putIntent takes what an operator wants of a process; what isn't valid counts as nothing.
func (v *view) putIntent(kv *mvccpb.KeyValue) bool {
	key := string(kv.Key)
	i, err := v.keys.decodeIntent(key, kv.Value)
	if err != nil {
		if v.bad[key] != kv.ModRevision {
			v.bad[key] = kv.ModRevision
			v.onInvalid(key, err)
		}
		_, had := v.intents[key]
		delete(v.intents, key)
		return had
	}
	old, had := v.intents[key]
	v.intents[key] = i
	same := had && old.At.Equal(i.At) && old.Started.Equal(i.Started)
	old.At, old.Started, i.At, i.Started = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	return !same || old != i
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

// removed is remove, for a watch.
func (v *view) removed(kv *mvccpb.KeyValue) bool { return v.remove(string(kv.Key)) }

// remove takes a key's deletion. It reports whether the snapshot changed.
func (v *view) remove(key string) bool {
	if key == v.keys.routes() {
		// A system without routes is good for nothing: the last ones stay,
		// as after a bad document.
		v.seenRev, v.seenRaw = 0, ""
		v.onDeleted()
		return false
	}
	if _, had := v.intents[key]; had {
		delete(v.intents, key)
		return true
	}
	return v.records.remove(key)
}

// replace takes everything that there is. It reports whether the snapshot
// changed.
func (v *view) replace(kvs []*mvccpb.KeyValue, now time.Time) bool {
	changed, routes := v.records.replace(kvs, now), false
	for _, kv := range kvs {
		switch string(kv.Key) {
		case v.keys.routes():
			changed, routes = v.putRoutes(kv) || changed, true
		case v.keys.head():
			changed = v.put(kv) || changed
		}
	}
	changed = v.replaceIntents(kvs) || changed
	if !routes && v.seenRev != 0 {
		v.remove(v.keys.routes())
	}
	return changed
}

// replaceIntents takes all there are. Those of an etcd that lost its data are lost: an operator
// gives them again.
func (v *view) replaceIntents(kvs []*mvccpb.KeyValue) (changed bool) {
	there := make(map[string]bool)
	for _, kv := range kvs {
		if key := string(kv.Key); strings.HasPrefix(key, v.keys.intents()) {
			there[key] = true
			changed = v.putIntent(kv) || changed
		}
	}
	for key := range v.intents {
		if !there[key] {
			delete(v.intents, key)
			changed = true
		}
	}
	return changed
}

func (v *view) snapshot() registry.Snapshot {
	s := registry.Snapshot{Routes: v.routes, Revision: max(v.routesRev, v.headRev), Stamp: v.headRev > 0, Instances: v.list()}
	for i := range s.Instances {
		in := &s.Instances[i]
		if intent, ok := v.intents[v.keys.intent(registry.Intent{Service: in.Service, ID: in.ID})]; ok {
			intent.Apply(in)
		}
	}
	for _, i := range v.intents {
		if i.Terminator {
			s.Intents = append(s.Intents, i)
		}
	}
	registry.SortInstances(s.Instances)
	return s
}
