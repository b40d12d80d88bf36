package replay

import "time"

// Sender sends requests and takes answers, on the thread of one worker, who calls all of it.
type Sender interface {
	// Room reports whether one more request can be sent now.
	Room() bool
	// Send sends a request, of which there is Room for; it copies what it needs of it. Report.Sent
	// and Report.Ended are called for it, at once or from Wait.
	Send(it *Item)
	// Wait waits for answers, for at most a time, and calls Report.Ended for them and for what is
	// overdue. It may return before, and does so when there is more to send than it has taken long.
	Wait(d time.Duration) error
	// InFlight is how many requests have not ended.
	InFlight() int
	// Close ends those as aborted, and gives everything back.
	Close()
}

// NewSender makes the Sender of one worker, with so many of the connections. clock is the time in ns
// from the beginning of the replay.
type NewSender func(connections int, timeout time.Duration, clock func() int64, r Report) (Sender, error)

// Report is what a Sender tells its worker.
type Report interface {
	// Sent says that a request has been written, or begun to be.
	Sent(it *Item, at int64)
	// Ended says what became of one. Neither is kept.
	Ended(it *Item, a *Answer)
}

// Answer is what became of a request.
type Answer struct {
	// Sent and Done are when it was sent and when the whole answer was there.
	Sent, Done int64
	// Cause is why there is none, and Err the text of it; Answered: there is one.
	Cause Cause
	Err   error

	Status int
	Size   int64  // of the whole body
	Body   []byte // the first Want.Copied bytes of it
	// Field is the value of a field, its name in lower case; nil: there is none.
	Field func(name string) []byte
}

// Cause is why a request has no answer.
type Cause int

// The causes.
const (
	Answered Cause = iota
	// Connect: the connection for it could not be opened.
	Connect
	// Reset: the connection ended before the answer was complete.
	Reset
	// Timeout: no complete answer in Options.Timeout.
	Timeout
	// Protocol: what came is no HTTP.
	Protocol
	// Refused: the bus didn't take it: no instance, or all of them have as much as they take.
	Refused
	// Failed: the instance answered with an error of the bus.
	Failed
	// Aborted: the replay ended before the answer.
	Aborted

	causes
)

var causeNames = [causes]string{"", "connect", "reset", "timeout", "protocol", "refused", "failed", "aborted"}

// String is a cause in a word.
func (c Cause) String() string { return causeNames[c] }

// Causes counts by cause.
type Causes [causes]uint64

// Total is the number of requests without an answer.
func (c *Causes) Total() (n uint64) {
	for _, v := range c[Connect:] {
		n += v
	}
	return n
}

// Map is the counts that are not 0, by name.
func (c *Causes) Map() map[string]uint64 {
	m := make(map[string]uint64)
	for i, n := range c {
		if i > 0 && n > 0 {
			m[Cause(i).String()] = n
		}
	}
	return m
}

func (c *Causes) add(o *Causes) {
	for i, n := range o {
		c[i] += n
	}
}
