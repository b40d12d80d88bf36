package replay

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"nanofront/internal/rawhttp"
	"nanofront/internal/recording"
)

const (
	// lead is between the moment when all is ready and the first request.
	lead = 5 * time.Millisecond
	// gcPercent lets the collector run a quarter as often: what is live is small.
	gcPercent = 400
	// progressInterval is how often the progress is told.
	progressInterval = time.Second
)

// ErrNothing: no record was chosen, or there are none.
var ErrNothing = errors.New("replay: nothing to send")

// Result is what a replay has found.
type Result struct {
	Began       time.Time
	Took        time.Duration // until the last answer
	Interrupted bool
	Routes      []Route
	Total       Counts
	Skipped     Skipped
	// Late is from when a request was due to when it was sent; nil flat out. Behind were late as
	// reading didn't keep up, Busy as all connections were.
	Late         *Latency
	LateSent     uint64
	Behind, Busy uint64
	TooLate      bool // more than Options.MaxLate
	// Moved is how many the rate limit has put off, by MovedMost at most.
	Moved     uint64
	MovedMost time.Duration
	// Damage is about the first block of the file that couldn't be read.
	Damage error
}

// Differs reports whether an answer was another one than that recorded, or there was none.
func (r *Result) Differs() bool { return r.Total.Differ > 0 || r.Total.Failed.Total() > 0 }

// Progress is how a replay is doing.
type Progress struct {
	Elapsed                     time.Duration
	Sent, Ended, Differ, Failed uint64
}

// Run replays. When ctx is done, it stops sending, waits two seconds at most for answers, and returns
// the result so far, Interrupted. progress, if it is not nil, is called each second by a goroutine of
// Run.
func Run(ctx context.Context, o Options, progress func(Progress)) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	var redact recording.RedactOptions
	if o.Redact != nil {
		redact = *o.Redact
	}
	if _, err := recording.NewRedactor(redact); err != nil {
		return nil, err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	lanes := make([]*lane, o.Workers)
	for i := range lanes {
		lanes[i] = newLane()
	}
	f := newFeed(&o, lanes)
	reading, stop := context.WithCancel(ctx)
	var read sync.WaitGroup
	read.Go(func() { f.run(reading) }) // ends with reading
	defer read.Wait()
	defer stop()
	// What is first is there before the clock starts.
	if err := f.first(ctx, &read); err != nil {
		return nil, err
	}
	defer rawhttp.MoreCores(o.Workers)()
	return f.send(ctx, &read, progress)
}

// send runs the workers until all is sent and answered.
func (f *feed) send(ctx context.Context, read *sync.WaitGroup, progress func(Progress)) (*Result, error) {
	o := f.o
	var base time.Time // set before any worker runs
	clock := func() int64 { return int64(time.Since(base)) }
	var cut atomic.Bool
	workers := make([]*worker, o.Workers)
	errs := make([]error, o.Workers)
	ready, start := make(chan struct{}, o.Workers), make(chan struct{})
	var done sync.WaitGroup
	for i := range workers {
		workers[i] = newWorker(o, f.lanes[i], clock, &cut)
		done.Go(func() { // ends with its lane, or with cut
			// The goroutine is the only one of its thread, which ends with it: what is set for the
			// thread is the worker's alone.
			runtime.LockOSThread()
			rawhttp.Punctual()
			connections := o.Connections / o.Workers
			if i < o.Connections%o.Workers {
				connections++
			}
			workers[i].sender, errs[i] = o.NewSender(connections, o.Timeout, clock, workers[i].count)
			ready <- struct{}{}
			<-start
			switch {
			case errs[i] != nil:
			case cut.Load():
				workers[i].sender.Close()
			default:
				errs[i] = workers[i].run()
			}
			if errs[i] != nil {
				cut.Store(true) // the others have no reason to go on
			}
		})
	}
	for range workers {
		<-ready
	}
	cut.Store(errors.Join(errs...) != nil)
	base = time.Now()
	if o.Speed > 0 {
		base = base.Add(lead)
	}
	close(start)
	finished := make(chan struct{})
	var beside sync.WaitGroup
	beside.Go(func() { watch(ctx, base, workers, &cut, finished, progress) }) // ends with finished
	done.Wait()
	took := time.Since(base)
	close(finished)
	beside.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	read.Wait() // it has ended, as the lanes or ctx have
	if f.err != nil {
		return nil, f.err
	}
	return f.result(workers, base, took, cut.Load()), nil
}

// first waits until the feed has read something.
func (f *feed) first(ctx context.Context, read *sync.WaitGroup) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		for _, l := range f.lanes {
			if l.peek() != nil {
				return nil
			}
		}
		if f.lanes[0].ended {
			read.Wait()
			if f.err != nil {
				return f.err
			}
			return fmt.Errorf("%w%s", ErrNothing, f.skipped.text())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// text says why nothing was chosen.
func (s *Skipped) text() string {
	unsafe := uint64(0)
	for _, n := range s.Methods {
		unsafe += n
	}
	switch {
	case unsafe > 0:
		return fmt.Sprintf(": %d requests have methods that change something, which are sent with --unsafe only", unsafe)
	case s.Other > 0:
		return fmt.Sprintf(": %d requests are of another service or hop", s.Other)
	case s.Unsound > 0:
		return fmt.Sprintf(": %d requests can't be sent as HTTP", s.Unsound)
	case s.Damaged > 0:
		return fmt.Sprintf(": %d blocks of the file can't be read", s.Damaged)
	}
	return ": no request was recorded in that time"
}

// watch tells the progress, and cuts the replay short when ctx is done.
func watch(ctx context.Context, base time.Time, workers []*worker, cut *atomic.Bool, finished <-chan struct{}, progress func(Progress)) {
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	over := ctx.Done()
	for {
		select {
		case <-finished:
			return
		case <-over:
			cut.Store(true)
			over = nil
		case <-tick.C:
			if progress == nil {
				continue
			}
			p := Progress{Elapsed: time.Since(base)}
			for _, w := range workers {
				p.Sent += w.count.nowSent.Load()
				p.Ended += w.count.nowEnded.Load()
				p.Differ += w.count.nowDiffer.Load()
				p.Failed += w.count.nowFailed.Load()
			}
			progress(p)
		}
	}
}

// result puts together what the workers have counted.
func (f *feed) result(workers []*worker, base time.Time, took time.Duration, interrupted bool) *Result {
	o := f.o
	r := &Result{Began: base, Took: took, Interrupted: interrupted, Damage: f.damage}
	late := hdrhistogram.New(1, highest, digits)
	for _, w := range workers {
		late.Merge(w.count.late)
		r.Behind += w.count.behind
		r.Busy += w.count.busy
	}
	r.Skipped, r.Moved, r.MovedMost = f.skipped, f.plan.moved, time.Duration(f.plan.most)
	r.Routes = merged(workers, f.names, o)
	for i := range r.Routes {
		r.Total.add(&r.Routes[i].Counts)
	}
	if o.Speed > 0 {
		r.Late, r.LateSent = latencyOf(late), uint64(late.TotalCount()) // not negative
		r.TooLate = r.Late != nil && time.Duration(r.Late.P99)*time.Microsecond > o.MaxLate
	}
	return r
}
