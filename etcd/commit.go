package etcd

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"nanofront/registry"
	"nanofront/registry/toggled"
)

// AnyRevision is the revision of a toggle that may be whatever it is.
const AnyRevision = -1

// ToggleWrite is what becomes of one toggle, or of a shared rule.
type ToggleWrite struct {
	Name       string
	Definition []byte // nil: it is deleted
	// Expect is the revision that it was read at, 0 for one that there was none; AnyRevision writes
	// it whatever it is.
	Expect int64
}

// Change is what one transaction writes: all of it, at one revision, or nothing.
type Change struct {
	// Routes replaces the routes document, if it is at RoutesExpect, 0 for none. nil: it stays.
	Routes       *registry.Routes
	RoutesExpect int64
	Toggles      []ToggleWrite
	// By is who wants it, for people, and Why. The reason is kept with the routes.
	By  string
	Why string
	// Release is the id of the release that Routes are a step of; its record is written too.
	Release string
	Record  *registry.Record
}

// head is the value of a key that each change of toggles and, once there are any, of routes writes:
// whoever watches routes
// learns from it that toggles have changed, without them, and whoever watches toggles that all
// changes up to its revision have come.
type head struct {
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
	Toggles int       `json:"toggles"`
}

// ToggleConflictError says that a toggle was changed by somebody else in the meantime.
type ToggleConflictError struct {
	Name              string
	Expected, Current int64 // 0: none
}

func (e *ToggleConflictError) Error() string {
	switch {
	case e.Current == 0:
		return fmt.Sprintf("etcd: toggle %s was expected at revision %d, and is gone: nothing was written", e.Name, e.Expected)
	case e.Expected == 0:
		return fmt.Sprintf("etcd: toggle %s exists already, at revision %d: nothing was written", e.Name, e.Current)
	}
	return fmt.Sprintf("etcd: toggle %s is at revision %d, not %d: somebody changed it; nothing was written: read it again", e.Name, e.Current, e.Expected)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ToggleConflictError) Is(target error) bool { return target == ErrConflict }

// Check reports what is wrong with a change, before it is written: names, sizes, and what one
// transaction takes. What a definition means isn't looked at.
func (ch *Change) Check() error {
	if len(ch.Toggles) > toggled.MaxChanges {
		return fmt.Errorf("%w: %d toggles in one transaction: want at most %d", toggled.ErrInvalid, len(ch.Toggles), toggled.MaxChanges)
	}
	bytes, names := 0, make(map[string]bool, len(ch.Toggles))
	for _, t := range ch.Toggles {
		if err := toggled.Check(t.Name, t.Definition); err != nil {
			return err
		}
		if names[t.Name] {
			return fmt.Errorf("%w: %s is written twice in one transaction", toggled.ErrInvalid, t.Name)
		}
		names[t.Name] = true
		bytes += len(t.Definition)
	}
	if bytes > toggled.MaxBytes {
		return fmt.Errorf("%w: definitions of %d bytes in one transaction: want at most %d", toggled.ErrInvalid, bytes, toggled.MaxBytes)
	}
	return nil
}

// Commit writes a change in one transaction, and returns its revision. If somebody else was faster
// the error is a *ConflictError or a *ToggleConflictError, and nothing was written. After an error
// that wraps ErrUnreachable it may have been written or not.
func (c *Client) Commit(ctx context.Context, ch Change) (rev int64, err error) {
	if err := ch.Check(); err != nil {
		return 0, err
	}
	t := transaction{}
	if ch.Routes != nil {
		if err := ch.Routes.Validate(); err != nil {
			return 0, err
		}
		if ch.RoutesExpect < 0 {
			return 0, fmt.Errorf("etcd: routes: revision %d: want 0 (none yet) or the revision that was read", ch.RoutesExpect)
		}
		value, err := ch.Routes.Marshal()
		if err != nil {
			return 0, err
		}
		t.put(c.keys.routes(), value, ch.RoutesExpect, func(current int64) error {
			return &ConflictError{Expected: ch.RoutesExpect, Current: current}
		})
		if value, err = keep(&ch, value); err != nil {
			return 0, err
		}
		t.put(c.keys.past(ch.RoutesExpect), value, AnyRevision, nil)
	}
	if r := ch.Record; r != nil {
		t.put(c.keys.releases()+r.ID, r.Value, r.Revision, func(current int64) error {
			return &ConflictError{Expected: r.Revision, Current: current}
		})
	}
	for _, w := range ch.Toggles {
		t.put(c.keys.toggle(w.Name), w.Definition, w.Expect, func(current int64) error {
			return &ToggleConflictError{Name: w.Name, Expected: w.Expect, Current: current}
		})
	}
	if len(t.then) == 0 {
		return 0, nil
	}
	value, err := json.Marshal(head{At: time.Now().UTC().Truncate(time.Second), By: ch.By, Toggles: len(ch.Toggles)})
	if err != nil {
		return 0, err
	}
	op := clientv3.OpPut(c.keys.head(), string(value))
	if len(ch.Toggles) == 0 { // a system without toggles has no head
		op = clientv3.OpTxn([]clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(c.keys.head()), ">", 0)}, []clientv3.Op{op}, nil)
	}
	t.then = append(t.then, op)
	var resp *clientv3.TxnResponse
	err = c.call(ctx, func(ctx context.Context, cl *clientv3.Client) (err error) {
		resp, err = cl.Txn(ctx).If(t.when...).Then(t.then...).Else(t.otherwise...).Commit()
		return err
	})
	if err != nil {
		return 0, err
	}
	if !resp.Succeeded {
		return 0, t.conflict(resp)
	}
	if ch.Routes != nil {
		c.forget(ctx)
	}
	return resp.Header.Revision, nil
}

// transaction is a change as etcd takes it.
type transaction struct {
	when            []clientv3.Cmp
	then, otherwise []clientv3.Op
	expected        []func(current int64) error // what it means if a key of otherwise isn't as expected
	revisions       []int64
}

func (t *transaction) put(key string, value []byte, expect int64, conflict func(current int64) error) {
	if value == nil {
		t.then = append(t.then, clientv3.OpDelete(key))
	} else {
		t.then = append(t.then, clientv3.OpPut(key, string(value)))
	}
	if expect == AnyRevision {
		return
	}
	t.when = append(t.when, clientv3.Compare(clientv3.ModRevision(key), "=", expect))
	t.otherwise = append(t.otherwise, clientv3.OpGet(key, clientv3.WithKeysOnly()))
	t.expected, t.revisions = append(t.expected, conflict), append(t.revisions, expect)
}

// conflict says which key was not as expected.
func (t *transaction) conflict(resp *clientv3.TxnResponse) error {
	for i, r := range resp.Responses {
		current := int64(0)
		if kvs := r.GetResponseRange().Kvs; len(kvs) > 0 {
			current = kvs[0].ModRevision
		}
		if current == t.revisions[i] {
			continue
		}
		return t.expected[i](current)
	}
	return ErrConflict
}

// ApplyToggles is Commit for any number of toggles: where they are more than one transaction takes,
// in several, and one that fails leaves those before it. It returns how many were written, and the
// last revision. Shared rules are written first.
func (c *Client) ApplyToggles(ctx context.Context, by string, writes []ToggleWrite) (written int, rev int64, err error) {
	writes = slices.Clone(writes)
	slices.SortStableFunc(writes, func(a, b ToggleWrite) int { return rank(a.Name) - rank(b.Name) })
	for _, batch := range batches(writes) {
		r, err := c.Commit(ctx, Change{Toggles: batch, By: by})
		if err != nil {
			return written, rev, err
		}
		written, rev = written+len(batch), r
	}
	return written, rev, nil
}

func rank(name string) int {
	if len(name) > 0 && name[0] == toggled.EvaluatorPrefix[0] {
		return 0
	}
	return 1
}

// batches are what transactions take.
func batches(writes []ToggleWrite) [][]ToggleWrite {
	var list [][]ToggleWrite
	from, bytes := 0, 0
	for i, w := range writes {
		if i > from && (i-from == toggled.MaxChanges || bytes+len(w.Definition) > toggled.MaxBytes) {
			list, from, bytes = append(list, writes[from:i]), i, 0
		}
		bytes += len(w.Definition)
	}
	if from < len(writes) {
		list = append(list, writes[from:])
	}
	return list
}
