package status

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"nanofront/etcd/discovery"
	"nanofront/internal/admin"
	"nanofront/internal/cli"
	"nanofront/registry"
)

// place is where status found what it shows.
type place struct {
	Etcd   string `json:"etcd,omitempty"`
	Prefix string `json:"prefix,omitempty"`
	Static string `json:"static,omitempty"`
}

func placeOf(d *cli.Discovery) place {
	if d.Static != "" {
		return place{Static: d.Static}
	}
	return place{Etcd: d.Etcd, Prefix: d.EtcdPrefix}
}

// String is the place on a line.
func (p place) String() string {
	if p.Static != "" {
		return "table " + p.Static
	}
	return fmt.Sprintf("etcd %s, prefix %s", p.Etcd, p.Prefix)
}

// lookAtTerminators asks those that have announced themselves and those at
// more, admin addresses, each once. Where nobody has announced himself, as
// with a static table, and none was given, that is the one at
// cli.DefaultAdmin.
func lookAtTerminators(ctx context.Context, src discovery.Source, more []string) ([]terminatorStatus, error) {
	announced, err := src.Terminators(ctx)
	if err != nil {
		return nil, err
	}
	if len(announced) == 0 && len(more) == 0 {
		more = []string{cli.DefaultAdmin}
	}
	for _, addr := range more {
		if !slices.ContainsFunc(announced, func(t registry.Terminator) bool { return t.Admin == addr }) {
			announced = append(announced, registry.Terminator{Admin: addr})
		}
	}
	out := make([]terminatorStatus, len(announced))
	var wg sync.WaitGroup
	for i, t := range announced {
		wg.Go(func() {
			s := &out[i]
			if t.Admin == "" {
				s.Error = "has no admin port (--admin=)"
			} else {
				*s = lookAtTerminator(ctx, t.Admin)
			}
			s.Announced, s.Host, s.HTTP = t.ID != "", t.Host, t.HTTP
			if t.ID != "" {
				// What is announced says which one is meant, also of one that
				// doesn't answer.
				s.Instance = t.ID
				if s.Uptime == 0 && !t.Started.IsZero() {
					s.Uptime = time.Since(t.Started).Seconds()
				}
			}
		})
	}
	wg.Wait()
	return out, nil
}

// degradation and frontState are what a terminator says of itself at
// /state.json.
type degradation struct {
	Service string `json:"service,omitempty"`
	Reason  string `json:"reason"`
}

type frontState struct {
	Ready    bool          `json:"ready"`
	Reasons  []string      `json:"reasons"`
	Degraded []degradation `json:"degraded"`
}

func stateAt(ctx context.Context, addr string) (s frontState, err error) {
	err = admin.GetJSON(ctx, addr, "/state.json", &s)
	return s, err
}

// remarks are the lines below the table for one terminator: why it doesn't
// answer or isn't ready, and what is degraded.
func (s *terminatorStatus) remarks() []string {
	if s.Error != "" {
		return []string{s.Error}
	}
	var out []string
	for _, r := range s.Reasons {
		out = append(out, "not ready: "+r)
	}
	for _, d := range s.Degraded {
		out = append(out, "degraded: "+d.Reason)
	}
	return out
}
