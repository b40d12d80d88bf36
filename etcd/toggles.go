package etcd

import (
	"context"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"nanofront/registry/toggled"
)

// togglesReread is rereadInterval for toggles, which may be 10,000: a hundred processes that read
// them each half a minute would be most of what etcd does.
const togglesReread = 10 * time.Minute

// Toggles reads all toggles and shared rules.
func (c *Client) Toggles(ctx context.Context) (toggled.Change, error) {
	view := newToggleView(c.keys)
	var resp *clientv3.GetResponse
	err := c.call(ctx, func(ctx context.Context, cl *clientv3.Client) (err error) {
		resp, err = cl.Get(ctx, c.keys.head(), clientv3.WithPrefix())
		return err
	})
	if err != nil {
		return toggled.Change{}, err
	}
	return view.whole(resp.Kvs), nil
}

// ReadToggles reads those of these names, as they stand at one revision; those that don't exist are
// left out.
func (c *Client) ReadToggles(ctx context.Context, names ...string) (map[string]toggled.Toggle, error) {
	out := make(map[string]toggled.Toggle, len(names))
	if len(names) == 0 {
		return out, nil
	}
	ops := make([]clientv3.Op, len(names))
	for i, name := range names {
		ops[i] = clientv3.OpGet(c.keys.toggle(name))
	}
	var resp *clientv3.TxnResponse
	err := c.call(ctx, func(ctx context.Context, cl *clientv3.Client) (err error) {
		resp, err = cl.Txn(ctx).Then(ops...).Commit()
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, r := range resp.Responses {
		for _, kv := range r.GetResponseRange().Kvs {
			out[names[i]] = toggled.Toggle{Name: names[i], Definition: kv.Value, Revision: kv.ModRevision}
		}
	}
	return out, nil
}

// WatchToggles calls fn with all toggles, and then with what changes, by revisions: one call at a
// time and from the calling goroutine, until ctx ends (nil) or the Client is closed (ErrClosed). A
// change may have an empty list: all changes up to its revision have come then. Nothing is called
// back while etcd can't be reached.
func (c *Client) WatchToggles(ctx context.Context, fn func([]toggled.Change)) error {
	view := newToggleView(c.keys)
	w := &watcher{c: c, prefix: c.keys.head(), what: "toggles", view: view, reread: max(togglesReread, c.opts.reread), deliver: func() {
		list := view.pending
		view.pending = nil
		fn(list)
	}}
	view.onInvalid = w.invalid
	return w.run(ctx)
}

// toggleView is what a watch knows of toggles: their revisions, and what is to be passed on.
type toggleView struct {
	keys      keys
	known     map[string]int64 // by name
	revision  int64            // of the last change, of the head too
	pending   []toggled.Change
	read      bool // once
	onInvalid func(key string, err error)
}

func newToggleView(k keys) *toggleView {
	return &toggleView{keys: k, known: make(map[string]int64), onInvalid: func(string, error) {}}
}

// name is the toggle's whose key it is. Neither the head nor what a later version may add has one.
func (v *toggleView) name(key string) (string, bool) {
	name, ok := strings.CutPrefix(key, v.keys.toggles())
	if !ok {
		return "", false
	}
	if err := toggled.CheckName(name); err != nil {
		v.onInvalid(key, err)
		return "", false
	}
	return name, true
}

// at is the change of a revision, to be added to.
func (v *toggleView) at(rev int64) *toggled.Change {
	v.revision = max(v.revision, rev)
	if n := len(v.pending); n == 0 || v.pending[n-1].Revision != rev {
		v.pending = append(v.pending, toggled.Change{Revision: rev})
	}
	return &v.pending[len(v.pending)-1]
}

// put takes a key's value. It reports whether that is to be passed on, as all is.
func (v *toggleView) put(kv *mvccpb.KeyValue) bool {
	t := v.at(kv.ModRevision)
	if name, ok := v.name(string(kv.Key)); ok {
		v.known[name] = kv.ModRevision
		t.List = append(t.List, toggled.Toggle{Name: name, Definition: kv.Value, Revision: kv.ModRevision})
	}
	return true
}

// removed takes a key's deletion.
func (v *toggleView) removed(kv *mvccpb.KeyValue) bool {
	t := v.at(kv.ModRevision)
	if name, ok := v.name(string(kv.Key)); ok {
		delete(v.known, name)
		t.List = append(t.List, toggled.Toggle{Name: name, Revision: kv.ModRevision})
	}
	return true
}

// replace takes everything that there is, and reports whether it differs from what is known.
func (v *toggleView) replace(kvs []*mvccpb.KeyValue, _ time.Time) bool {
	whole := v.whole(kvs)
	same := v.read && whole.Revision == v.revision && len(whole.List) == len(v.known)
	for i := 0; same && i < len(whole.List); i++ {
		t := whole.List[i]
		same = v.known[t.Name] == t.Revision
	}
	if same {
		return false
	}
	v.read, v.revision, v.pending = true, whole.Revision, []toggled.Change{whole}
	clear(v.known)
	for _, t := range whole.List {
		v.known[t.Name] = t.Revision
	}
	return true
}

func (v *toggleView) whole(kvs []*mvccpb.KeyValue) toggled.Change {
	whole := toggled.Change{Whole: true, List: make([]toggled.Toggle, 0, len(kvs))}
	for _, kv := range kvs {
		whole.Revision = max(whole.Revision, kv.ModRevision)
		if name, ok := v.name(string(kv.Key)); ok {
			whole.List = append(whole.List, toggled.Toggle{Name: name, Definition: kv.Value, Revision: kv.ModRevision})
		}
	}
	return whole
}

// expire: what is deleted is gone at once.
func (v *toggleView) expire(time.Time) bool { return false }

func (v *toggleView) nextExpiry() time.Time { return time.Time{} }
