package handlers

import (
	"context"
	"errors"
	"time"
)

// Memory remembers which writes have begun, and what they were answered. One that all instances of
// a service share, such as a table of a database, lets the front send a write with an
// Idempotency-Key to another instance when the first one is silent or has gone. Its methods may
// block, and are called from many goroutines. [Idempotency] says who uses it.
type Memory interface {
	// Name is the same in all processes that share the memory, and in no others: 1 to 255 bytes.
	Name() string
	// Claim notes, in one atomic step, that a write begins, unless one of this id is known: then it
	// returns what. It is asked again and again while that is under way. What it notes is kept
	// until the time given, whatever becomes of the process: a write whose process has died may
	// have been done, and is never begun anew before that. ErrMemoryFull: there is no room.
	Claim(ctx context.Context, id WriteID, payload PayloadSum, until time.Time) (Write, error)
	// Settle notes that the write has ended with this answer, of at most MaxRemembered bytes; with
	// nil what was answered isn't known.
	Settle(id WriteID, answer []byte) error
	// Forget drops the write: nothing was changed.
	Forget(id WriteID) error
}

// WriteID stands for method, host, path and Idempotency-Key of a request, and who has sent it.
type WriteID [32]byte

// PayloadSum stands for a request's query, type and body.
type PayloadSum [32]byte

// Write is what a Memory knows of a write.
type Write struct {
	State   WriteState
	Payload PayloadSum // it was begun with
	Answer  []byte     // of one that has ended; nil: it isn't known
}

// WriteState is how far a write is.
type WriteState uint8

// The states of a write.
const (
	WriteBegins   WriteState = iota // it was not known before, and is now the claimer's to do
	WriteUnderWay                   // somebody is at it, or was when his process died
	WriteEnded
)

// ErrMemoryFull: no further write can be remembered at the moment, so none may begin.
var ErrMemoryFull = errors.New("handlers: no room to remember a further write")

// MaxRemembered is the longest answer that is remembered, header included. Of a longer one only
// that there was one is.
const MaxRemembered = 64 << 10
