package registry

import "time"

// Note says who changed the routes document, and why.
type Note struct {
	By      string    `json:"by"`
	Why     string    `json:"why,omitempty"`
	Release string    `json:"release,omitempty"` // the id of the release that it is a step of
	At      time.Time `json:"at"`
}

// Past is a revision of the routes document that was in force, or is.
type Past struct {
	Note
	Revision int64   `json:"revision"`
	After    int64   `json:"after"` // the revision before it, 0 for none
	Routes   *Routes `json:"-"`
}

// Record is something that is kept beside the routes document, as it was written.
type Record struct {
	ID       string
	Value    []byte
	Revision int64 // 0: there is none yet
}
