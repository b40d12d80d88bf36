package etcd

import (
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// records are what a watch knows of the records below a prefix. One goroutine
// owns them; there is no I/O in it.
type records[T any] struct {
	prefix string
	decode func(key string, value []byte) (T, error)
	same   func(a, b T) bool

	byKey map[string]T
	// held are the keys that a re-read no longer showed, and until when they
	// stay. They are in byKey, too.
	held map[string]time.Time
	// bad is the revision of each invalid record, so that reading it again
	// neither counts nor logs it again.
	bad map[string]int64

	hold time.Duration

	onInvalid func(key string, err error)
}

func newRecords[T any](prefix string, hold time.Duration, decode func(string, []byte) (T, error), same func(a, b T) bool) records[T] {
	return records[T]{
		prefix: prefix, decode: decode, same: same, hold: hold,
		byKey: make(map[string]T),
		held:  make(map[string]time.Time),
		bad:   make(map[string]int64),
	}
}

// put takes a key's value. It reports whether that changed anything.
func (r *records[T]) put(kv *mvccpb.KeyValue) bool {
	key := string(kv.Key)
	if !strings.HasPrefix(key, r.prefix) {
		return false // not ours, or a later version's
	}
	v, err := r.decode(key, kv.Value)
	if err != nil {
		if r.bad[key] != kv.ModRevision {
			r.bad[key] = kv.ModRevision
			r.onInvalid(key, err)
		}
		_, had := r.byKey[key]
		r.drop(key)
		return had
	}
	delete(r.bad, key)
	delete(r.held, key)
	old, had := r.byKey[key]
	r.byKey[key] = v
	return !had || !r.same(old, v)
}

// remove takes a key's deletion. It reports whether that changed anything.
func (r *records[T]) remove(key string) bool {
	_, had := r.byKey[key]
	r.drop(key)
	delete(r.bad, key)
	return had
}

// removed is remove, for a watch.
func (r *records[T]) removed(kv *mvccpb.KeyValue) bool { return r.remove(string(kv.Key)) }

func (r *records[T]) drop(key string) {
	delete(r.byKey, key)
	delete(r.held, key)
}

// replace takes everything that there is. What isn't there any more is held
// for a lease's life: if etcd lost its data, the processes are alive and
// about to register again; and a caller without a link to a dead instance
// doesn't use it, whatever the snapshot says.
func (r *records[T]) replace(kvs []*mvccpb.KeyValue, now time.Time) bool {
	changed := false
	there := make(map[string]struct{}, len(kvs))
	for _, kv := range kvs {
		there[string(kv.Key)] = struct{}{}
		changed = r.put(kv) || changed
	}
	for key := range r.byKey {
		if _, ok := there[key]; ok {
			continue
		}
		if _, ok := r.held[key]; !ok {
			r.held[key] = now.Add(r.hold)
		}
	}
	for key := range r.bad {
		if _, ok := there[key]; !ok {
			delete(r.bad, key)
		}
	}
	return changed
}

// expire drops what was held long enough. It reports whether that changed
// anything.
func (r *records[T]) expire(now time.Time) bool {
	changed := false
	for key, until := range r.held {
		if !now.Before(until) {
			r.drop(key)
			changed = true
		}
	}
	return changed
}

// nextExpiry is when expire has something to do, zero for never.
func (r *records[T]) nextExpiry() time.Time {
	var first time.Time
	for _, until := range r.held {
		if first.IsZero() || until.Before(first) {
			first = until
		}
	}
	return first
}

// list is all records, in no order.
func (r *records[T]) list() []T {
	out := make([]T, 0, len(r.byKey))
	for _, v := range r.byKey {
		out = append(out, v)
	}
	return out
}
