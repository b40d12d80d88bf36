package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nanofront/internal/dash/view"
)

// sentence is the line at the top.
func sentence(v *view.View) string {
	var parts []string
	mentioned := map[string]bool{}
	blind, silent := slices.ContainsFunc(v.Problems, func(p view.Problem) bool { return p.Key == "blind" }), 0
	for _, p := range v.Problems {
		if blind && p.Level == view.Missing && p.Key != "blind" {
			silent++ // it is among those of whom that is said
			continue
		}
		full := len(parts) >= 2 || len(parts) == 1 && (v.Problems[0].Level.Worse(p.Level) && !view.Missing.Worse(p.Level) && p.Level != view.Amber || p.Level == view.Intended)
		if full && p.Key != "blind" { // whether there is anything to be believed at all is always said
			continue
		}
		parts = append(parts, clause(v, p))
		mentioned[p.Service] = true
	}
	normal := []string{}
	for _, s := range v.Services {
		if s.Level == view.Normal && !mentioned[s.Name] {
			normal = append(normal, s.Name)
		}
	}
	if len(parts) > 0 {
		more := len(v.Problems) - len(parts) - silent
		text := strings.Join(parts, "; ")
		if more > 0 {
			text += "; " + plural(more, "thing", "things") + " more below"
		}
		switch n := len(normal); {
		case blind && v.Level == view.Missing && v.Total.Rate.Known():
			text += "; what is heard is normal: " + traffic(&v.Total)
		case n == 1:
			text += "; " + normal[0] + " normal"
		case n == 2:
			text += "; " + normal[0] + " and " + normal[1] + " normal"
		case n > 2:
			text += fmt.Sprintf("; %s and %d others normal", normal[0], n-1)
		}
		return text
	}
	if v.Total.Rate.Or(0) < 0.05 {
		return "all normal, no requests at present" + readyOf(v)
	}
	return "all normal: " + traffic(&v.Total)
}

// traffic is what users get.
func traffic(t *view.Total) string {
	switch {
	case t.Rate.Or(0) < 0.05:
		return "no requests at present"
	case t.Failed.Or(0) > 0:
		return fmt.Sprintf("%s requests/s, p99 %s, %s errors", grouped(float64(t.Rate)), millis(t.P99), percent(t.Errors.Or(0)))
	}
	return fmt.Sprintf("%s requests/s, p99 %s, no errors", grouped(float64(t.Rate)), millis(t.P99))
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
	if d := time.Duration(v.AtMS-p.SinceMS) * time.Millisecond; d >= time.Second && p.Level != view.Intended && !strings.Contains(p.Text, " ago") && !strings.Contains(p.Text, " heard for ") {
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
