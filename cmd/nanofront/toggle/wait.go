package toggle

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"nanofront/internal/admin"
	"nanofront/internal/cli"
	"nanofront/internal/terminal"
	"nanofront/registry"
	"nanofront/toggles"
)

const (
	// pollEvery is how often a handler is asked whether it has heard.
	pollEvery = 2 * time.Millisecond
	// askWithin is how long it has for one answer.
	askWithin = 2 * time.Second
)

// wait waits until all handlers that have toggles act on a revision, and says when they did: at the
// latest, as each is asked over and over.
func (s *system) wait(ctx context.Context, std cli.IO, rev int64, start time.Time, patience time.Duration) error {
	instances, err := s.Instances(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	took := make([]time.Duration, len(instances)) // 0: has no toggles; -1: hasn't heard
	var wg sync.WaitGroup
	for i, in := range instances {
		if in.Admin != "" {
			wg.Go(func() { took[i] = heard(ctx, in, rev, start) })
		}
	}
	wg.Wait()
	var all []time.Duration
	var late []string
	for i, d := range took {
		switch {
		case d > 0:
			all = append(all, d)
		case d < 0:
			late = append(late, instances[i].Service+"/"+instances[i].ID)
		}
	}
	if len(late) > 0 {
		return fmt.Errorf("not in force after %v at %s", patience, strings.Join(late, ", "))
	}
	if len(all) == 0 {
		_, _ = fmt.Fprintln(std.Out, "no handler with toggles is running")
		return nil
	}
	_, _ = fmt.Fprintf(std.Out, "in force at all of %s within %s\n", terminal.Count(len(all), "handler"), terminal.Duration(slices.Max(all)))
	return nil
}

// heard is when an instance acts on a revision, since start.
func heard(ctx context.Context, in registry.Instance, rev int64, start time.Time) time.Duration {
	for {
		var status toggles.Status
		asking, cancel := context.WithTimeout(ctx, askWithin)
		err := admin.GetJSON(asking, in.Admin, toggles.StatusPath, &status)
		cancel()
		if err == nil && status.Seen >= rev {
			return time.Since(start)
		}
		if err != nil && strings.Contains(err.Error(), "404") {
			return 0
		}
		select {
		case <-ctx.Done():
			return -1
		case <-time.After(pollEvery):
		}
	}
}
