// Package tap is listening in on the frames that others exchange: what is asked
// for, which frames that means, and what comes of it. It knows no links; package
// nanobus makes the copies and takes them.
package tap

import (
	"fmt"
	"math"

	"nanofront/nanobus/wire"
)

const (
	// MaxCopied is the most of one frame's payload in bytes that is copied.
	MaxCopied = 1 << 16

	// Whole is the sample that stands for everything.
	Whole = 1_000_000

	// maxErrorText is what is copied of the text of an error response.
	maxErrorText = 1024
)

// Kinds are the kinds of frames that can be listened to, in the order of their
// numbers: all but tap itself.
func Kinds() []wire.Kind {
	var kinds []wire.Kind
	for _, k := range wire.Kinds() {
		if k != wire.KindTap {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// Options make a bus listen in: every instance that it is linked with
// (SetInstances, with EventsOnly) is asked for copies of the frames that it
// exchanges with its callers, again each time that the link comes up. For
// debugging; the instance may refuse (nanobus.Options.NoTap), and drops copies that are
// not read fast enough.
type Options struct {
	// Sample is the share of correlation ids whose frames are copied, to the
	// millionth. Above 0, up to 1; 0 means 1. Frames without an id are not
	// sampled.
	Sample float64
	// Kinds are the kinds of frames wanted, at least one.
	Kinds []wire.Kind
	// Payload is how many bytes of each request's, response's and event's
	// payload are copied, 0 to MaxCopied.
	Payload int
	// Copy gets the copies, State what instances say of the tap. They run on
	// the goroutines that read the links and must not block. State may be nil.
	Copy  func(Copy)
	State func(State)
}

// Validate reports what is wrong with the options. None at all are right.
func (o *Options) Validate() error {
	if o == nil {
		return nil
	}
	switch {
	case !(o.Sample >= 0 && o.Sample <= 1): // not so for NaN
		return fmt.Errorf("nanobus: tap with sample %v: want above 0, up to 1", o.Sample)
	case o.mask() == 0:
		return fmt.Errorf("nanobus: tap without kinds: want at least one kind of frame")
	case o.Payload < 0 || o.Payload > MaxCopied:
		return fmt.Errorf("nanobus: tap with payload %d: want 0 to %d", o.Payload, MaxCopied)
	case o.Copy == nil:
		return fmt.Errorf("nanobus: tap without a function that takes its copies")
	}
	return nil
}

func (o *Options) mask() (kinds uint32) {
	for _, k := range o.Kinds {
		kinds |= 1 << k
	}
	return kinds
}

// Start is the frame's body by which copies are asked for.
func (o *Options) Start() []byte {
	sample := uint32(Whole)
	if o.Sample > 0 {
		// Never 0: the least that can be asked for is one of a million.
		sample = uint32(max(math.Round(o.Sample*Whole), 1))
	}
	return wire.TapStart(sample, o.mask(), uint32(o.Payload)) // bounded by MaxCopied
}

// Status is what an instance says of a tap. The numbers are part of the
// protocol.
type Status uint8

// The statuses.
const (
	Off       Status = 0 // as asked for
	On        Status = 1
	Forbidden Status = 2 // nanobus.Options.NoTap
	TooMany   Status = 3 // the instance has as many taps as it allows
)

// State is the state of the tap at one instance.
type State struct {
	Service, Instance string
	Status            Status
	// Dropped is how many copies the instance has dropped on this link
	// because they were not read fast enough.
	Dropped uint64
}
