package collect

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"nanofront/internal/dash/view"
)

const (
	// maxReleases and maxToggles are how many are shown.
	maxReleases = 10
	maxToggles  = 12
	// maxToggleEvents is how many toggles are named that one look finds changed.
	maxToggleEvents = 5
)

// Rollout is what is known of releases and toggles: what people change while everything runs. Its
// exported methods may be called from any goroutine.
type Rollout struct {
	pending struct {
		sync.Mutex
		releases []view.Release // nil: nothing new
		toggles  []view.Toggle
		toggled  bool
	}

	releases []view.Release // newest first; nil before they are known
	toggles  map[string]view.Toggle
	latest   []view.Toggle
}

// teller takes an event.
type teller func(kind, subject, text string, level view.Level)

// SetReleases hands in all releases, oldest first.
func (r *Rollout) SetReleases(list []view.Release) {
	r.pending.Lock()
	defer r.pending.Unlock()
	r.pending.releases = append([]view.Release{}, list...)
	for i := range r.pending.releases {
		r.pending.releases[i].HowFar = r.pending.releases[i].Words()
	}
}

// SetToggles hands in toggles that have changed. The first of them are those that there were; one
// that is Gone was deleted.
func (r *Rollout) SetToggles(changed []view.Toggle) {
	r.pending.Lock()
	defer r.pending.Unlock()
	r.pending.toggles, r.pending.toggled = append(r.pending.toggles, changed...), true
}

// take takes over what was handed in.
func (r *Rollout) take(tell teller) {
	r.pending.Lock()
	releases, toggles, toggled := r.pending.releases, r.pending.toggles, r.pending.toggled
	r.pending.releases, r.pending.toggles, r.pending.toggled = nil, nil, false
	r.pending.Unlock()
	if releases != nil {
		r.takeReleases(releases, tell)
	}
	if toggled {
		r.takeToggles(toggles, tell)
	}
}

// takeReleases tells of each release's steps.
func (r *Rollout) takeReleases(list []view.Release, tell teller) {
	was := make(map[string]view.Release, len(r.releases))
	for _, one := range r.releases {
		was[one.ID] = one
	}
	first := r.releases == nil
	r.releases = slices.Clone(list)
	slices.Reverse(r.releases)
	for _, one := range list {
		before, had := was[one.ID]
		if first || had && before.State == one.State && before.Step == one.Step {
			continue
		}
		text := fmt.Sprintf("release %s of %s to %s: %s", one.ID, one.Service, cmp.Or(one.Version, "one without a name"), one.HowFar)
		if one.Why != "" {
			text += ": " + one.Why
		}
		tell("release", one.Service, text, one.Level)
	}
}

// takeToggles tells of toggles that have changed.
func (r *Rollout) takeToggles(changed []view.Toggle, tell teller) {
	first := r.toggles == nil
	if first {
		r.toggles = make(map[string]view.Toggle)
	}
	told := 0
	for _, t := range changed {
		before, had := r.toggles[t.Name]
		var text string
		switch {
		case t.Gone:
			delete(r.toggles, t.Name)
			text = "deleted"
		case !had:
			text = "new, " + t.Value
		case before.Value != t.Value:
			text = t.Value + ", was " + before.Value
		default:
			text = "its definition has changed"
		}
		if !t.Gone {
			r.toggles[t.Name] = t
		}
		if first {
			continue
		}
		if told++; told <= maxToggleEvents {
			tell("toggle", t.Name, "toggle "+t.Name+": "+text, view.Intended)
		}
	}
	if told > maxToggleEvents {
		tell("toggle", "toggles", fmt.Sprintf("and %d more toggles changed", told-maxToggleEvents), view.Intended)
	}
	r.latest = r.latest[:0:0] // views have the old one
	for _, t := range r.toggles {
		r.latest = append(r.latest, t)
	}
	slices.SortFunc(r.latest, func(a, b view.Toggle) int {
		return cmp.Or(cmp.Compare(b.Revision, a.Revision), cmp.Compare(a.Name, b.Name))
	})
	r.latest = slices.Clone(r.latest[:min(len(r.latest), maxToggles)])
}

// show puts it into a view.
func (r *Rollout) show(v *view.View) {
	v.Releases = append([]view.Release{}, r.releases[:min(len(r.releases), maxReleases)]...)
	v.Toggles = view.Toggles{Count: len(r.toggles), Latest: append([]view.Toggle{}, r.latest...)}
}
