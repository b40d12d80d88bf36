package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"nanofront/etcd"
	"nanofront/etcd/discovery"
	"nanofront/internal/admin"
	"nanofront/internal/cli"
	"nanofront/internal/lastknown"
	"nanofront/registry"
	"nanofront/terminator"
)

// liveWithin is how long an event loop may take for what it is at.
const liveWithin = time.Second

// front is the terminator with what beside it can be degraded.
type front struct {
	t      *terminator.Terminator
	source discovery.Source
	kept   *lastknown.Keeper // nil without --last-known

	announcement atomic.Pointer[discovery.Announcement] // nil: not yet, or it can't be

	name    string // of this process, and when it started, as announced
	started time.Time
	drained atomic.Pointer[registry.Intent] // by an operator; nil: it isn't
}

// observed is the discovery that the terminator watches, with an eye on what operators want of it.
type observed struct {
	discovery.Source
	front *front
}

// Watch implements terminator.Discovery.
func (o *observed) Watch(ctx context.Context, changed func(registry.Snapshot)) error {
	return o.Source.Watch(ctx, func(s registry.Snapshot) {
		o.front.intended(s.Intents)
		changed(s)
	})
}

// intended takes note of what operators want.
func (r *front) intended(intents []registry.Intent) {
	r.drained.Store(nil)
	for _, i := range intents {
		if i.ID == r.name && i.Started.Equal(r.started) && i.Weight.Share() == 0 {
			r.drained.Store(&i)
		}
	}
}

// unready are the reasons why the front is to get no requests.
func (r *front) unready() []string { return r.because(r.t.Ready()) }

// because are the reasons that the terminator has, and an operator's.
func (r *front) because(err error) []string {
	reasons := cli.Reasons(err)
	if i := r.drained.Load(); i != nil {
		reasons = append(reasons, "drained by "+i.By)
	}
	return reasons
}

// watched is the discovery that the terminator is to watch.
func (r *front) watched(f *flags, base *cli.Base) (terminator.Discovery, error) {
	if f.LastKnown == "" {
		return &observed{r.source, r}, nil
	}
	if f.Static != "" {
		return nil, cli.Usagef("--last-known %s: is for etcd, and --static is used in its place: give one of them", f.LastKnown)
	}
	prefix, err := etcd.ParsePrefix(f.EtcdPrefix)
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	r.kept, err = lastknown.Open(lastknown.Options{File: f.LastKnown, Prefix: prefix, Source: &observed{r.source, r}, Logger: base.Log, Metrics: base.Metrics})
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	return r.kept, nil
}

// serves shows the state at the admin port.
func (r *front) serves(t *terminator.Terminator, to *admin.Server) {
	to.SetReady(r.unready)
	to.SetLive(func() error { return terminator.Live(t, liveWithin) })
	to.Handle("/readyz/own", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reasons := r.because(t.ReadyItself())
		if len(reasons) > 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		} else {
			reasons = []string{"ok"}
		}
		_, _ = io.WriteString(w, strings.Join(reasons, "\n")+"\n") // a client that went away
	}))
	to.SetDegraded(func() []string {
		var lines []string
		for _, d := range r.degraded() {
			lines = append(lines, d.String())
		}
		return lines
	})
	to.Handle("/links.json", answer(func() any { return t.Links() }))
	to.Handle("/slow.json", http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		after, _ := strconv.ParseUint(q.FormValue("after"), 10, 64) // all that are kept, without
		answer(func() any { return map[string]any{"requests": terminator.Slowest(t, after)} }).ServeHTTP(w, q)
	}))
	to.Handle("/state.json", answer(func() any {
		reasons := r.unready()
		return map[string]any{
			"ready": len(reasons) == 0, "reasons": append([]string{}, reasons...), // [] rather than null
			"revision": terminator.Revision(t), // etcd's, of the routes that requests are decided by
			"degraded": append([]terminator.Degradation{}, r.degraded()...),
		}
	}))
}

// degraded is what isn't as it should be, though the front may be ready.
func (r *front) degraded() []terminator.Degradation {
	list := r.t.Degraded()
	if r.kept != nil {
		if text := r.kept.Degraded(); text != "" {
			list = append(list, terminator.Degradation{Reason: text})
		}
	}
	if err := r.source.Err(); err != nil {
		list = append(list, terminator.Degradation{Reason: fmt.Sprintf("instances and routes stay as they are: %v", err)})
	}
	// Nobody's requests depend on the record, but somebody looks at it.
	if err := r.announcement.Load().Err(); errors.Is(err, etcd.ErrSuperseded) {
		list = append(list, terminator.Degradation{Reason: "nanofront status doesn't show this terminator: " + err.Error()})
	}
	return list
}

func answer(of func() any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(of()) // a client that went away
	})
}
