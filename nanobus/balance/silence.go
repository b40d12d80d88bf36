package balance

import "time"

// Silence is for how long a target has said nothing while requests were under way there. It is told
// by looks, of which each counts for no longer than it was planned to come after the one before: of
// what made a look late (the process was stopped, the machine was away) no target is to blame.
type Silence struct {
	heard int64         // when the target last said something, as of the last look
	under bool          // requests were under way at the last look
	quiet time.Duration // for how long it has been silent
	asked int64         // when it was asked for a sign of life; 0: not yet in this silence
	well  int64         // since when it has not been silent for long
}

// Verdict is what a look at a target finds.
type Verdict uint8

const (
	Fine   Verdict = iota // it has spoken lately, or there is nothing to speak of
	Ask                   // it is to be asked for a sign of life, and the others with it
	Silent                // it has been silent for longer than its limit, and was asked
)

// Look takes note of when the target last said something, and whether requests are under way there.
// passed is for how long the look counts, limit how long the target may be silent.
func (s *Silence) Look(now, heard int64, under bool, passed, limit time.Duration) Verdict {
	if heard != s.heard || !under || !s.under {
		if s.asked != 0 {
			s.well = now
		}
		s.heard, s.under, s.quiet, s.asked = heard, under, 0, 0
		return Fine
	}
	s.quiet += passed
	switch {
	case s.asked == 0 && s.quiet >= limit/2:
		s.Again(now, limit)
		return Ask
	case s.asked != 0 && s.quiet > limit:
		return Silent
	default:
		return Fine
	}
}

// Again has the target be asked once more, as nobody testifies that it is the silent one: it has
// the second half of its limit again.
func (s *Silence) Again(now int64, limit time.Duration) { s.quiet, s.asked = limit/2, now }

// Heard is when the target last said something, as of the last look.
func (s *Silence) Heard() int64 { return s.heard }

// Suspected says that the target was asked for a sign of life and has given none yet.
func (s *Silence) Suspected() bool { return s.asked != 0 }

// Testifies reports whether a target shows that the other one is silent by itself: it was heard
// after that was asked, and has not just come out of a silence of its own. If all fall silent
// together, it is the machine, or us; and when they come back, those who speak first don't speak
// against the others.
func (s *Silence) Testifies(other *Silence, now int64, limit time.Duration) bool {
	return s.asked == 0 && s.heard > other.asked && (s.well == 0 || now-s.well > int64(limit))
}
