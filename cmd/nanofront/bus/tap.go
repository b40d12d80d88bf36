package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"nanofront/cmd/nanofront/listening"
	"nanofront/nanobus"
	listen "nanofront/nanobus/tap"
	"nanofront/nanobus/wire"
)

// Payload says how much of requests and responses is copied.
type Payload string

// What Payload can be.
const (
	PayloadNone Payload = "none" // times, ids and lengths: no content leaves the instance
	PayloadHead Payload = "head" // as much as it takes for method, path and status
	PayloadFull Payload = "full" // up to listen.MaxCopied bytes, header and body shown
)

// headBytes is what is copied of a payload for its first line.
const headBytes = 4096

// TapOptions say what to listen to and how to show it.
type TapOptions struct {
	Target    listening.Target
	Discovery listening.Discovery
	Security  nanobus.Security
	// Sample is the share of requests, above 0, up to 1.
	Sample  float64
	Kinds   []wire.Kind
	Payload Payload
	// Match is how the path of a request must begin; empty: any. What belongs
	// to no request isn't shown then.
	Match string
	// Count ends the tap after so many frames shown, Duration after so long.
	// 0: it ends with the context.
	Count    int
	Duration time.Duration
	JSON     bool
	Color    bool
	// Out gets the frames, Err everything else.
	Out, Err io.Writer
}

// ParseKinds reads names of kinds; "all" stands for all of them.
func ParseKinds(names []string) ([]wire.Kind, error) {
	var kinds []wire.Kind
	all := listen.Kinds()
names:
	for _, name := range names {
		if name == "all" {
			return all, nil
		}
		for _, k := range all {
			if k.String() == name {
				kinds = append(kinds, k)
				continue names
			}
		}
		return nil, fmt.Errorf("%q isn't a kind of frame: want all, or some of %v", name, all)
	}
	if len(kinds) == 0 {
		return nil, errors.New("--kinds is empty: want all, or kinds such as request,response")
	}
	return kinds, nil
}

// tap is one run of Tap.
type tap struct {
	o       TapOptions
	order   order
	decoder decoder
	printer *printer
	summary *summary
}

// Tap listens in on instances until ctx ends, or Count or Duration is reached,
// and then says what it has seen. It follows instances that come and go. An
// error means that there was nothing to listen to, or that every instance
// refuses.
func Tap(ctx context.Context, o TapOptions) error {
	t := &tap{
		o: o, printer: newPrinter(o.Out, o.JSON, o.Color), summary: newSummary(),
		decoder: decoder{pairs: newPairs(), full: o.Payload == PayloadFull, match: o.Match},
	}
	losses, err := listening.Run(ctx, listening.Options{
		Targets: listening.Targets{o.Target}, Discovery: o.Discovery, Security: o.Security,
		Sample: o.Sample, Kinds: o.Kinds, Duration: o.Duration, Err: o.Err,
		Payload: map[Payload]int{PayloadNone: 0, PayloadHead: headBytes, PayloadFull: listen.MaxCopied}[o.Payload],
		Copy:    t.copied,
		Handled: t.printer.flush,
		Tick:    func(listening.Losses) error { return t.show(time.Now().Add(-orderTime)) },
	})
	if err != nil {
		return err
	}
	if err := t.show(time.Time{}); err != nil && !errors.Is(err, listening.ErrDone) {
		return err
	}
	t.summary.print(o.Err, losses)
	return nil
}

// copied puts a copy into its place among the others.
func (t *tap) copied(c *listen.Copy) error {
	t.summary.seen++
	t.order.put(c, time.Now())
	if t.order.full() {
		return t.print(t.order.take())
	}
	return nil
}

// show prints what has waited long enough for copies of earlier frames that come from other
// instances: whatever came before that time, or all for the zero time.
func (t *tap) show(before time.Time) error {
	for {
		c := t.order.due(before)
		if c == nil {
			return t.printer.flush()
		}
		if err := t.print(c); err != nil {
			return errors.Join(err, t.printer.flush())
		}
	}
}

func (t *tap) print(c *listen.Copy) error {
	if t.o.Count > 0 && t.summary.shown >= uint64(t.o.Count) {
		return listening.ErrDone
	}
	r := t.decoder.decode(c)
	if r == nil {
		return nil
	}
	t.summary.add(r)
	t.printer.print(r)
	if t.o.Count > 0 && t.summary.shown >= uint64(t.o.Count) {
		return listening.ErrDone
	}
	return nil
}
