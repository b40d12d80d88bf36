package recording

import (
	"errors"
	"fmt"
	"time"
)

// Version is the revision of the format that is written. Readers refuse later ones.
const Version = 1

// Errors that a file is refused for.
var (
	// ErrMalformed: bytes that are not what docs/recording.md says.
	ErrMalformed = errors.New("recording: malformed")
	// ErrVersion: a revision of the format that isn't known here.
	ErrVersion = errors.New("recording: written by a later version of nanofront")
	// ErrExpired: a recording that is not to be read any more.
	ErrExpired = errors.New("recording: expired")
)

// Header says what a recording is of. Its names in JSON are part of the format.
type Header struct {
	Created time.Time `json:"created"`
	// Expires is when readers begin to refuse the file.
	Expires time.Time `json:"expires"`
	Program string    `json:"program,omitempty"` // version of the build that has recorded
	System  string    `json:"system,omitempty"`  // the name that the system goes by

	// Share is how many of all requests were to be recorded, above 0, up to 1.
	Share float64 `json:"share"`
	// Services and Routes are what it was narrowed to; empty: all.
	Services []string `json:"services,omitempty"`
	Routes   []string `json:"routes,omitempty"`

	// KeyID names the key of the pseudonyms, and says nothing about it.
	KeyID string `json:"key_id"`
	// KeyKept: the key is in somebody's file, who can compare with what he knows. Else it was thrown
	// away.
	KeyKept bool `json:"key_kept,omitempty"`
	// Paths is how much of a path was replaced.
	Paths Paths `json:"paths"`
	// KeptFields and KeptQuery are the names of fields and of query parameters whose values were
	// kept besides those that always are.
	KeptFields []string `json:"kept_fields,omitempty"`
	KeptQuery  []string `json:"kept_query,omitempty"`
	// KeptIDs: request and trace ids are as they were.
	KeptIDs bool `json:"kept_ids,omitempty"`
}

// check reports what a header lacks.
func (h *Header) check() error {
	switch {
	case h.Created.IsZero() || !h.Expires.After(h.Created):
		return fmt.Errorf("recording: expires %s, created %s: want a time after that", h.Expires.Format(time.RFC3339), h.Created.Format(time.RFC3339))
	case !(h.Share > 0 && h.Share <= 1): // not so for NaN
		return fmt.Errorf("recording: share %v: want above 0, up to 1", h.Share)
	case h.KeyID == "":
		return errors.New("recording: no key's id")
	}
	return nil
}

// Expired reports whether the recording is not to be read any more.
func (h *Header) Expired(now time.Time) bool { return !now.Before(h.Expires) }

// Lost is what a recording lacks, and why.
type Lost struct {
	Tap        uint64 `json:"tap"`        // copies of frames that instances have dropped
	Here       uint64 `json:"here"`       // and that the recorder has
	Unanswered uint64 `json:"unanswered"` // records without an answer, which was not seen in time
	Unasked    uint64 `json:"unasked"`    // answers without a record, as the request was not seen
	Cut        uint64 `json:"cut"`        // records whose bodies were not copied whole
	Refused    uint64 `json:"refused"`    // requests without a record: not HTTP, or not copied far enough
}

// Summary is what is known at the end.
type Summary struct {
	Ended   time.Time `json:"ended"`
	Records uint64    `json:"records"`
	Blocks  uint64    `json:"blocks"`
	First   int64     `json:"first_ns"` // of the records, as Record.At
	Last    int64     `json:"last_ns"`
	Lost    Lost      `json:"lost"`
	// Why it ended: a word or two.
	Why string `json:"why,omitempty"`
}
