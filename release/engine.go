package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nanofront/registry"
	"nanofront/release/guard"
)

// Store is where releases and routes are: etcd.
type Store interface {
	Routes(ctx context.Context) (doc *registry.Routes, raw []byte, rev int64, err error)
	Instances(ctx context.Context) ([]registry.Instance, error)
	Processes(ctx context.Context) ([]registry.Process, error)
	History(ctx context.Context) ([]registry.Past, error)
	Releases(ctx context.Context, prefix string) ([]registry.Record, error)
	// PutRelease writes a record if it is at its revision, or whatever there is.
	PutRelease(ctx context.Context, r registry.Record, whatever bool) (rev int64, err error)
	DropReleases(ctx context.Context, ids ...string) error
	// CommitRoutes writes the document and the record together, if both are at the revisions that
	// were read.
	CommitRoutes(ctx context.Context, doc *registry.Routes, expect int64, note registry.Note, r *registry.Record) (rev int64, err error)
}

const (
	lookEvery = time.Second
	idleEvery = 3 * time.Second // while no release runs
	saveEvery = 10 * time.Second
	// lostAfter is for how long a version may have no instance before its release goes back: a
	// restart takes less.
	lostAfter = 3 * time.Second
	// stale is after how long without requests of the new version nothing is known of it.
	stale = 10 * time.Second
	// MaxKept is how many releases that have ended are kept.
	MaxKept = 50
)

// leader is who signs what the engine does by itself.
const leader = "guard"

// Engine carries releases on. It is for one goroutine.
type Engine struct {
	store Store
	look  Looker
	say   func(r *Release, text string)
	now   func() time.Time
	live  map[string]*watched
}

// watched is what the engine knows of a release besides its document.
type watched struct {
	guard   *guard.Guard
	step    int // that the guard knows
	saved   time.Time
	lost    time.Time // since when the version has no instance
	verdict guard.Decision
	said    string
}

// Saved is what a leader leaves behind of a running release, for the next one and for people.
type Saved struct {
	At       time.Time       `json:"at"`
	Step     int             `json:"step"`
	Decision guard.Decision  `json:"decision"`
	Waits    string          `json:"waits,omitempty"`
	Guard    json.RawMessage `json:"guard"`
}

// NewEngine makes one. say, if it isn't nil, is told what happens.
func NewEngine(store Store, say func(r *Release, text string)) *Engine {
	if say == nil {
		say = func(*Release, string) {}
	}
	return &Engine{store: store, look: Looker{Processes: store.Processes}, say: say, now: time.Now, live: make(map[string]*watched)}
}

// Run carries releases on until ctx ends, whenever this process leads.
func (e *Engine) Run(ctx context.Context, leads func() bool) {
	for ctx.Err() == nil {
		began, wait := time.Now(), idleEvery
		switch {
		case !leads():
			clear(e.live) // another leads meanwhile, and writes down what it knows
			e.look.last = nil
			wait = lookEvery
		case e.Tick(ctx):
			wait = lookEvery
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait - time.Since(began)):
		}
	}
}

// Tick looks at all once, and reports whether any release runs. What fails is tried again at the
// next one.
func (e *Engine) Tick(ctx context.Context) (running bool) {
	list, err := List(ctx, e.store)
	if err != nil {
		return len(e.live) > 0
	}
	var ended []*Release
	active := list[:0]
	for _, r := range list {
		if r.State.Ended() {
			ended = append(ended, r)
			delete(e.live, r.ID)
		} else {
			active = append(active, r)
		}
	}
	for len(ended) > MaxKept {
		_ = e.store.DropReleases(ctx, ended[0].record.ID, guards+ended[0].ID) // else the next time
		ended = ended[1:]
	}
	if len(active) == 0 {
		e.look.last = nil
		return false
	}
	fronts := e.look.Look(ctx)
	fronts.At = e.now()
	instances, err := e.store.Instances(ctx)
	for _, r := range active {
		if ctx.Err() != nil {
			break
		}
		w := e.watched(ctx, r)
		if err == nil {
			w.count(r, instances, e.now())
		}
		if err := e.advance(ctx, r, w, fronts); err != nil && !errors.Is(err, errAgain) {
			e.tell(r, w, err.Error())
		}
	}
	return true
}

// errAgain tells that somebody else has changed something: the next tick reads it.
var errAgain = errors.New("changed meanwhile")

// watched is what is known of the release, or was by the leader before.
func (e *Engine) watched(ctx context.Context, r *Release) *watched {
	w := e.live[r.ID]
	if w == nil {
		w = &watched{step: -1, saved: e.now()}
		if list, err := e.store.Releases(ctx, guards+r.ID); err == nil && len(list) == 1 {
			var s Saved
			g := new(guard.Guard)
			if json.Unmarshal(list[0].Value, &s) == nil && json.Unmarshal(s.Guard, g) == nil {
				w.guard, w.step, w.verdict = g, s.Step, s.Decision
			}
		}
		e.live[r.ID] = w
	}
	if w.guard == nil {
		spec, _ := guard.Parse(r.Guard) // it was valid when it was read
		w.guard = guard.New(spec, guard.Options{Sticky: r.Sticky})
	}
	if w.step != r.Step {
		w.guard.Step(r.Share())
		w.step = r.Step
	}
	return w
}

// count sees whether anybody runs the new version.
func (w *watched) count(r *Release, instances []registry.Instance, now time.Time) {
	if slices.ContainsFunc(instances, func(in registry.Instance) bool { return in.Service == r.Service && in.Version == r.Version }) {
		w.lost = time.Time{}
	} else if w.lost.IsZero() {
		w.lost = now
	}
}

func (e *Engine) tell(r *Release, w *watched, text string) {
	if w.said != text {
		w.said = text
		e.say(r, text)
	}
}

// advance does what is to be done now.
func (e *Engine) advance(ctx context.Context, r *Release, w *watched, fronts *Fronts) error {
	if r.Step < 0 {
		if r.State == Paused {
			return nil
		}
		return e.step(ctx, r, w, leader, "the release begins")
	}
	var old []string
	for v, n := range r.Before {
		if v != r.Version && n > 0 {
			old = append(old, v)
		}
	}
	slices.Sort(old)
	w.guard.Observe(fronts.second(r.Service, r.Version, old))
	w.verdict = w.guard.Decide()
	switch {
	case w.verdict.Verdict == guard.Back:
		return e.back(ctx, r, w, leader, w.verdict.Why)
	case !w.lost.IsZero() && e.now().Sub(w.lost) > lostAfter:
		return e.back(ctx, r, w, leader, fmt.Sprintf("no instance of %s runs version %s any more", r.Service, r.Version))
	}
	waits, err := e.onward(ctx, r, w, fronts)
	if err != nil {
		return err
	}
	if waits != "" {
		e.tell(r, w, waits)
	}
	if e.now().Sub(w.saved) >= saveEvery {
		w.saved = e.now()
		e.save(ctx, r, w, waits)
	}
	return nil
}

// onward goes on if it may, or says what is waited for.
func (e *Engine) onward(ctx context.Context, r *Release, w *watched, fronts *Fronts) (waits string, err error) {
	if behind := fronts.Behind(r.Revision); r.Acted.IsZero() {
		if len(behind) > 0 || !fronts.Any() {
			return "until all terminators act on revision " + fmt.Sprint(r.Revision) + ": " + orNone(behind), nil
		}
		r.Acted = e.now().UTC()
		return "", e.put(ctx, r)
	}
	last := r.Step == len(r.Ramp)-1
	if r.Next && !last {
		r.Next = false
		return "", e.step(ctx, r, w, r.Steps[len(r.Steps)-1].By, "told to go on")
	}
	if r.State == Paused {
		return "paused", nil
	}
	lasted := e.now().Sub(r.Acted)
	if lasted < time.Duration(r.Every) {
		return fmt.Sprintf("step %d of %d: %s", r.Step+1, len(r.Ramp), r.Words()), nil
	}
	var blind string
	switch {
	case !fronts.Any() || len(fronts.Silent) > 0:
		blind = "blind: no figures from " + orNone(fronts.Behind(0))
	case w.guard.Idle(fronts.At.Unix()) > int64(stale/time.Second):
		blind = "blind: no requests of version " + r.Version
	}
	switch {
	case blind == "" && last && r.Ramp[r.Step] >= 100:
		return "", e.done(ctx, r, w, "all of the requests, and no breach")
	case blind == "" && last && w.verdict.Verdict == guard.Go:
		return "", e.done(ctx, r, w, w.verdict.Why)
	case blind == "" && w.verdict.Verdict == guard.Go:
		return "", e.step(ctx, r, w, leader, w.verdict.Why)
	}
	waits = w.verdict.Why
	if blind != "" {
		waits = blind
	}
	if lasted < time.Duration(r.Limit) {
		return waits, nil
	}
	why := fmt.Sprintf("nothing sure after %v: %s", time.Duration(r.Limit), waits)
	if r.Hold {
		r.State, r.Why = Paused, why
		r.note(Step{By: leader, What: "held", Why: why, Figures: w.verdict.Figures})
		e.tell(r, w, "held: "+why)
		return "", e.put(ctx, r)
	}
	return "", e.back(ctx, r, w, leader, why)
}

func (e *Engine) save(ctx context.Context, r *Release, w *watched, waits string) {
	state, err := json.Marshal(w.guard)
	if err != nil {
		return
	}
	value, err := json.Marshal(Saved{At: time.Now().UTC(), Step: w.step, Decision: w.verdict, Waits: waits, Guard: state})
	if err == nil {
		_, _ = e.store.PutRelease(ctx, registry.Record{ID: guards + r.ID, Value: value}, true) // else the next time
	}
}

func (e *Engine) put(ctx context.Context, r *Release) error { return put(ctx, e.store, r) }

func put(ctx context.Context, store Store, r *Release) error {
	rec, err := r.write()
	if err != nil {
		return err
	}
	_, err = store.PutRelease(ctx, rec, false)
	return err
}

// step gives the new version its next share.
func (e *Engine) step(ctx context.Context, r *Release, w *watched, by, why string) error {
	doc, _, rev, err := e.store.Routes(ctx)
	if err != nil {
		return err
	}
	if doc == nil {
		return fmt.Errorf("%w: there are no routes", ErrRelease)
	}
	if r.Step < 0 {
		instances, err := e.store.Instances(ctx)
		if err != nil {
			return err
		}
		r.Sticky = sticky(doc, r.Service)
		if r.Before, err = before(doc, instances, r.Service, r.Version); err != nil {
			return e.end(ctx, r, Back, leader, err.Error(), nil)
		}
	} else if err := unedited(doc, r); err != nil {
		r.State, r.Why = Paused, err.Error()
		r.note(Step{By: leader, What: "held", Why: err.Error()})
		e.tell(r, w, "held: "+err.Error())
		return e.put(ctx, r)
	}
	doc = doc.Clone()
	r.Step++
	r.Shares = shares(r.Before, r.Version, r.Ramp[r.Step])
	r.Acted, r.Revision = time.Time{}, 0
	what := fmt.Sprintf("step %d of %d: %s", r.Step+1, len(r.Ramp), r.Words())
	r.note(Step{By: by, What: what, Why: why, Shares: r.Shares, Figures: w.verdict.Figures})
	setShares(doc, r.Service, r.Shares)
	if err := commit(ctx, e.store, doc, rev, r, by, what+" ("+why+")"); err != nil {
		return err
	}
	e.tell(r, w, what+": "+why)
	w.guard.Step(r.Share())
	w.step = r.Step
	e.save(ctx, r, w, "")
	return nil
}

// unedited is an error if somebody else has changed the shares since the release's last step.
func unedited(doc *registry.Routes, r *Release) error {
	var now map[string]int
	if rule := doc.Rule(r.Service); rule != nil {
		now = rule.Versions
	}
	if words(now) != words(r.Shares) {
		return fmt.Errorf("%w: somebody has changed the versions of %s since: %s, and not %s", ErrRelease, r.Service, words(now), words(r.Shares))
	}
	return nil
}

// commit writes document and release together.
func commit(ctx context.Context, store Store, doc *registry.Routes, rev int64, r *Release, by, why string) error {
	rec, err := r.write()
	if err != nil {
		return err
	}
	at, err := store.CommitRoutes(ctx, doc, rev, registry.Note{By: by, Why: why, Release: r.ID}, &rec)
	if err != nil {
		return err
	}
	rec.Revision = at
	r.record, r.Revision = rec, at
	return nil
}

func (e *Engine) back(ctx context.Context, r *Release, w *watched, by, why string) error {
	err := goBack(ctx, e.store, r, by, why, w.verdict.Figures)
	if err == nil {
		e.tell(r, w, "back: "+why)
	}
	return err
}

// goBack ends a release with the shares that were before it, in one revision.
func goBack(ctx context.Context, store Store, r *Release, by, why string, figures []guard.Figure) error {
	if r.Step < 0 {
		return end(ctx, store, r, Back, by, why, figures)
	}
	doc, _, rev, err := store.Routes(ctx)
	if err != nil {
		return err
	}
	if doc == nil {
		return fmt.Errorf("%w: there are no routes", ErrRelease)
	}
	if err := unedited(doc, r); err != nil {
		return end(ctx, store, r, Back, by, why+"; the shares are left as they are: "+err.Error(), figures)
	}
	doc = doc.Clone()
	r.Shares = r.Before
	r.State, r.Why, r.Acted, r.Revision = Back, why, time.Time{}, 0
	r.note(Step{By: by, What: "back to " + words(r.Before), Why: why, Shares: r.Before, Figures: figures})
	setShares(doc, r.Service, r.Before)
	return commit(ctx, store, doc, rev, r, by, "back to "+words(r.Before)+" ("+why+")")
}

func (e *Engine) end(ctx context.Context, r *Release, s State, by, why string, figures []guard.Figure) error {
	e.say(r, string(s)+": "+why)
	return end(ctx, e.store, r, s, by, why, figures)
}

func end(ctx context.Context, store Store, r *Release, s State, by, why string, figures []guard.Figure) error {
	r.State, r.Why = s, why
	r.note(Step{By: by, What: string(s), Why: why, Figures: figures})
	return put(ctx, store, r)
}

func (e *Engine) done(ctx context.Context, r *Release, w *watched, why string) error {
	e.tell(r, w, "done: "+why)
	return end(ctx, e.store, r, Done, leader, why, w.verdict.Figures)
}

// List lists all releases, the oldest first.
func List(ctx context.Context, store Store) ([]*Release, error) {
	records, err := store.Releases(ctx, documents)
	if err != nil {
		return nil, err
	}
	var list []*Release
	for _, rec := range records {
		if r, err := read(rec); err == nil {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b *Release) int {
		if c := a.Started.Compare(b.Started); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list, nil
}
