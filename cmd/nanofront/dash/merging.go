package dash

import (
	"context"
	"sync"
	"time"

	"nanofront/etcd"
	"nanofront/etcd/discovery"
	"nanofront/etcd/leader"
	"nanofront/internal/cli"
	"nanofront/internal/dash/merged"
	"nanofront/metrics"
)

// leaderOf names in etcd who sends the figures of all processes together.
const leaderOf = "statsd-merged"

// merging sends the figures of all processes together, as long as it is this process that may.
type merging struct {
	merger *merged.Merger
	lead   *leader.Leadership // nil without etcd
	stop   context.CancelFunc
	loops  sync.WaitGroup
}

// merging begins to send, with what the collector hands to the merger. The caller must close it.
func (c *Command) merging(ctx context.Context, source discovery.Source, base *cli.Base, name string) (*merging, error) {
	// What a collector has is up to a second old, and is of a second.
	window := c.StatsdFlush + 2*c.StatsdInterval + 2*time.Second
	m := &merging{merger: merged.New(merged.Options{System: c.systemName(), Window: window, Least: c.StatsdMergedLeast, Meter: base.Metrics})}
	may := func() bool { return true }
	if client, ok := source.(*etcd.Client); ok {
		m.lead = leader.Stand(client, leaderOf, name, base.Log)
		may = m.lead.Held
		base.Log.Info().Msg("--statsd-merged: of the pages of this system one sends, which holds a lease in etcd; another takes over when it ends")
	} else {
		base.Log.Warn().Msg("--statsd-merged: without etcd nobody decides which page sends: this one does; see to it that no other of this system does")
	}
	base.Metrics.GaugeFunc(metrics.MergedWriter, func() float64 {
		if may() {
			return 1
		}
		return 0
	})
	reporter, err := metrics.NewReporter(m.merger.Set(), metrics.StatsdOptions{
		Addr: c.Statsd, Interval: c.StatsdInterval, Flush: c.StatsdFlush, Prefix: c.StatsdPrefix, Tags: c.StatsdTags, Logger: base.Log, May: may,
	})
	ctx, m.stop = context.WithCancel(ctx)
	if err != nil {
		m.close()
		return nil, &cli.UsageError{Err: err}
	}
	m.loops.Go(func() { reporter.Run(ctx) }) // ends with close
	return m, nil
}

// close ends it, and lets another page take over at once.
func (m *merging) close() {
	m.stop()
	m.loops.Wait()
	if m.lead != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		m.lead.Close(ctx)
	}
}
