package etcd

import (
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"nanofront/registry"
)

// view is what a watch knows. One goroutine owns it; there is no I/O in it.
type view struct {
	keys      keys
	instances map[string]registry.Instance // by key
	// held are the keys that a re-read no longer showed, and until when they
	// stay. They are in instances, too.
	held map[string]time.Time
	// bad is the revision of each invalid record, so that reading it again
	// neither counts nor logs it again.
	bad map[string]int64

	routes    *registry.Routes
	routesRev int64 // of routes
	// seenRev and seenRaw are the last document seen, in force or not. Both,
	// since the revision of an etcd that lost its data starts from 1 again.
	seenRev int64
	seenRaw string

	hold time.Duration

	onInvalid  func(key string, err error)
	onRoutes   func(rev int64)            // a document is in force
	onRejected func(rev int64, err error) // a document is not
	onDeleted  func()                     // the document was deleted
}

func newView(k keys, hold time.Duration) *view {
	return &view{
		keys:      k,
		instances: make(map[string]registry.Instance),
		held:      make(map[string]time.Time),
		bad:       make(map[string]int64),
		hold:      hold,
	}
}

// put takes a key's value. It reports whether the snapshot changed.
func (v *view) put(kv *mvccpb.KeyValue) bool {
	key := string(kv.Key)
	if key == v.keys.routes() {
		return v.putRoutes(kv)
	}
	if !strings.HasPrefix(key, v.keys.instances()) {
		return false // not ours, or a later version's
	}
	i, err := v.keys.decodeInstance(key, kv.Value)
	if err != nil {
		if v.bad[key] != kv.ModRevision {
			v.bad[key] = kv.ModRevision
			v.onInvalid(key, err)
		}
		_, had := v.instances[key]
		v.drop(key)
		return had
	}
	delete(v.bad, key)
	delete(v.held, key)
	old, had := v.instances[key]
	v.instances[key] = i
	return !had || !sameInstance(old, i)
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
	_, had := v.instances[key]
	v.drop(key)
	delete(v.bad, key)
	return had
}

func (v *view) drop(key string) {
	delete(v.instances, key)
	delete(v.held, key)
}

// replace takes everything that there is. What isn't there any more is held
// for a lease's life: if etcd lost its data, the instances are alive and
// about to register again; and a caller without a link to a dead one doesn't
// use it, whatever the snapshot says.
func (v *view) replace(kvs []*mvccpb.KeyValue, now time.Time) bool {
	changed, routes := false, false
	there := make(map[string]struct{}, len(kvs))
	for _, kv := range kvs {
		there[string(kv.Key)] = struct{}{}
		routes = routes || string(kv.Key) == v.keys.routes()
		changed = v.put(kv) || changed
	}
	for key := range v.instances {
		if _, ok := there[key]; ok {
			continue
		}
		if _, ok := v.held[key]; !ok {
			v.held[key] = now.Add(v.hold)
		}
	}
	for key := range v.bad {
		if _, ok := there[key]; !ok {
			delete(v.bad, key)
		}
	}
	if !routes && v.seenRev != 0 {
		v.remove(v.keys.routes())
	}
	return changed
}

// expire drops what was held long enough. It reports whether that changed
// anything.
func (v *view) expire(now time.Time) bool {
	changed := false
	for key, until := range v.held {
		if !now.Before(until) {
			v.drop(key)
			changed = true
		}
	}
	return changed
}

// nextExpiry is when expire has something to do, zero for never.
func (v *view) nextExpiry() time.Time {
	var first time.Time
	for _, until := range v.held {
		if first.IsZero() || until.Before(first) {
			first = until
		}
	}
	return first
}

func (v *view) snapshot() registry.Snapshot {
	s := registry.Snapshot{Routes: v.routes, Instances: make([]registry.Instance, 0, len(v.instances))}
	for _, i := range v.instances {
		s.Instances = append(s.Instances, i)
	}
	registry.SortInstances(s.Instances)
	return s
}
