package release

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nanofront/registry"
	"nanofront/release/guard"
)

// State is how far a release is.
type State string

// The states.
const (
	Running State = "running"
	Paused  State = "paused" // no next step; the guard stays on
	Done    State = "done"
	Back    State = "back" // as it was before
)

// Ended tells that nothing will happen any more.
func (s State) Ended() bool { return s == Done || s == Back }

// ErrRelease is wrapped by errors about a release that can't be as it is meant.
var ErrRelease = errors.New("release")

// Bounds.
const (
	MaxSteps   = 20
	MinEvery   = time.Second
	MaxLimit   = 7 * 24 * time.Hour
	LeastShare = 0.1 // per cent
)

// Release is the document of one.
type Release struct {
	ID       string            `json:"id"`
	Service  string            `json:"service"`
	Version  string            `json:"version"`
	Ramp     []float64         `json:"ramp"` // per cent
	Every    registry.Duration `json:"every"`
	Limit    registry.Duration `json:"limit"` // of a step whose guard can't tell
	Hold     bool              `json:"hold"`  // then, instead of going back
	Guard    string            `json:"guard"`
	Sticky   bool              `json:"sticky,omitempty"` // clients stay with a version
	By       string            `json:"by"`
	Started  time.Time         `json:"started"`
	State    State             `json:"state"`
	Why      string            `json:"why,omitempty"`
	Step     int               `json:"step"` // -1: none yet
	Next     bool              `json:"next,omitempty"`
	Acted    time.Time         `json:"acted,omitzero"`     // since when all terminators act on the step
	Revision int64             `json:"revision,omitempty"` // of the routes, of the step; 0: that of the record
	Before   map[string]int    `json:"before,omitempty"`   // the shares before the release
	Shares   map[string]int    `json:"shares,omitempty"`   // as last written
	Steps    []Step            `json:"steps,omitempty"`

	record registry.Record
}

// Step is a change of the shares, or of the state, that has happened.
type Step struct {
	At      time.Time      `json:"at"`
	By      string         `json:"by"`
	What    string         `json:"what"`
	Why     string         `json:"why,omitempty"`
	Shares  map[string]int `json:"shares,omitempty"`
	Figures []guard.Figure `json:"figures,omitempty"`
}

// Records have these prefixes.
const (
	documents = "doc/"
	guards    = "guard/"
)

// ParseRamp reads shares in per cent, as in 1,5,25,100.
func ParseRamp(list []float64) error {
	if len(list) == 0 || len(list) > MaxSteps {
		return fmt.Errorf("%w: a ramp of %d steps: want 1 to %d", ErrRelease, len(list), MaxSteps)
	}
	last := 0.0
	for _, p := range list {
		if !(p >= LeastShare && p <= 100) {
			return fmt.Errorf("%w: ramp: %v %%: want %v to 100", ErrRelease, p, LeastShare)
		}
		if p <= last {
			return fmt.Errorf("%w: ramp: %v %% after %v %%: want rising shares", ErrRelease, p, last)
		}
		last = p
	}
	return nil
}

// Validate reports what is wrong.
func (r *Release) Validate() error {
	if err := ParseRamp(r.Ramp); err != nil {
		return err
	}
	if e, l := time.Duration(r.Every), time.Duration(r.Limit); e < MinEvery || l < e || l > MaxLimit {
		return fmt.Errorf("%w: every %v with a limit of %v: want %v at the least, and a limit from that to %v", ErrRelease, e, l, MinEvery, MaxLimit)
	}
	spec, err := guard.Parse(r.Guard)
	if err != nil {
		return err
	}
	if spec.Diff != (guard.Lines{}) {
		return fmt.Errorf("%w: guard: diff: nothing compares answers while a release runs; want errors and p99", ErrRelease)
	}
	return nil
}

func read(rec registry.Record) (*Release, error) {
	r := new(Release)
	if err := json.Unmarshal(rec.Value, r); err != nil {
		return nil, fmt.Errorf("%w: record %s: %w", ErrRelease, rec.ID, err)
	}
	if r.Revision == 0 {
		r.Revision = rec.Revision
	}
	if rec.ID != documents+r.ID || r.Validate() != nil || r.Step < -1 || r.Step >= len(r.Ramp) {
		return nil, fmt.Errorf("%w: record %s isn't valid", ErrRelease, rec.ID)
	}
	r.record = rec
	return r, nil
}

func (r *Release) write() (registry.Record, error) {
	value, err := json.Marshal(r)
	return registry.Record{ID: documents + r.ID, Value: value, Revision: r.record.Revision}, err
}

// note adds what has happened.
func (r *Release) note(s Step) {
	s.At = time.Now().UTC()
	r.Steps = append(r.Steps, s)
	if len(r.Steps) > 4*MaxSteps {
		r.Steps = slices.Delete(r.Steps, 1, 2)
	}
}

// Share is what of the requests the new version gets at present, 0 to 1.
func (r *Release) Share() float64 {
	sum := 0
	for _, n := range r.Shares {
		sum += n
	}
	if sum == 0 || r.Step < 0 {
		return 0
	}
	return float64(r.Shares[r.Version]) / float64(sum)
}

// shares gives the version so many per cent, and leaves the others theirs among each other.
func shares(before map[string]int, version string, percent float64) map[string]int {
	if percent >= 100 {
		return map[string]int{version: 100}
	}
	var others []string
	sum := 0
	for v, n := range before {
		if v != version && n > 0 {
			others = append(others, v)
			sum += n
		}
	}
	scale := 1.0
	if percent != float64(int(percent)) || len(others) > 1 {
		scale = 1000
	}
	out := map[string]int{version: int(percent*scale + 0.5)}
	left := int(100*scale) - out[version]
	for _, v := range others {
		out[v] = int(float64(left)*float64(before[v])/float64(sum) + 0.5)
	}
	return out
}

// before finds the shares that a release starts from: those of the document, or, where it has none,
// all for the one version that runs.
func before(doc *registry.Routes, instances []registry.Instance, service, version string) (map[string]int, error) {
	running := make(map[string]bool)
	for _, in := range instances {
		if in.Service == service {
			running[in.Version] = true
		}
	}
	if !running[version] {
		have := slices.Sorted(maps.Keys(running))
		return nil, fmt.Errorf("%w: no instance of %s runs version %s (running: %s): start one first", ErrRelease, service, version, orNone(have))
	}
	if rule := doc.Rule(service); rule != nil && len(rule.Versions) > 0 {
		if rule.Versions[version] > 0 {
			return nil, fmt.Errorf("%w: version %s of %s has a share already: %s", ErrRelease, version, service, words(rule.Versions))
		}
		return maps.Clone(rule.Versions), nil
	}
	delete(running, version)
	old := slices.Sorted(maps.Keys(running))
	if len(old) != 1 {
		return nil, fmt.Errorf("%w: the routes don't say which version of %s has the traffic now, and beside %s there run: %s; say it by versions in the routes document", ErrRelease, service, version, orNone(old))
	}
	if old[0] == "" {
		return nil, fmt.Errorf("%w: the instances of %s that have the traffic now give no version: start them with --service-version, one after the other", ErrRelease, service)
	}
	return map[string]int{old[0]: 100}, nil
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	list = slices.Clone(list)
	for i := range list {
		if list[i] == "" {
			list[i] = "one without a name"
		}
	}
	return strings.Join(list, ", ")
}

// words says shares in plain words.
func words(shares map[string]int) string {
	sum := 0
	for _, n := range shares {
		sum += n
	}
	var parts []string
	for _, v := range slices.Sorted(maps.Keys(shares)) {
		parts = append(parts, fmt.Sprintf("%s %.4g %%", v, 100*float64(shares[v])/float64(max(sum, 1))))
	}
	if parts == nil {
		return "not shared out"
	}
	return strings.Join(parts, ", ")
}

// Words says the shares of a release's present step.
func (r *Release) Words() string { return words(r.Shares) }

// sticky reports whether the service's clients stay with a version.
func sticky(doc *registry.Routes, service string) bool {
	rule := doc.Rule(service)
	return rule != nil && rule.Sticky != ""
}

// setShares writes the service's shares into the document.
func setShares(doc *registry.Routes, service string, shares map[string]int) {
	doc.Upgrade()
	if rule := doc.Rule(service); rule != nil {
		rule.Versions = maps.Clone(shares)
		return
	}
	doc.Rules = append(doc.Rules, registry.ServiceRules{Name: service, Versions: maps.Clone(shares)})
}
