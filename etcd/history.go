package etcd

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"nanofront/registry"
)

// MaxHistory is how many revisions of the routes document are kept.
const MaxHistory = 50

// past is a revision as it is kept, under the revision before it: as a key of its own, which no
// compaction takes away.
type past struct {
	registry.Note
	Routes []byte `json:"routes"` // gzip
}

// keep is what is kept of a change's routes.
func keep(ch *Change, routes []byte) ([]byte, error) {
	p := past{Note: registry.Note{By: cmp.Or(ch.By, "somebody"), Why: ch.Why, Release: ch.Release, At: time.Now().UTC()}}
	var err error
	if p.Routes, err = pack(routes); err != nil {
		return nil, err
	}
	return json.Marshal(p)
}

func (k keys) past(after int64) string { return fmt.Sprintf("%s%020d", k.history(), after) }

// forget deletes the oldest of more than MaxHistory revisions. If that fails the next one does it.
func (c *Client) forget(ctx context.Context) {
	_ = c.call(ctx, func(ctx context.Context, cl *clientv3.Client) error {
		resp, err := cl.Get(ctx, c.keys.history(), clientv3.WithPrefix(), clientv3.WithKeysOnly())
		if err != nil || len(resp.Kvs) <= MaxHistory {
			return err
		}
		_, err = cl.Delete(ctx, c.keys.history(), clientv3.WithRange(string(resp.Kvs[len(resp.Kvs)-MaxHistory].Key)))
		return err
	})
}

// History lists the revisions that are kept, the oldest first. One that can't be read any more has
// no routes.
func (c *Client) History(ctx context.Context) ([]registry.Past, error) {
	var resp *clientv3.GetResponse
	err := c.call(ctx, func(ctx context.Context, cl *clientv3.Client) (err error) {
		resp, err = cl.Get(ctx, c.keys.history(), clientv3.WithPrefix())
		return err
	})
	if err != nil {
		return nil, err
	}
	var list []registry.Past
	for _, kv := range resp.Kvs {
		var p past
		if json.Unmarshal(kv.Value, &p) != nil {
			continue
		}
		one := registry.Past{Note: p.Note, Revision: kv.ModRevision}
		_, _ = fmt.Sscanf(string(kv.Key[len(c.keys.history()):]), "%d", &one.After)
		if raw, err := unpack(p.Routes); err == nil {
			one.Routes, _ = registry.ParseRoutes(raw)
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b registry.Past) int { return int(a.Revision - b.Revision) })
	return list, nil
}

func pack(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	err := w.Close()
	return b.Bytes(), err
}

func unpack(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(r, registry.MaxDocument+1))
	if err == nil && len(raw) > registry.MaxDocument {
		err = fmt.Errorf("etcd: a document of more than %d bytes", registry.MaxDocument)
	}
	return raw, err
}

// Releases lists the records of releases, by id. Those whose id begins with "guard/" are what the
// guards know.
func (c *Client) Releases(ctx context.Context, prefix string) ([]registry.Record, error) {
	var resp *clientv3.GetResponse
	err := c.call(ctx, func(ctx context.Context, cl *clientv3.Client) (err error) {
		resp, err = cl.Get(ctx, c.keys.releases()+prefix, clientv3.WithPrefix())
		return err
	})
	if err != nil {
		return nil, err
	}
	list := make([]registry.Record, 0, len(resp.Kvs))
	for _, kv := range resp.Kvs {
		list = append(list, registry.Record{ID: string(kv.Key[len(c.keys.releases()):]), Value: kv.Value, Revision: kv.ModRevision})
	}
	return list, nil
}

// PutRelease writes a record if it is at its revision; with any, whatever is there. Its error is a
// *ConflictError if somebody was faster.
func (c *Client) PutRelease(ctx context.Context, r registry.Record, whatever bool) (rev int64, err error) {
	key := c.keys.releases() + r.ID
	var ifs []clientv3.Cmp
	if !whatever {
		ifs = append(ifs, clientv3.Compare(clientv3.ModRevision(key), "=", r.Revision))
	}
	err = c.call(ctx, func(ctx context.Context, cl *clientv3.Client) error {
		resp, err := cl.Txn(ctx).If(ifs...).Then(clientv3.OpPut(key, string(r.Value))).Commit()
		if err == nil && !resp.Succeeded {
			return &ConflictError{Expected: r.Revision}
		}
		if err == nil {
			rev = resp.Header.Revision
		}
		return err
	})
	return rev, err
}

// DropReleases deletes records.
func (c *Client) DropReleases(ctx context.Context, ids ...string) error {
	return c.call(ctx, func(ctx context.Context, cl *clientv3.Client) error {
		for _, id := range ids {
			if _, err := cl.Delete(ctx, c.keys.releases()+id); err != nil {
				return err
			}
		}
		return nil
	})
}

// CommitRoutes is Commit, for the interfaces of those who don't know this package.
func (c *Client) CommitRoutes(ctx context.Context, doc *registry.Routes, expect int64, note registry.Note, r *registry.Record) (rev int64, err error) {
	return c.Commit(ctx, Change{Routes: doc, RoutesExpect: expect, By: note.By, Why: note.Why, Release: note.Release, Record: r})
}
