package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"nanofront/handlers"
)

// Service is the name that routes refer to.
const Service = "ledger"

// Moods.
const (
	well  = "well"
	slow  = "slow"
	flood = "flood"
)

const (
	usual     = time.Millisecond
	slowly    = 50 * usual
	flooding  = 100 << 10 // bytes
	moodEach  = 20 * time.Millisecond
	extension = ".ledger"
)

// New makes the role, with so many copies of it in the same process: instances of their own,
// INSTANCE-1 and so on.
func New(o handlers.Options, dir string, copies int) (*Role, error) {
	o.Service = Service
	name := filepath.Join(dir, fmt.Sprintf("%s-%d%s", o.Instance, os.Getpid(), extension))
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	remembers, err := newMemory(dir)
	if err != nil {
		return nil, err
	}
	o.Idempotency = &handlers.Idempotency{Memory: remembers}
	r := &Role{file: file, mood: filepath.Join(dir, o.Instance+".mood")}
	r.set(well)
	for i := range 1 + copies {
		one := o
		if i > 0 {
			one.Instance, one.Listen, one.Advertise = fmt.Sprintf("%s-%d", o.Instance, i), "tcp://127.0.0.1:0", ""
			one.Admin, one.Metrics = "", nil // those are the first one's
		}
		rt, err := handlers.New(one)
		if err != nil {
			return nil, err
		}
		r.runtimes = append(r.runtimes, rt)
	}
	return r, nil
}

// Role is the ledger role.
type Role struct {
	runtimes []*handlers.Runtime // itself, and its copies
	file     *os.File
	mood     string
	now      atomic.Pointer[behaviour]
}

// behaviour is what a mood comes to.
type behaviour struct {
	pause time.Duration
	body  []byte
}

func (r *Role) set(mood string) {
	b := &behaviour{pause: usual, body: []byte("written\n")}
	switch mood {
	case slow:
		b.pause = slowly
	case flood:
		b.body = bytes.Repeat([]byte("written\n"), flooding/8)
	}
	r.now.Store(b)
}

// Runtime is what serves the role, for its readiness and links.
func (r *Role) Runtime() *handlers.Runtime { return r.runtimes[0] }

// Run serves until ctx ends. When one of them can't go on, none does.
func (r *Role) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(r.runtimes))
	var running sync.WaitGroup
	for i, rt := range r.runtimes {
		running.Go(func() {
			defer stop()
			errs[i] = rt.Run(ctx, handlers.HandlerFunc(r.handle))
		})
	}
	running.Go(func() { r.look(ctx) })
	running.Wait()
	return errors.Join(errs...)
}

// look follows the file that says the mood.
func (r *Role) look(ctx context.Context) {
	tick := time.NewTicker(moodEach)
	defer tick.Stop()
	last := well
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if b, err := os.ReadFile(r.mood); err == nil && len(b) > 0 && string(b) != last {
			last = string(b)
			r.set(last)
		}
	}
}

func (r *Role) handle(_ context.Context, req *handlers.Request, resp *handlers.Response) error {
	b := r.now.Load()
	if number, ok := bytes.CutPrefix(req.Path, []byte("/write/")); ok {
		line := append(bytes.Clone(number), '\n')
		if _, err := r.file.Write(line); err != nil { // one write: a line is there or isn't
			return err
		}
	}
	time.Sleep(b.pause) // the work
	resp.Body = b.body
	return nil
}
