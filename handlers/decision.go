package handlers

import (
	"bytes"
	"context"

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

// prepareVersions has the bus know which versions the call may go to.
func (c *Call) prepareVersions() {
	if d := c.Request.Decision; len(d) > 0 {
		list := d.Versions(c.client.svc.Name())
		c.bus.Versions, c.Request.Version = c.client.lists.Of(list), httpmsg.FirstVersion(list)
	}
}
