package dash

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"nanofront/etcd"
	"nanofront/etcd/discovery"
	"nanofront/internal/dash/collect"
	"nanofront/internal/dash/view"
	"nanofront/registry/toggled"
	"nanofront/release"
)

const (
	// releasesEvery is how often releases are looked at, and releasesTime how long that may take.
	releasesEvery = 2 * time.Second
	releasesTime  = time.Second
)

// rollout passes on what becomes of releases and toggles, until ctx ends. Without etcd there are
// none.
func rollout(ctx context.Context, source discovery.Source, to *collect.Collector) {
	client, ok := source.(*etcd.Client)
	if !ok {
		return
	}
	var loops sync.WaitGroup
	loops.Go(func() {
		_ = client.WatchToggles(ctx, func(changes []toggled.Change) { // it ends with ctx
			var list []view.Toggle
			for _, change := range changes {
				for _, t := range change.List {
					if !strings.HasPrefix(t.Name, toggled.EvaluatorPrefix) {
						list = append(list, toggleView(t))
					}
				}
			}
			to.Rollout.SetToggles(list)
		})
	})
	for ctx.Err() == nil {
		if list, err := releases(ctx, client); err == nil { // else the last ones stay
			to.Rollout.SetReleases(list)
		}
		select {
		case <-ctx.Done():
		case <-time.After(releasesEvery):
		}
	}
	loops.Wait()
}

func releases(ctx context.Context, client *etcd.Client) ([]view.Release, error) {
	ctx, cancel := context.WithTimeout(ctx, releasesTime)
	defer cancel()
	list, err := release.List(ctx, client)
	if err != nil {
		return nil, err
	}
	out := make([]view.Release, 0, len(list))
	for _, r := range list {
		level := view.Intended
		switch r.State {
		case release.Back:
			level = view.Amber
		case release.Done:
			level = view.Normal
		}
		out = append(out, view.Release{
			ID: r.ID, Service: r.Service, Version: r.Version, State: string(r.State), Step: r.Step + 1, Steps: len(r.Ramp),
			Shares: r.Words(), Why: r.Why, Started: r.Started.UnixMilli(), Level: level,
		})
	}
	return out, nil
}

// toggleView says what a toggle's definition comes to where no rule says otherwise.
func toggleView(t toggled.Toggle) view.Toggle {
	v := view.Toggle{Name: t.Name, Revision: t.Revision, Gone: t.Definition == nil}
	var d struct {
		State     string          `json:"state"`
		Default   string          `json:"defaultVariant"`
		Targeting json.RawMessage `json:"targeting"`
	}
	switch err := json.Unmarshal(t.Definition, &d); {
	case v.Gone:
	case err != nil:
		v.Value = "not readable"
	case d.State == "DISABLED":
		v.Value = "disabled"
	default:
		v.Value = d.Default
		if v.Value == "" {
			v.Value = "the handler's default"
		}
		if rule := strings.TrimSpace(string(d.Targeting)); rule != "" && rule != "{}" && rule != "null" {
			v.Value += ", or by rule"
		}
	}
	return v
}
