package handlers

import (
	"bytes"
	"context"
	"maps"

	"nanofront/httpmsg"
)

// decided is the context of a request that the front has decided about: what is called with it
// follows.
type decided struct {
	context.Context
	decision httpmsg.Decision
}

type decisionKey struct{}

// Value implements context.Context.
func (d *decided) Value(key any) any {
	if key == (decisionKey{}) {
		return d.decision
	}
	return d.Context.Value(key)
}

// withDecision adds the request's decision to a context, which may outlive the request.
func withDecision(ctx context.Context, d httpmsg.Decision) context.Context {
	if len(d) == 0 {
		return ctx
	}
	return &decided{ctx, bytes.Clone(d)}
}

// follow has the call go to the version that was decided on for the request that it is made for.
func (c *Call) follow(d httpmsg.Decision) { c.Request.Decision, c.Request.Version = d, nil }

// prepareVersions has the bus know which versions the call may go to.
func (c *Call) prepareVersions() {
	if len(c.Request.Decision) == 0 {
		return
	}
	list := c.Request.Decision.Versions(c.client.svc.Name())
	c.bus.Versions = c.client.versions(list)
	c.Request.Version = httpmsg.FirstVersion(list)
}

// maxLists is how many lists of versions a client remembers: each that a routes document has for
// the service, for a few documents.
const maxLists = 256

// versions is a decision's list of versions as the bus wants it. Made once for each list.
func (cl *Client) versions(list []byte) []string {
	if len(list) == 0 {
		return nil
	}
	known := cl.lists.Load()
	if known != nil {
		if v, ok := (*known)[string(list)]; ok {
			return v
		}
	}
	var out []string
	httpmsg.EachVersion(list, func(v []byte) { out = append(out, string(v)) })
	more := make(map[string][]string)
	if known != nil && len(*known) < maxLists { // else those of old documents go
		more = maps.Clone(*known)
	}
	more[string(list)] = out
	cl.lists.CompareAndSwap(known, &more) // another may have made it meanwhile
	return out
}
