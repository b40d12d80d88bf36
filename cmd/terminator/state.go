package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"nanofront/etcd"
	"nanofront/etcd/discovery"
	"nanofront/internal/admin"
	"nanofront/internal/cli"
	"nanofront/internal/lastknown"
	"nanofront/terminator"
)

// front is the terminator with what beside it can be degraded.
type front struct {
	t      *terminator.Terminator
	source discovery.Source
	kept   *lastknown.Keeper // nil without --last-known

	announcement atomic.Pointer[discovery.Announcement] // nil: not yet, or it can't be
}

// watched is the discovery that the terminator is to watch.
func (r *front) watched(f *flags, base *cli.Base) (terminator.Discovery, error) {
	if f.LastKnown == "" {
		return r.source, nil
	}
	if f.Static != "" {
		return nil, cli.Usagef("--last-known %s: is for etcd, and --static is used in its place: give one of them", f.LastKnown)
	}
	prefix, err := etcd.ParsePrefix(f.EtcdPrefix)
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	r.kept, err = lastknown.Open(lastknown.Options{File: f.LastKnown, Prefix: prefix, Source: r.source, Logger: base.Log, Metrics: base.Metrics})
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	return r.kept, nil
}

// serves shows the state at the admin port.
func (r *front) serves(t *terminator.Terminator, to *admin.Server) {
	to.SetReady(func() []string { return cli.Reasons(t.Ready()) })
	to.SetDegraded(func() []string {
		var lines []string
		for _, d := range r.degraded() {
			lines = append(lines, d.String())
		}
		return lines
	})
	to.Handle("/links.json", answer(func() any { return t.Links() }))
	to.Handle("/state.json", answer(func() any {
		reasons := cli.Reasons(t.Ready())
		return map[string]any{
			"ready": len(reasons) == 0, "reasons": append([]string{}, reasons...), // [] rather than null
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
