package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"nanofront/internal/recording"
)

// Source is where records come from, in the order of their times; *recording.Reader.
type Source interface {
	// Next reads a record; io.EOF says that there are no more. After another error it goes on behind
	// what is damaged.
	Next(r *recording.Record) error
	// Seek makes Next go on with the first record at that time or later.
	Seek(at time.Time) error
}

// Select says which records are replayed.
type Select struct {
	// From and Until bound their times; the zero time doesn't.
	From, Until time.Time
	// Hop, if not 0, is that of the records, and Service, if not empty, their service.
	Hop     int
	Service string
	// Unsafe are methods that are sent besides SafeMethods.
	Unsafe []string
}

// Skipped counts records within the time that were not replayed, by why.
type Skipped struct {
	Methods map[string]uint64 `json:"methods,omitempty"` // not safe, and not allowed
	Other   uint64            `json:"other"`             // of another hop or service
	Unsound uint64            `json:"unsound"`           // couldn't be sent as HTTP
	Damaged uint64            `json:"damaged"`           // blocks of the file that couldn't be read
}

// Limits.
const (
	maxRoutes  = 1000 // that are told apart; the others are one
	maxDamaged = 1000 // blocks, before the file is given up
	maxMethods = 32   // that are told apart in Skipped
)

// otherRoutes are those beyond maxRoutes.
const otherRoutes = "(others)"

// feed reads ahead: it chooses records, plans and formats them, and deals them out to the workers.
type feed struct {
	o     *Options
	lanes []*lane
	out   []*batch // being filled, of each lane
	plan  *schedule

	routes  map[string]int
	names   []string
	skipped Skipped
	taken   uint64
	body    []byte
	err     error
	damage  error
}

func newFeed(o *Options, lanes []*lane) *feed {
	return &feed{
		o: o, lanes: lanes, out: make([]*batch, len(lanes)), plan: newSchedule(o.Speed, o.RateLimit),
		routes: make(map[string]int), skipped: Skipped{Methods: make(map[string]uint64)},
	}
}

// run fills the lanes until all is read, or ctx is done.
func (f *feed) run(ctx context.Context) {
	defer func() {
		for i, l := range f.lanes {
			if b := f.out[i]; b != nil && len(b.items) > 0 && ctx.Err() == nil {
				select {
				case l.full <- b:
				case <-ctx.Done():
				}
			}
			close(l.full)
		}
	}()
	for round := range max(f.o.Loop, 1) {
		if round > 0 {
			f.plan.again()
		}
		if f.err = f.o.Source.Seek(f.o.Select.From); f.err != nil {
			return
		}
		if !f.round(ctx, round == 0) || f.taken == 0 {
			return
		}
	}
}

// round deals out all records once. first: what is skipped is counted.
func (f *feed) round(ctx context.Context, first bool) bool {
	var r recording.Record
	for {
		switch err := f.o.Source.Next(&r); {
		case errors.Is(err, io.EOF):
			return true
		case err != nil:
			if f.damage == nil {
				f.damage = err
			}
			if f.skipped.Damaged++; f.skipped.Damaged > maxDamaged {
				f.err = fmt.Errorf("more than %d blocks can't be read: %w", maxDamaged, err)
				return false
			}
			continue
		}
		if u := f.o.Select.Until; !u.IsZero() && r.At >= u.UnixNano() {
			return true
		}
		if !f.wanted(&r, first) {
			if ctx.Err() != nil {
				return false
			}
			continue
		}
		if !f.deal(ctx, &r) {
			return false
		}
	}
}

// wanted reports whether a record is to be replayed, and counts it if not.
func (f *feed) wanted(r *recording.Record, count bool) bool {
	s := &f.o.Select
	switch {
	case s.Hop != 0 && r.Hop != s.Hop, s.Service != "" && r.Service != s.Service:
		if count {
			f.skipped.Other++
		}
	case !slices.Contains(SafeMethods, r.Method) && !slices.Contains(s.Unsafe, r.Method):
		if count {
			name := r.Method
			if _, known := f.skipped.Methods[name]; !known && (len(f.skipped.Methods) >= maxMethods || !isToken(name)) {
				name = "others"
			}
			f.skipped.Methods[name]++
		}
	case !sound(r):
		if count {
			f.skipped.Unsound++
		}
	default:
		return true
	}
	return false
}

// deal plans a record, and gives it to the worker whose turn it is.
func (f *feed) deal(ctx context.Context, r *recording.Record) bool {
	i := int(f.taken % uint64(len(f.lanes)))
	b := f.out[i]
	if b == nil {
		select {
		case b = <-f.lanes[i].empty:
		case <-ctx.Done():
			return false
		}
		b.items, b.bytes = b.items[:0], b.bytes[:0]
		f.out[i] = b
	}
	f.taken++
	b.items = append(b.items, f.item(b, r))
	if len(b.items) < batchItems && len(b.bytes) < batchBytes {
		return true
	}
	f.out[i] = nil
	select {
	case f.lanes[i].full <- b:
		return true
	case <-ctx.Done():
		return false
	}
}

// item makes one of a record, the bytes of its request in the batch.
func (f *feed) item(b *batch, r *recording.Record) Item {
	f.body = f.body[:0]
	if r.Body.Size != 0 {
		f.body = r.Body.Fill(f.body)
	}
	from := len(b.bytes)
	b.bytes = f.o.Encode(b.bytes, r, f.body)
	it := Item{
		// What was before it may move with the next append, which doesn't matter: old bytes stay as
		// they are.
		Due: f.plan.place(r.At), Wire: b.bytes[from:len(b.bytes):len(b.bytes)], Head: r.Method == "HEAD",
		Method: r.Method, Path: r.Path, Query: r.Query, ID: r.RequestID, route: f.route(r),
	}
	a := &r.Answer
	if r.Outcome != recording.Answered || a.Status == 0 {
		return it
	}
	it.Want = Want{Answered: true, Status: a.Status, Size: a.Body.Size, Latency: a.Latency}
	if f.o.Redact != nil && f.o.compares(compareBody) {
		it.Want.Copied, it.Want.Hash = a.Body.Copied, a.Body.Hash
	}
	for i, name := range f.o.fields {
		for _, field := range a.Fields {
			if field.Name == name {
				it.Want.fields[i] = field.Value
				break
			}
		}
	}
	return it
}

// route is the number of a record's route, by whose name it is counted; of one without a route the
// service's.
func (f *feed) route(r *recording.Record) int {
	name := r.Route
	if name == "" {
		name = r.Service
	}
	if n, ok := f.routes[name]; ok {
		return n
	}
	if len(f.names) >= maxRoutes {
		name = otherRoutes
		if n, ok := f.routes[name]; ok {
			return n
		}
	}
	n := len(f.names)
	f.routes[name], f.names = n, append(f.names, name)
	return n
}
