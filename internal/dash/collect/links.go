package collect

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"nanofront/internal/dash/view"
)

// callers adds up what processes say of their links, and makes edges of it.
func (c *Collector) callers(now time.Time, v *view.View) {
	before := make(map[string]callers, len(c.processes))
	for k, p := range c.processes {
		before[k] = p.calls
		p.calls = callers{share: 100, weight: -1}
	}
	type ends struct{ from, to string }
	edges := make(map[ends]*view.Edge)
	for _, p := range c.processes {
		if !p.fresh(now) {
			continue
		}
		from := p.Service
		if p.Kind == view.Front {
			from = "front"
		}
		for i := range p.Links {
			l := &p.Links[i]
			e := edges[ends{from, l.Service}]
			if e == nil && len(edges) < maxEdges {
				e = &view.Edge{From: from, To: l.Service}
				edges[ends{from, l.Service}] = e
			}
			if e != nil {
				e.Rate += view.Num(l.Rate)
				e.Failed += view.Num(l.Failed)
				e.P99 = max(e.P99, view.Num(l.P99))
			}
			to := c.processes[l.Service+"/"+l.Instance]
			var t callers
			if to == nil {
				to = &process{} // of an instance that isn't registered
			}
			t = to.calls
			switch l.State {
			case "live":
				t.live++
				if e != nil {
					e.Links++
				}
			case "draining":
				t.draining++
			default:
				t.down++
				if e != nil {
					e.Down++
				}
			}
			if l.Stalled {
				t.stalled++
				if e != nil {
					e.Stalled++
				}
			}
			if l.State == "live" || l.State == "draining" {
				t.share, t.weight = min(t.share, l.Share), l.Weight
				t.rate, t.failed, t.inFlight = t.rate+l.Rate, t.failed+l.Failed, t.inFlight+float64(l.InFlight)
				t.outrun += l.Outrun
				if l.P50 > 0 {
					t.p50, t.measured = t.p50+l.P50*l.Rate, t.measured+l.Rate
				}
				t.p99 = max(t.p99, l.P99)
			}
			to.calls = t
		}
	}
	for _, e := range edges {
		v.Edges = append(v.Edges, *e)
	}
	slices.SortFunc(v.Edges, func(a, b view.Edge) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	if v.Edges == nil {
		v.Edges = []view.Edge{}
	}
	for k, p := range c.processes {
		c.linkEvents(p, before[k], now)
	}
}

// linkEvents notes what has changed in how a process's callers see it.
func (c *Collector) linkEvents(p *process, was callers, now time.Time) {
	is := p.calls
	if is.live+is.draining > 0 {
		p.drained = is.draining > 0
	}
	if c.first {
		return
	}
	switch {
	case is.stalled > 0 && was.stalled == 0:
		c.event(now, "link", p.name, p.name+" is silent with requests under way: its callers send it no more", view.Amber)
	case is.stalled == 0 && was.stalled > 0 && is.live > 0:
		c.event(now, "link", p.name, p.name+" speaks again", view.Normal)
	}
	switch {
	case is.draining > 0 && was.draining == 0:
		c.event(now, "drain", p.name, p.name+" drains", view.Intended)
	case is.share < 50 && was.share >= 50 && was.live > 0:
		c.event(now, "link", p.name, fmt.Sprintf("%s does worse than its peers: its share is cut to %d %%", p.name, is.share), view.Amber)
	case is.share >= 50 && was.share < 50 && was.live > 0 && is.live > 0:
		c.event(now, "link", p.name, p.name+" has its share back", view.Normal)
	}
	if was.live > 0 && is.live == 0 && is.draining == 0 && !p.drained {
		c.event(now, "link", p.name, "all links to "+p.name+" are down", view.Amber)
	}
}
