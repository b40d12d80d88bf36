package toggles

import (
	"encoding/json"
	"net/http"
)

// StatusPath is where a process with toggles shows its Status at its admin port.
const StatusPath = "/toggles.json"

// Status is what a process has of toggles.
type Status struct {
	// Revision is that of the last change of toggles; Seen is up to which all changes have come.
	Revision int64             `json:"revision"`
	Seen     int64             `json:"seen"`
	Toggles  int               `json:"toggles"`
	Stale    bool              `json:"stale"`
	Degraded string            `json:"degraded,omitempty"`
	Faults   map[string]string `json:"faults,omitempty"`
}

// Status is what the Store has.
func (s *Store) Status() Status {
	seen, set := s.seen.Load(), s.Current()
	st := Status{Revision: set.revision, Seen: seen, Toggles: set.count, Stale: s.Stale(), Degraded: s.Degraded()}
	for name, f := range set.faults {
		if st.Faults == nil {
			st.Faults = make(map[string]string)
		}
		st.Faults[name] = f.err.Error()
	}
	return st
}

// ServeHTTP implements http.Handler: the Status as JSON, for an admin port.
func (s *Store) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.Status()) // a client that went away
}
