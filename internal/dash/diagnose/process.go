package diagnose

import (
	"fmt"
	"time"

	"nanofront/internal/dash/view"
)

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
		level, text = view.Intended, name+" has left, as it was to"
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
			text = name + " hasn't been heard for " + span(time.Duration(float64(p.AgeS)*float64(time.Second)))
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
