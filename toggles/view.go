package toggles

import (
	"context"
	"fmt"
	"math"
)

// View is toggles for one request: all that are evaluated with it are decided on one Set, with one
// Context, so that toggles that are changed together are seen together. It may be used from several
// goroutines, while its Context may.
type View struct {
	set     *Set
	context Context
	stale   bool
}

// View is for a request of a revision (see At) and with what is known of it, which may be nil. It
// may wait as At does.
func (s *Store) View(ctx context.Context, revision int64, c Context) *View {
	return &View{s.At(ctx, revision), c, s.Stale()}
}

// ViewNow is View for callers that must not wait.
func (s *Store) ViewNow(revision int64, c Context) *View {
	return &View{s.Now(revision), c, s.Stale()}
}

// Revision is that of the last change of toggles that counts here.
func (v *View) Revision() int64 { return v.set.revision }

// Context is what rules can ask about; it may be nil.
func (v *View) Context() Context { return v.context }

// Evaluate decides a toggle. With a kind, one of another kind is a TypeMismatch.
func (v *View) Evaluate(name string, kind Kind) Result { return v.EvaluateWith(name, kind, v.context) }

// EvaluateWith is Evaluate with another Context.
func (v *View) EvaluateWith(name string, kind Kind, c Context) Result {
	r := v.set.Evaluate(name, kind, c)
	if v.stale && r.Reason != Failed && r.Reason != Disabled {
		r.Reason = Stale
	}
	return r
}

// Bool is a boolean toggle's value, fallback where it has none.
func (v *View) Bool(name string, fallback bool) bool {
	if b, ok := v.Evaluate(name, Boolean).Value.(bool); ok {
		return b
	}
	return fallback
}

// String is a string toggle's value, fallback where it has none.
func (v *View) String(name, fallback string) string {
	if s, ok := v.Evaluate(name, String).Value.(string); ok {
		return s
	}
	return fallback
}

// Number is a number toggle's value, fallback where it has none.
func (v *View) Number(name string, fallback float64) float64 {
	if n, ok := v.Evaluate(name, Number).Value.(float64); ok {
		return n
	}
	return fallback
}

// Object is an object toggle's value, fallback where it has none. It must not be changed.
func (v *View) Object(name string, fallback any) any {
	if o := v.Evaluate(name, Object).Value; o != nil {
		return o
	}
	return fallback
}

// Whole is a number's value as an integer. One that would lose something is a TypeMismatch.
func (r Result) Whole() (n int64, err error) {
	f, ok := r.Value.(float64)
	if !ok || f != math.Trunc(f) || math.Abs(f) > maxNumber {
		return 0, fmt.Errorf("%w: toggle %s is %v, and was asked for as an integer", TypeMismatch, r.Flag.Name(), r.Value)
	}
	return int64(f), nil
}

type viewKey struct{}

// With is a context with the toggles of a request, for what takes them from there.
func With(ctx context.Context, v *View) context.Context { return context.WithValue(ctx, viewKey{}, v) }

// From is the View that With has added, nil if there is none.
func From(ctx context.Context) *View {
	v, _ := ctx.Value(viewKey{}).(*View)
	return v
}
