package httpmsg

import (
	"bytes"
	"context"
)

// decided is the context of a request that the front has decided about.
type decided struct {
	context.Context
	decision Decision
}

type decisionKey struct{}

// Value implements context.Context.
func (d *decided) Value(key any) any {
	if key == (decisionKey{}) {
		return d.decision
	}
	return d.Context.Value(key)
}

// WithDecision adds a request's decision to a context, which may outlive the request: what is called
// with it follows.
func WithDecision(ctx context.Context, d Decision) context.Context {
	if len(d) == 0 {
		return ctx
	}
	return &decided{ctx, bytes.Clone(d)}
}

// DecisionOf is the decision that WithDecision has added; nil: none.
func DecisionOf(ctx context.Context) Decision {
	d, _ := ctx.Value(decisionKey{}).(Decision)
	return d
}
