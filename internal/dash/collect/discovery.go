package collect

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nanofront/internal/dash/view"
	"nanofront/internal/fleet"
	"nanofront/registry"
)

// SetTargets says which processes there are.
func (c *Collector) SetTargets(list []fleet.Target) {
	c.pending.Lock()
	defer c.pending.Unlock()
	c.pending.targets, c.pending.fresh = slices.Clone(list[:min(len(list), MaxProcesses)]), true
}

// SetRoutes says which routes are in force. The revision is 0 where nobody knows it.
func (c *Collector) SetRoutes(doc *registry.Routes, rev int64) {
	c.pending.Lock()
	defer c.pending.Unlock()
	c.pending.routes, c.pending.rev = doc, rev
}

// SetEtcd says whether etcd answers, and if not why.
func (c *Collector) SetEtcd(err error) {
	c.pending.Lock()
	defer c.pending.Unlock()
	c.pending.etcd.Away, c.pending.etcd.Reason = err != nil, ""
	if err != nil {
		c.pending.etcd.Reason = err.Error()
	}
}

// take takes over what discovery said since the last tick.
func (c *Collector) take(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.began.IsZero() {
		c.began = now
	}
	c.pending.Lock()
	targets, fresh := c.pending.targets, c.pending.fresh
	c.pending.fresh = false
	routes, rev := c.pending.routes, c.pending.rev
	c.pending.Unlock()
	if fresh {
		c.takeTargets(targets, now)
	}
	if routes != c.routes {
		c.takeRoutes(routes, rev, now)
	}
	c.routeRev = rev
	c.Rollout.take(func(kind, subject, text string, level view.Level) { c.event(now, kind, subject, text, level) })
}

func (c *Collector) takeTargets(targets []fleet.Target, now time.Time) {
	listed := make(map[string]bool)
	for _, t := range targets {
		k := t.Name()
		if listed[k] {
			continue
		}
		listed[k] = true
		p := c.processes[k]
		if p == nil {
			if len(c.processes) >= MaxProcesses {
				continue
			}
			p = newProcess(t)
			c.processes[k] = p
			if now.Sub(c.began) > settle {
				c.event(now, "joined", k, k+" has joined"+versionOf(t.Version), view.Normal)
			}
			continue
		}
		if !p.leftAt.IsZero() {
			p.leftAt = time.Time{}
			c.event(now, "joined", k, k+" is back", view.Normal)
		}
		if p.Version != t.Version && t.Version != "" && p.Version != "" {
			c.event(now, "version", k, fmt.Sprintf("%s: version %s, was %s", k, t.Version, p.Version), view.Intended)
		}
		if p.Kind == view.Handler && p.Weight != t.Weight {
			c.event(now, "weight", k, fmt.Sprintf("%s: weight %d, was %d", k, t.Weight, p.Weight), view.Intended)
		}
		p.Target = t
	}
	for k, p := range c.processes {
		if listed[k] || !p.leftAt.IsZero() {
			continue
		}
		p.leftAt = now
		switch {
		case p.drained:
			c.event(now, "left", k, k+" has left, after draining", view.Intended)
		case p.calls.live > 0 && p.calls.stalled == 0 && (p.Admin == "" || p.fresh(now)):
			// It went by itself: of one that was killed the links are down, and one that hangs is silent, long before its
			// lease has ended.
			p.drained = true
			c.event(now, "left", k, k+" has left", view.Intended)
		default:
			c.event(now, "left", k, k+" is not registered any more", view.Normal)
		}
	}
}

func versionOf(v string) string {
	if v == "" {
		return ""
	}
	return ", version " + v
}

func (c *Collector) takeRoutes(doc *registry.Routes, rev int64, now time.Time) {
	was := c.routes
	c.routes = doc
	for _, s := range c.services {
		s.routed, s.routes, s.paths, s.goal = false, nil, nil, view.Unknown
	}
	if doc == nil {
		return
	}
	for _, r := range doc.Routes {
		if s := c.service(r.Service); s != nil {
			s.routed = true
			name := r.Match.String()
			if r.Name != "" {
				name = r.Name + " (" + name + ")"
			}
			if len(s.routes) < maxPaths {
				s.routes = append(s.routes, name)
				s.paths = append(s.paths, newPath(&r))
			}
			s.goal = statedGoal(doc, r.Service)
		}
	}
	if was != nil {
		text := "routes changed: " + changes(was, doc)
		if rev != 0 {
			text = fmt.Sprintf("routes, revision %d: %s", rev, changes(was, doc))
		}
		c.event(now, "routes", "routes", text, view.Intended)
	}
}

// statedGoal is the longest goal that the document states for a service; a default is nobody's
// promise.
func statedGoal(doc *registry.Routes, service string) view.Num {
	stated := len(doc.Goals) > 0
	for i := range doc.Rules {
		stated = stated || doc.Rules[i].Name == service && len(doc.Rules[i].Goals) > 0
	}
	goals := doc.GoalsOf(service)
	if !stated || len(goals) == 0 {
		return view.Unknown
	}
	return view.Num(goals[len(goals)-1].Std().Seconds() * 1000)
}

// changes says in few words what became of routes.
func changes(was, is *registry.Routes) string {
	name := func(r registry.Route) string { return cmp.Or(r.Name, r.Match.String()) }
	old := make(map[string]string)
	for _, r := range was.Routes {
		old[name(r)] = fmt.Sprintf("%+v", r)
	}
	var parts []string
	for _, r := range is.Routes {
		n := name(r)
		switch before, has := old[n]; {
		case !has:
			parts = append(parts, "new "+n+" to "+r.Service)
		case before != fmt.Sprintf("%+v", r):
			parts = append(parts, n+" changed")
		}
		delete(old, n)
	}
	for _, n := range slices.Sorted(maps.Keys(old)) {
		parts = append(parts, n+" removed")
	}
	for _, s := range is.Divided() {
		before, after := was.Rule(s), is.Rule(s)
		if after != nil && (before == nil || !maps.Equal(before.Versions, after.Versions)) {
			parts = append(parts, "shares of "+s+"'s versions")
		}
	}
	if len(parts) == 0 {
		return "the same routes as before"
	}
	if n := len(parts); n > 3 {
		parts = append(parts[:3], fmt.Sprintf("and %d more", n-3))
	}
	return strings.Join(parts, ", ")
}

// etcd sums up what is known of it.
func (c *Collector) etcd(now time.Time, v *view.View) {
	c.pending.Lock()
	v.Etcd = c.pending.etcd
	c.pending.Unlock()
	for _, p := range v.Processes {
		if !p.AgeS.Known() || time.Duration(float64(p.AgeS)*float64(time.Second)) >= Silence {
			continue
		}
		v.Etcd.Asked++
		if p.EtcdAway {
			v.Etcd.Without++
		}
	}
	if !v.Etcd.Used {
		return
	}
	if v.Etcd.Away != c.etcdAway {
		c.etcdAway = v.Etcd.Away
		if c.etcdAway {
			c.event(now, "etcd", "etcd", "etcd doesn't answer", view.Amber)
		} else {
			c.event(now, "etcd", "etcd", "etcd answers again", view.Normal)
		}
	}
}
