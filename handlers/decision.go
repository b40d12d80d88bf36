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

// follow has the call go to the version that was decided on for the request that it is made for.
func (c *Call) follow(d httpmsg.Decision) { c.Request.Decision, c.Request.Version = d, nil }

// prepareVersions has the bus know which versions the call may go to.
func (c *Call) prepareVersions() {
	if len(c.Request.Decision) == 0 {
		return
	}
	list := c.Request.Decision.Versions(c.client.svc.Name())
	c.bus.Versions = c.client.lists.Of(list)
	c.Request.Version = httpmsg.FirstVersion(list)
}
