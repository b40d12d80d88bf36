package profile

import (
	"context"
	"errors"
)

// What a Store returns.
var (
	// ErrNotFound: there is no member of that id.
	ErrNotFound = errors.New("profile: no such member")
	// ErrConflict: the member has another version than the change is meant
	// for. What is returned wraps it in a *ConflictError.
	ErrConflict = errors.New("profile: the version is stale")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("profile: store closed")
	// ErrFailed: the store can't write any more, as when its disk is full.
	// Only a restart helps.
	ErrFailed = errors.New("profile: the store has failed")
)

// MaxCityIDs is the most ids that Store.City returns.
const MaxCityIDs = 200

// Store keeps members. It is safe for concurrent use.
type Store interface {
	// Read looks the ids up and calls each once for each of them, in their
	// order: i is the index in ids, doc is valid during the call. err is nil,
	// ErrNotFound, or says why this one can't be read, which has no bearing on
	// the others. Ids in ascending order are read fastest. After an error of
	// Read itself, the rest is not called.
	Read(ids []uint64, each func(i int, doc Document, err error)) error

	// Update changes one member: if its version satisfies cond, it is passed
	// to change, given the next version and the time of this as its last
	// seen, and written. It returns once that is as durable as the store was
	// opened to be. No two updates of one member overlap. The document
	// returned is the caller's. The error is ErrNotFound, a *ConflictError,
	// ctx's if that ended before anything was written, or what change
	// returned.
	Update(ctx context.Context, id uint64, cond Condition, change func(*Member) error) (Document, error)

	// City returns the ids of members in a city (upper and lower case are
	// the same), ascending, at most limit (1..MaxCityIDs).
	City(city string, limit int) ([]uint64, error)

	// Close ends the store. It must not be in use any more.
	Close() error
}

// Document is a member as readers get it.
type Document struct {
	// JSON is the member as a JSON object.
	JSON []byte
	// Version is the member's, also in JSON.
	Version uint64
	// LastSeen is in Unix seconds, also in JSON.
	LastSeen int64
	// City is the member's, percent-encoded as for a query.
	City []byte
}

// Condition says which versions a change is meant for. The zero value is none.
type Condition struct {
	Any      bool
	Versions []uint64
}

// Holds reports whether the change is meant for that version.
func (c Condition) Holds(version uint64) bool {
	if c.Any {
		return true
	}
	for _, v := range c.Versions {
		if v == version {
			return true
		}
	}
	return false
}

// ConflictError is an ErrConflict that knows the version there is.
type ConflictError struct{ Current uint64 }

// Error implements error.
func (e *ConflictError) Error() string { return ErrConflict.Error() }

// Unwrap makes it an ErrConflict.
func (e *ConflictError) Unwrap() error { return ErrConflict }
