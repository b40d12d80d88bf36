package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"nanofront/internal/admin"
	"nanofront/internal/dash/view"
	"nanofront/metrics"
)

// look asks all processes, several at a time. What they say is in p.cur, of those without an error.
func (c *Collector) look(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	tokens := make(chan struct{}, together)
	var wg sync.WaitGroup
	for _, p := range c.processes {
		if p.Admin == "" {
			continue
		}
		wg.Go(func() {
			tokens <- struct{}{}
			defer func() { <-tokens }()
			p.err = c.ask(ctx, p, now)
		})
	}
	wg.Wait()
}

var bodies = sync.Pool{New: func() any { return new([]byte) }}

// ask looks at one process.
func (c *Collector) ask(ctx context.Context, p *process, now time.Time) error {
	buf := bodies.Get().(*[]byte) //nolint:forcetypeassert // the pool has nothing else
	defer bodies.Put(buf)
	fetch := func(path string) (body []byte, err error) {
		*buf, err = c.o.Get(ctx, p.Admin, path, (*buf)[:0])
		return *buf, err
	}
	body, err := fetch("/metrics.json?buckets")
	if err != nil {
		return err
	}
	if err := p.cur.read(body); err != nil {
		return err
	}
	if p.Kind != view.Front && p.Kind != view.Handler {
		return nil
	}
	// All that follows is extra: an older process may not have it.
	if p.Kind == view.Front || now.Unix()%linksEvery == 0 || !p.began {
		if body, err = fetch("/links.json"); err == nil {
			p.links, _ = readLinks(body, p.links)
		}
	}
	if p.Kind == view.Front {
		if body, err = fetch("/state.json"); err == nil {
			p.state, _ = readState(body)
		}
		p.slow = p.slow[:0]
		if body, err = fetch(fmt.Sprintf("/slow.json?after=%.0f", p.slowAt)); err == nil {
			p.slow, _ = readSlow(body, p.slow)
		}
	}
	return nil
}

// errStatus tells that an admin port answered with something else than 200.
var errStatus = errors.New("collect: unexpected answer")

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
		return into, fmt.Errorf("%w: %s from http://%s%s", errStatus, resp.Status, addr, path)
	}
	return into, nil
}
