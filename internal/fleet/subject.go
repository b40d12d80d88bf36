package fleet

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// Subject is a target, and what it said.
type Subject struct {
	Target

	// Report is what the process last said of itself, and Before what it had said before that; both
	// are empty at first. What follows is of the last answer, too.
	Report, Before *Report
	// Links are those that it has to others, if they were asked for.
	Links []Link
	// State is that of a front.
	State State
	// Slow are the slow requests that a front had since the last look, if they were asked for.
	Slow []Slow

	HeardAt time.Time // when it last answered; zero: never
	Err     error     // why it didn't answer the last time
	Partial error     // why it didn't say all that was asked, though it answered

	slowAfter float64 // the number of the last slow request that was told
}

// NewSubject makes a Subject that nobody has asked yet.
func NewSubject(t Target) *Subject {
	return &Subject{Target: t, Report: newReport(), Before: newReport()}
}

// Age is how old what it said is; a negative one if it never said anything.
func (s *Subject) Age(now time.Time) time.Duration {
	if s.HeardAt.IsZero() {
		return -1
	}
	return max(0, now.Sub(s.HeardAt))
}

// Refused reports whether nobody listens at its address any more.
func (s *Subject) Refused() bool { return errors.Is(s.Err, syscall.ECONNREFUSED) }

// Reason says why it doesn't answer, in few words.
func (s *Subject) Reason() string {
	switch {
	case s.Err == nil:
		return ""
	case s.Refused():
		return "nobody listens at its admin address"
	case os.IsTimeout(s.Err):
		return "no answer in time"
	}
	return s.Err.Error()
}
