package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"nanofront/internal/admin"
	"nanofront/metrics"
)

const (
	// together is how many processes are asked at once of those that answered the last time.
	together = 16
	// silentTogether is how many of the others are asked besides. Those wait for most of their time:
	// however many they are, they hold up none that answers.
	silentTogether = 64
)

// Asker asks processes. The zero Asker asks for all that is of use at one look, and waits as long as
// its context lets it.
type Asker struct {
	// Each is what a process may take, 0 as long as all.
	Each time.Duration
	// Within is what all may take together, 0 any time.
	Within time.Duration
	// Buckets asks for the buckets of timers too, and fronts for their slow requests: for whoever
	// asks again and again.
	Buckets bool
	// Links says of whom else than fronts to ask the links; nil: of all.
	Links func(*Subject) bool
	// Knock has those that have no admin port looked for at their bus address.
	Knock bool
	// Get asks an admin port, and appends what it answers to into; nil for the real one.
	Get func(ctx context.Context, addr, path string, into []byte) ([]byte, error)
}

// Ask asks each subject, now, and returns when all have answered or their time is over. Subjects
// that can't be asked are left as they are.
func (a *Asker) Ask(ctx context.Context, now time.Time, list []*Subject) {
	if a.Within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.Within)
		defer cancel()
	}
	heard, silent := make(chan struct{}, together), make(chan struct{}, silentTogether)
	var wg sync.WaitGroup
	for _, s := range list {
		if s.Admin == "" && !(a.Knock && s.Instance.Address != "") {
			continue
		}
		tokens := heard
		if s.Err != nil || s.HeardAt.IsZero() {
			tokens = silent
		}
		wg.Go(func() {
			select {
			case tokens <- struct{}{}:
				defer func() { <-tokens }()
			case <-ctx.Done():
				s.Err = ctx.Err()
				return
			}
			if s.Err = a.one(ctx, s); s.Err == nil {
				s.HeardAt = now
			}
		})
	}
	wg.Wait()
}

func (a *Asker) one(ctx context.Context, s *Subject) error {
	if a.Each > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.Each)
		defer cancel()
	}
	return a.ask(ctx, s)
}

var bodies = sync.Pool{New: func() any { return new([]byte) }}

func (a *Asker) ask(ctx context.Context, s *Subject) error {
	if s.Admin == "" {
		return knock(ctx, s.Instance.Address)
	}
	buf := bodies.Get().(*[]byte) //nolint:forcetypeassert // the pool has nothing else
	defer bodies.Put(buf)
	ask := a.Get
	if ask == nil {
		ask = get
	}
	fetch := func(path string) (body []byte, err error) {
		*buf, err = ask(ctx, s.Admin, path, (*buf)[:0])
		return *buf, err
	}
	path := "/metrics.json"
	if a.Buckets {
		path += "?buckets"
	}
	body, err := fetch(path)
	if err != nil {
		return err
	}
	if err := s.Before.read(body); err != nil { // what was before is of no use any more
		return err
	}
	s.Before, s.Report = s.Report, s.Before
	if s.Before.StartID != s.Report.StartID {
		s.slowAfter = 0 // another process, which counts anew
	}
	s.Partial = nil
	partly := func(err error) {
		if s.Partial == nil {
			s.Partial = err
		}
	}
	// All that follows is extra: an older process may not have it.
	if s.Kind == Front || s.Kind == Handler && (s.HeardAt.IsZero() || a.Links == nil || a.Links(s)) {
		if body, err = fetch("/links.json"); err == nil {
			s.Links, err = readLinks(body, s.Links)
		}
		partly(err)
	}
	if s.Kind != Front {
		return nil
	}
	if body, err = fetch("/state.json"); err == nil {
		s.State, err = readState(body)
	}
	partly(err)
	if s.Slow = s.Slow[:0]; a.Buckets {
		if body, err = fetch(fmt.Sprintf("/slow.json?after=%.0f", s.slowAfter)); err == nil {
			s.Slow, err = readSlow(body, s.Slow)
			for i := range s.Slow {
				s.slowAfter = max(s.slowAfter, s.Slow[i].Seq)
			}
		}
		partly(err)
	}
	return nil
}

// ErrStatus tells that an admin port answered with something else than 200.
var ErrStatus = errors.New("fleet: unexpected answer")

func get(ctx context.Context, addr, path string, into []byte) ([]byte, error) {
	resp, err := admin.Get(ctx, addr, path)
	if err != nil {
		return into, err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	body := io.LimitReader(resp.Body, metrics.MaxReport)
	for {
		if len(into) == cap(into) {
			into = append(into, 0)[:len(into)]
		}
		n, err := body.Read(into[len(into):cap(into)])
		into = into[:len(into)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return into, err
		}
	}
	if resp.StatusCode != http.StatusOK {
		return into, fmt.Errorf("%w: %s from http://%s%s", ErrStatus, resp.Status, addr, path)
	}
	return into, nil
}

// knock reports whether something listens at a bus address.
func knock(ctx context.Context, address string) error {
	network, addr := "tcp", address[strings.Index(address, "://")+len("://"):]
	if strings.HasPrefix(address, "ipc://") {
		network = "unix"
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return err
	}
	return conn.Close()
}
