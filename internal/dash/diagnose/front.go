package diagnose

import (
	"fmt"

	"nanofront/internal/dash/view"
)

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
	// At most the share that the page shows beside it, which is of three seconds.
	p.Text = fmt.Sprintf("%s is saturated: %s of requests refused (503)", name, percent(min(shed/rate, t.Errors.Or(1))))
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
