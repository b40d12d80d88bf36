package release

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"nanofront/registry"
)

// Start registers a release: whoever leads begins it.
func Start(ctx context.Context, store Store, r *Release) error {
	r.Started, r.State, r.Step = time.Now().UTC(), Running, -1
	if err := r.Validate(); err != nil {
		return err
	}
	list, err := List(ctx, store)
	if err != nil {
		return err
	}
	n := 1
	for _, other := range list {
		if other.Service != r.Service {
			continue
		}
		if !other.State.Ended() {
			return fmt.Errorf("%w: %s of %s is %s: end it first with nanofront release abort %s", ErrRelease, other.ID, r.Service, other.State, other.ID)
		}
		var k int
		if _, err := fmt.Sscanf(other.ID[strings.LastIndexByte(other.ID, '-')+1:], "%d", &k); err == nil {
			n = max(n, k+1)
		}
	}
	doc, _, _, err := store.Routes(ctx)
	if err != nil {
		return err
	}
	if doc == nil {
		return fmt.Errorf("%w: there are no routes yet: add some with nanofront routes apply FILE", ErrRelease)
	}
	instances, err := store.Instances(ctx)
	if err != nil {
		return err
	}
	r.Sticky = sticky(doc, r.Service)
	if r.Before, err = before(doc, instances, r.Service, r.Version); err != nil {
		return err
	}
	// Two who start at once choose the same name, and one of them is refused.
	r.ID = fmt.Sprintf("%s-%d", r.Service, n)
	r.note(Step{By: r.By, What: "started", Why: r.Guard})
	return put(ctx, store, r)
}

// Find returns the release of that id, or the latest of that service.
func Find(ctx context.Context, store Store, name string) (*Release, error) {
	list, err := List(ctx, store)
	if err != nil {
		return nil, err
	}
	var found *Release
	for _, r := range list {
		if r.ID == name {
			return r, nil
		}
		if r.Service == name || name == "" {
			found = r
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%w: no release %q: see nanofront release status", ErrRelease, name)
	}
	return found, nil
}

// Order changes a release that runs: pause, resume, step, abort.
func Order(ctx context.Context, store Store, name, order, by string) (*Release, error) {
	r, err := Find(ctx, store, name)
	if err != nil {
		return nil, err
	}
	if r.State.Ended() {
		return nil, fmt.Errorf("%w: %s has ended (%s): nothing to %s", ErrRelease, r.ID, r.State, order)
	}
	switch order {
	case "pause":
		r.State = Paused
	case "resume":
		r.State, r.Why = Running, ""
		if !r.Acted.IsZero() {
			r.Acted = time.Now().UTC() // the step begins anew
		}
	case "step":
		if r.Step == len(r.Ramp)-1 {
			return nil, fmt.Errorf("%w: %s is at its last step", ErrRelease, r.ID)
		}
		r.Next = true
	case "abort":
		return r, goBack(ctx, store, r, by, "aborted by "+by, nil)
	}
	r.note(Step{By: by, What: order})
	return r, put(ctx, store, r)
}

// Known is what the leader says of a release that runs; nil for nothing.
func Known(ctx context.Context, store Store, r *Release) *Saved {
	list, err := store.Releases(ctx, guards+r.ID)
	for _, rec := range list {
		s := new(Saved)
		if err == nil && rec.ID == guards+r.ID && json.Unmarshal(rec.Value, s) == nil {
			return s
		}
	}
	return nil
}

// Rollback takes back what one revision of the routes document changed, or all that a release did.
func Rollback(ctx context.Context, store Store, what, by string) (lines []string, rev int64, err error) {
	history, err := store.History(ctx)
	if err != nil {
		return nil, 0, err
	}
	now, _, at, err := store.Routes(ctx)
	if err != nil {
		return nil, 0, err
	}
	// A release's steps may have others' revisions among them: its part of the document is all that
	// it has changed.
	var first, last *registry.Past
	byRevision := make(map[int64]*registry.Past)
	for i := range history {
		p := &history[i]
		byRevision[p.Revision] = p
		if what != "" && p.Release == what || fmt.Sprint(p.Revision) == what {
			if first == nil {
				first = p
			}
			last = p
		}
	}
	if what == "" && len(history) > 0 {
		last = &history[len(history)-1]
		first = last
	}
	if last == nil {
		return nil, 0, fmt.Errorf("%w: no revision and no release %q in the history, which keeps the last revisions: see nanofront release history", ErrRelease, what)
	}
	was := byRevision[first.After]
	if was == nil || was.Routes == nil || last.Routes == nil {
		return nil, 0, fmt.Errorf("%w: the revision before %d isn't kept: nothing to go back to", ErrRelease, first.Revision)
	}
	from, to := was.Routes, last.Routes
	if last.Release != "" && last.Release == what {
		r, err := Find(ctx, store, what)
		if err != nil {
			return nil, 0, err
		}
		if !r.State.Ended() {
			return nil, 0, fmt.Errorf("%w: %s is %s: abort it with nanofront release abort %s", ErrRelease, r.ID, r.State, r.ID)
		}
		// Of what lies between, its service's shares alone are the release's.
		from = to.Clone()
		setShares(from, r.Service, r.Before)
	}
	next, err := Undo(now, from, to)
	if err != nil {
		return nil, 0, err
	}
	rev, err = store.CommitRoutes(ctx, next, at, registry.Note{By: by, Why: "rollback of " + name(what, last)}, nil)
	return Diff(now, next), rev, err
}

func name(what string, last *registry.Past) string {
	if what == "" || what[0] >= '0' && what[0] <= '9' {
		return fmt.Sprintf("revision %d", last.Revision)
	}
	return what
}
