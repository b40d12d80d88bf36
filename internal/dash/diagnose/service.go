package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"nanofront/internal/dash/view"
)

// traffic judges what becomes of a service's requests.
func (j *judge) traffic(s *view.Service) {
	if s.Stale {
		return
	}
	requests, failures, seconds := s.Requests, s.Failures, 3.0
	if s.LongRequests < quiet {
		requests, failures, seconds = s.LongRequests, s.LongFailures, 10
	}
	share := 0.0
	if requests > 0 {
		share = min(1, failures/requests)
	}
	nobody := s.Routed && s.Live == 0 && s.Reached.Or(0) == 0
	p := view.Problem{
		Service: s.Name, Hit: failures / seconds, Runbook: runbookErrors,
		Command: "nanofront bus tap " + s.Name + j.at,
	}
	if j.saturated && s.Sheds >= failures/2 && failures > 0 {
		if share >= redShare {
			s.Level = view.Red // it is the front's fault, and said there
		}
		return
	}
	switch {
	case failures >= fewest && share >= redShare:
		p.Key, p.Level = s.Name+" errors", view.Red
		p.Text = percent(share) + " errors"
		if !s.Routed {
			p.Level = view.Amber // whether users are hurt, its callers show
		}
	case s.Routed && failing(s) != nil:
		r := failing(s)
		p.Key, p.Level, p.Hit = s.Name+" errors", view.Red, float64(r.Failed)
		p.Text = fmt.Sprintf("route %s: %s errors", r.Name, percent(float64(r.Failed/r.Rate)))
	case nobody:
		p.Key, p.Level, p.Hit = s.Name+" errors", view.Amber, 0
		p.Text = "no instance takes requests; none has come yet"
		if s.LongRequests > 0 {
			p.Text = "no instance takes requests"
		}
	case failures >= fewest && share >= amberShare:
		p.Key, p.Level = s.Name+" errors", view.Amber
		p.Text = percent(share) + " errors"
	case s.Sheds > 0 && s.Sheds >= redShare*requests:
		p.Key, p.Level = s.Name+" errors", view.Amber
		p.Text = grouped(s.Sheds/3) + " requests/s refused"
	default:
		return
	}
	if nobody {
		p.Runbook = runbookNobody
		p.Command = "nanofront status" + j.at
	}
	var culprit string
	p.Cause, culprit = j.cause(s, failures)
	if culprit != "" {
		p.Process = culprit
		j.blamed[culprit] = true
	}
	j.add(p)
}

// failing is the route of a service that fails most, if users of it are hurt.
func failing(s *view.Service) (worst *view.Path) {
	for i := range s.Paths {
		r := &s.Paths[i]
		if r.Rate > 0 && r.Failed*3 >= fewest && r.Failed/r.Rate >= redShare && (worst == nil || r.Failed > worst.Failed) {
			worst = r
		}
	}
	return worst
}

// cause says what a service's failures come from, and names the process if it is one.
func (j *judge) cause(s *view.Service, failures float64) (text, process string) {
	now := j.v.AtMS
	defer func() {
		if process != "" && strings.Contains(text, " gone") {
			for _, p := range j.byService[s.Name] { // all that have gone are said
				if p.State == view.Gone {
					j.blamed[p.Key] = true
				}
			}
		}
	}()
	mine, refusing := j.byService[s.Name], s.Sheds >= failures/2 && s.Sheds > 0
	gone, restarted := []string{}, []string{}
	for _, p := range mine {
		if p.State == view.Gone || p.State == view.Silent {
			gone = append(gone, p.ID)
		} else if p.RestartedAt != 0 && now-p.RestartedAt < asCause.Milliseconds() {
			restarted = append(restarted, p.ID)
		}
	}
	key := func(id string) string { return s.Name + "/" + id }
	switch {
	case s.Routed && s.Live == 0 && s.Reached.Or(0) == 0 && len(mine) == 0:
		return "no instance of " + s.Name + " is registered: " + routeOf(s) + " leads to nobody", ""
	case s.Routed && s.Live == 0 && s.Reached.Or(0) == 0 && len(gone) > 0:
		return has(gone) + " gone, and no other instance is left", key(gone[0])
	case s.Routed && s.Live == 0 && s.Reached.Or(0) == 0:
		return "no front has a link to " + list(ids(mine)), key(mine[0].ID)
	case refusing && s.InFlight.Or(0)*2 >= s.Limit.Or(0):
		return overloaded(s), ""
	}
	if callee := j.callee(s.Name); callee != "" {
		return callee, ""
	}
	for _, p := range mine {
		if p.Stalled {
			return p.ID + " is silent with requests under way", p.Key
		}
	}
	if len(gone) > 0 {
		return has(gone) + " gone", key(gone[0])
	}
	if len(restarted) > 0 {
		return list(restarted) + " was restarted", key(restarted[0])
	}
	if refusing {
		return overloaded(s), ""
	}
	// One that fails more than the others.
	var worst *view.Process
	for _, p := range mine {
		if p.Errors.Or(0) >= redShare && (worst == nil || p.Errors.Or(0) > worst.Errors.Or(0)) {
			worst = p
		}
	}
	if worst != nil {
		others := 0
		for _, p := range mine {
			if p.Errors.Or(0)*2 >= float64(worst.Errors) {
				others++
			}
		}
		if others == 1 && len(mine) > 1 {
			return fmt.Sprintf("%s fails (%s of its requests)", worst.ID, percent(worst.Errors.Or(0))), worst.Key
		}
		return "its handlers answer with 5xx", ""
	}
	if p, text := j.slowOne(s); p != nil {
		return text, p.Key
	}
	return "", ""
}

// outrun is the instance for which others answer most of what it gets, if the others are better.
func outrun(mine []*view.Process) (worst *view.Process) {
	share := func(p *view.Process) float64 {
		if p.Outrun*10 < fewest || !p.Rate.Known() {
			return 0 // fewer than that in ten seconds are an accident
		}
		return p.Outrun / (p.Outrun + max(p.Rate.Or(0), 0))
	}
	most, second := 0.5, 0.0
	for _, p := range mine {
		switch s := share(p); {
		case s >= most:
			worst, most, second = p, s, max(second, 0)
		default:
			second = max(second, s)
		}
	}
	if second*2 > most {
		return nil
	}
	return worst
}

// overloaded says how full a service is that refuses requests.
func overloaded(s *view.Service) string {
	if s.Limit.Known() {
		return fmt.Sprintf("overloaded: %s of %s requests in flight", grouped(s.InFlight.Or(0)), grouped(float64(s.Limit)))
	}
	return "overloaded"
}

func ids(list []*view.Process) (names []string) {
	for _, p := range list {
		names = append(names, p.ID)
	}
	return names
}

func has(names []string) string {
	if len(names) == 1 {
		return names[0] + " has"
	}
	return list(names) + " have"
}

func routeOf(s *view.Service) string {
	switch len(s.Routes) {
	case 0:
		return "its route"
	case 1:
		return "route " + s.Routes[0]
	}
	return fmt.Sprintf("route %s and %d more", s.Routes[0], len(s.Routes)-1)
}

// callee is a service that this one calls and that has more trouble than usual.
func (j *judge) callee(name string) string {
	for _, e := range j.v.Edges {
		t := j.services[e.To]
		if e.From != name || t == nil || e.To == name {
			continue
		}
		gone := []string{}
		for _, p := range j.byService[e.To] {
			if p.State == view.Gone || p.Stalled {
				gone = append(gone, p.ID)
			}
		}
		switch {
		case len(gone) > 0 && len(gone) == len(j.byService[e.To]):
			return "it calls " + e.To + ", of which " + has(gone) + " gone or is silent"
		case e.Rate > 0 && e.Failed/e.Rate >= redShare || t.Errors.Or(0) >= redShare && t.Failures >= fewest:
			return fmt.Sprintf("it calls %s, which fails (%s)", e.To, percent(max(t.Errors.Or(0), float64(e.Failed/max(e.Rate, 1)))))
		case slow(t):
			return fmt.Sprintf("it calls %s, whose p99 is %s, %s its usual", e.To, millis(t.P99), times(t.TimesUsual.Or(0)))
		}
	}
	return ""
}

// slow reports whether a service takes much longer than usual.
func slow(s *view.Service) bool {
	return s.P99.Known() && s.UsualP99.Known() && s.LongRequests >= 20 &&
		float64(s.P99) >= slowTimes*float64(s.UsualP99) && float64(s.P99) >= float64(s.UsualP99)+slowBy
}

// latency judges how long a service's requests take.
func (j *judge) latency(s *view.Service) {
	if s.Stale {
		return
	}
	one, text := j.slowOne(s)
	p := view.Problem{
		Key: s.Name + " slow", Service: s.Name, Level: view.Amber, Runbook: runbookSlow,
		Command: "nanofront bus tap " + s.Name + j.at,
	}
	switch {
	case slow(s):
		p.Text = fmt.Sprintf("p99 %s, %s its usual", millis(s.P99), times(s.TimesUsual.Or(0)))
	case s.Goal.Known() && s.P99.Known() && s.P99 > s.Goal && s.LongRequests >= 20:
		p.Text = fmt.Sprintf("p99 %s, its goal is %s", millis(s.P99), millis(s.Goal))
	case one != nil:
		p.Text = "one instance is slow"
		if one.Stalled {
			p.Text = "one instance doesn't answer"
		}
		if !slices.ContainsFunc(j.problems, func(q view.Problem) bool { return q.Hit > 0 }) {
			text += "; users are served"
		}
	default:
		return
	}
	switch callee := j.callee(s.Name); {
	case one != nil:
		p.Cause, p.Process = text, one.Key
		p.Command = "nanofront bus tap " + one.Key + j.at
		j.blamed[one.Key] = true
		one.Level = view.Amber
	case callee != "":
		p.Cause = callee
	case s.Grew != "":
		p.Cause = fmt.Sprintf("its %s takes %s its usual", partName(s.Grew), times(s.GrewTimes.Or(0)))
	}
	for _, q := range j.problems { // what fails is said already
		if q.Service == s.Name && (q.Level == view.Red || q.Process != "" && q.Process == p.Process) {
			return
		}
	}
	j.add(p)
}

func partName(part string) string {
	switch part {
	case "queue":
		return "wait for a worker"
	case "bus":
		return "way over the bus"
	}
	return part
}

// slowOne is the instance that takes much longer than its peers, or doesn't speak.
func (j *judge) slowOne(s *view.Service) (*view.Process, string) {
	mine := j.byService[s.Name]
	var worst *view.Process
	for _, p := range mine {
		if p.Stalled && p.State != view.Gone {
			return p, p.ID + " is silent with requests under way"
		}
		if p.Now.Known() && (worst == nil || p.Now > worst.Now) {
			worst = p
		}
	}
	if p := outrun(mine); p != nil {
		return p, fmt.Sprintf("%s takes so long that others answer for it, %s requests/s", p.ID, grouped(p.Outrun))
	}
	if worst == nil || len(mine) < 2 {
		return nil, ""
	}
	var peers []float64
	for _, p := range mine {
		if p != worst && p.Now.Known() {
			peers = append(peers, float64(p.Now))
		}
	}
	if len(peers) == 0 {
		return nil, ""
	}
	slices.Sort(peers)
	median := peers[len(peers)/2]
	if float64(worst.Now) < peerTimes*median || float64(worst.Now) < median+peerBy {
		return nil, ""
	}
	text := fmt.Sprintf("%s takes %s, its peers %s", worst.ID, millis(worst.Now), millis(view.Num(median)))
	if worst.Share < 50 {
		text += fmt.Sprintf("; its share is cut to %d %%", worst.Share)
	}
	return worst, text
}
