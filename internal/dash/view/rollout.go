package view

import "fmt"

// Release is a version of a service that gets its traffic in steps.
type Release struct {
	ID      string `json:"id"`
	Service string `json:"service"`
	Version string `json:"version"`
	State   string `json:"state"` // running, paused, done or back
	Step    int    `json:"step"`  // from 1; 0: none yet
	Steps   int    `json:"steps"`
	Shares  string `json:"shares"`  // of all versions, in words
	HowFar  string `json:"how_far"` // Words, which the collector sets
	Why     string `json:"why,omitempty"`
	Started int64  `json:"started_ms"`
	Level   Level  `json:"level"`
}

// Words says how far it is.
func (r *Release) Words() string {
	switch {
	case r.State == "done":
		return "has all of the traffic"
	case r.State == "back":
		return "went back"
	case r.Step == 0:
		return "begins"
	case r.State == "paused":
		return fmt.Sprintf("held at step %d of %d, %s", r.Step, r.Steps, r.Shares)
	}
	return fmt.Sprintf("step %d of %d, %s", r.Step, r.Steps, r.Shares)
}

// Toggles are the system's.
type Toggles struct {
	Count  int      `json:"count"`
	Latest []Toggle `json:"latest"` // changed last
}

// Toggle is one of them.
type Toggle struct {
	Name     string `json:"name"`
	Value    string `json:"value"` // its variant, in words
	Revision int64  `json:"revision"`
	Gone     bool   `json:"-"`
}
