package etcd

import (
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"nanofront/registry"
)

// Routes reads the routes document as it stands: parsed, as written, and its
// revision for ApplyRoutes. Without a document all are zero, and the error is
// nil. A document that isn't valid is returned as raw and rev, with an error
// that wraps registry.ErrInvalidRoutes.
func (c *Client) Routes(ctx context.Context) (doc *registry.Routes, raw []byte, rev int64, err error) {
	var resp *clientv3.GetResponse
	err = c.call(ctx, func(ctx context.Context, cl *clientv3.Client) (err error) {
		resp, err = cl.Get(ctx, c.keys.routes())
		return err
	})
	if err != nil || len(resp.Kvs) == 0 {
		return nil, nil, 0, err
	}
	kv := resp.Kvs[0]
	doc, err = registry.ParseRoutes(kv.Value)
	if err != nil {
		err = fmt.Errorf("etcd: routes at revision %d: %w", kv.ModRevision, err)
	}
	return doc, kv.Value, kv.ModRevision, err
}

// ApplyRoutes validates the document and writes it if the one that is there
// is at expectRev, 0 for none. It returns the new revision. If somebody else
// was faster the error is a *ConflictError with the current revision. After
// an error that wraps ErrUnreachable the document may have been written or
// not: read it again.
func (c *Client) ApplyRoutes(ctx context.Context, doc *registry.Routes, expectRev int64) (newRev int64, err error) {
	if err := doc.Validate(); err != nil { // also of none
		return 0, err
	}
	return c.Commit(ctx, Change{Routes: doc, RoutesExpect: expectRev})
}

// SeedRoutes writes the document if there is none, and reports whether it
// did.
func (c *Client) SeedRoutes(ctx context.Context, doc *registry.Routes) (written bool, err error) {
	_, err = c.ApplyRoutes(ctx, doc, 0)
	if errors.Is(err, ErrConflict) {
		return false, nil
	}
	return err == nil, err
}
