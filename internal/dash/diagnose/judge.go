package diagnose

import (
	"fmt"

	"nanofront/internal/dash/view"
)

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

// etcd says what it means that etcd is away.
func (j *judge) etcd() {
	e := j.v.Etcd
	if !e.Used {
		return
	}
	p := view.Problem{Key: "etcd", Level: view.Amber, Runbook: runbookEtcd, Command: "etcdctl endpoint health"}
	const meaning = "requests are served as before; nobody can join, and routes can't change"
	switch {
	case e.Away:
		p.Text, p.Cause = "etcd doesn't answer", meaning
	case e.Without > 0:
		p.Text = fmt.Sprintf("%d of %d processes don't reach etcd", e.Without, e.Asked)
		p.Cause = meaning + " for them"
	default:
		return
	}
	j.add(p)
}
