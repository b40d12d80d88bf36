package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nanofront/internal/dash/view"
)

// From when on something counts.
const (
	redShare   = 0.01  // of a service's requests
	amberShare = 0.001 // the same
	fewest     = 2     // failures that are more than an accident
	quiet      = 30    // requests in 10 s: fewer are looked at over all of these

	slowTimes = 3.0  // × its usual p99
	slowBy    = 10.0 // ms above it
	peerTimes = 4.0  // × the median of its peers
	peerBy    = 5.0  // ms above it

	nearLimit = 0.9

	// recently is for how long a restart or a loss is news.
	recently = 20 * time.Second
	// asCause is for how long it may be what failures come from.
	asCause = 15 * time.Second
	// flap is for how long a problem may be away and still be the same.
	flap = 10 * time.Second
)

// Where in docs/runbook.md it is said what to do.
const (
	runbookErrors = "nanofronterrorsburn1h"
	runbookNobody = "nanofrontservicewithoutinstance"
	runbookSlow   = "nanofrontlatencyburn1h"
	runbookFull   = "overview-turned-down"
	runbookGone   = "nanofrontprocesssilent"
	runbookEtcd   = "nanofrontetcdaway"
	runbookBlind  = "nanofrontmonitorblind"
)

// Diagnosis remembers since when something is wrong. It is for one goroutine.
type Diagnosis struct {
	// At is what commands need to reach this system: " --etcd http://…".
	At    string
	known map[string]*noted
}

type noted struct{ since, last int64 }

// New makes a Diagnosis that has seen nothing.
func New() *Diagnosis { return &Diagnosis{known: make(map[string]*noted)} }

// Judge fills in what is wrong. Views come in the order of their times.
func (d *Diagnosis) Judge(v *view.View) {
	j := judge{v: v, at: d.At, services: make(map[string]*view.Service), byService: make(map[string][]*view.Process)}
	j.all()
	for i := range j.problems {
		p := &j.problems[i]
		n := d.known[p.Key]
		if n == nil {
			n = &noted{since: v.AtMS}
			d.known[p.Key] = n
		}
		n.last = v.AtMS
		p.SinceMS = n.since
	}
	for k, n := range d.known {
		if v.AtMS-n.last > flap.Milliseconds() {
			delete(d.known, k)
		}
	}
	slices.SortStableFunc(j.problems, func(a, b view.Problem) int {
		switch {
		case a.Level.Worse(b.Level):
			return -1
		case b.Level.Worse(a.Level):
			return 1
		}
		return cmp.Compare(b.Hit, a.Hit)
	})
	v.Problems = j.problems
	if v.Problems == nil {
		v.Problems = []view.Problem{}
	}
	v.Level = view.Normal
	for _, p := range v.Problems {
		if p.Level.Worse(v.Level) {
			v.Level = p.Level
		}
	}
	v.Sentence = sentence(v)
}

// judge is one look at a view.
type judge struct {
	v         *view.View
	at        string
	problems  []view.Problem
	services  map[string]*view.Service
	byService map[string][]*view.Process
	saturated bool // a front is
	blamed    map[string]bool
}

func (j *judge) add(p view.Problem) {
	j.problems = append(j.problems, p)
	if s := j.services[p.Service]; s != nil && p.Level.Worse(s.Level) {
		s.Level = p.Level
	}
}

func (j *judge) all() {
	v := j.v
	j.blamed = make(map[string]bool)
	for i := range v.Services {
		s := &v.Services[i]
		s.Level = view.Normal
		j.services[s.Name] = s
	}
	for i := range v.Processes {
		p := &v.Processes[i]
		p.Level = view.Normal
		if p.Kind == view.Handler {
			j.byService[p.Service] = append(j.byService[p.Service], p)
		}
	}
	j.sight()
	j.fronts()
	for i := range v.Services {
		j.traffic(&v.Services[i])
	}
	j.unclaimed()
	for i := range v.Services {
		j.latency(&v.Services[i])
	}
	for i := range v.Processes {
		j.process(&v.Processes[i])
	}
	j.etcd()
}

// sight says how much can be seen at all.
func (j *judge) sight() {
	v := j.v
	fronts, silent := 0, []string{}
	for i := range v.Processes {
		p := &v.Processes[i]
		if p.Kind == view.Front {
			fronts++
		}
		if p.State == view.Silent {
			silent = append(silent, p.Key)
		}
	}
	switch {
	case v.Total.Fronts == 0:
		text := "no terminator is heard: whether users are hurt isn't known"
		if fronts == 0 {
			text = "no terminator is known: whether users are hurt isn't known"
		}
		j.add(view.Problem{
			Key: "blind", Level: view.Missing, Text: text, Cause: heardOf(v),
			Command: "nanofront status" + j.at, Runbook: runbookBlind,
		})
	case len(silent) >= 2 && len(silent)*3 >= v.Known:
		j.add(view.Problem{
			Key: "blind", Level: view.Missing, Text: heardOf(v) + ": what is said of the others is not known",
			Cause: "not heard: " + list(silent), Command: "nanofront status" + j.at, Runbook: runbookBlind,
		})
	}
	for i := range v.Services {
		if s := &v.Services[i]; s.Stale {
			s.Level = view.Missing
		}
	}
}

func heardOf(v *view.View) string {
	return fmt.Sprintf("heard %d of %s", v.Heard, plural(v.Known, "process", "processes"))
}

// fronts looks for one that has too much to do itself.
func (j *judge) fronts() {
	t := &j.v.Total
	if !t.Rate.Known() {
		return
	}
	turned, shed := t.TurnedAway.Or(0), t.Shed.Or(0)
	full := t.Limit.Known() && t.InFlight.Or(0) >= nearLimit*float64(t.Limit)
	var worst *view.Process
	for i := range j.v.Processes {
		p := &j.v.Processes[i]
		if p.Kind != view.Front || !p.InFlight.Known() {
			continue
		}
		if p.Limit.Known() && p.Limit > 0 && float64(p.InFlight) >= nearLimit*float64(p.Limit) {
			full = true
			if worst == nil || p.InFlight/p.Limit > worst.InFlight/max(worst.Limit, 1) {
				worst = p
			}
		}
	}
	// A service whose own limit is as high as it can be is held back by nothing but the front's.
	for i := range j.v.Services {
		s := &j.v.Services[i]
		full = full || s.Sheds > 0 && s.Limit.Known() && t.Limit.Known() && s.Limit >= t.Limit
	}
	if turned < 1 && !(full && shed >= 1) {
		return
	}
	rate := max(float64(t.Rate), shed)
	if rate <= 0 || shed/rate < redShare {
		return
	}
	j.saturated = true
	name := "the front"
	var cause string
	if turned >= shed/2 {
		for i := range j.v.Processes {
			p := &j.v.Processes[i]
			if p.Kind == view.Front && p.LoopLag.Known() && (worst == nil || p.LoopLag.Or(0) > worst.LoopLag.Or(0)) {
				worst = p
			}
		}
		cause = "it has more to do than its cores can"
		if worst != nil && worst.LoopLag.Known() {
			cause += ": its loops are " + millis(worst.LoopLag) + " behind"
		}
	} else {
		limit := t.Limit
		for i := range j.v.Processes { // of several fronts any, if none is at its limit at this moment
			if p := &j.v.Processes[i]; worst == nil && p.Kind == view.Front && p.Limit.Known() {
				worst = p
			}
		}
		if worst != nil {
			limit = worst.Limit
		}
		cause = fmt.Sprintf("its limit of %s requests at once is reached", grouped(limit.Or(0)))
		if slow := j.slowest(); slow != "" {
			cause += "; most wait for " + slow
		}
	}
	p := view.Problem{
		Key: "front saturated", Level: view.Red, Hit: shed, Cause: cause, Runbook: runbookFull,
		Command: "nanofront status" + j.at,
	}
	if worst != nil {
		name = "front " + worst.ID
		p.Process = worst.Key
		worst.Level = view.Red
	}
	p.Text = fmt.Sprintf("%s is saturated: %s of requests refused (503)", name, percent(shed/rate))
	j.add(p)
}

// slowest is the service that has most in flight.
func (j *judge) slowest() string {
	name, most := "", 0.0
	for i := range j.v.Services {
		if s := &j.v.Services[i]; s.Routed && s.InFlight.Or(0) > most {
			name, most = s.Name, s.InFlight.Or(0)
		}
	}
	return name
}

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
	mine := j.byService[s.Name]
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
	case s.Sheds >= failures/2 && s.Sheds > 0:
		text = "overloaded"
		if s.Limit.Known() {
			text += fmt.Sprintf(": %s of %s requests in flight", grouped(s.InFlight.Or(0)), grouped(float64(s.Limit)))
		}
		return text, ""
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

// unclaimed are failures that no service accounts for.
func (j *judge) unclaimed() {
	t := &j.v.Total
	if !t.Rate.Known() || t.Errors.Or(0) < redShare || t.Failed.Or(0) < 1 {
		return
	}
	for _, p := range j.problems {
		if p.Level == view.Red {
			return
		}
	}
	j.add(view.Problem{
		Key: "front errors", Level: view.Red, Hit: t.Failed.Or(0), Text: "front: " + percent(float64(t.Errors)) + " errors",
		Cause: "no service accounts for them", Runbook: runbookErrors, Command: "nanofront status" + j.at,
	})
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
		p.Text = "one instance is slow, users are served"
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
		if q.Service == s.Name && q.Level == view.Red {
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

// process judges one process.
func (j *judge) process(p *view.Process) {
	now := j.v.AtMS
	var level view.Level
	var text, cause string
	s := j.services[p.Service]
	left := ""
	if s != nil {
		left = fmt.Sprintf("%s left", plural(s.Live, "instance", "instances"))
	}
	name := p.ID
	if p.Kind == view.Front {
		name = "front " + p.ID
	}
	switch {
	case p.State == view.Gone && p.Level == view.Normal && intended(j.v, p):
		level, text = view.Intended, name+" has ended, after draining"
	case p.State == view.Gone:
		level, text = view.Amber, name+" has gone"
		cause = left
		if p.GoneAt != 0 && now-p.GoneAt > time.Minute.Milliseconds() && s != nil && s.Live > 0 {
			return
		}
	case p.Stalled:
		level, text, cause = view.Amber, name+" is silent with requests under way", left
	case p.State == view.Silent:
		level, text = view.Missing, name+" isn't heard"
		if p.AgeS.Known() {
			text += " since " + span(time.Duration(float64(p.AgeS)*float64(time.Second)))
		}
		cause = p.Error
	case p.State == view.Draining:
		level, text = view.Intended, name+" drains"
	case p.State == view.TakenOut:
		level, text = view.Intended, name+" is taken out by its weight"
	case p.State == view.NotReady && p.Uptime.Or(0) > 5:
		level, text = view.Amber, name+" is not ready"
	case p.State == view.Registered && s != nil && s.Routed && p.Uptime.Or(0) > 10:
		level, text = view.Amber, name+" is registered, but nobody is linked with it"
	case p.Links > 0 && p.Share < 50:
		level, text = view.Amber, fmt.Sprintf("%s does worse than its peers: its share is cut to %d %%", name, p.Share)
	case p.RestartedAt != 0 && now-p.RestartedAt < recently.Milliseconds():
		level, text = view.Amber, name+" was restarted "+span(time.Duration(now-p.RestartedAt)*time.Millisecond)+" ago"
	default:
		return
	}
	if level.Worse(p.Level) {
		p.Level = level
	}
	if j.blamed[p.Key] {
		return // said already, with what it did
	}
	j.add(view.Problem{
		Key: p.Key + " " + p.State, Level: level, Service: p.Service, Process: p.Key, Text: text, Cause: cause,
		Runbook: runbookOf(level, p), Command: "nanofront status" + j.at,
	})
}

func runbookOf(level view.Level, p *view.Process) string {
	switch {
	case level == view.Missing:
		return runbookBlind
	case level == view.Intended:
		return ""
	case p.Stalled:
		return runbookSlow
	}
	return runbookGone
}

// intended reports whether a process that has gone was drained first.
func intended(v *view.View, p *view.Process) bool {
	for _, e := range v.Events {
		if e.Subject == p.Key && (e.Kind == "gone" || e.Kind == "left") {
			return e.Level == view.Intended
		}
	}
	return false
}

// etcd says what it means that etcd is away.
func (j *judge) etcd() {
	e := j.v.Etcd
	if !e.Used {
		return
	}
	p := view.Problem{Key: "etcd", Level: view.Amber, Runbook: runbookEtcd, Command: "etcdctl endpoint health"}
	const meaning = "requests are served as before; nobody can join, and routes can't change"
	switch {
	case e.Away && (e.Asked == 0 || e.Without*2 >= e.Asked):
		p.Text, p.Cause = "etcd doesn't answer", meaning
	case e.Without > 0:
		p.Text = fmt.Sprintf("%d of %d processes don't reach etcd", e.Without, e.Asked)
		p.Cause = meaning + " for them"
		if e.Away {
			p.Text = "etcd doesn't answer"
			p.Cause = meaning
		}
	case e.Away:
		p.Text, p.Cause = "etcd doesn't answer", meaning
	default:
		return
	}
	j.add(p)
}

// sentence is the line at the top.
func sentence(v *view.View) string {
	var parts []string
	mentioned := map[string]bool{}
	for _, p := range v.Problems {
		if len(parts) == 2 || len(parts) == 1 && (v.Problems[0].Level.Worse(p.Level) && !view.Missing.Worse(p.Level) && p.Level != view.Amber || p.Level == view.Intended) {
			break
		}
		parts = append(parts, clause(v, p))
		mentioned[p.Service] = true
	}
	normal := []string{}
	slices.SortFunc(v.Services, func(a, b view.Service) int {
		switch {
		case a.Level.Worse(b.Level):
			return -1
		case b.Level.Worse(a.Level):
			return 1
		}
		return cmp.Or(cmp.Compare(b.Rate.Or(-1), a.Rate.Or(-1)), cmp.Compare(a.Name, b.Name))
	})
	for _, s := range v.Services {
		if s.Level == view.Normal && !mentioned[s.Name] {
			normal = append(normal, s.Name)
		}
	}
	if len(parts) > 0 {
		more := len(v.Problems) - len(parts)
		text := strings.Join(parts, "; ")
		if more > 0 {
			text += "; " + plural(more, "thing", "things") + " more below"
		}
		switch n := len(normal); {
		case n == 1:
			text += "; " + normal[0] + " normal"
		case n == 2:
			text += "; " + normal[0] + " and " + normal[1] + " normal"
		case n > 2:
			text += fmt.Sprintf("; %s and %d others normal", normal[0], n-1)
		}
		return text
	}
	t := v.Total
	switch {
	case t.Rate.Or(0) < 0.05:
		return "all normal, no requests at present" + readyOf(v)
	case t.Failed.Or(0) > 0:
		return fmt.Sprintf("all normal: %s requests/s, p99 %s, %s errors", grouped(float64(t.Rate)), millis(t.P99), percent(t.Errors.Or(0)))
	}
	return fmt.Sprintf("all normal: %s requests/s, p99 %s, no errors", grouped(float64(t.Rate)), millis(t.P99))
}

func readyOf(v *view.View) string {
	if len(v.Services) == 0 {
		return ""
	}
	return "; " + plural(len(v.Services), "service", "services") + " ready"
}

// clause is a problem in the sentence.
func clause(v *view.View, p view.Problem) string {
	text := p.Text
	if p.Service != "" {
		text = p.Service + ": " + text
	}
	if d := time.Duration(v.AtMS-p.SinceMS) * time.Millisecond; d >= time.Second && p.Level != view.Intended && !strings.Contains(p.Text, " ago") && !strings.Contains(p.Text, " since ") {
		text += " for " + span(d)
	}
	if p.Hit >= 0.05 {
		text += ", " + grouped(p.Hit) + " requests/s hit"
	}
	if p.Cause != "" {
		text += " (" + p.Cause + ")"
	}
	return text
}
