package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"nanofront/bench/load"
	"nanofront/bench/system"
)

// errSkip is wrapped by what says why a fault can't be done here.
var errSkip = errors.New("not possible here")

// Options say what Run does.
type Options struct {
	// Bin is the folder of the built programs, Dir one for what they write.
	Bin, Dir string
	// Faults are those to inject.
	Faults []Fault
	// Rate is of reads, per second; a fifth as many writes come beside them. 0 means DefaultRate.
	Rate float64
	// Calm, Fault and After are how long each part lasts.
	Calm, Fault, After time.Duration
	// Within bounds all of it: what isn't begun by then is left out. 0 means no bound.
	Within time.Duration
	// Say is told how it goes on.
	Say func(line string)
}

// DefaultRate is what a small machine that has other work to do can follow.
const DefaultRate = 1000

const (
	writesShare = 0.2
	// clientTimeout is longer than the route's: what takes longer than this hasn't been answered.
	clientTimeout = 5 * time.Second
	// tries is how often a fault is injected where the machine has other work to do and it costs
	// too much.
	tries = 2
	// mostConnections is how many each load has at most: a process may have 20,000 files, and so
	// many clients the front.
	mostConnections = 6000
	// numbers are as many for each fault; a load has less requests.
	numbers = 1_000_000_000
)

// Run starts a system and has one fault after the other happen to it. The outcome is there, as far
// as it goes, also with an error.
func Run(ctx context.Context, o Options) (*Outcome, error) {
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	out := &Outcome{Started: time.Now(), Rate: o.Rate}
	defer func() { out.Elapsed = time.Since(out.Started) }()
	b, err := startBed(ctx, o.Bin, o.Dir)
	if err != nil {
		return out, err
	}
	defer b.stop()
	late := func() bool { return o.Within > 0 && time.Since(out.Started) > o.Within-o.Calm-o.Fault-o.After }
	for i := range o.Faults {
		f := &o.Faults[i]
		if late() {
			out.Rows = append(out.Rows, Row{Fault: f, Skipped: fmt.Sprintf("%v were over", o.Within)})
			continue
		}
		if f.Long && o.Within > 0 {
			out.Rows = append(out.Rows, Row{Fault: f, Skipped: "it takes too long for a short run"})
			continue
		}
		row, err := o.one(ctx, b, f, i*tries)
		for try := 1; err == nil && !late() && row.Noisy && len(row.Costs) > 0 && try < tries; try++ {
			row, err = o.one(ctx, b, f, i*tries+try)
		}
		switch {
		case errors.Is(err, errSkip):
			row = &Row{Fault: f, Skipped: err.Error()}
		case err != nil:
			return out, fmt.Errorf("%s: %w", f.Name, err)
		}
		out.Rows = append(out.Rows, *row)
		if o.Say != nil {
			o.Say(row.line())
		}
	}
	return out, nil
}

// one has one fault happen.
func (o *Options) one(ctx context.Context, b *bed, f *Fault, i int) (_ *Row, err error) {
	if f.Clear != nil {
		defer func() { err = errors.Join(err, f.Clear(context.WithoutCancel(ctx), b)) }()
	}
	if f.Prepare != nil {
		if err := f.Prepare(ctx, b); err != nil {
			return nil, err
		}
	}
	before, err := frontCounts(ctx, b.admin)
	if err != nil {
		return nil, err
	}
	low := uint64(i+1) * numbers
	b.times = 0
	results := o.load(ctx, b, low, f.Churn)
	first, asked, err := o.happen(ctx, b, f)
	both := <-results
	if err := errors.Join(err, both.err); err != nil {
		return nil, err
	}
	row := &Row{Fault: f, Times: max(b.times, 1), Reads: countsOf(both.reads), Writes: countsOf(both.writes), First: first}
	row.times(o, both.reads, both.writes)
	var counts *front
	if !f.Front {
		after, err := frontCounts(ctx, b.admin)
		if err != nil {
			return nil, err
		}
		since := after.since(before)
		row.Copies = float64(since.copies) / float64(max(since.requests, 1))
		since.requests, since.statuses = since.requests-asked, since.statuses-asked
		counts = &since
	}
	if err := b.settle(ctx); err != nil {
		row.Wrong = append(row.Wrong, err.Error())
		return row, err
	}
	sum, err := readBook(b.dir, low, low+numbers-1)
	if err != nil {
		return nil, err
	}
	row.Done, row.Twice = sum.Done, len(sum.Twice)
	row.Wrong = check(both.reads, both.writes, counts, sum)
	if f.Look != nil {
		wrong, err := f.Look(ctx, b)
		if err != nil {
			return nil, err
		}
		row.Wrong = append(row.Wrong, wrong...)
	}
	row.Costs = row.unexpected(o.Rate / DefaultRate)
	return row, nil
}

// happen is the fault in time. It returns how long after it the first request was answered, and how
// many it has made to see that.
func (o *Options) happen(ctx context.Context, b *bed, f *Fault) (first time.Duration, asked uint64, err error) {
	if err := sleep(ctx, o.Calm); err != nil {
		return 0, 0, err
	}
	lasting, cancel := context.WithTimeout(ctx, o.Fault)
	defer cancel()
	if err := f.Inject(lasting, b); err != nil {
		return 0, 0, fmt.Errorf("to inject it: %w", err)
	}
	<-lasting.Done()
	if f.Heal != nil {
		if err := f.Heal(context.WithoutCancel(ctx), b); err != nil {
			return 0, 0, fmt.Errorf("to heal it: %w", err)
		}
	}
	began := time.Now()
	err = b.WaitFor(ctx, "an answer after it", func(ctx context.Context) error {
		asked++
		return system.Answers(b.URL + "/read")(ctx)
	})
	return time.Since(began), asked, err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// loads are both.
type loads struct {
	reads, writes *load.Result
	err           error
}

// load begins both, and delivers the results.
func (o *Options) load(ctx context.Context, b *bed, low uint64, churn bool) <-chan loads {
	done := make(chan loads, 1)
	var l loads
	var errs [2]error
	var wg sync.WaitGroup
	run := func(r **load.Result, err *error, rate float64, churn bool, request load.Request) {
		wg.Go(func() {
			*r, *err = load.Run(ctx, load.Options{
				URL: b.URL, Mix: &load.Mix{Requests: []load.Request{request}}, Arrivals: load.Poisson, Seed: low,
				Stages:  []load.Stage{{From: rate, To: rate, Duration: o.Calm}, {From: rate, To: rate, Duration: o.Fault}, {From: rate, To: rate, Duration: o.After}},
				Timeout: clientTimeout, Workers: 1, Churn: churn,
				Connections: min(int(rate*2.5)+16, mostConnections), // so that those who wait for a route's timeout don't keep others waiting
			}, nil)
		})
	}
	run(&l.reads, &errs[0], o.Rate, churn, load.Request{Name: "read", Path: "/read"})
	run(&l.writes, &errs[1], o.Rate*writesShare, false, load.Request{Name: "write", Method: "POST", Path: fmt.Sprintf("/write/{seq:%d-%d}", low, low+numbers-1)})
	go func() { // ends with the loads
		wg.Wait()
		l.err = errors.Join(errs[:]...)
		done <- l
	}()
	return done
}
